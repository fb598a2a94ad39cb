"""The reverse pass derived by hand is the gradient: by complex steps, and by the libraries' autodiff."""

import numpy as np
import pytest

from xpbench import Unsupported
from xpbench.bench.agreement import between
from xpbench.kernels.backpropagation import backprop, loss_and_slope, reference

SIZE = {"batch": 5, "width": 4, "outputs": 3}
PARAMETERS = tuple(range(2, 8))
EPS = np.finfo(np.float64).eps


@pytest.fixture
def arrays(draw):
    return draw("backprop", "float64", **SIZE).data.exact_inputs


def complex_loss(x, y, w1, b1, w2, b2, w3, b3):
    """The loss, as the formula states it, for parameters that may be complex."""
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    e = h2 @ w3 + b3 - y
    return np.sum(e * e) / (2 * len(x))


def test_every_gradient_of_the_oracle_is_the_complex_step(arrays):
    gradients = reference(*arrays)[1:]
    h = 1e-100
    for index, gradient in zip(PARAMETERS, gradients, strict=True):
        for place in np.ndindex(gradient.shape):
            moved = [array.astype(complex) for array in arrays]
            moved[index][place] += 1j * h
            slope = complex_loss(*moved).imag / h
            # Sums of a few products of numbers of order 1, in two orders.
            assert abs(slope - gradient[place]) <= 50 * EPS, (index, place)


def test_the_loss_of_the_oracle_is_the_formulas(arrays):
    np.testing.assert_allclose(reference(*arrays)[0], complex_loss(*arrays), rtol=20 * EPS)


def test_the_slope_along_a_direction_is_the_gradient_in_that_direction(arrays):
    rng = np.random.default_rng(0)
    along = [rng.standard_normal(array.shape) for array in arrays[2:]]
    loss, slope = loss_and_slope(arrays[0], arrays[1], arrays[2:], along)
    exact, *gradients = reference(*arrays)
    expected = sum(np.sum(g * v) for g, v in zip(gradients, along, strict=True))
    np.testing.assert_allclose([loss, slope], [exact, expected], rtol=200 * EPS)


@pytest.mark.parametrize("preset", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_agrees_with_the_autodiff_of_torch(draw, dtype, preset):
    torch = pytest.importorskip("torch")
    trial = draw("backprop", dtype, preset=preset)

    def loss(*arrays):
        return backprop(torch, *arrays)[0]

    arrays = [torch.asarray(array.copy()) for array in trial.inputs]
    with torch.no_grad():
        value = loss(*arrays)
    gradients = torch.func.grad(loss, argnums=PARAMETERS)(*arrays)
    found = trial.judge([value.numpy(), *(gradient.numpy() for gradient in gradients)])
    assert found.agrees, found.reason


@pytest.mark.parametrize("preset", ["small", pytest.param("medium", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_agrees_with_the_autodiff_of_jax(draw, dtype, preset):
    jax = pytest.importorskip("jax")
    trial = draw("backprop", dtype, preset=preset)
    jax.config.update("jax_enable_x64", dtype == "float64")

    def loss(*arrays):
        return backprop(jax.numpy, *arrays)[0]

    value, gradients = jax.value_and_grad(loss, argnums=PARAMETERS)(
        *map(jax.numpy.asarray, trial.inputs)
    )
    found = trial.judge([np.asarray(value), *map(np.asarray, gradients)])
    assert found.agrees, found.reason


class CountingProducts(np.ndarray):
    """An array that counts the operations in the matrix products it takes part in."""

    flops = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [np.asarray(array) for array in inputs]
        if ufunc is np.matmul:
            CountingProducts.flops += 2 * plain[0].shape[0] * plain[0].shape[1] * plain[1].shape[1]
        options.pop("out", None)
        return np.asarray(getattr(ufunc, method)(*plain, **options)).view(CountingProducts)


def test_the_stated_flops_are_those_of_the_products(draw, xp):
    trial = draw("backprop", **SIZE)
    CountingProducts.flops = 0
    trial.compute(xp, [array.view(CountingProducts) for array in trial.inputs])
    assert CountingProducts.flops == trial.kernel.flops(**SIZE)


@pytest.mark.parametrize("preset", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_by_hand_and_by_autodiff_differ_by_rounding_alone(draw, backend, dtype, preset):
    by_hand, by_autodiff = (
        draw(name, dtype, preset=preset) for name in ("backprop", "autodiff_backprop")
    )
    inputs = by_hand.inputs
    found = between(
        by_hand.kernel,
        by_autodiff.on(backend, inputs),
        by_hand.on(backend),
        by_hand.data.exact_inputs,
        {},
        dtype,
    )
    assert found.agrees, found.reason


@pytest.mark.parametrize("backend", ["numpy", "array-api-strict"])
def test_autodiff_is_unsupported_where_a_library_has_none(draw, backend):
    with pytest.raises(Unsupported, match="does not differentiate"):
        draw("autodiff_backprop", preset="small").on(backend)
