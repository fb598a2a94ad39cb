"""How fast, and how exactly, is a matrix factorised into triangular and orthonormal matrices?"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, evenly_spaced, largest_ratio, orthogonality, widened
from xpbench.bench.kernel import Array, Errors

ALL_ROWS = 2048
SAMPLED_ROWS = 16
PROBES = 4
PARTS = 4
CORRELATION = 0.9


def cholesky(xp: Array, a: Array) -> Array:
    """The Cholesky factor of a symmetric positive definite matrix.

        A = L L',    l_ij = 0 for j > i,    l_ii > 0

    a (n, n) -> l (n, n); n^3 / 3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 4.2; LAPACK's potrf.
    """
    return xp.linalg.cholesky(a)


def cholesky_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A random symmetric matrix, shifted by 1.5 times the radius of its spectrum: condition about 5."""
    a = rng.standard_normal((n, n))
    a = a + a.T
    a /= math.sqrt(2)
    a[np.diag_indices(n)] += 3 * math.sqrt(n + 4)
    return (a,)


def cholesky_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """Symmetric elimination, a column and a change of rank one at a time, where LAPACK goes by blocks.

    Golub & Van Loan, section 4.2, the outer product version. Raises numpy.linalg.LinAlgError if the
    matrix is not positive definite, which is to say that a pivot is not above its rounding errors.
    """
    rest = a.copy()
    factor = np.zeros_like(a)
    for j in range(len(a)):
        pivot = rest[j, j]
        if not pivot > len(a) * np.finfo(np.float64).eps * a[j, j]:
            raise np.linalg.LinAlgError(f"pivot {j} is {pivot:.3g}: the matrix is not positive definite")
        column = rest[j:, j] / math.sqrt(pivot)
        factor[j:, j] = column
        rest[j + 1 :, j + 1 :] -= np.outer(column[1:], column[1:])
    return (factor,)


def cholesky_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray
) -> Errors:
    """LAPACK's test ratio, entry by entry and as a norm, and the factor against the oracle's.

    Rows and columns are divided by d_i = sqrt(a_ii), to whose scale the algorithm is blind (Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., section 10.1): E = D^-1 (A - L L') D^-1 and
    H = D^-1 A D^-1.

    ``entries`` is the largest ``|e_ij|``, past n = 2048 of 16 rows. Entry i, j subtracts up to n
    products one after the other, and rounds by 0.3 eps in the root mean square of what is left, which is
    at most d_i d_j: three times that, and 2 for root and division, is less than sqrt(n) + 2 eps.
    ``norm`` is ``||E|| / ||H||`` in the Frobenius norm, which sees a fault spread thinly. What is left
    of A after k columns is below A in the order of quadratic forms, so that its norm does not exceed
    A's, and the limit is the same. Past n = 2048 it is estimated from products with random signs.
    ``factor`` is ``||M (L - L64)||`` with M = L64^-1, where there is an oracle. To first order that is
    the lower half of M D E D M' (Sun, BIT 31, 1991), and for independent entries of E no more than
    ||E|| ||M D||^2 / (sqrt(2) n): the limit is that of ``norm``, carried over.
    ``triangle`` counts entries above the diagonal that are not 0 and on it that are not positive.
    """
    n = a.shape[0]
    (factor,) = widened(outputs, (n, n))
    eps = epsilon(outputs)
    limit = math.sqrt(n) + 2
    d = np.sqrt(np.diag(a))
    size = math.sqrt(float((1 / d**2) @ np.einsum("ij,ij,j->i", a, a, 1 / d**2)))
    rows = np.arange(n) if n <= ALL_ROWS else evenly_spaced(n, SAMPLED_ROWS)
    error = (a[rows] - factor[rows] @ factor.T) / (d[rows][:, None] * d)
    if n <= ALL_ROWS:
        distance = float(np.linalg.norm(error))
    else:
        signs = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES)) / d[:, None]
        product = (a @ signs - factor @ (factor.T @ signs)) / d[:, None]
        distance = float(np.linalg.norm(product)) / math.sqrt(PROBES)
    wrong = np.count_nonzero(np.triu(factor, 1)) + np.count_nonzero(~(np.diag(factor) > 0))
    pairs = {
        "entries": (float(np.max(np.abs(error))) / eps, limit),
        "norm": (distance / size / eps, limit),
        "triangle": (float(wrong), 0.0),
    }
    if exact is not None:
        import scipy.linalg

        difference = np.column_stack((factor - exact[0], np.diag(d)))
        solved = scipy.linalg.solve_triangular(exact[0], difference, lower=True)
        carried = size * float(np.linalg.norm(solved[:, n:])) ** 2 / (math.sqrt(2) * n)
        pairs["factor"] = (float(np.linalg.norm(solved[:, :n])) / eps, limit * carried)
    return pairs


Kernel(
    compute=cholesky,
    inputs=cholesky_inputs,
    reference=cholesky_reference,
    errors=cholesky_errors,
    flops=lambda n: n**3 / 3,
    traffic=lambda itemsize, n: itemsize * 2 * n**2,
    sizes={"small": {"n": 32}, "medium": {"n": 512}, "large": {"n": 3072}, "huge": {"n": 12288}},
    oracle_flops=1024**3 / 3,
    chapter="linear_algebra",
)


def qr(xp: Array, a: Array) -> tuple[Array, Array]:
    """The reduced QR factorisation of a tall matrix.

        A = Q R,    Q'Q = 1,    r_ij = 0 for i > j

    The signs of the rows of R, and with them of the columns of Q, are free.

    a (m, n), m >= n -> q (m, n), r (n, n); 4 m n^2 - 4 n^3 / 3 flops by reflections.
    Golub & Van Loan, Matrix Computations, 4th ed., section 5.2; LAPACK's geqrf and orgqr.
    """
    q, r = xp.linalg.qr(a, mode="reduced")
    return q, r


def correlated_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """Correlated features, of a condition number of some hundreds, whatever n.

    Each is 0.9 times the one before, and noise that was made in the same way. Well conditioned columns
    would come out orthonormal whatever method was used.
    """
    if m < n:
        raise Unsupported(f"n={n} columns of m={m} entries are not independent: m must be n or more")
    features = rng.standard_normal((n, m))
    for _ in range(2):
        for j in range(1, n):
            features[j] += CORRELATION * features[j - 1]
    return (np.ascontiguousarray(features.T),)


def qr_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """Classical Gram-Schmidt, every column made orthogonal twice, where libraries reflect.

    Twice is enough as long as eps times the condition number is well below 1 (Giraud, Langou,
    Rozloznik & van den Eshof, Numerische Mathematik 101, 2005). Raises numpy.linalg.LinAlgError as
    ``determined`` does.
    """
    m, n = a.shape
    q, r = np.zeros((n, m)), np.zeros((n, n))
    for j in range(n):
        column = a[:, j].copy()
        for _ in range(2):
            coefficients = q[:j] @ column
            column -= coefficients @ q[:j]
            r[:j, j] += coefficients
        r[j, j] = determined(np.linalg.norm(column), a[:, j])
        q[j] = column / r[j, j]
    return np.ascontiguousarray(q.T), r


def determined(entry: np.floating, column: np.ndarray) -> np.floating:
    """An entry of the diagonal of R, of the column of A, if it is above its rounding errors.

    Raises numpy.linalg.LinAlgError otherwise: then the columns depend on each other, and neither this
    direction of Q nor the rows of R that come after are determined.
    """
    if not abs(entry) > column.size * np.finfo(np.float64).eps * np.linalg.norm(column):
        raise np.linalg.LinAlgError(f"R has {entry:.3g} on its diagonal: the columns are dependent")
    return entry


def qr_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray
) -> Errors:
    """LAPACK's test ratios, column by column, and R against the oracle's; blind to signs.

    ``residual`` is the largest ``||a_j - Q r_j|| / ||a_j||``, ``orthogonality`` the largest entry of
    ``|Q'Q - 1|``, ``factor`` how far R is from the oracle's, where there is one (see ``off_factor``).
    ``triangle`` counts entries of R below the diagonal that are not 0.

    A reflection x - tau v (v'x) rounds an inner product, a product and a difference, and rests on a v
    that is rounded too: together about one eps of ||x|| in the root mean square, whatever the length,
    because terms of mean zero add up to sums that stay small (Higham & Mary, SIAM J. Sci. Comput. 42,
    2020). A column passes n reflections on its way to R and n come from Q, whose errors add up like a
    random walk (Connolly & Higham, SIAM J. Matrix Anal. Appl. 44, 2023): the limits are three times
    sqrt(2 n), with two eps more for small n. For ``factor`` the n of R count, times sqrt(2).
    """
    m, n = a.shape
    q, r = widened(outputs, (m, n), (n, n))
    eps = epsilon(outputs)
    limit = 3 * math.sqrt(2 * n) + 2
    residual = np.linalg.norm(a - q @ r, axis=0)
    pairs = {
        "residual": (largest_ratio(residual, np.linalg.norm(a, axis=0)) / eps, limit),
        "orthogonality": (orthogonality(q) / eps, limit),
        "triangle": (float(np.count_nonzero(np.tril(r, -1))), 0.0),
    }
    if exact is not None:
        pairs["factor"] = (off_factor(r, exact[1], a) / eps, limit)
    return pairs


def off_factor(r: np.ndarray, exact: np.ndarray, a: np.ndarray) -> float:
    """How far R of A = Q R is from the exact one, over what an error in A does to it.

    ``||(R - R64) R64^-1|| / kappa`` in the Frobenius norm, with kappa as in ``scaled_condition``. R is
    the exact factor of A + E; to first order (R - R64) R64^-1 is the upper half of the sum of Q'E R64^-1
    and its transpose (Stewart, SIAM J. Numer. Anal. 14, 1977), so that its norm is at most sqrt(2)
    ||E R64^-1||. That is b kappa if the entries of column j of E are independent and its length is b
    times that of column j of A.
    """
    import scipy.linalg

    signs = np.where(np.diag(r) * np.diag(exact) < 0, -1.0, 1.0)
    difference = signs[:, None] * r - exact
    relative = scipy.linalg.solve_triangular(exact, difference.T, trans="T", lower=False)
    return largest_ratio(np.linalg.norm(relative), scaled_condition(exact, a))


def scaled_condition(r: np.ndarray, a: np.ndarray) -> float:
    """``||D R^-1||`` in the Frobenius norm, D the lengths of the columns of A = Q R.

    The norm of the pseudoinverse of A with columns scaled to length 1, so that no scaling of columns
    matters: sqrt(n) for orthogonal columns, and at most sqrt(n) times the condition number.
    """
    import scipy.linalg

    lengths = np.linalg.norm(a, axis=0)
    return float(np.linalg.norm(scipy.linalg.solve_triangular(r, np.eye(len(r))) * lengths[:, None]))


Kernel(
    compute=qr,
    inputs=correlated_inputs,
    reference=qr_reference,
    errors=qr_errors,
    flops=lambda m, n: 4 * m * n**2 - 4 * n**3 / 3,
    traffic=lambda itemsize, m, n: itemsize * (2 * m * n + n**2),
    sizes={
        "small": {"m": 32, "n": 16},
        "medium": {"m": 512, "n": 256},
        "large": {"m": 2048, "n": 1024},
        "huge": {"m": 8192, "n": 4096},
    },
    oracle_flops=4 * 1024 * 512**2,
    chapter="linear_algebra",
)


def gram_schmidt(xp: Array, a: Array) -> tuple[Array, Array]:
    """The QR factorisation of a tall matrix by modified Gram-Schmidt.

        for k = 1 ... n:    q_k = a_k / |a_k|;    r_kj = q_k'a_j and then a_j <- a_j - r_kj q_k, j >= k

    The coefficients are those of columns from which earlier directions have been taken already, where
    classical Gram-Schmidt takes them of the columns of A. Vectors are rows while it runs. Subtracting
    goes over all rows of the part of the matrix that is not finished, which shrinks a quarter at a time,
    because lengths that change at every step would be compiled anew at every step; what that does to
    finished rows is thrown away.

    a (m, n), m >= n -> q (m, n), r (n, n) upper triangular with positive diagonal; 2 m n^2 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 5.2; Bjorck, BIT 7, 1967.
    """
    n = a.shape[1]

    def step(rest: Array, k: Array) -> tuple[Array, tuple[Array, Array]]:
        row = xp.gather(rest, k)
        q = row / xp.sqrt(row @ row)
        r = rest @ q
        return rest - r[:, None] * q, (q, r)

    rest = xp.contiguous(a.T)
    q, r = [], []
    bounds = sorted({part * n // PARTS for part in range(PARTS + 1)})
    for start, stop in pairwise(bounds):
        rest, (directions, coefficients) = xp.scan(step, rest, xp.arange(stop - start))
        rest = rest[stop - start :, :]
        q.append(directions)
        r.append(xp.concat([xp.zeros((stop - start, start), dtype=a.dtype), coefficients], axis=1))
    return xp.concat(q).T, xp.triu(xp.concat(r))


def gram_schmidt_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """By reflections (LAPACK's dgeqrf), with the rows of R turned so that its diagonal is positive.

    Raises numpy.linalg.LinAlgError as ``determined`` does.
    """
    import scipy.linalg

    q, r = scipy.linalg.qr(a, mode="economic")
    signs = np.sign([determined(entry, column) for entry, column in zip(np.diag(r), a.T, strict=True)])
    return q * signs, signs[:, None] * r


def gram_schmidt_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray
) -> Errors:
    """The residual of every column, orthogonality over the condition number, R against the oracle's.

    ``residual`` is the largest ``||a_j - Q r_j|| / ||a_j||``. ``orthogonality`` is ``||Q'Q - 1||`` over
    kappa of ``scaled_condition``, in Frobenius norms, and ``factor`` as for ``qr``. ``triangle`` counts
    entries of R below the diagonal that are not 0 and entries on it that are not positive.

    Modified Gram-Schmidt does in exact arithmetic and in rounding what reflections do to A under n rows
    of zeros (Bjorck, BIT 7, 1967; Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
    theorem 19.13): R is as exact as theirs, and Q loses sqrt(2) ||E R^-1|| of its orthogonality to the
    errors E of the coefficients, which is eps kappa; for classical Gram-Schmidt it is eps kappa^2.

    Roundings are independent, of 0.3 eps in the root mean square. Step k commits on column j an inner
    product, 0.045 |a_j|^2 for terms of mean zero and 0.03 m r_kj^2 for terms of one sign, and a product
    and a difference, 0.09 (r_kj^2 + |a_j|^2). Over k the r_kj^2 add up to |a_j|^2: column j is off by
    b |a_j| eps with b^2 = n / 7 + m / 25 + 1, where the norm has its part too. The limits are 3 b for
    ``residual`` and 3 sqrt(2) b for ``orthogonality`` and ``factor``.
    """
    m, n = a.shape
    q, r = widened(outputs, (m, n), (n, n))
    eps = epsilon(outputs)
    exact_r = np.asarray(np.linalg.qr(a, mode="r")) if exact is None else exact[1]
    limit = 3 * math.sqrt(n / 7 + m / 25 + 1)
    residual = np.linalg.norm(a - q @ r, axis=0)
    loss = float(np.linalg.norm(q.T @ q - np.eye(n)))
    wrong = np.count_nonzero(np.tril(r, -1)) + np.count_nonzero(~(np.diag(r) > 0))
    return {
        "residual": (largest_ratio(residual, np.linalg.norm(a, axis=0)) / eps, limit),
        "orthogonality": (loss / scaled_condition(exact_r, a) / eps, math.sqrt(2) * limit),
        "factor": (off_factor(r, exact_r, a) / eps, math.sqrt(2) * limit),
        "triangle": (float(wrong), 0.0),
    }


Kernel(
    compute=gram_schmidt,
    inputs=correlated_inputs,
    reference=gram_schmidt_reference,
    errors=gram_schmidt_errors,
    flops=lambda m, n: 2 * m * n**2,
    traffic=lambda itemsize, m, n: itemsize * (2 * m * n + n**2),
    sizes={
        "small": {"m": 32, "n": 16},
        "medium": {"m": 256, "n": 128},
        "large": {"m": 1536, "n": 768},
        "huge": {"m": 6144, "n": 3072},
    },
    oracle_flops=4e9,
    chapter="linear_algebra",
)
