"""How fast, and how exactly, is a confidence interval found by drawing a sample again and again?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, entry_errors, epsilon, widened
from xpbench.bench.kernel import Array, Errors

LEVELS = (0.025, 0.975)


def bootstrap_ci(xp: Array, x: Array, draws: Array) -> tuple[Array, Array, Array]:
    """The bootstrap's 95 % interval and standard error of a mean, by percentiles.

        m_r = 1/n sum_i x[draws_ri],    interval = (Q(0.025), Q(0.975)) of m_1 ... m_R
        standard error = sqrt(1/(R - 1) sum_r (m_r - m)^2),    m = 1/R sum_r m_r

    with Q(p) = (1 - t) m_(k) + t m_(k+1) between order statistics, k + t = 1 + (R - 1) p. Which entries
    are drawn, with replacement, is an input.

    x (n,), draws (R, n) of integers from 0 to n - 1 -> lower end (), upper end (), standard error ();
    R n + 4 R flops, without the sort.
    Efron & Tibshirani, An Introduction to the Bootstrap, sections 6.2 and 13.3.
    """
    means = xp.mean(xp.gather(x, draws), axis=1)
    ends = xp.quantile(means, LEVELS)
    deviations = means - xp.mean(means)
    return ends[0], ends[1], xp.sqrt(deviations @ deviations / (draws.shape[0] - 1))


def inputs(rng: np.random.Generator, n: int, r: int) -> tuple[np.ndarray, ...]:
    """A skewed sample, lognormal, and the indices of its resamples."""
    if min(n, r) < 2:
        raise Unsupported("an interval takes two entries and two resamples: n and r must be 2 or more")
    return np.exp(rng.standard_normal(n)), rng.integers(n, size=(r, n))


def reference(x: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means weighted with how often each entry was drawn, and interpolation in their sorted list."""
    n = len(x)
    means = np.sort([np.sum(np.bincount(row, minlength=n) * x) / n for row in draws])
    lower, upper = (np.interp(p * (len(means) - 1), np.arange(len(means)), means) for p in LEVELS)
    return np.asarray(lower), np.asarray(upper), np.asarray(np.std(means, ddof=1))


def errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray, draws: np.ndarray
) -> Errors:
    """Both ends and the standard error against ``bounds``."""
    found = widened(outputs, (), (), ())
    names = ("lower end", "upper end", "standard error")
    return entry_errors(names, found, exact, bounds(exact, x, draws), epsilon(outputs))


def bounds(exact: Sequence[np.ndarray], x: np.ndarray, draws: np.ndarray) -> tuple[float, ...]:
    """What rounding may add up to in the ends and in the standard error, in eps.

    A mean of n terms of mean mu and mean square q is off by e = 0.3 eps sqrt(n mu^2 / 3 + q / 2) in the
    root mean square, and an eps of mu. An order statistic moves by no more than the entries do: five
    times e, as the ends are in the midst of many, and an eps for their interpolation.

    A sum of R squares drifts: 0.3 eps sqrt(R / 3) of it, half of that in the root. Errors of the means
    move it by e / sqrt(R), as they are independent; their last digits are lost in the difference from
    their mean, which a single rounding of it moves in the second order only. Four times both, and two
    eps of the root.
    """
    (r, n), error = draws.shape, float(exact[2])
    mu, q = float(np.mean(x)), float(np.mean(x**2))
    e = 0.3 * math.sqrt(n * mu**2 / 3 + q / 2)
    ends = [5 * e + 2 * float(abs(end)) for end in exact[:2]]
    return *ends, error * (0.6 * math.sqrt(r / 3) + 2) + 4 * math.hypot(e, mu) / math.sqrt(r)


Kernel(
    compute=bootstrap_ci,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, r: r * n + 4 * r,
    traffic=lambda itemsize, n, r: itemsize * (n + 3) + 8 * r * n,
    sizes={
        "small": {"n": 32, "r": 100},
        "medium": {"n": 512, "r": 2000},
        "large": {"n": 4096, "r": 8000},
        "huge": {"n": 16384, "r": 10000},
    },
    chapter="statistics",
)
