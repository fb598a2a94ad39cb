"""Faults in imputing, scaling and splitting."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.preprocessing import (
    impute,
    impute_bounds,
    min_max_scale,
    standardize,
    standardize_bounds,
    train_test_split,
)


def imputed(*, zero=False, shift=0, rows=None, all_rows=False, empty=False):
    """The kernel with one fault: fills of 0, of the column before, from some rows, and so on."""

    def compute(xp, x):
        _, mean = impute(xp, x[:rows])
        missing = np.isnan(x)
        if all_rows:
            mean = mean * (1 - missing.mean(axis=0)).astype(x.dtype)
        if empty:
            mean = np.where(missing.all(axis=0), x.dtype.type(np.nan), mean)
        fill = np.zeros_like(mean) if zero else np.roll(mean, shift)
        return np.where(missing, fill, x), mean

    return compute


def standardized(*, ddof=0, centre=True, rows=None, constant=True):
    """The kernel with one fault: another divisor, no shift, statistics of some rows, no ones for 0."""

    def compute(xp, x):
        _, mean, scale = standardize(xp, x[:rows])
        flat = np.ptp(x, axis=0) == 0
        scale = np.where(flat, scale, scale * x.dtype.type((len(x) / (len(x) - ddof)) ** 0.5))
        if not constant:
            scale = np.where(flat, x.dtype.type(0), scale)
        z = np.where(flat, scale - 1, ((x - mean) if centre else x) / scale)
        return z, mean, scale

    return compute


def without_a_first_row(xp, x):
    """Constant columns whose mean is rounded are divided by what rounding left of them."""
    mean, spread = np.mean(x, axis=0), np.std(x, axis=0)
    scale = np.where(spread > 0, spread, np.ones_like(spread))
    return (x - mean) / scale, mean, scale


def with_two_constants(xp, x):
    """y = x / (b - a) - a / (b - a), as scikit-learn computes it."""
    low, high = np.min(x, axis=0), np.max(x, axis=0)
    scale = 1 / np.where(high > low, high - low, np.ones_like(low))
    return x * scale - low * scale, low, high


def by_the_largest(xp, x):
    low, high = np.min(x, axis=0), np.max(x, axis=0)
    return (x - low) / high, low, high


def of_a_range_of_nothing(xp, x):
    low, high = np.min(x, axis=0), np.max(x, axis=0)
    return (x - low) / (high - low), low, high


def of_half_the_rows(xp, x):
    _, low, high = min_max_scale(xp, x[: len(x) // 2])
    span = high - low
    return (x - low) / np.where(span > 0, span, np.ones_like(span)), low, high


def by(indices):
    """The rows that ``indices(permutation)`` name instead of the permutation."""

    def compute(xp, x, y, permutation, *, test):
        return train_test_split(xp, x, y, indices(permutation), test=test)

    return compute


def labels_as_they_were(xp, x, y, permutation, *, test):
    kept, held, _, _ = train_test_split(xp, x, y, permutation, test=test)
    return kept, held, y[test:], y[:test]


def columns_off_by_one(outputs):
    outputs[:] = [np.roll(output, 1, axis=-1) for output in outputs]


def next_number(output, place):
    """One entry that is the next number above the right one."""

    def spoil(outputs):
        found = outputs[output]
        found[place] = (
            found[place] + 1 if found.dtype.kind == "i" else np.nextafter(found[place], np.inf)
        )

    return spoil


def mean_unit(outputs, x):
    return impute_bounds(np.isnan(x), *outputs)[x.shape[1] // 2]


def standardized_unit(output):
    def of(outputs, x):
        eps = np.finfo(np.float32).eps
        bound = standardize_bounds(*outputs, x[0], eps)[output]
        return bound[tuple(axis // 2 for axis in bound.shape)]

    return of


FAULTS: dict[str, list[Fault]] = {
    "impute": [
        algorithm("term", "by the mean of a column with 0 where it is missing", imputed(all_rows=True)),
        algorithm("term", "0 for what is missing", imputed(zero=True)),
        algorithm("term", "no number for a column without any", imputed(empty=True)),
        algorithm("index", "fills off by one", imputed(shift=1)),
        algorithm("index", "last row left out", imputed(rows=-1)),
        algorithm("index", "last row left out, medium", imputed(rows=-1), size="medium"),
        entry("means", mean_unit, output=1),
        result("entry", "the next number for an entry", next_number(0, (0, 0))),
    ],
    "standardize": [
        algorithm("term", "by the deviation of a sample", standardized(ddof=1)),
        algorithm("term", "by the deviation of a sample, medium", standardized(ddof=1), size="medium"),
        algorithm("term", "not shifted", standardized(centre=False)),
        algorithm("term", "a constant column divided by 0", standardized(constant=False)),
        algorithm("term", "a constant column by its rounding", without_a_first_row, size="medium"),
        algorithm("index", "last row left out", standardized(rows=-1)),
        algorithm("index", "last row left out, medium", standardized(rows=-1), size="medium"),
        result("index", "columns off by one", columns_off_by_one),
        entry("entries", standardized_unit(0)),
        entry("means", standardized_unit(1), output=1),
        entry("scales", standardized_unit(2), output=2),
    ],
    "min_max_scale": [
        algorithm("term", "as a product and a sum", with_two_constants, size="medium"),
        algorithm("term", "by the largest", by_the_largest),
        algorithm("term", "a constant column divided by 0", of_a_range_of_nothing),
        algorithm("index", "of half the rows", of_half_the_rows),
        result("index", "columns off by one", columns_off_by_one),
        entry("entries", lambda outputs, x: outputs[0][len(x) // 2, x.shape[1] // 2]),
        result("entry", "the next number for a minimum", next_number(1, (0,))),
        result("entry", "the next number for a maximum", next_number(2, (0,))),
    ],
    "train_test_split": [
        algorithm("term", "not permuted", by(lambda permutation: np.arange(len(permutation)))),
        algorithm("term", "labels not permuted", labels_as_they_were),
        algorithm("term", "by the inverse of the permutation", by(np.argsort)),
        algorithm("index", "off by one", by(lambda permutation: np.roll(permutation, 1))),
        algorithm("index", "in reverse", by(lambda permutation: permutation[::-1])),
        result("index", "parts exchanged", lambda outputs: outputs.insert(0, outputs.pop(1))),
        result("entry", "the next number for an entry to train on", next_number(0, (0, 0))),
        result("entry", "the next number for an entry held out", next_number(1, (0, 0))),
        result("entry", "another label to train on", next_number(2, (0,))),
        result("entry", "another label held out", next_number(3, (0,))),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
