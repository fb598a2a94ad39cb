"""How fast, and how exactly, are matrices multiplied and transposed?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, evenly_spaced, summation_error, widened
from xpbench.bench.kernel import Array, Errors

ALL_ROWS = 2048
SAMPLED_ROWS = 16
SAMPLED_MATRICES = 64
PROBES = 4


def matmul(xp: Array, a: Array, b: Array) -> Array:
    """The product of two square matrices.

        C = A B,    c_ij = sum_k a_ik b_kj

    a (n, n), b (n, n) -> c (n, n); 2 n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 1.1.
    """
    return a @ b


def inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Two matrices of independent standard normal entries: mean zero, as the limits below ask."""
    return rng.standard_normal((n, n)), rng.standard_normal((n, n))


def reference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same sums by NumPy's own loop, which calls no BLAS."""
    return (np.einsum("ik,jk->ij", a, np.ascontiguousarray(b.T)),)


def errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray, b: np.ndarray
) -> Errors:
    """Every entry against its own bound, and the whole product against its norm.

    ``entries`` is the largest ``|C - AB| / (|A| |B|)``, limit sqrt(n) eps: the sums of n products err
    by at most lambda sqrt(n) u (|A| |B|) in the mean (Higham & Mary, SIAM J. Sci. Comput. 41, 2019,
    section 3), and by far less for entries of mean zero, whose partial sums stay small (Higham &
    Mary, SIAM J. Sci. Comput. 42, 2020), so that lambda = 2 suffices. Past n = 2048 it reads 16 rows.

    ``norm`` is ``||C - AB|| / ||C||`` in the Frobenius norm, limit sqrt(n) eps: partial sum i of
    products of mean zero has variance i, so n rounding errors of at most u each relative to it add
    up to a standard deviation of at most u n / sqrt(2), where an entry of C has sqrt(n). This sees a
    fault spread thinly over all entries, at any n. Without the oracle the norm of ``C - AB`` is
    estimated from its products with random vectors of signs, whose mean square it is (Freivalds).

    In half precision both hold of sums in float32, rounded once at the end: see ``summation_error``.
    """
    n = a.shape[0]
    (c,) = widened(outputs, (n, n))
    rows = np.arange(n) if n <= ALL_ROWS else evenly_spaced(n, SAMPLED_ROWS)
    product = reference(a[rows], b)[0] if exact is None else exact[0][rows]
    bound = np.abs(a[rows]) @ np.abs(b)
    if exact is None:
        probes = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
        distance = float(np.linalg.norm(c @ probes - a @ (b @ probes))) / math.sqrt(PROBES)
    else:
        distance = float(np.linalg.norm(c - exact[0]))
    scale = np.linalg.norm(a) * np.linalg.norm(b) / math.sqrt(n)
    eps, limit = epsilon(outputs), math.sqrt(n)
    return {
        "entries": summation_error(c[rows] - product, bound, product, eps, limit),
        "norm": summation_error(distance, scale, np.linalg.norm(c), eps, limit),
    }


Kernel(
    compute=matmul,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n: 2 * n**3,
    traffic=lambda itemsize, n: 3 * itemsize * n**2,
    sizes={"small": {"n": 64}, "medium": {"n": 512}, "large": {"n": 2048}, "huge": {"n": 8192}},
    oracle_flops=2 * 2048**3,
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="linear_algebra",
)


def batched_matmul(xp: Array, a: Array, b: Array) -> Array:
    """The products of many pairs of small square matrices.

        C_m = A_m B_m,    m = 1 ... batch

    a (batch, n, n), b (batch, n, n) -> c (batch, n, n); 2 batch n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 1.1; Abdelfattah et al., ACM Trans. Math.
    Softw. 47, 2021, "A set of batched basic linear algebra subprograms and LAPACK routines".
    """
    return a @ b


def batched_inputs(rng: np.random.Generator, batch: int, n: int) -> tuple[np.ndarray, ...]:
    """Matrices of independent standard normal entries: mean zero, as the limits below ask."""
    return rng.standard_normal((batch, n, n)), rng.standard_normal((batch, n, n))


def batched_reference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same sums by NumPy's own loop, which calls no BLAS."""
    return (np.einsum("mik,mjk->mij", a, np.ascontiguousarray(b.transpose(0, 2, 1))),)


def batched_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray, b: np.ndarray
) -> Errors:
    """Every entry against its own bound, and every product against its norm.

    ``entries`` is the largest ``|C - AB| / (|A| |B|)``, limit sqrt(n) eps, as for ``matmul``; without
    the oracle it reads 64 matrices.

    ``norm`` is the largest ``||C_m - A_m B_m|| / (||A_m|| ||B_m||)`` in the Frobenius norm, times
    sqrt(n). A sum errs by 0.3 sqrt(n / 2) eps of the norm of its terms in the root mean square (Higham &
    Mary, SIAM J. Sci. Comput. 42, 2020), which for entries of mean zero is ||A_m|| ||B_m|| / sqrt(n) in
    all, so that the ratio comes to 0.3 sqrt(n / 2) eps, and the limit, sqrt(n) eps, is nearly five times
    that. Without the oracle the
    norms are estimated from products with random vectors of signs, whose mean square they are: at
    n = 64, for errors without a pattern, within a fourth (Freivalds; Hutchinson).

    In half precision both hold of sums in float32, rounded once at the end: see ``summation_error``.
    """
    batch, n = a.shape[:2]
    (c,) = widened(outputs, a.shape)
    if exact is None:
        sample = evenly_spaced(batch, SAMPLED_MATRICES)
        product = batched_reference(a[sample], b[sample])[0]
        probes = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
        distances = c @ probes - a @ (b @ probes)
        distance = np.linalg.norm(distances, axis=(1, 2)) / math.sqrt(PROBES)
    else:
        sample = np.arange(batch)
        product = exact[0]
        distance = np.linalg.norm(c - product, axis=(1, 2))
    bound = np.abs(a[sample]) @ np.abs(b[sample])
    scale = np.linalg.norm(a, axis=(1, 2)) * np.linalg.norm(b, axis=(1, 2)) / math.sqrt(n)
    eps, limit = epsilon(outputs), math.sqrt(n)
    return {
        "entries": summation_error(c[sample] - product, bound, product, eps, limit),
        "norm": summation_error(distance, scale, np.linalg.norm(c, axis=(1, 2)), eps, limit),
    }


Kernel(
    compute=batched_matmul,
    inputs=batched_inputs,
    reference=batched_reference,
    errors=batched_errors,
    flops=lambda batch, n: 2 * batch * n**3,
    traffic=lambda itemsize, batch, n: 3 * itemsize * batch * n**2,
    sizes={
        "small": {"batch": 16, "n": 16},
        "medium": {"batch": 256, "n": 64},
        "large": {"batch": 4096, "n": 64},
        "huge": {"batch": 4096, "n": 128},
    },
    oracle_flops=5e9,
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="linear_algebra",
)


def transpose(xp: Array, x: Array) -> Array:
    """The transpose of a matrix, laid out in memory row by row.

        y_ji = x_ij

    x (m, n) -> y (n, m), contiguous: entries are moved, where a view would only exchange the strides;
    no flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 1.2.5; Chatterjee & Sen, "Cache-efficient
    matrix transposition", HPCA 2000.
    """
    return xp.contiguous(x.T)


def transpose_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    return (rng.standard_normal((m, n)),)


def transpose_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The entries read column by column, in an array of as many rows."""
    return (x.ravel(order="F").reshape(x.shape[1], x.shape[0]),)


def transpose_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray
) -> Errors:
    """``entries`` is how many entries differ in any bit. Limit 0: nothing is computed."""
    (y,) = widened(outputs, x.shape[::-1])
    differ = np.ascontiguousarray(y).view(np.int64) != exact[0].view(np.int64)
    return {"entries": (float(np.count_nonzero(differ)), 0.0)}


Kernel(
    compute=transpose,
    inputs=transpose_inputs,
    reference=transpose_reference,
    errors=transpose_errors,
    traffic=lambda itemsize, m, n: 2 * itemsize * m * n,
    sizes={
        "small": {"m": 64, "n": 96},
        "medium": {"m": 1024, "n": 1536},
        "large": {"m": 4096, "n": 6144},
        "huge": {"m": 16384, "n": 12288},
    },
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="linear_algebra",
)
