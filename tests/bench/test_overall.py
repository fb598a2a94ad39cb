"""Over all cases that every backend ran: a geometric mean, its interval, and who ran how many."""

import math
import random
import statistics
from dataclasses import replace
from typing import Any

import pytest

from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.latex import as_latex
from xpbench.bench.report.overall import Overall, grids, legend, overall
from xpbench.bench.report.records import records
from xpbench.bench.report.sheet import sheet
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.table import plain, render


def timed(runs: Any, case: Case, times: list[float], **changes: Any) -> list[Measurement]:
    forks = runs.forks(case, count=len(times), **changes)
    return [replace(m, samples=(time,)) for m, time in zip(forks, times, strict=True)]


def sized(runs: Any, place: str, n: int, **changes: Any) -> Case:
    return runs.case(place, size=(("n", n),), **changes)  # type: ignore[no-any-return]


def by_place(figures: list[Overall]) -> dict[str, Overall]:
    return {figure.place.removesuffix("@cpu"): figure for figure in figures}


def test_it_is_the_geometric_mean_of_the_ratios_within_each_fork(runs: Any) -> None:
    draw = random.Random(0)
    moods = [draw.uniform(1, 3) for _ in range(5)]
    ratios = {8: 0.5, 16: 4.0, 32: 0.25}
    measured = []
    for n, ratio in ratios.items():
        measured.append(timed(runs, sized(runs, "numpy", n), [n * mood for mood in moods]))
        measured.append(timed(runs, sized(runs, "torch", n), [ratio * n * mood for mood in moods]))
    figures = by_place(overall([runs.store(*measured)]))
    torch = figures["torch"]
    assert torch.ratio is not None
    # What a fork slows down, it slows down for both: nothing of it is left.
    assert torch.ratio.value == pytest.approx(statistics.geometric_mean(ratios.values()))
    assert torch.ratio.low == pytest.approx(torch.ratio.high)
    assert (torch.cases, torch.forks, torch.ran, torch.of) == (3, 5, 3, 3)
    assert figures["numpy"].value == pytest.approx(1.0)


def test_the_interval_is_students_over_the_forks(runs: Any) -> None:
    times = [1.0, 1.1, 1.2, 1.3, 1.4]
    measured = [timed(runs, sized(runs, "numpy", n), [1.0] * 5) for n in (8, 16)]
    measured += [timed(runs, sized(runs, "torch", n), times) for n in (8, 16)]
    ratio = by_place(overall([runs.store(*measured)]))["torch"].ratio
    logs = [math.log(time) for time in times]
    reach = 2.7764451 * statistics.stdev(logs) / math.sqrt(5)
    assert ratio is not None
    assert math.log(ratio.high) == pytest.approx(statistics.fmean(logs) + reach)
    assert math.log(ratio.low) == pytest.approx(statistics.fmean(logs) - reach)


def planted(runs: Any) -> list[list[Measurement]]:
    """Three cases on three backends; torch is twice as fast at two of them, ten times at the third."""
    speed = {"numpy": (1.0, 1.0, 1.0), "torch": (0.5, 0.5, 0.1), "jax": (2.0, 2.0, 2.0)}
    return [
        timed(runs, sized(runs, place, n), [factor] * 5)
        for place, factors in speed.items()
        for n, factor in zip((8, 16, 32), factors, strict=True)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "wrong", "samples": (), "reason": "off by a mile"},
        {"status": "crashed", "samples": (), "reason": "killed"},
        {"compute_dtype": "float64"},
    ],
)
def test_a_case_that_one_of_them_did_not_run_well_counts_for_none(
    runs: Any, changes: dict[str, Any]
) -> None:
    measured = planted(runs)
    measured[-1] = [replace(m, **changes) for m in measured[-1]]
    figures = by_place(overall([runs.store(*measured)]))
    assert {name: (f.cases, f.ran, f.of) for name, f in figures.items()} == {
        "numpy": (2, 3, 3),
        "torch": (2, 3, 3),
        "jax": (2, 2, 3),
    }
    assert figures["torch"].value == pytest.approx(0.5)


def test_a_case_that_was_wrong_once_counts_for_none(runs: Any) -> None:
    measured = planted(runs)
    measured[5][0] = replace(measured[5][0], status="wrong", samples=(), reason="off by a mile")
    figures = by_place(overall([runs.store(*measured)]))
    assert (figures["torch"].cases, figures["torch"].forks, figures["torch"].ran) == (2, 5, 2)


def test_a_backend_that_ran_nothing_takes_nothing_from_the_others(runs: Any) -> None:
    gone = sized(runs, "cupy@cuda", 8)
    word = [Measurement(case=gone, fork=0, status="unsupported", reason="no card")]
    figures = by_place(overall([runs.store(*planted(runs), word)]))
    assert figures["torch"].cases == 3
    assert (figures["cupy@cuda"].ran, figures["cupy@cuda"].value) == (0, None)


def test_a_fork_that_lacks_a_case_is_no_block(runs: Any) -> None:
    measured = planted(runs)
    measured[0] = measured[0][:4]
    figures = overall([runs.store(*measured)])
    assert {figure.forks for figure in figures} == {4}
    measured[5] = measured[5][1:]
    few = by_place(overall([runs.store(*measured)]))["torch"]
    assert (few.forks, few.ratio) == (3, None)
    assert few.value is not None
    text = plain(summarise([runs.store(*measured)]), overall=[few, replace(few, place="numpy@cpu")])
    assert "(3.4x faster)" in text
    assert "(in brackets): an estimate" in text


@pytest.mark.parametrize(
    ("baseline", "expected"), [(None, 0.5), ("jax", 0.25), ("jax@cpu", 0.25), ("torch", 1.0)]
)
def test_it_stands_against_the_baseline_asked_for_or_the_runs_own(
    runs: Any, baseline: str | None, expected: float
) -> None:
    measured = [m for m in planted(runs) if m[0].case.size_text != "n=32"]
    figures = by_place(overall([runs.store(*measured)], baseline))
    assert figures["torch"].value == pytest.approx(expected)


def test_nothing_is_said_where_the_baseline_ran_nothing(runs: Any) -> None:
    assert overall([runs.store(*planted(runs)[3:])]) == []
    assert overall([runs.store()]) == []


def test_every_run_dtype_and_precision_has_its_own(runs: Any) -> None:
    measured = [
        timed(runs, sized(runs, place, n, dtype=dtype, precision=precision), [1.0] * 5)
        for place in ("numpy", "torch")
        for n in (8, 16)
        for dtype in ("float32", "float64")
        for precision in ("ieee", "tf32")
    ]
    for forks in measured:
        forks[:] = [replace(m, compute_dtype=m.case.dtype) for m in forks]
    stored = [runs.store(*measured), runs.store(*measured)]
    figures = overall(stored)
    assert len({figure.group for figure in figures}) == 8
    assert {figure.of for figure in figures} == {2}
    assert len({figure.run for figure in figures}) == 2, "two runs of one name are told apart"


def test_the_tables_tell_it_under_the_times_and_only_there(runs: Any) -> None:
    run = runs.store(*planted(runs))
    frame, figures = summarise([run]), overall([run])
    text = plain(frame, overall=figures)
    after = text[text.index("overall: geometric mean of the 3 cases all ran") :]
    for line in (
        r"numpy  baseline ",
        r"torch  3.4x faster (3.42-3.42)",
        r"jax    2.0x slower (2.00-2.00)",
    ):
        assert line in after
    assert after.count("ran 3 of 3") == 3
    assert text.index("overall:") < text.index("agreement with the oracle")
    assert "overall" not in plain(frame, metric="memory", overall=figures)
    assert "**float32 · 2 threads · ieee · overall: geometric mean" in render(
        frame, "md", overall=figures
    )
    assert r"overall: geometric mean" in as_latex(sheet(records(frame), "latency", overall=figures))
    assert render(frame, "json", overall=figures) == render(frame, "json")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([0.5] * 5, "2.0x faster (2.00-2.00)"),
        ([2.0] * 5, "2.0x slower (2.00-2.00)"),
        ([1.0, 1.01, 0.99, 1.0, 1.0], "same 0.991-1.01"),
        ([0.8, 0.9, 1.0, 1.1, 1.2], "unclear 0.811-1.21"),
    ],
)
def test_the_overall_verdict_is_said_as_in_the_cells(runs: Any, times: list[float], said: str) -> None:
    measured = [timed(runs, sized(runs, "numpy", n), [1.0] * 5) for n in (8, 16)]
    measured += [timed(runs, sized(runs, "torch", n), times) for n in (8, 16)]
    (grid,) = grids(overall([runs.store(*measured)]))
    assert [[line.text for line in cell] for cell in grid.rows[1]] == [["torch"], [said], ["ran 2 of 2"]]


def test_a_mean_of_fewer_than_two_cases_is_not_told(runs: Any) -> None:
    one = [timed(runs, sized(runs, place, 8), [1.0] * 5) for place in ("numpy", "torch")]
    assert grids(overall([runs.store(*one)])) == []
    apart = [*one, timed(runs, sized(runs, "torch", 16), [1.0] * 5)]
    (grid,) = grids(overall([runs.store(*apart)]))
    assert "fewer than two cases that all ran" in grid.caption
    assert [row[1][0].text for row in grid.rows] == ["-", "-"]


def test_the_legend_says_what_ran_means_only_where_something_did_not(runs: Any) -> None:
    whole = overall([runs.store(*planted(runs))])
    assert list(legend(whole)) == ["(a-b): 95% interval over 5 forks"]
    part = overall([runs.store(*planted(runs)[:-1])])
    assert "ran: with a right result, in the dtype asked for" in list(legend(part))
