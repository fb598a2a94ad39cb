"""One command of ``gpu.py`` until a deadline: nothing that it started outlives it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

GRACE = 10.0
"""Seconds a command that is stopped may take to end of itself: a run prints what it has."""

PR_SET_PDEATHSIG = 1
_SYSTEM = ctypes.CDLL(None) if sys.platform == "linux" else None

Process = tuple[int, str]
"""A process id and the tick in which it began: an id alone may have gone to another meanwhile."""


def run_until(
    deadline: float, command: Sequence[str], output: Path, log: Path, folder: Path
) -> int | None:
    """The exit code of ``command``, run in ``folder``; ``None`` if it had to be stopped.

    ``deadline`` is on the monotonic clock; the last ``GRACE`` seconds before it are for an orderly end.
    Standard output goes to the file ``output``, standard error to ``log``. Ctrl-C stops it too.
    """
    with output.open("wb") as out, log.open("wb") as err:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            return child.wait(max(0.0, deadline - GRACE - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.returncode is None:
                _stop(child)


def _end_with_parent() -> None:
    """Where nothing can be done at our end, SIGKILL, Linux still tells the command to end."""
    if _SYSTEM is not None:
        _SYSTEM.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """Asks the whole group to end, and kills what has not after ``GRACE`` seconds."""
    # The workers of a run are in sessions of their own: the group does not hold them.
    family = _descendants(child.pid)
    try:
        os.killpg(child.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                if _parent_and_begin(process[0])[1] == process[1]:
                    os.kill(process[0], signal.SIGKILL)
        child.wait()


def _descendants(ancestor: int) -> list[Process]:
    """The processes below ``ancestor``; none where the system has no ``/proc``."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        parent, begin = _parent_and_begin(int(entry.name))
        children.setdefault(parent, []).append((int(entry.name), begin))
    found = list(children.get(ancestor, ()))
    for process in found:
        found += children.get(process[0], ())
    return found


def _parent_and_begin(process: int) -> tuple[int, str]:
    """The parent's id and the tick of the begin; 0 and nothing where the process is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0, ""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), fields[19]
