"""What other processes disturb is measured once more, until that is seen to be in vain."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from xpbench.bench import beginning, journal, preparation, runner
from xpbench.bench.backend import Setting
from xpbench.bench.case import Case
from xpbench.bench.plan import Environment, Request, Visit
from xpbench.bench.second_turns import DISTURBED, PATIENCE, THROTTLED, SecondTurns

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


@pytest.mark.parametrize("cause", [DISTURBED, THROTTLED])
@pytest.mark.parametrize(("seen_again", "hopeless"), [(PATIENCE, True), (1, False)])
def test_second_turns_end_where_they_are_in_vain(cause: str, seen_again: int, hopeless: bool) -> None:
    turns, visit = SecondTurns(), visit_of(PATIENCE)
    for case in visit.cases:
        turns.add(visit, case, cause)
    [again] = turns.due()
    for case in again.cases[:seen_again]:
        turns.add(again, case, cause)
    turns.took(again)
    assert turns.give_up() == ([cause] if hopeless else [])
    assert turns.give_up() == [], "told once"
    turns.add(visit, visit.cases[0], cause)
    assert len(turns.due()) == (not hopeless)


def test_a_card_that_stays_hot_leaves_second_turns_to_what_others_disturbed() -> None:
    turns, visit = SecondTurns(), visit_of(PATIENCE + 1)
    for case in visit.cases[:-1]:
        turns.add(visit, case, THROTTLED)
    turns.add(visit, visit.cases[-1], DISTURBED)
    turns.add(visit, visit.cases[-1], THROTTLED)
    [again] = turns.due()
    assert len(again.cases) == len(visit.cases), "one second turn, whatever it is for"
    for case in again.cases[:-1]:
        turns.add(again, case, THROTTLED)
    turns.took(again)
    assert turns.give_up() == [THROTTLED]
    for case in visit.cases[:2]:
        turns.add(visit, case, THROTTLED)
    turns.add(visit, visit.cases[1], DISTURBED)
    [due] = turns.due()
    assert turns.worthwhile(due).cases == visit.cases[1:2]


def test_a_second_turn_that_sees_another_cause_than_its_own_is_not_in_vain() -> None:
    turns, visit = SecondTurns(), visit_of(2 * PATIENCE)
    for index, case in enumerate(visit.cases):
        turns.add(visit, case, THROTTLED if index < PATIENCE else DISTURBED)
    [again] = turns.due()
    # Of what was throttled, 3 in 5 are again; of what was disturbed, all are throttled now.
    for case in (*again.cases[:3], *again.cases[PATIENCE:]):
        turns.add(again, case, THROTTLED)
    turns.took(again)
    assert turns.give_up() == []


def test_what_is_due_when_its_cause_is_given_up_has_no_second_turn() -> None:
    turns, visit = SecondTurns(), visit_of(PATIENCE)
    other = replace(visit, environment=replace(PLACE, backend="torch"))
    for case in visit.cases:
        turns.add(visit, case, THROTTLED)
        turns.add(other, case, THROTTLED)
    turns.add(other, other.cases[0], DISTURBED)
    first, second = turns.due()
    for case in first.cases:
        turns.add(first, case, THROTTLED)
    turns.took(first)
    assert turns.give_up() == [THROTTLED]
    assert turns.worthwhile(second).cases == other.cases[:1]


def test_what_was_due_when_a_run_was_interrupted_is_due_when_it_is_taken_up() -> None:
    visit = visit_of(4)
    once, twice, throttled, _ = [(str(case), 0) for case in visit.cases]
    stored = {DISTURBED: {once: [], twice: [False]}, THROTTLED: {throttled: []}}
    [due] = SecondTurns.left_by(stored, [visit]).due()
    assert due.cases == (visit.cases[0], visit.cases[2])


@pytest.mark.parametrize("cause", [DISTURBED, THROTTLED])
def test_a_run_that_is_taken_up_remembers_that_second_turns_were_in_vain(cause: str) -> None:
    visit = visit_of(PATIENCE + 1)
    stored = {cause: {(str(case), 0): [True] for case in visit.cases[:-1]}}
    stored[cause][str(visit.cases[-1]), 0] = []
    turns = SecondTurns.left_by(stored, [visit])
    assert not turns.cases, "no inputs are made for what is not measured"
    [due] = turns.due()
    assert turns.give_up() == [cause]
    assert not turns.worthwhile(due).cases


def test_a_resumed_run_gives_the_second_turns_that_it_owes_and_no_third(tmp_path) -> None:
    request = Request(backends=("numpy",), sizes=("small",))
    names = ["axpy", "dot", "transpose"]
    prepared = preparation.prepare(names, request, forks=2, seconds=0.001, roofs=False)
    folder = beginning.begin(prepared, tmp_path / "run")
    runner.execute(prepared.job(folder), runner.Silent())
    seen = {m.key: replace(m, others=0.0) for m in journal.read(folder).measurements}
    owed, given = sorted(seen)[0], sorted(seen)[-1]
    seen[owed] = replace(seen[owed], others=0.9)
    seen[given] = replace(seen[given], others=0.9)
    (folder / journal.JOURNAL).unlink()
    for measurement in (*seen.values(), replace(seen[given], others=0.0)):
        journal.append(folder, measurement)
    runner.execute(beginning.resume(folder).job(folder), runner.Silent())
    lines = [json.loads(line) for line in (folder / journal.JOURNAL).read_text().splitlines()]
    assert (lines[-1]["id"], lines[-1]["fork"]) == owed
    written = Counter((line["id"], line["fork"]) for line in lines)
    assert written == dict.fromkeys(seen, 1) | {owed: 2, given: 2}


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


@pytest.mark.slow
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
