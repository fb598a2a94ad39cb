"""How fast, and how exactly, are the directions found in which data vary most?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, orthogonality, real_data, widened
from xpbench.bench.kernel import Array, Errors


def pca(xp: Array, x: Array, *, k: int) -> tuple[Array, Array, Array]:
    """Principal component analysis through the singular value decomposition.

        X - 1 m' = U diag(s) V',    W = V'[:k],    v_i = s_i^2 / (n - 1),    T = (X - 1 m') W'

    x (n, d) -> components W (k, d), variances v (k,), scores T (n, k); about
    6 n d^2 + 20 d^3 flops for n well above d.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 10.4.
    """
    n = x.shape[0]
    x = x - xp.mean(x, axis=0)
    _, s, vh = xp.linalg.svd(x, full_matrices=False)
    w = vh[:k, :]
    return w, s[:k] ** 2 / (n - 1), x @ w.T


def inputs(rng: np.random.Generator, n: int, d: int, k: int, digits: int = 0) -> tuple[np.ndarray, ...]:
    """k strong directions in noise, a hundred deviations from the origin; or scikit-learn's digits.

    So far away a covariance that is not centred first has no digits left in float32.

    The singular values of the noise end at about ``edge sqrt(n)``. Those of the signal stand at 3 to
    6 times that, so that for k well below n the subspace is well determined.
    """
    if k > min(n - 1, d):
        raise Unsupported(f"{n} samples in {d} dimensions have {min(n - 1, d)} components, and k={k}")
    if digits:
        return (real_data("digits", n=n, d=d)[0],)
    edge = 1 + math.sqrt(d / n)
    directions = np.linalg.qr(rng.standard_normal((d, k))).Q
    signal = rng.standard_normal((n, k)) * np.linspace(6, 3, k) * edge
    return (signal @ directions.T + rng.standard_normal((n, d)) + 100 * rng.standard_normal(d),)


def reference(x: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """Through QR iteration (LAPACK's dgesvd), where array libraries divide and conquer (dgesdd)."""
    import scipy.linalg

    n = x.shape[0]
    u, s, vh = scipy.linalg.svd(x - x.mean(axis=0), full_matrices=False, lapack_driver="gesvd")
    return vh[:k], s[:k] ** 2 / (n - 1), u[:, :k] * s[:k]


def errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray, k: int
) -> Errors:
    """The subspace and the variances against the oracle, the rest against the data; blind to signs.

    With X centred, s its singular values and b = 16 sqrt(d) + t the backward error of a decomposition
    in eps (as for ``svd``; t is where dbdsqr stops):

    ``subspace``: the sine of the largest angle between the components and the oracle's, times
    (s_k - s_k+1) / s_1. Limit b, by Wedin's theorem (Golub & Van Loan, section 8.6.1).
    ``variances``: the largest |v_i - v64_i| / v64_1. Limit 2 b, because squaring doubles it.
    ``orthogonality``: the largest entry of |W W' - 1|. Limit b.
    ``residual``: the largest ||X't_i - (n-1) v_i w_i|| / s_1^2, which tells components of one subspace
    apart. Limit 3 b: twice for the variances, once for the vectors.
    ``scores``: the largest |T - X W'| / (|X| |W'|), less the mean of its column, whose own n errors
    count by their root mean square over sqrt(n). Limit sqrt(d) + 2: the sums of d products (Higham &
    Mary, SIAM J. Sci. Comput. 41, 2019), and the rounding of X.
    ``centre``: the largest such mean, over (mean |x|) |W'|. Limit sqrt(n) + sqrt(d): the error of a
    mean of n numbers, which moves all scores alike and to first order nothing else, and theirs.

    Without the oracle the Gram matrix X'X in float64 gives the subspace and the variances.
    """
    n, d = x.shape
    w, v, t = widened(outputs, (k, d), (k,), (n, k))
    eps = epsilon(outputs)
    mean = np.abs(x).mean(axis=0)
    x = x - x.mean(axis=0)
    squares, vectors = np.linalg.eigh(x.T @ x)
    s = np.append(np.sqrt(np.maximum(squares[::-1], 0)), 0.0)
    w64, v64 = (vectors[:, ::-1].T[:k], s[:k] ** 2 / (n - 1)) if exact is None else exact[:2]

    b = 16 * math.sqrt(d) + max(10.0, min(100.0, (eps / 2) ** (-1 / 8)))
    sine = np.linalg.norm(w - (w @ w64.T) @ w64, 2)
    residual = np.linalg.norm(x.T @ t - w.T * (n - 1) * v, axis=0)
    difference = t - np.einsum("nd,kd->nk", x, w)
    shift = difference.mean(axis=0)
    bound = np.abs(x) @ np.abs(w.T)
    bound += np.sqrt(np.mean(bound**2, axis=0) / n)
    return {
        "subspace": (float(sine * (s[k - 1] - s[k]) / s[0]) / eps, b),
        "variances": (largest_ratio(v - v64, v64[0]) / eps, 2 * b),
        "orthogonality": (orthogonality(w.T) / eps, b),
        "residual": (largest_ratio(residual, s[0] ** 2) / eps, 3 * b),
        "scores": (largest_ratio(difference - shift, bound) / eps, math.sqrt(d) + 2),
        "centre": (largest_ratio(shift, mean @ np.abs(w.T)) / eps, math.sqrt(n) + math.sqrt(d)),
    }


def flops(n: int, d: int, k: int, digits: int = 0) -> int:
    """Centring, the cheaper way to an SVD with vectors (Golub & Van Loan, section 8.6), and scores."""
    long, short = max(n, d), min(n, d)
    direct = 14 * long * short**2 + 8 * short**3
    through_qr = 6 * long * short**2 + 20 * short**3
    return 2 * n * d + min(direct, through_qr) + 2 * k + 2 * n * d * k


Kernel(
    compute=pca,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=flops,
    traffic=lambda itemsize, n, d, k, digits=0: itemsize * (n * d + k * d + k + n * k),
    sizes={
        "small": {"n": 64, "d": 8, "k": 2},
        "medium": {"n": 1024, "d": 64, "k": 8},
        "large": {"n": 8192, "d": 256, "k": 16},
        "huge": {"n": 65536, "d": 1024, "k": 32},
        "digits": {"n": 1797, "d": 64, "k": 10, "digits": 1},
    },
    static=("k",),
    oracle_flops=1e11,
    chapter="linear_algebra",
)


def pca_eigh(xp: Array, x: Array, *, k: int) -> tuple[Array, Array, Array]:
    """Principal component analysis through the covariance matrix and its eigenvalues.

        C = (X - 1 m')'(X - 1 m') / (n - 1) = V diag(l) V',    l_1 >= l_2 >= ...,
        W = V'[:k],    v_i = l_i,    T = (X - 1 m') W',    with m the mean of the rows of X

    x (n, d) -> components W (k, d), variances v (k,), scores T (n, k); 2 n d^2 + 9 d^3 + 2 n d k flops
    and the centring. Squares of singular values: what is small of them is lost sooner than in ``pca``.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, sections 10.2 and 10.6.
    """
    n, d = x.shape
    x = x - xp.mean(x, axis=0)
    v, vectors = xp.linalg.eigh(x.T @ x / (n - 1))
    w = xp.flip(vectors[:, d - k :], axis=1)
    return w.T, xp.flip(v[d - k :]), x @ w


def eigh_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray, k: int
) -> Errors:
    """As for ``pca``, and with the squares that the covariance matrix makes of the singular values.

    With X centred, s its singular values, and c the backward error of the covariance matrix and its
    decomposition in eps: 8 sqrt(d) + 4 log2(d) for the decomposition (as for ``eigh``), and
    sqrt(n) / 2 ||X'X|| / s_1^2, Frobenius norm, for the sums of n products. Such a sum drifts towards
    its value, so that its rounding errors of 0.3 eps each come to 0.3 sqrt(n / 3) eps of it in the root
    mean square, and three times that is sqrt(n) / 2; sums of mean zero err by less than the diagonal.

    ``subspace``: the sine of the largest angle between the components and the oracle's, times
    (s_k^2 - s_k+1^2) / s_1^2. Limit c, by Davis and Kahan's theorem (Golub & Van Loan, section 8.1.3).
    ``variances``: the largest |v_i - v64_i| / v64_1. Limit c, by Weyl's theorem.
    ``orthogonality``: the largest entry of |W W' - 1|. Limit 8 sqrt(d) + 4 log2(d).
    ``residual``: the largest ||X't_i - (n-1) v_i w_i|| / s_1^2. Limit c: it is that of the eigenvectors,
    which the rounding of the scores, of mean zero, hardly adds to.
    ``scores``, ``centre``, and the oracle's part without an oracle: as for ``pca``.
    """
    n, d = x.shape
    found = errors(outputs, exact, x, k)
    centred = x - x.mean(axis=0)
    gram = centred.T @ centred
    squares = np.append(np.linalg.eigvalsh(gram)[::-1], 0.0)
    s = np.sqrt(np.maximum(squares, 0.0))
    vectors = 8 * math.sqrt(d) + 4 * math.log2(d)
    c = vectors + math.sqrt(n) / 2 * float(np.linalg.norm(gram)) / squares[0]
    sine_over_gap = found["subspace"][0] * (s[k - 1] + s[k]) / s[0]
    return {
        **found,
        "subspace": (float(sine_over_gap), c),
        "variances": (found["variances"][0], c),
        "orthogonality": (found["orthogonality"][0], vectors),
        "residual": (found["residual"][0], c),
    }


def eigh_flops(n: int, d: int, k: int, digits: int = 0) -> int:
    """Centring, the covariance matrix, its decomposition (Golub & Van Loan, section 8.3), and scores."""
    return 2 * n * d + 2 * n * d**2 + d**2 + 9 * d**3 + 2 * n * d * k


Kernel(
    compute=pca_eigh,
    inputs=inputs,
    reference=reference,
    errors=eigh_errors,
    flops=eigh_flops,
    traffic=lambda itemsize, n, d, k, digits=0: itemsize * (n * d + k * d + k + n * k),
    sizes={
        "small": {"n": 64, "d": 8, "k": 2},
        "medium": {"n": 4096, "d": 64, "k": 8},
        "large": {"n": 32768, "d": 256, "k": 16},
        "huge": {"n": 65536, "d": 1024, "k": 32},
        "digits": {"n": 1797, "d": 64, "k": 10, "digits": 1},
    },
    static=("k",),
    oracle_flops=1e10,
    chapter="linear_algebra",
)
