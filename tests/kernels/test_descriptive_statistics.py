"""Summaries of samples: other sources, laws of moments and order, and numbers far from the origin."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xpbench.kernels.descriptive_statistics import (
    LEVELS,
    covariance,
    covariance_reference,
    median,
    median_reference,
    moments,
    moments_bounds,
    moments_reference,
    quantiles,
    quantiles_reference,
    skewed_inputs,
)

EPS = np.finfo(np.float64).eps
INTEGERS = arrays(np.float64, (3, 8), elements=st.integers(-1000, 1000).map(float))


def test_the_oracles_agree_with_numpy_and_scipy():
    x = np.random.default_rng(0).standard_gamma(2, (200, 5))
    described = scipy.stats.describe(x, axis=0)
    exact = (described.mean, described.variance, np.std(x, axis=0, ddof=1), described.skewness)
    for found, other in zip(moments_reference(x), (*exact, described.kurtosis + 3), strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12)
    np.testing.assert_array_equal(median_reference(x.T)[0], np.median(x, axis=0))
    np.testing.assert_allclose(quantiles_reference(x.T)[0], np.quantile(x, LEVELS, axis=0), rtol=4 * EPS)
    np.testing.assert_allclose(covariance_reference(x)[0], np.cov(x.T), rtol=1e-12)


def test_the_data_have_the_shape_that_is_stated():
    (x,) = skewed_inputs(np.random.default_rng(1), 20000, 4)
    _, variance, _, skewness, kurtosis = moments_reference(x)
    np.testing.assert_allclose(variance, 1, atol=0.1)
    np.testing.assert_allclose(skewness, 1, atol=0.2)
    np.testing.assert_allclose(kurtosis, 4.5, atol=1)


@given(INTEGERS, st.integers(-50, 50).map(float), st.sampled_from([0.5, 2.0, 4.0]))
def test_order_statistics_move_and_stretch_with_the_data(xp, x, shift, scale):
    """Exactly: sums of such integers and products with powers of 2 have no rounding."""
    np.testing.assert_array_equal(median(xp, scale * x + shift), scale * median(xp, x) + shift)
    found, moved = quantiles(xp, x), quantiles(xp, scale * x)
    np.testing.assert_array_equal(moved, scale * found)
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found >= x.min(axis=1)).all()
    assert (found <= x.max(axis=1)).all()
    np.testing.assert_array_equal(found[2], median(xp, x))


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_moments_far_from_the_origin_keep_to_their_bounds(xp, offset):
    """The variance of a sample at a thousand deviations has its digits, as one pass would not."""
    rng = np.random.default_rng(2)
    x = (rng.standard_gamma(4, (4096, 3)) + offset).astype(np.float32)
    found, exact = moments(xp, x), moments_reference(x.astype(float))
    bounds = moments_bounds(x.astype(float), np.finfo(np.float32).eps)
    for one, other, bound in zip(found, exact, bounds, strict=True):
        assert (abs(one - other) <= np.finfo(np.float32).eps * bound).all()
    np.testing.assert_allclose(found[1], exact[1], rtol=1e-4)


def test_the_covariance_of_a_variable_with_itself_is_its_variance(xp):
    x = np.random.default_rng(3).standard_normal((500, 4))
    c = covariance(xp, x)
    np.testing.assert_allclose(np.diag(c), moments(xp, x)[1], rtol=100 * EPS)
    assert np.linalg.eigvalsh(c).min() > 0
