"""What a kernel's measure of errors is written with: eps, ratios, norms, and measures kernels share."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xpbench.bench.kernel import Errors

POWER_STEPS = 10


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
        if output.dtype.kind in "fc":
            return float(np.finfo(output.dtype).eps)
    raise ValueError("eps is defined for floating outputs, and there is none")


def largest_ratio(error: Any, scale: Any) -> float:
    """The largest ``|error| / scale`` over all entries; no error over no scale is 0."""
    error, scale = np.broadcast_arrays(np.abs(error), scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / scale)
    return float(np.max(ratios, initial=0.0))


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
    """The normal equations, and where there is an oracle the forward error over its condition.

    With r = b - A x, ``normal`` is ``|A'r| / (||A|| (||A|| |x| + |r|))``. Householder's method solves a
    problem whose A and b are off by a few roundings (Higham, Accuracy and Stability of Numerical
    Algorithms, 2nd ed., theorem 20.3), by some sqrt(n) u for errors that are independent (Connolly &
    Higham, SIAM J. Matrix Anal. Appl. 44, 2023): then A'r is A'(E x - f) - E'r. The limit is
    (2 sqrt(n) + 4) eps, 4 for the operations on single entries, which decide where n is small.

    ``forward`` is ``|x - x64| / (k |x64| + k^2 |r| / ||A||)`` with the condition number k of A, which is
    how far such errors move x (Higham, theorem 20.1). The same limit.
    """
    n = a.shape[1]
    (x,) = widened(outputs, (n,))
    eps, limit = epsilon(outputs), 2 * math.sqrt(n) + 4
    r = b - a @ x
    size = spectral_norm(a)
    scale = size * (size * np.linalg.norm(x) + np.linalg.norm(r))
    pairs = {"normal": (largest_ratio(np.linalg.norm(a.T @ r), scale) / eps, limit)}
    if exact is not None:
        values = np.linalg.svd(np.linalg.qr(a, mode="r"), compute_uv=False)
        k = values[0] / values[-1]
        scale = k * np.linalg.norm(exact[0]) + k**2 * np.linalg.norm(b - a @ exact[0]) / values[0]
        pairs["forward"] = (largest_ratio(np.linalg.norm(x - exact[0]), scale) / eps, limit)
    return pairs


def misshapen(seen: Sequence[tuple[int, ...]], expected: Sequence[tuple[int, ...]]) -> Iterator[str]:
    if len(seen) != len(expected):
        yield f"the number of outputs is {len(seen)}, expected {len(expected)}"
        return
    for name, shape, wanted in zip(names(seen), seen, expected, strict=True):
        if shape != tuple(wanted):
            yield f"{name} has shape {shape}, expected {tuple(wanted)}"


def cast_up(array: np.ndarray) -> np.ndarray:
    wide = {"f": np.float64, "c": np.complex128}.get(array.dtype.kind)
    return array if wide is None else array.astype(wide)


def names(outputs: Sequence[Any]) -> list[str]:
    if len(outputs) == 1:
        return ["output"]
    return [f"output {index} of {len(outputs)}" for index in range(1, len(outputs) + 1)]
