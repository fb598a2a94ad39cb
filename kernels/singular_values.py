"""How fast, and how exactly, is a matrix taken apart into its singular values and vectors?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, orthogonality, widened
from xpbench.bench.kernel import Array, Errors


def svd(xp: Array, a: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition of a square matrix, values and both sets of vectors.

        A = U diag(s) V',    U'U = V'V = 1,    s_1 >= s_2 >= ... >= 0

    a (n, n) -> u (n, n), s (n,), v' (n, n); 22 n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 8.6.
    """
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return u, s, vh


def inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A random matrix shifted by twice the radius of its eigenvalues' disc.

    The shift keeps the smallest singular value away from zero (about a third of the largest), where
    a wrong vector would leave no trace in the product.
    """
    return (rng.standard_normal((n, n)) + 2 * math.sqrt(n) * np.eye(n),)


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
    residual = np.linalg.norm(a @ vh.T - u * s, axis=0)
    rises = np.max(np.diff(s, append=0.0), initial=0.0)
    pairs = {
        "residual": (largest_ratio(residual, s[0]) / eps, limit),
        "left": (orthogonality(u) / eps, limit),
        "right": (orthogonality(vh.T) / eps, limit),
        "order": (largest_ratio(rises, s[0]) / eps, 0.0),
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
