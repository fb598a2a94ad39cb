"""How fast, and how exactly, are vectors added, multiplied and compared?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, evenly_spaced, largest_ratio, summation_error, widened
from xpbench.bench.kernel import Array, Errors

TOPICS = 8
ALL_ROWS = 2048
SAMPLED_ROWS = 16
PROBES = 4
BLOCK = 2**14
"""Entries that an oracle works on at a time, so that what it needs besides stays in the cache."""


def axpy(xp: Array, alpha: Array, x: Array, y: Array) -> Array:
    """A multiple of one vector added to another.

        z = alpha x + y

    alpha (), x (n,), y (n,) -> z (n,); 2 n flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 1.1.5; BLAS's axpy.
    """
    return xp.multiply_add(alpha, x, y)


def axpy_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    return np.asarray(rng.uniform(1.0, 2.0)), rng.standard_normal(n), rng.standard_normal(n)


def two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded product and its rounding error: their sum is ``a b``.

    Veltkamp's splitting into halves of 26 bits, and Dekker's product of these (Ogita, Rump & Oishi,
    SIAM J. Sci. Comput. 26, 2005, section 2).
    """

    def halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaled = (2.0**27 + 1) * x
        high = scaled - (scaled - x)
        return high, x - high

    product = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum and its rounding error, by Knuth's six additions: their sum is ``a + b``."""
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


def axpy_reference(alpha: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """With the errors of both roundings added again at the end, so that there is only one."""
    z = np.empty_like(x)
    for first in range(0, x.size, BLOCK):
        block = slice(first, first + BLOCK)
        product, of_product = two_product(alpha, x[block])
        total, of_sum = two_sum(product, y[block])
        z[block] = total + (of_sum + of_product)
    return (z,)


def axpy_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    alpha: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
) -> Errors:
    """Every entry against its own bound: the largest ``|z - z64| / (|alpha x| + |y|)``.

    Limit gamma_3 = 1.5 eps: a product and a sum are two roundings (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., lemma 3.1), and the third is the oracle's own, in float64.
    """
    (z,) = widened(outputs, x.shape)
    bound = np.abs(alpha * x) + np.abs(y)
    return {"entries": (largest_ratio(z - exact[0], bound) / epsilon(outputs), 1.5)}


Kernel(
    compute=axpy,
    inputs=axpy_inputs,
    reference=axpy_reference,
    errors=axpy_errors,
    flops=lambda n: 2 * n,
    traffic=lambda itemsize, n: itemsize * (3 * n + 1),
    sizes={
        "small": {"n": 2**12},
        "medium": {"n": 2**20},
        "large": {"n": 2**24},
        "huge": {"n": 2**26},
    },
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="linear_algebra",
)


def dot(xp: Array, x: Array, y: Array) -> Array:
    """The inner product of two vectors.

        x'y = sum_i x_i y_i

    x (n,), y (n,) -> (); 2 n flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 1.1.4; BLAS's dot.
    """
    return x @ y


def dot_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Two vectors of independent standard normal entries: mean zero, as the limit below asks."""
    return rng.standard_normal(n), rng.standard_normal(n)


def dot_reference(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """By halves (NumPy's sum), whose error grows with the logarithm of n; no BLAS is called."""
    return (np.asarray(np.sum(x * y)),)


def dot_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray
) -> Errors:
    """The error over the lengths, ``|s - s64| / (|x| |y|)``.

    A rounding is 0.3 eps of its partial sum at most, in the root mean square, so that the sum of one
    term after the other errs by 0.3 sqrt(W) eps, with W the sum of the squares of its partial sums, over
    ``|x|^2 |y|^2``. Products of mean zero walk, and W is 1/2 in the mean at any n (Higham & Mary, SIAM
    J. Sci. Comput. 42, 2020), but a walk may be narrow or wide: W is taken from the inputs. Sums in
    lanes or by halves are of shorter walks, of less than 1/2 together. Limit four times the root mean
    square of either: 1.2 sqrt(W + 1/2) eps. Terms are 1 / sqrt(n) of the whole, so that in float32 a
    single one, or inputs rounded to TF32, are no more than such a sum may err by from n = 10^6 on.
    In half precision this holds of a sum in float32, rounded once at the end: see ``summation_error``.
    """
    (s,) = widened(outputs, ())
    lengths = float(np.linalg.norm(x) * np.linalg.norm(y))
    walk = np.cumsum(x * y)
    eps, limit = epsilon(outputs), 1.2 * math.sqrt(float(np.linalg.norm(walk) / lengths) ** 2 + 0.5)
    return {"value": summation_error(s - exact[0], lengths, exact[0], eps, limit)}


Kernel(
    compute=dot,
    inputs=dot_inputs,
    reference=dot_reference,
    errors=dot_errors,
    flops=lambda n: 2 * n,
    traffic=lambda itemsize, n: itemsize * (2 * n + 1),
    sizes={"small": {"n": 2**12}, "medium": {"n": 2**22}, "large": {"n": 2**25}, "huge": {"n": 2**27}},
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="linear_algebra",
)


def cosine_similarity(xp: Array, x: Array) -> Array:
    """The cosine of the angle between every two rows of a matrix.

        c_ij = x_i'x_j / (|x_i| |x_j|)

    x (n, d) -> c (n, n), where row i of x is x_i; every row is divided by its length first, then
    C = X X': 2 n^2 d + 3 n d flops.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 3.4.
    """
    x = x / xp.linalg.vector_norm(x, axis=1, keepdims=True)
    return x @ x.T


def cosine_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Rows around one of eight topics, of lengths that differ by far.

    The cosine of two rows is about 1/2 where they share the topic, and else of mean zero.
    """
    rows = rng.standard_normal((TOPICS, d))[rng.integers(TOPICS, size=n)] + rng.standard_normal((n, d))
    return (rows * np.exp(rng.standard_normal((n, 1))),)


def cosine_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """From the angles' definition: products of rows as they are, in sums that call no BLAS."""
    return (cosines(x, x),)


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x (m, d), y (n, d) -> (m, n)``."""
    lengths = np.sqrt(np.einsum("ik,ik->i", x, x))[:, np.newaxis] * np.sqrt(np.einsum("jk,jk->j", y, y))
    ratio: np.ndarray = np.einsum("ik,jk->ij", x, y) / lengths
    return ratio


def cosine_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray
) -> Errors:
    """Every cosine against its own scale, and all of them against the norm of the scales.

    Roundings are independent, of 0.3 eps each in the root mean square. Partial sum k of a cosine c is a
    walk with a drift, of mean square k / d^2 + (k c / d)^2, and the d of them sum to 1/2 + d c^2 / 3.
    The lengths, sums of terms of one sign, add as much again as the drift; with the operations on
    single entries this is below 0.7 (1 + d c^2). So an entry errs by 0.25 sqrt(1 + d c^2) eps in the
    root mean square (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), and the oracle, in float64, too.

    ``entries`` is the largest ``|c - c64| / sqrt(1 + d c64^2)``. Limit six times both together,
    1.5 sqrt(2) eps. Past n = 2048 it reads 16 rows.
    ``norm`` is ``||C - C64||`` over the root of the sum of all ``1 + d c^2``. Limit three times both
    together, 0.75 sqrt(2) eps. Without the oracle the norm is estimated from products with random
    vectors of signs, whose mean square it is (Freivalds).
    """
    n, d = x.shape
    (c,) = widened(outputs, (n, n))
    eps = epsilon(outputs)
    rows = np.arange(n) if n <= ALL_ROWS else evenly_spaced(n, SAMPLED_ROWS)
    right = cosines(x[rows], x) if exact is None else exact[0][rows]
    if exact is None:
        probes = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        distance = np.linalg.norm(c @ probes - unit @ (unit.T @ probes)) / math.sqrt(PROBES)
    else:
        distance = np.linalg.norm(c - exact[0])
    scale = math.hypot(n, math.sqrt(d) * float(np.linalg.norm(c)))
    return {
        "entries": (largest_ratio(c[rows] - right, np.sqrt(1 + d * right**2)) / eps, 1.5 * math.sqrt(2)),
        "norm": (largest_ratio(distance, scale) / eps, 0.75 * math.sqrt(2)),
    }


Kernel(
    compute=cosine_similarity,
    inputs=cosine_inputs,
    reference=cosine_reference,
    errors=cosine_errors,
    flops=lambda n, d: 2 * n**2 * d + 3 * n * d,
    traffic=lambda itemsize, n, d: itemsize * (n * d + n**2),
    sizes={
        "small": {"n": 32, "d": 64},
        "medium": {"n": 512, "d": 256},
        "large": {"n": 2048, "d": 1024},
        "huge": {"n": 8192, "d": 1024},
    },
    oracle_flops=1e10,
    chapter="linear_algebra",
)


def cross(xp: Array, a: Array, b: Array) -> Array:
    """The cross products of many pairs of vectors in three dimensions.

        c = a × b = (a_2 b_3 - a_3 b_2,  a_3 b_1 - a_1 b_3,  a_1 b_2 - a_2 b_1),    row by row

    a (n, 3), b (n, 3) -> c (n, 3); 9 n flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 1.3.8.
    """
    return xp.linalg.cross(a, b, axis=-1)


def cross_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    return rng.standard_normal((n, 3)), rng.standard_normal((n, 3))


def cross_reference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """With the errors of all roundings but the last added again at the end."""
    c = np.empty_like(a)
    for first in range(0, len(a), BLOCK):
        block = slice(first, first + BLOCK)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            plus, of_plus = two_product(a[block, j], b[block, k])
            minus, of_minus = two_product(a[block, k], b[block, j])
            difference, of_difference = two_sum(plus, -minus)
            c[block, i] = difference + (of_difference + (of_plus - of_minus))
    return (c,)


def cross_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], a: np.ndarray, b: np.ndarray
) -> Errors:
    """Every component against its own bound: ``|c_1 - c64_1| / (|a_2 b_3| + |a_3 b_2|)`` and so on.

    Limit gamma_3 = 1.5 eps: a product and a difference are two roundings (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., lemma 3.1), and the third is the oracle's, in float64.
    """
    (c,) = widened(outputs, a.shape)
    a, b = np.abs(a), np.abs(b)
    left, right = [1, 2, 0], [2, 0, 1]
    bound = a[:, left] * b[:, right] + a[:, right] * b[:, left]
    return {"components": (largest_ratio(c - exact[0], bound) / epsilon(outputs), 1.5)}


Kernel(
    compute=cross,
    inputs=cross_inputs,
    reference=cross_reference,
    errors=cross_errors,
    flops=lambda n: 9 * n,
    traffic=lambda itemsize, n: itemsize * 9 * n,
    sizes={"small": {"n": 2**10}, "medium": {"n": 2**18}, "large": {"n": 2**22}, "huge": {"n": 2**24}},
    chapter="linear_algebra",
)
