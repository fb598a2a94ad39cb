"""How long does one call take: the first, one among many, and many at once."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROUND_SECONDS = 2e-3
"""The length of a round, far above the resolution of the clock and the cost of reading it."""
MIN_ROUNDS = 3
MAX_ROUNDS = 1000
MAX_ITERATIONS = 100_000

Call = Callable[..., Any]


@dataclass(frozen=True)
class Rounds:
    """How a case is timed: ``rounds`` samples, each the mean of ``iterations`` calls."""

    rounds: int
    iterations: int


def synchronous(function: Call, wait: Callable[[Sequence[Any]], None] | None) -> Call:
    """``function``, returning only when its outputs have been computed.

    ``wait`` is ``None`` for a library whose calls return when the work is done: then nothing is
    wrapped, and nothing is added to what is timed.
    """
    if wait is None:
        return function

    def call(*arrays: Any) -> Any:
        outputs = function(*arrays)
        wait(as_sequence(outputs))
        return outputs

    return call


def as_sequence(outputs: Any) -> Sequence[Any]:
    """The outputs of a kernel, which may be one array, as a sequence of arrays."""
    return outputs if isinstance(outputs, tuple | list) else (outputs,)


def once(call: Call, arrays: Sequence[Any]) -> tuple[float, Any]:
    """Seconds of a single call, and its outputs. Of the first call, compilation is a part."""
    start = time.perf_counter()
    outputs = call(*arrays)
    return time.perf_counter() - start, outputs


def warm_up(call: Call, arrays: Sequence[Any], seconds: float) -> float:
    """Calls for about ``seconds``, and at least once; returns the shortest call in seconds.

    The first call of a process is not among them, so that what it compiled and allocated does not
    enter the estimate.
    """
    shortest = math.inf
    end = time.perf_counter() + seconds
    while True:
        duration, _ = once(call, arrays)
        shortest = min(shortest, duration)
        if time.perf_counter() >= end:
            return shortest


def plan_rounds(call_seconds: float, seconds: float) -> Rounds:
    """Rounds of about two milliseconds that fill ``seconds``, and never fewer than three."""
    call_seconds = max(call_seconds, 1e-9)
    iterations = min(max(1, round(ROUND_SECONDS / call_seconds)), MAX_ITERATIONS)
    rounds = int(seconds / (iterations * call_seconds))
    return Rounds(rounds=min(max(rounds, MIN_ROUNDS), MAX_ROUNDS), iterations=iterations)


def throughput(
    function: Call, arrays: Sequence[Any], wait: Callable[[Sequence[Any]], None], plan: Rounds
) -> tuple[float, ...]:
    """Seconds a call when the calls of a round are enqueued together and awaited once.

    For asynchronous libraries only. Outputs are dropped as they come, so that a round holds no more
    memory than the library's own queue.
    """
    samples = []
    iterations = max(plan.iterations, 2)
    for _ in range(plan.rounds):
        start = time.perf_counter()
        outputs: Any = ()
        for _ in range(iterations):
            outputs = function(*arrays)
        wait(as_sequence(outputs))
        samples.append((time.perf_counter() - start) / iterations)
    return tuple(samples)
