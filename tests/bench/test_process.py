"""A child process is supervised to its end, whatever end that is."""

import resource
import sys
from pathlib import Path

import pytest

from processes import alive, wait_until
from xpbench.bench import descendants, process
from xpbench.bench.process import Ending, supervise

HEAD = """
import json, os, signal, sys, time
def say(**event):
    print(json.dumps(event), flush=True)
say(event="ready")
say(event="start", id="a")
"""


@pytest.fixture
def run(tmp_path: Path):
    def run(body: str, timeout: float = 30.0) -> tuple[Ending, list[dict[str, object]]]:
        (tmp_path / "child.py").write_text(HEAD + body)
        events: list[dict[str, object]] = []
        argument = tmp_path / "task.json"
        variables = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": ""}
        ending = supervise(sys.executable, "child", argument, variables, timeout, events.append)
        return ending, events

    return run


def test_a_proper_end_has_no_fault(run) -> None:
    ending, events = run('say(event="end", id="a"); say(event="bye")')
    assert ending == Ending()
    assert [event["event"] for event in events] == ["ready", "start", "end", "bye"]


def test_a_signal_without_a_name_is_told_by_its_number(run) -> None:
    ending, _ = run("os.kill(os.getpid(), 40)")
    assert (ending.fault, ending.during) == ("crashed", "a")
    assert "signal 40" in ending.reason


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
def test_a_signal_is_named_with_the_case_it_ended(run, name: str) -> None:
    ending, _ = run(f"os.kill(os.getpid(), signal.{name})")
    assert (ending.fault, ending.during, ending.killed) == ("crashed", "a", False)
    assert name in ending.reason


def test_a_kill_from_outside_is_told_from_a_crash(run) -> None:
    ending, _ = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert ending.fault == "crashed"
    assert ending.killed


def test_an_exit_without_goodbye_is_a_crash_with_its_last_words(run) -> None:
    ending, _ = run('sys.stderr.write("the disk is full\\n"); os._exit(3)')
    assert ending.fault == "crashed"
    assert "code 3" in ending.reason
    assert "the disk is full" in ending.reason


def test_a_case_past_its_deadline_ends_with_its_process(run, tmp_path: Path) -> None:
    # What it started is ended with it.
    body = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(os.path.dirname(sys.argv[1]) + "/pid", "w").write(str(child.pid))
time.sleep(600)
"""
    ending, _ = run(body, timeout=2.0)
    assert (ending.fault, ending.during) == ("timeout", "a")
    assert "--timeout" in ending.reason
    assert _gone(int((tmp_path / "pid").read_text()))


def test_a_case_that_tells_of_its_energy_goes_on_and_has_its_time_anew(run) -> None:
    # Between each two lines less than the timeout passes, and more of it in all.
    body = """
for state in ("begin", "end"):
    time.sleep(0.9)
    say(event="energy", state=state, id="a")
time.sleep(0.9)
say(event="end", id="a"); say(event="bye")
"""
    ending, events = run(body, timeout=1.5)
    assert ending == Ending()
    assert len(events) == 6


def test_a_case_that_dies_after_it_told_of_its_energy_is_named(run) -> None:
    ending, _ = run('say(event="energy", state="begin", id="a"); os._exit(3)')
    assert (ending.fault, ending.during) == ("crashed", "a")
    ending, _ = run('say(event="energy", state="begin", id="a"); time.sleep(600)', timeout=1.0)
    assert (ending.fault, ending.during) == ("timeout", "a")


def test_a_case_that_ended_is_not_named_by_what_comes_after(run) -> None:
    ending, _ = run('say(event="end", id="a"); say(event="roofs"); os._exit(3)')
    assert (ending.fault, ending.during) == ("crashed", "")


def test_no_child_outlives_an_exception_in_the_parent(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(HEAD + "time.sleep(600)")
    pids: list[int] = []
    (tmp_path / "child.py").write_text(HEAD.replace('id="a"', "id=str(os.getpid())") + "time.sleep(600)")

    def interrupt(event: dict[str, object]) -> None:
        if event["event"] == "start":
            pids.append(int(str(event["id"])))
            raise KeyboardInterrupt

    variables = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": ""}
    with pytest.raises(KeyboardInterrupt):
        supervise(sys.executable, "child", tmp_path / "task", variables, 30.0, interrupt)
    assert _gone(pids[0])


ESCAPES = """
import subprocess
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleeper, start_new_session=True, stdout={stdout})
open(os.path.dirname(sys.argv[1]) + "/pid", "w").write(str(child.pid))
"""


@pytest.mark.parametrize("stdout", ["None", "subprocess.DEVNULL"])
@pytest.mark.parametrize("end", ['say(event="bye")', "os._exit(3)", "time.sleep(600)"])
def test_what_a_child_started_in_a_session_of_its_own_ends_with_it(
    run, tmp_path: Path, end: str, stdout: str
) -> None:
    # One that holds the stream of events must not keep us waiting for its end either.
    ending, _ = run(ESCAPES.format(stdout=stdout) + end, timeout=3.0)
    assert ending.fault == {"s": "", "o": "crashed", "t": "timeout"}[end[0]]
    assert _gone(int((tmp_path / "pid").read_text()))
    assert descendants.marked(descendants.OWN) == []


def test_a_gigabyte_of_words_is_read_and_not_kept(run) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body = r"""
for _ in range(1024):
    os.write(2, b"x" * 2**20)
os.write(2, b"\nthat was all\n")
os._exit(3)
"""
    ending, _ = run(body)
    assert ending.reason == "the process ended with code 3: that was all"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16, "KiB of a GiB"


def test_a_child_that_closes_the_stream_of_its_events_is_ended_and_told(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "CLOSING_SECONDS", 0.5)
    ending, _ = run("os.close(1); time.sleep(600)")
    assert (ending.fault, ending.during) == ("crashed", "a")
    assert "closed the stream on which it answers" in ending.reason


def test_a_kill_for_want_of_memory_is_told_from_any_other(run, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = iter([7, 8])
    monkeypatch.setattr(descendants, "oom_kills", lambda: next(kills))
    ending, _ = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert (ending.fault, ending.during, ending.killed) == ("oom", "a", False)
    assert "for want of memory" in ending.reason


@pytest.mark.parametrize("line", ["3", "[]", '"ready"', "null", '{"event": 3}', "[" * 100_000])
def test_what_looks_like_an_event_and_is_none_is_passed_over(run, line: str) -> None:
    ending, events = run(f'print({line!r}); say(event="end", id="a"); say(event="bye")')
    assert ending == Ending()
    assert len(events) == 4


def test_what_a_library_prints_among_the_events_is_passed_over(run) -> None:
    ending, events = run('print("Hello from C"); say(event="end", id="a"); say(event="bye")')
    assert ending == Ending()
    assert len(events) == 4


def test_a_process_that_never_becomes_ready_is_ended(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "END_SECONDS", 1.0)
    ending, _ = run('say(event="end", id="a"); time.sleep(600)')
    assert (ending.fault, ending.during) == ("timeout", "")


def _gone(pid: int) -> bool:
    return wait_until(lambda: not alive(pid))
