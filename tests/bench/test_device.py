"""What a device's name says, and that what divides the host is the host."""

from types import SimpleNamespace

import pytest

from xpbench.bench import preparation, registry
from xpbench.bench.attendance import Cards
from xpbench.bench.backend import Setting
from xpbench.bench.checking import records
from xpbench.bench.device import Device, count_of, is_divided, is_host, kind_of, parse, singles
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.plan import Environment
from xpbench.bench.probe import State


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


def test_several_devices_stand_for_each_of_them():
    assert singles("3xcuda") == ["cuda", "cuda:1", "cuda:2"]
    assert singles("cuda:1") == ["cuda:1"]
    assert [is_divided(name) for name in ("1xcpu", "2x4xcpu", "cpu", "cuda:1", "?x")] == [True] * 2 + [
        False
    ] * 3


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], ["2xcpu"]),
        (["cpu"], ["2xcpu"]),
        (["cpu", "2x4xcpu"], ["2x4xcpu"]),
        (["16xcpu", "1xcpu"], ["1xcpu", "16xcpu"]),
        (["4xcuda"], []),
    ],
)
def test_a_kind_names_the_usual_division_where_none_is_named(asked, expected):
    state = State("jax-sharded", True, "", ("2xcpu", "1xcpu", "4xcpu"), {})
    assert preparation._devices(registry.find(), state, asked) == expected


def test_a_run_on_several_cards_takes_each_of_them_in_an_order_of_their_own():
    named = {"cuda": SimpleNamespace(name="GPU-b"), "cuda:1": SimpleNamespace(name="GPU-a")}
    cards = Cards(lambda device, variables: named.get(device), print)

    def names(device):
        return cards.names(Environment("jax-sharded", Setting(device), ()))

    assert names("2xcuda") == ["GPU-a", "GPU-b"]
    assert names("cuda:1") == ["GPU-a"]
    assert names("fake:0") == ["fake"], "what cannot be told is called as the user calls it"


@pytest.mark.parametrize(
    ("device", "threads", "faults"),
    [("8xcpu", 8, 0), ("2x4xcpu", 8, 0), ("8xcpu", 17, 1), ("cpu", 8, 1), ("4xcuda", 4, 1)],
)
def test_the_threads_of_each_device_are_no_more_than_were_asked_for(runs, device, threads, faults):
    case = runs.case(f"jax-sharded@{device}")
    [measured] = runs.forks(case, count=1, in_force={"threads": threads})
    assert len([*records.in_force([records.Line(1, measured)])]) == faults
