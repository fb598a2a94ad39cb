"""How fast, and how exactly, are matrices multiplied?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

ALL_ROWS = 2048
SAMPLED_ROWS = 16
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
    """
    n = a.shape[0]
    (c,) = widened(outputs, (n, n))
    rows = np.arange(n) if n <= ALL_ROWS else np.linspace(0, n - 1, SAMPLED_ROWS, dtype=int)
    product = reference(a[rows], b)[0] if exact is None else exact[0][rows]
    bound = np.abs(a[rows]) @ np.abs(b)
    if exact is None:
        probes = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
        distance = float(np.linalg.norm(c @ probes - a @ (b @ probes))) / math.sqrt(PROBES)
    else:
        distance = float(np.linalg.norm(c - exact[0]))
    eps = epsilon(outputs)
    return {
        "entries": (largest_ratio(c[rows] - product, bound) / eps, math.sqrt(n)),
        "norm": (largest_ratio(distance, np.linalg.norm(c)) / eps, math.sqrt(n)),
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
    chapter="linear_algebra",
)
