"""Are a backend's outputs near enough to the oracle's, in the kernel's own measure?"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xpbench.bench import floating
from xpbench.bench.kernel import Errors, Kernel
from xpbench.bench.measures import Disagreement, cast_up, largest_ratio, misshapen, names
from xpbench.bench.precisions import TF32_TIMES


class ErrorsFailed(Exception):
    """A kernel's ``errors`` function raised, or returned something that is not named pairs.

    The outputs were not judged, which is a fault of the kernel's file and not of the backend.
    """


def measure_of(kernel: Kernel) -> str:
    """How the errors of ``kernel`` are taken, and where their limits come from, in words."""
    return inspect.getdoc(kernel.errors or forward_errors) or ""


@dataclass(frozen=True)
class Agreement:
    """What a judgement found: named pairs ``(value, limit)``, and why they do not agree if they do not.

    ``errors`` is empty where the outputs had the wrong number, shape, dtype or were not finite, and
    no distance was taken. ``reason`` is empty where the outputs agree.
    """

    errors: Errors
    agrees: bool
    reason: str = ""

    @property
    def worst(self) -> str:
        """The name of the pair nearest its limit, or furthest over it; empty without pairs."""
        return worst_of(self.errors)


def judge(
    kernel: Kernel,
    outputs: Sequence[np.ndarray],
    reference: Sequence[np.ndarray] | None,
    inputs: Sequence[np.ndarray],
    static: Mapping[str, int],
    dtype: str,
    precision: str = "ieee",
) -> Agreement:
    """Judges what a backend returned against the oracle.

    In ``tf32`` and ``native`` the limits of float32 cases are those of TF32, ``TF32_TIMES`` as wide:
    errors are still counted in the eps of float32. In ``ieee`` the reason says so where errors are
    beyond float32's limits and within those of TF32.

    Parameters
    ----------
    outputs
        Host arrays as fetched: floating ones must have ``dtype``, the others the kind of the oracle's.
    reference
        The oracle's outputs, floating ones in float64; ``None`` at a size beyond the oracle.
    inputs
        The host arrays that ``compute`` received, rounded to ``dtype`` and cast up to float64.
    static
        The integers that ``compute`` received.
    dtype
        The dtype of the case, one of ``xpbench.bench.case.DTYPES``.
    precision
        What the case asks of products, one of ``xpbench.bench.case.PRECISIONS``.

    Raises
    ------
    ErrorsFailed
        If the kernel's ``errors`` raised, or returned anything but at least one named pair.
    """
    slack = _slack(kernel, dtype, precision)
    found = _judge(kernel, outputs, reference, inputs, static, dtype, "the oracle", slack)
    hint = _hint_of_tf32(found, _slack(kernel, dtype, "tf32") / slack)
    return replace(found, reason=f"{found.reason}; {hint}") if hint else found


def between(
    kernel: Kernel,
    outputs_a: Sequence[np.ndarray],
    outputs_b: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray],
    static: Mapping[str, int],
    dtype: str,
    precision: str = "ieee",
) -> Agreement:
    """Judges the difference of two backends in the kernel's measure, with ``outputs_b`` as reference.

    Limits are those of ``judge``, doubled: by the triangle inequality two backends that are each within
    a limit of the oracle are within twice that limit of each other.

    Raises
    ------
    ErrorsFailed
        As ``judge`` does.
    """
    reference = [cast_up(np.asarray(output)) for output in outputs_b]
    slack = 2 * _slack(kernel, dtype, precision)
    return _judge(kernel, outputs_a, reference, inputs, static, dtype, "the other backend", slack)


def worst_of(errors: Errors) -> str:
    """The name of the pair with the largest share of its limit; empty if there is none."""
    return max(errors, key=lambda name: _share(*errors[name]), default="")


def forward_errors(
    outputs: Sequence[np.ndarray], reference: Sequence[np.ndarray] | None, *inputs: Any, **static: int
) -> Errors:
    """The measure of a kernel that states none: how far every output is off, in eps of its dtype.

    The distance is the largest absolute error over the largest absolute entry of the reference. The
    limit is 4 sqrt(n) eps, with n the longest axis of any input: a sum of n terms whose rounding
    errors are independent and of mean zero errs by at most lambda sqrt(n) u with probability at
    least 1 - 2 exp(-lambda^2 / 2) (Higham & Mary, SIAM J. Sci. Comput. 41, 2019, section 2), taken
    at lambda = 8 with u = eps / 2. It knows nothing of condition numbers: a kernel that amplifies
    errors states its own measure. Integers and booleans must be equal: their distance is the number
    of differing entries, their limit 0.

    Raises
    ------
    ValueError
        If ``reference`` is ``None``: without an oracle there is nothing to subtract.
    """
    if reference is None:
        raise ValueError(
            "there is no oracle at this size (oracle_flops=), and the forward error needs one: "
            "give the kernel errors= that use inputs and outputs alone"
        )
    length = max((axis for array in inputs for axis in np.shape(array)), default=1)
    pairs = {}
    for name, output, exact in zip(names(outputs), outputs, reference, strict=True):
        if floating.kind(output.dtype) in "fc":
            pairs[name] = (_relative_to_largest(output, exact), 4 * math.sqrt(length))
        else:
            pairs[name] = (float(np.count_nonzero(output != exact)), 0.0)
    return pairs


def _judge(
    kernel: Kernel,
    outputs: Sequence[np.ndarray],
    reference: Sequence[np.ndarray] | None,
    inputs: Sequence[np.ndarray],
    static: Mapping[str, int],
    dtype: str,
    other: str,
    slack: float,
) -> Agreement:
    outputs = [np.asarray(output) for output in outputs]
    for fault in _faults(outputs, reference, dtype, other):
        return Agreement({}, False, fault)
    errors = kernel.errors or forward_errors
    try:
        found = errors(outputs, reference, *inputs, **static)
    except Disagreement as disagreement:
        return Agreement({}, False, str(disagreement))
    except MemoryError:
        raise
    except Exception as error:
        raise ErrorsFailed(f"errors of {kernel.name} raised {type(error).__name__}: {error}") from error
    pairs = {name: (value, slack * limit) for name, (value, limit) in _checked(kernel, found).items()}
    over = [
        f"{name} is {value:.3g} {kernel.error_unit}, over its limit of {limit:.3g}"
        for name, (value, limit) in pairs.items()
        if not _within(value, limit)
    ]
    return Agreement(pairs, not over, "; ".join(over))


def _slack(kernel: Kernel, dtype: str, precision: str) -> float:
    """By how much limits are wider than the kernel states them."""
    reduced = dtype == "float32" and precision != "ieee" and kernel.error_unit == "eps"
    return TF32_TIMES if reduced else 1.0


def _hint_of_tf32(found: Agreement, times: float) -> str:
    """What to say of errors that are too large for float32 and not for limits ``times`` as wide."""
    if found.agrees or not found.errors or times == 1:
        return ""
    if not all(_within(value, times * limit) for value, limit in found.errors.values()):
        return ""
    return (
        f"an error of TF32's size and not of float32's (within {times:g} times the limit: products of "
        "11 bits would leave it), though ieee was asked for"
    )


def _faults(
    outputs: Sequence[np.ndarray], reference: Sequence[np.ndarray] | None, dtype: str, other: str
) -> Iterator[str]:
    """What is wrong with the outputs whatever the kernel measures, one sentence each, worst first."""
    if not outputs:
        yield "there is no output, expected at least 1"
    if reference is not None:
        yield from misshapen([x.shape for x in outputs], [np.shape(exact) for exact in reference])
    for index, (name, output) in enumerate(zip(names(outputs), outputs, strict=True)):
        exact = None if reference is None else np.asarray(reference[index])
        expected = _expected_dtype(output if exact is None else exact, dtype)
        if not _same_kind(output.dtype, expected):
            yield f"{name} has dtype {output.dtype}, expected {expected}"
        yield from _not_finite(name, output, exact, other)


def _expected_dtype(like: np.ndarray, dtype: str) -> np.dtype[Any]:
    if floating.kind(like.dtype) == "f":
        return np.dtype(dtype)
    return np.result_type(dtype, np.complex64) if like.dtype.kind == "c" else like.dtype


def _same_kind(seen: np.dtype[Any], expected: np.dtype[Any]) -> bool:
    integers = seen.kind in "iu" and expected.kind in "iu"
    return integers or seen == expected


def _not_finite(name: str, output: np.ndarray, exact: np.ndarray | None, other: str) -> Iterator[str]:
    if floating.kind(output.dtype) not in "fc":
        return
    wrong = ~np.isfinite(output)
    meant = "all finite"
    if exact is not None:
        wrong = (wrong | ~np.isfinite(exact)) & ~_same_value(output, exact)
        meant = f"finite where {other}'s are, and equal to them where they are not"
    if wrong.any():
        first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        place = tuple(int(axis) for axis in first)
        yield (
            f"{name} has {np.count_nonzero(wrong)} of {wrong.size} entries that are not finite as they "
            f"should be: the first, at {place}, is {output[first]}, expected {meant}"
        )


def _same_value(output: np.ndarray, exact: np.ndarray) -> np.ndarray:
    same: np.ndarray = (output == exact) | (np.isnan(output) & np.isnan(exact))
    return same


def _checked(kernel: Kernel, found: Any) -> dict[str, tuple[float, float]]:
    if not isinstance(found, Mapping) or not found:
        raise ErrorsFailed(
            f"errors of {kernel.name} returned {found!r:.60}, expected at least one pair, "
            'e.g. {"residual": (value, limit)}'
        )
    pairs = {}
    for name, pair in found.items():
        try:
            value, limit = pair
            pairs[str(name)] = (float(value), float(limit))
        except (TypeError, ValueError):
            raise ErrorsFailed(
                f"errors of {kernel.name} returned {pair!r:.60} for {name!r}, expected (value, limit)"
            ) from None
    return pairs


def _within(value: float, limit: float) -> bool:
    return 0 <= value <= limit < math.inf


def _share(value: float, limit: float) -> float:
    if not _within(value, limit):
        return value / limit if 0 < limit < value < math.inf else math.inf
    return value / limit if limit else 0.0


def _relative_to_largest(output: np.ndarray, exact: np.ndarray) -> float:
    known = np.isfinite(exact)
    error = np.abs(cast_up(output[known]) - exact[known])
    largest = np.max(np.abs(exact[known]), initial=0.0)
    return largest_ratio(error, largest) / floating.eps(output.dtype)
