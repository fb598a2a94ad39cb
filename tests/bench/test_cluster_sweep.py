"""A run over machines that are played: what is kept when they are lost, lack something, or stop."""

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sweeps import lines
from xpbench.bench import journal
from xpbench.bench.case import Case
from xpbench.bench.cluster import gathering, schedule, sweep
from xpbench.bench.cluster.block import Block, Expected, Result
from xpbench.bench.cluster.fleet import Ended, Place
from xpbench.bench.cluster.gathering import Gathering
from xpbench.bench.cluster.kind import kind_of
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Settings
from xpbench.bench.runner import Observer

FORKS = 3
MACHINE = {"id": "a" * 8, "cpu": "Xeon", "cores": 2, "memory_bytes": 2**30, "system": "Linux"}
EXPECTED = Expected("1.0", {}, {})


def case(n: int, device: str = "cpu") -> Case:
    return Case("matmul", (("n", n),), "", "numpy", device, "float32", 2)


@dataclass
class Played:
    """A fleet whose machines answer at once; ``answer`` says what, given the block and how many blocks
    were sent before it."""

    answer: Callable[[Block, int], Result | str | BaseException]
    machines: Sequence[Place]
    sent: list[Block] = field(default_factory=list)
    at_work: list[tuple[Block, Place]] = field(default_factory=list)
    idle: int = 0

    def free(self) -> Sequence[Place]:
        return [place for place in self.machines if place not in [p for _, p in self.at_work]]

    def places(self) -> Sequence[Place]:
        return self.machines

    def send(self, block: Block, place: Place) -> None:
        self.at_work.append((block, place))

    def ended(self) -> list[Ended]:
        if not self.at_work:
            # A machine with a card comes late.
            self.idle += 1
            self.machines = [*self.machines, CARD] if self.idle == 3 else self.machines
            return []
        block, place = self.at_work.pop(0)
        self.sent.append(block)
        told = self.answer(block, len(self.sent))
        if isinstance(told, BaseException):
            raise told
        if isinstance(told, str):
            return [Ended(block, place, None, told)]
        return [Ended(block, place, told)]

    def stop(self) -> list[Ended]:
        """The first case of what is at work was measured by then."""
        halves = [Ended(b, place, seen(b, 1)) for b, place in self.at_work]
        self.at_work = []
        return halves

    def notes(self) -> list[str]:
        return []


@dataclass
class Told(Observer):
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


BARE, CARD = (Place(name, kind_of(MACHINE), name == "card") for name in ("bare", "card"))


def seen(block: Block, most: int = 100) -> Result:
    records = (Measurement(c, block.fork, "ok", samples=(1.0,)) for c in block.cases[:most])
    return Result(MACHINE, measurements=tuple(record.to_json() for record in records))


def run_of(
    folder: Path, cases: Sequence[Case], fleet: Played
) -> tuple[Callable[[], None], list[str], set[tuple[str, int]]]:
    """What measures, the notes it makes, and what is to be there in the end."""
    header = {
        "schema": journal.SCHEMA,
        "checksums": "crc32",
        "settings": {"forks": FORKS, "baseline": "numpy"},
        "versions": {},
        "kernels": {"matmul": {"flops": {}, "traffic": {}}},
        "cases": [c.to_json() for c in cases],
    }
    gathering.begin(folder, header)
    kept, told = Gathering.of(folder, header), Told()
    settings = Settings(FORKS, 0.05, 2, "ieee", 0, 60.0, "numpy")
    blocks = [Block(f"{fork}", fork, tuple(cases), settings, EXPECTED) for fork in range(FORKS)]
    queue = schedule.Queue([(0, block) for block in blocks], kept.progress)
    everything = {(str(c), fork) for c in cases for fork in range(FORKS)}
    return lambda: sweep.measure(queue, kept, fleet, told), told.notes, everything


def test_a_lost_block_is_sent_again_and_given_up_after_three_machines(tmp_path: Path) -> None:
    def answer(block: Block, number: int) -> Any:
        return "the worker is gone" if block.fork == 1 else seen(block)

    measure, notes, everything = run_of(tmp_path / "run", [case(8), case(9)], Played(answer, [BARE]))
    with pytest.raises(XpbenchError, match="3 machines were lost one after the other"):
        measure()
    assert set(lines(tmp_path / "run")) == {key for key in everything if key[1] == 0}, (
        "what came before is kept, and a row that takes machines along is not tried in its other forks"
    )
    assert [note.split("; ")[1] for note in notes] == [
        "its block is measured elsewhere",
        "its block is measured elsewhere",
        *("its block is given up",) * 2,
    ], "row by row"


@pytest.mark.parametrize("fault", (KeyboardInterrupt(), XpbenchError("another worker differs")))
def test_however_it_ends_what_was_measured_is_kept(tmp_path: Path, fault: BaseException) -> None:
    fleet = Played(lambda block, number: fault, [BARE, CARD])
    measure, _, _ = run_of(tmp_path / "run", [case(8), case(9)], fleet)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(type(fault)):
        measure()
    assert signal.getsignal(signal.SIGINT) is before
    assert lines(tmp_path / "run") == [(str(case(8)), 1)], "of the block that was at work, and once"
    assert fleet.at_work == []


def test_a_machine_that_differs_where_a_job_runs_ends_the_run(tmp_path: Path) -> None:
    def answer(block: Block, number: int) -> Result:
        return seen(block) if number == 1 else Result(MACHINE, differs=("has xpbench 0.1",))

    measure, _, _ = run_of(tmp_path / "run", [case(8)], Played(answer, [BARE]))
    with pytest.raises(XpbenchError, match=r"bare has xpbench 0\.1: .* leave the machine out"):
        measure()
    assert lines(tmp_path / "run") == [(str(case(8)), 0)]


def test_what_no_machine_can_take_is_told_of_once_and_waits_for_one(tmp_path: Path) -> None:
    fleet = Played(lambda block, number: seen(block), [BARE])
    cases = [case(8), case(8, "cuda")]
    measure, notes, everything = run_of(tmp_path / "run", cases, fleet)
    measure()
    assert Counter(lines(tmp_path / "run")) == Counter(everything)
    (note,) = notes
    assert "3 blocks wait for a worker with a card (--resources GPU=1)" in note
