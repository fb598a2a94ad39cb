"""Faults in triangular and orthonormal factors."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.factorizations import cholesky, gram_schmidt, qr


def without_square_roots(xp, a):
    """L D of A = L D L', which has the pivots on its diagonal."""
    factor = cholesky(xp, a)
    return factor * xp.linalg.diagonal(factor)


def without_a_product(xp, a):
    """As if the largest of the products had not been subtracted from the last entry on the diagonal."""
    n = a.shape[0]
    factor = cholesky(xp, a)
    corner = xp.eye(n, dtype=a.dtype) * (xp.arange(n) == n - 1)
    return factor + corner * (
        xp.sqrt(factor[-1, -1] ** 2 + xp.max(factor[-1, :-1] ** 2)) - factor[-1, -1]
    )


def upper(xp, a):
    return cholesky(xp, a).T


def left_over(outputs):
    """What some libraries leave above the diagonal, which they do not use."""
    outputs[0][0, -1] = np.finfo(outputs[0].dtype).tiny


def sign_of_a_column(outputs):
    outputs[0][:, 3] *= -1


def in_the_product(outputs, a):
    """What one eps of an entry of E is worth in L, at place (16, 15)."""
    return np.sqrt(a[16, 16] * a[15, 15]) / outputs[0][15, 15]


def in_the_corner(outputs, a):
    """What one eps of the norm of H is worth in L, at place (0, 0)."""
    d = np.sqrt(np.diag(a))
    return np.linalg.norm(a / d / d[:, None]) * d[0] ** 2 / (2 * outputs[0][0, 0])


def in_the_factor(outputs, a):
    """What one eps of L64^-1 (L - L64) is worth in L, in the middle."""
    return 1 / np.linalg.norm(np.linalg.inv(outputs[0])[:, len(a) // 2])


def one(*_, **__):
    return 1.0


def length_of_a_column(outputs, a):
    return np.linalg.norm(a[:, a.shape[1] // 2])


def scaled_condition(outputs, a):
    return np.linalg.norm(np.linalg.inv(outputs[1]) * np.linalg.norm(a, axis=0)[:, None])


def in_r(outputs, a):
    """What one eps of (R - R64) R64^-1 over kappa is worth in R, in the middle."""
    row = np.linalg.inv(outputs[1])[a.shape[1] // 2]
    return scaled_condition(outputs, a) / np.linalg.norm(row)


def in_q(outputs, a):
    """What one eps of Q'Q - 1 over kappa is worth in Q, in the middle."""
    row = outputs[0][len(a) // 2]
    return scaled_condition(outputs, a) / (np.sqrt(2) * np.linalg.norm(row))


def of_the_columns_as_given(xp, a):
    """Classical Gram-Schmidt: coefficients of the columns of A, not of what is left of them."""
    q, r = np.zeros_like(a), np.zeros((a.shape[1],) * 2, a.dtype)
    for k in range(a.shape[1]):
        r[:k, k] = q[:, :k].T @ a[:, k]
        rest = a[:, k] - q[:, :k] @ r[:k, k]
        r[k, k] = np.linalg.norm(rest)
        q[:, k] = rest / r[k, k]
    return q, r


def of_the_gram_matrix(xp, a):
    r = np.linalg.cholesky(a.T @ a).T
    return np.linalg.solve(r.T, a.T).T, r


def without_one_direction(xp, a):
    """Gram-Schmidt that does not take the last direction but one from the last column."""
    q, r = gram_schmidt(xp, a)
    last = r[-1, -1] * q[:, -1] + r[-2, -1] * q[:, -2]
    r[-2, -1], r[-1, -1] = 0, np.linalg.norm(last)
    q[:, -1] = last / r[-1, -1]
    return q, r


def swap_columns(outputs):
    outputs[0][:, [2, 3]] = outputs[0][:, [3, 2]]


def shift_rows(outputs):
    outputs[1][:-1] = outputs[1][1:]


def sign_in_q_alone(outputs):
    outputs[0][:, 2] *= -1


def signs_of_both(outputs):
    outputs[0][:, 2] *= -1
    outputs[1][2] *= -1


def below_the_diagonal(outputs):
    outputs[1][-1, 0] = np.finfo(outputs[1].dtype).tiny


def not_of_length_one(outputs):
    """Columns twice as long, and half the coefficients: the product is right."""
    outputs[0] *= 2
    outputs[1] /= 2


def turned(outputs):
    """An orthonormal basis and a product that are right, but a factor that is not triangular."""
    c, s = outputs[0].dtype.type(np.cos(0.1)), outputs[0].dtype.type(np.sin(0.1))
    turn = np.array([[c, -s], [s, c]])
    outputs[0][:, :2] = outputs[0][:, :2] @ turn
    outputs[1][:2] = turn.T @ outputs[1][:2]


def transposed(outputs):
    outputs[1] = np.ascontiguousarray(outputs[1].T)


SHARED = [
    result("term", "a column of Q of the other sign", sign_in_q_alone),
    result("term", "columns twice as long", not_of_length_one),
    result("term", "two directions turned", turned),
    result("index", "columns of Q swapped", swap_columns),
    result("index", "rows of R shifted by one", shift_rows),
    result("index", "R transposed", transposed),
    result("entry", "the smallest of numbers below the diagonal", below_the_diagonal),
    entry("residual", length_of_a_column, output=1),
    entry("factor", in_r, output=1),
]

FAULTS: dict[str, list[Fault]] = {
    "cholesky": [
        algorithm("term", "scaled by the diagonal", without_square_roots),
        algorithm("term", "a product forgotten", without_a_product),
        algorithm(
            "term",
            "a little regularised",
            lambda xp, a: cholesky(xp, a + 1e-3 * xp.eye(len(a), dtype=a.dtype)),
        ),
        algorithm("index", "the upper factor", upper),
        algorithm("index", "of the matrix turned about", lambda xp, a: cholesky(xp, a[::-1, ::-1])),
        result("term", "a column of the other sign", sign_of_a_column),
        result("entry", "the smallest of numbers above the diagonal", left_over),
        entry("entries", in_the_product, place=(16, 15)),
        entry("norm", in_the_corner, place=(0, 0)),
        entry("factor", in_the_factor),
    ],
    "qr": [
        *SHARED,
        algorithm("term", "classical Gram-Schmidt", of_the_columns_as_given),
        algorithm("term", "by Cholesky's factor of the Gram matrix", of_the_gram_matrix),
        algorithm("index", "columns off by one", lambda xp, a: qr(xp, xp.roll(a, 1, axis=1))),
        entry("orthogonality", one),
    ],
    "gram_schmidt": [
        *SHARED,
        algorithm("term", "classical Gram-Schmidt", of_the_columns_as_given),
        algorithm("term", "a direction forgotten", without_one_direction),
        algorithm("index", "columns off by one", lambda xp, a: gram_schmidt(xp, xp.roll(a, 1, axis=1))),
        result("term", "a row of R and a column of Q of the other sign", signs_of_both),
        entry("orthogonality", in_q),
    ],
}
PRODUCTS = ("cholesky", "qr", "gram_schmidt")
LOOSE: dict[tuple[str, str, str], str] = {}
