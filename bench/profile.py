"""What a profiler saw on the device while a case was called: its kernels, and the time they took."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xpbench.bench.exceptions import XpbenchError

LONGEST = 5
"""So many kernels are named."""
LONGEST_NAME = 120


@dataclass(frozen=True)
class Kernels:
    """What ran on the device in one call, on average: the ``seconds`` of its kernels and copies, added
    up, how many there were, and the ``longest`` by name, with the seconds of each. ``source`` is the
    profiler."""

    seconds: float
    launches: float
    longest: tuple[tuple[str, float], ...]
    source: str


def summed(activities: Iterable[tuple[str, float]], calls: int, source: str) -> Kernels | None:
    """The kernels of ``calls`` calls, given as names and seconds; ``None`` where there was none."""
    seconds: dict[str, float] = defaultdict(float)
    launches = 0
    for name, duration in activities:
        seconds[name[:LONGEST_NAME]] += duration
        launches += 1
    if not launches:
        return None
    longest = sorted(seconds.items(), key=lambda item: -item[1])[:LONGEST]
    return Kernels(
        sum(seconds.values()) / calls,
        launches / calls,
        tuple((name, duration / calls) for name, duration in longest),
        source,
    )


@dataclass(frozen=True)
class Profile:
    """The kernels of a case, which is named by its id: a line beside the journal."""

    case: str
    kernels: Kernels

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Profile":
        """The profile that ``to_json`` wrote; keys it does not know are left aside.

        Raises
        ------
        XpbenchError
            If a key is missing or a value is not what its key promises.
        """
        try:
            seen = record["kernels"]
            longest = tuple((str(name), float(seconds)) for name, seconds in seen["longest"])
            kernels = Kernels(
                float(seen["seconds"]), float(seen["launches"]), longest, str(seen["source"])
            )
            profile = cls(str(record["case"]), kernels)
        except (KeyError, TypeError, ValueError) as fault:
            raise XpbenchError(f"a profile is malformed: {type(fault).__name__}: {fault}") from None
        if not 0 < kernels.seconds < math.inf:
            raise XpbenchError(f"a profile is malformed: seconds = {kernels.seconds!r}")
        return profile
