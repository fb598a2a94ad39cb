"""One worker at a time on a card, whichever run it belongs to."""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

POLL_SECONDS = 0.2

Note = Callable[[str], None]


@contextmanager
def on(device: str, name: str, note: Note) -> Iterator[None]:
    """Waits until no other run of this user measures on a card, and keeps others waiting meanwhile.

    ``name`` tells the card from every other of the machine, ``device`` is what the user calls it. A lock
    on a file in the temporary directory is held, which the system takes back however this process ends.
    Where there can be none, nothing is waited for. ``note`` is told of either.
    """
    descriptor = None
    try:
        try:
            descriptor = _opened(lock_file(name))
            _lock(descriptor, lambda: note(f"another xpbench measures on {device}; waiting for it"))
        except OSError as fault:
            note(f"other runs on {device} are not kept away: {lock_file(name)}: {fault.strerror}")
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def lock_file(name: str) -> Path:
    """The file that stands for a card, for this user: another's could not be opened."""
    words = re.sub(r"[^A-Za-z0-9.-]", "-", name)
    return Path(tempfile.gettempdir()) / f"xpbench-{os.getuid()}-{words}.lock"


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                waiting()
                told = True
            time.sleep(POLL_SECONDS)
