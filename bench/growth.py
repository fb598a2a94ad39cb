"""Which size is so many times the work of another, grown along what is divided among devices?"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xpbench.bench.kernel import Kernel, Size

NEAR = 0.05
"""How far the work of a grown size may be from what was wanted, for the sake of a rounder length."""
ROUND = (16, 8, 4, 2, 1)
"""A length is a multiple of so many entries a device, of the first of these that comes near enough."""
_NAME = re.compile(r"(.+) x([0-9]{1,4})")


@dataclass(frozen=True)
class Grown:
    """``size`` differs in ``key`` alone; ``work`` is its flops over those of the size it grew from."""

    size: dict[str, int]
    key: str
    work: float


def grown(kernel: Kernel, size: Size, times: int) -> Grown | str:
    """A size with ``times`` the flops of ``size``, or the reason why there is none.

    The key that grows is the one that gives the largest input its leading length (see
    ``leading_key``), to the multiple of ``times`` whose flops come nearest, or to one of ``ROUND`` times
    as many that comes within ``NEAR``: a length that ``times`` devices divide.

    Raises
    ------
    XpbenchError
        If the kernel's cost model raises.
    """
    flops = kernel.flop_count(size)
    if not flops:
        return "it states no flops"
    key = leading_key(kernel, size)
    if key is None:
        return "no key of its size alone makes its largest input longer"

    def work(length: int) -> float:
        return (kernel.flop_count({**size, key: length}) or 0.0) / flops

    longest = _first_at_least(float(times), work, size[key], times)
    if longest is None:
        return f"its flops do not grow with {key}"
    for factor in ROUND:
        step = factor * times
        lengths = [n for n in (longest // step * step, -(-longest // step) * step) if n > size[key]]
        nearest = min(lengths, key=lambda n: abs(math.log(work(n) / times)))
        if abs(work(nearest) / times - 1) <= NEAR:
            break
    return Grown({**size, key: nearest}, key, work(nearest))


def leading_key(kernel: Kernel, size: Size) -> str | None:
    """The first key that alone makes the leading axis of the largest input longer; ``None`` where none
    does, as where the inputs are a data set.

    It is seen at the smallest named size with the same keys, where inputs cost nothing.
    """
    alike = [dict(named) for named in kernel.sizes.values() if set(named) == set(size)]
    base = min(alike, key=lambda named: math.prod(named.values()), default=dict(size))
    shapes = _shapes(kernel, base)
    if not shapes:
        return None
    largest = max(range(len(shapes)), key=lambda index: math.prod(shapes[index]))
    for key in base:
        longer = _shapes(kernel, {**base, key: 2 * base[key]})
        if len(longer) == len(shapes) and longer[largest][:1] > shapes[largest][:1]:
            return key
    return None


def name_of(base: str, times: int) -> str:
    """What the size that is ``times`` the work of ``base`` is called, e.g. ``large x4``."""
    return f"{base} x{times}"


def parse_name(name: str) -> tuple[str, int] | None:
    """What ``name_of`` was given; ``None`` for any other name."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def _first_at_least(wanted: float, work: Callable[[int], float], start: int, times: int) -> int | None:
    """The shortest length from ``start`` on with so much work, which grows with the length; ``None``
    where not even ``times`` as long and once more has it."""
    low, high = start, 2 * start * times
    if work(high) < wanted:
        return None
    while low < high:
        middle = (low + high) // 2
        if work(middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _shapes(kernel: Kernel, size: Size) -> list[tuple[int, ...]]:
    """The shapes of the inputs; none where they cannot be made at that size."""
    try:
        made = kernel.inputs(np.random.default_rng(0), **size)
    except (Exception, SystemExit):
        return []
    return [np.shape(array) for array in made]
