"""Faults in Gaussian kernels and in principal components of the space they span."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.kernel_methods import deviation, kernel_pca, rbf_kernel


def gaussian(x, y, gamma, *, width=1.0, power=1, clipped=True, less=0):
    """The kernel from a matrix product, or from some of the features, or of another exponent."""
    x, y = x[:, : x.shape[1] - less], y[:, : y.shape[1] - less]
    of_x, of_y = np.sum(x * x, axis=1)[:, None], np.sum(y * y, axis=1)
    distances = of_x + of_y - 2 * x @ y.T
    distances = np.maximum(distances, 0) if clipped else distances
    return np.exp(-gamma * x.dtype.type(width) * distances ** (power / 2 if power < 2 else 1))


def varied(**changes):
    return lambda xp, x, y, gamma: gaussian(x, y, gamma, **{"power": 2, **changes})


def through_half_precision(xp, x, y, gamma):
    return rbf_kernel(xp, x.astype(np.float16).astype(x.dtype), y, gamma)


def far_from_the_origin(xp, x, y, gamma):
    """Both sets moved by a hundred, which changes no distance and cancels digits of all."""
    return rbf_kernel(xp, x + 100, y + 100, gamma)


def components(*, centring="both", power=0.5, first=0, kernel=gaussian, divided=False):
    """Projections with another centring, scale, kernel or rank."""

    def compute(xp, x, gamma, k):
        n = len(x)
        matrix = kernel(x, x, gamma, power=2)
        mean = np.mean(matrix, axis=0)
        if centring == "both":
            matrix = matrix - mean[:, None] - mean + np.mean(mean)
        elif centring == "columns":
            matrix = matrix - mean
        elif centring == "without the last":
            mean = np.mean(matrix[:-1], axis=0)
            matrix = matrix - mean[:, None] - mean + np.mean(mean)
        values, vectors = np.linalg.eigh(matrix)
        kept = slice(n - k - first, n - first)
        values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
        return values / n if divided else values, vectors * np.abs(values) ** x.dtype.type(power)

    return compute


def one_feature_less(x, y, gamma, **options):
    return gaussian(x, y, gamma, less=1, **options)


def swapped(outputs):
    """Two projections, not their eigenvalues."""
    outputs[1][:, [0, 1]] = outputs[1][:, [1, 0]]


def ascending(outputs):
    outputs[:] = [outputs[0][::-1], outputs[1][:, ::-1]]


def thin(outputs):
    outputs[1] *= outputs[1].dtype.type(1 + 1e-4)


def shifted(outputs):
    outputs[1][:] = np.roll(outputs[1], 1, axis=0)


def of_an_entry(outputs, x, y, gamma):
    k = outputs[0]
    place = tuple(axis // 2 for axis in k.shape)
    return (k * deviation(x, y, float(gamma), k))[place]


FAULTS: dict[str, list[Fault]] = {
    "rbf_kernel": [
        algorithm("term", "distances below zero", varied(clipped=False)),
        algorithm("term", "distances not squared", varied(power=1)),
        algorithm("term", "half of gamma", varied(width=0.5)),
        algorithm("term", "wider by a hundred-thousandth", varied(width=1 + 1e-5)),
        algorithm("term", "samples in half precision", through_half_precision),
        algorithm("term", "far from the origin", far_from_the_origin),
        algorithm(
            "term",
            "product without its two",
            lambda xp, x, y, gamma: np.exp(
                gamma * (x @ y.T - np.sum(x * x, axis=1)[:, None] - np.sum(y * y, axis=1))
            ),
        ),
        algorithm("index", "last feature left out", varied(less=1)),
        algorithm(
            "index",
            "squares off by one",
            lambda xp, x, y, gamma: np.exp(
                gamma
                * np.minimum(
                    2 * x @ y.T - np.sum(x * x, axis=1)[:, None] - np.roll(np.sum(y * y, axis=1), 1),
                    0,
                )
            ),
        ),
        algorithm(
            "index",
            "landmarks off by one",
            lambda xp, x, y, gamma: rbf_kernel(xp, x, np.roll(y, 1, axis=0), gamma),
        ),
        entry("entries", of_an_entry),
    ],
    "kernel_pca": [
        algorithm("term", "not centred", components(centring="none")),
        algorithm("term", "columns centred only", components(centring="columns")),
        algorithm("term", "vectors not scaled", components(power=0.0)),
        algorithm("term", "scaled by the eigenvalue", components(power=1.0)),
        algorithm("term", "eigenvalues over n", components(divided=True)),
        algorithm("index", "centred by all but the last", components(centring="without the last")),
        algorithm("index", "last feature left out", components(kernel=one_feature_less)),
        algorithm("index", "components off by one", components(first=1)),
        algorithm(
            "index",
            "last sample is the first",
            lambda xp, x, gamma, k: kernel_pca(xp, np.vstack([x[:-1], x[:1]]), gamma, k=k),
        ),
        result("index", "two projections swapped", swapped),
        result("index", "in ascending order", ascending),
        result("index", "samples off by one", shifted),
        result("term", "projections scaled by 1.0001", thin),
        entry("values", lambda outputs, *_, **__: outputs[0][0], place=(0,)),
        entry("lengths", lambda outputs, *_, **__: np.sqrt(outputs[0][0]), output=1, place=(0, 0)),
        entry("residual", lambda outputs, *_, **__: np.sqrt(outputs[0][0]) * 2, output=1, place=(1, 0)),
    ],
}
PRODUCTS = ("rbf_kernel", "kernel_pca")
LOOSE: dict[tuple[str, str, str], str] = {}
