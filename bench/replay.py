"""Work that a device records once and replays: on the arrays it was recorded with, and on no others."""

from collections.abc import Callable
from operator import is_
from typing import Any

from xpbench.bench.kernel import Array

Replay = Callable[[], Any]
"""Does the recorded work once more and returns its outputs, which are the same arrays in every call."""


def replayed(record: Callable[..., Replay]) -> Callable[..., Any]:
    """A function of arrays that calls ``record(*arrays)`` once and then only the :data:`Replay` it gave.

    A recording reads the memory of the arrays it was made with, so these are kept alive, and a call with
    others records anew. Outputs of a call hold until the next.
    """
    held: tuple[Array, ...] | None = None
    replay: Replay | None = None

    def call(*arrays: Array) -> Any:
        nonlocal held, replay
        if replay is None or held is None or len(arrays) != len(held) or not all(map(is_, arrays, held)):
            # The memory of the old recording is free before the new one asks for its own.
            replay = held = None
            replay, held = record(*arrays), arrays
        return replay()

    return call
