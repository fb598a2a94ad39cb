"""The folder of a run: one writer, nothing lost, and what is amiss is named."""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from processes import wait_until
from xpbench.bench import journal, log
from xpbench.bench.checking import contents
from xpbench.bench.checking.check import check
from xpbench.bench.checking.sums import sums
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.table import render

ROOT = os.geteuid() == 0


def started(folder: Path, *arguments: str | Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "xpbench", "run", *map(str, arguments)]
    run = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert wait_until(lambda: (folder / "run" / "journal.jsonl").exists(), 60)
    return run


def test_two_runs_into_one_folder_are_refused_with_the_process_of_the_first(
    write_kernel: Any, typed: Any, tmp_path: Path
) -> None:
    options = ("--backend", "numpy", "--size", "small", "--forks", "4", "--time", "3", "--out", "run")
    first = started(tmp_path, write_kernel(), *options)
    try:
        for arguments in ((write_kernel(), *options), (write_kernel(), "--resume", "run")):
            second = typed("run", *arguments)
            assert second.returncode == 2
            assert f"run is being written by process {first.pid}" in second.stderr
            assert len(second.stderr.strip().splitlines()) == 1
        assert f"is held by process {first.pid}" in typed("check", "run").stdout
        shown = typed("table", "run")
        assert shown.returncode == 0, "what is measured already can be looked at"
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate()
    assert not (tmp_path / "run" / "run.lock").exists()


def test_of_two_that_create_a_folder_at_once_one_fails(runs: Any, tmp_path: Path) -> None:
    text = """
import sys
from pathlib import Path
from xpbench.bench import journal
from xpbench.bench.exceptions import XpbenchError
sys.stdin.readline()
try:
    journal.create(Path(sys.argv[1]), {"name": sys.argv[2]})
except XpbenchError as fault:
    sys.exit(str(fault))
"""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", text, str(folder)]
    pipes: Any = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([*command, name], **pipes) for name in ("a", "b")]
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 1]
    winner = ("a", "b")[[one.returncode for one in both].index(0)]
    assert json.loads((folder / "run.json").read_text())["name"] == winner
    assert "holds" in "".join(said)
    assert [file.name for file in folder.iterdir()] == ["run.json"]


def test_where_there_are_no_links_a_run_begins_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    journal.create(tmp_path / "run", {"name": "run"})
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["run.json"]
    with pytest.raises(XpbenchError, match="holds a run already"):
        journal.create(tmp_path / "run", {"name": "run"})


def test_what_a_killed_beginning_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".run.json.4711").write_text("{")
    journal.create(tmp_path, {"name": "run"})
    assert (tmp_path / "run.json").exists()


def test_a_folder_with_other_files_in_it_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(XpbenchError, match="holds other files, and a run has a folder of its own"):
        journal.create(tmp_path, {"name": "run"})
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("lost", ["missing", "torn", "empty"])
def test_without_its_header_a_run_is_shown_by_its_journal(runs: Any, typed: Any, lost: str) -> None:
    run = runs.store(runs.forks(runs.case()), runs.forks(runs.case("torch"), time=2e-3))
    header = run.path / "run.json"
    if lost == "missing":
        header.unlink()
    else:
        header.write_text(header.read_text()[:300] if lost == "torn" else "")
    read = journal.read(run.path)
    assert read.measurements == run.measurements
    (damage,) = read.damaged
    assert "run.json: " in damage
    assert "shown is what the journal tells" in damage
    assert "matmul" in render(summarise([read]), "md")
    shown = typed("table", run.path)
    assert shown.returncode == 0
    assert "shown is what the journal tells" in shown.stderr
    refused = typed("run", "--resume", run.path)
    assert refused.returncode == 2
    assert "the run can be shown, but not resumed" in refused.stderr
    checked = typed("check", run.path)
    assert checked.returncode in (1, 2)


def test_records_in_any_order_make_the_same_table(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()), runs.forks(runs.case("torch"), time=2e-3))
    before = summarise([run])
    file = run.path / "journal.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[::-1], *lines]))
    assert summarise([journal.read(run.path)]).equals(before)


def test_a_digit_that_changes_on_the_disk_is_seen_and_its_record_left_out(
    runs: Any, xpbench: Any
) -> None:
    run = runs.store(runs.forks(runs.case()), checksums="crc32")
    file = run.path / "journal.jsonl"
    text = file.read_text()
    place = text.index('"iterations": 10') + len('"iterations": ')
    file.write_text(text[:place] + "3" + text[place + 1 :])
    read = journal.read(run.path)
    assert len(read.measurements) == 4
    assert "journal.jsonl:1: left out, its checksum does not fit" in read.damaged[0]
    found = check(run.path, own=())
    assert any("its checksum does not fit" in one.says for one in found.found)


def test_where_every_line_has_a_checksum_one_without_is_left_out(runs: Any) -> None:
    record = runs.forks(runs.case(), count=1)[0]
    run = runs.store([record], checksums="crc32")
    line = json.dumps({**record.to_json(), "fork": 7}) + "\n"
    with (run.path / "journal.jsonl").open("a") as file:
        file.write(line)
    assert journal.read(run.path).measurements == (record,)
    older = runs.store([record])
    with (older.path / "journal.jsonl").open("a") as file:
        file.write(line)
    assert len(journal.read(older.path).measurements) == 2


@pytest.mark.parametrize("name", ["run.json", "journal.jsonl", "roofs.jsonl", "journal.jsonl.gz"])
def test_a_pipe_in_a_runs_folder_is_refused_and_not_waited_for(
    runs: Any, xpbench: Any, name: str
) -> None:
    run = runs.store(runs.forks(runs.case()))
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    done = xpbench("table" if name.startswith("journal") else "report", run.path, timeout=60)
    assert done.returncode == 2
    assert f"{name} is not a file" in done.stderr


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_measured(
    write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    answer = xpbench(
        "run", write_kernel(), "--backend", "numpy", "--preset", "smoke", "--out", closed / "run"
    )
    assert answer.returncode == 2
    assert f"closed/run cannot be written: {closed} is read-only" in answer.stderr


def test_a_read_only_disk_is_an_error_before_anything_is_measured_and_no_obstacle_to_reading(
    runs: Any, write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    stored = runs.store(runs.forks(runs.case())).path
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "--bind", str(tmp_path), str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(disk)], check=True)
        kernel = write_kernel()
        options = ("--backend", "numpy", "--preset", "smoke", "--out", disk / "new")
        answer = xpbench("run", kernel, *options)
        assert answer.returncode == 2
        assert f"disk/new cannot be written: {disk} is read-only, or another user's" in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1
        assert xpbench("table", disk / stored.name).returncode == 0
        resumed = xpbench("run", "--resume", disk / stored.name)
        assert resumed.returncode == 2
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_checksums_of_a_published_run_name_the_file_that_changed(stored_run: Any) -> None:
    folder = stored_run.path
    held, _ = contents.survey(folder)
    (folder / "SHA256SUMS").write_text(sums(held))
    assert not [one for one in stored_run.check().found if one.about == "checksum"]
    told = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout

    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"seed": 0', '"seed": 1', 1))
    (folder / "roofs.jsonl").unlink()
    (folder / "notes.md").write_text("new")
    found = {one.places: one for one in stored_run.check().found if one.about == "checksum"}
    assert "is not what SHA256SUMS says" in found[("run.json",)].says
    assert "not there" in found[("roofs.jsonl",)].says
    assert "is not named in SHA256SUMS" in found[("notes.md",)].says


def test_the_checksum_is_the_crc_that_everybody_computes(runs: Any) -> None:
    line = log.sealed({"a": 1})
    assert line == b'{"a": 1, "crc32": "%08x"}' % gzip.zlib.crc32(b'{"a": 1}')  # type: ignore[attr-defined]
    assert len(hashlib.sha256(line).hexdigest()) == 64


def test_without_rounds_a_fork_is_its_median_and_the_tables_are_the_same(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()), runs.forks(runs.case("torch"), time=2e-3))
    less = journal.read(run.path, rounds=False)
    assert all(len(m.samples) == 1 for m in less.measurements)
    assert summarise([less]).equals(summarise([run]))
    assert len({id(m.case) for m in less.measurements}) == 2, "the records of a case share it"


class TestResuming:
    """A run goes on as it began, or says why it cannot."""

    OPTIONS = ("--backend", "numpy", "--size", "small", "--forks", "2", "--time", "0.01", "--no-roofs")

    @pytest.fixture
    def begun(self, write_kernel_to: Any, xpbench: Any, tmp_path: Path) -> Path:
        home = tmp_path / "home"
        home.mkdir()
        kernel = write_kernel_to(home, "mine")
        assert xpbench("run", kernel, *self.OPTIONS, "--out", "run").returncode == 0
        file = tmp_path / "run" / "journal.jsonl"
        file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
        return kernel

    def test_a_kernel_file_is_asked_for_by_name_and_not_run_before(
        self, begun: Path, xpbench: Any, tmp_path: Path
    ) -> None:
        text = begun.read_text()
        begun.write_text(text + "\nopen('was_run', 'w').close()\n")
        refused = xpbench("run", "--resume", "run")
        assert refused.returncode == 2
        assert "a file is run only when it is named" in refused.stderr
        assert "`xpbench run home/mine_file.py --resume run`" in refused.stderr
        assert not (tmp_path / "was_run").exists()
        begun.write_text(text)
        moved = begun.rename(tmp_path / "mine_file.py")
        refused = xpbench("run", "--resume", "run")
        assert "`xpbench run PATH/mine_file.py --resume run`" in refused.stderr
        resumed = xpbench("run", moved, "--resume", "run")
        assert resumed.returncode == 0, resumed.stderr
        assert len(journal.read(tmp_path / "run").measurements) == 2

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            (("--forks", "9"), "--forks beside --resume"),
            (("--seed", "0"), "--seed beside --resume"),
            (("--out", "new"), "--out beside --resume"),
            (("--backend", "numpy"), "--backend beside --resume"),
            (("matmul",), "matmul beside --resume"),
        ],
    )
    def test_what_a_run_that_goes_on_cannot_change_is_refused(
        self, typed: Any, runs: Any, option: tuple[str, ...], said: str
    ) -> None:
        run = runs.store(runs.forks(runs.case()))
        refused = typed("run", *option, "--resume", run.path)
        assert refused.returncode == 2
        assert said in refused.stderr
