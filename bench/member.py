"""A process that follows another: how it is started, told and heard, and what it died of."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODULE = "xpbench.bench.follower"
CHUNK = 2**16


@dataclass(frozen=True)
class Seat:
    """Which one of how many processes this is, and the ``address`` (HOST:PORT) at which they meet."""

    index: int = 0
    count: int = 1
    address: str = ""


class Gone(Exception):
    """A process has closed its pipe: it has ended, or is about to."""


class Lines:
    """The lines of a pipe, waited for no longer than one likes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""

    def next(self, seconds: float | None = None) -> bytes:
        """The next line, in at most so many ``seconds``.

        Raises
        ------
        TimeoutError
            If none came.
        Gone
            If none will.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._read:
            if end is not None:
                left = max(0.0, end - time.monotonic())
                if not select.select([self._descriptor], [], [], left)[0]:
                    raise TimeoutError
            chunk = os.read(self._descriptor, CHUNK)
            if not chunk:
                raise Gone
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line


class Member:
    """The process at a ``seat``: ``asked`` is what it begins with, ``held`` the descriptors that it
    keeps. ``ended`` is called, in a thread, with why it ended, unless ``dismiss`` was called before."""

    def __init__(
        self,
        seat: Seat,
        asked: Mapping[str, Any],
        held: Sequence[int],
        ended: Callable[["Member", int, str], None],
    ) -> None:
        self.seat = seat
        self._ended = ended
        self._dismissed = False
        self._fault = ""
        self._child = subprocess.Popen(
            [sys.executable, "-m", MODULE, json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=held,
            bufsize=0,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._commands = self._child.stdin.fileno()
        self._answers = Lines(self._child.stdout.fileno())
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def tell(self, line: bytes) -> None:
        """Sends a command.

        Raises
        ------
        Gone
            If it reads no more.
        """
        try:
            while line:
                line = line[os.write(self._commands, line) :]
        except BrokenPipeError:
            raise Gone from None

    def answer(self, seconds: float | None = None) -> dict[str, Any]:
        """Its next answer; raises as ``Lines.next`` does."""
        said: dict[str, Any] = json.loads(self._answers.next(seconds))
        self._fault = str(said.get("fault", ""))
        return said

    def kill(self) -> None:
        self._child.kill()

    def dismiss(self) -> None:
        """Lets it end: it does so when no command can come any more."""
        self._dismissed = True
        for stream in (self._child.stdin, self._child.stdout):
            assert stream is not None
            stream.close()

    def _watch(self) -> None:
        code = self._child.wait()
        if not self._dismissed:
            self._ended(self, code, self._last_words())

    def _last_words(self) -> str:
        """The fault that it told last, heard or not."""
        with contextlib.suppress(Gone, TimeoutError, ValueError, OSError):
            while not self._fault:
                self.answer(0.0)
        return self._fault


def how_it_ended(code: int) -> str:
    """An exit status of ``subprocess`` in words."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # those of real time have no names
        return f"was ended by signal {-code}"
