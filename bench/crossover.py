"""At which size does one of two libraries overtake the other?"""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xpbench.bench import stats
from xpbench.bench.report.quantities import comparison, factor, significant
from xpbench.bench.stats import Ratio

NEIGHBOURS = 1.10
"""Between two sizes of which one is less than so many times the other nothing is searched for."""
BITS = 5
"""Sizes are tried that have so many significant bits: an odd length costs more than its neighbours."""
_SIGNS = {"slower": 1, "faster": -1}


@dataclass(frozen=True)
class Probe:
    """A size that was measured; ``ratio`` is how many times the first's time the second takes."""

    size: int
    ratio: Ratio

    @property
    def lead(self) -> int:
        """1 where the first is clearly faster, -1 where the second is, 0 where neither."""
        return _SIGNS.get(stats.verdict(self.ratio) or "", 0)


@dataclass(frozen=True)
class Crossing:
    """What a search found; ``probes`` are in the order of their sizes.

    ``lead`` is who is faster on the small side (see ``Probe.lead``). ``below`` is the largest size at
    which that one is clearly faster, and ``above`` the smallest at which the other is; both are ``None``
    where the ends of the range do not differ, and one of them where one end is not clear.
    """

    probes: tuple[Probe, ...]
    lead: int
    below: int | None
    above: int | None

    @property
    def estimate(self) -> float | None:
        """The size at which both take the same time, between ``below`` and ``above``.

        The ratio is taken for linear between neighbouring sizes, on logs of both. Where noise makes it
        cross 1 more than once, the middle crossing counts.
        """
        if self.below is None or self.above is None:
            return None
        inner = [probe for probe in self.probes if self.below <= probe.size <= self.above]
        return statistics.median_low(list(_roots(inner)))


def search(measure: Callable[[int], Ratio], smallest: int, largest: int, steps: int) -> Crossing:
    """Finds where the faster of two libraries changes, with at most ``steps`` + 2 calls of ``measure``.

    ``measure`` gives, for a size, the ratio of the second's time to the first's. Both ends are measured;
    where they differ, a size in the middle, on logs, of the wider open bracket is next. A clear verdict
    moves an end; sizes without one are the zone of the crossing, on either side of which the search goes
    on until neighbours differ by less than 10 %.
    """
    probes = {size: Probe(size, measure(size)) for size in (smallest, largest)}
    ends = probes[smallest].lead, probes[largest].lead
    if ends[0] == ends[1]:
        return Crossing(tuple(probes.values()), ends[0], None, None)
    lead = ends[0] or -ends[1]
    below = smallest if ends[0] else None
    above = largest if ends[1] else None
    for _ in range(steps):
        size = _next_size(sorted(probes), below, above)
        if size is None:
            break
        probes[size] = probe = Probe(size, measure(size))
        if probe.lead == lead:
            below = size
        elif probe.lead == -lead:
            above = size
    return Crossing(tuple(probes[size] for size in sorted(probes)), lead, below, above)


def _next_size(sizes: Sequence[int], below: int | None, above: int | None) -> int | None:
    """The middle of the wider bracket on either side of the zone; ``None`` where both are closed."""
    first = 0 if below is None else sizes.index(below)
    last = len(sizes) - 1 if above is None else sizes.index(above)
    brackets = []
    if below is not None:
        brackets.append((sizes[first], sizes[first + 1]))
    if above is not None:
        brackets.append((sizes[last - 1], sizes[last]))
    middles = [(high / low, middle) for low, high in brackets if (middle := between(low, high))]
    return max(middles)[1] if middles else None


def between(low: int, high: int) -> int | None:
    """A size in the middle of two, on logs; ``None`` where they are neighbours."""
    if high < NEIGHBOURS * low:
        return None
    middle = math.sqrt(low * high)
    unit = 2 ** max(0, math.floor(math.log2(middle)) + 1 - BITS)
    for size in (round(middle / unit) * unit, round(middle)):
        if low < size < high:
            return size
    return None


def _roots(probes: Sequence[Probe]) -> Iterator[float]:
    """The sizes at which the ratio, linear on logs, is 1; an odd number of them."""
    logs = [(math.log(probe.size), math.log(probe.ratio.value)) for probe in probes]
    for (x, y), (next_x, next_y) in itertools.pairwise(logs):
        if (y > 0) != (next_y > 0):
            yield math.exp(x - y * (next_x - x) / (next_y - y))


def sentence(found: Crossing, first: str, second: str, key: str) -> str:
    """The answer in words; ``first`` and ``second`` are the libraries, ``key`` names the size."""
    small, large = found.probes[0], found.probes[-1]
    winner, loser = (first, second) if found.lead >= 0 else (second, first)
    if found.below is not None and found.above is not None:
        return (
            f"{winner} is faster up to {key}={found.below}, {loser} from {key}={found.above}; "
            f"they cross at about {key}={found.estimate:.0f}"
        )
    if found.below is not None:
        return (
            f"{winner} is faster up to {key}={found.below}; above, up to {key}={large.size}, neither is "
            "clearly faster: try a larger --to"
        )
    if found.above is not None:
        return (
            f"{loser} is faster from {key}={found.above}; below, down to {key}={small.size}, neither is "
            "clearly faster: try a smaller --from"
        )
    if found.lead == 0:
        ends = " nor ".join(f"at {key}={probe.size} ({interval(probe)})" for probe in (small, large))
        return f"neither is clearly faster {ends}: try a wider range, or more --forks"
    ends = " and ".join(f"{_times(probe)} at {key}={probe.size}" for probe in (small, large))
    return f"{winner} is faster at both ends, {ends}: no crossing was looked for between them"


def verdict(probe: Probe, second: str) -> str:
    """How the second library stands at a size, e.g. ``jax 1.8x faster``."""
    if probe.lead:
        return f"{second} {comparison(probe.ratio.value)}"
    return stats.verdict(probe.ratio) or ""


def interval(probe: Probe) -> str:
    """The interval of the ratio, e.g. ``0.53-0.61``."""
    return f"{significant(probe.ratio.low)}-{significant(probe.ratio.high)}"


def _times(probe: Probe) -> str:
    return factor(max(probe.ratio.value, 1 / probe.ratio.value))
