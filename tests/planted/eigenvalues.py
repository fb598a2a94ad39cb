"""Faults in eigenvalues and eigenvectors."""

import numpy as np

from planted import Fault, algorithm, entry, largest, result
from xpbench.kernels.eigenvalues import eigh, power_iteration


def leading_part(xp, a):
    """The eigenvalues of the matrix without its last row and column, and zero."""
    n = a.shape[0]
    inner = a * (xp.arange(n) < n - 1) * (xp.arange(n) < n - 1)[:, None]
    return eigh(xp, inner)


def without_normalisation(xp, a, x, *, steps):
    for _ in range(steps):
        x = a @ x
    return xp.vecdot(x, a @ x) / xp.vecdot(x, x), x


def by_the_growth_of_the_vector(xp, a, x, *, steps):
    _, x = power_iteration(xp, a, x, steps=steps)
    return xp.linalg.vector_norm(a @ x), x


def from_the_step_before(xp, a, x, *, steps):
    _, last = power_iteration(xp, a, x, steps=steps)
    value, _ = power_iteration(xp, a, x, steps=steps - 1)
    return value, last


def ones(xp, a, x, *, steps):
    return power_iteration(xp, a, xp.ones_like(x), steps=steps)


def descend(outputs):
    outputs[:] = [outputs[0][::-1], outputs[1][:, ::-1]]


def swap_two_vectors(outputs):
    outputs[1][:, [4, 5]] = outputs[1][:, [5, 4]]


def values_of_neighbours(outputs):
    outputs[0][:] = np.append(outputs[0][1:], outputs[0][-1])


def rotate(outputs):
    """Turns two vectors in their plane, which stay orthonormal, by a thousandth."""
    v = outputs[1]
    c, s = v.dtype.type(np.cos(1e-3)), v.dtype.type(np.sin(1e-3))
    v[:, 7], v[:, 8] = c * v[:, 7] - s * v[:, 8], s * v[:, 7] + c * v[:, 8]


def transpose(outputs):
    outputs[1] = outputs[1].T


FAULTS: dict[str, list[Fault]] = {
    "eigh": [
        algorithm("term", "last row and column dropped", leading_part),
        algorithm("term", "of the other sign", lambda xp, a: eigh(xp, -a)),
        algorithm(
            "term", "diagonal left out", lambda xp, a: eigh(xp, xp.triu(a, k=1) + xp.tril(a, k=-1))
        ),
        result("index", "vectors in rows", transpose),
        result("index", "values shifted by one", values_of_neighbours),
        result("index", "two vectors swapped", swap_two_vectors),
        result("index", "in descending order", descend),
        result("term", "two vectors turned in their plane", rotate),
        entry("values", largest()),
        entry("residual", largest(), place=(0,)),
        entry("orthogonality", lambda *_: 1, output=1),
    ],
    "power_iteration": [
        algorithm("term", "never normalised", without_normalisation),
        algorithm("term", "length of A x as the value", by_the_growth_of_the_vector),
        algorithm("term", "from ones", ones),
        algorithm(
            "index", "a step too few", lambda xp, a, x, steps: power_iteration(xp, a, x, steps=steps - 1)
        ),
        algorithm(
            "index",
            "a step too many",
            lambda xp, a, x, steps: power_iteration(xp, a, x, steps=steps + 1),
        ),
        algorithm("index", "value from the step before", from_the_step_before),
        entry("value", largest()),
        entry("vector", lambda *_, **__: 1, output=1),
        entry("length", lambda outputs, *_, **__: 1 / abs(outputs[1][0]), output=1, place=(0,)),
    ],
}
PRODUCTS = ("power_iteration",)
LOOSE: dict[tuple[str, str, str], str] = {}
