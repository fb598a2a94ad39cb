"""How fast, and how exactly, is a matrix inverted that has more rows than columns?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, spectral_norm, widened
from xpbench.bench.kernel import Array, Errors

PROBES = 8


def pinv(xp: Array, a: Array) -> Array:
    """The Moore-Penrose pseudoinverse, through the singular value decomposition.

        A = U diag(s) V',    X = V diag(r) U',    r_i = 1 / s_i, or 0 where s_i <= max(m, n) eps s_1

    with eps the distance from 1 to the next number of the dtype.

    a (m, n) -> x (n, m) for m >= n; 8 m n^2 + 20 n^3 flops for m well above n.
    Penrose, Mathematical Proceedings of the Cambridge Philosophical Society 51, 1955; Golub & Van Loan,
    Matrix Computations, 4th ed., section 5.5.
    """
    return xp.linalg.pinv(a, rtol=max(a.shape) * xp.finfo(a.dtype).eps)


def inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """Independent standard normal entries: for m = 4 n singular values from sqrt(n) to 3 sqrt(n)."""
    return (rng.standard_normal((m, n)),)


def reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """By two QR decompositions, the first with pivoting: A = F G' and A+ = G (G'G)^-1 F' for F'F = 1.

    F and G have as many columns as A has rank. MacDuffee's theorem (Ben-Israel & Greville, Generalized
    Inverses, 2nd ed., chapter 1) for a complete orthogonal decomposition (Golub & Van Loan, Matrix
    Computations, 4th ed., section 5.4).
    """
    import scipy.linalg

    f, r, order = scipy.linalg.qr(a, mode="economic", pivoting=True)
    pivots = np.abs(np.diagonal(r))
    rank = int(np.count_nonzero(pivots > max(a.shape) * np.finfo(np.float64).eps * pivots[0]))
    g = np.zeros((a.shape[1], rank))
    g[order] = r[:rank].T
    q, triangle = scipy.linalg.qr(g, mode="economic")
    return (q @ scipy.linalg.solve_triangular(triangle, f[:, :rank].T, trans="T"),)


def errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray) -> Errors:
    """The conditions of Penrose, which one matrix alone fulfils, and the distance from the oracle's.

    In Frobenius norms, with k the product of the spectral norms of A and X, the condition number:

    ``AXA`` is ``||A X A - A|| / (k ||A||)`` and ``XAX`` is ``||X A X - X|| / (k ||X||)``;
    ``AX`` is ``||A X - (A X)'|| / (k sqrt(n))`` and ``XA`` is ``||X A - (X A)'|| / (k sqrt(n))``;
    ``forward``, where there is an oracle, is ``||X - X64|| / (k ||X64||)``.

    X is the pseudoinverse of A + E, up to rounding F in its product, with ||E|| = b ||A|| and ||F|| of
    the order of eps ||X||. Put in, to first order, the four are P E + A F A, X E X + F P, and the skew
    parts of A F - E X and F A - X E with a projector P, and ``forward`` is Wedin's theorem (Bjorck,
    Numerical Methods for Least Squares Problems, section 1.4.2): at most a few b each. The products
    are compared on 8 vectors of random signs, which give the norms in the mean square (Freivalds).

    The limit is (4 sqrt(n) + t / 2) eps: about 4 n reflections and rotations of a few u each add up like
    a random walk (as for ``svd``, here in the mean over columns, where its constant is for the worst),
    and the iteration (dbdsqr) ends at off-diagonal entries below t u, t = 10 or more, u = eps / 2.
    """
    m, n = a.shape
    (x,) = widened(outputs, (n, m))
    eps = epsilon(outputs)
    limit = 4 * math.sqrt(n) + max(10.0, min(100.0, (eps / 2) ** (-1 / 8))) / 2
    small = x if exact is None else exact[0]
    size, inverse = np.linalg.norm(a), np.linalg.norm(small)
    k = spectral_norm(a) * spectral_norm(small)
    rng = np.random.default_rng(n)
    p, q = rng.choice([-1.0, 1.0], (n, PROBES)), rng.choice([-1.0, 1.0], (m, PROBES))
    ap, xq = a @ p, x @ q
    xap, axq = x @ ap, a @ xq
    root = math.sqrt(PROBES)
    distances = {
        "AXA": (np.linalg.norm(a @ xap - ap) / root, k * size),
        "XAX": (np.linalg.norm(x @ axq - xq) / root, k * inverse),
        "AX": (np.linalg.norm(axq - x.T @ (a.T @ q)) / root, k * math.sqrt(n)),
        "XA": (np.linalg.norm(xap - a.T @ (x.T @ p)) / root, k * math.sqrt(n)),
    }
    if exact is not None:
        distances["forward"] = (np.linalg.norm(x - small), k * inverse)
    return {name: (largest_ratio(*pair) / eps, limit) for name, pair in distances.items()}


Kernel(
    compute=pinv,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda m, n: 8 * m * n**2 + 20 * n**3,
    traffic=lambda itemsize, m, n: 2 * itemsize * m * n,
    sizes={
        "small": {"m": 32, "n": 8},
        "medium": {"m": 256, "n": 64},
        "large": {"m": 2048, "n": 512},
        "huge": {"m": 16384, "n": 2048},
    },
    oracle_flops=1e10,
    chapter="linear_algebra",
)
