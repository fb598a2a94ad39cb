"""A backend in several processes without a library that needs them, for tests: NumPy, whose processes
exchange nothing, and functions that fail in one of them alone."""

import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np

from xpbench import Backend, Setting
from xpbench.bench.followers import Followers
from xpbench.bench.member import Seat

place: dict[str, int] = {}
"""The seat of this process."""
made: list[weakref.ref[Any]] = []
"""The outputs of ``scaled``."""


class Together(Backend):
    name = "together"
    library = "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.others = Followers()
        self.held: list[tuple[str, Any]] = []

    def lead(self, count: int) -> None:
        self.join(Setting(), self.others.start(Together, Setting(), count))
        self.others.joined()

    def join(self, setting: Setting, seat: Seat) -> None:
        place["index"] = seat.index
        self.xp = numpy_namespace
        if os.environ.get("TOGETHER_FAILS") == str(seat.index):
            raise OSError("no room at the table")

    def put(self, array: np.ndarray) -> Any:
        with self.others.putting(array) as note:
            placed = np.array(array)
            note(placed)
        self.held.append((str(placed.dtype), placed.tolist()))
        return placed

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.others.compile(function, self.xp, function)

    def fetch(self, array: Any) -> Any:
        with self.others.fetching(array):
            self.held.append(("fetched", array.tolist()))
            return array

    def seen(self) -> list[tuple[str, Any]]:
        return self.held

    def alive(self) -> int:
        return sum(one() is not None for one in made)


def scaled(xp: Any, x: Any, *, factor: int) -> Any:
    scaled = xp.asarray(x) * factor
    made.append(weakref.ref(scaled))
    return scaled


def fails_in_one(x: Any) -> Any:
    if place["index"] == 1:
        raise ValueError("not here")
    return 2 * x


def fails_in_all(x: Any) -> Any:
    raise ValueError("nowhere")


def fails_while_the_leader_waits(x: Any) -> Any:
    if place["index"] == 1:
        raise ValueError("not here")
    time.sleep(600)


def fails_while_others_wait(x: Any) -> Any:
    if place["index"] == 0:
        raise ValueError("not in the leader")
    time.sleep(600)


def sleeps(x: Any) -> Any:
    (Path(os.environ["TOGETHER_FOLDER"]) / str(os.getpid())).touch()
    time.sleep(600)


def crashes_in_one(x: Any) -> Any:
    if place["index"] == 1:
        os.abort()
    time.sleep(600)
