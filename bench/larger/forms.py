"""How is a matrix of any number of rows reduced, a block of rows at a time, to one of d by d?

Both forms keep the number of rows, their mean and a matrix of the centred rows C = X - 1 m', written
once against a backend's ``xp``: the scatter S = C'C, or the triangle R with R'R = C'C. Of rows that
are not centred the mean is left at zero. A least squares problem has its target as the last column of
X.

Two sets of n_a and n_b rows, with means m_a and m_b, have together

    m = m_a + n_b / n (m_b - m_a),    S = S_a + S_b + n_a n_b / n (m_b - m_a)(m_b - m_a)',

whatever their sizes: Chan, Golub & LeVeque, "Algorithms for computing the sample variance", The
American Statistician 37 (1983), equation 2.1. The mean of the rows never enters a product of theirs,
and so a large one costs no digits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any
Namespace = Any


def block_mean(xp: Namespace, x: Array) -> Array:
    """The mean of the rows of ``x (n, d) -> (d,)``, good to a rounding of its own.

    The error of a sum of n terms is taken off once more, as the mean of what is left (Chan, Golub &
    LeVeque, equation 1.7, of which it is the first part).
    """
    mean = xp.mean(x, axis=0)
    return mean + xp.mean(x - mean, axis=0)


def with_gram(
    xp: Namespace, mean: Array, scatter: Array, x: Array, share: Array, *, centred: bool
) -> tuple[Array, Array]:
    """Mean and scatter with the rows of a block added, by the formula above.

    ``mean (d,), scatter (d, d), x (n_b, d)``; ``share``, without axes, is n_b / (n_a + n_b): 1 for the
    first block, whose ``mean`` and ``scatter`` are zeros. 2 n_b d^2 flops.
    """
    if not centred:
        return mean, scatter + xp.gram(x)
    own = block_mean(xp, x)
    step = own - mean
    between = x.shape[0] * (1 - share) * step
    scatter = scatter + xp.gram(x - own)
    return mean + share * step, scatter + between[:, None] * step[None, :]


def with_triangle(
    xp: Namespace, mean: Array, triangle: Array, x: Array, share: Array, *, centred: bool
) -> tuple[Array, Array]:
    """Mean and triangle with the rows of a block added; shapes and ``share`` as in ``with_gram``.

    The triangle of the block and the one so far, one upon the other, are reduced by QR again: Demmel,
    Grigori, Hoemmen & Langou, "Communication-optimal parallel and sequential QR and LU factorizations",
    SIAM J. Sci. Comput. 34 (2012), section 3, with a flat tree. What the formula above adds to S is one
    row more, (n_a n_b / n)^1/2 (m_b - m_a)'. Nothing is squared. 2 n_b d^2 + 10 d^3 / 3 flops.
    """
    if not centred:
        return mean, xp.triangular_factor(xp.concat([triangle, xp.triangular_factor(x)], axis=0))
    own = block_mean(xp, x)
    step = own - mean
    between = xp.sqrt(x.shape[0] * (1 - share)) * step
    rows = [triangle, xp.triangular_factor(x - own), between[None, :]]
    return mean + share * step, xp.triangular_factor(xp.concat(rows, axis=0))


def components_of_gram(xp: Namespace, scatter: Array) -> tuple[Array, Array]:
    """All principal directions, a row each, and the sums of squares along them, largest first.

    ``scatter (d, d) -> (d, d), (d,)``, by its eigenvalues: what is small of a singular value is lost
    below eps^1/2 of the largest.
    """
    squares, vectors = xp.linalg.eigh(scatter)
    squares = xp.flip(squares)
    return xp.flip(vectors, axis=1).T, xp.where(squares > 0, squares, xp.zeros_like(squares))


def components_of_triangle(xp: Namespace, triangle: Array) -> tuple[Array, Array]:
    """As ``components_of_gram``, by the singular values of the triangle: good down to eps of the
    largest."""
    _, s, vh = xp.linalg.svd(triangle, full_matrices=False)
    return vh, s * s


def coefficients_of_gram(xp: Namespace, scatter: Array) -> tuple[Array, Array, Array, Array]:
    """The ``w`` that minimises ``|X w - y|``, that minimum, and how far it is to be trusted, from the
    scatter of ``(X | y)``: the smallest sine of the angle between a column of X and the span of those
    before it, and the lengths of all columns.

    ``scatter (d + 1, d + 1) -> (d,), (), (), (d + 1,)``, by Cholesky's factor of X'X, whose condition
    number is the square of that of X (Bjoerck, Numerical Methods for Least Squares Problems, section
    2.2).
    """
    d = scatter.shape[0] - 1
    lower = xp.linalg.cholesky(scatter[:d, :d])
    z = xp.solve_triangular(lower, scatter[:d, d], lower=True)
    rest = scatter[d, d] - xp.sum(z * z)
    w = xp.solve_triangular(lower.T, z, lower=False)
    lengths = xp.sqrt(xp.linalg.diagonal(scatter))
    residual = xp.sqrt(xp.where(rest > 0, rest, xp.zeros_like(rest)))
    return w, residual, _least_sine(xp, xp.linalg.diagonal(lower), lengths[:d]), lengths


def coefficients_of_triangle(xp: Namespace, triangle: Array) -> tuple[Array, Array, Array, Array]:
    """As ``coefficients_of_gram``, from the triangle of ``(X | y)``: its last column holds Q'y, and its
    last entry what is left of ``y`` (Bjoerck, section 2.4.3). Backward stable."""
    d = triangle.shape[0] - 1
    w = xp.solve_triangular(triangle[:d, :d], triangle[:d, d], lower=False)
    lengths = xp.sqrt(xp.sum(triangle * triangle, axis=0))
    pivots = xp.abs(xp.linalg.diagonal(triangle))
    return w, pivots[d], _least_sine(xp, pivots[:d], lengths[:d]), lengths


def _least_sine(xp: Namespace, pivots: Array, lengths: Array) -> Array:
    """What a factorization leaves of each column, as a share of its length; of a column of zeros 0."""
    return xp.min(pivots / xp.where(lengths > 0, lengths, xp.ones_like(lengths)))


@dataclass(frozen=True)
class Form:
    """A way to reduce blocks, and what it needs.

    ``copies`` is the number of arrays as large as a block that stand beside each other at most: the
    block on the host, the library's, and its own of centring and factorizing. ``squares`` is that of
    arrays of d by d while blocks are added, ``final`` that of arrays while the answer is made of the
    last one.
    """

    name: str
    add: Callable[..., tuple[Array, Array]]
    components: Callable[..., tuple[Array, Array]]
    coefficients: Callable[..., tuple[Array, Array, Array, Array]]
    copies: int
    squares: int
    final: int


FORMS = {
    form.name: form
    for form in (
        Form("gram", with_gram, components_of_gram, coefficients_of_gram, 4, 5, 6),
        Form("qr", with_triangle, components_of_triangle, coefficients_of_triangle, 5, 10, 10),
    )
}
