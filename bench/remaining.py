"""What of a run is still to be measured?"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from xpbench.bench import journal
from xpbench.bench.case import Case
from xpbench.bench.plan import Visit


@dataclass
class Progress:
    """What needs no further measuring: records that exist, and cases that ended with a word.

    ``disturbed`` tells of every case and fork whose first record says that other processes disturbed it
    whether each of its later ones says so. ``read`` is how far the journal has been read, in bytes.
    """

    done: set[tuple[str, int]] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    disturbed: dict[tuple[str, int], list[bool]] = field(default_factory=dict)
    read: int = 0

    def take_over(self, folder: Path) -> None:
        """Enters what has been written to the journal in ``folder`` since the last time."""
        found, self.read = journal.endings(folder, self.read)
        for case, fork, status, disturbed in found:
            if (case, fork) in self.disturbed:
                self.disturbed[case, fork].append(disturbed)
            elif disturbed and (case, fork) not in self.done:
                self.disturbed[sys.intern(case), fork] = []
            self.record(case, fork, status)

    def record(self, case: str, fork: int, status: str) -> None:
        case = sys.intern(case)
        self.done.add((case, fork))
        if status != "ok":
            self.ended.add(case)

    def remaining(self, visit: Visit) -> list[Case]:
        return [
            case
            for case in visit.cases
            if (str(case), visit.fork) not in self.done and str(case) not in self.ended
        ]


def progress_of(folder: Path) -> Progress:
    """What the journal in ``folder`` holds already."""
    progress = Progress()
    progress.take_over(folder)
    return progress
