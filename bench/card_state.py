"""What a card did while one process measured one case: a line beside the journal."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from xpbench.bench.cards import Reading
from xpbench.bench.exceptions import XpbenchError

SLOWED = 0.10
"""A case counts as throttled where more than this share of the readings were."""

Key = tuple[str, int]
"""A case's id and a fork."""


@dataclass(frozen=True)
class CardState:
    """What ``readings`` of a card showed between the start and the end of a case, in one fork.

    ``sm_mhz`` is the median clock of its multiprocessors, ``power_w`` the mean, ``temperature_c`` the
    most, ``throttle`` every reason that slowed the clock, ``throttled`` the share of the readings in
    which one did: all of the readings in which the card had work, where there are any. ``others`` is the
    most processes seen on it that were not ours. ``energy_j`` is that of one call above idle; where it
    was asked for in vain, ``reason`` tells why. ``again`` marks a second turn. ``None`` is what the card
    did not tell.
    """

    case: str
    fork: int
    device: str
    sm_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    throttle: tuple[str, ...] | None = None
    throttled: float | None = None
    others: int | None = None
    energy_j: float | None = None
    readings: int = 0
    again: bool = False
    reason: str = ""

    @property
    def key(self) -> Key:
        return (self.case, self.fork)

    @property
    def slowed(self) -> bool:
        return (self.throttled or 0.0) > SLOWED

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "CardState":
        """The state that ``to_json`` wrote; keys it does not know are left aside.

        Raises
        ------
        XpbenchError
            If a key is missing or a value is not what its key promises.
        """
        if not isinstance(record, Mapping):
            raise XpbenchError(f"the state of a card must be an object, not {record!r:.60}")
        names = {part.name for part in fields(cls)}
        try:
            state = cls(**{name: record[name] for name in names & set(record)})
        except TypeError as fault:
            raise XpbenchError(f"the state of a card is malformed: {fault}") from None
        kinds = {"case": str, "fork": int, "device": str, "readings": int, "again": bool, "reason": str}
        faulty = [name for name, kind in kinds.items() if type(getattr(state, name)) is not kind]
        figures = ("sm_mhz", "power_w", "temperature_c", "throttled", "others", "energy_j")
        faulty += [name for name in figures if not _is_figure(getattr(state, name))]
        if not (state.throttle is None or _are_words(state.throttle)):
            faulty.append("throttle")
        if faulty:
            raise XpbenchError(
                f"the state of a card is malformed: {faulty[0]} = {record[faulty[0]]!r:.60}"
            )
        words = None if state.throttle is None else tuple(state.throttle)
        return replace(state, throttle=words)


def _is_figure(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < math.inf)


def _are_words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def summary(readings: Sequence[Reading]) -> dict[str, Any]:
    """The figures of a ``CardState`` that its readings give, by name."""
    working = [reading for reading in readings if not reading.idle] or readings
    clocks = [reading.sm_mhz for reading in working if reading.sm_mhz is not None]
    powers = [reading.power_w for reading in working if reading.power_w is not None]
    heat = [reading.temperature_c for reading in working if reading.temperature_c is not None]
    told = [reading.throttle for reading in working if reading.throttle is not None]
    others = [reading.others for reading in readings if reading.others is not None]
    return {
        "sm_mhz": statistics.median(clocks) if clocks else None,
        "power_w": statistics.fmean(powers) if powers else None,
        "temperature_c": max(heat, default=None),
        "throttle": tuple(dict.fromkeys(word for words in told for word in words)) if told else None,
        "throttled": sum(map(bool, told)) / len(told) if told else None,
        "others": max(others, default=None),
        "readings": len(readings),
    }


def counted(states: Iterable[CardState]) -> dict[Key, CardState]:
    """By case and fork the state that counts: of two turns the less throttled one."""
    found: dict[Key, CardState] = {}
    for state in states:
        earlier = found.get(state.key)
        if earlier is None or not more_throttled(earlier, state):
            found[state.key] = state
    return found


def more_throttled(earlier: CardState, later: CardState) -> bool | None:
    """Whether ``later`` is a second turn in which the card was throttled more than in the first;
    ``None`` where throttling does not tell the two apart."""
    apart = (earlier.throttled or 0.0) != (later.throttled or 0.0)
    if not apart or not later.again or not (earlier.slowed or later.slowed):
        return None
    return (later.throttled or 0.0) > (earlier.throttled or 0.0)


def slowed_turns(states: Iterable[CardState]) -> dict[Key, list[bool]]:
    """Of every case and fork whose first turn was throttled, whether each of its later ones was."""
    first: set[Key] = set()
    found: dict[Key, list[bool]] = {}
    for state in states:
        if state.key in found:
            found[state.key].append(state.slowed)
        elif state.slowed and state.key not in first:
            found[state.key] = []
        first.add(state.key)
    return found


def turns(states: Iterable[CardState]) -> dict[Key, bool | None]:
    """By case and fork: whether the second turn, if there was one, was the more throttled one."""
    first: dict[Key, CardState] = {}
    found: dict[Key, bool | None] = {}
    for state in states:
        if not state.again:
            first[state.key] = state
        elif state.key in first:
            found[state.key] = more_throttled(first[state.key], state)
    return found
