"""Faults in moments, quantiles and covariances."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.descriptive_statistics import (
    LEVELS,
    covariance,
    covariance_bounds,
    median,
    moments,
    moments_bounds,
    quantiles,
    quantiles_bounds,
)


def one_pass(xp, x):
    """The mean of squares less the square of the mean, which cancel."""
    mean = np.mean(x, axis=0)
    m = [np.mean(x**k, axis=0) for k in range(5)]
    second = m[2] - mean**2
    third = m[3] - 3 * mean * m[2] + 2 * mean**3
    fourth = m[4] - 4 * mean * m[3] + 6 * mean**2 * m[2] - 3 * mean**4
    variance = second * x.dtype.type(len(x) / (len(x) - 1))
    return mean, variance, np.sqrt(variance), third / second**1.5, fourth / second**2


def scaled(output, factor):
    """An output times what the wrong divisor, or the wrong power, makes of it."""

    def spoil(outputs):
        outputs[output] = outputs[output] * outputs[output].dtype.type(factor)

    return spoil


def excess(outputs):
    outputs[4] -= 3


def rolled(outputs):
    outputs[:] = [np.roll(output, 1, axis=-1) for output in outputs]


def moment(output):
    return lambda outputs, x: moments_bounds(x, 2.0**-52)[output][x.shape[1] // 2]


def order_statistic(offset):
    """The one at a rank next to the median's."""

    def compute(xp, x):
        ordered = np.sort(x, axis=1)
        return ordered[:, x.shape[1] // 2 + offset]

    return compute


def at_levels(levels, method="linear"):
    def compute(xp, x):
        return np.quantile(x, levels, axis=1, method=method).astype(x.dtype)

    return compute


def median_unit(outputs, x):
    middle = np.sort(x[x.shape[0] // 2])[(x.shape[1] - 1) // 2 :][:2]
    return np.max(np.abs(middle)) + np.ptp(middle)


def quantile_unit(outputs, x):
    return quantiles_bounds(x)[len(LEVELS) // 2, x.shape[0] // 2]


def covariance_unit(outputs, x):
    d = x.shape[1]
    return covariance_bounds(outputs[0], x, np.arange(d))[d // 2, d // 2]


def uncentred(xp, x):
    return x.T @ x / x.dtype.type(len(x) - 1)


def of_one_pass(xp, x):
    mean = np.mean(x, axis=0)
    return (x.T @ x - len(x) * np.outer(mean, mean)) / x.dtype.type(len(x) - 1)


SMALL_N = 64
"""Samples of the size small."""

FAULTS: dict[str, list[Fault]] = {
    "moments": [
        algorithm("term", "in one pass", one_pass, size="medium", dtypes=("float32",)),
        result("term", "variance over n", scaled(1, (SMALL_N - 1) / SMALL_N)),
        result("term", "deviation over n", scaled(2, ((SMALL_N - 1) / SMALL_N) ** 0.5)),
        result("term", "skewness with the sample's deviation", scaled(3, 1 - 1.5 / SMALL_N)),
        result("term", "excess kurtosis", excess),
        algorithm("index", "last sample left out", lambda xp, x: moments(xp, x[:-1])),
        result("index", "columns off by one", rolled),
        entry("mean", moment(0)),
        entry("variance", moment(1), output=1),
        entry("deviation", moment(2), output=2),
        entry("skewness", moment(3), output=3),
        entry("kurtosis", moment(4), output=4),
    ],
    "median": [
        algorithm("term", "the mean", lambda xp, x: np.mean(x, axis=1)),
        algorithm("term", "the lower of the middle two", order_statistic(-1)),
        algorithm("index", "the upper of the middle two", order_statistic(0)),
        algorithm("index", "last entry left out", lambda xp, x: median(xp, x[:, :-1])),
        entry("medians", median_unit),
    ],
    "quantiles": [
        algorithm("term", "not interpolated", at_levels(LEVELS, "lower")),
        algorithm("term", "of another definition", at_levels(LEVELS, "median_unbiased")),
        algorithm("term", "levels off by a thousandth", at_levels(tuple(p + 1e-3 for p in LEVELS))),
        algorithm("index", "last entry left out", lambda xp, x: quantiles(xp, x[:, :-1])),
        result(
            "index", "levels off by one", lambda outputs: outputs.append(np.roll(outputs.pop(), 1, 0))
        ),
        entry("quantiles", quantile_unit),
    ],
    "covariance": [
        algorithm("term", "not centred", uncentred),
        algorithm("term", "in one pass", of_one_pass, size="medium", dtypes=("float32",)),
        algorithm("term", "over n", lambda xp, x: covariance(xp, x) * x.dtype.type(1 - 1 / len(x))),
        algorithm("index", "last sample left out", lambda xp, x: covariance(xp, x[:-1])),
        result("index", "columns off by one", rolled),
        entry("entries", covariance_unit),
    ],
}
PRODUCTS = ("covariance",)
LOOSE: dict[tuple[str, str, str], str] = {}
