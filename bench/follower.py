"""A follower: a process that repeats what its leader does with arrays, as it is told over a pipe.

``python -m xpbench.bench.follower ASKED``, by ``followers.Followers``. It ends when the pipe does.
"""

import json
import mmap
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from xpbench.bench import floating
from xpbench.bench.backend import Setting
from xpbench.bench.clock import as_sequence
from xpbench.bench.exceptions import one_line
from xpbench.bench.member import Gone, Lines, Seat
from xpbench.bench.named import Named
from xpbench.bench.task import announce, die_with_parent

UNANSWERED = ("drop", "noted")
"""What the leader does not wait for."""


class Follower:
    """What one process holds: ``arrays`` and functions by the numbers that its leader gave them."""

    def __init__(self, backend: Any, memory: int) -> None:
        self.arrays: dict[int, Any] = {}
        self._functions: dict[int, Callable[..., Any]] = {}
        self._backend = backend
        self._memory = memory

    def obey(self, command: list[Any]) -> Any:
        """Does what a command says; its value is what the leader is told."""
        match command:
            case ["put", number, dtype, shape]:
                self.arrays[number] = self._backend.put(self._shared(dtype, tuple(shape)))
            case ["compile", number, name]:
                function = Named(**name).bound(self._backend.xp)
                self._functions[number] = self._backend.compile(function)
            case ["call", number, arguments, first]:
                outputs = self._functions[number](*[self.arrays[argument] for argument in arguments])
                self.arrays.update(enumerate(as_sequence(outputs), first))
            case ["add", x, y, number]:
                self.arrays[number] = self._backend.add_in_place(self.arrays[x], self.arrays[y])
            case ["fetch", number]:
                self._backend.fetch(self.arrays[number])
            case ["drop", *numbers]:
                for number in numbers:
                    self.arrays.pop(number, None)
            case ["ask", method]:
                return getattr(self._backend, method)()
            case ["agree"] | ["noted"]:
                pass
            case _:
                raise ValueError(f"no such command: {command}")
        return None

    def _shared(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        kind = floating.BFLOAT16 if dtype == floating.BFLOAT16.name else np.dtype(dtype)
        entries = int(np.prod(shape))
        with mmap.mmap(self._memory, 0, prot=mmap.PROT_READ) as shared:
            return np.frombuffer(shared.read(entries * kind.itemsize), kind).reshape(shape)


class Faults:
    """The first fault since the leader was told of one. If the leader does not hear it in ``patience``
    seconds, it waits for this process in what it could not do, and this process ends."""

    def __init__(self, say: Callable[..., None], patience: float) -> None:
        self.first = ""
        self._say = say
        self._patience = patience
        self._timer: threading.Timer | None = None

    def add(self, error: BaseException) -> None:
        if not self.first:
            self.first = one_line(error)
            self._timer = threading.Timer(self._patience, self._end)
            self._timer.daemon = True
            self._timer.start()

    def noted(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.first = ""

    def _end(self) -> None:
        self._say({"fault": self.first})
        os._exit(1)


def follow(follower: Follower, commands: Lines, faults: Faults, say: Callable[..., None]) -> None:
    """Obeys until no command can come any more."""
    while True:
        try:
            command = json.loads(commands.next())
        except Gone:
            return
        value = None
        try:
            value = follower.obey(command)
        except BaseException as error:
            # Whatever it is, a kernel raised it, and raises it in the leader too.
            faults.add(error)
        if command[0] == "noted":
            faults.noted()
        elif command[0] not in UNANSWERED:
            say({"fault": faults.first} if faults.first else {"value": value})


def main(question: str) -> None:
    """Joins the leader that asked, and follows it."""
    asked = json.loads(question)
    die_with_parent(asked["leader"])
    commands = Lines(os.dup(0))
    say = announce()
    try:
        backend = Named(**asked["backend"]).find()()
        backend.join(Setting(**asked["setting"]), Seat(**asked["seat"]))
    except Exception as error:
        say({"fault": one_line(error)})
        os._exit(1)
    say({"value": "joined"})
    follow(Follower(backend, asked["memory"]), commands, Faults(say, asked["patience"]), say)


if __name__ == "__main__":
    main(sys.argv[1])
