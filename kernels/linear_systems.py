"""How fast, and how exactly, are linear systems solved, and determinants and inverses found?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import (
    Kernel,
    epsilon,
    evenly_spaced,
    largest_ratio,
    least_squares_errors,
    spectral_norm,
    widened,
)
from xpbench.bench.kernel import Array, Errors

PROBES = 8
SAMPLED_COLUMNS = 16
CORRELATION = 0.9


def slogdet(xp: Array, a: Array) -> tuple[Array, Array]:
    """The determinant of a square matrix as its sign and the logarithm of its size.

        det A = sign exp(logdet),    P A = L U,    logdet = sum_i log |u_ii|

    A singular matrix has sign 0 and logdet -inf.

    a (n, n) -> sign (), logdet (); 2/3 n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 3.4 (LAPACK's getrf).
    """
    sign, logdet = xp.linalg.slogdet(a)
    return sign, logdet


def inv(xp: Array, a: Array) -> Array:
    """The inverse of a square matrix.

        A X = 1

    a (n, n) -> x (n, n); 2 n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 3.4; Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., chapter 14.
    """
    return xp.linalg.inv(a)


def solve(xp: Array, a: Array, b: Array) -> Array:
    """The solution of a square system of linear equations.

        A x = b

    a (n, n), b (n,) -> x (n,); 2/3 n^3 + 2 n^2 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 3.4 (LAPACK's gesv).
    """
    return xp.linalg.solve(a, b)


def lstsq(xp: Array, a: Array, b: Array) -> Array:
    """The least-squares solution of a system with more equations than unknowns, of full column rank.

        minimise |A x - b|,    A = Q R,    x = R^-1 Q'b

    a (m, n), b (m,) -> x (n,) for m >= n; 2 n^2 (m - n / 3) + 4 m n flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 5.3.
    """
    return xp.lstsq(a, b)


def square_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Twice the identity and a random matrix of norm 2, the rows in random order.

    The condition number is about 5. Without exchanging rows, elimination would meet pivots of any size;
    with them it finds those of about 2, hence a logdet of about n log 2, and either sign.
    """
    a = 2 * np.eye(n) + rng.standard_normal((n, n)) / math.sqrt(n)
    return (a[rng.permutation(n)],)


def solve_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A matrix as for ``inv``, and a standard normal right side."""
    return (*square_inputs(rng, n), rng.standard_normal(n))


def lstsq_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """A linear regression on correlated features, with noise of a hundredth of the signal's size.

    Each feature is 0.9 times the one before, and noise that was made in the same way: the condition
    number is about 70 for 8 features and some hundreds for many. With well conditioned features, or
    with more noise, the normal equations would do as well as a QR decomposition.
    """
    features = rng.standard_normal((n, m))
    for _ in range(2):
        for j in range(1, n):
            features[j] += CORRELATION * features[j - 1]
    a = np.ascontiguousarray(features.T)
    signal = a @ rng.standard_normal(n)
    return a, signal + 0.01 * np.std(signal) * rng.standard_normal(m)


def slogdet_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """By Householder's QR decomposition, where array libraries use LU: every reflection has sign -1.

    Raises
    ------
    numpy.linalg.LinAlgError
        If rounding errors alone decide about the determinant. A row or column of zeros does not: its
        determinant is 0 on every way there is.
    """
    import scipy.linalg

    if not (a.any(axis=0).all() and a.any(axis=1).all()):
        return np.asarray(0.0), np.asarray(-np.inf)
    (_, reflections), r = scipy.linalg.qr(a, mode="raw")
    require_full_rank(np.triu(r))
    pivots = np.diagonal(r)
    sign = np.prod(np.sign(pivots)) * (-1.0) ** np.count_nonzero(reflections)
    return np.asarray(sign), np.asarray(np.sum(np.log(np.abs(pivots))))


def lstsq_reference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """By LAPACK's Householder QR in float64.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the columns are dependent to working precision: then many ``x`` do as well.
    """
    import scipy.linalg

    q, r = scipy.linalg.qr(a, mode="economic")
    require_full_rank(r)
    return (scipy.linalg.solve_triangular(r, q.T @ b),)


def inv_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """R^-1 Q' from a QR decomposition, where array libraries use LU. Raises as ``lstsq_reference``."""
    return lstsq_reference(a, np.eye(len(a)))


def require_full_rank(r: np.ndarray) -> None:
    """Raises ``LinAlgError`` if the triangle ``r`` is singular to working precision.

    That is LAPACK's own term, for a reciprocal condition number below eps (its expert drivers, gesvx).
    """
    import scipy.linalg.lapack

    reciprocal, _ = scipy.linalg.lapack.dtrcon(r)
    if not reciprocal >= np.finfo(np.float64).eps:
        raise np.linalg.LinAlgError(
            f"the matrix is singular to working precision: the reciprocal of its condition number is "
            f"{reciprocal:.1e}, so that no digit of an answer is determined"
        )


def inverse_norm(a: np.ndarray) -> float:
    """The Frobenius norm of the inverse, estimated from its products with vectors of random signs.

    The mean square of such a product is the norm's square (Hutchinson, Communications in Statistics,
    Simulation and Computation 19, 1990).
    """
    signs = np.random.default_rng(len(a)).choice([-1.0, 1.0], (len(a), PROBES))
    return float(np.linalg.norm(np.linalg.solve(a, signs))) / math.sqrt(PROBES)


def slogdet_errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], a: np.ndarray) -> Errors:
    """The absolute error of the logarithm, which is the relative one of the determinant; and the sign.

    An error E of A moves logdet by the trace of A^-1 E. Partial pivoting keeps the numbers met at about
    the largest |a_ij|, and n roundings of them, independent, add up to sqrt(n) u of it in every entry
    of E (Higham & Mary, SIAM J. Sci. Comput. 41, 2019, section 3): the trace of n^2 such products has
    a standard deviation of at most sqrt(n) u max|A| ||A^-1||_F, of which the limit is twice. Logarithms
    of one sign add up to partial sums that grow to |logdet|, whose n roundings have a standard
    deviation of sqrt(n) / 6 eps |logdet|, of which it is three times. With 1 for the roundings that a
    matrix of few rows has all the same it is (sqrt(n) + 1) (max|A| ||A^-1||_F + |logdet| / 2) eps.

    ``sign`` has to be equal, unless that limit leaves the determinant no digit.
    """
    sign, logdet = widened(outputs, (), ())
    eps = epsilon(outputs)
    if not np.isfinite(exact[1]):
        return {"logdet": (0.0, 0.0), "sign": (float(abs(sign - exact[0])), 0.0)}
    scale = float(np.max(np.abs(a))) * inverse_norm(a) + float(abs(exact[1])) / 2
    limit = (math.sqrt(len(a)) + 1) * scale
    return {
        "logdet": (float(abs(logdet - exact[1])) / eps, limit),
        "sign": (float(abs(sign - exact[0])), 0.0 if limit * eps < 1 else 2.0),
    }


def inv_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray
) -> Errors:
    """Every column as the solution of a system, and where there is an oracle the whole against it.

    ``columns`` is the largest ``|A x_j - e_j| / (||A|| |x_j| + 1)``, a normwise backward error, limit
    (sqrt(n) + 1) eps as for ``solve``. Libraries invert by solving with the identity; one that
    multiplied inverse triangles would do as well by the rows of ``X A - 1`` instead (Du Croz & Higham,
    IMA J. Numer. Anal. 12, 1992), and by both for inputs as well conditioned as these. Without the
    oracle it reads 16 columns.

    ``forward`` is ``||X - X64|| sqrt(n) / (||A|| ||X64||^2)`` in the Frobenius norm, A's being spectral.
    To first order X - X64 is -X E X with the error E of A, whose entries are independent and, for a
    backward error of sqrt(n) eps, of the size eps ||A||: the same limit.

    ``whole`` stands in without the oracle: ``||A X - 1|| / (||A|| ||X|| + sqrt(n))`` in the Frobenius
    norm, estimated from products with random signs (Freivalds), of the same limit.
    """
    n = len(a)
    (x,) = widened(outputs, (n, n))
    eps, limit, size = epsilon(outputs), math.sqrt(n) + 1, spectral_norm(a)
    columns = np.arange(n) if exact is not None else evenly_spaced(n, SAMPLED_COLUMNS)
    residual = a @ x[:, columns]
    residual[columns, np.arange(len(columns))] -= 1
    lengths = np.linalg.norm(x[:, columns], axis=0)
    backward = largest_ratio(np.linalg.norm(residual, axis=0), size * lengths + 1)
    pairs = {"columns": (backward / eps, limit)}
    if exact is not None:
        distance = np.linalg.norm(x - exact[0])
        scale = size * np.linalg.norm(exact[0]) ** 2 / math.sqrt(n)
        pairs["forward"] = (largest_ratio(distance, scale) / eps, limit)
    else:
        signs = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
        distance = np.linalg.norm(a @ (x @ signs) - signs) / math.sqrt(PROBES)
        scale = size * np.linalg.norm(x) + math.sqrt(n)
        pairs["whole"] = (largest_ratio(distance, scale) / eps, limit)
    return pairs


def solve_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray, b: np.ndarray
) -> Errors:
    """The normwise backward error, and where there is an oracle the forward error over the condition.

    ``backward`` is ``|A x - b| / (||A|| |x| + |b|)``, the relative size of the smallest change of A and
    b to which x is the exact solution (Rigal & Gaches, J. ACM 14, 1967; Higham, Accuracy and Stability
    of Numerical Algorithms, 2nd ed., theorem 7.1). LU and substitutions err by at most 3 n u |L| |U|
    (Higham, theorem 9.4), by lambda sqrt(n) u |L| |U| where rounding errors are independent (Higham &
    Mary, SIAM J. Sci. Comput. 41, 2019, section 3), and with these inputs rows are exchanged so that
    ``|L| |U|`` is about ``|A|``. The limit is (sqrt(n) + 1) eps, 1 for the rounding of x.

    ``forward`` is ``|x - x64| / (||A|| ||A^-1|| |x64|)``, where ||A^-1|| is the Frobenius norm over
    sqrt(n): by so much the inverse enlarges a residual of random direction. As |b| <= ||A|| |x| the
    residual is at most twice the backward error times ||A|| |x|: limit 2 (sqrt(n) + 1) eps.
    """
    n = len(b)
    (x,) = widened(outputs, (n,))
    eps, limit, size = epsilon(outputs), math.sqrt(n) + 1, spectral_norm(a)
    residual = np.linalg.norm(a @ x - b)
    scale = size * np.linalg.norm(x) + np.linalg.norm(b)
    pairs = {"backward": (largest_ratio(residual, scale) / eps, limit)}
    if exact is not None:
        scale = size * inverse_norm(a) / math.sqrt(n) * np.linalg.norm(exact[0])
        pairs["forward"] = (largest_ratio(np.linalg.norm(x - exact[0]), scale) / eps, 2 * limit)
    return pairs


Kernel(
    compute=slogdet,
    inputs=square_inputs,
    reference=slogdet_reference,
    errors=slogdet_errors,
    flops=lambda n: 2 * n**3 / 3,
    traffic=lambda itemsize, n: itemsize * (n**2 + 2),
    sizes={"small": {"n": 16}, "medium": {"n": 512}, "large": {"n": 2048}, "huge": {"n": 4096}},
    chapter="linear_algebra",
)

Kernel(
    compute=inv,
    inputs=square_inputs,
    reference=inv_reference,
    errors=inv_errors,
    flops=lambda n: 2 * n**3,
    traffic=lambda itemsize, n: 2 * itemsize * n**2,
    sizes={"small": {"n": 16}, "medium": {"n": 256}, "large": {"n": 1024}, "huge": {"n": 8192}},
    oracle_flops=2 * 1024**3,
    chapter="linear_algebra",
)

Kernel(
    compute=solve,
    inputs=solve_inputs,
    reference=lstsq_reference,
    errors=solve_errors,
    flops=lambda n: 2 * n**3 / 3 + 2 * n**2,
    traffic=lambda itemsize, n: itemsize * (n**2 + 2 * n),
    sizes={"small": {"n": 16}, "medium": {"n": 512}, "large": {"n": 2048}, "huge": {"n": 8192}},
    oracle_flops=2 * 2048**3,
    chapter="linear_algebra",
)

Kernel(
    compute=lstsq,
    inputs=lstsq_inputs,
    reference=lstsq_reference,
    errors=least_squares_errors,
    flops=lambda m, n: 2 * n**2 * (m - n / 3) + 4 * m * n,
    traffic=lambda itemsize, m, n: itemsize * (m * n + m + n),
    sizes={
        "small": {"m": 64, "n": 8},
        "medium": {"m": 2048, "n": 64},
        "large": {"m": 16384, "n": 256},
        "huge": {"m": 131072, "n": 512},
    },
    oracle_flops=2 * 16384 * 256**2,
    chapter="linear_algebra",
)
