"""Where did the time of a run go, and how much of it was ours?"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

PHASES = {
    "imports": "starts and imports of libraries",
    "first_call": "first calls and compilation",
    "warm_up": "warm-up",
    "rounds": "timed rounds",
    "roofs": "timed calls of roofs",
    "profiles": "profiles of kernels",
}
"""What a run cannot do without, in the order of a case's life; all else is the harness's own share."""


@dataclass
class Account:
    """Seconds of a run by phase; ``wall`` is the time since the account was opened."""

    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    opened: float = field(default_factory=time.monotonic)

    @property
    def wall(self) -> float:
        return time.monotonic() - self.opened

    def add(self, spent: Mapping[str, float]) -> None:
        """Enters seconds under their phases; a phase that is none of ``PHASES`` is our own time."""
        for phase, seconds in spent.items():
            if phase in self.phases:
                self.phases[phase] += seconds


def sentence(account: Account) -> str:
    """The shares of the time that has passed, e.g. ``12% harness``, in words; what took next to
    none is left out."""
    wall = account.wall
    shares = {name: seconds / wall for name, seconds in account.phases.items()} if wall else {}
    own = max(0.0, 1 - sum(shares.values()))
    parts = [f"{round(100 * share)}% {PHASES[name]}" for name, share in shares.items() if share >= 0.005]
    return f"time went to {', '.join(parts)}; {round(100 * own)}% to the harness itself"
