"""How long does a call take: the first, one among many, many at once, and by the device's own clock?"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from xpbench.bench.stream import Stream

ROUND_SECONDS = 2e-3
"""The length of a round, far above the resolution of the clock and the cost of reading it."""
MIN_ROUNDS = 3
MAX_ROUNDS = 1000
MAX_ITERATIONS = 100_000
SPAN_SECONDS = 500e-6
MAX_SPAN_CALLS = 20
"""Calls between two marks of a device: as many as are launched in about half a millisecond, which is far
more than marks can err, and far less than fills the queue of a driver (1024 launches)."""
MAX_SPANS = 100

Call = Callable[..., Any]


@dataclass(frozen=True)
class Rounds:
    """How a case is timed: ``rounds`` samples, each the mean of ``iterations`` calls."""

    rounds: int
    iterations: int


@dataclass(frozen=True)
class Spans:
    """Seconds a call by the device's own clock, a sample a span; ``reason`` says why there are none."""

    samples: tuple[float, ...] = ()
    reason: str = ""


@dataclass
class Alternate:
    """A call whose rounds come between those of another: whatever the machine does within milliseconds,
    it does to both. ``samples`` are its seconds a call, the mean over ``iterations`` of a round;
    ``before`` stands before each round and is not timed."""

    call: Call
    arrays: Sequence[Any]
    iterations: int
    before: Callable[[], None] | None = None
    samples: list[float] = field(default_factory=list)

    def round(self) -> None:
        if self.before is not None:
            self.before()
        # As pytest-benchmark does in the rounds of the other.
        collecting = gc.isenabled()
        gc.disable()
        try:
            start = time.perf_counter()
            for _ in range(self.iterations):
                self.call(*self.arrays)
            end = time.perf_counter()
        finally:
            if collecting:
                gc.enable()
        self.samples.append((end - start) / self.iterations)


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


def plan_rounds(call_seconds: float, seconds: float, flush_seconds: float | None = None) -> Rounds:
    """Rounds of about two milliseconds that fill ``seconds``, and never fewer than three.

    With a flush of the caches before each, which takes ``flush_seconds``, a round is a single call:
    the next would find them filled.
    """
    if flush_seconds is not None:
        rounds = int(seconds / max(call_seconds + flush_seconds, 1e-9))
        return Rounds(rounds=min(max(rounds, MIN_ROUNDS), MAX_ROUNDS), iterations=1)
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


def device_time(
    function: Call,
    arrays: Sequence[Any],
    wait: Callable[[Sequence[Any]], None],
    stream: Stream,
    call_seconds: float,
    seconds: float,
    flush: Callable[[], None] | None = None,
) -> Spans:
    """Spans between two marks in the queue of a device, which is held until all of a span is queued.

    A device that starts before its work is complete waits for launches inside the span, and the time of
    launching is taken for the device's. So a kernel that waits for the host goes first (as in NVIDIA's
    NVBench), and it starts to run when the last mark has been queued. ``call_seconds`` is the latency of
    a call, and ``seconds`` about how long to go on, for three spans at least. ``flush`` empties the
    caches of the device, and returns when that is done; then a span is a single call.
    """
    calls = 1
    if flush is None:
        calls = min(max(1, round(SPAN_SECONDS / max(call_seconds, 1e-9))), MAX_SPAN_CALLS)
    samples: list[float] = []
    end_at = time.perf_counter() + seconds
    while len(samples) < MIN_ROUNDS or (time.perf_counter() < end_at and len(samples) < MAX_SPANS):
        if flush is not None:
            flush()
        release = stream.hold()
        try:
            start = stream.record()
            outputs: Any = ()
            for _ in range(calls):
                outputs = function(*arrays)
            end = stream.record()
        finally:
            held = release()
        wait(as_sequence(outputs))
        if not held:
            return Spans(reason=NOT_HELD)
        seconds_between = stream.seconds(start, end)
        if seconds_between <= 0:
            return Spans(reason=TOO_SHORT)
        samples.append(seconds_between / calls)
    return Spans(tuple(samples))


TOO_SHORT = "no device time: the span is below what the marks of this device resolve"
NOT_HELD = (
    "no device time: a call waits for the device itself, or launches more than its queue holds, so that "
    "the device cannot be held until all is queued"
)
