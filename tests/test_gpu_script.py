"""The stages of ``make gpu`` go on where they were interrupted, and leave what can be carried away."""

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from xpbench.bench import journal
from xpbench.bench.measurement import Measurement

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
RUN = Path("default") / "default-device"
REHEARSAL = ("--rehearsal", "--device", "cpu")
HURRIED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import gpu
gpu.STAGE_SECONDS, gpu.LEAST_STEP_SECONDS = gpu.GRACE + 3.0, 1.0
sys.exit(gpu.main(sys.argv[1:]))
"""
"""The script with three seconds for every stage."""
STUBBORN = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(child.pid, flush=True)
time.sleep(600)
"""
"""A command that hears no Ctrl-C, with a child in a session of its own."""
KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import gpu_command
sleep = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
gpu_command.run_until(time.monotonic() + 600, sleep, Path("output"), Path("log"), Path())
"""
"""A script in the middle of a command."""
STAND_IN = """#!/bin/sh
case "$*" in
*"list backends"*) echo '[{{"backend": "numpy", "usable": true, "devices": ["cpu"]}}]' ;;
*" doctor "*) echo '{{}}' ;;
*" verify gmm_em "*) echo "disagrees: planted" >&2; exit 1 ;;
*" verify "*) exec sleep 600 ;;
*) exec {python} "$@" ;;
esac
"""
"""A Python that knows NumPy alone and asks no other library; its xpbench disagrees in one chapter, and
never ends in the others."""

Answer = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}


def gpu(
    out: Path,
    *arguments: str,
    start: tuple[str, ...] = (str(SCRIPTS / "gpu.py"),),
    timeout: float = 120,
) -> Answer:
    return subprocess.run(
        [sys.executable, *start, "--out", str(out), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def stages(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "stages.json").read_text())["stages"])


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module(name)


def measured(out: Path) -> list[Measurement]:
    """Every line of the journal of the default run, in its order."""
    text = (out / RUN / journal.JOURNAL).read_text()
    return [Measurement.from_json(json.loads(line)) for line in text.splitlines()]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    python = tmp_path_factory.mktemp("stand-in") / "python"
    python.write_text(STAND_IN.format(python=sys.executable))
    python.chmod(0o755)
    return str(python)


@dataclass(frozen=True)
class Interrupted:
    """A rehearsal that was told to end when its first measurement was on the disk."""

    out: Path
    code: int
    stages: dict[str, Any]
    measured: list[Measurement]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, stand_in: str) -> Interrupted:
    out = tmp_path_factory.mktemp("carried") / "gpu"
    options = ("--out", str(out), *REHEARSAL, "--python", stand_in, "--stages", "default")
    call = subprocess.Popen([sys.executable, str(SCRIPTS / "gpu.py"), *options], env=environment())
    try:
        while not (out / RUN / journal.JOURNAL).exists() and call.poll() is None:
            time.sleep(0.01)
        call.send_signal(signal.SIGTERM)
        code = call.wait(60)
    finally:
        call.kill()
    return Interrupted(out, code, stages(out), measured(out))


@pytest.fixture(scope="module")
def completed(interrupted: Interrupted, stand_in: str) -> tuple[Path, Answer]:
    """The same folder after a second call."""
    answer = gpu(interrupted.out, *REHEARSAL, "--python", stand_in, "--stages", "default")
    return interrupted.out, answer


def test_an_interrupted_call_says_what_is_left_and_packs_what_is_there(
    interrupted: Interrupted,
) -> None:
    assert interrupted.code == 130
    stage = interrupted.stages["default"]
    step = stage["steps"]["default-device"]
    assert (stage["state"], step["state"], step["exit"]) == ("cut", "cut", None)
    assert 0 < len({one.key for one in interrupted.measured}) < 4, "two kernels in two forks"
    assert (interrupted.out / "gpu.tar.gz.0").exists()
    assert (interrupted.out / "machine.json").exists()


def test_the_next_call_measures_the_rest_and_nothing_twice(
    interrupted: Interrupted, completed: tuple[Path, Answer]
) -> None:
    out, answer = completed
    assert answer.returncode == 0, answer.stderr
    found = measured(out)
    assert found[: len(interrupted.measured)] == interrupted.measured
    assert len({one.key for one in found}) == 4
    # What other work disturbed has a second turn, in a run that nothing interrupts too.
    quiet = [one.key for one in found if not one.disturbed]
    assert len(quiet) == len(set(quiet))
    assert stages(out)["default"]["state"] == "done"
    assert answer.stdout.splitlines()[-1].startswith("pack"), "the table is the last that is printed"


def test_what_is_done_is_not_done_again(completed: tuple[Path, Answer], stand_in: str) -> None:
    out, _ = completed
    file = out / "stages.json"
    record = json.loads(file.read_text())
    nothing = {"state": "done", "seconds": 0.0, "left": "", "steps": {}}
    names = ("tests", "verify", "precision", "roofs", "graphs", "calibrate", "crossovers", "thorough")
    record["stages"] |= dict.fromkeys(names, nothing)
    file.write_text(json.dumps(record))
    before = measured(out)
    answer = gpu(out, *REHEARSAL, "--python", stand_in)
    assert answer.returncode == 0, answer.stderr
    assert measured(out) == before
    assert [path.name for path in (out / "default").iterdir() if path.is_dir()] == ["default-device"]


def test_the_archive_holds_tables_and_journals_that_can_be_read(
    completed: tuple[Path, Answer], tmp_path: Path
) -> None:
    out, _ = completed
    pieces = sorted(out.glob("gpu.tar.gz.*"))
    with tarfile.open(fileobj=io.BytesIO(b"".join(piece.read_bytes() for piece in pieces))) as archive:
        archive.extractall(tmp_path, filter="data")
    run = tmp_path / "gpu" / RUN
    assert not (run / journal.JOURNAL).exists(), "it is packed"
    command = [sys.executable, "-m", "xpbench", "table", str(run)]
    table = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert table.returncode == 0, table.stderr
    assert "matmul" in table.stdout
    assert "## latency" in (run / "table.md").read_text()
    assert (tmp_path / "gpu" / "stages.json").exists()


@pytest.mark.slow
def test_a_disagreement_and_an_endless_command_are_recorded_and_the_next_stage_begins(
    tmp_path: Path, stand_in: str
) -> None:
    out = tmp_path / "gpu"
    asked = ("--python", stand_in, "--stages", "verify", "graphs", "pack")
    answer = gpu(out, *REHEARSAL, *asked, start=("-c", HURRIED, str(SCRIPTS)))
    assert answer.returncode == 1, answer.stderr
    found = stages(out)
    models, pipeline = found["verify"]["steps"]["models"], found["verify"]["steps"]["pipeline"]
    assert (models["state"], models["exit"]) == ("failed", 1)
    assert "disagrees: planted" in models["left"]
    assert (pipeline["state"], pipeline["exit"]) == ("cut", None)
    assert found["graphs"]["steps"]["graphs"]["state"] in ("cut", "done")


def test_a_stage_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    answer = gpu(tmp_path / "gpu", "--stages", "roof")
    assert answer.returncode == 2
    assert "unknown stage 'roof'" in answer.stderr
    assert all(name in answer.stderr for name in ("tests", "verify", "roofs", "pack"))


def test_without_the_device_nothing_is_begun(tmp_path: Path) -> None:
    answer = gpu(tmp_path / "gpu", "--device", "abacus")
    assert answer.returncode == 3
    assert len(answer.stderr.splitlines()) == 1
    assert "abacus" in answer.stderr and "--rehearsal" in answer.stderr
    assert not (tmp_path / "gpu").exists()


def test_a_folder_of_other_work_is_not_mixed_with_this(tmp_path: Path, monkeypatch: Any) -> None:
    record = script("gpu_record", monkeypatch)
    record.Record.of(tmp_path, "cpu", True).write()
    with pytest.raises(record.Mistake, match=r"rehearsal True, not False.*--out"):
        record.Record.of(tmp_path, "cpu", False)


# JAX, which another test of this process may have imported, warns of every fork.
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_a_stopped_command_leaves_no_process_behind(tmp_path: Path, monkeypatch: Any) -> None:
    module = script("gpu_command", monkeypatch)
    monkeypatch.setattr(module, "GRACE", 0.1)
    output = tmp_path / "output"
    command = [sys.executable, "-c", STUBBORN]
    assert module.run_until(time.monotonic() + 5, command, output, tmp_path / "log", tmp_path) is None
    process = Path("/proc") / output.read_text().strip()
    assert soon(lambda: has_ended(process))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
def test_a_script_that_is_killed_leaves_no_command_behind(tmp_path: Path) -> None:
    script = subprocess.Popen([sys.executable, "-c", KILLED, str(SCRIPTS)], cwd=tmp_path)
    output = tmp_path / "output"
    assert soon(lambda: output.exists() and output.read_text().endswith("\n"))
    process = Path("/proc") / output.read_text().strip()
    assert not has_ended(process)
    script.kill()
    script.wait()
    assert soon(lambda: has_ended(process))


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true within ten seconds: a busy machine may take its time."""
    for _ in range(1000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def has_ended(process: Path) -> bool:
    """Whether a process is gone, or a zombie that its new parent has not asked for yet."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_no_stage_is_begun_that_has_less_than_a_minute(tmp_path: Path, stand_in: str) -> None:
    out = tmp_path / "gpu"
    answer = gpu(out, *REHEARSAL, "--python", stand_in, "--stages", "verify", "--budget", "80")
    assert answer.returncode == 0, answer.stderr
    assert stages(out)["verify"]["state"] == "waiting"
    assert not (out / "verify").exists()
    assert (out / "gpu.tar.gz.0").exists(), "a call packs whatever it did"


def test_what_does_not_fit_the_pieces_is_named_and_the_rest_is_whole(
    tmp_path: Path, monkeypatch: Any
) -> None:
    pack = script("gpu_pack", monkeypatch)
    monkeypatch.setattr(pack, "MARGIN", 0)
    contents = {f"small-{n}": os.urandom(3000) for n in range(4)}
    for name, content in {**contents, "large": os.urandom(40_000)}.items():
        (tmp_path / name).write_bytes(content)
    for _ in range(2):  # An archive is no part of the next one.
        files, omitted = pack.archive(tmp_path, piece=8000, pieces=4)
        assert omitted == ["large"]
        assert len(files) > 1
        assert max(file.stat().st_size for file in files) <= 8000
        whole = io.BytesIO(b"".join(file.read_bytes() for file in files))
        with tarfile.open(fileobj=whole) as archive:
            members = [(Path(m.name).name, archive.extractfile(m)) for m in archive.getmembers()]
            assert {name: file.read() for name, file in members if file} == contents


@pytest.mark.slow
def test_every_stage_can_be_rehearsed(tmp_path: Path) -> None:
    answer = gpu(tmp_path / "gpu", *REHEARSAL, timeout=900)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = stages(tmp_path / "gpu")
    assert found.pop("calibrate")["state"] == "left out"
    assert {name: stage["state"] for name, stage in found.items() if stage["state"] != "done"} == {}
