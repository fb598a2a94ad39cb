"""Faults in singular value decompositions, full and truncated."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.singular_values import truncated_svd


def svd_without_smallest(xp, a):
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return u, xp.where(s > s[-1], s, 0 * s), vh


def through_gram_matrix(xp, a):
    """Half of the digits of small singular values are lost in A'A."""
    squares, v = np.linalg.eigh(a.T @ a)
    s, v = np.sqrt(np.maximum(squares[::-1], 0)), v[:, ::-1]
    return a @ v / np.where(s > 0, s, 1), s, v.T


def svd_of_transpose(xp, a):
    u, s, vh = xp.linalg.svd(a.T, full_matrices=False)
    return u, s, vh


def largest_value(outputs, *inputs, **static):
    return outputs[1][0]


def truncated(xp, a, omega, *, k, steps, backwards=True, factored=True, first=0, weighted=False):
    orth = (lambda y: xp.linalg.qr(y)[0]) if factored else (lambda y: y / xp.max(xp.abs(y)))
    q = orth(a @ omega)
    for _ in range(steps):
        q = orth(a @ orth(a.T @ q)) if backwards else xp.linalg.qr(q)[0]
    w, s, vh = xp.linalg.svd(q.T @ a, full_matrices=False)
    u = q @ w
    kept = slice(first, k + first)
    return u[:, kept], s[kept] ** (2 if weighted else 1), vh[kept, :]


def varied(**changes):
    return lambda xp, a, omega, **static: truncated(xp, a, omega, **{**static, **changes})


def further(by):
    return lambda xp, a, omega, k, steps: truncated_svd(xp, a, omega, k=k, steps=steps + by)


def without_last_column(xp, a, omega, *, k, steps):
    return truncated_svd(xp, a, omega[:, :-1], k=k, steps=steps)


def without_last_row(xp, a, omega, *, k, steps):
    return truncated_svd(
        xp, a * (xp.arange(a.shape[0]) < a.shape[0] - 1)[:, None], omega, k=k, steps=steps
    )


def first_vectors(xp, a, omega, *, k, steps):
    """The exact answer, which the iteration has not reached."""
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return u[:, :k], s[:k], vh[:k, :]


def values_of_neighbours(outputs):
    outputs[1][:] = np.append(outputs[1][1:], outputs[1][-1])


def swap_two_vectors(outputs):
    outputs[0][:, [0, 1]] = outputs[0][:, [1, 0]]


def ascend(outputs):
    outputs[:] = [outputs[0][:, ::-1], outputs[1][::-1], outputs[2][::-1]]


def flip(outputs):
    outputs[0][:, 0] *= -1


FAULTS: dict[str, list[Fault]] = {
    "svd": [
        algorithm("term", "smallest value dropped", svd_without_smallest),
        algorithm("term", "of the transpose", svd_of_transpose),
        algorithm("term", "by the eigenvalues of A'A", through_gram_matrix),
        result("term", "a vector of the other sign", flip),
        result("index", "values shifted by one", values_of_neighbours),
        result("index", "two vectors swapped", swap_two_vectors),
        result("index", "in ascending order", ascend),
        entry("values", largest_value, output=1),
        entry("residual", largest_value, output=1, place=(0,)),
        entry("left", lambda *_, **__: 1),
        entry("right", lambda *_, **__: 1, output=2),
    ],
    "truncated_svd": [
        algorithm("term", "not iterated", varied(backwards=False)),
        algorithm("term", "not orthonormal", varied(factored=False)),
        algorithm("term", "squares for values", varied(weighted=True)),
        algorithm("term", "last row dropped", without_last_row),
        algorithm("term", "the decomposition of A itself", first_vectors),
        algorithm("index", "a step too few", further(-1)),
        algorithm("index", "a step too many", further(1)),
        algorithm("index", "second to last values", varied(first=1)),
        algorithm("index", "last column of the test matrix dropped", without_last_column),
        result("term", "a vector of the other sign", flip),
        result("index", "values shifted by one", values_of_neighbours),
        result("index", "two vectors swapped", swap_two_vectors),
        result("index", "in ascending order", ascend),
        entry("values", largest_value, output=1),
        entry("residual", largest_value, output=1, place=(0,)),
        entry("left", lambda *_, **__: 1),
        entry("right", lambda *_, **__: 1, output=2),
        entry("subspaces", lambda o, *_, **__: 2 * o[1][0] / o[1][-1]),
    ],
}
PRODUCTS = ("truncated_svd",)
LOOSE: dict[tuple[str, str, str], str] = {}
