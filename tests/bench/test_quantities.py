"""A number is written with three digits in a unit that suits it, and never as a false zero."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench.report import quantities

UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9, "ps": 1e-12}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.2345, "1.23 s"),
        (0.0123, "12.3 ms"),
        (0.000999949, "1.00 ms"),
        (0.000999, "999 µs"),
        (1.5e-6, "1.50 µs"),
        (50e-9, "50.0 ns"),
        (3e-10, "300 ps"),
        (4e-15, "0.00400 ps"),
        (1234.5, "1230 s"),
        (86400 * 30, "2.59e6 s"),
        (1e-20, "1.00e-8 ps"),
        (0.0, "0 s"),
    ],
)
def test_a_time_has_three_digits_and_its_unit(seconds: float, text: str) -> None:
    assert quantities.duration(seconds) == text


@given(st.floats(1e-15, 1e9))
def test_a_time_reads_back_to_three_digits(seconds: float) -> None:
    number, unit = quantities.duration(seconds).split()
    assert float(number) * UNITS[unit] == pytest.approx(seconds, rel=0.0051)
    if 1e-12 <= seconds < 999:
        assert 1 <= float(number) < 1000
        assert len(re.sub(r"\D", "", number)) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.124, "0.12"), (1.0, "1"), (30, "30"), (0.00123, "0.0012"), (1e-5, "1e-5"), (31415, "3.1e4"),
     (9.96, "10"), (999, "1000"), (9999, "1e4"), (0, "0"), (math.inf, "inf")],
)  # fmt: skip
def test_an_error_has_two_digits(value: float, text: str) -> None:
    assert quantities.compact(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.5, "2.0x faster"),
        (0.55, "1.8x faster"),
        (1 / 12.3, "12x faster"),
        (1 / 1234, "1230x faster"),
        (0.94, "1.06x faster"),
        (1.06, "1.06x slower"),
        (1.2, "1.2x slower"),
        (9.96, "10x slower"),
        (99.6, "100x slower"),
        (1.001, "as fast"),
        (0.999, "as fast"),
    ],
)
def test_a_ratio_of_times_is_said_in_words(ratio: float, text: str) -> None:
    assert quantities.comparison(ratio) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.04, "4%"), (0.0034, "0.3%"), (0.0001, "<0.1%"), (0.0, "0%"), (0.946, "95%"), (0.0949, "9%"),
     (0.0951, "10%"), (0.9375, "94%"), (2.5, "250%")],
)  # fmt: skip
def test_a_share_is_a_percentage_that_is_zero_only_where_it_is(share: float, text: str) -> None:
    assert quantities.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.5e12, "2.50 Tflop/s"), (24.5e9, "24.5 Gflop/s"), (999.9e6, "1.00 Gflop/s"), (12, "12.0 flop/s")],
)
def test_a_rate_has_a_decimal_prefix(value: float, text: str) -> None:
    assert quantities.rate(value, "flop") == text


@pytest.mark.parametrize(
    ("value", "text"), [(12, "12 B"), (1536, "1.50 KiB"), (2**30, "1.00 GiB"), (1023, "1020 B")]
)
def test_a_volume_has_a_binary_prefix(value: float, text: str) -> None:
    assert quantities.volume(value) == text


@pytest.mark.parametrize("digits", [2, 3])
@given(value=st.floats(1e-30, 1e30))
def test_significant_digits_are_kept_at_every_magnitude(digits: int, value: float) -> None:
    text = quantities.significant(value, digits)
    assert float(text) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))
