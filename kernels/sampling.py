"""How fast does a library draw random numbers, and are they distributed as they should be?

What is compared is no value but the fit: two libraries draw different numbers. Every pair of a measure
is the surprise at a statistic of known law, as that many standard errors of a normal statistic; the
limit is exceeded by one honest sample in a thousand million.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xpbench import Kernel, Unsupported, widened
from xpbench.bench.kernel import Array, Errors

Law = Any
"""A frozen distribution of scipy.stats."""
Laws = Callable[..., tuple[Law, Law]]

FALSE_ALARMS = 1e-9
"""Of every pair of a measure, on both sides together."""
SORTED = 2**22
"""Draws that are compared with a distribution function, which takes a sort."""
LEAST = 2**9
"""Draws below which too little could be said."""
CELLS = 64
EXPECTED = 25.0
"""Draws in a cell of a chi-square statistic, at least."""


def sample_bernoulli(xp: Array, key: Array, p: Array, *, n: int) -> Array:
    """Draws from a Bernoulli distribution, by the library's own generator.

        P(X = true) = p

    key (2,) of words of 32 bits, which seeds the generator, p () -> X (n,) of booleans.
    Devroye, Non-Uniform Random Variate Generation, 1986, section 3.1.
    """
    return xp.random.bernoulli(key, p, (n,))


def sample_binomial(xp: Array, key: Array, p: Array, *, n: int, trials: int) -> Array:
    """Draws from a binomial distribution, by the library's own generator.

        P(X = k) = trials! / (k! (trials - k)!) p^k (1 - p)^(trials - k)

    key (2,) of words of 32 bits, which seeds the generator, p () -> X (n,) of integers.
    Kachitvichyanukul & Schmeiser, Communications of the ACM 31, 1988; Devroye, Non-Uniform Random
    Variate Generation, 1986, section 10.4.
    """
    return xp.random.binomial(key, trials, p, (n,))


def sample_poisson(xp: Array, key: Array, rate: Array, *, n: int) -> Array:
    """Draws from a Poisson distribution, by the library's own generator.

        P(X = k) = rate^k exp(-rate) / k!

    key (2,) of words of 32 bits, which seeds the generator, rate () -> X (n,) of integers.
    Hoermann, Insurance: Mathematics and Economics 12, 1993; Devroye, Non-Uniform Random Variate
    Generation, 1986, section 10.3.
    """
    return xp.random.poisson(key, rate, (n,))


def sample_normal(xp: Array, key: Array, mu: Array, sigma: Array, *, n: int) -> Array:
    """Draws from a normal distribution, by the library's own generator.

        X = mu + sigma Z,    with Z of the density exp(-z^2 / 2) / sqrt(2 pi)

    key (2,) of words of 32 bits, which seeds the generator, mu (), sigma () -> X (n,).
    Devroye, Non-Uniform Random Variate Generation, 1986, section 9.1.
    """
    return mu + sigma * xp.random.normal(key, (n,), sigma.dtype)


def sample_exponential(xp: Array, key: Array, rate: Array, *, n: int) -> Array:
    """Draws from an exponential distribution, by the library's own generator.

        X = E / rate,    with E of the density exp(-x) for x >= 0

    key (2,) of words of 32 bits, which seeds the generator, rate () -> X (n,).
    Devroye, Non-Uniform Random Variate Generation, 1986, section 9.2.
    """
    return xp.random.exponential(key, (n,), rate.dtype) / rate


def keyed(rng: np.random.Generator, n: int, *parameters: float) -> tuple[np.ndarray, ...]:
    """A key, and parameters that float32 holds."""
    if n < LEAST:
        raise Unsupported(f"of {n} draws little can be said: n must be {LEAST} or more")
    words = rng.integers(2**32, size=2, dtype=np.uint32)
    return words, *(np.asarray(float(np.float32(x))) for x in parameters)


def bernoulli_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A chance of 0.3."""
    return keyed(rng, n, 0.3)


def binomial_inputs(rng: np.random.Generator, n: int, trials: int) -> tuple[np.ndarray, ...]:
    """A chance of 0.3."""
    return keyed(rng, n, 0.3)


def poisson_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A rate of 12.5, for which libraries reject where they multiply for small ones."""
    return keyed(rng, n, 12.5)


def normal_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A mean of 1.5 and a deviation of 2.5."""
    return keyed(rng, n, 1.5, 2.5)


def exponential_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A rate of 1.5."""
    return keyed(rng, n, 1.5)


def bernoulli_laws(n: int, p: float) -> tuple[Law, Law]:
    """SciPy's law of a draw, and that of the sum of ``n`` of them; as all ``laws`` below."""
    import scipy.stats

    return scipy.stats.bernoulli(p), scipy.stats.binom(n, p)


def binomial_laws(n: int, p: float, trials: int) -> tuple[Law, Law]:
    import scipy.stats

    return scipy.stats.binom(trials, p), scipy.stats.binom(n * trials, p)


def poisson_laws(n: int, rate: float) -> tuple[Law, Law]:
    import scipy.stats

    return scipy.stats.poisson(rate), scipy.stats.poisson(n * rate)


def normal_laws(n: int, mu: float, sigma: float) -> tuple[Law, Law]:
    import scipy.stats

    return scipy.stats.norm(mu, sigma), scipy.stats.norm(n * mu, np.sqrt(n) * sigma)


def exponential_laws(n: int, rate: float) -> tuple[Law, Law]:
    import scipy.stats

    return scipy.stats.expon(scale=1 / rate), scipy.stats.gamma(n, scale=1 / rate)


def drawn(laws: Laws, dtype: type) -> Callable[..., tuple[np.ndarray, ...]]:
    """A sample by SciPy, which is as good as another: the measures look at its shape alone."""

    def reference(
        key: np.ndarray, *parameters: np.ndarray, n: int, **static: int
    ) -> tuple[np.ndarray, ...]:
        law, _ = laws(n, *map(float, parameters), **static)
        return (law.rvs(n, random_state=np.random.default_rng(key)).astype(dtype),)

    return reference


def judged(laws: Laws) -> Callable[..., Errors]:
    """See ``surprises``."""

    def errors(
        outputs: Sequence[np.ndarray],
        exact: Sequence[np.ndarray],
        key: np.ndarray,
        *parameters: np.ndarray,
        n: int,
        **static: int,
    ) -> Errors:
        return surprises(outputs, n, *laws(n, *map(float, parameters), **static))

    return errors


def surprises(outputs: Sequence[np.ndarray], n: int, law: Law, total: Law) -> Errors:
    """How surprising a sample is in some ways, in standard errors of a normal statistic.

    ``fit`` is that of Kolmogorov's distance, of the first 2^22 draws, by its exact law (Simard &
    L'Ecuyer, Journal of Statistical Software 39, 2011); of integers that of Pearson's chi-square in
    cells of 25 draws or more. ``total`` is that of the sum, whose law is known, and for the normal
    ``spread`` that of the sum of squares about mu, sigma^2 times a chi-square of n degrees. ``largest``
    is that of the largest draw, whose distribution function is F^n, and ``smallest`` likewise, but not
    of exponentials, whose least draws may round to 0.

    ``neighbours`` and ``halves`` look at b_i = 1 where a draw is above the median: with q = P(b = 1) the
    sum of (b_i - q)(b_j - q) has terms that are bounded, have mean 0 and variance (q (1 - q))^2, and are
    uncorrelated. There j is i + 1, and here i + n / 2, which sees any stream that starts anew after a
    power of two where n is one.

    No eps enters: rounding is far below what a sample tells. The limit is that of one alarm in 1e9.
    """
    from scipy.special import ndtri

    (sample,) = widened(outputs, (n,))
    limit = float(-ndtri(FALSE_ALARMS / 2))
    values = sample.astype(np.float64)
    discrete = sample.dtype.kind in "biu"
    seen = {
        "fit": chi_square(sample, law) if discrete else kolmogorov(values[:SORTED], law),
        "total": two_sided(total.cdf(values.sum()), total.sf(values.sum() - discrete)),
        "neighbours": same_side(values, law, 1),
        "halves": same_side(values, law, n // 2),
    }
    if sample.dtype.kind != "b":
        high, low = float(np.max(values)), float(np.min(values))
        as_small, more = n * law.logcdf(high), n * law.logcdf(high - discrete)
        seen["largest"] = two_sided(np.exp(as_small), -np.expm1(more))
        if discrete or law.support()[0] == -np.inf:
            as_large, less = n * law.logsf(low - discrete), n * law.logsf(low)
            seen["smallest"] = two_sided(-np.expm1(less), np.exp(as_large))
    if law.support()[0] == -np.inf:
        seen["spread"] = squares(values, law)
    return {name: (float(-ndtri(p / 2)), limit) for name, p in seen.items()}


def two_sided(below: float, above: float) -> float:
    """The chance of a statistic as far out, given those of one as small and of one as large."""
    return float(min(1.0, 2 * min(below, above)))


def kolmogorov(values: np.ndarray, law: Law) -> float:
    """The chance of a distribution function as far from the law's."""
    import scipy.stats

    return float(scipy.stats.kstest(values, law.cdf).pvalue)


def chi_square(sample: np.ndarray, law: Law) -> float:
    """Of cells of equal values, those in the tails together, so that each expects enough draws."""
    import scipy.stats

    n = len(sample)
    low, high = (int(law.ppf(q)) for q in (EXPECTED / n, 1 - EXPECTED / n))
    step = max(1, (high - low) // CELLS)
    edges = np.arange(low, high + step, step)
    below = law.cdf(edges)
    expected = n * np.diff(np.concatenate([[0.0], below, [1.0]]))
    found = np.bincount(np.searchsorted(edges, sample.astype(np.int64)), minlength=len(expected))
    keep = expected >= EXPECTED / 2
    statistic = np.sum((found - expected)[keep] ** 2 / expected[keep])
    rest = float(np.sum(expected[~keep]))
    if rest > 0:
        statistic += (found[~keep].sum() - rest) ** 2 / max(rest, EXPECTED)
    return float(scipy.stats.chi2.sf(statistic, np.count_nonzero(keep) + (rest > 0) - 1))


def squares(values: np.ndarray, law: Law) -> float:
    """The chance of a sum of squares of normal variables as far out: ``surprises``."""
    import scipy.stats

    z = (values - law.mean()) / law.std()
    known = scipy.stats.chi2(len(z))
    return two_sided(known.cdf(z @ z), known.sf(z @ z))


def same_side(values: np.ndarray, law: Law, lag: int) -> float:
    """The chance of draws as often on the same side of the median as those ``lag`` on: ``surprises``."""
    from scipy.special import ndtr

    middle = law.median() if law.median() < law.support()[1] else law.support()[0]
    q = float(law.sf(middle))
    b = (values > middle) - q
    z = float(b[lag:] @ b[:-lag]) / (q * (1 - q) * np.sqrt(len(b) - lag))
    return float(2 * ndtr(-abs(z)))


Kernel(
    compute=sample_bernoulli,
    inputs=bernoulli_inputs,
    reference=drawn(bernoulli_laws, bool),
    errors=judged(bernoulli_laws),
    error_unit="standard errors",
    traffic=lambda itemsize, n: 8 + itemsize + n,
    sizes={
        "small": {"n": 2048},
        "medium": {"n": 524288},
        "large": {"n": 33554432},
        "huge": {"n": 134217728},
    },
    static=("n",),
    chapter="probability",
)

Kernel(
    compute=sample_binomial,
    inputs=binomial_inputs,
    reference=drawn(binomial_laws, int),
    errors=judged(binomial_laws),
    error_unit="standard errors",
    traffic=lambda itemsize, n, trials: 8 + itemsize + 8 * n,
    sizes={
        "small": {"n": 1024, "trials": 100},
        "medium": {"n": 65536, "trials": 100},
        "large": {"n": 2097152, "trials": 100},
        "huge": {"n": 33554432, "trials": 100},
    },
    static=("n", "trials"),
    chapter="probability",
)

Kernel(
    compute=sample_poisson,
    inputs=poisson_inputs,
    reference=drawn(poisson_laws, int),
    errors=judged(poisson_laws),
    error_unit="standard errors",
    traffic=lambda itemsize, n: 8 + itemsize + 8 * n,
    sizes={
        "small": {"n": 1024},
        "medium": {"n": 65536},
        "large": {"n": 2097152},
        "huge": {"n": 33554432},
    },
    static=("n",),
    chapter="probability",
)

Kernel(
    compute=sample_normal,
    inputs=normal_inputs,
    reference=drawn(normal_laws, float),
    errors=judged(normal_laws),
    error_unit="standard errors",
    traffic=lambda itemsize, n: 8 + itemsize * (n + 2),
    sizes={
        "small": {"n": 2048},
        "medium": {"n": 262144},
        "large": {"n": 16777216},
        "huge": {"n": 67108864},
    },
    static=("n",),
    chapter="probability",
)

Kernel(
    compute=sample_exponential,
    inputs=exponential_inputs,
    reference=drawn(exponential_laws, float),
    errors=judged(exponential_laws),
    error_unit="standard errors",
    traffic=lambda itemsize, n: 8 + itemsize * (n + 1),
    sizes={
        "small": {"n": 2048},
        "medium": {"n": 262144},
        "large": {"n": 16777216},
        "huge": {"n": 67108864},
    },
    static=("n",),
    chapter="probability",
)
