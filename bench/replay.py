"""Work that a device records once and replays: on the arrays it was recorded with, and on no others."""

import contextlib
from collections.abc import Callable
from operator import is_
from typing import Any

from xpbench.bench.exceptions import Unsupported, one_line
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


def captured(
    begin: Callable[[], Any],
    end: Callable[[], Any],
    work: Callable[[], Any],
    library: str,
    out_of_memory: type[Exception],
) -> tuple[Any, Any]:
    """What ``end`` returns of the capture in which ``work`` was done, and the outputs of ``work``.

    Raises
    ------
    Unsupported
        If the library cannot capture it. That there is no memory is passed on as it is.
    """
    try:
        begin()
        try:
            outputs = work()
        except Exception:
            # A spoilt capture has to be ended all the same, and says again that it is spoilt.
            with contextlib.suppress(RuntimeError):
                end()
            raise
        return end(), outputs
    except out_of_memory:
        raise
    except Exception as error:
        raise Unsupported(f"{library} could not record it in a CUDA graph: {one_line(error)}") from error
