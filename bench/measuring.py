"""One case in one process: from its data to its record."""

import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from xpbench.bench import (
    agreement,
    clock,
    data,
    floating,
    flush,
    machine,
    threads,
)
from xpbench.bench.backend import Backend
from xpbench.bench.case import Case
from xpbench.bench.device import is_host
from xpbench.bench.exceptions import Unsupported, is_refusal, one_line
from xpbench.bench.kernel import Kernel
from xpbench.bench.measurement import Measurement
from xpbench.bench.profile import Profile
from xpbench.bench.surroundings import Surroundings
from xpbench.bench.task import Task

PAGE = 4096
WARM_UP_SHARE = 0.25
THROUGHPUT_SHARE = 0.5
DEVICE_SHARE = 0.5
CARD_WARM_UP_SHARE, FIRST_CARD_WARM_UP_SHARE = 1.0, 5.0
"""Warm-up on a card, and before the first case of a process there, in shares of the timed rounds: its
clock falls within milliseconds of rest, and takes tenths of a second to rise."""
ENERGY_SECONDS = 2.1
"""A little more than the least over which a card's counter of energy is trusted."""
PROFILED_SECONDS, PROFILED_CALLS = 0.02, 20
"""A profiler watches so many calls, or as many as fit into this time."""
TRANSFERS, TRANSFER_SECONDS = 5, 0.02
"""Moves to and from a card, of which the median counts: so many, or as many as begin in this time."""
Before = Callable[[], None] | None
Timer = Callable[
    [clock.Call, Sequence[Any], clock.Rounds, Before, Before], tuple[tuple[float, ...], Any]
]
"""Times a call in rounds: returns the seconds of each, and the outputs of the last call. What the last
two arguments do stands before and after each round, and is not timed."""


class Finished(Exception):
    """Measuring a case ended before its timing did, with this record."""

    def __init__(self, measurement: Measurement) -> None:
        super().__init__(measurement.reason)
        self.measurement = measurement


@dataclass
class Measurer:
    """What the cases of a process share.

    ``say`` tells the parent of an event, ``guests`` are backends whose cases are measured beside those
    of ``backend``, by name; ``timed`` is the case of theirs or of its own that was timed last, whose
    rounds alternate with those of the next where that is of the same row. ``flush`` empties the caches,
    once a cold case has made it; ``rested`` tells whether the device has done no timed work yet,
    ``spoilt`` that a case has left the process such that no other may be measured in it.
    """

    task: Task
    kernels: Mapping[str, Kernel]
    backend: Backend
    in_force: Mapping[str, Any]
    say: Callable[..., None]
    surroundings: Surroundings
    guests: Mapping[str, Backend] = field(default_factory=dict)
    timed: tuple[Case, clock.Alternate] | None = None
    flush: Before = None
    rested: bool = True
    spoilt: bool = False

    @property
    def on_card(self) -> bool:
        return not is_host(self.task.setting.device)

    @property
    def _wait(self) -> Callable[[Sequence[Any]], None] | None:
        return self.backend.wait if self.backend.asynchronous else None

    def _compiled(self, case: Case) -> clock.Call:
        kernel = self.kernels[case.kernel]
        static = kernel.static_of(dict(case.size))
        return self._of(case).compile(functools.partial(kernel.compute, self.backend.xp, **static))

    def _of(self, case: Case) -> Backend:
        """The backend of a case, which may be a guest here, and was then not loaded."""
        return self.guests.get(case.backend, self.backend)

    def measure(self, case: Case, timer: Timer) -> Measurement:
        """One case, from its data to its record; every fault of the case becomes a status."""
        record = self._recorded(case, timer)
        if self.surroundings.is_copy:
            # The process that was copied goes on with the case; it alone keeps records.
            os._exit(0)
        self.spoilt |= record.status == "oom" or _spoils_the_process(record.reason)
        if changed := self.surroundings.changed():
            self.spoilt = True
            if record.status == "ok":
                return self._failed(
                    record,
                    f"compute changed {changed}, for every case after it in its process; a kernel must "
                    "leave such things as they are",
                )
        return record

    def _recorded(self, case: Case, timer: Timer) -> Measurement:
        record = Measurement(case=case, fork=self.task.fork, status="ok", in_force=self.in_force)
        try:
            return self._measure(record, self.kernels[case.kernel], timer)
        except Finished as end:
            return end.measurement
        except Unsupported as reason:
            return replace(record, status="unsupported", reason=str(reason))
        except data.DataFault as fault:
            return replace(record, status=fault.status, reason=fault.reason)
        except BaseException as error:
            # Nothing but a signal that cannot be caught ends this process from outside: whatever is
            # raised, KeyboardInterrupt or pytest's own, the case raised it.
            return replace(record, status=_status_of(error), reason=one_line(error))

    def _measure(self, record: Measurement, kernel: Kernel, timer: Timer) -> Measurement:
        case, backend, task = record.case, self.backend, self.task
        last_timed, self.timed = self.timed, None
        if reason := self._of(case).declines(case.dtype):
            raise Unsupported(reason)
        made = data.load(task.data, case)
        static = kernel.static_of(dict(case.size))
        _bring_into_memory(made.inputs)
        transfer, arrays = self._moved(backend.put, made.inputs)
        record = replace(record, transfer_s=transfer)
        self._check_held(record, arrays, made)

        compiled_before = backend.compile_seconds()
        function, wait = self._compiled(case), self._wait
        call = clock.synchronous(function, wait)
        copies = self.surroundings.forked
        first_call, outputs = clock.once(call, arrays)
        record = _spending(record, "first_call", first_call)
        self._check_alone(record, copies)
        self._check_outputs(record, arrays, outputs)
        compiled = backend.compile_seconds()
        if compiled is not None and compiled_before is not None:
            record = replace(record, compile_s=compiled - compiled_before)
        record = replace(record, first_call_s=first_call, cold=str(case) in task.cold)

        transfer, arrived = self._moved(backend.fetch, clock.as_sequence(outputs))
        record = replace(record, transfer_out_s=transfer)
        fetched = _copies(arrived)
        try:
            record = self._judge(record, kernel, fetched, made)
        except Finished as end:
            again = self._is_right(record, kernel, lambda: call(*arrays), made)
            raise Finished(_of_the_first_call(end.measurement) if again else end.measurement) from None
        record = replace(
            record,
            compute_dtype=backend.compute_dtype(
                functools.partial(kernel.compute, **static), arrays, case.dtype
            ),
            traffic_bytes=float(sum(array.nbytes for array in (*made.inputs, *fetched))),
            sharding=backend.sharding(function, arrays, clock.as_sequence(outputs)),
        )
        if task.seconds == 0:
            self._check_unchanged(record, arrays, made)
            self._keep(case, fetched)
            return record

        start = time.perf_counter()
        call_seconds = clock.warm_up(call, arrays, self._warm_up_seconds())
        emptied, flush_seconds = self._flusher()
        record = _spending(record, "warm_up", time.perf_counter() - start)
        rounds = clock.plan_rounds(call_seconds, task.seconds, flush_seconds)
        before = machine.counters(backend.processes())
        other = last_timed[1] if last_timed and last_timed[0].row == case.row else None
        samples, last = timer(call, arrays, rounds, emptied, other.round if other else None)
        after = machine.counters(backend.processes())
        seen = machine.between(before, after)
        record = _spending(record, "rounds", after.seconds - before.seconds)
        record = replace(
            record,
            samples=samples,
            iterations=rounds.iterations,
            pressure=seen.pressure,
            others=seen.others,
            switches=seen.switches,
        )
        if other and last_timed:
            # The timer ends with one call more, of which it tells no time.
            alternated = tuple(other.samples[: len(samples)])
            record = replace(record, beside=last_timed[0].backend, beside_samples=alternated)
        if self.guests:
            self.timed = case, clock.Alternate(call, arrays, rounds.iterations, emptied)
        self._check_unchanged(record, arrays, made)
        refetched = self._fetch(last)
        if not _identical(fetched, refetched):
            record = self._judge(record, kernel, refetched, made)
        start = time.perf_counter()
        if wait is not None and emptied is None:
            short = clock.plan_rounds(call_seconds, task.seconds * THROUGHPUT_SHARE)
            record = replace(record, throughput_samples=clock.throughput(function, arrays, wait, short))
        record = self._by_the_device(record, function, arrays, call_seconds, emptied)
        record = _spending(record, "rounds", time.perf_counter() - start)
        if task.energy:
            self._spend_energy(case, call, arrays)
        return replace(record, peak_bytes=backend.peak_bytes())

    def _spend_energy(self, case: Case, call: clock.Call, arrays: Sequence[Any]) -> None:
        """Calls for as long as the counter of a card needs, between two events at which it is read."""
        self.say(event="energy", state="begin", id=str(case))
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < ENERGY_SECONDS:
            clock.once(call, arrays)
            calls += 1
        seconds = time.perf_counter() - start
        self.say(event="energy", state="end", id=str(case), calls=calls, seconds=seconds)

    def _by_the_device(
        self,
        record: Measurement,
        function: clock.Call,
        arrays: Sequence[Any],
        call_seconds: float,
        emptied: Before,
    ) -> Measurement:
        try:
            stream = self.backend.stream()
        except Unsupported as reason:
            return replace(record, device_source=str(reason))
        if stream is None:
            return record
        seconds = self.task.seconds * DEVICE_SHARE
        wait = self.backend.wait
        spans = clock.device_time(function, arrays, wait, stream, call_seconds, seconds, emptied)
        return replace(record, device_samples=spans.samples, device_source=spans.reason or stream.source)

    def _moved(self, move: Callable[[Any], Any], arrays: Sequence[Any]) -> tuple[float, list[Any]]:
        """Seconds to ``move`` all of ``arrays``, and what they became.

        To or from a card the median of several: the first also takes memory from the system.
        """
        durations: list[float] = []
        begun = time.perf_counter()
        while True:
            start = time.perf_counter()
            moved = [move(array) for array in arrays]
            durations.append(time.perf_counter() - start)
            enough = time.perf_counter() - begun > TRANSFER_SECONDS or len(durations) == TRANSFERS
            if enough or not self.on_card:
                return statistics.median(durations), moved
            moved.clear()

    def _warm_up_seconds(self) -> float:
        if not self.on_card:
            return self.task.seconds * WARM_UP_SHARE
        rested, self.rested = self.rested, False
        return self.task.seconds * (FIRST_CARD_WARM_UP_SHARE if rested else CARD_WARM_UP_SHARE)

    def _flusher(self) -> tuple[Before, float | None]:
        """What empties the caches before a round, and its seconds; nothing where they are left."""
        if self.task.cache != "cold":
            return None, None
        if self.flush is None:
            self.flush = flush.flusher(self.backend)
            self.flush()
        return self.flush, clock.once(self.flush, ())[0]

    def profile(self, case: Case) -> Profile | None:
        """What a call of ``case``, which was measured before, runs on the device; ``None`` where that
        cannot be seen."""
        backend = self.backend
        try:
            arrays = [backend.put(array) for array in data.load(self.task.data, case).inputs]
            function = self._compiled(case)
            call = clock.synchronous(function, self._wait)
            clock.once(call, arrays)
            seconds, _ = clock.once(call, arrays)
            calls = min(max(1, round(PROFILED_SECONDS / seconds)), PROFILED_CALLS)
            seen = backend.profile(lambda: call(*arrays), calls)
        except (Exception, SystemExit):
            # The times stand already: a profiler that fails costs its own column and nothing else.
            return None
        return None if seen is None else Profile(str(case), seen)

    def _judge(
        self, record: Measurement, kernel: Kernel, outputs: Sequence[np.ndarray], made: data.Data
    ) -> Measurement:
        static = kernel.static_of(dict(record.case.size))
        with threads.single_blas_thread():
            found = agreement.judge(
                kernel,
                outputs,
                made.reference,
                made.exact_inputs,
                static,
                record.case.dtype,
                record.case.precision,
            )
        record = replace(record, errors={**record.errors, **found.errors})
        if not found.agrees:
            raise Finished(replace(record, status="wrong", reason=found.reason, samples=()))
        return record

    def _is_right(
        self, record: Measurement, kernel: Kernel, call: Callable[[], Any], made: data.Data
    ) -> bool:
        """Whether one more call has a right result."""
        try:
            self._judge(record, kernel, self._fetch(call()), made)
        except BaseException:  # whatever the case raises, KeyboardInterrupt too
            return False
        return True

    def _failed(self, record: Measurement, reason: str) -> Measurement:
        none: dict[str, Any] = dict.fromkeys(("samples", "throughput_samples", "device_samples"), ())
        return replace(record, status="failed", reason=reason, **none)

    def _check_alone(self, record: Measurement, copies: int) -> None:
        if self.surroundings.is_copy:
            os._exit(0)
        if self.surroundings.forked > copies:
            self.spoilt = True
            reason = "compute forked its process; a kernel computes in the one that calls it"
            raise Finished(self._failed(record, reason))

    def _check_outputs(self, record: Measurement, arrays: Sequence[Any], outputs: Any) -> None:
        """An output of another library, or on another device, was computed elsewhere than it says."""
        for index, output in enumerate(clock.as_sequence(outputs)):
            if reason := self.backend.stranger(output, arrays[0]):
                reason = (
                    f"output {index} {reason}: compute must return arrays of xp, where the inputs are"
                )
                raise Finished(self._failed(record, reason))

    def _check_held(self, record: Measurement, arrays: Sequence[Any], made: data.Data) -> None:
        """JAX cuts int64 down to int32 in silence, unless its x64 switch is on."""
        for index, (array, host) in enumerate(zip(arrays, made.inputs, strict=True)):
            if host.dtype.kind not in "iu":
                continue
            held = np.asarray(self.backend.fetch(array))
            if held.dtype != host.dtype and not np.array_equal(held, host):
                reason = f"input {index} is {host.dtype}, held here as {held.dtype}, which is too narrow"
                raise Finished(replace(record, status="unsupported", reason=reason, samples=()))

    def _check_unchanged(self, record: Measurement, arrays: Sequence[Any], made: data.Data) -> None:
        """A kernel that writes to its inputs computes something else in every call."""
        for index, (array, host) in enumerate(zip(arrays, made.inputs, strict=True)):
            if not np.array_equal(
                np.asarray(self.backend.fetch(array)), host, equal_nan=floating.kind(host.dtype) in "fc"
            ):
                reason = f"compute changed its input {index}; a kernel must leave its inputs as they are"
                raise Finished(replace(record, status="wrong", reason=reason, samples=()))

    def _fetch(self, outputs: Any) -> tuple[np.ndarray, ...]:
        return _copies(self.backend.fetch(output) for output in clock.as_sequence(outputs))

    def _keep(self, case: Case, outputs: Sequence[np.ndarray]) -> None:
        data.keep_outputs(self.task.outputs, case, outputs)


def _of_the_first_call(record: Measurement) -> Measurement:
    """A wrong result that a second call did not repeat, as of a library that is not ready yet."""
    words = "the first call in its process, and no second one"
    return replace(record, reason=f"{words}: {record.reason}")


def _bring_into_memory(arrays: Sequence[np.ndarray]) -> None:
    """Reads an entry of every page of memory-mapped arrays, so that no transfer waits for a disk."""
    for array in arrays:
        array.ravel()[:: max(1, PAGE // array.itemsize)].max(initial=0)


def _copies(arrays: Iterable[Any]) -> tuple[np.ndarray, ...]:
    """Copies, because a fetched array may share the memory of one that later calls change."""
    return tuple(np.array(array) for array in arrays)


def _spending(record: Measurement, phase: str, seconds: float) -> Measurement:
    return replace(record, spent={**record.spent, phase: record.spent.get(phase, 0.0) + seconds})


def _identical(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> bool:
    return len(first) == len(second) and all(
        np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(first, second, strict=True)
    )


def _status_of(error: BaseException) -> str:
    if is_refusal(error):
        return "refused"
    return "oom" if _is_out_of_memory(error) else "failed"


def _is_out_of_memory(error: BaseException) -> bool:
    text = f"{type(error).__name__} {error}"
    signs = ("OutOfMemory", "RESOURCE_EXHAUSTED", "can't allocate memory", "bad_alloc")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def _spoils_the_process(reason: str) -> bool:
    """Whether an error is one of a CUDA context, which fails every call that follows."""
    signs = ("CUDA error", "CUDARuntimeError", "CUDADriverError", "illegal memory access")
    return any(sign in reason for sign in signs)
