"""Faults to plant in kernels: what the checks must see, one module a topic.

A module states, for the kernels of its topic,

    FAULTS   {kernel: [Fault, ...]}, of every kind in ``KINDS`` at least one
    PRODUCTS (kernel, ...), those whose work is a matrix product: inputs rounded to TF32 must be seen
    LOOSE    {(kernel, size, pair): reason}, limits above a hundred times what honest results show
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal

import numpy as np

Outputs = list[np.ndarray]
Kind = Literal["term", "index", "entry"]

KINDS: tuple[Kind, ...] = ("term", "index", "entry")
"""A dropped term or a wrong sign; an index off by one; one entry of an output off by ten limits."""
BOTH = ("float32", "float64")
HALF = ("float16", "bfloat16")


@dataclass(frozen=True, eq=False)
class Fault:
    """``plant(trial, xp)`` returns wrong outputs of ``trial``, computed with NumPy's namespace ``xp``.

    It must be seen at ``size`` (a preset's name, or the entries of a size) in each of ``dtypes``, and in
    those of ``half`` which the kernel takes.
    """

    kind: Kind
    name: str
    plant: Callable[[Any, Any], Outputs]
    size: str | Mapping[str, int] = "small"
    dtypes: tuple[str, ...] = BOTH
    half: tuple[str, ...] = HALF


def algorithm(
    kind: Kind,
    name: str,
    compute: Callable[..., Any],
    *,
    size: str | Mapping[str, int] = "small",
    dtypes: tuple[str, ...] = BOTH,
    half: tuple[str, ...] = HALF,
) -> Fault:
    """A fault in the algorithm: ``compute(xp, *arrays, **static)`` stands in for the kernel's own."""
    return Fault(kind, name, lambda trial, xp: trial.compute(xp, compute=compute), size, dtypes, half)


def result(
    kind: Kind,
    name: str,
    spoil: Callable[[Outputs], None],
    *,
    size: str | Mapping[str, int] = "small",
    dtypes: tuple[str, ...] = BOTH,
    half: tuple[str, ...] = HALF,
) -> Fault:
    """A fault in the result: ``spoil(outputs)`` changes the list of honest outputs or their entries."""

    def plant(trial: Any, xp: Any) -> Outputs:
        outputs: Outputs = [output.copy() for output in trial.compute(xp)]
        spoil(outputs)
        return outputs

    return Fault(kind, name, plant, size, dtypes, half)


def entry(
    pair: str,
    unit: Callable[..., Any],
    *,
    output: int = 0,
    place: tuple[int, ...] | None = None,
    size: str | Mapping[str, int] = "small",
    dtypes: tuple[str, ...] = BOTH,
    summed: Callable[[np.ndarray, tuple[int, ...]], float] | None = None,
) -> Fault:
    """One entry of one output off by ten limits of ``pair``.

    ``unit(outputs, *inputs, **static)`` is what one eps of the pair is worth at that entry: outputs
    and inputs come in float64. ``place`` is the middle of the output unless it is given. In half
    precision a ``unit`` of sums in float32 counts in the eps of float32, and half an eps of
    ``summed(output, place)``, which is rounded to the output, is added to it.
    """

    def plant(trial: Any, xp: Any) -> Outputs:
        outputs: Outputs = [array.copy() for array in trial.compute(xp)]
        _, limit = trial.judge(outputs).errors[pair]
        where = tuple(axis // 2 for axis in outputs[output].shape) if place is None else place
        wide = [array.astype(np.float64) for array in outputs]
        scale = float(unit(wide, *trial.data.exact_inputs, **trial.static))
        if summed is not None and trial.dtype in HALF:
            narrow = [array.astype(np.float32) for array in wide]
            _, of_sum = replace(trial, dtype="float32").judge(narrow).errors[pair]
            scale = abs(summed(wide[output], where)) + 2 * of_sum * scale * 2.0**-23 / trial.eps
        outputs[output][where] += 10 * limit * trial.eps * scale
        return outputs

    name = f"an entry of output {output} off by ten limits of {pair}"
    return Fault("entry", name, plant, size, dtypes)


def itself(output: np.ndarray, place: tuple[int, ...]) -> float:
    """The entry, as what is rounded at the end of a sum in float32."""
    return float(output[place])


def largest(output: int = 0) -> Callable[..., Any]:
    """The largest entry of an output, as a unit for ``entry``."""
    return lambda outputs, *inputs, **static: np.max(np.abs(outputs[output]))


def tf32(array: Any) -> np.ndarray:
    """``array`` as a tensor core reads it: float32 of 10 stored bits, to nearest, ties to even."""
    array = np.asarray(array)
    if array.dtype != np.float32:
        return array
    bits = array.copy().view(np.uint32)
    bits += np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


class Tf32(np.ndarray):
    """An array whose products of float32 go through a tensor core: ``a @ b`` of rounded factors."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(x) for x in options["out"])
        if ufunc is np.matmul:
            plain = [tf32(x) for x in plain]
        found = getattr(ufunc, method)(*plain, **options)
        return found.view(Tf32) if isinstance(found, np.ndarray) else found


def topics() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{found.name}")


def faults() -> dict[str, list[Fault]]:
    return {kernel: listed for topic in topics() for kernel, listed in topic.FAULTS.items()}


def products() -> list[str]:
    return [kernel for topic in topics() for kernel in topic.PRODUCTS]


def loose() -> dict[tuple[str, str, str], str]:
    return {key: reason for topic in topics() for key, reason in topic.LOOSE.items()}
