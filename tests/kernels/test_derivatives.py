"""Derivatives: orders of rules and remainders, closed forms against complex steps, and known laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

import planted
from xpbench.kernels import derivatives, second_derivatives

EPS = np.finfo(np.float64).eps
STEP = 1e-100
SIZES = {
    "gradient": {"n": 6, "d": 5, "k": 3},
    "jacobian": {"n": 5, "p": 4, "q": 3},
    "hessian": {"n": 7, "d": 4},
    "hessian_vector_product": {"n": 6, "d": 5, "k": 3},
    "taylor": {"n": 9, "d": 4, "m": 5},
}


@pytest.fixture
def exact(draw):
    """``exact(kernel)``: inputs and oracle of a small case, in float64."""

    def of(kernel):
        data = draw(kernel, "float64", **SIZES[kernel]).data
        return data.exact_inputs, data.reference

    return of


# Finite differences


def sampled(n):
    """sin(3 x + 2 y) on the unit square, the distance of samples, and both derivatives."""
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    slope = np.cos(3 * x + 2 * y)
    return np.sin(3 * x + 2 * y), np.asarray(1 / (n - 1)), (3 * slope, 2 * slope)


@pytest.mark.parametrize("rows", [slice(1, -1), slice(0, 1), slice(-1, None)])
def test_differences_are_of_second_order_inside_and_at_both_borders(xp, rows):
    worst = []
    for n in (65, 129):
        f, h, slopes = sampled(n)
        seen = derivatives.finite_difference(xp, f, h, h)
        off = [np.abs(g - slope) for g, slope in zip(seen, slopes, strict=True)]
        worst.append((off[0][rows, :].max(), off[1][:, rows].max()))
    # The next terms of the expansion are of relative size h = 1/64.
    np.testing.assert_allclose(np.log2(np.divide(*worst)), 2, atol=0.1)


@given(st.lists(st.integers(-9, 9), min_size=6, max_size=6), st.sampled_from([0.25, 1.0, 2.0]))
def test_differences_of_a_polynomial_of_second_degree_are_its_derivatives(xp, coefficients, h):
    a, b, c, d, e, f = coefficients
    x, y = np.meshgrid(h * np.arange(5), 2 * h * np.arange(5), indexing="ij")
    field = a * x * x + b * x * y + c * y * y + d * x + e * y + f
    along_x, along_y = derivatives.finite_difference(xp, field, np.asarray(h), np.asarray(2 * h))
    # Small integers over powers of two: no operation rounds.
    np.testing.assert_array_equal(along_x, 2 * a * x + b * y + d)
    np.testing.assert_array_equal(along_y, b * x + 2 * c * y + e)


# The oracles, which are closed forms, against complex steps of the functions themselves


def cross_entropy(x, y, w):
    z = x @ w
    return np.sum(np.log(np.sum(np.exp(z), axis=1)) - np.sum(y * z, axis=1)) / len(x)


def cross_entropy_gradient(x, y, w):
    e = np.exp(x @ w)
    return x.T @ (e / np.sum(e, axis=1, keepdims=True) - y) / len(x)


def logistic_gradient(x, y, w):
    return x.T @ (1 / (1 + np.exp(-(x @ w))) - y) / len(x)


def layers(x, w1, b, w2):
    return w2 @ np.tanh(w1 @ x + b)


def complex_step(f, x, v):
    """The derivative of ``f`` at ``x`` along ``v``, without cancellation."""
    return np.imag(f(x + 1j * STEP * v)) / STEP


def basis(shape):
    for place in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[place] = 1
        yield place, unit


def assert_near(seen, expected):
    # Sums of a few products of numbers of order 1, in two orders.
    np.testing.assert_allclose(seen, expected, rtol=0, atol=100 * EPS)


def test_the_gradient_of_the_oracle_is_the_complex_step(exact):
    (x, y, w), (loss, slope) = exact("gradient")
    assert_near(loss, cross_entropy(x, y, w))
    for place, unit in basis(w.shape):
        assert_near(slope[place], complex_step(lambda w: cross_entropy(x, y, w), w, unit))


def test_the_jacobian_of_the_oracle_is_the_complex_step(exact):
    (x, *network), (seen,) = exact("jacobian")
    for (column,), unit in basis(x.shape):
        assert_near(seen[:, column], complex_step(lambda x: layers(x, *network), x, unit))


def test_the_hessian_of_the_oracle_is_the_complex_step_of_the_gradient(exact):
    (x, y, w), (seen,) = exact("hessian")
    for (column,), unit in basis(w.shape):
        assert_near(seen[:, column], complex_step(lambda w: logistic_gradient(x, y, w), w, unit))


def test_the_hessian_vector_product_of_the_oracle_is_the_complex_step_of_the_gradient(exact):
    (x, y, w, v), (seen,) = exact("hessian_vector_product")
    assert_near(seen, complex_step(lambda w: cross_entropy_gradient(x, y, w), w, v))


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_the_remainder_of_the_taylor_polynomial_is_of_third_order(draw, backend):
    trial = draw("taylor", "float64", **SIZES["taylor"])
    a, b, x, h = trial.data.exact_inputs

    def remainder(t):
        (model,) = trial.on(backend, [a, b, x, t * h])
        return logsumexp((x + t * h) @ a.T + b, axis=1) - model

    # The term of fourth order over that of third is of order t.
    np.testing.assert_allclose(np.log2(np.abs(remainder(2e-2) / remainder(1e-2))), 3, atol=0.2)


def test_the_taylor_polynomial_has_the_value_and_the_slope_of_its_function(exact):
    (a, b, x, h), _ = exact("taylor")

    def model(h):
        return second_derivatives.taylor_reference(a, b, x, h)[0]

    f = logsumexp(a @ x + b)
    assert_near(model(0 * h), f)
    # Even terms cancel: what is left is the slope.
    slopes = [complex_step(lambda x: np.log(np.sum(np.exp(a @ x + b))), x, row) for row in h]
    assert_near((model(h) - model(-h)) / 2, slopes)


# Laws


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_probabilities_add_up_so_a_shift_of_all_classes_changes_nothing(draw, backend):
    trial = draw("gradient", "float64", **SIZES["gradient"])
    _, slope = trial.on(backend)
    assert_near(slope.sum(axis=1), 0)
    trial = draw("hessian_vector_product", "float64", **SIZES["hessian_vector_product"])
    x, y, w, v = trial.data.exact_inputs
    shift = np.arange(1.0, 1 + len(v))[:, np.newaxis]
    (plain,), (shifted,) = (trial.on(backend, [x, y, w, u]) for u in (v, v + shift))
    assert_near(shifted, plain)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_the_hessian_of_a_convex_loss_is_symmetric_and_positive(draw, backend):
    trial = draw("hessian", "float64", preset="small")
    (h,) = trial.on(backend)
    assert_near(h, h.T)
    # As many samples as they are, no direction is flat.
    assert np.linalg.eigvalsh(h)[0] > 1e-3


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_a_hessian_vector_product_never_forms_the_hessian(draw, backend):
    trial = draw("hessian_vector_product", "float32", n=4, d=20000, k=10)
    # Its 200000^2 entries would take 160 GB.
    found = trial.judge(trial.on(backend))
    assert found.agrees, found.reason


# Costs, and the measure beyond the oracle


class Counting(np.ndarray):
    """An array that counts the operations it takes part in, those of matrix products apart."""

    products = entries = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [np.asarray(array) for array in inputs]
        if out:
            options["out"] = tuple(np.asarray(array) for array in out)
        result = np.asarray(getattr(ufunc, method)(*plain, **options))
        if ufunc is np.matmul:
            Counting.products += 2 * result.size * plain[0].shape[-1]
        elif result.ndim:
            Counting.entries += result.size
        return result.view(Counting)


@pytest.fixture
def counted(draw, xp):
    """``counted(kernel, size)``: a trial, and what its computation on NumPy adds to the counts."""

    def of(kernel, size):
        trial = draw(kernel, **size)
        Counting.products = Counting.entries = 0
        trial.compute(xp, [array.view(Counting) for array in trial.inputs])
        return trial.kernel.flops(**size), Counting.products, Counting.entries

    return of


@pytest.mark.parametrize("kernel", ["gradient", "jacobian", "hessian", "hessian_vector_product"])
def test_the_stated_flops_are_those_of_the_products(counted, kernel):
    stated, products, _ = counted(kernel, SIZES[kernel])
    assert products == stated


def test_the_stated_flops_of_taylor_are_those_of_the_products_of_matrices(counted):
    stated, products, _ = counted("taylor", SIZES["taylor"])
    # Those with vectors, four of a and one of h, add a share of 4 / d at most.
    assert stated < products <= stated * (1 + 4 / SIZES["taylor"]["d"])


def test_the_stated_flops_of_finite_differences_are_those_of_entries(counted):
    stated, _, entries = counted("finite_difference", {"n": 7})
    assert entries == stated


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [
        pytest.param(kernel, fault, id=f"{kernel}-{fault.name}")
        for kernel in ("jacobian", "hessian", "taylor")
        for fault in planted.faults()[kernel]
        if fault.kind != "entry"
    ],
)
def test_a_fault_is_seen_without_the_oracle(draw, xp, kernel, fault):
    trial = draw(kernel, preset="medium")
    assert math.isfinite(trial.kernel.oracle_flops)
    assert not trial.judge(fault.plant(trial, xp), oracle=False).agrees
