"""How fast, and how exactly, are raw columns made ready: imputed, scaled and split?"""

from collections.abc import Sequence

import numpy as np

from xpbench import (
    Kernel,
    Unsupported,
    entry_errors,
    epsilon,
    largest_ratio,
    mean_bound,
    squares_lost,
    widened,
)
from xpbench.bench.kernel import Array, Errors

MISSING = 0.05
"""The share of entries that are missing."""


def impute(xp: Array, x: Array) -> tuple[Array, Array]:
    """What is missing in a column, replaced by the mean of the rest of it.

        m_j = 1 / |O_j| sum_{i in O_j} x_ij,    O_j = {i: x_ij is not NaN}
        y_ij = x_ij for i in O_j, else m_j

    The mean of a column without any entry is taken to be 0. Counts are in the dtype of x, exact up to
    2^24 rows in float32.

    x (n, d) with NaN where missing -> y (n, d), m (d,).
    Little & Rubin, Statistical Analysis with Missing Data, 3rd ed., section 4.2.1; scikit-learn's
    SimpleImputer, which drops columns without any entry unless it is told to keep them, as 0.
    """
    missing = xp.isnan(x)
    observed = x.shape[0] - xp.astype(xp.count_nonzero(missing, axis=0), x.dtype)
    total = xp.sum(xp.where(missing, 0.0, x), axis=0)
    mean = total / xp.where(observed > 0, observed, xp.ones_like(observed))
    return xp.where(missing, mean, x), mean


def standardize(xp: Array, x: Array) -> tuple[Array, Array, Array]:
    """Every column shifted to mean zero and divided by its standard deviation.

        m_j = 1/n sum_i x_ij,    s_j^2 = 1/n sum_i (x_ij - m_j)^2,    z_ij = (x_ij - m_j) / s_j

    with s_j = 1 where a column is constant, and so z_ij = 0. Everything is taken from the first row,
    x_ij - x_1j in place of x_ij, which is put back into m: a constant column then has no spread
    whatever rounding makes of its mean, and nothing cancels where m_j is many times s_j.

    x (n, d) -> z (n, d), m (d,), s (d,); 6 n d flops.
    Chan, Golub & LeVeque, The American Statistician 37, 1983, on shifts; scikit-learn's StandardScaler.
    """
    first = x[:1, :]
    d = x - first
    shift = xp.mean(d, axis=0)
    d = d - shift
    spread = xp.sqrt(xp.column_dots(d, d) / x.shape[0])
    scale = xp.where(spread > 0, spread, xp.ones_like(spread))
    return d / scale, first[0, :] + shift, scale


def min_max_scale(xp: Array, x: Array) -> tuple[Array, Array, Array]:
    """Every column mapped to [0, 1], its least entry to 0 and its largest to 1.

        a_j = min_i x_ij,    b_j = max_i x_ij,    y_ij = (x_ij - a_j) / (b_j - a_j)

    and y_ij = 0 where a column is constant.

    x (n, d) -> y (n, d), a (d,), b (d,).
    Han, Kamber & Pei, Data Mining: Concepts and Techniques, 3rd ed., section 3.5.2; scikit-learn's
    MinMaxScaler, which computes x_ij / (b_j - a_j) - a_j / (b_j - a_j) and so loses digits near a_j.
    """
    low, high = xp.min(x, axis=0), xp.max(x, axis=0)
    span = high - low
    return (x - low) / xp.where(span > 0, span, xp.ones_like(span)), low, high


def train_test_split(
    xp: Array, x: Array, y: Array, permutation: Array, *, test: int
) -> tuple[Array, Array, Array, Array]:
    """Rows and their labels in two parts, those to train on and those held out.

        held out: rows permutation[:test],    to train on: rows permutation[test:]

    in the order of the permutation. The first rows are held out, as scikit-learn does.

    x (n, d), y (n,), permutation (n,) of 0 ... n - 1 -> x to train on (n - test, d) and held out
    (test, d), y to train on (n - test,) and held out (test,).
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., section 7.2;
    scikit-learn's train_test_split.
    """
    held, kept = permutation[:test], permutation[test:]
    return xp.gather(x, kept), xp.gather(x, held), xp.gather(y, kept), xp.gather(y, held)


def incomplete_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Columns of any unit, of which one entry in twenty is missing; of four or more, all of the last."""
    x = columns_of_any_unit(rng, n, d)
    x[rng.random((n, d)) < MISSING] = np.nan
    if d > 3:
        x[:, -1] = np.nan
    return (x,)


def raw_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Columns of any unit; of four or more the last is constant."""
    x = columns_of_any_unit(rng, n, d)
    if d > 3:
        x[:, -1] = x[0, -1]
    return (x,)


def columns_of_any_unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Skewed columns within three deviations of the origin, in units that differ by powers of ten."""
    x = (rng.standard_gamma(4.0, (n, d)) - 4) / 2 + rng.uniform(-3, 3, d)
    return x * 10 ** rng.uniform(-2, 2, d)


def split_inputs(rng: np.random.Generator, n: int, d: int, test: int) -> tuple[np.ndarray, ...]:
    """Measurements of d properties of n cases, labels of ten classes and a permutation."""
    if not test < n:
        raise Unsupported(f"a row must be left to train on: test={test} must be below n={n}")
    return rng.standard_normal((n, d)), rng.integers(0, 10, n), rng.permutation(n)


def impute_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Column by column, from what is there; sums go by halves, in float64."""
    y, means = np.asfortranarray(x), []
    for column in y.T:
        there = column[~np.isnan(column)]
        means.append(there.mean() if there.size else 0.0)
        column[np.isnan(column)] = means[-1]
    return y, np.array(means)


def standardize_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """In float64, on columns in one piece, which NumPy sums by halves, and by one correction of m."""
    rows = np.ascontiguousarray(x.T)
    constant = np.ptp(rows, axis=1) == 0
    mean = np.where(constant, rows[:, 0], rows.mean(axis=1))
    rows -= mean[:, np.newaxis]
    rest = rows.mean(axis=1)
    rows -= rest[:, np.newaxis]
    scale = np.where(constant, 1.0, np.linalg.norm(rows, axis=1) / np.sqrt(len(x)))
    rows /= scale[:, np.newaxis]
    return rows.T, mean + rest, scale


def min_max_scale_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """From the order statistics, in extended precision where the machine has it."""
    ordered = np.sort(x, axis=0)
    low, high = ordered[0], ordered[-1]
    span = high.astype(np.longdouble) - low
    span[span == 0] = 1
    return ((x.astype(np.longdouble) - low) / span).astype(np.float64), low, high


def train_test_split_reference(
    x: np.ndarray, y: np.ndarray, permutation: np.ndarray, test: int
) -> tuple[np.ndarray, ...]:
    """Every row is sent to its place, which is where the permutation names it."""
    places = np.argsort(permutation)
    rows, labels = np.empty_like(x), np.empty_like(y)
    rows[places], labels[places] = x, y
    return rows[test:], rows[:test], labels[test:], labels[:test]


def impute_errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray) -> Errors:
    """The means, and that they and nothing else stand in for what is missing.

    ``means`` is the largest error over ``impute_bounds``. Limit 1.
    ``filled`` counts entries that are neither what was observed nor, where it is missing, the mean
    returned. Limit 0.
    """
    y, mean = widened(outputs, x.shape, x.shape[1:])
    missing = np.isnan(x)
    differ = np.count_nonzero(y != np.where(missing, mean, x))
    bounds = impute_bounds(missing, *exact)
    return {
        "means": (largest_ratio(mean - exact[1], bounds) / epsilon(outputs), 1.0),
        "filled": (float(differ), 0.0),
    }


def impute_bounds(missing: np.ndarray, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What rounding may add up to in the means (d,) of what is not missing in y (n, d), in eps.

    As ``xpbench.mean_bound`` says; what is missing is added as 0, which rounds nothing.
    """
    absent = np.count_nonzero(missing, axis=0)
    n = np.maximum(len(y) - absent, 1)
    return mean_bound(n, mean, (np.einsum("ij,ij->j", y, y) - absent * mean**2) / n)


def standardize_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray
) -> Errors:
    """Entries, means and deviations, each the largest error over its ``standardize_bounds``. Limit 1."""
    found = widened(outputs, x.shape, x.shape[1:], x.shape[1:])
    eps = epsilon(outputs)
    z, mean, scale = exact
    bounds = standardize_bounds(z, mean, scale, x[0], eps)
    return entry_errors(("entries", "means", "scales"), found, exact, bounds, eps)


def standardize_bounds(
    z: np.ndarray, mean: np.ndarray, scale: np.ndarray, first: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What rounding may add up to in z (n, d), m (d,) and s (d,), in units of ``eps``.

    The rows d_i = x_i - x_1 are rounded, and so are c_i = x_i - m. The mean of d errs by e, which is
    ``mean_bound`` with 1.2 sqrt(q / n) more for the roundings of n terms of mean square q; m by an eps
    of its own more, the oracle's among it. e moves s in the second order only.

    The mean of c^2 errs by ``mean_bound``, by twice the roundings of c and d, 2.4 times the root of the
    mean of c^2 (c^2 + d^2) over n, with d^2 <= 2 c^2 + 2 c_1^2, and by ``squares_lost``.

    Of the sum r of these s errs by half, relative to s^2, and by an eps; and

        |dz_i| <= (e + |d_i| / 2 + |c_i| / 2) / s + |z_i| (r / (2 s^2) + 3/2)

    for the roundings of d, c, s and the quotient and, in float64, half an eps of the oracle's own;
    |d_i| <= |c_i| + |c_1|. A constant column admits no error but in its mean.
    """
    n, spread, start = len(z), np.any(z, axis=0), first - mean
    squares = z**2
    square, fourth = np.mean(squares, axis=0) * scale**2, np.mean(squares**2, axis=0) * scale**4
    q = square + start**2
    e = mean_bound(n, start, q) + 1.2 * np.sqrt(q / n)
    r = mean_bound(n, square, fourth) + 2.4 * np.sqrt((3 * fourth + 2 * start**2 * square) / n)
    r += squares_lost(n, eps) * square
    relative = np.where(spread, r / (2 * scale**2), 0)
    entries = (e + np.abs(start) / 2) / scale * spread + (relative + 2.5) * np.abs(z)
    return entries, e + np.abs(mean), scale * spread * (relative + 1)


def min_max_scale_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray
) -> Errors:
    """Every entry to its last place, and extremes that are equal.

    ``entries`` is the largest relative error: half an eps for each of two differences, a reciprocal and
    a product (JAX divides so), and half of it for the oracle's result, in extended precision, where the
    dtype is float64. The bound of 2.5 may be attained: limit 4. What is 0 stays 0.
    ``extremes`` counts minima and maxima that differ. Limit 0.
    """
    y, low, high = widened(outputs, x.shape, x.shape[1:], x.shape[1:])
    differ = np.count_nonzero(low != exact[1]) + np.count_nonzero(high != exact[2])
    return {
        "entries": (largest_ratio(y - exact[0], np.abs(exact[0])) / epsilon(outputs), 4.0),
        "extremes": (float(differ), 0.0),
    }


def train_test_split_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    permutation: np.ndarray,
    test: int,
) -> Errors:
    """``entries`` counts those of the rows that differ, ``labels`` those of the labels. Limit 0."""
    kept = len(x) - test
    found = widened(outputs, (kept, *x.shape[1:]), (test, *x.shape[1:]), (kept,), (test,))
    differ = [float(np.count_nonzero(one != other)) for one, other in zip(found, exact, strict=True)]
    return {"entries": (differ[0] + differ[1], 0.0), "labels": (differ[2] + differ[3], 0.0)}


Kernel(
    compute=impute,
    inputs=incomplete_inputs,
    reference=impute_reference,
    errors=impute_errors,
    traffic=lambda itemsize, n, d: itemsize * (2 * n * d + d),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 16384, "d": 64},
        "large": {"n": 131072, "d": 128},
        "huge": {"n": 262144, "d": 512},
    },
    chapter="pipeline",
)

Kernel(
    compute=standardize,
    inputs=raw_inputs,
    reference=standardize_reference,
    errors=standardize_errors,
    flops=lambda n, d: 6 * n * d,
    traffic=lambda itemsize, n, d: itemsize * (2 * n * d + 2 * d),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 16384, "d": 64},
        "large": {"n": 131072, "d": 128},
        "huge": {"n": 262144, "d": 512},
    },
    chapter="pipeline",
)

Kernel(
    compute=min_max_scale,
    inputs=raw_inputs,
    reference=min_max_scale_reference,
    errors=min_max_scale_errors,
    traffic=lambda itemsize, n, d: itemsize * (2 * n * d + 2 * d),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 16384, "d": 64},
        "large": {"n": 131072, "d": 128},
        "huge": {"n": 262144, "d": 512},
    },
    chapter="pipeline",
)

Kernel(
    compute=train_test_split,
    inputs=split_inputs,
    reference=train_test_split_reference,
    errors=train_test_split_errors,
    traffic=lambda itemsize, n, d, test: itemsize * 2 * n * d + 8 * 3 * n,
    sizes={
        "small": {"n": 64, "d": 8, "test": 16},
        "medium": {"n": 32768, "d": 64, "test": 8192},
        "large": {"n": 524288, "d": 128, "test": 131072},
        "huge": {"n": 1048576, "d": 224, "test": 262144},
    },
    static=("test",),
    chapter="pipeline",
)
