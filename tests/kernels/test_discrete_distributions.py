"""Discrete distributions far into their tails and at large counts, against mpmath and scipy.stats."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench import Unsupported
from xpbench.kernels import discrete_distributions
from xpbench.kernels.discrete_distributions import (
    STIRLING,
    bernoulli_reference,
    binomial_bounds,
    binomial_reference,
    deviances,
    poisson_bounds,
    poisson_reference,
    remainders,
)

DTYPES = ("float32", "float64")
BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
BETA = ("numpy", "jax", "array-api-strict")
EPS = np.finfo(np.float64).eps
DIGITS = 50
ROUNDINGS = 8
"""Eps of log f, and eps besides: of sums of S and D, which differ by logarithms good to 4 eps."""


def tabulated(function, *arrays):
    return tuple(np.array(column) for column in zip(*map(function, *arrays), strict=True))


def exact_poisson(k, rate):
    """log f and F, rounded once."""
    with mpmath.workdps(DIGITS):
        k, rate = int(k), mpmath.mpf(float(rate))
        density = k * mpmath.log(rate) - rate - mpmath.loggamma(k + 1)
        return float(density), float(mpmath.gammainc(k + 1, rate, mpmath.inf, regularized=True))


def exact_binomial(k, n, p):
    """log f and F, by the sum of probabilities, rounded once."""
    with mpmath.workdps(DIGITS):
        k, n, p = int(k), int(n), mpmath.mpf(float(p))
        ways = mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)
        density = ways + k * mpmath.log(p) + (n - k) * mpmath.log(1 - p)
        if k <= n * p:
            return float(density), float(tail(k, mpmath.exp(density), 1 - p, p, n))
        # What is above k is what is below n - k for failures, the largest of it left out.
        above = tail(n - k, mpmath.exp(density), p, 1 - p, n) - mpmath.exp(density)
        return float(density), float(1 - above)


def tail(j, term, q, p, n):
    """The probability of j successes or fewer, ``term`` being that of j."""
    total = term
    while j > 0 and term > total * mpmath.mpf(10) ** -30:
        term *= j * q / ((n - j + 1) * p)
        j -= 1
        total += term
    return total


def poisson_points(dtype):
    """Rates from 0.1 to 1e4, at the mean and up to 30 standard deviations off, and at 0."""
    k, rate = [], []
    for mean in (0.1, 1.7, 16.3, 333.3, 1e4 / 3, 1e4):
        for z in (-30, -6, -1, 0, 1, 6, 30):
            k.append(max(round(mean + z * math.sqrt(mean)), 0))
            rate.append(mean)
    k += [0, 0, 3]
    rate += [1e4, 1e-6, 1e4]
    return np.array(k), np.array(rate).astype(dtype).astype(float)


def binomial_points(dtype):
    """Trials from 1 to 1e6, at the mean and up to 30 standard deviations off, at 0 and at n."""
    points = []
    for n, p in itertools.product((1, 2, 17, 1000, 10**6), (1e-3, 0.3, 0.71, 0.999)):
        sigma = math.sqrt(n * p * (1 - p))
        ks = {min(max(round(n * p + z * sigma), 0), n) for z in (-30, -6, -1, 0, 1, 6, 30)}
        points += [(k, n, p) for k in sorted(ks | {0, n})]
    k, n, p = map(np.array, zip(*points, strict=True))
    return k, n, p.astype(dtype).astype(float)


def on(load, backend, dtype, kernel, *arrays):
    library = load(backend, dtype)
    cast = (array.astype(dtype) if array.dtype.kind == "f" else array for array in arrays)
    outputs = library.compile(lambda *given: kernel(library.xp, *given))(*map(library.put, cast))
    return [library.fetch(output) for output in outputs]


@pytest.fixture(scope="module")
def known():
    """Points and what is exact there, computed once for each dtype."""
    poisson = {dtype: poisson_points(dtype) for dtype in DTYPES}
    binomial = {dtype: binomial_points(dtype) for dtype in DTYPES}
    return {
        "poisson": {t: (points, tabulated(exact_poisson, *points)) for t, points in poisson.items()},
        "binomial": {
            t: (points, (np.array([log_of_binomial(*point) for point in zip(*points, strict=True)]),))
            for t, points in binomial.items()
        },
    }


def log_of_binomial(k, n, p):
    with mpmath.workdps(DIGITS):
        k, n, p = int(k), int(n), mpmath.mpf(float(p))
        ways = mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)
        return float(ways + k * mpmath.log(p) + (n - k) * mpmath.log1p(-p))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_poisson_density_keeps_its_digits_at_a_rate_of_ten_thousand(load, known, backend, dtype):
    points, exact = known["poisson"][dtype]
    try:
        found = on(load, backend, dtype, discrete_distributions.poisson, *points)
    except Unsupported as reason:
        pytest.skip(str(reason))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found[0], exact[0], rtol=ROUNDINGS * eps, atol=ROUNDINGS * eps)
    bounds = poisson_bounds(exact, *points, dtype)
    assert np.all(np.abs(found[1] - exact[1]) <= 1.5 * eps * bounds[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BETA)
def test_the_binomial_density_keeps_its_digits_at_a_million_trials(load, known, backend, dtype):
    points, (exact,) = known["binomial"][dtype]
    found = on(load, backend, dtype, discrete_distributions.binomial, *points)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found[0], exact, rtol=ROUNDINGS * eps, atol=ROUNDINGS * eps)
    assert np.all(found[1][points[0] == points[1]] == 1)


def test_torch_says_that_it_lacks_the_incomplete_beta_function(load):
    with pytest.raises(Unsupported, match="betainc"):
        on(load, "torch", "float32", discrete_distributions.binomial, *binomial_points("float32"))


def test_stirlings_table_is_rounded_once():
    with mpmath.workdps(DIGITS):
        sizes = [mpmath.loggamma(k + 1) - k * mpmath.log(k) + k for k in range(1, len(STIRLING))]
    assert (0.0, *map(float, sizes)) == STIRLING


def test_the_oracles_remainders_and_deviances_know_sixteen_digits():
    counts = (1, 2, 15, 16, 400, 4096)
    with mpmath.workdps(DIGITS):
        sizes = [float(mpmath.loggamma(k + 1) - k * mpmath.log(k) + k) for k in map(mpmath.mpf, counts)]
    np.testing.assert_allclose(remainders(4096)[list(counts)], sizes, rtol=4 * EPS)
    x = 1000 * np.array([1.0, 1 + 1e-9, 1.01, 1.3, 3.9, 4.1, 0.26, 0.24, 1e-3])
    m = np.full(x.size, 1000.0)
    with mpmath.workdps(DIGITS):
        exact = [float(a * mpmath.log(a / 1000) + 1000 - a) for a in map(mpmath.mpf, x)]
    np.testing.assert_allclose(deviances(x, m, x - m), exact, rtol=16 * EPS)


def test_the_poisson_oracle_knows_fifty_digits(known):
    points, exact = known["poisson"]["float64"]
    found = poisson_reference(*points)
    np.testing.assert_allclose(found[0], exact[0], rtol=8 * EPS, atol=4 * EPS)
    # An error of log f is a relative error of f, and so of its sum.
    moved = (8 * np.abs(exact[0]) + 16) * EPS * np.minimum(exact[1], 1 - exact[1])
    assert np.all(np.abs(found[1] - exact[1]) <= moved + EPS * exact[1] + np.finfo(float).tiny)


def test_the_binomial_oracle_knows_fifty_digits(draw):
    points = draw("binomial", "float64", m=150).data.exact_inputs
    exact = tabulated(exact_binomial, *points)
    found = binomial_reference(*points)
    np.testing.assert_allclose(found[0], exact[0], rtol=8 * EPS, atol=8 * EPS)
    moved = (8 * np.abs(exact[0]) + 16) * EPS * np.minimum(exact[1], 1 - exact[1])
    # 1 - p is rounded in the oracle, too.
    moved += (points[1] - points[0]) * np.exp(exact[0]) * EPS
    assert np.all(np.abs(found[1] - exact[1]) <= moved + EPS * exact[1])


def test_the_oracles_agree_with_scipy(draw):
    k, p = draw("bernoulli", "float64", n=200).data.exact_inputs
    pairs = [(bernoulli_reference(k, p), scipy.stats.bernoulli(p), k)]
    k, rate = draw("poisson", "float64", n=200).data.exact_inputs
    pairs.append((poisson_reference(k, rate), scipy.stats.poisson(rate), k))
    k, n, p = draw("binomial", "float64", m=200).data.exact_inputs
    pairs.append((binomial_reference(k, n, p), scipy.stats.binom(n, p), k))
    for found, law, count in pairs:
        # SciPy subtracts logarithms of factorials, of up to 3e4: 1e-11 of the logarithm is lost.
        np.testing.assert_allclose(found[0], law.logpmf(count), rtol=1e-12, atol=3e-11)
        np.testing.assert_allclose(found[1], law.cdf(count), rtol=1e-12, atol=1e-14)


@settings(max_examples=25)
@given(st.integers(1, 40), st.floats(1e-3, 1 - 1e-3))
def test_probabilities_add_up_to_the_distribution(xp, n, p):
    k, trials, chance = np.arange(n + 1), np.full(n + 1, n), np.full(n + 1, p)
    density, below = discrete_distributions.binomial(xp, k, trials, chance)
    np.testing.assert_allclose(np.cumsum(np.exp(density)), below, atol=1e-13)
    # Few trials of the same mean are no Poisson distribution, but within n p^2 of one (Le Cam 1960).
    found, _ = discrete_distributions.poisson(xp, k, np.full(n + 1, n * p))
    assert np.abs(np.exp(density) - np.exp(found)).sum() <= 2 * n * p * p + 1e-12


def test_one_trial_is_a_bernoulli_trial(xp):
    p = np.concatenate([np.geomspace(1e-6, 0.5, 40), 1 - np.geomspace(1e-6, 0.5, 40)])
    for outcome in (0, 1):
        k = np.full(p.size, outcome)
        one = discrete_distributions.bernoulli(xp, k, p)
        other = discrete_distributions.binomial(xp, k, np.ones_like(k), p)
        # log f of a binomial is a sum of terms of up to 1.
        np.testing.assert_allclose(one[0], other[0], rtol=8 * EPS, atol=2 * EPS)
        np.testing.assert_allclose(one[1], other[1], rtol=8 * EPS)


@pytest.mark.parametrize("kernel", ["binomial", "poisson"])
def test_bounds_follow_the_conditioning_and_not_the_size_of_factorials(draw, kernel):
    """At large counts a density's limit is far below an eps of log n!, the loss of naive forms."""
    data = draw(kernel, "float64", preset="medium").data
    bounds = {"binomial": binomial_bounds, "poisson": poisson_bounds}[kernel]
    density = bounds(data.reference, *data.exact_inputs, "float64")[0]
    k = data.exact_inputs[0]
    large = (k > 200) & (np.abs(data.reference[0]) < 10)
    assert large.any()
    assert np.all(density[large] < scipy.special.gammaln(k[large] + 1) / 4)
