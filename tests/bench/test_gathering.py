"""What machines answer is kept once, and by kind of machine."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps import lines
from xpbench.bench import beginning, groups, journal, lock
from xpbench.bench.case import Case
from xpbench.bench.cluster import gathering
from xpbench.bench.cluster.block import Result
from xpbench.bench.cluster.gathering import Gathering
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import Measurement

CASES = [Case("matmul", (("n", n),), "", "numpy", "cpu", "float32", 2) for n in (8, 9)]
LACKING = Case("matmul", (("n", 8),), "", "cupy", "cuda", "float32", 2)
WORD = Measurement(LACKING, 0, "unsupported", "no card")
HEADER = {
    "schema": journal.SCHEMA,
    "checksums": "crc32",
    "settings": {"forks": 2, "baseline": "numpy"},
    "machine": {},
    "versions": {},
    "kernels": {"matmul": {"flops": {}, "traffic": {}}},
    "cases": [case.to_json() for case in (*CASES, LACKING)],
}


def machine(cores: int) -> dict[str, Any]:
    return {"id": "a" * 8, "cpu": "Xeon", "cores": cores, "memory_bytes": 2**30, "system": "Linux"}


def result(cores: int, *keys: tuple[int, int], status: str = "ok") -> Result:
    """What a machine with so many cores saw of cases and forks."""
    seen = (Measurement(CASES[case], fork, status, samples=(1.0,)) for case, fork in keys)
    return Result(machine(cores), measurements=tuple(record.to_json() for record in seen))


@pytest.fixture
def kept(tmp_path: Path) -> Gathering:
    gathering.begin(tmp_path / "run", HEADER)
    return Gathering.of(tmp_path / "run", HEADER, (WORD,))


def test_what_comes_twice_is_kept_once(kept: Gathering) -> None:
    assert len(kept.take(result(2, (0, 0), (1, 0)))) == 2
    assert kept.take(result(2, (0, 0), (1, 0))) == [], "a retried block"
    assert len(kept.take(result(4, (0, 0), (1, 1)))) == 1, "on another machine too"
    assert set(Counter(lines(kept.folder)).values()) == {1}
    assert len(lines(kept.folder)) == 4, "two forks, one more, and the word of the row"


def test_who_takes_the_run_up_again_knows_what_is_there_and_where(kept: Gathering) -> None:
    kept.take(result(2, (0, 0)))
    kept.take(result(4, (1, 0)))
    again = Gathering.of(kept.folder, HEADER, (WORD,))
    assert again.progress.done == kept.progress.done
    assert again.homes == kept.homes
    assert again.take(result(2, (0, 0), (1, 0))) == []
    assert [m.key for m in again.take(result(2, (0, 1)))] == [(str(CASES[0]), 1)]


def test_each_kind_of_machine_has_a_run_with_the_cases_it_measured(kept: Gathering) -> None:
    kept.take(result(2, (0, 0)))
    kept.take(result(4, (1, 0)))
    two, four = (journal.read(group) for group in groups.groups_in(kept.folder))
    assert {two.header["machine"]["cores"], four.header["machine"]["cores"]} == {2, 4}
    assert two.header["machine"]["id"] != four.header["machine"]["id"]
    assert sorted(len(run.cases) for run in (two, four)) == [1, 2]
    assert {str(c) for run in (two, four) for c in run.cases} == {str(c) for c in (*CASES, LACKING)}
    words = groups.words_of([kept.folder])
    assert [f"{cores} CPUs" in line for cores, line in zip((2, 4), words, strict=True)] == [True, True]
    assert groups.runs_of([kept.folder]) == groups.groups_in(kept.folder)
    assert groups.pairs_of(kept.folder, kept.folder) == [
        (group, group) for group in groups.groups_in(kept.folder)
    ]


def test_the_words_of_a_row_stand_where_its_times_are(kept: Gathering) -> None:
    kept.take(result(4, (1, 0)))
    assert WORD.key not in lines(kept.folder)
    kept.take(result(2, (0, 0)))
    assert Counter(lines(kept.folder))[WORD.key] == 1


def test_a_row_that_nobody_can_measure_has_its_words_too(tmp_path: Path) -> None:
    alone = replace(LACKING, size=(("n", 10),))
    word = Measurement(alone, 0, "oom", "it is too large")
    header = HEADER | {"cases": [*HEADER["cases"], alone.to_json()]}
    kernel = header["kernels"]["matmul"]
    gathering.begin(tmp_path / "run", header)
    kept = Gathering.of(tmp_path / "run", header, (WORD, word))
    kept.take(result(2, (1, 0)))
    kept.take(result(4, (0, 0)))
    assert Counter(lines(kept.folder))[word.key] == 1
    assert journal.read(groups.groups_in(kept.folder)[0]).header["kernels"] == {"matmul": kernel}


def test_what_is_of_all_groups_is_in_none(tmp_path: Path) -> None:
    planned = HEADER | {gathering.UNFIT: {"matmul[n=9]/numpy@cpu/float32": "takes 9 TB"}}
    gathering.begin(tmp_path / "run", planned)
    Gathering.of(tmp_path / "run", planned).take(result(2, (0, 0)))
    [group] = groups.groups_in(tmp_path / "run")
    assert gathering.UNFIT not in journal.planned(group).header
    assert groups.plan_of(tmp_path / "run")[gathering.UNFIT]


def test_a_group_is_not_completed_by_two_at_once(kept: Gathering) -> None:
    kept.take(result(2, (0, 0)))
    [group] = groups.groups_in(kept.folder)
    with lock.writing(kept.folder, print), pytest.raises(XpbenchError, match="is being written by"):
        beginning.resume(group)


def test_an_answer_without_news_makes_no_group(kept: Gathering) -> None:
    assert kept.take(Result(machine(8), roofs=({},))) == []
    assert groups.groups_in(kept.folder) == []


def test_a_case_that_ended_with_a_word_gets_no_second_one(kept: Gathering) -> None:
    kept.take(result(2, (0, 0), status="failed"))
    assert kept.take(result(2, (0, 1), status="failed")) == []


def test_a_folder_in_use_is_no_place_for_a_sweep(kept: Gathering, tmp_path: Path) -> None:
    with pytest.raises(XpbenchError, match=r"holds other files|holds a run already"):
        gathering.begin(kept.folder, HEADER)
    assert json.loads((kept.folder / journal.PLAN).read_text()) == HEADER


@pytest.mark.parametrize(
    "text",
    (
        *("", "[]", "{}", '{"cases": 1}'),
        *(json.dumps(HEADER | {part: "abc"}) for part in ("settings", "versions", "kernels", "machine")),
        json.dumps(HEADER | {"settings": {"forks": "6"}}),
    ),
)
def test_a_plan_that_is_torn_is_one_clear_error(kept: Gathering, text: str) -> None:
    (kept.folder / journal.PLAN).write_text(text)
    with pytest.raises(XpbenchError, match="can be shown, but the run not resumed"):
        groups.plan_of(kept.folder)
