"""What a device's name says, and that what divides the host is the host."""

import pytest

from xpbench.bench.device import Device, count_of, is_host, kind_of, parse
from xpbench.bench.exceptions import XpbenchError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpu", Device("cpu")),
        ("cuda:1", Device("cuda", index=1)),
        ("8xcpu", Device("cpu", count=8)),
        ("2x4xcpu", Device("cpu", count=4, processes=2)),
        ("4xcuda", Device("cuda", count=4)),
    ],
)
def test_a_name_says_kind_count_and_processes(text, expected):
    assert parse(text) == expected


def test_two_processes_of_four_are_eight_devices():
    assert parse("2x4xcpu").total == 8


@pytest.mark.parametrize(
    "text", ["", "8", "8x", "0xcpu", "2x0xcpu", "2x2x2xcpu", "4xcuda:1", "9999xcpu"]
)
def test_nonsense_is_refused_with_what_was_expected(text):
    with pytest.raises(XpbenchError, match=r"device .*expected"):
        parse(text)


def test_what_divides_the_processor_is_the_host_and_no_card_is():
    assert all(map(is_host, ("cpu", "8xcpu", "2x4xcpu")))
    assert not any(map(is_host, ("cuda", "cuda:1", "4xcuda", "", "xcpu!")))
    assert (count_of("2x4xcpu"), count_of("cuda:1"), count_of("?")) == (8, 1, 1)
    assert kind_of("cuda:x") == "cuda"
