"""What a card did in a case survives its file, and of two turns the less throttled one counts."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from xpbench.bench import journal, log
from xpbench.bench.card_state import CardState, counted, more_throttled, summary, turns
from xpbench.bench.cards import Reading
from xpbench.bench.exceptions import XpbenchError

HOT = ("power cap",)
WHOLE = CardState(
    case="matmul[n=512]/torch@cuda/float32",
    fork=1,
    device="cuda",
    sm_mhz=1980,
    power_w=412.5,
    temperature_c=61,
    throttle=("power cap", "software thermal slowdown"),
    throttled=0.25,
    others=0,
    energy_j=1.5e-3,
    readings=8,
    again=True,
    reason="",
)
UNKNOWN = CardState("a", 0, "cuda")


def test_readings_become_median_mean_maximum_and_union() -> None:
    readings = [
        Reading(0.0, 1500, 300.0, 50, (), None, 0),
        Reading(0.1, 1980, 400.0, 55, ("power cap",), None, 2),
        Reading(0.2, 1900, 420.0, 60, ("software thermal slowdown", "power cap"), None, None),
        Reading(0.3, None, None, None, None, None, None),
    ]
    assert summary(readings) == {
        "sm_mhz": 1900,
        "power_w": pytest.approx(1120 / 3),
        "temperature_c": 60,
        "throttle": ("power cap", "software thermal slowdown"),
        "throttled": pytest.approx(2 / 3),
        "others": 2,
        "readings": 4,
    }


def test_a_clock_that_rests_is_not_that_of_the_work() -> None:
    resting = [Reading(t, 345, 70.0, 40, (), None, 1, idle=True) for t in range(5)]
    found = summary([*resting, Reading(5.0, 1980, 400.0, 50, HOT, None, None)])
    assert (found["sm_mhz"], found["power_w"], found["throttled"]) == (1980, 400.0, 1.0)
    assert (found["readings"], found["others"]) == (6, 1)
    assert summary(resting)["sm_mhz"] == 345, "of a card without any work that is all there is"


def test_without_readings_nothing_is_known() -> None:
    found = summary([])
    assert found.pop("readings") == 0
    assert set(found.values()) == {None}


@pytest.mark.parametrize(("hot", "slowed"), [(0, False), (1, False), (2, True), (10, True)])
def test_a_case_is_slowed_where_more_than_a_tenth_of_its_readings_were(hot: int, slowed: bool) -> None:
    readings = [Reading(t, throttle=HOT if t < hot else ()) for t in range(10)]
    assert CardState("a", 0, "cuda", **summary(readings)).slowed is slowed


@pytest.mark.parametrize("state", [WHOLE, UNKNOWN])
def test_a_state_survives_json(state: CardState) -> None:
    line = json.dumps(state.to_json(), allow_nan=False)
    assert CardState.from_json(json.loads(line)) == state
    assert CardState.from_json(json.loads(line) | {"of_a_later_version": 1}) == state


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"case": 3}, "case = 3"),
        ({"fork": True}, "fork = True"),
        ({"again": 1}, "again = 1"),
        ({"readings": 1.5}, "readings = 1.5"),
        ({"sm_mhz": "fast"}, "sm_mhz = 'fast'"),
        ({"power_w": -1.0}, "power_w = -1.0"),
        ({"energy_j": math.inf}, "energy_j = inf"),
        ({"throttled": True}, "throttled = True"),
        ({"throttle": "power cap"}, "throttle = 'power cap'"),
        ({"throttle": [1]}, "throttle = [1]"),
    ],
)
def test_a_malformed_state_names_its_fault(change: dict[str, Any], named: str) -> None:
    with pytest.raises(XpbenchError) as fault:
        CardState.from_json(WHOLE.to_json() | change)
    assert named in str(fault.value)


def test_what_is_no_state_at_all_is_said() -> None:
    with pytest.raises(XpbenchError, match="must be an object, not 3"):
        CardState.from_json(3)  # type: ignore[arg-type]
    with pytest.raises(XpbenchError, match="missing 1 required positional argument: 'device'"):
        CardState.from_json({"case": "a", "fork": 0})


FIRST = replace(UNKNOWN, throttle=HOT, throttled=0.5)


@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        (0.5, 0.2, False),
        (0.2, 0.5, True),
        (0.5, 0.5, None),
        (0.0, 0.5, True),
        # Neither was slowed: what the processor's other work did decides.
        (0.05, 0.0, None),
        (None, None, None),
        (0.5, None, False),
    ],
)
def test_of_two_turns_the_less_throttled_one_counts(
    first: float | None, second: float | None, more: bool | None
) -> None:
    one, two = replace(FIRST, throttled=first), replace(FIRST, throttled=second, again=True)
    assert more_throttled(one, two) is more
    assert turns([one, two]) == {("a", 0): more}
    assert counted([one, two]) == {("a", 0): one if more else two}


def test_a_case_that_a_dead_worker_left_is_no_second_turn() -> None:
    hotter = replace(FIRST, throttled=1.0)
    assert turns([FIRST, hotter]) == {}
    assert counted([FIRST, hotter]) == {("a", 0): hotter}


def test_states_are_read_back_and_damage_costs_one_line(runs: Any) -> None:
    case = runs.case("torch@cuda")
    run = runs.store(runs.forks(case))
    states = [replace(WHOLE, case=str(case), fork=fork, again=False) for fork in range(3)]
    for state in states:
        journal.append_card(run.path, state)
    assert journal.read(run.path).cards == tuple(states)
    file = run.path / journal.CARDS
    lines = file.read_text().splitlines()
    malformed_line = log.sealed(states[2].to_json() | {"fork": "x"}).decode()
    file.write_text(f"{lines[0]}\n{lines[1][:40]}\n{malformed_line}")
    journal.append_card(run.path, states[1])
    found = journal.read(run.path)
    assert found.cards == (states[0], states[1])
    assert len(found.measurements) == len(run.measurements)
    torn, malformed = found.damaged
    assert "cards.jsonl:2: left out, it is not whole JSON" in torn
    assert "cards.jsonl:3: left out, the state of a card is malformed: fork = 'x'" in malformed


def test_a_folder_with_states_alone_is_not_begun_anew(runs: Any, tmp_path) -> None:
    journal.append_card(tmp_path, WHOLE)
    with pytest.raises(XpbenchError, match=r"holds a run already \(cards.jsonl\)"):
        journal.create(tmp_path, runs.header([runs.case()]))


@pytest.mark.parametrize(("throttled", "kept"), [((0.2, 0.9), 0), ((0.9, 0.2), 1), ((0.5, 0.5), 0)])
def test_the_measurement_of_the_less_throttled_turn_counts(
    runs: Any, throttled: tuple[float, float], kept: int
) -> None:
    case = runs.case("torch@cuda")
    # The second turn was disturbed more: that decides where throttling does not.
    quiet, busy = (
        runs.forks(case, time, count=1, others=others)[0] for time, others in ((1e-3, 0.2), (2e-3, 0.6))
    )
    path = runs.store([quiet, replace(busy, cold=False)]).path
    for again, share in enumerate(throttled):
        state = replace(FIRST, case=str(case), throttled=share, again=bool(again))
        journal.append_card(path, state)
    [found] = journal.read(path).measurements
    assert found.samples == (quiet, busy)[kept].samples
    assert (found.cold, found.first_call_s) == (True, quiet.first_call_s)
