"""One child process under supervision: its events, its deadlines and how it ended."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

START_SECONDS = 180.0
"""How long a process may take until it is ready, which is mostly the import of a library."""
END_SECONDS = 30.0

# Settings that would change what is measured, or how, must not reach what we start.
_REMOVED = (
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTEST_XDIST_WORKER",  # with which pytest-benchmark measures nothing
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
    "JAX_DISABLE_JIT",
    "TORCHDYNAMO_DISABLE",
    "TORCH_COMPILE_DISABLE",
)
_ADDED = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}

Event = dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    ``fault`` is empty after a proper end, else ``timeout`` or ``crashed``; ``during`` is the id of
    the case it was working on then. ``killed`` tells a SIGKILL that was not ours.
    """

    fault: str = ""
    reason: str = ""
    during: str = ""
    killed: bool = False


@dataclass
class _Watch:
    """What the events have told so far."""

    deadline: float
    during: str = ""


def supervise(
    python: str,
    module: str,
    argument: Path,
    variables: Mapping[str, str],
    log: Path,
    timeout: float,
    on_event: Callable[[Event], None],
) -> Ending:
    """Runs ``python -m module argument``, by that interpreter, until it says ``bye``, and passes its
    events on.

    A case that takes longer than ``timeout`` seconds ends the process. So does any exception here,
    Ctrl-C among them: no child outlives this call.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _REMOVED} | _ADDED | dict(variables)
    with log.open("wb") as errors:
        child = subprocess.Popen(
            [python, "-m", module, str(argument)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    try:
        return _watch(child, timeout, on_event, log)
    finally:
        end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    """Kills the process and everything it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout:
        child.stdout.close()


def _watch(
    child: subprocess.Popen[bytes], timeout: float, on_event: Callable[[Event], None], log: Path
) -> Ending:
    assert child.stdout is not None
    events: queue.Queue[Event | None] = queue.Queue()
    threading.Thread(target=_read, args=(child.stdout, events), daemon=True).start()
    watch = _Watch(time.monotonic() + START_SECONDS)
    while True:
        try:
            event = events.get(timeout=max(0.0, watch.deadline - time.monotonic()))
        except queue.Empty:
            return _late(watch, timeout)
        if event is None:
            return _ended(child, watch, log)
        _note(watch, event, timeout)
        on_event(event)
        if event["event"] == "bye":
            # What libraries do at their exit takes longer than many a case, and serves nobody here.
            return Ending()


def _read(stream: IO[bytes], events: "queue.Queue[Event | None]") -> None:
    # The stream is closed under a read when the process is ended early: an end like any other.
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            with contextlib.suppress(json.JSONDecodeError):
                events.put(json.loads(line))
    events.put(None)


def _note(watch: _Watch, event: Event, timeout: float) -> None:
    name, case = event["event"], event.get("id", "")
    # A case that tells of itself goes on, until it tells of its end.
    if name == "start" or (name != "end" and case and case == watch.during):
        watch.during = case
        watch.deadline = time.monotonic() + timeout
    else:
        watch.during = ""
        watch.deadline = time.monotonic() + END_SECONDS


def _late(watch: _Watch, timeout: float) -> Ending:
    if watch.during:
        return Ending("timeout", f"stopped after {timeout:g} s (--timeout allows more)", watch.during)
    return Ending("timeout", "the process did not become ready in time")


def _ended(child: subprocess.Popen[bytes], watch: _Watch, log: Path) -> Ending:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(END_SECONDS)
    code = child.returncode
    if code is not None and code < 0:
        reason = f"the process was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            reason += " (from outside, or by the system for want of memory)"
        return Ending("crashed", reason, watch.during, killed=-code == signal.SIGKILL)
    said = _last_line(log)
    return Ending(
        "crashed", f"the process ended with code {code}" + (f": {said}" if said else ""), watch.during
    )


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
