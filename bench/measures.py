"""What a kernel's measure of errors is written with: eps, ratios, norms, and measures kernels share."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xpbench.bench import floating
from xpbench.bench.kernel import Errors

POWER_STEPS = 10
ACCUMULATOR_EPS = 2.0**-23
"""Of float32, in which libraries sum what has two bytes."""


class Disagreement(Exception):
    """Raised by an ``errors`` function whose outputs are wrong before any distance can be taken.

    The message says what was seen and what was expected; the case is then ``wrong``.
    """


def widened(outputs: Sequence[np.ndarray], *shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """The outputs in float64 (integers and booleans as they are), once they have these shapes.

    Raises
    ------
    Disagreement
        If their number or a shape is another. Where there is an oracle this was checked before;
        beyond its size the measure itself has to say what it expects.
    """
    for fault in misshapen([np.shape(output) for output in outputs], shapes):
        raise Disagreement(fault)
    return tuple(cast_up(output) for output in outputs)


def epsilon(outputs: Sequence[np.ndarray]) -> float:
    """The distance from 1 to the next number in the dtype of the first floating output.

    Raises
    ------
    ValueError
        If no output is floating.
    """
    for output in outputs:
        if floating.kind(output.dtype) in "fc":
            return floating.eps(output.dtype)
    raise ValueError("eps is defined for floating outputs, and there is none")


def largest_ratio(error: Any, scale: Any) -> float:
    """The largest ``|error| / scale`` over all entries; no error over no scale is 0."""
    error, scale = np.broadcast_arrays(np.abs(error), scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / scale)
    return float(np.max(ratios, initial=0.0))


def summation_error(error: Any, bound: Any, exact: Any, eps: float, limit: float) -> tuple[float, float]:
    """The pair of a sum of products: its largest error over its bound, in ``eps``, and the limit.

    In float32 and float64 these are ``|error| / bound`` and ``limit``. Numbers of two bytes are not
    summed in two bytes, unless a library is told that it may: a product of two of them is exact in
    float32, where it is added to the others, and what they come to is rounded once, to the output
    (Blanchard, Higham, Lopez, Mary & Pranesh, "Mixed precision block fused multiply-add", SIAM J. Sci.
    Comput. 42, 2020, section 2). So the error is at most

        eps / 2 |exact| + limit eps32 bound,

    the first exactly, and the second by whatever ``bound`` and ``limit`` were derived from, with the eps
    of float32. There the pair is ``|error| / (|exact| + 2 limit bound eps32 / eps)``, and 1/2. The first
    is nearly all of it, and is reached: of many entries one errs by as much.
    """
    if eps <= ACCUMULATOR_EPS:
        return largest_ratio(error, bound) / eps, limit
    whole = np.abs(exact) + 2 * limit * bound * (ACCUMULATOR_EPS / eps)
    return largest_ratio(error, whole) / eps, 0.5


def accumulation(eps: float) -> float:
    """The eps that sums of numbers of this ``eps`` are taken with, over it: 1 in float32 and float64.

    See ``summation_error`` for the others.
    """
    return min(1.0, ACCUMULATOR_EPS / eps)


def entry_errors(
    names: Sequence[str],
    found: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    bounds: Sequence[Any],
    eps: float,
    *,
    limit: float = 1.0,
    oracle: bool = False,
) -> Errors:
    """One pair an output, of this name: its largest ``|found - exact| / bound``, in ``eps``.

    A bound, in eps, has the shape of its output or broadcasts to it. ``limit`` is that of every pair.
    With ``oracle``, roundings are counted of the oracle as well, in eps of float64.
    """
    wider = 1 + np.finfo(np.float64).eps / eps if oracle else 1.0
    return {
        name: (largest_ratio(one - other, wider * bound) / eps, limit)
        for name, one, other, bound in zip(names, found, exact, bounds, strict=True)
    }


def mean_bound(n: Any, mu: np.ndarray, q: np.ndarray) -> np.ndarray:
    """What rounding may add up to in a mean of ``n`` terms of mean ``mu`` and mean square ``q``, in eps.

    Taken one by one, terms have partial sums i of mean i mu and of a variance of i q at most. A rounding
    is 0.3 eps of its result in the root mean square, and roundings are independent (Higham & Mary, SIAM
    J. Sci. Comput. 41, 2019): n of them leave 0.3 eps times sqrt(n mu^2 / 3 + q / 2) in the mean. Four
    times that, and one eps of mu for single roundings.
    """
    bound: np.ndarray = 1.2 * np.sqrt(n * mu**2 / 3 + q / 2) + np.abs(mu)
    return bound


def squares_lost(n: int, eps: float) -> float:
    """What a sum of ``n`` squares loses of itself, in ``eps``, because small ones are rounded to 0.

    Rounding to multiples of h takes from squares what the midpoint rule takes from their distribution,
    which starts as a root: 2 f (1 - 2^-1/2) |zeta(-1/2)| h^3/2 / s of each, as small ones go to 0 more
    often than up, where f is the density of the numbers that are squared, over their deviation s, at 0
    (Navot, J. Math. Phys. 40, 1961). With f <= 1/2, and h <= eps i s^2 at partial sum i, the sum loses

        2/5 (1 - 2^-1/2) |zeta(-1/2)| eps^1/2 n^3/2 eps,

    of which the constant is below 0.025: nothing in float64, and most of all errors in float32 sums of
    100,000 terms one by one, as NumPy's are along the first axis.
    """
    return 0.025 * n * math.sqrt(eps * n)


def evenly_spaced(n: int, count: int) -> np.ndarray:
    """Indices of ``count`` of ``n`` entries, from the first to the last at even distances, or of all."""
    return np.unique(np.linspace(0, n - 1, count, dtype=int))


def orthogonality(q: np.ndarray) -> float:
    """The largest entry of ``|q' q - 1|``: how far the columns of ``q`` (m, n) are from orthonormal."""
    return float(np.max(np.abs(q.T @ q - np.eye(q.shape[1])), initial=0.0))


def spectral_norm(a: np.ndarray) -> float:
    """The largest singular value, from below: by the power method, to some percent."""
    v = np.random.default_rng(a.shape[1]).standard_normal(a.shape[1:])
    for _ in range(POWER_STEPS):
        v = a.T @ (a @ v)
        v = v / (np.linalg.norm(v) or 1.0)
    return float(np.linalg.norm(a @ v))


def least_squares_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray, b: np.ndarray
) -> Errors:
    """How far ``x`` is from solving the normal equations, and from the minimiser of ``|a x - b|``.

    ``x (n,)``, ``a (m, n)`` of full column rank, ``b (m,)``. Householder's method solves a problem whose
    A and b are off by E and f, each column by a few roundings of its norm (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., theorem 20.3), by some sqrt(n) u where errors are
    independent (Connolly & Higham, SIAM J. Matrix Anal. Appl. 44, 2023). Both limits are
    (2 sqrt(n) + 4) eps, 4 for the operations on single entries, which decide where n is small.
    Directions are random within the n that A spans, so that a Frobenius norm over sqrt(n) says by how
    much a vector is enlarged. With r = b - A x and |D x|^2 = sum_j |a_j|^2 x_j^2:

    ``normal`` is ``|A'r|``, which is A'(E x - f) - E'r, over ``||A|| ((|b|^2 + |D x|^2)^1/2 + |r|)``
    over sqrt(n).

    ``forward`` is ``|x - x64|``, to first order A+ (f - E x) + (A'A)^-1 E'r (Higham, theorem 20.1), over
    ``||A+|| (|b|^2 + |D x|^2)^1/2 + ||(A'A)^-1 D|| |r|`` over sqrt(n). The normal equations, solved by
    Cholesky, err by the condition number times more. Without the oracle the difference is the correction
    that x would get, (A'A)^-1 A'r in float64 (Bjoerck, Numerical Methods for Least Squares Problems,
    section 2.9.3).
    """
    n = a.shape[1]
    (x,) = widened(outputs, (n,))
    eps, limit = epsilon(outputs), 2 * math.sqrt(n) + 4
    inverse, lengths = np.linalg.inv(np.linalg.qr(a, mode="r")), np.linalg.norm(a, axis=0)
    r = b - a @ x
    size, rest = math.hypot(np.linalg.norm(b), np.linalg.norm(lengths * x)), np.linalg.norm(r)
    normal = np.linalg.norm(lengths) * (size + rest)
    moved = np.linalg.norm(inverse) * size + np.linalg.norm(inverse @ (inverse.T * lengths)) * rest
    distance = inverse @ (inverse.T @ (r @ a)) if exact is None else x - exact[0]
    return {
        "normal": (largest_ratio(np.linalg.norm(a.T @ r), normal / math.sqrt(n)) / eps, limit),
        "forward": (largest_ratio(np.linalg.norm(distance), moved / math.sqrt(n)) / eps, limit),
    }


def misshapen(seen: Sequence[tuple[int, ...]], expected: Sequence[tuple[int, ...]]) -> Iterator[str]:
    if len(seen) != len(expected):
        yield f"the number of outputs is {len(seen)}, expected {len(expected)}"
        return
    for name, shape, wanted in zip(names(seen), seen, expected, strict=True):
        if shape != tuple(wanted):
            yield f"{name} has shape {shape}, expected {tuple(wanted)}"


def cast_up(array: np.ndarray) -> np.ndarray:
    wide = {"f": np.float64, "c": np.complex128}.get(floating.kind(array.dtype))
    return array if wide is None else array.astype(wide)


def names(outputs: Sequence[Any]) -> list[str]:
    if len(outputs) == 1:
        return ["output"]
    return [f"output {index} of {len(outputs)}" for index in range(1, len(outputs) + 1)]
