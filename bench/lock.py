"""One writer at a time in the folder of a run."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from xpbench.bench.exceptions import XpbenchError

LOCK = "run.lock"
PATIENCE = 2.0
"""Seconds in which the workers of a run that was killed are gone too."""
POLL_SECONDS = 0.05


@contextlib.contextmanager
def writing(folder: Path, note: Callable[[str], None]) -> Iterator[tuple[int, ...]]:
    """Keeps every other process from writing into the run in ``folder``.

    The system takes the lock back however this process ends, but not before those have ended to whom the
    descriptors are handed that are yielded. Where the file system knows no locks, ``note`` is told, and
    there are none.

    Raises
    ------
    XpbenchError
        If another process writes there; the message tells which.
    """
    path = folder / LOCK
    try:
        descriptor = _locked(folder)
    except BlockingIOError:
        refuse_if_held(folder)
        raise XpbenchError(f"{folder} is being written by another process: try again") from None
    except OSError as fault:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise XpbenchError(f"{folder} cannot be written: {fault.strerror}") from fault
        note(f"{folder} cannot be locked ({fault.strerror}): nothing else may write there meanwhile")
        yield ()
        return
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield (descriptor,)
    finally:
        # Taken away while it is held: whoever waits for it finds that, and makes another.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def holder(folder: Path) -> int | None:
    """The process that writes into the run in ``folder``, 0 where it does not tell; ``None`` where
    nobody does."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        words = os.pread(descriptor, 20, 0).split()
        return int(words[0]) if words and words[0].isdigit() else 0
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def refuse_if_held(folder: Path) -> None:
    """Raises where another process writes into the run in ``folder``."""
    process = holder(folder)
    if process is not None:
        raise XpbenchError(
            f"{folder} is being written by process {process or 'unknown'}: wait for it or stop it "
            f"(kill {process or 'PID'}), or begin another run with another --out"
        )


def _locked(folder: Path) -> int:
    """The lock's descriptor, or ``BlockingIOError`` where another process keeps it."""
    end = time.monotonic() + PATIENCE
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        descriptor = os.open(folder / LOCK, flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, folder / LOCK):
                return descriptor
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(descriptor)
                raise
            time.sleep(POLL_SECONDS)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one of that name, and was not taken away before we had its lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
