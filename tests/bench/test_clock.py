"""A call is timed as often as its length allows, and what is awaited is what was asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench import clock

durations = st.floats(min_value=1e-9, max_value=1e3)


@given(durations, st.floats(min_value=0.0, max_value=10.0))
def test_rounds_stay_within_their_bounds(call_seconds: float, seconds: float) -> None:
    plan = clock.plan_rounds(call_seconds, seconds)
    assert clock.MIN_ROUNDS <= plan.rounds <= clock.MAX_ROUNDS
    assert 1 <= plan.iterations <= clock.MAX_ITERATIONS


@given(st.floats(min_value=1e-7, max_value=1e-2), st.floats(min_value=0.05, max_value=1.0))
def test_rounds_fill_the_time_allowed_and_no_more(call_seconds: float, seconds: float) -> None:
    plan = clock.plan_rounds(call_seconds, seconds)
    least = clock.MIN_ROUNDS * plan.iterations * call_seconds
    assert plan.rounds * plan.iterations * call_seconds <= max(seconds, least) * (1 + 1e-9)


@given(st.floats(min_value=1e-7, max_value=1e-4))
def test_a_round_of_short_calls_is_far_longer_than_the_clock_can_err(call_seconds: float) -> None:
    plan = clock.plan_rounds(call_seconds, 0.1)
    assert plan.iterations * call_seconds >= clock.ROUND_SECONDS / 2


def test_a_synchronous_library_is_timed_unwrapped() -> None:
    assert clock.synchronous(abs, None) is abs


def test_an_asynchronous_call_returns_after_its_outputs_were_awaited() -> None:
    awaited: list[object] = []
    call = clock.synchronous(lambda x: (x, x + 1), awaited.extend)
    assert call(1) == (1, 2)
    assert awaited == [1, 2]


def test_the_warm_up_calls_at_least_once_and_reports_the_shortest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = iter([0.0, 1.0, 4.0, 4.0, 5.0, 6.0, 6.0, 9.0, 12.0])
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(ticks))
    assert clock.warm_up(lambda: None, (), seconds=5.0) == 1.0


def test_throughput_awaits_once_a_round() -> None:
    waits: list[int] = []
    calls: list[int] = []
    plan = clock.Rounds(rounds=3, iterations=5)
    samples = clock.throughput(
        lambda: calls.append(1), (), lambda outputs: waits.append(len(outputs)), plan
    )
    assert (len(samples), len(calls), len(waits)) == (3, 15, 3)
    assert all(sample >= 0 for sample in samples)


@pytest.mark.parametrize("outputs", [(1, 2), [1, 2]])
def test_several_outputs_are_a_sequence_already(outputs: object) -> None:
    assert clock.as_sequence(outputs) == outputs


def test_one_output_becomes_a_sequence_of_one() -> None:
    assert clock.as_sequence(7) == (7,)
