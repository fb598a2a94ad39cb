"""What other processes disturb is measured once more, until that is seen to be in vain."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from xpbench.bench import beginning, journal, preparation, runner
from xpbench.bench.backend import Setting
from xpbench.bench.case import Case
from xpbench.bench.plan import Environment, Request, Visit
from xpbench.bench.second_turns import PATIENCE, SecondTurns

PLACE = Environment("numpy", Setting(), ())


def visit_of(count: int, fork: int = 0) -> Visit:
    cases = [Case(f"k{i}", (("n", 1),), "small", "numpy", "cpu", "float32", 1) for i in range(count)]
    return Visit(fork, PLACE, tuple(cases))


def test_a_disturbed_case_is_due_once() -> None:
    turns, visit = SecondTurns(), visit_of(2)
    turns.add(visit, visit.cases[1])
    assert turns.due() == [Visit(0, PLACE, visit.cases[1:])]
    assert turns.due() == []


def test_what_is_disturbed_in_its_second_turn_has_no_third() -> None:
    turns, visit = SecondTurns(), visit_of(1)
    turns.add(visit, visit.cases[0])
    [again] = turns.due()
    turns.add(again, again.cases[0])
    turns.took(again)
    assert turns.due() == []


@pytest.mark.parametrize(("disturbed_again", "hopeless"), [(PATIENCE, True), (1, False)])
def test_second_turns_end_where_they_are_in_vain(disturbed_again: int, hopeless: bool) -> None:
    turns, visit = SecondTurns(), visit_of(PATIENCE)
    for case in visit.cases[:disturbed_again]:
        turns.add(visit, case)
    turns.took(visit)
    assert turns.hopeless is hopeless


@pytest.fixture
def busy_machine() -> Iterator[None]:
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)
    ]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


class Heard(runner.Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.usefixtures("busy_machine")
def test_on_a_busy_machine_cases_are_marked_measured_again_and_then_no_more(tmp_path) -> None:
    request = Request(backends=("numpy",), sizes=("small",))
    prepared = preparation.prepare(
        ["dot", "axpy", "transpose"], request, forks=3, seconds=0.1, roofs=False
    )
    folder, heard = beginning.begin(prepared, tmp_path / "run"), Heard()
    runner.execute(prepared.job(folder), heard)
    lines = [json.loads(line) for line in (folder / journal.JOURNAL).read_text().splitlines()]
    written = Counter((line["id"], line["fork"]) for line in lines)
    found = journal.read(folder).measurements
    assert len(found) == 9
    assert all(measurement.disturbed for measurement in found)
    assert [written[m.key] for m in found if m.fork < 2] == [2] * 6, "a second turn in each fork"
    assert [written[m.key] for m in found if m.fork == 2] == [1] * 3
    assert heard.notes == ["the machine stays busy: what it disturbs is not measured again"]
    cold = {line["id"]: line["first_call_s"] for line in lines if line["cold"]}
    assert len(cold) == sum(line["cold"] for line in lines) == 3, "a second turn finds caches filled"
    assert {str(m.case): m.first_call_s for m in found if m.fork == 0} == cold


def test_of_two_disturbed_turns_the_less_disturbed_one_counts(runs) -> None:
    first, second, quiet = (
        runs.forks(runs.case(), time, count=1, others=others)[0]
        for time, others in ((1e-3, 0.3), (2e-3, 0.6), (3e-3, 0.01))
    )
    assert second.after(first) is first
    assert first.after(second).samples == first.samples
    assert quiet.after(first).samples == quiet.samples
