"""How fast, and how exactly, is a matrix taken apart into its singular values and vectors?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, orthogonality, widened
from xpbench.bench.kernel import Array, Errors

OVERSAMPLING = 8
"""Columns of a test matrix beyond the values asked for (Halko, Martinsson & Tropp, section 4.2)."""


def svd(xp: Array, a: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition of a square matrix, values and both sets of vectors.

        A = U diag(s) V',    U'U = V'V = 1,    s_1 >= s_2 >= ... >= 0

    a (n, n) -> u (n, n), s (n,), v' (n, n); 22 n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 8.6.
    """
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return u, s, vh


def inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A random matrix shifted by twice the radius of its eigenvalues' disc, rows of any size to 1e-3.

    Singular values reach from 1 to about 1e-3 of the largest: far enough for the eigenvalues of A'A to
    have lost half of their digits, and not so far that a wrong vector leaves no trace in the product.
    """
    a = rng.standard_normal((n, n)) + 2 * math.sqrt(n) * np.eye(n)
    return (rng.permutation(np.geomspace(1, 1e-3, n))[:, np.newaxis] * a,)


def reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """By QR iteration (LAPACK's dgesvd), where array libraries divide and conquer (dgesdd)."""
    import scipy.linalg

    u, s, vh = scipy.linalg.svd(a, lapack_driver="gesvd")
    return u, s, vh


def errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray) -> Errors:
    """LAPACK's test ratios, column by column; blind to signs and to bases of equal singular values.

    ``residual`` is the largest ``||A v_i - s_i u_i|| / s_1``, ``left`` and ``right`` the largest
    entry of ``|U'U - 1|`` and ``|V'V - 1|``, ``values`` the largest ``|s_i - s64_i| / s_1``, where
    there is an oracle; by Weyl's theorem it is no more than the backward error. ``order`` is how far
    the values are from falling and not negative, which admits no error at all.

    The limit of the others is (16 sqrt(n) + t) eps. A vector passes about 4 n reflections and
    rotations on its way to bidiagonal form, through the iteration and back, and their errors, of a
    few u each, add up like a random walk: the constant of two-sided Householder transformations
    becomes the square root of its worst case (Connolly & Higham, SIAM J. Matrix Anal. Appl. 44,
    2023). The iteration (dbdsqr) ends at off-diagonal entries below t u, which t counts twice.
    """
    n = a.shape[0]
    u, s, vh = widened(outputs, (n, n), (n,), (n, n))
    eps = epsilon(outputs)
    t = max(10.0, min(100.0, (eps / 2) ** (-1 / 8)))
    limit = 16 * math.sqrt(n) + t
    residual, size = np.linalg.norm(a @ vh.T - u * s, axis=0), np.max(s)
    rises = np.max(np.diff(s, append=0.0), initial=0.0)
    pairs = {
        "residual": (largest_ratio(residual, size) / eps, limit),
        "left": (orthogonality(u) / eps, limit),
        "right": (orthogonality(vh.T) / eps, limit),
        "order": (largest_ratio(rises, size) / eps, 0.0),
    }
    if exact is not None:
        pairs["values"] = (largest_ratio(s - exact[1], exact[1][0]) / eps, limit)
    return pairs


Kernel(
    compute=svd,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n: 22 * n**3,
    traffic=lambda itemsize, n: itemsize * (3 * n**2 + n),
    sizes={"small": {"n": 16}, "medium": {"n": 128}, "large": {"n": 1024}, "huge": {"n": 4096}},
    oracle_flops=22 * 512**3,
    chapter="linear_algebra",
)


def truncated_svd(
    xp: Array, a: Array, omega: Array, *, k: int, steps: int
) -> tuple[Array, Array, Array]:
    """The k largest singular values and their vectors, by randomized subspace iteration.

        Q = orth(A Omega);    steps times: Q <- orth(A' Q), then Q <- orth(A Q);
        Q'A = W diag(s) V',    and of U = Q W, s and V' the first k

    a (m, n), omega (n, l) with k <= l <= min(m, n) -> u (m, k), s (k,), v' (k, n). orth is the Q of a QR
    factorization. Steps are few: U diag(s) V' approximates Q Q'A best, and A nearly so. About
    4 (steps + 1) m n l flops in the products, and 4 l^2 (m + n) beside each two of them.
    Halko, Martinsson & Tropp, SIAM Review 53, 2011, algorithms 4.4 and 5.1.
    """

    def step(_: Array, q: Array) -> Array:
        q, _ = xp.linalg.qr(a.T @ q)
        q, _ = xp.linalg.qr(a @ q)
        return q

    q, _ = xp.linalg.qr(a @ omega)
    q = xp.fori_loop(steps, step, q)
    w, s, vh = xp.linalg.svd(q.T @ a, full_matrices=False)
    return q @ w[:, :k], s[:k], vh[:k, :]


def truncated_inputs(
    rng: np.random.Generator, m: int, n: int, k: int, steps: int
) -> tuple[np.ndarray, ...]:
    """k strong directions in noise, and a normal test matrix of eight more columns.

    The singular values of the noise end at about sqrt(m) + sqrt(n); those of the signal stand at 6 to 3
    times that. What the subspace holds of the noise falls to a ninth or less of it at every step, of
    which two leave enough for any precision to see.
    """
    if k > min(m, n):
        raise Unsupported(f"a matrix of {m} by {n} has {min(m, n)} singular values, and k={k}")
    left = np.linalg.qr(rng.standard_normal((m, k))).Q
    right = np.linalg.qr(rng.standard_normal((n, k))).Q
    strengths = np.linspace(6, 3, k) * (math.sqrt(m) + math.sqrt(n))
    a = (left * strengths) @ right.T + rng.standard_normal((m, n))
    return a, rng.standard_normal((n, columns(m, n, k)))


def columns(m: int, n: int, k: int) -> int:
    """Of the test matrix: more would span no more than A does."""
    return min(k + OVERSAMPLING, m, n)


def truncated_reference(a: np.ndarray, omega: np.ndarray, k: int, steps: int) -> tuple[np.ndarray, ...]:
    """The same subspaces, with bases of left singular vectors in place of QR factorizations.

    By QR iteration (LAPACK's dgesvd), where array libraries divide and conquer (dgesdd).
    """
    import scipy.linalg

    def decomposed(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        u, s, vh = scipy.linalg.svd(y, full_matrices=False, lapack_driver="gesvd")
        return u, s, vh

    q = decomposed(a @ omega)[0]
    for _ in range(steps):
        q = decomposed(a @ decomposed(a.T @ q)[0])[0]
    w, s, vh = decomposed(q.T @ a)
    return q @ w[:, :k], s[:k], vh[:k]


def truncated_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    a: np.ndarray,
    omega: np.ndarray,
    k: int,
    steps: int,
) -> Errors:
    """LAPACK's test ratios, and values and subspaces against the oracle's after as many steps.

    With b = 16 sqrt(l) + t the backward error of a decomposition in eps (as for ``svd``, of l columns),
    and p = sqrt(max(m, n)) / 2 that of a product: its sums drift towards an entry of size s_i, so that
    their rounding errors, of 0.3 eps each, come to 0.3 sqrt(n / 3) eps; three times that is p.

    ``residual``: the largest ||A'u_i - s_i v_i|| / s_1, which is 0 whatever Q is. Limit b + p.
    ``left``, ``right``: the largest entry of |U'U - 1| and |V'V - 1|. Limit b.
    ``values``: the largest |s_i - s64_i| / s64_1. Limit b + p: an error of Q outside its subspace counts
    by its square only, or times what A has there.
    ``subspaces``: the sine of the largest angle between the columns of U, or of V, and the oracle's,
    times s_k / (2 s_1), which is less than the gap (s_k - s_k+1) / s_1. Limit 2 (b + p): b for the last
    decomposition by Wedin's theorem (Golub & Van Loan, section 8.6.1); b / 2 + p for the last product
    and its QR factorization, which is half a decomposition; what came before falls to a third or less at
    each product, which is half as much again.
    ``order`` is how far the values are from falling and not negative, which admits no error at all.
    """
    (m, n), size = a.shape, omega.shape[1]
    u, s, vh = widened(outputs, (m, k), (k,), (k, n))
    u64, s64, vh64 = exact
    eps = epsilon(outputs)
    b = 16 * math.sqrt(size) + max(10.0, min(100.0, (eps / 2) ** (-1 / 8)))
    p = math.sqrt(max(m, n)) / 2
    residual = np.linalg.norm(a.T @ u - vh.T * s, axis=0)
    outside = (u - u64 @ (u64.T @ u), vh - (vh @ vh64.T) @ vh64)
    sine = max(float(np.linalg.norm(part, 2)) for part in outside)
    rises = np.max(np.diff(s, append=0.0), initial=0.0)
    return {
        "residual": (largest_ratio(residual, s64[0]) / eps, b + p),
        "left": (orthogonality(u) / eps, b),
        "right": (orthogonality(vh.T) / eps, b),
        "values": (largest_ratio(s - s64, s64[0]) / eps, b + p),
        "subspaces": (float(sine * s64[-1] / (2 * s64[0])) / eps, 2 * (b + p)),
        "order": (largest_ratio(rises, s64[0]) / eps, 0.0),
    }


def truncated_flops(m: int, n: int, k: int, steps: int) -> float:
    """Products, Householder factorizations with Q formed, and the decomposition of an l by n matrix."""
    size = columns(m, n, k)
    products = 4 * (steps + 1) * m * n * size + 2 * m * size * k
    factorizations = 4 * size**2 * ((steps + 1) * m + steps * n - (2 * steps + 1) * size / 3)
    return products + factorizations + 6 * n * size**2 + 20 * size**3


Kernel(
    compute=truncated_svd,
    inputs=truncated_inputs,
    reference=truncated_reference,
    errors=truncated_errors,
    flops=truncated_flops,
    traffic=lambda itemsize, m, n, k, steps: (
        itemsize * (m * n + n * columns(m, n, k) + m * k + k + k * n)
    ),
    sizes={
        "small": {"m": 64, "n": 48, "k": 4, "steps": 2},
        "medium": {"m": 768, "n": 512, "k": 10, "steps": 2},
        "large": {"m": 4096, "n": 2048, "k": 16, "steps": 2},
        "huge": {"m": 16384, "n": 8192, "k": 32, "steps": 2},
    },
    static=("k", "steps"),
    chapter="linear_algebra",
)
