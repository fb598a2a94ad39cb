"""What cards did while a run measured on them, case by case, and what was not ours there."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from xpbench.bench import card_state
from xpbench.bench.card_state import CardState
from xpbench.bench.journal import Run


def figures(run: Run) -> dict[str, dict[str, Any]]:
    """By case id the columns of the summary that its card fills; none for a case on no card.

    ``throttled`` counts the forks in which the card was slowed, in their second turn too. The energy is
    the median over all turns that have one; clock and power are medians over the forks, the temperature
    is the highest.
    """
    turns: defaultdict[str, list[CardState]] = defaultdict(list)
    for state in run.cards:
        turns[state.case].append(state)
    return {case: _of_case(states) for case, states in turns.items()}


def warnings_of_others(run: Run) -> Iterator[str]:
    """A warning for every device on which processes of others were seen."""
    states = card_state.counted(run.cards).values()
    for device in dict.fromkeys(state.device for state in states):
        seen = [state.others for state in states if state.device == device and state.readings]
        shared = [others for others in seen if others]
        if shared:
            most = "another process was" if max(shared) == 1 else f"up to {max(shared)} others were"
            yield (
                f"{most} on {device} in {len(shared)} of {len(seen)} measurements: what is timed there "
                "shares the card; `nvidia-smi` names them"
            )


def _of_case(states: Iterable[CardState]) -> dict[str, Any]:
    forks = list(card_state.counted(states).values())
    slowed = [state for state in forks if state.slowed]
    known = [state for state in forks if state.throttled is not None]
    reasons = dict.fromkeys(word for state in slowed for word in state.throttle or ())
    return {
        "energy_j": _median(state.energy_j for state in states),
        "throttled": len(slowed) if known else None,
        "throttle": ", ".join(reasons) or None,
        "sm_mhz": _median(state.sm_mhz for state in forks),
        "power_w": _median(state.power_w for state in forks),
        "temperature_c": max(
            (state.temperature_c for state in forks if state.temperature_c is not None), default=None
        ),
    }


def _median(figures: Iterable[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return statistics.median(known) if known else None
