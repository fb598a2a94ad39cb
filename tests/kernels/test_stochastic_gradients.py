"""Steps go along the gradients of the samples drawn, in the order given, and enlarge no error."""

import math

import numpy as np
import pytest

from xpbench.kernels.gradient_descent import reference as gradient_descent
from xpbench.kernels.stochastic_gradients import (
    minibatch_inputs,
    minibatch_reference,
    minibatch_sgd,
    sgd,
    sgd_inputs,
    sgd_reference,
)

EPS = np.finfo(np.float64).eps


def loss(w, x, y):
    """The mean of log(1 + exp(-y z)), which is the logistic loss for labels -1 and 1."""
    return float(np.mean(np.logaddexp(0, -y * (x @ w))))


@pytest.fixture
def data():
    return sgd_inputs(np.random.default_rng(0), n=300, d=6)


@pytest.mark.parametrize("t", [0, 7, 150])
def test_a_step_goes_along_the_gradient_of_the_loss_of_its_sample(data, t):
    optimize = pytest.importorskip("scipy.optimize")
    x, y, order, eta = data
    (before,) = sgd_reference(x, y, order[:t], eta[:t])
    (after,) = sgd_reference(x, y, order[: t + 1], eta[: t + 1])
    sample = order[t : t + 1]
    gradient = optimize.approx_fprime(before, loss, np.sqrt(EPS), x[sample], y[sample])
    # Forward differences of step sqrt(eps) err by sqrt(eps) times curvature and loss.
    tolerance = np.sqrt(EPS) * (np.max(x[sample] ** 2) + 4)
    np.testing.assert_allclose((before - after) / eta[t], gradient, atol=tolerance)


def test_the_weights_follow_from_inner_products_of_the_samples_alone(data):
    """The dual form: w = sum of a_t x_t, and a_t knows of the others by the Gram matrix."""
    x, y, order, eta = data
    gram = x[order] @ x[order].T
    a = np.zeros(len(order))
    for t, i in enumerate(order):
        a[t] = eta[t] * y[i] / (1 + np.exp(y[i] * (gram[t] @ a)))
    (w,) = sgd_reference(x, y, order, eta)
    # A step sums t products in place of d; its errors add up like those of the limit, over n steps.
    tolerance = len(order) * EPS * np.linalg.norm(a) * np.max(np.linalg.norm(x, axis=1))
    np.testing.assert_allclose(a @ x[order], w, rtol=0, atol=tolerance)


def test_no_step_carries_two_iterates_apart(data):
    """The limit on rounding errors rests on it."""
    x, y, order, eta = data
    one, other = np.random.default_rng(1).standard_normal((2, x.shape[1]))
    for i, rate in zip(order, eta, strict=True):
        before = np.linalg.norm(one - other)
        one, other = (w + rate * y[i] * x[i] / (1 + np.exp(y[i] * (x[i] @ w))) for w in (one, other))
        assert np.linalg.norm(one - other) <= before * (1 + 8 * EPS)


@pytest.mark.parametrize(("n", "d", "m"), [(512, 4, 16), (1024, 64, 32), (1024, 128, 64)])
def test_the_step_of_a_batch_is_below_twice_that_of_its_curvature(n, d, m):
    """The same for batches: up to 2 / L the map is nonexpansive, with L that of any batch."""
    x, _, order, eta = minibatch_inputs(np.random.default_rng(3), n, d, m)
    largest = max(np.linalg.norm(x[batch], 2) ** 2 / (4 * m) for batch in order)
    assert 1 / 2 < eta * largest < 2


def test_batches_of_one_are_single_samples(data, xp):
    x, y, order, eta = data
    rate = eta[-1]
    batches = minibatch_sgd(xp, x, y, order[:, None], rate)
    samples = sgd(xp, x, y, order, np.full(len(order), rate))
    np.testing.assert_allclose(batches, samples, rtol=0, atol=len(order) * EPS * np.linalg.norm(samples))


def test_one_batch_of_all_samples_is_a_step_of_gradient_descent(data, xp):
    x, y, order, _ = data
    eta = np.asarray(0.5)
    (exact,) = gradient_descent(x, (y + 1) / 2, eta, steps=1)
    w = minibatch_sgd(xp, x, y, order[None, :], eta)
    np.testing.assert_allclose(w, exact, rtol=0, atol=np.sqrt(len(order)) * EPS)


@pytest.mark.parametrize("name", ["small", "medium"])
def test_the_loss_falls_and_has_not_converged(draw, name):
    """Else a step too few would leave no trace."""
    for kernel, oracle in (("sgd", sgd_reference), ("minibatch_sgd", minibatch_reference)):
        trial = draw(kernel, "float64", preset=name)
        x, y, order, eta = trial.data.exact_inputs
        (last,) = trial.data.reference
        (previous,) = oracle(x, y, order[:-1], eta[: len(order) - 1] if eta.ndim else eta)
        assert loss(last, x, y) < loss(np.zeros_like(last), x, y)
        assert np.linalg.norm(last - previous) > 1e-4 * np.linalg.norm(last)


class Counted:
    """A number that counts what is done to it; an exponential is one operation."""

    operations = 0

    def _count(self, other: object = None) -> "Counted":
        if isinstance(other, np.ndarray):
            return NotImplemented  # and the array takes itself apart
        Counted.operations += 1
        return Counted()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __rtruediv__ = __truediv__ = exp = (
        _count
    )


def counted(*shape):
    numbers = [Counted() for _ in range(math.prod(shape))]
    return np.array(numbers, dtype=object).reshape(shape)


def test_the_stated_flops_are_those_of_the_formula(draw, xp):
    n, d = 6, 3
    Counted.operations = 0
    sgd(xp, counted(n, d), counted(n), np.arange(n), counted(n))
    stated = draw("sgd", preset="small").kernel.flops(n=n, d=d)
    # A sum starts from its first product.
    assert stated == Counted.operations + n


def test_the_stated_flops_of_batches_are_those_of_the_formula(draw, xp):
    n, d, m = 6, 3, 2
    Counted.operations = 0
    minibatch_sgd(xp, counted(n, d), counted(n), np.arange(n).reshape(-1, m), Counted())
    stated = draw("minibatch_sgd", preset="small").kernel.flops(n=n, d=d, m=m)
    # Each of m + d sums of a batch starts from its first product, and eta / m is not counted.
    assert stated == Counted.operations + n // m * (m + d) - 1
