"""Densities and distributions far into their tails, against mpmath and scipy.stats."""

import math

import mpmath
import numpy as np
import pytest
import scipy.stats

from xpbench.kernels.continuous_distributions import (
    exponential_errors,
    exponential_reference,
    normal_errors,
    normal_reference,
)

DTYPES = ("float32", "float64")
BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
SIGMAS = np.array([-37.0, -30.0, -12.5, -5.0, -4.99, -1.0, -1e-3, 0.0, 1e-3, 1.0, 1.4, 5.0, 8.0, 30.0])
MEANS = np.array([0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.693, 1.0, 5.0, 36.0, 80.0, 700.0])
EPS = np.finfo(np.float64).eps


def exact_normal(x, mu, sigma):
    """Log-density, distribution and its logarithm with fifty digits, rounded once."""
    with mpmath.workdps(50):
        z = (mpmath.mpf(x) - mpmath.mpf(mu)) / mpmath.mpf(sigma)
        below = mpmath.erfc(-z / mpmath.sqrt(2)) / 2
        above = mpmath.erfc(z / mpmath.sqrt(2)) / 2
        logarithm = mpmath.log(below) if z < 0 else mpmath.log1p(-above)
        density = -z * z / 2 - mpmath.log(sigma) - mpmath.log(2 * mpmath.pi) / 2
        return float(density), float(below), float(logarithm)


def exact_exponential(x, rate):
    with mpmath.workdps(50):
        y = mpmath.mpf(x) * mpmath.mpf(rate)
        return float(mpmath.log(rate) - y), float(-mpmath.expm1(-y))


def tabulated(function, *arrays):
    return tuple(np.array(column) for column in zip(*map(function, *arrays), strict=True))


def on(load, backend, dtype, kernel, *arrays):
    library = load(backend, dtype)
    outputs = kernel(library.xp, *(library.put(array.astype(dtype)) for array in arrays))
    return [library.fetch(output) for output in outputs]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_normal_distribution_holds_at_thirty_sigmas(draw, load, backend, dtype):
    mu, sigma = np.full(SIGMAS.size, 0.75), np.full(SIGMAS.size, 1.5)
    points = [array.astype(dtype).astype(float) for array in (mu + sigma * SIGMAS, mu, sigma)]
    exact = tabulated(exact_normal, *points)
    outputs = on(load, backend, dtype, draw("normal", n=4).kernel.compute, *points)
    for name, (value, limit) in normal_errors(outputs, exact, *points).items():
        assert value <= limit, name
    # In log space no digit is lost: z has two roundings, and log F responds by z^2 to them.
    np.testing.assert_allclose(outputs[2][1], exact[2][1], rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_exponential_distribution_holds_from_nothing_to_its_tail(draw, load, backend, dtype):
    rate = np.linspace(0.3, 3, MEANS.size)
    points = [array.astype(dtype).astype(float) for array in (MEANS / rate, rate)]
    exact = tabulated(exact_exponential, *points)
    outputs = on(load, backend, dtype, draw("exponential", n=4).kernel.compute, *points)
    for name, (value, limit) in exponential_errors(outputs, exact, *points).items():
        assert value <= limit, name


def test_the_oracle_of_the_normal_knows_fifty_digits():
    rng = np.random.default_rng(0)
    z = np.concatenate([SIGMAS, rng.uniform(-37, 8, 60)])
    mu, sigma = np.zeros(z.size), np.ones(z.size)
    found, exact = normal_reference(z, mu, sigma), tabulated(exact_normal, z, mu, sigma)
    # z is exact here, and what is left are a square in an exponential, and functions of a few eps.
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=(z**2).max() * EPS, atol=0)
    np.testing.assert_allclose(found[2], exact[2], rtol=12 * EPS)


def test_the_oracles_agree_with_scipy():
    rng = np.random.default_rng(1)
    x, mu, sigma = rng.standard_normal((3, 100))
    sigma = np.exp(sigma)
    law = scipy.stats.norm(mu, sigma)
    for one, other in zip(
        normal_reference(x, mu, sigma), (law.logpdf(x), law.cdf(x), law.logcdf(x)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    law = scipy.stats.expon(scale=1 / sigma)
    for one, other in zip(
        exponential_reference(abs(x), sigma), (law.logpdf(abs(x)), law.cdf(abs(x))), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-15)


def test_one_draw_in_four_is_far_out(draw):
    x, mu, sigma = draw("normal", "float64", preset="medium").data.exact_inputs
    far = np.mean(np.abs(x - mu) / sigma > 5)
    # A quarter of 25 in 30, with the deviation of a mean of n Bernoulli draws.
    share = 0.25 * 25 / 30
    assert abs(far - share) < 5 * math.sqrt(share / x.size)
