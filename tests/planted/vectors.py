"""Faults in sums, inner products, cosines and cross products of vectors."""

import numpy as np

from planted import Fault, algorithm, entry, itself, result
from xpbench.kernels.vectors import cosine_similarity


def lengths(outputs, x, y):
    return np.linalg.norm(x) * np.linalg.norm(y)


def scale(outputs, x):
    c = outputs[0][x.shape[0] // 2, x.shape[0] // 2]
    return np.sqrt(1 + x.shape[1] * c**2)


def total_scale(outputs, x):
    n, d = x.shape
    return np.sqrt(n**2 + d * np.sum(outputs[0] ** 2))


def unnormalised(rows, columns):
    """Cosines that forget the lengths of the rows or columns."""

    def compute(xp, x):
        unit = x / xp.linalg.vector_norm(x, axis=1, keepdims=True)
        return (unit if rows else x) @ (unit if columns else x).T

    return compute


def without_last_feature(xp, x):
    """The last coordinate counts in the lengths alone."""
    unit = x / xp.linalg.vector_norm(x, axis=1, keepdims=True)
    return unit[:, :-1] @ unit[:, :-1].T


def thin(outputs):
    outputs[0] *= outputs[0].dtype.type(1 + 1e-4)


def crossed(first=1.0, second=-1.0, order=(1, 2, 0)):
    def compute(xp, a, b):
        j, k = list(order), [order[1], order[2], order[0]]
        return first * a[:, j] * b[:, k] + second * a[:, k] * b[:, j]

    return compute


def component(outputs, a, b):
    i = a.shape[0] // 2
    return np.abs(a[i, 2] * b[i, 0]) + np.abs(a[i, 0] * b[i, 2])


FAULTS: dict[str, list[Fault]] = {
    "axpy": [
        algorithm("term", "y dropped", lambda xp, alpha, x, y: alpha * x),
        algorithm("term", "alpha dropped", lambda xp, alpha, x, y: x + y),
        algorithm("term", "of the other sign", lambda xp, alpha, x, y: alpha * x - y),
        algorithm("term", "alpha times both", lambda xp, alpha, x, y: alpha * (x + y)),
        algorithm("index", "x off by one", lambda xp, alpha, x, y: alpha * xp.roll(x, 1) + y),
        algorithm("index", "exchanged", lambda xp, alpha, x, y: alpha * y + x),
        entry("entries", lambda o, alpha, x, y: abs(alpha * x[x.size // 2]) + abs(y[x.size // 2])),
    ],
    "dot": [
        algorithm("term", "last term dropped", lambda xp, x, y: xp.vecdot(x[:-1], y[:-1])),
        algorithm("term", "of the other sign", lambda xp, x, y: -xp.vecdot(x, y)),
        algorithm("index", "off by one", lambda xp, x, y: xp.vecdot(xp.roll(x, 1), y)),
        algorithm("index", "x with itself", lambda xp, x, y: xp.vecdot(x, x)),
        entry("value", lengths, summed=itself),
    ],
    "cosine_similarity": [
        algorithm("term", "lengths dropped", unnormalised(rows=False, columns=False)),
        algorithm("term", "lengths of the columns dropped", unnormalised(rows=True, columns=False)),
        algorithm("term", "last feature dropped", without_last_feature),
        algorithm(
            "term",
            "centred, which is the correlation",
            lambda xp, x: cosine_similarity(xp, x - xp.mean(x, axis=1, keepdims=True)),
        ),
        algorithm(
            "term",
            "distances for similarities",
            lambda xp, x: 1 - cosine_similarity(xp, x),
        ),
        algorithm(
            "index", "rows off by one", lambda xp, x: xp.roll(cosine_similarity(xp, x), 1, axis=0)
        ),
        result("term", "scaled by 1.0001", thin, size="medium"),
        entry("entries", scale),
        entry("norm", total_scale),
    ],
    "cross": [
        algorithm("term", "second product dropped", crossed(second=0.0)),
        algorithm("term", "a sum for the difference", crossed(second=1.0)),
        algorithm("term", "of the other sign", crossed(first=-1.0, second=1.0)),
        algorithm("index", "components off by one", crossed(order=(2, 0, 1))),
        algorithm("index", "factors exchanged", lambda xp, a, b: xp.linalg.cross(b, a, axis=-1)),
        entry("components", component),
    ],
}
PRODUCTS = ("cosine_similarity",)
LOOSE: dict[tuple[str, str, str], str] = {
    ("dot", "medium", "value"): (
        "a single number of a single seed, which may be right to the last bit by chance; and the limit "
        "admits sums one term after the other, where libraries sum in 32 lanes or by halves"
    ),
}
