"""What does the card do in each case of a worker, and what does a call of it take?"""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from xpbench.bench import card_state, energy, watch
from xpbench.bench.card_state import CardState
from xpbench.bench.cards import Card, Find, Reading
from xpbench.bench.device import is_divided, singles
from xpbench.bench.energy import Energy
from xpbench.bench.plan import Environment
from xpbench.bench.watch import Watch


@dataclass
class Cards:
    """The cards of a run: each is found once, and its idle power is measured once."""

    find: Find
    note: Callable[[str], None]
    _found: dict[Environment, Card | None] = field(default_factory=dict)
    _idle_w: dict[str, float | None] = field(default_factory=dict)

    def of(self, environment: Environment) -> Card | None:
        """The card that the processes of ``environment`` work on, where it can be told."""
        if environment not in self._found:
            variables = os.environ | dict(environment.variables)
            self._found[environment] = self.find(environment.setting.device, variables)
        return self._found[environment]

    def names(self, environment: Environment) -> list[str]:
        """Names of the cards that a device stands for, which no other card of the machine has where they
        can be told, in their order."""
        device, variables = environment.setting.device, os.environ | dict(environment.variables)
        named = []
        for single in singles(device):
            card = self.of(environment) if single == device else self.find(single, variables)
            named.append(card.name if card else single.removesuffix(":0"))
        return sorted(named)

    def idle_w(self, environment: Environment) -> float | None:
        """Watts of that card while no worker is on it; ``None``, with a note, where no energy of a call
        can be had."""
        card, device = self.of(environment), environment.setting.device
        if device not in self._idle_w:
            counts = card is not None and card.read().energy_j is not None
            self._idle_w[device] = watch.idle_power(card) if card is not None and counts else None
            if card is None and is_divided(device):
                self.note(f"no energy of a call on {device}: cards are read one by one")
            elif card is None:
                self.note(
                    f"no energy of a call on {device}: the card cannot be read, which takes NVIDIA's "
                    "driver and `pip install nvidia-ml-py`"
                )
            elif self._idle_w[device] is None:
                self.note(f"no energy of a call on {device}: {card.name} does not count what it takes")
        return self._idle_w[device]


@dataclass
class Attendance:
    """Follows a worker by its events, and tells for each of its cases what the card did meanwhile."""

    watch: Watch
    device: str
    fork: int
    again: bool
    idle_w: float | None = None
    _began: float = field(default_factory=time.monotonic)
    _before: Reading | None = None
    _energy: Energy = field(default_factory=Energy)

    def hear(self, event: dict[str, Any]) -> CardState | None:
        """Takes an event of the worker; the state of the card once a case has ended."""
        now, name = time.monotonic(), event["event"]
        if name == "start":
            self._began, self._before, self._energy = now, None, Energy()
        elif name == "energy" and event["state"] == "begin":
            self._before = self._read()
        elif name == "energy":
            self._energy = self._of_the_calls(event["calls"], event["seconds"])
        elif name == "end":
            return CardState(
                case=event["id"],
                fork=self.fork,
                device=self.device,
                again=self.again,
                energy_j=self._energy.joules,
                reason=self._energy.reason,
                **card_state.summary(self.watch.between(self._began, now)),
            )
        return None

    def _of_the_calls(self, calls: int, seconds: float) -> Energy:
        after = self._read()
        if self._before is None or after is None:
            return Energy(reason="the card could not be read")
        return energy.of_a_call(self._before, after, calls, seconds, self.idle_w)

    def _read(self) -> Reading | None:
        with contextlib.suppress(Exception):
            return self.watch.card.read()
        return None
