"""Was the machine itself slower in one of two runs, and how is that known?"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from xpbench.bench import stats
from xpbench.bench.journal import Run
from xpbench.bench.stats import MIN_FORKS, Ratio

DRIFT = 0.02
"""The machine is said to have changed where its anchor did, by more than this."""
ANCHORS = {"anchor_compute_s": "compute", "anchor_memory_s": "memory"}


@dataclass(frozen=True)
class Drift:
    """How much slower the machine was in NEW, by a piece of work that depends on no array library."""

    work: str
    ratio: Ratio

    @property
    def seen(self) -> bool:
        excludes = not self.ratio.low <= 1 <= self.ratio.high
        return excludes and self.extent > 1 + DRIFT

    @property
    def extent(self) -> float:
        """By what factor, whichever way: at least 1."""
        return max(self.ratio.value, 1 / self.ratio.value)


def drifts(base: Run, new: Run) -> Iterator[Drift]:
    """By the anchors, where both runs measured them with the same Python."""
    if base.header["machine"].get("python") != new.header["machine"].get("python"):
        return
    for key, work in ANCHORS.items():
        ratio = stats.ratio(_anchor(new, key), _anchor(base, key))
        if ratio is not None:
            yield Drift(work, ratio)


def _anchor(run: Run, key: str) -> list[float]:
    """By fork, the median of the times that its processes took for the anchor.

    Not the shortest of them: that falls with the number of processes, in which two runs may differ.
    """
    forks: dict[int, set[float]] = {}
    for m in run.measurements:
        seconds = m.in_force.get(key)
        if isinstance(seconds, float) and seconds > 0:
            # The records of a process share its anchor, to the last digit.
            forks.setdefault(m.fork, set()).add(seconds)
    return [statistics.median(seconds) for seconds in forks.values()]


def why_unknown(base: Run, new: Run) -> str:
    if base.header["machine"].get("python") != new.header["machine"].get("python"):
        return "the anchor is a work of Python, which is another in NEW"
    if not all(any(_anchor(run, key) for key in ANCHORS) for run in (base, new)):
        return "one of them has no anchor"
    return f"that takes {MIN_FORKS} forks a side"
