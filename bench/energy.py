"""How much energy does a call take, by the counter of the card?"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from xpbench.bench.cards import Reading

SECONDS = 2.0
"""Counters advance every 20 to 100 ms: over less than this they say too little."""


@dataclass(frozen=True)
class Energy:
    """Joules of one call above idle; ``None`` where they are not known, for the ``reason`` given."""

    joules: float | None = None
    reason: str = ""


def idle_power(readings: Sequence[Reading]) -> float | None:
    """Watts of a card with no work of ours, by readings over ``SECONDS`` or more.

    By its energy counter, or the mean power where it has none; ``None`` where it tells neither.
    """
    counts = [(r.seconds, r.energy_j) for r in readings if r.energy_j is not None]
    if counts:
        (first, before), (last, after) = counts[0], counts[-1]
        if last - first >= SECONDS and after > before:
            return (after - before) / (last - first)
    powers = [reading.power_w for reading in readings if reading.power_w is not None]
    return statistics.fmean(powers) if powers else None


def of_a_call(
    before: Reading, after: Reading, calls: int, seconds: float, idle_w: float | None
) -> Energy:
    """The energy of one of ``calls`` that took ``seconds`` between two readings of the card.

        energy = (E1 - E0 - idle power * (t1 - t0)) / calls,

    with the times of the readings, which lie a little outside those of the calls.
    """
    if before.energy_j is None or after.energy_j is None:
        return Energy(reason="the card has no energy counter")
    if idle_w is None:
        return Energy(reason="the power of the idle card is not known")
    if calls < 1 or seconds < SECONDS:
        return Energy(reason=f"{calls} calls in {seconds:.3g} s, at least {SECONDS:g} s are needed")
    used = after.energy_j - before.energy_j
    if used <= 0:
        return Energy(reason="the energy counter did not move")
    idle = idle_w * (after.seconds - before.seconds)
    if used <= idle:
        return Energy(reason=f"{used:.3g} J were used, no more than the {idle:.3g} J of the idle card")
    return Energy((used - idle) / calls)
