"""Faults in discrete distributions."""

import math

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels import discrete_distributions as library
from xpbench.kernels.discrete_distributions import (
    bernoulli,
    bernoulli_bounds,
    binomial,
    binomial_bounds,
    poisson,
    poisson_bounds,
)


def exchanged(outputs):
    outputs.reverse()


def log_factorial(xp, x):
    return xp.special.lgamma(x + 1)


def naive_binomial(xp, k, n, p):
    """Differences of lgamma."""
    x, trials = k.astype(p.dtype), n.astype(p.dtype)
    ways = log_factorial(xp, trials) - log_factorial(xp, x) - log_factorial(xp, trials - x)
    return ways + x * np.log(p) + (trials - x) * np.log1p(-p), binomial(xp, k, n, p)[1]


def naive_poisson(xp, k, rate):
    x = k.astype(rate.dtype)
    return x * np.log(rate) - rate - log_factorial(xp, x), poisson(xp, k, rate)[1]


def plain_deviance(x, m):
    """With its terms cancelling near m."""
    return np.where(x > 0, x * np.log(np.maximum(x, 1) / m), 0) + m - x


def rounded_mean(xp, k, n, p):
    """k - n p by itself."""
    x, trials = k.astype(p.dtype), n.astype(p.dtype)
    mean = trials * p
    ways = library.stirling(xp, n, p) - library.stirling(xp, k, p) - library.stirling(xp, n - k, p)
    hits = library.deviance(xp, x, mean, x - mean)
    misses = library.deviance(xp, trials - x, trials * (1 - p), mean - x)
    return ways - hits - misses, binomial(xp, k, n, p)[1]


def stirling(x, *, series=True):
    k = np.maximum(x, 1)
    size = np.log(2 * math.pi * k) / 2 + (1 / (12 * k) - 1 / (360 * k**3) if series else 0)
    return np.where(x > 0, size, 0).astype(x.dtype)


def saddle_point(*, series=True, deviance=plain_deviance):
    """The Poisson distribution without a table for small counts."""

    def compute(xp, k, rate):
        x = k.astype(rate.dtype)
        return -stirling(x, series=series) - deviance(x, rate), poisson(xp, k, rate)[1]

    return compute


def distributed(kernel, change):
    """The distribution function of other counts, or its complement."""

    def compute(xp, *arrays):
        outputs = kernel(xp, *arrays)
        return outputs[0], change(xp, outputs, *arrays)

    return compute


def gamma(shift, rest=False):
    def change(xp, outputs, k, rate):
        below = xp.special.gammaincc(k.astype(rate.dtype) + shift, rate)
        return (1 - below if rest else below).astype(rate.dtype)

    return change


def beta(a=0, b=1, *, failure=True):
    def change(xp, outputs, k, n, p):
        x = (n - k).astype(p.dtype) + a
        below = xp.special.betainc(np.maximum(x, 1), k.astype(p.dtype) + b, 1 - p if failure else p)
        return np.where(k < n, below, 1).astype(p.dtype)

    return change


def of_success(xp, k, p):
    """log(1 - p) where p is small."""
    q = 1 - p
    return np.where(k == 1, np.log(p), np.log(q)), np.where(k == 1, 1, q).astype(p.dtype)


def twenty_off(below):
    """At a failure: F of a success is 1."""
    place = np.flatnonzero(below < 1)[0]
    below[place] *= 1 + 20 * np.finfo(below.dtype).eps


def unit(bounds, output):
    def value(outputs, k, *parameters):
        return bounds(outputs, k, *parameters)[output][k.size // 2]

    return value


def rounded(bounds, output, dtype):
    def value(outputs, k, *parameters):
        return bounds(outputs, k, *parameters, dtype)[output][k.size // 2]

    return value


def entries(bounds):
    """One for each dtype, on which the bounds depend."""
    return [
        entry(pair, rounded(bounds, output, dtype), output=output, dtypes=(dtype,))
        for output, pair in enumerate(("log density", "distribution"))
        for dtype in ("float32", "float64")
    ]


FAULTS: dict[str, list[Fault]] = {
    "bernoulli": [
        algorithm("term", "log(1 - p) by itself", of_success),
        algorithm("term", "chances exchanged", lambda xp, k, p: bernoulli(xp, 1 - k, p)),
        algorithm("term", "chance of 1 for F", distributed(bernoulli, lambda xp, o, k, p: p)),
        algorithm("term", "the density for F", distributed(bernoulli, lambda xp, o, k, p: np.exp(o[0]))),
        algorithm("index", "chances off by one", lambda xp, k, p: bernoulli(xp, k, np.roll(p, 1))),
        result("index", "outputs exchanged", exchanged),
        entry("log density", unit(bernoulli_bounds, 0)),
        result("entry", "an entry of F off by twenty eps", lambda outputs: twenty_off(outputs[1])),
    ],
    "binomial": [
        algorithm("term", "differences of lgamma", naive_binomial, size="medium"),
        algorithm("term", "n p rounded", rounded_mean, size="medium", dtypes=("float32",)),
        algorithm("term", "failures for successes", lambda xp, k, n, p: binomial(xp, n - k, n, p)),
        algorithm("term", "chance of failure", lambda xp, k, n, p: binomial(xp, k, n, 1 - p)),
        algorithm("term", "F of chance p", distributed(binomial, beta(failure=False))),
        algorithm("index", "F of one less", distributed(binomial, beta(1, 0.5))),
        algorithm("index", "one trial more", distributed(binomial, beta(1, 1))),
        algorithm("index", "counts off by one", lambda xp, k, n, p: binomial(xp, k, n + 1, p)),
        algorithm("index", "chances off by one", lambda xp, k, n, p: binomial(xp, k, n, np.roll(p, 1))),
        result("index", "outputs exchanged", exchanged),
        *entries(binomial_bounds),
    ],
    "poisson": [
        algorithm("term", "differences of lgamma", naive_poisson),
        algorithm("term", "deviance by its definition", saddle_point(), size="medium"),
        algorithm("term", "Stirling without a series", saddle_point(series=False)),
        algorithm("term", "the upper tail", distributed(poisson, gamma(1, rest=True))),
        algorithm("index", "F of one less", distributed(poisson, gamma(1e-3))),
        algorithm("index", "F of one more", distributed(poisson, gamma(2))),
        algorithm("index", "rates off by one", lambda xp, k, rate: poisson(xp, k, np.roll(rate, 1))),
        result("index", "outputs exchanged", exchanged),
        *entries(poisson_bounds),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
