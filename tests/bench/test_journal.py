"""A run survives what happens to its files: torn lines, kills, full disks, other versions."""

import gzip
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpbench.bench import journal, log
from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import STATUSES, Measurement

CASE = Case("matmul", (("n", 512),), "small", "numpy", "cpu", "float32", 2).to_json()


def test_what_was_written_is_read_back(runs: Any) -> None:
    first, second = runs.forks(runs.case("numpy")), runs.forks(runs.case("torch@cuda:1"))
    run = runs.store(first, second, unmeasured=[runs.case("jax")])
    assert run.measurements == (*first, *second)
    assert run.damaged == ()
    assert run.header == {"schema": journal.SCHEMA, **runs.header([*run.cases])}
    assert [str(case) for case in run.cases][-1] == "matmul[n=512]/jax@cpu/float32"
    assert (run.name, run.path) == ("night", runs.folder / "run0")


@pytest.mark.parametrize("name", ["", "run.json", "journal.jsonl"])
def test_a_run_may_be_named_by_either_of_its_files(runs: Any, name: str) -> None:
    run = runs.store(runs.forks(runs.case()))
    assert journal.read(run.path / name) == run


def test_a_run_without_a_journal_has_no_measurements(runs: Any, tmp_path: Path) -> None:
    journal.create(tmp_path / "new", runs.header([runs.case()]))
    assert journal.read(tmp_path / "new").measurements == ()


def test_a_published_journal_may_be_packed_and_goes_on(runs: Any) -> None:
    forks = runs.forks(runs.case(), count=3)
    run = runs.store(forks[:2])
    plain = run.path / journal.JOURNAL
    packed = run.path / f"{journal.JOURNAL}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert journal.read(run.path).measurements == run.measurements
    journal.append(run.path, forks[2])
    assert [m.fork for m in journal.read(run.path).measurements] == [0, 1, 2]
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(XpbenchError, match=r"journal\.jsonl\.gz cannot be unpacked"):
        journal.read(run.path)


def test_a_packed_journal_that_would_fill_the_memory_is_refused(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.store(runs.forks(runs.case()))
    file = run.path / "journal.jsonl"
    (run.path / "journal.jsonl.gz").write_bytes(gzip.compress(file.read_bytes() + bytes(2**22)))
    monkeypatch.setattr(log, "MOST_UNPACKED", 2**21)
    with pytest.raises(XpbenchError, match=r"unpacks to more than 2097152 bytes"):
        journal.read(run.path)


def test_a_line_without_end_does_not_fill_the_memory(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = runs.forks(runs.case(), count=2)
    run = runs.store([first])
    monkeypatch.setattr(log, "MOST_LINE", 2**16)
    monkeypatch.setattr(log, "CHUNK", 2**12)
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(b"x" * 2**20 + b"\n")
    journal.append(run.path, second)
    read = journal.read(run.path)
    assert read.measurements == (first, second)
    assert len(read.damaged) == 1


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_not_finite_are_standard_json_and_come_back(runs: Any, value: float) -> None:
    strange = replace(
        runs.forks(runs.case())[0],
        status="wrong",
        samples=(),
        errors={"e": (value, 1.0)},
        in_force={"x": value},
    )
    run = runs.store([strange], seed=value)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not standard JSON")

    for file in ("run.json", "journal.jsonl"):
        json.loads((run.path / file).read_text(), parse_constant=refuse)
    error, limit = run.measurements[0].errors["e"]
    assert (str(error), limit) == (str(value), 1.0)
    assert run.measurements[0].in_force == {"x": str(value)}


@pytest.mark.parametrize("scalar", [np.float32, np.float64, np.int64, np.bool_, np.asarray])
def test_scalars_of_a_library_become_pythons_own(runs: Any, scalar: Any) -> None:
    record = replace(
        runs.forks(runs.case())[0], errors={"e": (scalar(1), scalar(1))}, in_force={"n": scalar(1)}
    )
    read = journal.read(runs.store([record]).path).measurements[0]
    assert read.errors == {"e": (1.0, 1.0)}
    assert type(read.in_force["n"]).__module__ == "builtins"


def test_any_text_is_one_line_and_comes_back(runs: Any) -> None:
    text = 'a\nb\r\x00\x1b[31m\u2028"\\ µ \udc80'
    run = runs.store([replace(runs.forks(runs.case())[0], reason=text)])
    assert run.measurements[0].reason == text
    assert (run.path / "journal.jsonl").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_torn_line_costs_itself_alone(runs: Any, cut: int) -> None:
    first, second, third = runs.forks(runs.case(), count=3)
    path = runs.store([first, second]).path
    file = path / "journal.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[:-cut])
    journal.append(path, third)
    run = journal.read(path)
    # Without its newline alone, a line is whole.
    assert run.measurements == ((first, second, third) if cut == 1 else (first, third))
    assert len(run.damaged) == (cut > 1)
    assert all("journal.jsonl:2: left out, it is not whole JSON" in message for message in run.damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fork": None}, "fork = None"),
        ({"fork": -1}, "expected 0, 1, 2"),
        ({"fork": True}, "expected 0, 1, 2"),
        ({"status": "fine"}, "expected one of ok, unsupported"),
        ({"samples": [1.0, 0.0]}, "expected positive numbers of seconds"),
        ({"samples": [1.0, "nan"]}, "expected positive numbers of seconds"),
        ({"samples": 3}, "samples = 3 is malformed"),
        ({"errors": {"e": 3}}, "errors = "),
        ({"errors": [1]}, "errors = "),
        ({"iterations": "many"}, "iterations = 'many'"),
        ({"peak_bytes": "inf"}, "peak_bytes = 'inf'"),
        ({"case": {"kernel": "matmul"}}, "a case lacks 'size'"),
        ({"case": 3}, "a case must be an object"),
        ({"case": {**CASE, "threads": "2"}}, "the threads of a case must be a whole number"),
        ({"case": {**CASE, "kernel": ["svd"]}}, "the kernel of a case must be a text"),
    ],
)
def test_a_malformed_record_is_left_out_and_its_fault_named(
    runs: Any, change: dict[str, Any], message: str
) -> None:
    good = runs.forks(runs.case(), count=1)
    path = runs.store(good).path
    with (path / "journal.jsonl").open("a") as file:
        file.write(json.dumps({**good[0].to_json(), "fork": 1, **change}) + "\n")
    run = journal.read(path)
    assert run.measurements == tuple(good)
    assert len(run.damaged) == 1
    assert "journal.jsonl:2: left out" in run.damaged[0]
    assert message in run.damaged[0]


@pytest.mark.parametrize(
    "line", ["[]", "3", "null", "{", "\x00\x00", "\xff", '{"fork": 0}', "[" * 100_000]
)
def test_a_line_that_is_no_record_is_left_out(runs: Any, line: str) -> None:
    good = runs.forks(runs.case(), count=2)
    path = runs.store(good).path
    with (path / "journal.jsonl").open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    run = journal.read(path)
    assert run.measurements == tuple(good)
    assert len(run.damaged) == 1


def test_keys_of_a_later_version_are_ignored_and_absent_ones_have_their_default(runs: Any) -> None:
    case = runs.case()
    record = {
        "case": {**case.to_json(), "colour": "red"},
        "fork": 2,
        "status": "ok",
        "joules": 3.0,
    }
    assert Measurement.from_json(record) == Measurement(case=case, fork=2, status="ok")


def test_of_a_fork_recorded_twice_the_later_whole_record_counts(runs: Any) -> None:
    first = runs.forks(runs.case(), count=1)[0]
    later = replace(first, status="crashed", samples=())
    path = runs.store([first, later]).path
    with (path / "journal.jsonl").open("a") as file:
        file.write(json.dumps({**first.to_json(), "status": "failed"})[:-5])
    assert journal.read(path).measurements == (later,)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_can_be_stored(runs: Any, status: str) -> None:
    record = Measurement(case=runs.case(), fork=0, status=status, reason="so")
    assert runs.store([record]).measurements == (record,)


def test_a_folder_that_holds_a_run_is_not_overwritten(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()))
    with pytest.raises(XpbenchError, match=r"holds a run already.*--resume.*--out"):
        journal.create(run.path, runs.header([]))
    (run.path / "run.json").unlink()
    with pytest.raises(XpbenchError, match=r"holds a run already \(journal.jsonl\)"):
        journal.create(run.path, runs.header([]))
    assert [file.name for file in run.path.iterdir()] == ["journal.jsonl"]


def test_creating_leaves_no_other_file_and_makes_the_folders_above(runs: Any, tmp_path: Path) -> None:
    journal.create(tmp_path / "a" / "b", runs.header([]))
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"is not a run, it holds no run.json"),
        ("", r"run.json is not JSON"),
        ('{"schema": 1', r"run.json is not JSON"),
        ("[1]", r"has no schema number"),
        ('{"schema": "1"}', r"has no schema number"),
        ('{"schema": 2}', r"newer xpbench \(schema 2, this one reads 1\).*--upgrade"),
        ('{"schema": 1, "cases": 3}', r"'cases' must be a list"),
        ('{"schema": 1, "settings": 3}', r"'settings' must be an object"),
        ('{"schema": 1, "kernels": {"svd": {"flops": 3}}}', r"kernels\['svd'\] must be an object"),
        ('{"schema": 1, "cases": [{"kernel": "matmul"}]}', r"cases\[0\]: a case lacks 'size'"),
    ],
)
def test_a_header_that_cannot_be_read_is_one_clear_error(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(XpbenchError, match=message) as caught:
        journal.read(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_path_that_is_no_run_is_an_error_that_names_runs_nearby(runs: Any, tmp_path: Path) -> None:
    with pytest.raises(XpbenchError, match=r"no run at .*nowhere: name the folder"):
        journal.read(tmp_path / "nowhere")
    run = runs.store(runs.forks(runs.case()))
    with pytest.raises(XpbenchError, match=rf"name one of the 1 runs in it, e.g. {run.path}"):
        journal.read(tmp_path)
    with pytest.raises(XpbenchError, match=r"no run at"):
        journal.read(run.path / "run.json" / "deeper")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error_that_says_so(runs: Any) -> None:
    path = runs.store(runs.forks(runs.case())).path
    (path / "journal.jsonl").unlink()
    (path / "journal.jsonl").symlink_to("/dev/full")
    with pytest.raises(XpbenchError, match=r"journal.jsonl cannot be written: No space left on device"):
        journal.append(path, runs.forks(runs.case())[0])


def test_a_line_that_the_disk_takes_in_part_is_an_error_and_harms_no_other(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = runs.forks(runs.case(), count=3)
    path = runs.store([first]).path
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:40]))
    with pytest.raises(XpbenchError, match=r"the disk took 40 of \d+ bytes"):
        journal.append(path, second)
    monkeypatch.undo()
    journal.append(path, third)
    assert journal.read(path).measurements == (first, third)


WRITER = """
import sys
from pathlib import Path
from xpbench.bench import journal
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement

case = Case(sys.argv[2], (("n", 1),), "small", "numpy", "cpu", "float32", 1)
for fork in range(int(sys.argv[3])):
    samples = (1.0,) * 2000
    journal.append(Path(sys.argv[1]), Measurement(case, fork, "ok", samples=samples))
    print(fork, flush=True)
"""


def writer(folder: Path, kernel: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(folder), kernel, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_lines_of_processes_that_write_at_once_do_not_mix(runs: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    journal.create(folder, runs.header([]))
    writers = [writer(folder, name, 30) for name in ("first", "second", "third")]
    assert [process.communicate()[1] for process in writers] == [None] * 3
    run = journal.read(folder)
    assert run.damaged == ()
    assert len(run.measurements) == 90


def test_what_append_returned_from_survives_a_kill(runs: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    journal.create(folder, runs.header([]))
    process = writer(folder, "killed", 100_000)
    assert process.stdout is not None
    for _ in range(20):
        last = process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    forks = {measurement.fork for measurement in journal.read(folder).measurements}
    assert set(range(int(last) + 1)) <= forks


def test_a_reason_that_reads_like_what_was_in_force_stays_a_text(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case(), count=2, status="wrong", reason="{}", samples=()))
    assert [m.in_force for m in run.measurements] == [{}, {}]
    assert [m.reason for m in journal.read(run.path, rounds=False).measurements] == ["{}", "{}"]
