"""What makes a run unfit to be cited is found, and a good one passes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stored_run import Record, Stored, told
from xpbench.bench import calibration, journal, twins
from xpbench.bench.checking import readers
from xpbench.bench.checking.contents import survey
from xpbench.bench.checking.finding import ERROR, NOTE, WARNING, Finding, together
from xpbench.bench.cli import app


def test_a_run_as_it_was_measured_is_fit_to_be_published(stored_run: Stored) -> None:
    found = stored_run.check()
    assert found.fit(), told(found)
    assert (found.name, found.cases, found.measurements) == ("night", 6, 36)
    assert not told(found, ERROR)


def _first(change: Callable[[Record], None]) -> Callable[[Record, list[Record]], None]:
    return lambda header, records: change(records[0])


def _settings(**changes: Any) -> Callable[[Record, list[Record]], None]:
    return lambda header, records: header["settings"].update(changes)


def _of_one_backend(header: Record, records: list[Record]) -> None:
    header["settings"].update(forks=3)
    header["cases"] = [case for case in header["cases"] if case["backend"] == "numpy"]
    records[:] = [m for m in records if m["case"]["backend"] == "numpy" and m["fork"] < 3]


def _scaled(record: Record, factor: float) -> None:
    record["samples"] = [factor * sample for sample in record["samples"]]


SPOILT: dict[str, tuple[Callable[[Record, list[Record]], Any], str, str]] = {
    "a case without a record": (lambda h, r: r.pop(), ERROR, "lacks forks, and no word tells why"),
    "a record that was not planned": (
        lambda h, r: h["cases"].pop(),
        ERROR,
        "plan: was not planned",
    ),
    "a fork that was not planned": (
        lambda h, r: r.append({**r[0], "fork": 6}),
        ERROR,
        "is of a fork that was not planned",
    ),
    "a measurement chosen of two": (
        lambda h, r: r.append({**r[0], "samples": [0.9 * s for s in r[0]["samples"]]}),
        ERROR,
        "measured twice, though nothing disturbed the first time",
    ),
    "the name of another case": (
        _first(lambda m: m.update(id="svd[n=16]/numpy@cpu/float32")),
        ERROR,
        "calls itself by another name",
    ),
    "an error beyond its limit": (
        _first(lambda m: m.update(errors={"product": [9.0, 8.0]})),
        ERROR,
        "is called ok with an error beyond its limit",
    ),
    "an error that is none": (
        _first(lambda m: m.update(errors={"product": ["nan", 8.0]})),
        ERROR,
        "is called ok with an error beyond its limit",
    ),
    "a limit of its own": (
        _first(lambda m: m.update(errors={k: [v, 2 * limit] for k, (v, limit) in m["errors"].items()})),
        WARNING,
        "has another limit than in another fork",
    ),
    "no oracle": (_first(lambda m: m.update(errors={})), ERROR, "was held against no oracle"),
    "no times": (_first(lambda m: m.update(samples=[])), ERROR, "is called ok, and has no times"),
    "calls faster than Python": (_first(lambda m: _scaled(m, 1e-6)), ERROR, "Python calls nothing"),
    "rounds below the clock": (
        _first(lambda m: m.update(iterations=1, samples=[3e-8, 4e-8, 5e-8])),
        ERROR,
        "which the clock does not resolve",
    ),
    "rounds longer than was spent": (
        _first(lambda m: _scaled(m, 3.0)),
        ERROR,
        "take longer together than was spent",
    ),
    "rounds of another": (
        lambda h, r: r[0].update(samples=r[6]["samples"], iterations=r[6]["iterations"], spent={}),
        ERROR,
        "has the very rounds of another line",
    ),
    "equal rounds": (
        _first(lambda m: m.update(samples=[1e-3] * 9, iterations=2, spent={})),
        WARNING,
        "equal to the last digit",
    ),
    "a time below zero": (_first(lambda m: m.update(transfer_s=-1.0)), ERROR, "a figure below zero"),
    "more threads than asked": (
        lambda h, r: [m["in_force"].update(threads=8) for m in r],
        ERROR,
        "had more threads than were asked for",
    ),
    "fewer bits than asked": (
        lambda h, r: [m["in_force"].update(matmul_precision="high") for m in r],
        ERROR,
        "computed products of float32 in fewer bits",
    ),
    "three forks": (_settings(forks=3), ERROR, "are fewer than the 4 that a verdict takes"),
    "three forks of one backend": (
        _of_one_backend,
        WARNING,
        "are fewer than the 4 that a verdict takes",
    ),
    "a case in other threads": (_settings(threads=1), ERROR, "has other threads"),
    "no versions": (lambda h, r: h["versions"].pop("numpy"), ERROR, "its versions are not told"),
    "no processor": (lambda h, r: h["machine"].pop("cpu"), ERROR, "machine cpu"),
    "a machine by its name": (
        lambda h, r: h["machine"].update(id="annsbox1"),
        ERROR,
        "must be eight hexadecimal digits",
    ),
    "no kernel": (lambda h, r: h["kernels"].clear(), ERROR, "the header does not tell what it is"),
    "no digests": (lambda h, r: h.pop("sources"), WARNING, "has no 'sources'"),
    "kernels that changed": (
        lambda h, r: h["sources"].update({"xpbench/kernels/matrix_products.py": "0" * 16}),
        WARNING,
        "has changed since: what is measured here today may be another kernel "
        "('xpbench/kernels/matrix_products.py',)",
    ),
    "a path of a user's kernel": (
        lambda h, r: h["sources"].update({"/data/mine.py": "0" * 16}),
        ERROR,
        "is a path of a file of its user",
    ),
    "a calibration of another machine": (
        lambda h, r: h["calibration"].update(machine="00000000"),
        ERROR,
        "cites a calibration of another machine",
    ),
    "no calibration": (lambda h, r: h.update(calibration=None), NOTE, "cites no calibration"),
    "a busy machine": (
        lambda h, r: [m.update(others=0.5) for m in r],
        WARNING,
        "other processes took more than 10% of the CPUs' time in 100% of the measurements",
    ),
    "a machine that slowed down": (
        lambda h, r: [m["in_force"].update(anchor_compute_s=1e-4 * (1 + 0.1 * m["fork"])) for m in r],
        WARNING,
        "a fixed piece of work went 33% slower in the last fork",
    ),
    "another name than its folder": (
        lambda h, r: h.update(name="day"),
        WARNING,
        "a run is cited by one name",
    ),
    "what no header has": (lambda h, r: h.update(extra=1), WARNING, "holds what no header"),
    "a wrong result": (
        lambda h, r: [
            m.update(status="wrong", samples=[], reason="off")
            for m in r
            if m["case"]["backend"] == "jax"
        ],
        WARNING,
        "is WRONG, which its cell will say",
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_is_amiss_is_told(stored_run: Stored, spoilt: str) -> None:
    change, level, says = SPOILT[spoilt]
    header, records = stored_run.header, stored_run.records
    change(header, records)
    stored_run.write(header, records)
    found = stored_run.check()
    assert says in told(found, level), told(found)
    assert found.fit() == (level != ERROR), told(found)
    assert found.fit(strict=True) == (level == NOTE) or level == WARNING


def test_a_second_turn_of_what_was_disturbed_is_no_choice(stored_run: Stored) -> None:
    header, records = stored_run.header, stored_run.records
    again = {**records[0], "samples": [1.01 * s for s in records[0]["samples"]], "spent": {}}
    records[0]["others"] = 0.4
    stored_run.write(header, [*records, again])
    assert "twice" not in told(stored_run.check())
    stored_run.write(header, [*records, again, {**again, "samples": records[0]["samples"][::-1]}])
    assert "is measured more than twice" in told(stored_run.check(), ERROR)


def test_what_ended_with_a_word_needs_no_other_fork(stored_run: Stored) -> None:
    header, records = stored_run.header, stored_run.records
    kept = [m for m in records if m["case"]["backend"] != "torch" or m["fork"] == 0]
    for m in kept:
        if m["case"]["backend"] == "torch":
            m.update(status="timeout", reason="120 s", samples=[], errors={})
    stored_run.write(header, kept)
    found = stored_run.check()
    assert found.fit(), told(found)
    assert "is timeout, which its cell will say" in told(found, NOTE)


def test_a_latency_above_the_roof_is_told(stored_run: Stored) -> None:
    header, records = stored_run.header, stored_run.records
    header["kernels"]["matmul"]["flops"]["n=512"] *= 50
    header["machine"]["cache_bytes"] = 2**20  # or it lives in the cache, which has no roof
    stored_run.write(header, records)
    found = told(stored_run.check())
    assert "is above the roof of its machine" in found
    assert "has 'flops' other than its kernel" in found


def test_a_value_that_the_readers_stumble_over_is_told_in_words(stored_run: Stored) -> None:
    run_with = journal.read(stored_run.path)
    run_with.header["kernels"]["matmul"] = 3
    [*found] = readers.tables(run_with)
    assert any("cannot be made of it, a value has not the form" in one.says for one in found)


def test_a_calibration_must_say_what_its_journal_says(runs: Any) -> None:
    names = [twins.equal("numpy", number) for number in range(twins.EQUALS)]
    names += [twins.heavier("numpy", extra) for extra in twins.EXTRA]
    stored = runs.store(*(runs.forks(runs.case(name), count=12) for name in names))

    def found() -> list[Finding]:
        return [*readers.calibrated(stored, survey(stored.path)[0])]

    assert "is missing" in found()[0].says
    record = json.loads(json.dumps(calibration.calibrate(stored, 6).to_json()))
    file = stored.path / calibration.CALIBRATION
    file.write_text(json.dumps(record))
    assert found() == []
    record["pairs"]["seen"] += 1
    file.write_text(json.dumps(record))
    assert [(one.says, one.where) for one in found()] == [
        ("is not what the journal says", "calibration.json pairs")
    ]
    file.write_text("{}")
    assert "does not tell of how many forks" in found()[0].says


def test_findings_of_one_kind_are_told_once_and_errors_first() -> None:
    many = [Finding(NOTE, "a", "is so", f"line {number}") for number in range(9)]
    kinds = [Finding(WARNING, "b", f"is {number}") for number in range(1000)]
    found = together([*many, Finding(ERROR, "c", "is bad", "here"), *kinds])
    assert [one.level for one in found[:2]] == [ERROR, ERROR]
    assert (found[-1].count, found[-1].places) == (9, ("line 0", "line 1", "line 2"))
    assert "more amiss than is told" in found[1].says
    assert len(found) < 300


def test_the_command_tells_scripts_by_its_exit_code(
    xpbench: Any, stored_run: Stored, tmp_path: Path
) -> None:
    def answer(*words: object) -> Any:
        return CliRunner().invoke(app, ["check", *map(str, words)], env={"COLUMNS": "80"})

    (tmp_path / "empty").mkdir()
    good = answer(stored_run.path)
    assert good.exit_code == 0, good.output
    assert f"{stored_run.path}: fit to be published" in good.stdout
    header = stored_run.header
    header.update(extra=1)
    stored_run.write_header(header)
    assert answer(stored_run.path).exit_code == 0
    assert answer(stored_run.path, "--strict").exit_code == 1
    bad = Path(shutil.copytree(stored_run.path, tmp_path / "bad"))
    (bad / "journal.jsonl").write_text("")
    assert answer(bad).exit_code == 1
    mixed = xpbench("check", stored_run.path, bad, tmp_path / "empty", "--json")
    assert mixed.returncode == 2
    assert "it holds no run.json" in mixed.stderr
    assert "Traceback" not in mixed.stderr
    first, second = json.loads(mixed.stdout)
    assert (first["run"], first["fit"], second["fit"]) == ("night", True, False)
    assert {"level", "about", "says", "count", "where"} == first["findings"][0].keys()
