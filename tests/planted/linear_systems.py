"""Faults in determinants, inverses, square systems and least squares."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench import spectral_norm
from xpbench.kernels.linear_systems import inverse_norm


def without_exchanges(xp, a):
    """L and U of ``a`` itself, by elimination that takes the pivots as they come."""
    u, lower = a.copy(), np.eye(len(a), dtype=a.dtype)
    for k in range(len(a) - 1):
        lower[k + 1 :, k] = u[k + 1 :, k] / u[k, k]
        u[k + 1 :] -= lower[k + 1 :, k : k + 1] * u[k]
    return lower, np.triu(u)


def logdet_of_pivots(start):
    """log |det| from the pivots after the first ``start``, with the sign that belongs to all."""

    def compute(xp, a):
        pivots = np.diagonal(np.linalg.qr(a).R)
        return np.linalg.slogdet(a).sign, np.sum(np.log(np.abs(pivots[start:])))

    return compute


def sign_of_the_pivots(xp, a):
    """As if the exchanges of rows did not count."""
    import scipy.linalg

    upper = scipy.linalg.lu(a)[2]
    return np.prod(np.sign(np.diagonal(upper))), np.linalg.slogdet(a).logabsdet


def solve_without_exchanges(xp, a, b):
    lower, upper = without_exchanges(xp, a)
    return np.linalg.solve(upper, np.linalg.solve(lower, b))


def newton_step(xp, a):
    """The inverse from a start off by 1 %, after one step of Newton's: off by 1e-4."""
    x = np.linalg.inv(a) * a.dtype.type(1.01)
    return 2 * x - x @ a @ x


def refined(terms):
    """Conjugate gradients for the normal equations, ``terms`` steps instead of all."""

    def compute(xp, a, b):
        x = np.zeros_like(a[0])
        s = a.T @ b
        p, rho = s, s @ s
        for _ in range(terms):
            q = a.T @ (a @ p)
            alpha = rho / (p @ q)
            x, s = x + alpha * p, s - alpha * q
            p, rho = s + (s @ s / rho) * p, s @ s
        return x

    return compute


def ridge(weight):
    def compute(xp, a, b):
        n = a.shape[1]
        gram = a.T @ a + weight * len(a) * np.eye(n, dtype=a.dtype)
        return np.linalg.solve(gram, a.T @ b).astype(a.dtype)

    return compute


def negative(outputs):
    outputs[0] *= -1


def one_unit(outputs, *inputs):
    return 1.0


def inv_column(outputs, a):
    n = len(a)
    scale = spectral_norm(a) * np.linalg.norm(outputs[0][:, n // 2]) + 1
    return scale / np.linalg.norm(a[:, n // 2])


def inv_whole(outputs, a):
    return spectral_norm(a) * np.linalg.norm(outputs[0]) ** 2 / np.sqrt(len(a))


def solve_residual(outputs, a, b):
    scale = spectral_norm(a) * np.linalg.norm(outputs[0]) + np.linalg.norm(b)
    return scale / np.linalg.norm(a[:, len(b) // 2])


def solve_distance(outputs, a, b):
    n = len(b)
    return spectral_norm(a) * inverse_norm(a) / np.sqrt(n) * np.linalg.norm(outputs[0])


def lstsq_normal(outputs, a, b):
    x, lengths = outputs[0], np.linalg.norm(a, axis=0)
    size = np.hypot(np.linalg.norm(b), np.linalg.norm(lengths * x)) + np.linalg.norm(b - a @ x)
    return np.linalg.norm(a) * size / np.sqrt(len(x)) / np.linalg.norm(a.T @ a[:, len(x) // 2])


def lstsq_distance(outputs, a, b):
    x, inverse, lengths = outputs[0], np.linalg.pinv(a), np.linalg.norm(a, axis=0)
    moved = np.linalg.norm(inverse) * np.hypot(np.linalg.norm(b), np.linalg.norm(lengths * x))
    turned = np.linalg.norm(inverse @ inverse.T * lengths) * np.linalg.norm(b - a @ x)
    return (moved + turned) / np.sqrt(len(x))


def normal_equations(xp, a, b):
    import scipy.linalg

    return scipy.linalg.solve(a.T @ a, a.T @ b, assume_a="pos").astype(a.dtype)


FAULTS: dict[str, list[Fault]] = {
    "slogdet": [
        algorithm("term", "sign of the exchanges forgotten", sign_of_the_pivots),
        algorithm("index", "first pivot left out", logdet_of_pivots(1)),
        result("term", "other sign", negative),
        entry("logdet", one_unit, output=1, place=()),
    ],
    "inv": [
        algorithm("term", "a step of Newton's too few", newton_step),
        algorithm("index", "transposed", lambda xp, a: np.linalg.inv(a).T),
        algorithm("index", "columns off by one", lambda xp, a: np.roll(np.linalg.inv(a), 1, axis=1)),
        entry("columns", inv_column),
        entry("forward", inv_whole),
    ],
    "solve": [
        algorithm("term", "no exchanges of rows", solve_without_exchanges, size="medium"),
        algorithm("index", "transposed", lambda xp, a, b: np.linalg.solve(a.T, b)),
        algorithm("index", "right side off by one", lambda xp, a, b: np.linalg.solve(a, np.roll(b, 1))),
        entry("backward", solve_residual),
        entry("forward", solve_distance),
    ],
    "lstsq": [
        algorithm("term", "regularised by a ten-thousandth", ridge(1e-4)),
        algorithm("term", "an iteration ended early", refined(4)),
        algorithm("term", "normal equations", normal_equations, size="medium"),
        algorithm("index", "last equation left out", lambda xp, a, b: xp.lstsq(a[:-1], b[:-1])),
        algorithm("index", "right side off by one", lambda xp, a, b: xp.lstsq(a, np.roll(b, 1))),
        entry("normal", lstsq_normal),
        entry("forward", lstsq_distance),
    ],
}
PRODUCTS = ("slogdet", "inv", "solve", "lstsq")
LOOSE: dict[tuple[str, str, str], str] = {}
