"""The energy of a call is what the counter says above idle, or a reason why it is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench import energy
from xpbench.bench.cards import Reading


def counter(seconds: float, joules: float | None, watts: float | None = None) -> Reading:
    return Reading(seconds=seconds, energy_j=joules, power_w=watts)


@given(
    idle_w=st.floats(0, 200),
    above_j=st.floats(1e-3, 1e3),
    calls=st.integers(1, 10**6),
    seconds=st.floats(energy.SECONDS, 60),
    start_j=st.floats(0, 1e6),
)
def test_what_calls_take_above_idle_is_found_again(
    idle_w: float, above_j: float, calls: int, seconds: float, start_j: float
) -> None:
    before = counter(7.0, start_j)
    after = counter(7.0 + seconds, start_j + idle_w * seconds + above_j)
    found = energy.of_a_call(before, after, calls, seconds, idle_w)
    # Sums of up to 1e6 J are rounded to eps of them, of which a thousandth of a joule is the rest.
    assert found.joules == pytest.approx(above_j / calls, rel=1e-5)


def test_idle_is_taken_off_for_the_time_between_the_readings() -> None:
    # Half a second passed in which the counter was read and nothing was called.
    found = energy.of_a_call(counter(0.0, 0.0), counter(2.5, 350.0), 100, 2.0, 60.0)
    assert found.joules == pytest.approx((350.0 - 60.0 * 2.5) / 100)


@pytest.mark.parametrize(
    ("before", "after", "calls", "seconds", "idle_w", "reason"),
    [
        (None, 300.0, 10, 2.0, 50.0, "no energy counter"),
        (0.0, None, 10, 2.0, 50.0, "no energy counter"),
        (0.0, 300.0, 10, 2.0, None, "idle card is not known"),
        (0.0, 300.0, 10, 1.99, 50.0, "10 calls in 1.99 s, at least 2 s"),
        (0.0, 300.0, 0, 2.0, 50.0, "0 calls"),
        (5.0, 5.0, 10, 2.0, 50.0, "did not move"),
        (5.0, 4.0, 10, 2.0, 50.0, "did not move"),
        (0.0, 90.0, 10, 2.0, 50.0, "90 J were used, no more than the 100 J of the idle card"),
    ],
)
def test_what_cannot_be_told_is_a_reason_and_never_a_negative_number(
    before, after, calls, seconds, idle_w, reason: str
) -> None:
    found = energy.of_a_call(counter(0.0, before), counter(2.0, after), calls, seconds, idle_w)
    assert found.joules is None
    assert reason in found.reason


def test_idle_power_is_that_of_the_counter() -> None:
    readings = [counter(t / 10, 1000.0 + 6.5 * t, watts=99.0) for t in range(22)]
    assert energy.idle_power(readings) == pytest.approx(65.0)


@pytest.mark.parametrize(
    "joules",
    [
        pytest.param([None] * 4, id="no counter"),
        pytest.param([5.0] * 4, id="a counter that rests"),
        pytest.param([1.0, 2.0, None, None], id="too short a count"),
    ],
)
def test_without_a_counter_idle_power_is_the_mean(joules: list[float | None]) -> None:
    watts = (60.0, 62.0, 64.0, 66.0)
    readings = [counter(float(t), j, w) for t, j, w in zip(range(4), joules, watts, strict=True)]
    assert energy.idle_power(readings) == pytest.approx(63.0)


def test_a_card_that_tells_neither_has_no_idle_power() -> None:
    assert energy.idle_power([counter(0.0, None), counter(3.0, None)]) is None
    assert energy.idle_power([]) is None
