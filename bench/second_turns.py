"""Which cases did other processes disturb, and is it worth measuring them again?"""

from dataclasses import dataclass, field

from xpbench.bench.case import Case
from xpbench.bench.plan import Environment, Visit

PATIENCE = 5
IN_VAIN = 0.8
"""When this share of at least so many second turns was disturbed too, the machine is busy for good."""


@dataclass
class SecondTurns:
    """The cases that were disturbed and have had no second turn yet, by fork and environment."""

    waiting: dict[tuple[int, Environment], list[Case]] = field(default_factory=dict)
    taken: int = 0
    in_vain: int = 0
    over: bool = False

    @property
    def hopeless(self) -> bool:
        return self.taken >= PATIENCE and self.in_vain >= IN_VAIN * self.taken

    def add(self, visit: Visit, case: Case) -> None:
        if not self.over:
            self.waiting.setdefault((visit.fork, visit.environment), []).append(case)

    def due(self) -> list[Visit]:
        waiting, self.waiting = self.waiting, {}
        return [Visit(fork, place, tuple(cases)) for (fork, place), cases in waiting.items()]

    def took(self, visit: Visit) -> None:
        """Counts a visit of second turns; what was disturbed again is not tried a third time."""
        self.taken += len(visit.cases)
        self.in_vain += len(self.waiting.pop((visit.fork, visit.environment), []))
