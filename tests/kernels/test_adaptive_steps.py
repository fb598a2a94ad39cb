"""The oracles are torch's optimisers, the limits grow with what divisions enlarge."""

import numpy as np
import pytest

from xpbench.kernels import adaptive_steps
from xpbench.kernels.adaptive_steps import adam_inputs, momentum_inputs, rmsprop_inputs
from xpbench.kernels.stochastic_gradients import minibatch_reference

EPS = np.finfo(np.float64).eps
KERNELS = ("momentum", "rmsprop", "adam")
INPUTS = {"momentum": momentum_inputs, "rmsprop": rmsprop_inputs, "adam": adam_inputs}


def reference(name, *inputs):
    return getattr(adaptive_steps, f"{name}_reference")(*inputs)[0]


def optimiser(torch, name, parameters, eta, *rates):
    """torch's own, everything but the step and the decays left at its default."""
    if name == "momentum":
        return torch.optim.SGD(parameters, lr=eta, momentum=rates[0])
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=eta, alpha=rates[0])
    return torch.optim.Adam(parameters, lr=eta, betas=rates)


@pytest.mark.parametrize("name", KERNELS)
def test_the_oracle_is_torchs_optimiser_on_the_logistic_loss(name):
    torch = pytest.importorskip("torch")
    steps = 20
    x, y, *rates = INPUTS[name](np.random.default_rng(0), steps=steps, m=32, d=6)
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    chosen = optimiser(torch, name, [w], *map(float, rates))
    for rows, labels in zip(map(torch.tensor, x), map(torch.tensor, y), strict=True):
        with torch.enable_grad():
            chosen.zero_grad()
            torch.nn.functional.softplus(-labels * (rows @ w)).mean().backward()
        chosen.step()
    expected = reference(name, x, y, *rates)
    distance = np.linalg.norm(w.detach().numpy() - expected)
    assert distance <= steps * EPS * np.linalg.norm(expected)


def test_without_momentum_it_is_gradient_descent_on_batches():
    x, y, eta, _ = momentum_inputs(np.random.default_rng(1), steps=10, m=16, d=5)
    order = np.arange(160).reshape(10, 16)
    (expected,) = minibatch_reference(x.reshape(160, 5), y.reshape(160), order, eta)
    w = reference("momentum", x, y, eta, np.asarray(0.0))
    np.testing.assert_allclose(w, expected, rtol=0, atol=10 * EPS * np.linalg.norm(expected))


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_the_first_step_has_one_length_in_every_coordinate_whatever_the_gradient(name, xp):
    """eta for Adam, whose bias is corrected, eta / sqrt(1 - alpha) for RMSprop, but for epsilon."""
    x, y, eta, *rates = INPUTS[name](np.random.default_rng(2), steps=1, m=64, d=12)
    w = getattr(adaptive_steps, name)(xp, x, y, eta, *rates)
    length = eta if name == "adam" else eta / np.sqrt(1 - rates[0])
    slope = np.abs(y[0] @ x[0]) / 128 * (1 if name == "adam" else np.sqrt(1 - rates[0]))
    np.testing.assert_allclose(np.abs(w), length / (1 + 1e-8 / slope), rtol=16 * EPS)


@pytest.mark.parametrize("name", KERNELS)
def test_no_first_gradient_is_near_zero(draw, name):
    """Its sign would hang on rounding, and with it a whole step of rmsprop and of adam."""
    for size in ("small", "medium"):
        x, y, *_ = draw(name, "float64", preset=size).data.exact_inputs
        sums = np.abs(y[0] @ x[0]) / np.linspace(1.0, 0.25, x.shape[2])
        assert np.all(sums > 0.09 * x.shape[1])


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_loss_falls_and_has_not_converged(draw, name, size):
    """Else a step too few would leave no trace."""
    trial = draw(name, "float64", preset=size)
    x, y, *rates = trial.data.exact_inputs
    (last,) = trial.data.reference
    previous = reference(name, x[:-1], y[:-1], *rates)
    assert np.mean(np.logaddexp(0, -y * (x @ last))) < np.log(2)
    assert np.linalg.norm(last - previous) > 1e-3 * np.linalg.norm(last)


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_the_limit_grows_where_the_divisor_cancels_and_honest_results_keep_to_it(draw, xp, name):
    """Two gradients of one feature that nearly cancel lend their rounding errors weight."""
    plain = draw(name, "float32", steps=2, m=64, d=4)
    inputs = plain.inputs
    x, y = map(np.copy, inputs[:2])
    w = np.zeros(4)
    for t, gradient in enumerate((1e-4, -3e-5)):
        for _ in range(20):  # the slopes depend on the feature that is changed
            slopes = y[t] / (1 + np.exp(y[t] * (x[t] @ w)))
            x[t, :, 0] += (-gradient - slopes @ x[t, :, 0] / 64) * slopes / np.mean(slopes**2)
        w = reference(name, x[:1].astype(float), y[:1].astype(float), *map(np.float64, inputs[2:]))
    wide = [x.astype(float), y.astype(float), *map(np.float64, inputs[2:])]
    outputs = [getattr(adaptive_steps, name)(xp, x, y, *inputs[2:])]
    errors = getattr(adaptive_steps, f"{name}_errors")
    value, limit = errors(outputs, (reference(name, *wide),), *wide)["weights"]
    usual = plain.judge(plain.compute(xp)).errors["weights"][1]
    assert limit > 10 * usual
    assert value < 2 / 3 * limit


class Counted:
    """A number that counts what is done to it; a root and an exponential are one operation."""

    operations = 0

    def _count(self, other: object = None) -> "Counted":
        if isinstance(other, np.ndarray):
            return NotImplemented  # and the array takes itself apart
        Counted.operations += 1
        return Counted()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __rtruediv__ = __truediv__ = (
        __neg__
    ) = __pow__ = exp = sqrt = _count


@pytest.mark.parametrize("name", KERNELS)
def test_the_stated_flops_are_those_of_the_formula(draw, xp, name):
    steps, m, d, rates = 3, 5, 2, 3 if name == "adam" else 2
    x = np.array([[[Counted() for _ in range(d)] for _ in range(m)] for _ in range(steps)])
    y = np.array([[Counted() for _ in range(m)] for _ in range(steps)])
    Counted.operations = 0
    getattr(adaptive_steps, name)(xp, x, y, *(Counted() for _ in range(rates)))
    stated = draw(name, preset="small").kernel.flops(steps=steps, m=m, d=d)
    # Each of m + d sums of a batch starts from its first product. Constants are not counted: 1 less a
    # decay, and of Adam two corrections for every step.
    constants = {"momentum": 0, "rmsprop": 1, "adam": 8 * steps}[name]
    assert stated == Counted.operations + steps * (m + d) - constants
