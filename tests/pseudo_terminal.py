"""A terminal of a given size in which a command runs, and what a user would see on it."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

CONTROLLED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal the one that Ctrl-C comes from."""


class Screen(pyte.HistoryScreen):
    """One that knows faint text, as grey."""

    def select_graphic_rendition(self, *attributes: int) -> None:
        super().select_graphic_rendition(*attributes)
        if attributes == (2,):
            self.cursor.attrs = self.cursor.attrs._replace(fg="brightblack")


class Window:
    """A terminal and its screen; ``raw`` holds every byte that came, ``theirs`` is where they go in."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.screen = Screen(columns, rows, history=10_000, ratio=1.0)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._ours, self.theirs = os.openpty()
        self._set_size(columns, rows)

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def whole(self) -> str:
        """What stands on the screen and what was scrolled off it."""
        above = [
            "".join(line[column].data for column in range(self.screen.columns)).rstrip()
            for line in self.screen.history.top
        ]
        return "\n".join([*above, self.text])

    def resize(self, columns: int, rows: int) -> None:
        self._set_size(columns, rows)
        self.screen.resize(rows, columns)

    def read(self, seconds: float = 0.1) -> bool:
        """Whether there may be more; takes what there is."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            came = os.read(self._ours, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.raw += came
        self._stream.feed(came)
        return bool(came)

    def wait_for(self, seen: Callable[[], bool], seconds: float = 240.0) -> None:
        """Waits until the screen looks as it should."""
        until = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < until, f"it never came to be:\n{self.text}"
            assert self.read(), f"it ended before:\n{self.whole}"

    def close(self) -> None:
        os.close(self._ours)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal(Window):
    """Runs ``command`` in a window; use as a context."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(columns, rows)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTEST") and name not in ("NO_COLOR", "COLUMNS", "LINES")
        }
        self._child = subprocess.Popen(
            [sys.executable, "-c", CONTROLLED, *command],
            cwd=folder,
            env={**inherited, "TERM": "xterm-256color", **(environment or {})},
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
        )
        os.close(self.theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self.close()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self, seconds: float = 240.0) -> int:
        """Waits until the command ends; its exit code."""
        until = time.monotonic() + seconds
        while self.read():
            assert time.monotonic() < until, f"it does not end:\n{self.text}"
        return self._child.wait(seconds)
