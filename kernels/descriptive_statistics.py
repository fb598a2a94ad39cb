"""How fast, and how exactly, are samples summarised: moments, quantiles, covariances?"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from xpbench import (
    Kernel,
    Unsupported,
    entry_errors,
    epsilon,
    evenly_spaced,
    largest_ratio,
    mean_bound,
    squares_lost,
    widened,
)
from xpbench.bench.kernel import Array, Errors

Reference = Callable[[np.ndarray], tuple[np.ndarray, ...]]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SAMPLED_ROWS = 16
BLOCK = 256


def moments(xp: Array, x: Array) -> tuple[Array, ...]:
    """Mean, variance, standard deviation, skewness and kurtosis of every column, in two passes.

        m = 1/n sum_i x_i,    s^2 = 1/(n - 1) sum_i d_i^2,    d_i = x_i - m
        skewness = m_3 / m_2^(3/2),    kurtosis = m_4 / m_2^2,    m_k = 1/n sum_i d_i^k

    x (n, d) with a sample in every row -> five arrays (d,), in the order of the first line;
    9 n d flops.
    Chan, Golub & LeVeque, The American Statistician 37, 1983, on passes; Joanes & Gill, The Statistician
    47, 1998, for the measures of shape, which are their g_1 and g_2 + 3.
    """
    n = x.shape[0]
    mean = xp.mean(x, axis=0)
    d = x - mean
    square = d * d
    total = xp.sum(square, axis=0)
    second = total / n
    variance = total / (n - 1)
    skewness = xp.column_dots(square, d) / n / (second * xp.sqrt(second))
    kurtosis = xp.column_dots(square, square) / n / (second * second)
    return mean, variance, xp.sqrt(variance), skewness, kurtosis


def median(xp: Array, x: Array) -> Array:
    """The median of every row: the middle of its order statistics, or the mean of the middle two.

        x_(1) <= x_(2) <= ... <= x_(n),    median = (x_(k) + x_(l)) / 2

    with k = (n + 1) / 2 rounded down, and l the same rounded up.

    x (m, n) -> median (m,).
    Hyndman & Fan, The American Statistician 50, 1996.
    """
    return xp.median(x, axis=1)


def quantiles(xp: Array, x: Array) -> Array:
    """The quantiles of every row at five levels, interpolated linearly between order statistics.

        Q(p) = (1 - t) x_(k) + t x_(k+1),    k + t = 1 + (n - 1) p,    k an integer, 0 <= t < 1

    with x_(1) <= ... <= x_(n) and p = 0.05, 0.25, 0.5, 0.75, 0.95.

    x (m, n) -> Q (5, m).
    Hyndman & Fan, The American Statistician 50, 1996, definition 7.
    """
    return xp.quantile(x, LEVELS, axis=1)


def covariance(xp: Array, x: Array) -> Array:
    """The unbiased covariances of all pairs of columns.

        C = D'D / (n - 1),    d_ij = x_ij - 1/n sum_k x_kj

    x (n, d) with a sample in every row -> C (d, d); 2 n d^2 + 2 n d flops.
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., section 14.5.1.
    """
    d = x - xp.mean(x, axis=0)
    return d.T @ d / (x.shape[0] - 1)


def skewed_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Gamma variables of skewness 1 and kurtosis 4.5, within three deviations of the origin."""
    if n < 3:
        raise Unsupported(f"the skewness of {n} is 0 or 0 / 0: n must be 3 or more")
    return ((rng.standard_gamma(4.0, (n, d)) - 4) / 2 + rng.uniform(-3, 3, d),)


def correlated_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Normal variables that share a factor, with correlations of about 0.3, far from the origin."""
    if n < 2:
        raise Unsupported("of a single sample there is no variance: n must be 2 or more")
    x = rng.standard_normal((n, d)) + 0.65 * rng.standard_normal((n, 1))
    return (x + rng.uniform(-10, 10, d),)


def series_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """Rows of normal draws of any location and scale, in no order."""
    scales = np.exp(rng.standard_normal((m, 1)))
    return (scales * (rng.standard_normal((m, n)) + rng.uniform(-1, 1, (m, 1))),)


def moments_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """By sums that are rounded once (``math.fsum``), column by column, in float64."""
    n = len(x)
    columns = []
    for column in x.T:
        mean = math.fsum(column) / n
        d = column - mean
        second, third, fourth = (math.fsum(d**k) for k in (2, 3, 4))
        variance = second / (n - 1)
        shape = third / n / (second / n) ** 1.5, fourth / n / (second / n) ** 2
        columns.append((mean, variance, math.sqrt(variance), *shape))
    return tuple(np.array(columns).T)


def median_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """From the sorted rows."""
    n = x.shape[1]
    ordered = np.sort(x, axis=1)
    return ((ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2,)


def quantiles_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """From the sorted rows, weighting the neighbours of every level."""
    ordered = np.sort(x, axis=1)
    ranks = np.arange(x.shape[1])
    return (np.stack([[np.interp((len(row) - 1) * p, ranks, row) for row in ordered] for p in LEVELS]),)


def covariance_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Products of deviations in sums that call no BLAS, over blocks of samples, so that few are long."""
    rows = np.ascontiguousarray(x.T)
    d = rows - np.array([math.fsum(row) for row in rows])[:, np.newaxis] / len(x)
    blocks = np.array_split(d, math.ceil(len(x) / BLOCK), axis=1)
    return (sum(np.einsum("in,jn->ij", block, block) for block in blocks) / (len(x) - 1),)


def moments_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray
) -> Errors:
    """Every moment against ``moments_bounds``; without the oracle those of 16 columns."""
    d = x.shape[1]
    found = widened(outputs, *[(d,)] * 5)
    columns = np.arange(d)
    if exact is None:
        columns = evenly_spaced(d, SAMPLED_ROWS)
        exact = moments_reference(x[:, columns])
    names = ("mean", "variance", "deviation", "skewness", "kurtosis")
    eps, found = epsilon(outputs), tuple(one[columns] for one in found)
    return entry_errors(names, found, exact, moments_bounds(x[:, columns], eps), eps)


def moments_bounds(x: np.ndarray, eps: float) -> tuple[np.ndarray, ...]:
    """What rounding may add up to in every moment of the columns of x, each (d,), in ``eps``.

    ``xpbench.mean_bound`` bounds m and every m_k, of which m_2 loses ``xpbench.squares_lost`` more.

    An error e of m moves m_2 in the second order only, m_3 by 3 m_2 e and m_4 by 4 m_3 e. Relative
    errors of m_2 count once and a half in the skewness and twice in the kurtosis, and their own
    roundings one and two eps more.
    """
    n = len(x)
    mean = x.mean(axis=0)
    d = x - mean
    m = [np.mean(d**k, axis=0) for k in range(9)]

    e = mean_bound(n, mean, mean**2 + m[2])
    second, third, fourth = (mean_bound(n, m[k], m[2 * k]) for k in (2, 3, 4))
    relative = second / m[2] + squares_lost(n, eps)
    variance = m[2] * n / (n - 1)
    skewness, kurtosis = np.abs(m[3]) / m[2] ** 1.5, m[4] / m[2] ** 2
    return (
        e,
        variance * (relative + 1),
        np.sqrt(variance) * (relative + 2) / 2,
        (third + 3 * m[2] * e) / m[2] ** 1.5 + skewness * (1.5 * relative + 2),
        (fourth + 4 * np.abs(m[3]) * e) / m[2] ** 2 + kurtosis * (2 * relative + 3),
    )


def median_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray
) -> Errors:
    """Every median to the last place: equal for odd n, and off by three roundings at most for even n.

    Those of a difference, a sum and the oracle's own: with neighbours next to each other, as here, at
    most an eps of the larger. Without the oracle it reads 16 rows.
    """
    m, n = x.shape
    (found,) = widened(outputs, (m,))
    rows, exact = known(exact, median_reference, x)
    middle = np.sort(x[rows], axis=1)[:, [(n - 1) // 2, n // 2]]
    bounds = np.max(np.abs(middle), axis=1) + np.ptp(middle, axis=1)
    limit = 0.0 if n % 2 else 1.0
    return {"medians": (largest_ratio(found[rows] - exact[0], bounds) / epsilon(outputs), limit)}


def quantiles_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray
) -> Errors:
    """Every quantile against ``quantiles_bounds``; without the oracle those of 16 rows."""
    (found,) = widened(outputs, (len(LEVELS), len(x)))
    rows, exact = known(exact, quantiles_reference, x)
    bounds = quantiles_bounds(x[rows])
    value = largest_ratio(found[:, rows] - exact[0].reshape(bounds.shape), bounds)
    return {"quantiles": (value / epsilon(outputs), 2.0)}


def quantiles_bounds(x: np.ndarray) -> np.ndarray:
    """How far roundings may move every quantile (5, m), in eps.

    With neighbours a and b that is half an eps of b - a for their difference, for the weight and for the
    product, and half an eps of the result for the sum. The oracle errs by as much in float64. These
    bounds are attained: limit 2.
    """
    n = x.shape[1]
    ordered, bounds = np.sort(x, axis=1), []
    for p in LEVELS:
        k = min(math.floor((n - 1) * p), max(n - 2, 0))
        a, b = ordered[:, k], ordered[:, min(k + 1, n - 1)]
        bounds.append(3 / 2 * (b - a) + np.maximum(np.abs(a), np.abs(b)) / 2)
    return np.stack(bounds)


def covariance_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray
) -> Errors:
    """Every covariance against ``covariance_bounds``; without the oracle 16 rows of them."""
    d = x.shape[1]
    (c,) = widened(outputs, (d, d))
    rows = np.arange(d)
    if exact is None:
        rows = evenly_spaced(d, SAMPLED_ROWS)
        centred = x - x.mean(axis=0)
        c64 = centred[:, rows].T @ centred / (len(x) - 1)
    else:
        c64 = exact[0]
    bounds = covariance_bounds(c64, x, rows)
    return {"entries": (largest_ratio(c[rows] - c64, bounds) / epsilon(outputs), 1.0)}


def covariance_bounds(c64: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What rounding may add up to in these rows of the covariances, in eps.

    A sum of n products of mean c and mean square s_i^2 s_j^2 + 2 c^2 is off by 0.3 eps times
    sqrt(n c^2 / 3 + s_i^2 s_j^2 / 2 + c^2) in its mean, as for ``moments``. Five times that, as there
    are many, and one and a half eps of c for what is rounded once.
    """
    variances = np.var(x, axis=0, ddof=1)
    products = np.outer(variances[rows], variances)
    bounds: np.ndarray = 1.5 * np.sqrt((len(x) / 3 + 1) * c64**2 + products / 2) + 1.5 * np.abs(c64)
    return bounds


def known(
    exact: Sequence[np.ndarray] | None, reference: Reference, x: np.ndarray
) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """Which rows are compared, and with what: all of the oracle's, or 16 worked out here."""
    if exact is not None:
        return np.arange(len(x)), exact
    rows = evenly_spaced(len(x), SAMPLED_ROWS)
    return rows, reference(x[rows])


Kernel(
    compute=moments,
    inputs=skewed_inputs,
    reference=moments_reference,
    errors=moments_errors,
    flops=lambda n, d: 9 * n * d,
    traffic=lambda itemsize, n, d: itemsize * (n * d + 5 * d),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 4096, "d": 64},
        "large": {"n": 65536, "d": 128},
        "huge": {"n": 262144, "d": 512},
    },
    oracle_flops=1e8,
    chapter="statistics",
)

Kernel(
    compute=median,
    inputs=series_inputs,
    reference=median_reference,
    errors=median_errors,
    traffic=lambda itemsize, m, n: itemsize * (m * n + m),
    sizes={
        "small": {"m": 8, "n": 64},
        "medium": {"m": 64, "n": 4096},
        "large": {"m": 128, "n": 65536},
        "huge": {"m": 2048, "n": 65536},
    },
    chapter="statistics",
)

Kernel(
    compute=quantiles,
    inputs=series_inputs,
    reference=quantiles_reference,
    errors=quantiles_errors,
    traffic=lambda itemsize, m, n: itemsize * (m * n + 5 * m),
    sizes={
        "small": {"m": 8, "n": 63},
        "medium": {"m": 32, "n": 4095},
        "large": {"m": 64, "n": 65535},
        "huge": {"m": 2048, "n": 65535},
    },
    chapter="statistics",
)

Kernel(
    compute=covariance,
    inputs=correlated_inputs,
    reference=covariance_reference,
    errors=covariance_errors,
    flops=lambda n, d: 2 * n * d**2 + 2 * n * d,
    traffic=lambda itemsize, n, d: itemsize * (n * d + d**2),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 2048, "d": 128},
        "large": {"n": 32768, "d": 512},
        "huge": {"n": 131072, "d": 1024},
    },
    oracle_flops=2e9,
    chapter="statistics",
)
