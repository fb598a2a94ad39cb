"""A layer of few bits is what integer arithmetic gives, and no rounding is left to chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xpbench.kernels.low_bit import MARGIN, apart, bitnet_linear, inputs, integer_products

SIZES = [{"m": 5, "d": 200, "k": 7}, {"m": 3, "d": 64, "k": 2}, {"m": 1, "d": 1, "k": 1}]


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 150), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_oracles_bits_count_what_a_product_of_integers_sums(m, d, k, seed):
    rng = np.random.default_rng(seed)
    levels, ternary = rng.integers(-8, 8, (m, d)), rng.integers(-1, 2, (k, d))
    counted = integer_products(levels, ternary == 1, ternary == -1)
    np.testing.assert_array_equal(counted, levels @ ternary.T)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_and_thresholds_are_those_of_int64_arithmetic(draw, xp, dtype, size):
    """With ties and clipping spelled out, as the papers' pseudocode has them."""
    trial = draw("bitnet_linear", dtype, **size)
    x, w = trial.data.exact_inputs
    s, largest = np.abs(w).mean(), np.abs(x).max(axis=1, keepdims=True)
    q = np.clip(np.rint(7 * x / largest), -8, 7).astype(np.int64)
    t = np.clip(np.rint(w / s), -1, 1).astype(np.int64)
    y, scale = trial.compute(xp)
    recovered = y.astype(np.float64) * 7 / (float(scale) * largest)
    np.testing.assert_allclose(recovered, q @ t.T, rtol=4 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_the_longest_sums_that_float32_holds_are_exact(load, backend):
    """2^24 / 7 levels, all but three of one sign. Scales are 1, so that nothing else is rounded."""
    library = load(backend, "float32")
    d = 2**24 // 7 - 2
    x, w = np.full((1, d), 7, np.float32), np.ones((1, d), np.float32)
    w[0, :3] = -1
    y, s = map(library.fetch, bitnet_linear(library.xp, library.put(x), library.put(w)))
    odd = 7 * (d - 6)
    assert odd % 2 == 1
    assert (s, y) == (1, odd)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_inputs_keep_a_margin_from_every_rounding(seed, size):
    x, w = inputs(np.random.default_rng(seed), **size)
    for t in (7 * x / np.abs(x).max(axis=1, keepdims=True), w / np.abs(w).mean()):
        assert np.min(np.abs(t - np.floor(t) - 0.5)) >= MARGIN


@given(arrays.arrays(np.float64, 20, elements=st.floats(-7, 7)))
def test_what_is_moved_away_from_a_half_keeps_its_integer(t):
    moved = apart(t)
    assert np.max(np.abs(moved - t)) <= 2 * MARGIN
    halves = np.abs(t - np.floor(t)) == 0.5
    np.testing.assert_array_equal(np.rint(moved)[~halves], np.rint(t)[~halves])
    assert np.min(np.abs(moved - np.floor(moved) - 0.5)) >= 2 * MARGIN * (1 - 1e-9)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_powers_of_two_pass_through_the_layer_unrounded(draw, backend):
    """Scales of activations and weights are divided out before any rounding, and come back exactly."""
    trial = draw("bitnet_linear", "float32", m=4, d=100, k=6)
    x, w = trial.inputs
    rows = np.array([[2.0**-20], [1], [8], [2.0**30]], np.float32)
    (y, s), (moved, scaled) = trial.on(backend), trial.on(backend, [x * rows, w / 4])
    np.testing.assert_array_equal(moved, y * rows / 4)
    assert scaled == s / 4
