"""Faults in pseudoinverses."""

import numpy as np

from planted import Fault, algorithm, entry
from xpbench import spectral_norm


def condition(outputs, a):
    return spectral_norm(a) * spectral_norm(outputs[0])


def middle(outputs, a):
    """The column and the row of A that meet the middle entry of X."""
    m, n = a.shape
    return np.linalg.norm(a[:, n // 2]), np.linalg.norm(a[m // 2])


def axa(outputs, a):
    column, row = middle(outputs, a)
    return condition(outputs, a) * np.linalg.norm(a) / (column * row)


def xax(outputs, a):
    projector = a @ outputs[0]
    scale = condition(outputs, a) * np.linalg.norm(outputs[0])
    return scale / np.linalg.norm(projector[len(a) // 2])


def ax(outputs, a):
    return condition(outputs, a) * np.sqrt(a.shape[1]) / middle(outputs, a)[0]


def xa(outputs, a):
    return condition(outputs, a) * np.sqrt(a.shape[1]) / middle(outputs, a)[1]


def forward(outputs, a):
    return condition(outputs, a) * np.linalg.norm(outputs[0])


def truncated(rank):
    def compute(xp, a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return (vh[:rank].T / s[:rank]) @ u[:, :rank].T

    return compute


def another_inverse(kept):
    """Inverses from the left that fulfil some of the conditions: X + Z (1 - A X) for any Z."""

    def compute(xp, a):
        x = np.linalg.pinv(a)
        z = kept * x[:, ::-1]
        return (x + z - z @ a @ x).astype(a.dtype)

    return compute


def ridge(xp, a):
    n = a.shape[1]
    return np.linalg.solve(a.T @ a + 1e-4 * len(a) * np.eye(n, dtype=a.dtype), a.T).astype(a.dtype)


FAULTS: dict[str, list[Fault]] = {
    "pinv": [
        algorithm("term", "smallest singular value left out", truncated(-1)),
        algorithm("term", "another left inverse", another_inverse(1e-2)),
        algorithm("term", "regularised by a ten-thousandth", ridge),
        algorithm("index", "rows off by one", lambda xp, a: xp.roll(xp.linalg.pinv(a), 1, axis=0)),
        algorithm("index", "columns off by one", lambda xp, a: xp.roll(xp.linalg.pinv(a), 1, axis=1)),
        entry("AXA", axa),
        entry("XAX", xax),
        entry("AX", ax),
        entry("XA", xa),
        entry("forward", forward),
    ],
}
PRODUCTS = ("pinv",)
LOOSE: dict[tuple[str, str, str], str] = {}
