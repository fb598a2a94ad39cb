"""Quantiles, softmax and convolution against NumPy and SciPy in float64."""

import numpy as np
import pytest
import scipy.signal
import scipy.special

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.987, 1.0, (0.0, 0.3, 1.0), (0.5,))


@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), -1), ((8,), 0), ((1,), 0), ((5, 4), 0), ((3, 6), -1)]
)
def test_quantile_interpolates_between_order_statistics(loaded, rng, shape, axis):
    x = loaded.cast(rng.standard_normal(shape))
    every = loaded(lambda xp, x: tuple(xp.quantile(x, q, axis=axis) for q in LEVELS), x)
    for found, q in zip(every, LEVELS, strict=True):
        expected = np.quantile(x.astype(np.float64), q, axis=axis)
        # A difference, a product and a sum of numbers at most twice the largest entry.
        np.testing.assert_allclose(found, expected, rtol=0, atol=4 * loaded.eps * abs(x).max())
        assert found.shape == expected.shape
        assert found.dtype == loaded.dtype


@pytest.mark.parametrize("q", [0.4, (0.4, 0.8)])
def test_quantile_counts_ties(loaded, q):
    x = [2.0, 1.0, 2.0, 2.0, 1.0, 3.0]
    np.testing.assert_array_equal(loaded(lambda xp, x: xp.quantile(x, q), x), np.quantile(x, q))


@pytest.mark.parametrize(
    ("x", "expected"), [([3.0, 1.0, 2.0], 2.0), ([4.0, 1.0, 3.0, 2.0], 2.5), ([7.0], 7.0)]
)
def test_median_of_an_even_number_is_the_mean_of_the_middle_two(loaded, x, expected):
    assert loaded(lambda xp, x: xp.median(x), x) == expected


def test_median_along_the_first_axis(loaded):
    x = np.array([[1.0, 8.0], [3.0, 2.0], [5.0, 6.0], [7.0, 4.0]])
    np.testing.assert_array_equal(loaded(lambda xp, x: xp.median(x, axis=0), x), [4.0, 5.0])


def test_softplus_neither_overflows_nor_cancels(loaded):
    x = loaded.cast(np.array([-1e4, -80.0, -15.0, -1e-3, 0.0, 1e-3, 15.0, 80.0, 1e4]))
    found = loaded(lambda xp, x: xp.softplus(x), x)
    # An exponential, a logarithm and a sum of terms of one sign, each of a few units of roundoff.
    tiny = np.finfo(loaded.dtype).tiny
    expected = np.logaddexp(0, x.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=4 * loaded.eps, atol=tiny)
    assert found.dtype == loaded.dtype


def test_the_logarithm_of_the_sigmoid_neither_overflows_nor_cancels(loaded):
    x = loaded.cast(np.array([-1e4, -80.0, -15.0, -1e-3, 0.0, 1e-3, 15.0, 80.0, 1e4]))
    found = loaded(lambda xp, x: xp.log_sigmoid(x), x)
    # As softplus: one exponential, one logarithm and a sum.
    expected = -np.logaddexp(0, -x.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=4 * loaded.eps, atol=np.finfo(loaded.dtype).tiny)
    assert found.dtype == loaded.dtype


def test_the_sigmoid_keeps_its_digits_where_it_is_small(loaded):
    x = loaded.cast(np.array([-80.0, -15.0, -1e-3, 0.0, 1e-3, 15.0, 80.0]))
    found = loaded(lambda xp, x: xp.sigmoid(x), x)
    # An exponential, a sum of terms of one sign and a quotient.
    np.testing.assert_allclose(found, scipy.special.expit(x.astype(np.float64)), rtol=4 * loaded.eps)
    assert found.dtype == loaded.dtype


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax_neither_overflows_nor_loses_accuracy(loaded, rng, axis, scale):
    x = loaded.cast(scale * rng.standard_normal((6, 40)))
    found = loaded(lambda xp, x: xp.softmax(x, axis=axis), x)
    exact = x.astype(np.float64)
    expected = scipy.special.softmax(exact, axis=axis)
    spread = exact.max(axis=axis, keepdims=True) - exact
    # Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax functions", IMA J.
    # Numer. Anal. 41 (2021): relative error (n + spread + a few) u. Below, entries underflow to 0.
    tiny = float(np.finfo(loaded.dtype).smallest_normal)
    margin = (x.shape[axis] + spread + 4) * loaded.eps * expected + tiny
    assert (abs(found - expected) <= margin).all()
    assert found.dtype == loaded.dtype


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_logsumexp_neither_overflows_nor_loses_accuracy(loaded, rng, axis, keepdims):
    x = loaded.cast(1e3 * rng.standard_normal((6, 40)))
    found = loaded(lambda xp, x: xp.logsumexp(x, axis=axis, keepdims=keepdims), x)
    expected = scipy.special.logsumexp(x.astype(np.float64), axis=axis, keepdims=keepdims)
    # The same paper: the error of the shifted form is that of the maximum and of a sum of n terms.
    margin = loaded.eps * (abs(expected) + x.shape[axis] + 4)
    assert (abs(found - expected) <= margin).all()
    assert found.shape == expected.shape


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # log(0) is what is asked for
def test_logsumexp_of_impossible_events_is_minus_infinity(loaded):
    x = np.array([[-np.inf, -np.inf], [-np.inf, 0.0]])
    np.testing.assert_array_equal(loaded(lambda xp, x: xp.logsumexp(x), x), [-np.inf, 0.0])


def test_layer_norm_takes_the_variance_of_the_row_itself(loaded, rng):
    x = loaded.cast(3 + rng.standard_normal((5, 24)))
    gain, bias = loaded.cast(rng.standard_normal(24)), loaded.cast(rng.standard_normal(24))
    found = loaded(lambda xp, *arrays: xp.layer_norm(*arrays, epsilon=1e-3), x, gain, bias)
    rows = x.astype(np.float64)
    normal = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(rows.var(axis=1, keepdims=True) + 1e-3)
    # A sum of 24 terms about 3, over a deviation of 1, and six operations.
    margin = loaded.eps * (24 * abs(gain) * (3 + abs(normal)) + 6 * (abs(normal * gain) + abs(bias)))
    assert (abs(found - (normal * gain + bias)) <= margin).all()
    assert found.dtype == loaded.dtype


def test_column_dots_are_sums_of_products_down_the_columns(loaded, rng):
    x, y = (loaded.cast(rng.standard_normal((37, 5))) for _ in range(2))
    found = loaded(lambda xp, *arrays: xp.column_dots(*arrays), x, y)
    wide = x.astype(np.float64), y.astype(np.float64)
    # 37 products, and their sum in whatever order: Higham 2002, section 3.1.
    margin = 37 * loaded.eps * np.sum(abs(wide[0] * wide[1]), axis=0)
    assert (abs(found - np.sum(wide[0] * wide[1], axis=0)) <= margin).all()
    assert found.dtype == loaded.dtype


def test_a_product_is_added_with_two_roundings_at_most(loaded, rng):
    a, (x, y) = loaded.cast(1.7), (loaded.cast(rng.standard_normal(33)) for _ in range(2))
    found = loaded(lambda xp, *arrays: xp.multiply_add(*arrays), a, x, y)
    product = a.astype(np.float64) * x
    # Half an eps each, and in float64 those of the product and the sum here as well.
    margin = loaded.eps * (abs(product) + abs(product + y))
    assert (abs(found - (product + y)) <= margin).all()
    assert found.dtype == loaded.dtype


def test_attention_sees_no_later_key(loaded, rng):
    q, k, v = (loaded.cast(rng.standard_normal((2, 3, 7, 4))) for _ in range(3))
    found = loaded(lambda xp, *arrays: xp.causal_attention(*arrays), q, k, v)
    wide = [array.astype(np.float64) for array in (q, k, v)]
    for i in range(7):
        scores = np.einsum("bhd,bhjd->bhj", wide[0][:, :, i], wide[1][:, :, : i + 1]) / 2
        weights = scipy.special.softmax(scores, axis=-1)
        expected = np.einsum("bhj,bhjd->bhd", weights, wide[2][:, :, : i + 1])
        margin = 7 * loaded.eps * (1 + abs(scores).max()) * abs(wide[2]).max()
        assert (abs(found[:, :, i] - expected) <= margin).all()
    assert found.dtype == loaded.dtype


@pytest.mark.parametrize("filters", [(3, 2, 3, 3), (1, 2, 1, 2)])
def test_conv2d_correlates_without_turning_the_filter(loaded, rng, filters):
    x, w = loaded.cast(rng.standard_normal((2, 2, 7, 6))), loaded.cast(rng.standard_normal(filters))
    ways = [(stride, padding) for stride in (1, 2) for padding in (0, 1)]
    every = loaded(lambda xp, x, w: tuple(xp.conv2d(x, w, stride=s, padding=p) for s, p in ways), x, w)
    for found, way in zip(every, ways, strict=True):
        expected = _correlate(x, w, *way)
        # The inner product of k terms: gamma_k componentwise.
        margin = w[0].size * loaded.eps * _correlate(abs(x), abs(w), *way)
        assert found.shape == expected.shape
        assert (abs(found - expected) <= margin).all()
        assert found.dtype == loaded.dtype


def _correlate(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    images = [
        [
            sum(
                scipy.signal.correlate2d(image[c], f[c].astype(np.float64), "valid")
                for c in range(len(f))
            )
            for f in w
        ]
        for image in x
    ]
    return np.asarray(images)[:, :, ::stride, ::stride]
