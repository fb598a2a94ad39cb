"""How far may an answer be from the one in memory, by the rounding of its form?

All arrays here are float64. ``n`` rows came in blocks of ``height``, K of them, ``eps`` is that of the
dtype that computed, and C are the rows, centred where the problem is.

A triangle has a backward error E: a QR of d columns leaves each off by (2 sqrt(d) + 4) eps of its
length (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 19.4; Connolly &
Higham, SIAM J. Matrix Anal. Appl. 44, 2023), and the K + 1 of a chain err independently: sqrt(K + 1)
times that. A scatter errs by (sqrt(height) + sqrt(K)) / 2 eps of itself, which its sums of ``height``
and of K terms drift by, as for the kernel ``pca_eigh``. Centring leaves an eps of the rows, and one of
their mean, which is all rows' alike: sqrt(n) |m| eps together.
"""

import math
from dataclasses import dataclass

import numpy as np

WIDE = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Reduced:
    """How the rows were reduced: the form, in blocks of how many of ``n`` rows, in which ``eps``."""

    form: str
    n: int
    height: int
    eps: float

    @property
    def blocks(self) -> int:
        return -(-self.n // self.height)

    @property
    def unit(self) -> float:
        """``eps``, and that of the answer in memory, which is float64's."""
        return self.eps + WIDE

    @property
    def drift(self) -> float:
        """What sums drift by, in eps of themselves."""
        return (math.sqrt(min(self.height, self.n)) + math.sqrt(self.blocks)) / 2

    def chain(self, d: int) -> float:
        """What a chain of triangles of d columns errs by, in eps of the length of each column."""
        return (2 * math.sqrt(d) + 4) * math.sqrt(self.blocks + 1)

    def squares(self, d: int) -> float:
        """What a scatter of d columns and Cholesky's factor of it err by, in eps of the squares: the
        latter by 4 sqrt(d) + 4 (Higham, theorem 10.3, with errors that are independent)."""
        return 2 * self.drift + 4 * math.sqrt(d) + 4


def pca_limits(how: Reduced, s: np.ndarray, mean: np.ndarray, k: int) -> dict[str, float]:
    """Limits of ``subspace``, the sine of the largest angle between two spans of k components, and of
    ``variances``, the largest difference over the largest variance.

    ``s (d,)`` are the singular values of C, ``mean (d,)`` the mean of the rows. By Wedin's theorem the
    sine is at most ||E|| / (s_k - s_k+1) for a triangle, by Davis and Kahan's ||F|| / (s_k^2 -
    s_k+1^2) for a scatter that is off by F (Golub & Van Loan, Matrix Computations, sections 8.6.1 and
    8.1.3). The decompositions of what is d by d add 16 sqrt(d) + t and 8 sqrt(d) + 4 log2(d), as for
    the kernels ``pca`` and ``pca_eigh``.
    """
    d = len(s)
    s = np.append(s, 0.0)
    size, far = float(np.linalg.norm(s)) / s[0], math.sqrt(how.n) * float(np.linalg.norm(mean)) / s[0]
    if how.form == "gram":
        squares = float(np.linalg.norm(s**2)) / s[0] ** 2
        c = 8 * math.sqrt(d) + 4 * math.log2(max(2, d)) + how.drift * squares + 2 * size * (1 + far)
        gap = (s[k - 1] ** 2 - s[k] ** 2) / s[0] ** 2
        return {"subspace": c * how.unit / max(gap, WIDE), "variances": c * how.unit}
    t = max(10.0, min(100.0, (how.eps / 2) ** (-1 / 8)))
    b = 16 * math.sqrt(d) + t + (how.chain(d) + 1) * size + far
    gap = (s[k - 1] - s[k]) / s[0]
    return {"subspace": b * how.unit / max(gap, WIDE), "variances": 2 * b * how.unit}


def coefficients_limit(
    how: Reduced, a: np.ndarray, b: np.ndarray, x: np.ndarray, mean: np.ndarray
) -> float:
    """The limit of ``|w - x| / |x|``, where ``x (d,)`` minimises ``|a x - b|``.

    ``a`` and ``b``, of n rows or of a triangle of theirs, are centred where the problem is, and ``mean
    (d + 1,)`` is what was taken off them, else zeros. To first order w - x is A+ (f - E x) +
    (A'A)^-1 E'r (Higham, theorem 20.1). A column is off by the chain of triangles times its length and
    by the rounding of its mean. The normal equations have F x - A'f in the place of A'(E x - f) for F
    the error of the scatter and of Cholesky's method, and are multiplied by (A'A)^-1: the square of the
    condition number. Where ``x`` is zero the limit is that of ``|w|``.
    """
    d = a.shape[1]
    s = np.linalg.svd(np.linalg.qr(a, mode="r"), compute_uv=False)
    rest, size = float(np.linalg.norm(b - a @ x)), float(np.linalg.norm(a))
    grown = how.chain(d + 1) if how.form == "qr" else 1.0
    lengths = grown * np.linalg.norm(a, axis=0) + math.sqrt(how.n) * np.abs(mean[:-1])
    target = grown * float(np.linalg.norm(b)) + math.sqrt(how.n) * abs(float(mean[-1]))
    moved = math.hypot(target, float(np.linalg.norm(lengths * x))) / s[-1]
    moved += float(np.linalg.norm(lengths)) * rest / s[-1] ** 2
    if how.form == "gram":
        squares = how.squares(d) * size
        moved += squares * (size * float(np.linalg.norm(x)) + float(np.linalg.norm(b))) / s[-1] ** 2
    return float(how.unit * moved / (np.linalg.norm(x) or 1.0))


def least_sine(how: Reduced, lengths: np.ndarray, mean: np.ndarray) -> float:
    """The sine of the angle between a column and the span of others that rounding alone makes of 0.

    ``lengths`` and ``mean``, ``(d + 1,)`` each, are those of the columns of ``(X | y)``, the latter
    zeros where they are not centred. A triangle leaves a column off by its chain, a scatter a square by
    its drift, and centring both by an eps of the mean.
    """
    d = len(lengths) - 1
    known = lengths[:d] > 0
    away = math.sqrt(how.n) * np.abs(mean[:d][known]) / lengths[:d][known]
    far = float(np.max(away, initial=0.0))
    if how.form == "qr":
        return how.eps * (how.chain(d + 1) + far)
    return math.sqrt(how.eps * (how.squares(d) + 2 * far))


def residual_error(how: Reduced, lengths: np.ndarray, mean: np.ndarray, x: np.ndarray) -> float:
    """How far ``|X w - y|`` as computed may be from the smallest, for a ``w`` near ``x (d,)``.

    Columns that move by E move it by at most |E (x, -1)|. The normal equations know its square to their
    eps of (|X| |x| + |y|)^2, and so what is below the root of that is lost. ``lengths`` and ``mean``
    as for ``least_sine``.
    """
    d, weights = len(x), np.append(x, -1.0)
    centring = math.sqrt(how.n) * np.abs(mean)
    if how.form == "qr":
        return how.unit * float(np.linalg.norm((how.chain(d + 1) * lengths + centring) * weights))
    size = float(np.linalg.norm(lengths[:d]) * np.linalg.norm(x) + lengths[d])
    lost = math.sqrt(how.unit * how.squares(d)) * size
    return lost + how.unit * float(np.linalg.norm(centring * weights))


def residual_limit(gram_times: np.ndarray, vectors: np.ndarray, next_square: float) -> float:
    """How far the span of any orthonormal ``vectors (d, k)`` can be from that of the k largest
    components.

    ``gram_times (d, k)`` is S V for V = ``vectors``, and ``next_square`` is the eigenvalue k + 1 of S.
    With theta the smallest eigenvalue of V'S V, the sine of the largest angle is at most

        ||S V - V (V'S V)|| / (theta - l_k+1)

    by Davis and Kahan's theorem for residuals (Parlett, The Symmetric Eigenvalue Problem, section
    11.7). No bound, infinity, where the two are not apart.
    """
    inner = vectors.T @ gram_times
    apart = float(np.linalg.eigvalsh((inner + inner.T) / 2)[0]) - next_square
    if apart <= 0:
        return math.inf
    return float(np.linalg.norm(gram_times - vectors @ inner, 2)) / apart


def sine(found: np.ndarray, other: np.ndarray) -> float:
    """Of the largest angle between the spans of two sets of orthonormal rows, ``(k, d)`` each."""
    return float(np.linalg.norm(found - (found @ other.T) @ other, 2))
