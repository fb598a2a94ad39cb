"""How fast, and how exactly, are similarities computed, and directions found in the space they span?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, evenly_spaced, largest_ratio, spectral_norm, widened
from xpbench.bench.kernel import Array, Errors

SAMPLED = 64
"""Rows and columns that are computed again beyond the oracle's size."""

UNIT = 2.0**-52
"""The eps of the oracles."""

DENSE = 128
"""Samples up to which the oracle of ``kernel_pca`` finds all eigenvalues."""


def rbf_kernel(xp: Array, x: Array, y: Array, gamma: Array) -> Array:
    """The Gaussian kernel between all pairs of two sets, with the distances from a matrix product.

        K_ij = exp(min(0, 2 g x_i'y_j - g |x_i|^2 - g |y_j|^2)) = exp(-g |x_i - y_j|^2)

    Squares that cancel can leave a distance below zero, which the minimum puts at zero.

    x (n, d), y (m, d), g () -> K (n, m); n m (2 d + 4) + 3 (n + m) d flops, with exp for one.
    Schoelkopf & Smola, Learning with Kernels, section 2.3; Bishop, Pattern Recognition and Machine
    Learning, section 6.2.
    """
    of_x, of_y = gamma * xp.sum(x * x, axis=1), gamma * xp.sum(y * y, axis=1)
    exponent = (2 * gamma * x) @ y.T
    exponent -= of_x[:, None]
    exponent -= of_y
    return xp.exp(xp.minimum(exponent, xp.zeros_like(gamma)))


def kernel_pca(xp: Array, x: Array, gamma: Array, *, k: int) -> tuple[Array, Array]:
    """Principal components in the space that a Gaussian kernel spans, of the samples themselves.

        K_ij = exp(-g |x_i - x_j|^2),     K' = K - r 1' - 1 r' + m 1 1'
        K' = V diag(l) V',    l_1 >= l_2 >= ...,    t_ij = v_ij sqrt(l_j),    j = 1 ... k

    with r the means of the columns of K and m the mean of all: K' has the products of the samples in
    that space about their mean. The kernel comes from a matrix product, as in ``rbf_kernel``, and all
    eigenvalues are computed, as libraries have no others.

    x (n, d), g () -> eigenvalues l (k,), projections t (n, k); 9 n^3 + n^2 (2 d + 9) + n (3 d + k)
    flops, with exp for one.
    Schoelkopf, Smola & Mueller, Neural Computation 10, 1998; Schoelkopf & Smola, Learning with Kernels,
    section 14.2.
    """
    n = x.shape[0]
    kernel = rbf_kernel(xp, x, x, gamma)
    mean = xp.mean(kernel, axis=0)
    centred = kernel - mean[:, None] - (mean - xp.mean(mean))
    values, vectors = xp.linalg.eigh(centred)
    values = xp.flip(values[n - k :])
    return values, xp.flip(vectors[:, n - k :], axis=1) * xp.sqrt(values)


def rbf_inputs(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    """Standard normal samples and landmarks, of which every fourth is a sample; g = 1 / d.

    About the origin, so that little cancels: |x|^2 + |y|^2 is no more than some times the distance. Of
    the landmarks that are samples everything does.
    """
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    places = np.arange(0, m, 4)
    y[places] = x[places % n]
    return x, y, np.asarray(1 / d)


def pca_inputs(rng: np.random.Generator, n: int, d: int, k: int) -> tuple[np.ndarray, ...]:
    """k + 1 clouds of unlike sizes about the origin, so that k eigenvalues stand far above the rest.

    Their centres are normal of standard deviation 2, their members about 0.4 sqrt(2) away from each
    other in every feature, and g = 1 / d: the kernel is about exp(-0.3) within a cloud and 0 between
    two. The largest cloud has twice the members of the smallest.
    """
    if n <= k:
        raise Unsupported(f"{n} samples span {n - 1} directions about their mean: n must exceed k={k}")
    shares = np.linspace(2, 1, k + 1)
    ends = np.round(np.cumsum(shares) / np.sum(shares) * (n - k - 1)).astype(int)
    members = np.repeat(np.arange(k + 1), np.diff(ends, prepend=0) + 1)
    centres = 2 * rng.standard_normal((k + 1, d))
    x = centres[members] + 0.4 * rng.standard_normal((n, d))
    return rng.permutation(x - x.mean(axis=0)), np.asarray(1 / d)


def rbf_reference(x: np.ndarray, y: np.ndarray, gamma: np.ndarray) -> tuple[np.ndarray, ...]:
    """From the differences of the features, of which nothing cancels."""
    from scipy.spatial.distance import cdist

    kernel = cdist(x, y, "sqeuclidean")
    kernel *= -gamma
    return (np.exp(kernel, out=kernel),)


def pca_reference(x: np.ndarray, gamma: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """By Lanczos' method (ARPACK's dsaupd), or for few samples by QR iteration (LAPACK's dsyev)."""
    import scipy.linalg
    import scipy.sparse.linalg

    n, centred = len(x), centred_kernel(x, gamma)
    if n <= max(DENSE, 4 * k):
        values, vectors = scipy.linalg.eigh(centred, driver="ev")
    else:
        start = np.random.default_rng(n).standard_normal(n)
        values, vectors = scipy.sparse.linalg.eigsh(centred, k, v0=start, which="LA")
    order = np.argsort(-values)[:k]
    return values[order], vectors[:, order] * np.sqrt(values[order])


def centred_kernel(x: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """Centred by the projection 1 - 1 1' / n from both sides, one after the other."""
    kernel: np.ndarray
    (kernel,) = rbf_reference(x, x, gamma)
    kernel -= np.mean(kernel, axis=0)
    kernel -= np.mean(kernel, axis=1)[:, np.newaxis]
    return kernel


def rbf_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    gamma: np.ndarray,
) -> Errors:
    """Every entry relative to itself, over what rounding makes of its exponent.

    ``entries``: the largest |K - K64| / (K64 v), with v of ``deviation``. Limit 6, for the largest of
    millions. The oracle sums d squares of one sign, which in float64 counts as much: v^2 is increased by
    its 1 + (d / 36 + 1) e^2, in its own eps. ``above``: by how much an entry is larger than 1, limit 0.
    Without the oracle ``entries`` is that of ``SAMPLED`` rows and as many columns, which together meet
    every row and column.
    """
    (k,) = widened(outputs, (len(x), len(y)))
    eps = epsilon(outputs)
    rows, columns = np.arange(len(x)), np.arange(len(y))
    parts = [(rows, columns)]
    if exact is None:
        parts = [(evenly_spaced(len(x), SAMPLED), columns), (rows, evenly_spaced(len(y), SAMPLED))]
    worst = 0.0
    for i, j in parts:
        a, b, found = x[i], y[j], k[i][:, j] if exact is None else k
        (right,) = rbf_reference(a, b, gamma) if exact is None else exact
        of_oracle = (UNIT / eps) ** 2 * (1 + (x.shape[1] / 36 + 1) * np.log(right) ** 2)
        scale = right * np.sqrt(deviation(a, b, float(gamma), right) ** 2 + of_oracle)
        worst = max(worst, largest_ratio(found - right, scale))
    return {
        "entries": (worst / eps, 6.0),
        "above": (float(np.max(k - 1, initial=0)) / eps, 0.0),
    }


def deviation(x: np.ndarray, y: np.ndarray, gamma: float, kernel: np.ndarray) -> np.ndarray:
    """The relative error of every entry of a kernel, root mean square, in eps: (n, m).

    It is that of the exponent, and one eps of the exponential. A sum of d terms errs by sqrt(d) / 4 of
    the norm of its terms where these have mean zero, and by sqrt(d) / 6 of its value where they have one
    sign (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), and a single operation by 0.3 of its result.
    With p^2 = sum_k x_k^2 y_k^2 and e the exponent that is

        v^2 = 1 + g^2 (d / 4 + 1) p^2 + g^2 (d / 36 + 1/2) (|x|^4 + |y|^4) + e^2 / 2

    where 1, 1/2 and 1/2 are for the operations on g, on squares and on sums of squares and products,
    each of which appears once or twice.
    """
    d = x.shape[1]
    squared = gamma**2 * (d / 4 + 1) * (np.square(x) @ np.square(y).T)
    fourth = [np.sum(np.square(z), axis=1) ** 2 for z in (x, y)]
    squared += gamma**2 * (d / 36 + 1 / 2) * (fourth[0][:, np.newaxis] + fourth[1])
    squared += 1 + np.log(kernel) ** 2 / 2
    root: np.ndarray = np.sqrt(squared)
    return root


def pca_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray, gamma: np.ndarray, k: int
) -> Errors:
    """The subspace and the eigenvalues against the oracle, the rest against the kernel; blind to signs.

    With c the backward error of kernel and decomposition in eps: 8 sqrt(n) + 4 log2(n) for the
    decomposition (as for ``eigh``), and for the kernel 3 (u ||K|| + w) / l_1. Its entries err by the
    fractions v of ``deviation``. The squares of a sample give one part of it to all entries of its row
    and column: D K + K D, with a diagonal D of g (sqrt(d) / 6 + 1/2) |x_i|^2, moves vectors that are
    spread over many samples by u = 2 rms(D) of ||K||. The other part is independent, and such a matrix
    has a norm of about w = 2 max_i (sum_j (v_ij K_ij)^2)^1/2 (Bandeira & van Handel, Ann. Probab. 44,
    2016). Means of n entries err by sqrt(n) / 6 of their value, and what they take from K too much or
    too little lies along 1, to which the vectors are orthogonal: to first order they do not move.

    ``subspace``: the sine of the largest angle between the projections and the oracle's, times
    (l_k - l_k+1) / l_1. Limit c, by Davis and Kahan's theorem (Golub & Van Loan, Matrix Computations,
    4th ed., section 8.1.3).
    ``values``: the largest |l_i - l64_i| / l64_1. Limit c, by Weyl's theorem.
    ``lengths``: the largest entry of |D T'T D - 1| with D = diag(l)^-1/2: the projections are
    orthogonal, and each has the length that its eigenvalue says. Limit 8 sqrt(n) + 4 log2(n).
    ``residual``: the largest |K't_j - l_j t_j| / (l_1 |t_j|), which tells projections of one subspace
    apart. Limit c, and for the means three times their error, sqrt(n) / 2 sum_ij K_ij / (n l_1),
    which is all along 1.
    """
    n, d = x.shape
    values, t = widened(outputs, (k,), (n, k))
    values64, t64 = exact
    eps, centred = epsilon(outputs), centred_kernel(x, gamma)
    (kernel,) = rbf_reference(x, x, gamma)
    first = values64[0]

    decomposition = 8 * math.sqrt(n) + 4 * math.log2(n)
    diagonal = float(gamma) * (math.sqrt(d) / 6 + 1 / 2) * np.sum(np.square(x), axis=1)
    shared = 2 * math.sqrt(np.mean(diagonal**2)) * spectral_norm(kernel)
    alone = deviation(x, x, float(gamma), kernel) * kernel
    independent = 2 * math.sqrt(np.max(np.sum(np.square(alone), axis=1)))
    c = decomposition + 3 * (shared + independent) / first
    means = math.sqrt(n) / 2 * float(np.sum(kernel)) / n / first

    vectors64 = t64 / np.sqrt(values64)
    vectors = t / np.linalg.norm(t, axis=0)
    sine = np.linalg.norm(vectors - vectors64 @ (vectors64.T @ vectors), 2)
    gap = values64[-1] - spectral_norm(centred - t64 @ t64.T)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = t / np.sqrt(values)
    residual = np.linalg.norm(centred @ t - t * values, axis=0)
    return {
        "subspace": (float(sine * gap / first) / eps, c),
        "values": (largest_ratio(values - values64, first) / eps, c),
        "lengths": (float(np.max(np.abs(scaled.T @ scaled - np.eye(k)))) / eps, decomposition),
        "residual": (
            largest_ratio(residual, first * np.linalg.norm(t, axis=0)) / eps,
            c + means,
        ),
    }


Kernel(
    compute=rbf_kernel,
    inputs=rbf_inputs,
    reference=rbf_reference,
    errors=rbf_errors,
    flops=lambda n, m, d: n * m * (2 * d + 4) + 3 * (n + m) * d,
    traffic=lambda itemsize, n, m, d: itemsize * (n * d + m * d + n * m + 1),
    sizes={
        "small": {"n": 64, "m": 48, "d": 8},
        "medium": {"n": 1024, "m": 512, "d": 32},
        "large": {"n": 8192, "m": 4096, "d": 64},
        "huge": {"n": 16384, "m": 16384, "d": 128},
    },
    oracle_flops=1e10,
    chapter="models",
)

Kernel(
    compute=kernel_pca,
    inputs=pca_inputs,
    reference=pca_reference,
    errors=pca_errors,
    flops=lambda n, d, k: 9 * n**3 + n**2 * (2 * d + 9) + n * (3 * d + k),
    traffic=lambda itemsize, n, d, k: itemsize * (n * d + 1 + k + n * k),
    sizes={
        "small": {"n": 24, "d": 6, "k": 2},
        "medium": {"n": 192, "d": 16, "k": 4},
        "large": {"n": 1024, "d": 32, "k": 8},
        "huge": {"n": 8192, "d": 32, "k": 8},
    },
    static=("k",),
    chapter="models",
)
