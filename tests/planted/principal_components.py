"""Faults in principal components, through the singular values and through the covariance."""

import numpy as np

from planted import Fault, algorithm, entry, result


def through_svd(xp, x, k, *, centred=True, divisor=-1, first=0, scored=True):
    n = x.shape[0]
    centre = x - xp.mean(x, axis=0)
    _, s, vh = xp.linalg.svd(centre if centred else x, full_matrices=False)
    w = vh[first : k + first, :]
    return w, s[first : k + first] ** 2 / (n + divisor), (centre if scored else x) @ w.T


def through_covariance(xp, x, k, *, centred=True, divisor=-1, first=0, scored=True):
    n, d = x.shape
    centre = x - xp.mean(x, axis=0)
    base = centre if centred else x
    v, vectors = xp.linalg.eigh(base.T @ base / (n + divisor))
    kept = slice(d - k - first, d - first)
    w = xp.flip(vectors[:, kept], axis=1)
    return w.T, xp.flip(v[kept]), (centre if scored else x) @ w


def in_one_pass(xp, x, k):
    """The second moments less the products of the means, which cancel."""
    n, d = x.shape
    mean = xp.mean(x, axis=0)
    v, vectors = xp.linalg.eigh((x.T @ x - n * np.outer(mean, mean)) / x.dtype.type(n - 1))
    w = xp.flip(vectors[:, d - k :], axis=1)
    return w.T, xp.flip(v[d - k :]), (x - mean) @ w


def without_last_sample(compute):
    """Components and variances of the others, scores of all."""

    def less(xp, x, k):
        w, v, _ = compute(xp, x[:-1, :], k)
        return w, v, (x - xp.mean(x, axis=0)) @ w.T

    return less


def centred_by_another(xp, x, k):
    """The mean of all rows but the first, in the scores."""
    w, v, _ = through_covariance(xp, x, k)
    return w, v, (x - xp.mean(x[1:, :], axis=0)) @ w.T


def varied(compute, **changes):
    return lambda xp, x, k: compute(xp, x, k, **changes)


def flip_scores(outputs):
    outputs[2][:, -1] *= -1


def swap_pairs(outputs):
    """Two components and their scores, not their variances."""
    outputs[0][[0, 1]] = outputs[0][[1, 0]]
    outputs[2][:, [0, 1]] = outputs[2][:, [1, 0]]


def ascend(outputs):
    outputs[:] = [outputs[0][::-1], outputs[1][::-1], outputs[2][:, ::-1]]


def scale_components(outputs):
    outputs[0] *= outputs[0].dtype.type(1 + 1e-4)


def shift_scores(outputs):
    outputs[2] += outputs[2].dtype.type(1e-3)


def magnitude(outputs, x, k):
    """What the last score of the first component sums, in absolute values."""
    centred = np.abs(x - x.mean(axis=0))
    return centred[-1] @ np.abs(outputs[0][0])


def seen(compute):
    return [
        algorithm("term", "not centred", varied(compute, centred=False)),
        algorithm("term", "variances over n", varied(compute, divisor=0)),
        algorithm("term", "scores not centred", varied(compute, scored=False)),
        algorithm("index", "components off by one", varied(compute, first=1)),
        algorithm("index", "last sample dropped", without_last_sample(compute)),
        algorithm("index", "centred by all but the first", centred_by_another),
        result("term", "last scores of the other sign", flip_scores),
        result("term", "components scaled by 1.0001", scale_components),
        result("term", "scores shifted", shift_scores),
        result("index", "two components and their scores swapped", swap_pairs),
        result("index", "in ascending order", ascend),
        entry("variances", lambda o, *_, **__: o[1][0], output=1, place=(0,)),
        entry("orthogonality", lambda *_, **__: 1),
        entry("scores", magnitude, output=2, place=(-1, 0)),
    ]


FAULTS: dict[str, list[Fault]] = {
    "pca": seen(through_svd),
    "pca_eigh": seen(through_covariance),
}
PRODUCTS = ("pca", "pca_eigh")
EXACT = "the digits are small integers, whose sums are exact: a mean has a single rounding"
NO_GAP = (
    "the digits have no gap after the tenth component, and the bound takes the whole error of a "
    "decomposition to turn the tenth to the eleventh"
)
LOOSE: dict[tuple[str, str, str], str] = {
    ("pca", "digits", "centre"): EXACT,
    ("pca_eigh", "digits", "centre"): EXACT,
    ("pca", "digits", "subspace"): NO_GAP,
    ("pca_eigh", "digits", "subspace"): NO_GAP,
}
