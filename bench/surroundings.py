"""What every case of a process shares with the others, and must leave as it found it."""

import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from xpbench.bench.backend import Backend

MOST_FILES = 64
"""So many descriptors are looked after: what a worker opens before its first case is far less."""
CLOSED = ("closed",)


class Surroundings:
    """What stood when the worker was ready, to be held against what stands after a case.

    ``forked`` counts how often this process was copied since, ``is_copy`` tells that it is such a copy.
    Seen are the threads of the libraries under the array library, its own switches
    (``Backend.switches``), the states of global random generators, NumPy's handling of floating-point
    errors, the files open and the working folder.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._pools = threadpoolctl.ThreadpoolController()
        self._files = {number: _STREAMS.get(number, f"descriptor {number}") for number in _descriptors()}
        self._before = self._seen()
        self.forked = 0
        self.is_copy = False
        os.register_at_fork(after_in_parent=self._was_copied, after_in_child=self._became_copy)

    def _was_copied(self) -> None:
        self.forked += 1

    def _became_copy(self) -> None:
        self.is_copy = True

    def changed(self) -> str:
        """What a case has changed, in words; empty where nothing. It is told once."""
        before, self._before = self._before, self._seen()
        words = [
            f"{name} from {_shown(before[name])} to {_shown(value)}" if _tells(value) else name
            for name, value in self._before.items()
            if name in before and before[name] != value
        ]
        return "; ".join(words)

    def _seen(self) -> dict[str, Any]:
        state = np.random.get_state(legacy=False)["state"]
        return {
            **{f"{pool['internal_api']} threads": pool["num_threads"] for pool in self._pools.info()},
            **self._backend.switches(),
            "the state of numpy.random": (state["pos"], hash(state["key"].tobytes())),
            "the state of random": (hash(random.getstate()),),
            "numpy.seterr": np.geterr(),
            "sys.stdout": (sys.stdout.closed,),
            "sys.stderr": (sys.stderr.closed,),
            **{name: _file(number) for number, name in self._files.items()},
            "the working folder": _folder(),
        }


_STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}


def _descriptors() -> list[int]:
    """The numbers of the files that this process has open, one of which is the way to its parent."""
    return [number for number in range(MOST_FILES) if _file(number) != CLOSED]


def _file(number: int) -> tuple[Any, ...]:
    """What tells whether a descriptor is open, and leads to the file it led to."""
    try:
        told = os.fstat(number)
    except OSError:
        return CLOSED
    return told.st_dev, told.st_ino


def _folder() -> bytes:
    try:
        return os.fsencode(Path.cwd())
    except OSError:
        return b""


def _tells(value: Any) -> bool:
    """Whether a value says something to a reader."""
    return isinstance(value, bool | int | float | str | Mapping)


def _shown(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
