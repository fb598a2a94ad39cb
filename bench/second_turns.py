"""Which cases were disturbed or slowed, and is it worth measuring them again?"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xpbench.bench.case import Case
from xpbench.bench.plan import Environment, Visit

DISTURBED, THROTTLED = "disturbed", "throttled"
"""What a second turn is for: other processes took the CPUs, or the card slowed its clock."""

PATIENCE = 5
IN_VAIN = 0.8
"""When this share of at least so many second turns saw their cause again, it is there for good."""

Place = tuple[int, Environment, Case]
Later = Mapping[tuple[str, int], Sequence[bool]]
"""Of every case and fork whose first turn saw a cause, whether each of its later ones saw it."""


@dataclass
class SecondTurns:
    """The cases that have reason for a second turn and had none yet, by fork and environment.

    Every cause is counted apart: a card that stays hot says nothing of how busy the processor is.
    """

    waiting: dict[Place, set[str]] = field(default_factory=dict)
    given: dict[Place, set[str]] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    in_vain: Counter[str] = field(default_factory=Counter)
    over: set[str] = field(default_factory=set)

    @classmethod
    def left_by(
        cls, stored: Mapping[str, Later], visits: Sequence[Visit], ended: Collection[str] = ()
    ) -> "SecondTurns":
        """Those of a run that is taken up again, by what is ``stored`` of every cause: what had a second
        turn counts, and what had none waits for it, but for cases that ``ended`` with a word."""
        found = cls()
        if not any(stored.values()):
            return found
        for visit in visits:
            for case in visit.cases:
                key = (str(case), visit.fork)
                seen = {cause: later[key] for cause, later in stored.items() if key in later}
                if str(case) in ended:
                    continue
                if any(seen.values()):
                    found.taken.update(seen.keys())
                    found.in_vain.update(cause for cause, later in seen.items() if later and later[0])
                else:
                    for cause in seen:
                        found.add(visit, case, cause)
        return found

    @property
    def cases(self) -> set[Case]:
        """What waits for a second turn that is not in vain as far as can be seen."""
        return {
            case
            for (_, _, case), causes in self.waiting.items()
            if any(cause not in self.over and not self.hopeless(cause) for cause in causes)
        }

    def hopeless(self, cause: str = DISTURBED) -> bool:
        taken = self.taken[cause]
        return taken >= PATIENCE and self.in_vain[cause] >= IN_VAIN * taken

    def add(self, visit: Visit, case: Case, cause: str = DISTURBED) -> None:
        if cause not in self.over:
            self.waiting.setdefault((visit.fork, visit.environment, case), set()).add(cause)

    def due(self) -> list[Visit]:
        self.given, self.waiting = self.waiting, {}
        cases: dict[tuple[int, Environment], list[Case]] = {}
        for fork, environment, case in self.given:
            cases.setdefault((fork, environment), []).append(case)
        return [Visit(fork, place, tuple(found)) for (fork, place), found in cases.items()]

    def give_up(self) -> list[str]:
        """The causes that have just proved to be there for good; they are not looked at any more."""
        found = [c for c in (DISTURBED, THROTTLED) if c not in self.over and self.hopeless(c)]
        self.over.update(found)
        return found

    def worthwhile(self, visit: Visit) -> Visit:
        """What is left of a due visit when the causes that are there for good give no second turn."""
        cases = [c for c in visit.cases if self.given[visit.fork, visit.environment, c] - self.over]
        return replace(visit, cases=tuple(cases))

    def took(self, visit: Visit) -> None:
        """Counts a visit of second turns; what saw its cause again is not tried a third time."""
        for case in visit.cases:
            place = (visit.fork, visit.environment, case)
            given, again = self.given.pop(place, set()), self.waiting.pop(place, set())
            self.taken.update(given)
            self.in_vain.update(given & again)
