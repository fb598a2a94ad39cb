"""Latency, throughput and device time of an asynchronous device, on a clock that moves when told to.

Each of the faults that benchmarks of asynchronous devices are known for is planted here beside the right
way, so that it is seen that the figures would tell.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fake_device
from fake_device import Clock, Device, FakeArray, FakeDevice
from xpbench import Setting
from xpbench.bench import clock, flush

KERNEL, LAUNCH = 50e-6, 20e-6
Made = tuple[FakeDevice, Callable[..., Any], list[FakeArray]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """A device with the properties given, a kernel of one launch on it, and its arrays of 64 KiB."""

    def make(**properties: Any) -> Made:
        ticking = Clock()
        monkeypatch.setattr(clock, "time", ticking)
        backend = FakeDevice(Device(clock=ticking, **properties))
        backend.load(Setting(device="fake"))
        arrays = [backend.put(np.ones(2**14, np.float32)) for _ in range(2)]
        return backend, lambda x, y: x + y, arrays

    return make


def on_card(backend: FakeDevice, rate: float) -> float:
    """Seconds that the kernel of ``made`` takes on the device, whose arrays come at ``rate``; its output
    is new, and so never cached."""
    device = backend.device
    return device.kernel_s + 2 * 2**16 / rate + 2**16 / device.memory_rate


def test_latency_is_a_launch_and_the_device_and_nothing_else(made: Callable[..., Made]) -> None:
    backend, add, arrays = made()
    call = clock.synchronous(add, backend.wait)
    clock.warm_up(call, arrays, 0.0)
    seconds, _ = clock.once(call, arrays)
    assert seconds == pytest.approx(LAUNCH + on_card(backend, backend.device.cache_rate))


def test_a_call_that_nobody_awaits_is_seen_to_take_its_launch_alone(made: Callable[..., Made]) -> None:
    _, add, arrays = made()
    assert clock.once(add, arrays)[0] == pytest.approx(LAUNCH)


def test_throughput_is_the_longer_of_launching_and_computing(made: Callable[..., Made]) -> None:
    for launch in (20e-6, 400e-6):
        backend, add, arrays = made(launch_s=launch)
        kernel = on_card(backend, backend.device.cache_rate)
        samples = clock.throughput(add, arrays, backend.wait, clock.Rounds(3, 1000))
        assert samples[-1] == pytest.approx(max(launch, kernel), rel=2e-3)


def test_inputs_have_arrived_before_anything_is_timed(made: Callable[..., Made]) -> None:
    backend, add, _ = made(link_rate=1e6)
    slow = 2**16 / 1e6
    call = clock.synchronous(add, backend.wait)
    arrived = [backend.put(np.ones(2**14, np.float32)) for _ in range(2)]
    assert clock.once(call, arrived)[0] < slow / 100

    on_their_way = [FakeArray(backend.device, np.ones(2**14, np.float32)) for _ in range(2)]
    backend.device.copy(2**16)
    assert clock.once(call, on_their_way)[0] > slow


@pytest.mark.parametrize("launch", [1e-6, 20e-6, 500e-6])
def test_device_time_does_not_depend_on_how_long_a_launch_takes(
    made: Callable[..., Made], launch: float
) -> None:
    backend, add, arrays = made(launch_s=launch)
    for calls_of in (launch + KERNEL, 1e-3):
        found = clock.device_time(add, arrays, backend.wait, backend.stream(), calls_of, 0.01)
        # The first call of the first span finds its arrays in memory.
        assert found.samples[-1] == pytest.approx(on_card(backend, backend.device.cache_rate))


def test_without_a_hold_the_time_of_launching_would_be_taken_for_the_device(
    made: Callable[..., Made],
) -> None:
    backend, add, arrays = made(launch_s=500e-6)
    backend.device.hold = lambda: lambda: True  # type: ignore[method-assign]
    found = clock.device_time(add, arrays, backend.wait, backend.stream(), 50e-6, 0.01)
    assert found.samples[-1] > 5 * on_card(backend, backend.device.cache_rate)


def test_a_call_that_waits_for_the_device_has_no_device_time_and_a_reason(
    made: Callable[..., Made],
) -> None:
    backend, add, arrays = made(waits=True)
    found = clock.device_time(add, arrays, backend.wait, backend.stream(), 1e-4, 0.01)
    assert found.samples == ()
    assert "waits for the device itself" in found.reason


def test_a_launch_that_fails_lets_the_device_go(made: Callable[..., Made]) -> None:
    backend, _, arrays = made()

    def fails(*_: Any) -> Any:
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        clock.device_time(fails, arrays, backend.wait, backend.stream(), 1e-4, 0.01)
    assert backend.device.held_since is None


def test_a_cold_call_reads_its_arrays_from_memory_and_a_hot_one_from_the_cache(
    made: Callable[..., Made],
) -> None:
    backend, add, arrays = made()
    call, empty = clock.synchronous(add, backend.wait), flush.flusher(backend)
    rates = backend.device.memory_rate, backend.device.cache_rate
    empty()
    cold, _ = clock.once(call, arrays)
    hot, _ = clock.once(call, arrays)
    assert cold == pytest.approx(LAUNCH + on_card(backend, rates[0]))
    assert hot == pytest.approx(LAUNCH + on_card(backend, rates[1]))


def test_a_flush_has_ended_before_the_clock_starts(made: Callable[..., Made]) -> None:
    backend, add, arrays = made(cache_bytes=2**22)
    call, empty = clock.synchronous(add, backend.wait), flush.flusher(backend)
    empty()
    right, _ = clock.once(call, arrays)
    backend.wait = lambda outputs: None  # type: ignore[method-assign]
    empty()
    assert clock.once(call, arrays)[0] > 5 * right


def test_cold_device_time_is_that_of_single_calls_without_the_flush(made: Callable[..., Made]) -> None:
    backend, add, arrays = made()
    empty = flush.flusher(backend)
    found = clock.device_time(add, arrays, backend.wait, backend.stream(), 1e-6, 0.01, empty)
    for sample in found.samples:
        assert sample == pytest.approx(on_card(backend, backend.device.memory_rate))


def test_a_smaller_flush_would_leave_arrays_in_the_cache(made: Callable[..., Made]) -> None:
    backend, add, arrays = made()
    call = clock.synchronous(add, backend.wait)
    backend.cache_bytes = lambda: 2**12  # type: ignore[method-assign]
    empty = flush.flusher(backend)
    clock.warm_up(call, arrays, 0.0)
    empty()
    assert clock.once(call, arrays)[0] < LAUNCH + on_card(backend, backend.device.memory_rate)


def test_the_rounds_of_a_cold_case_are_single_calls_and_fill_the_time_with_their_flushes() -> None:
    plan = clock.plan_rounds(1e-5, 0.1, flush_seconds=1e-3)
    assert plan.iterations == 1
    assert plan.rounds == pytest.approx(99, abs=1)


def test_the_kernels_of_a_call_add_up(made: Callable[..., Made]) -> None:
    backend, add, arrays = made()
    add(*arrays)
    seen = backend.profile(lambda: add(*arrays), 4)
    assert seen is not None
    assert seen.launches == 1
    assert seen.seconds == pytest.approx(on_card(backend, backend.device.cache_rate))
    assert seen.longest[0][0] == "__add__"


def test_the_memory_of_a_device_has_an_end() -> None:
    backend = FakeDevice(Device(memory_bytes=2**16))
    backend.load(Setting(device="fake"))
    held = backend.put(np.ones(2**13, np.float32))
    with pytest.raises(fake_device.OutOfMemoryError):
        backend.put(np.ones(2**14, np.float32))
    del held
    backend.put(np.ones(2**14, np.float32))


def test_a_span_that_the_marks_do_not_resolve_is_no_time(made: Callable[..., Made]) -> None:
    backend, add, arrays = made()
    backend.device.seconds = lambda start, end: 0.0  # type: ignore[method-assign]
    found = clock.device_time(add, arrays, backend.wait, backend.stream(), 1e-4, 0.01)
    assert (found.samples, found.reason) == ((), clock.TOO_SHORT)
