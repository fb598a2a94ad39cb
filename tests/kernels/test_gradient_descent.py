"""The trajectory is that of the logistic loss: its gradient and its known rates."""

from itertools import pairwise

import numpy as np
import pytest

from xpbench import Vocabulary
from xpbench.kernels.gradient_descent import gradient_descent, reference

SIZE = {"n": 200, "d": 6, "steps": 40}
EPS = np.finfo(np.float64).eps


def loss(w, x, y):
    """The mean of log(1 + exp(z)) - y z, which is the logistic loss for labels 0 and 1."""
    z = x @ w
    return float(np.mean(np.logaddexp(0, z) - y * z))


@pytest.fixture
def data(draw):
    x, y, eta = draw("gradient_descent", "float64", **SIZE).data.exact_inputs
    return x, y, float(eta)


@pytest.fixture
def path(data):
    x, y, eta = data
    steps = range(1, SIZE["steps"] + 1)
    return [np.zeros(x.shape[1]), *(reference(x, y, np.asarray(eta), t)[0] for t in steps)]


@pytest.fixture
def minimum(data):
    """The minimiser, by Newton's method: it converges quadratically to where the gradient vanishes."""
    x, y, _ = data
    w = np.zeros(x.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-(x @ w)))
        w -= np.linalg.solve((x.T * (p * (1 - p))) @ x, x.T @ (p - y))
    return w


def test_every_step_goes_along_the_gradient_of_the_loss(data, path):
    optimize = pytest.importorskip("scipy.optimize")
    x, y, eta = data
    for before, after in pairwise(path[:6]):
        gradient = optimize.approx_fprime(before, loss, np.sqrt(EPS), x, y)
        # Forward differences of step sqrt(eps) err by sqrt(eps) times curvature and loss.
        np.testing.assert_allclose((before - after) / eta, gradient, atol=10 * np.sqrt(EPS))


def test_the_loss_falls_with_every_step(data, path):
    x, y, _ = data
    assert np.all(np.diff([loss(w, x, y) for w in path]) < 0)


def test_the_loss_is_within_the_known_rate_for_convex_functions(data, path, minimum):
    """f_t - f* <= 2 L |w_0 - w*|^2 / (t + 4) for steps 1 / L: Nesterov, corollary 2.1.2."""
    x, y, eta = data
    least = loss(minimum, x, y)
    for t, w in enumerate(path):
        assert loss(w, x, y) - least <= 2 / eta * np.sum(minimum**2) / (t + 4)


def test_the_distance_to_the_minimum_shrinks_by_the_known_factor(data, path, minimum):
    """|w_t+1 - w*| <= (1 - eta mu) |w_t - w*|, mu the least curvature between the two.

    The slope of the sigmoid has one hump, so that between two points it is least at one of them.
    """
    x, _, eta = data
    p = 1 / (1 + np.exp(-(x @ minimum)))
    for before, after in pairwise(path):
        q = 1 / (1 + np.exp(-(x @ before)))
        slopes = np.minimum(p * (1 - p), q * (1 - q))
        mu = np.linalg.eigvalsh((x.T * slopes) @ x / len(x))[0]
        bound = (1 - eta * mu) * np.linalg.norm(before - minimum)
        assert np.linalg.norm(after - minimum) <= bound * (1 + 1e-12)


def test_it_has_not_converged_when_it_stops(draw):
    """Else a step too few would leave no trace."""
    for size in draw("gradient_descent", preset="small").kernel.sizes.values():
        if size["n"] <= 2048:
            x, y, eta = draw("gradient_descent", "float64", **size).data.exact_inputs
            (last,) = reference(x, y, eta, size["steps"])
            (previous,) = reference(x, y, eta, size["steps"] - 1)
            assert np.linalg.norm(last - previous) > 1e-4 * np.linalg.norm(last)


class Counted:
    """A number that counts what is done to it; an exponential is one operation."""

    operations = 0

    def _count(self, other: object = None) -> "Counted":
        if isinstance(other, np.ndarray):
            return NotImplemented  # and the array takes itself apart
        Counted.operations += 1
        return Counted()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __rtruediv__ = __truediv__ = (
        __neg__
    ) = exp = _count


def test_the_stated_flops_are_those_of_the_formula(draw):
    n, d, steps = 7, 3, 2
    numbers = [np.array([[Counted() for _ in range(d)] for _ in range(n)])]
    numbers += [np.array([Counted() for _ in range(n)]), Counted()]
    Counted.operations = 0
    gradient_descent(Vocabulary(np), *numbers, steps=steps)
    stated = draw("gradient_descent", preset="small").kernel.flops(n=n, d=d, steps=steps)
    # Each of n + d sums starts from its first product, and eta / n, taken once, is not stated.
    assert stated == Counted.operations + steps * (n + d) - 1
