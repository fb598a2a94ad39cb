"""Two runs on one card take turns, and a turn ends with whoever had it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import turn

HOLDER = """
import sys
from xpbench.bench import turn
def note(text):
    print(text, flush=True)
def sleep(seconds, slept=[], sleep=turn.time.sleep):
    slept.append(seconds)
    if len(slept) == 3:
        note("still waits")
    sleep(0.01)
turn.time.sleep = sleep
with turn.on("cuda", sys.argv[1], note):
    print("has it", flush=True)
    sys.stdin.readline()
    print("gives it back", flush=True)
"""

Holder = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holder]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLDER, name]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def release(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_process_waits_says_so_once_and_has_its_turn(holder: Holder) -> None:
    first = holder("GPU-1")
    assert line_of(first) == "has it"
    second = holder("GPU-1")
    assert line_of(second) == "another xpbench measures on cuda; waiting for it"
    assert line_of(second) == "still waits"
    release(first)
    assert line_of(first) == "gives it back"
    assert line_of(second) == "has it"


def test_other_cards_are_not_waited_for(holder: Holder) -> None:
    assert line_of(holder("GPU-1")) == "has it"
    assert line_of(holder("GPU-2")) == "has it"


def test_the_turn_of_a_killed_process_is_over(holder: Holder) -> None:
    first = holder("GPU-1")
    assert line_of(first) == "has it"
    second = holder("GPU-1")
    assert "waiting" in line_of(second)
    assert line_of(second) == "still waits"
    first.send_signal(signal.SIGKILL)
    assert line_of(second) == "has it"


def test_an_interrupt_ends_the_wait(holder: Holder) -> None:
    first = holder("GPU-1")
    assert line_of(first) == "has it"

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), turn.on("cuda", "GPU-1", interrupt):
        raise AssertionError("the other process has the turn")


def test_an_exception_in_a_turn_ends_it(holder: Holder) -> None:
    with pytest.raises(ZeroDivisionError), turn.on("cuda", "GPU-1", print):
        raise ZeroDivisionError
    assert line_of(holder("GPU-1")) == "has it"


def test_a_worker_does_not_keep_the_turn_of_its_parent(holder: Holder) -> None:
    with turn.on("cuda", "GPU-1", print):
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
    assert line_of(holder("GPU-1")) == "has it"
    child.kill()
    child.communicate()


def test_where_there_can_be_no_lock_the_run_goes_on_with_a_word(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    notes: list[str] = []
    with turn.on("cuda", "GPU-1", notes.append):
        pass
    assert len(notes) == 1
    assert "other runs on cuda are not kept away" in notes[0]
    assert "No such file" in notes[0]


def test_the_name_of_a_card_cannot_leave_the_folder() -> None:
    path = turn.lock_file("MIG-GPU-1/2/../../x")
    assert path.parent == Path(tempfile.gettempdir())
    assert str(os.getuid()) in path.name
