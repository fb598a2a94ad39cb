"""What cards did stands in the summary, under its mark and in cells of its own, where it is known."""

from dataclasses import replace
from typing import Any

import pytest

from xpbench.bench import journal
from xpbench.bench.card_state import CardState
from xpbench.bench.journal import Run
from xpbench.bench.report.cards import warnings_of_others
from xpbench.bench.report.quantities import energy
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.table import plain, render

PLACES = ("numpy", "torch@cuda")


def stored(runs: Any, *states: CardState) -> Run:
    run = runs.store(*(runs.forks(runs.case(place)) for place in PLACES))
    for state in states:
        journal.append_card(run.path, state)
    return journal.read(run.path)


@pytest.fixture
def cool(runs: Any) -> CardState:
    figures: dict[str, Any] = {"sm_mhz": 1980, "power_w": 400.0, "temperature_c": 60, "others": 0}
    case = str(runs.case(PLACES[1]))
    return CardState(case, 0, "cuda", **figures, throttle=(), throttled=0.0, readings=9)


@pytest.fixture
def hot(cool: CardState) -> CardState:
    return replace(cool, throttle=("power cap",), throttled=0.5, sm_mhz=1500, temperature_c=80)


def row(run: Run) -> Any:
    return summarise([run]).set_index("backend").loc["torch"]


def test_figures_of_forks_become_one(runs: Any, cool: CardState, hot: CardState) -> None:
    braked = replace(hot, fork=2, throttle=("power brake", "power cap"), sm_mhz=1200, power_w=500.0)
    energetic = replace(cool, fork=3, energy_j=4.0)
    again = replace(energetic, again=True, energy_j=6.0)
    found = row(stored(runs, cool, replace(hot, fork=1), braked, energetic, again))
    assert (found["throttled"], found["throttle"]) == (2, "power cap, power brake")
    assert (found["sm_mhz"], found["power_w"], found["temperature_c"]) == (1740, 400, 80)
    assert found["energy_j"] == 5.0


def test_a_fork_whose_second_turn_was_cooler_is_not_throttled(
    runs: Any, cool: CardState, hot: CardState
) -> None:
    found = row(stored(runs, hot, replace(cool, again=True)))
    assert (found["throttled"], found["sm_mhz"]) == (0, 1980)
    assert "↓" not in plain(summarise([stored(runs, hot, replace(cool, again=True))]))
    assert row(stored(runs, cool, replace(hot, again=True)))["throttled"] == 0
    assert row(stored(runs, hot, replace(hot, again=True)))["throttled"] == 1


def test_what_no_card_tells_is_null(runs: Any, cool: CardState) -> None:
    frame = summarise([stored(runs, cool)]).set_index("backend")
    columns = ["throttled", "throttle", "sm_mhz", "power_w", "temperature_c", "energy_j"]
    assert frame.loc["numpy", columns].isna().all()
    found = row(stored(runs, CardState(cool.case, 0, "cuda")))
    assert found[columns].isna().all()


@pytest.mark.parametrize("fmt", ["md", "latex", "plain"])
def test_a_throttled_cell_has_its_mark_and_the_legend_the_reasons(
    runs: Any, hot: CardState, fmt: str
) -> None:
    brake = replace(hot, fork=1, throttle=("power brake",))
    frame = summarise([stored(runs, hot, brake)])
    text = " ".join((plain(frame, width=120) if fmt == "plain" else render(frame, fmt)).split())
    mark = {"latex": r"$\downarrow$"}.get(fmt, "↓")
    told = f"{mark} its card was throttled, in a second turn too if it had one: power brake, power cap"
    assert told in text
    assert text.count(mark) == 2, "one cell and the legend"


def test_a_run_without_throttling_has_no_such_mark(runs: Any, cool: CardState) -> None:
    assert "↓" not in plain(summarise([stored(runs, cool)]))


def test_energy_and_clock_fill_cells(runs: Any, cool: CardState) -> None:
    frame = summarise([stored(runs, replace(cool, energy_j=0.0123))])
    text = plain(frame, metric="energy", width=120)
    assert "energy of a call, above idle" in text
    assert "12.3 mJ" in text
    assert "1980 MHz, 400 W, 60 °C" in plain(frame, metric="clock", width=120)
    partly = summarise([stored(runs, CardState(cool.case, 0, "cuda", temperature_c=41))])
    assert "41 °C" in plain(partly, metric="clock")


@pytest.mark.parametrize(
    ("joules", "text"),
    [(4.0, "4.00 J"), (0.0123, "12.3 mJ"), (4.5e-5, "45.0 µJ"), (2500.0, "2.50 kJ")],
)
def test_an_energy_is_in_the_unit_that_suits_it(joules: float, text: str) -> None:
    assert energy(joules) == text


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ((0, 0, None), None),
        ((None, None, None), None),
        ((0, 1, 0), "another process was on cuda in 1 of 3 measurements"),
        ((3, 1, None), "up to 3 others were on cuda in 2 of 3 measurements"),
    ],
)
def test_processes_of_others_on_a_card_are_warned_of(
    runs: Any, cool: CardState, others: tuple[int | None, ...], said: str | None
) -> None:
    states = [replace(cool, fork=fork, others=seen) for fork, seen in enumerate(others)]
    found = list(warnings_of_others(stored(runs, *states)))
    assert len(found) == (said is not None)
    assert all(said in warning for warning in found if said)
