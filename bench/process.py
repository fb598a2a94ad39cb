"""One child process under supervision: its events, its deadlines and how it ended."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from xpbench.bench import descendants

START_SECONDS = 180.0
"""How long a process may take until it is ready, which is mostly the import of a library."""
END_SECONDS = 30.0
CLOSING_SECONDS = 10.0
"""How long a process may live on after it has closed the stream of its events."""
POLL_SECONDS = 1.0
LAST_WORDS = 4096
"""Bytes that are kept of what a process says on standard error: the last, however many there are."""
CHUNK = 2**16

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

    ``fault`` is empty after a proper end, else ``timeout``, ``crashed`` or ``oom``; ``during`` is the id
    of the case it was working on then. ``killed`` tells a SIGKILL that was neither ours nor the system's
    for want of memory.
    """

    fault: str = ""
    reason: str = ""
    during: str = ""
    killed: bool = False


@dataclass
class _Watch:
    """What the events have told so far, and how often the system had run out of memory before."""

    deadline: float
    during: str = ""
    oom_kills: int | None = field(default_factory=lambda: descendants.oom_kills())


class _Tail:
    """The last words of a stream, which is read as long as it lives: who writes never has to wait."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), CHUNK):
                self._kept = (self._kept + chunk)[-LAST_WORDS:]

    def last_line(self) -> str:
        """The last line there is when the stream has ended, or in a second."""
        self._thread.join(1.0)
        lines = self._kept.decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""


def supervise(
    python: str,
    module: str,
    argument: Path,
    variables: Mapping[str, str],
    timeout: float,
    on_event: Callable[[Event], None],
    held: Sequence[int] = (),
) -> Ending:
    """Runs ``python -m module argument``, by that interpreter, until it says ``bye``, and passes its
    events on.

    A case that takes longer than ``timeout`` seconds ends the process. So does any exception here,
    Ctrl-C among them: neither a child nor what it started outlives this call. ``held`` are file
    descriptors that stay open in the child.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _REMOVED}
    environment |= _ADDED | {descendants.MARK: descendants.OWN} | dict(variables)
    child = subprocess.Popen(
        [python, "-m", module, str(argument)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        pass_fds=held,
    )
    try:
        return _watch(child, timeout, on_event)
    finally:
        end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    """Kills the process and everything it started. Its streams are closed by those who read them."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    descendants.end_all()


def _watch(child: subprocess.Popen[bytes], timeout: float, on_event: Callable[[Event], None]) -> Ending:
    assert child.stdout is not None
    assert child.stderr is not None
    events: queue.Queue[Event | None] = queue.Queue()
    threading.Thread(target=_read, args=(child.stdout, events), daemon=True).start()
    errors = _Tail(child.stderr)
    watch = _Watch(time.monotonic() + START_SECONDS)
    while True:
        try:
            event = events.get(timeout=max(0.0, min(POLL_SECONDS, watch.deadline - time.monotonic())))
        except queue.Empty:
            # What it started may hold its streams open when it has died.
            if child.poll() is not None and events.empty():
                return _ended(child, watch, errors)
            if time.monotonic() >= watch.deadline:
                return _late(watch, timeout)
            continue
        if event is None:
            return _ended(child, watch, errors)
        _note(watch, event, timeout)
        on_event(event)
        if event["event"] == "bye":
            # What libraries do at their exit takes longer than many a case, and serves nobody here.
            return Ending()


def _read(stream: IO[bytes], events: "queue.Queue[Event | None]") -> None:
    with stream:
        for line in stream:
            # What a library prints before the worker has taken the stream for itself is no event.
            with contextlib.suppress(ValueError, RecursionError):
                said = json.loads(line)
                if isinstance(said, dict) and isinstance(said.get("event"), str):
                    events.put(said)
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


def _ended(child: subprocess.Popen[bytes], watch: _Watch, errors: _Tail) -> Ending:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(CLOSING_SECONDS)
    code = child.returncode
    if code is None:
        return Ending("crashed", "the process closed the stream on which it answers", watch.during)
    if code == -signal.SIGKILL:
        if _out_of_memory(watch.oom_kills):
            reason = "the system ended the process for want of memory"
            return Ending("oom", reason, watch.during)
        reason = "the process was ended by SIGKILL from outside"
        if watch.oom_kills is None:
            reason += ", or by the system for want of memory"
        return Ending("crashed", reason, watch.during, killed=True)
    if code < 0:
        return Ending("crashed", f"the process was ended by {_signal(-code)}", watch.during)
    said = errors.last_line()
    return Ending(
        "crashed", f"the process ended with code {code}" + (f": {said}" if said else ""), watch.during
    )


def _signal(number: int) -> str:
    """The name of a signal; those of real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _out_of_memory(before: int | None) -> bool:
    now = descendants.oom_kills()
    return before is not None and now is not None and now > before
