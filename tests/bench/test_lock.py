"""Only one process writes into the folder of a run, and who comes second is told who does."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import lock
from xpbench.bench.exceptions import XpbenchError

HOLDER = """
import sys, time
from pathlib import Path
from xpbench.bench import lock

with lock.writing(Path(sys.argv[1]), print):
    print("ready", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path, text: str = HOLDER) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", text, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    return holder


def test_a_second_writer_is_refused_with_the_first_ones_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    holder = hold(tmp_path)
    with (
        pytest.raises(XpbenchError, match=rf"is being written by process {holder.pid}: .*--out"),
        lock.writing(tmp_path, print),
    ):
        pass
    assert lock.holder(tmp_path) == holder.pid
    holder.communicate("")
    with lock.writing(tmp_path, print):
        assert lock.holder(tmp_path) == os.getpid()
    assert lock.holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_locks_nobody_out(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert (tmp_path / lock.LOCK).exists()
    assert lock.holder(tmp_path) is None
    with lock.writing(tmp_path, print):
        pass
    assert not (tmp_path / lock.LOCK).exists()


WITH_CHILD = """
import subprocess, sys, time
from pathlib import Path
from xpbench.bench import lock

with lock.writing(Path(sys.argv[1]), print) as held:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleeper, pass_fds=held, stdout=subprocess.DEVNULL)
    (Path(sys.argv[1]) / "pid").write_text(str(child.pid))
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_worker_that_outlives_its_parent_keeps_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    holder = hold(tmp_path, WITH_CHILD)
    worker = int((tmp_path / "pid").read_text())
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with pytest.raises(XpbenchError, match="is being written by process"), lock.writing(tmp_path, print):
        pass
    os.kill(worker, signal.SIGKILL)
    monkeypatch.setattr(lock, "PATIENCE", 10.0)
    with lock.writing(tmp_path, print):
        pass


def test_where_the_file_system_knows_no_locks_a_word_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    said: list[str] = []
    with lock.writing(tmp_path, said.append) as held:
        assert held == ()
    (line,) = said
    assert "cannot be locked (Operation not supported)" in line


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / lock.LOCK).symlink_to(mine)
    said: list[str] = []
    with lock.writing(folder, said.append):
        pass
    assert mine.read_text() == "precious"
    assert said
