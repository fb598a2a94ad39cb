"""What this process does with arrays, done in others too: the leader's side of several processes.

Libraries that compute over processes (JAX among them) want every process to issue the same calls in the
same order. The worker is the leader. It tells its followers over pipes what it is about to do, does it,
and hears that they have done so too; arrays and functions are called by numbers on both sides.
"""

import atexit
import contextlib
import functools
import json
import mmap
import os
import signal
import socket
import statistics
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from xpbench.bench import descendants
from xpbench.bench.backend import Setting
from xpbench.bench.clock import as_sequence
from xpbench.bench.member import Gone, Member, Seat, how_it_ended
from xpbench.bench.named import Named, named

LOOPBACK = "127.0.0.1"
PATIENCE = 10.0
"""Seconds that a follower which has failed waits to be heard, twice as many as a leader which has failed
waits for it: longer, and one is in an exchange that the other will not come to."""
ROUND_TRIPS = 100


class Followers:
    """The processes that repeat what this one does; none, until ``start``.

    Where there are none, nothing is told and nothing costs anything. ``apart`` tells that some of them
    may not be where this process is: it should measure no more.
    """

    def __init__(self) -> None:
        self.apart = False
        self._members: list[Member] = []
        self._numbers: dict[int, int] = {}
        self._kept: dict[int, weakref.ref[Any]] = {}
        self._forgotten: list[int] = []
        self._next = 0
        self._functions = 0
        self._memory = -1
        self._reserved: socket.socket | None = None
        self._oom_kills = descendants.oom_kills()
        self._ending = threading.Lock()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(member.pid for member in self._members)

    def start(self, kind: type[Any], setting: Setting, count: int) -> Seat:
        """Starts ``count`` - 1 processes that make a backend of that ``kind`` and call its ``join``;
        returns the seat of this process, which must ``join`` too and then call ``joined``.

        They end when this process does, and it ends, with a word on standard error, when one of them
        does.
        """
        self._memory = _shared_memory()
        address = f"{LOOPBACK}:{self._reserve_port()}"
        asked = {
            "leader": os.getpid(),
            "backend": named(kind).to_json(),
            "setting": asdict(setting),
            "memory": self._memory,
            "patience": PATIENCE,
        }
        for index in range(1, count):
            seat = Seat(index, count, address)
            told = asked | {"seat": asdict(seat)}
            self._members.append(Member(seat, told, (self._memory,), self._on_end))
        atexit.register(self.end)
        return Seat(0, count, address)

    def joined(self) -> None:
        """Returns when all have joined. Where one cannot, it ends, and this process with it."""
        try:
            self._hear()
        except RuntimeError:
            _wait_for_the_end()

    def end(self) -> None:
        """Lets the followers end."""
        for member in self._members:
            member.dismiss()
        self._members.clear()
        if self._reserved is not None:
            self._reserved.close()
            os.close(self._memory)
            self._reserved = None

    @contextlib.contextmanager
    def putting(self, array: np.ndarray) -> Iterator[Callable[[Any], None]]:
        """While this process puts ``array``: the followers do, from memory that all share. What is
        yielded takes what became of it here."""
        if not self._members:
            yield lambda _: None
            return
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        os.ftruncate(self._memory, max(flat.nbytes, 1))
        with mmap.mmap(self._memory, max(flat.nbytes, 1)) as shared:
            shared[: flat.nbytes] = memoryview(flat)
        placed: list[Any] = []
        with self.beside("put", self._next, str(array.dtype), array.shape):
            yield placed.append
        self._name(placed)
        os.ftruncate(self._memory, 0)

    def compile(
        self, function: Callable[..., Any], xp: Any, compiled: Callable[..., Any]
    ) -> Callable[..., Any]:
        """``compiled``, which this process made of ``function``, together with its like in followers.
        It must return when its work is done.

        Raises
        ------
        Unsupported
            If the function cannot be told to them.
        """
        if not self._members:
            return compiled
        name: Named = named(function, xp)
        number, self._functions = self._functions, self._functions + 1
        with self.beside("compile", number, name.to_json()):
            return Repeated(self, number, compiled)

    def call(self, number: int, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """The outputs of a function in all processes, when all have them.

        Raises
        ------
        RuntimeError
            If one of them could not, and this process could.
        """
        with self.beside("call", number, self._numbers_of(arrays), self._next):
            outputs = function(*arrays)
        self._name(as_sequence(outputs))
        return outputs

    def add_in_place(self, add: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
        """``add(x, y)``, which is a backend's, in all processes."""
        if not self._members:
            return add(x, y)
        with self.beside("add", *self._numbers_of((x, y)), self._next):
            total = add(x, y)
        self._name((total,))
        return total

    @contextlib.contextmanager
    def fetching(self, array: Any) -> Iterator[None]:
        """While this process brings ``array`` to the host."""
        with self.beside("fetch", *(self._numbers_of((array,)) if self._members else [])):
            yield

    @contextlib.contextmanager
    def beside(self, *command: Any) -> Iterator[None]:
        """What stands in the block here, and a command in the followers: it ends when they have done so.

        Raises
        ------
        RuntimeError
            If one of them could not, and this process could.
        """
        if not self._members:
            yield
            return
        self._tell(*command)
        try:
            yield
        except BaseException:
            self._settle()
            raise
        self._hear()

    def ask(self, method: str) -> list[Any]:
        """What that method of the backend returns in each follower."""
        if not self._members:
            return []
        self._tell("ask", method)
        return self._hear()

    def round_trip_seconds(self) -> float | None:
        """What it takes to tell the followers of nothing and to hear that it is done: that much of every
        call is ours. The median of some; ``None`` without followers."""
        if not self._members:
            return None
        seconds = []
        for _ in range(ROUND_TRIPS):
            start = time.perf_counter()
            with self.beside("agree"):
                pass
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    def _name(self, arrays: Sequence[Any]) -> None:
        """Numbers what all processes have just made, from the next number on."""
        for number, array in enumerate(arrays, self._next):
            # What a kernel returns may be no array.
            with contextlib.suppress(TypeError):
                key = id(array)
                self._kept[number] = weakref.ref(array, functools.partial(self._forget, key, number))
                self._numbers[key] = number
        self._next += len(arrays)

    def _forget(self, key: int, number: int, _: Any) -> None:
        """Is called whenever an array goes, in the middle of anything: they are told with what comes."""
        self._forgotten.append(number)
        self._kept.pop(number, None)
        if self._numbers.get(key) == number:
            del self._numbers[key]

    def _numbers_of(self, arrays: Sequence[Any]) -> list[int]:
        return [self._numbers[id(array)] for array in arrays if id(array) in self._numbers]

    def _tell(self, *command: Any) -> None:
        line = json.dumps(command).encode() + b"\n"
        if self._forgotten:
            forgotten, self._forgotten = self._forgotten, []
            line = json.dumps(["drop", *forgotten]).encode() + b"\n" + line
        for member in self._members:
            try:
                member.tell(line)
            except Gone:
                _wait_for_the_end()

    def _hear(self, seconds: float | None = None) -> list[Any]:
        """The answers of all to what was told last."""
        answers = []
        for member in self._members:
            try:
                answers.append(member.answer(seconds))
            except Gone:
                _wait_for_the_end()
        faults = [
            f"process {member.seat.index + 1} of {member.seat.count}: {answer['fault']}"
            for member, answer in zip(self._members, answers, strict=True)
            if answer.get("fault")
        ]
        if faults:
            self._tell("noted")
            raise RuntimeError(faults[0])
        return [answer.get("value") for answer in answers]

    def _settle(self) -> None:
        """Hears whether the followers have failed as this process has, or wait for it for ever."""
        try:
            # Half of it: one that has failed is told so before it takes this process for stuck.
            self._hear(PATIENCE / 2)
        except TimeoutError:
            self.apart = True
        except RuntimeError:
            # As it should be: the fault of this process is told, and theirs is the same.
            return

    def _on_end(self, member: Member, code: int, words: str) -> None:
        """Ends this process because a follower has ended; what it waits for would never come."""
        if not self._ending.acquire(blocking=False):
            return
        if code == -signal.SIGKILL and self._oom_kills not in (None, descendants.oom_kills()):
            # As the system ended it, so that the parent calls it by the same word.
            os.kill(os.getpid(), signal.SIGKILL)
        place = f"process {member.seat.index + 1} of {member.seat.count}"
        text = f"{place} {how_it_ended(code)}" + (f": {words}" if words else "")
        for other in self._members:
            other.kill()
        os.write(2, f"\n{text}\n".encode())
        os._exit(1)

    def _reserve_port(self) -> int:
        """A port of the loopback interface that nobody is given while this process lives; the library
        listens on it beside us, as the option allows to processes of one user."""
        self._reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind((LOOPBACK, 0))
        port: int = self._reserved.getsockname()[1]
        return port


class Repeated:
    """A compiled function that the followers call when this process does."""

    def __init__(self, followers: Followers, number: int, function: Callable[..., Any]) -> None:
        self.alone = function
        self._call = functools.partial(followers.call, number, function)

    def __call__(self, *arrays: Any) -> Any:
        return self._call(arrays)


def _shared_memory() -> int:
    """A descriptor of memory that bears no name: whatever dies, nothing of it is left."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("xpbench")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _wait_for_the_end() -> None:
    """A follower has closed its pipe. Who watches it is about to end this process, and tells why."""
    threading.Event().wait(PATIENCE)
    raise RuntimeError("another process of this backend has closed its pipe, and did not end")
