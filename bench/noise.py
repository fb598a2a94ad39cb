"""How quiet is the machine now, and is it as fast as it was?"""

import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from xpbench.bench import machine
from xpbench.bench.report.quantities import percent

PIECE = bytes(256 * 1024)
COPIED = 32 * 2**20
"""Bytes that are copied for the anchor of the memory, beyond the last-level cache of most machines."""

BUSY = 0.05
"""Others that take more than this share of the CPUs' time move medians by more than verdicts' bands."""
UNEVEN = 0.10
"""Equal pieces of work in one process that differ by more than this are on a machine that is not ours
alone, or whose clock moves."""


@dataclass(frozen=True)
class Anchor:
    """Seconds of two fixed pieces of work that no array library has a part in.

    ``compute_s``: a SHA-256 of 256 KiB, in cache on one core, so its clock. ``memory_s``: a copy of
    32 MiB. Each is the shortest of a few: what disturbs lengthens some, a slower machine all.
    """

    compute_s: float
    memory_s: float


@dataclass(frozen=True)
class Noise:
    """What a short probe saw: the shares of the CPUs' time that others took and in which some task
    waited for a CPU, and the ``jitter`` of equal pieces of work, 90th percentile over median less 1."""

    others: float | None
    pressure: float | None
    jitter: float


def anchor() -> Anchor:
    """Measures the anchors, in about 50 ms."""
    source, target = b"\x01" * COPIED, memoryview(bytearray(COPIED))

    def copy() -> None:
        target[:] = source

    copy()
    return Anchor(min(_seconds(_digest) for _ in range(20)), min(_seconds(copy) for _ in range(5)))


def before_a_worker() -> dict[str, float]:
    """What a process sees of the machine before its first case: the anchors, and the share of the CPUs'
    time that others took meanwhile."""
    before = machine.counters()
    seen = anchor()
    others = machine.between(before, machine.counters()).others
    found = {"anchor_compute_s": seen.compute_s, "anchor_memory_s": seen.memory_s}
    return found | ({} if others is None else {"probe_others": others})


def probe(seconds: float = 0.25) -> Noise:
    """Watches the machine for ``seconds`` while one thread does equal pieces of work."""
    _digest()
    before = machine.counters()
    pieces: list[float] = []
    # Two at least, because a process that is held up for all of the time has nothing else to compare.
    while len(pieces) < 2 or time.perf_counter() < before.seconds + seconds:
        pieces.append(_seconds(_digest))
    seen = machine.between(before, machine.counters())
    tenths = statistics.quantiles(pieces, n=10)
    return Noise(seen.others, seen.pressure, tenths[8] / statistics.median(pieces) - 1)


def warnings(noise: Noise) -> list[str]:
    """What a run should not be started beside, in words; nothing where it is quiet."""
    told = []
    if (noise.others or 0) > BUSY:
        told.append(
            f"other processes take {percent(noise.others or 0)} of the CPUs' time: stop them, or expect "
            "wider intervals, and `unclear` where a quiet machine would know"
        )
    if noise.jitter > UNEVEN:
        told.append(
            f"equal pieces of work differ by {percent(noise.jitter)}: the clock moves, or neighbours on "
            "the same hardware do"
        )
    return told


def _digest() -> None:
    hashlib.sha256(PIECE).digest()


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
