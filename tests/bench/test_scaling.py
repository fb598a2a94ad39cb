"""How a time grows with the size: the fitted exponent, its interval, and the cost model's."""

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.layout import GAP
from xpbench.bench.report.scaling import Exponent, scaling, scaling_sheet, slope
from xpbench.bench.report.table import METRICS, SCALING, render_scaling


def timed(runs: Any, case: Case, times: Sequence[float], **changes: Any) -> list[Measurement]:
    forks = runs.forks(case, count=len(times), **changes)
    return [replace(m, samples=(time,)) for m, time in zip(forks, times, strict=True)]


def grown(
    runs: Any,
    sizes: Sequence[dict[str, int]],
    time: Callable[..., float],
    places: Sequence[str] = ("numpy",),
    scatter: float = 0.0,
    **costs: Callable[..., float],
) -> Run:
    """A run in which a time depends on the size, and the model says ``flops`` and ``traffic``."""
    draw = random.Random(0)
    measured = []
    for place in places:
        for size in sizes:
            case = runs.case(place, size=tuple(size.items()))
            times = [time(**size) * math.exp(draw.gauss(0, scatter)) for _ in range(6)]
            measured.append(timed(runs, case, times))
    run: Run = runs.store(*measured)
    kernel = run.header["kernels"]["matmul"]
    kernel["flops"], kernel["traffic"] = {}, {}
    for size in sizes:
        text = ",".join(f"{key}={value}" for key, value in size.items())
        if "flops" in costs:
            kernel["flops"][text] = costs["flops"](**size)
        if "traffic" in costs:
            kernel["traffic"][f"{text}/float32"] = costs["traffic"](**size)
    return run


@given(
    x=st.lists(st.floats(1.0, 1e6), min_size=2, max_size=6, unique=True),
    exponent=st.floats(-4, 4),
    factor=st.floats(1e-9, 1e3),
)
def test_a_power_law_has_its_exponent_for_a_slope(
    x: list[float], exponent: float, factor: float
) -> None:
    assume(max(x) / min(x) > 1.01)
    assert slope(x, [factor * one**exponent for one in x]) == pytest.approx(exponent, abs=1e-6)


def test_the_exponent_and_the_models_stand_side_by_side(runs: Any) -> None:
    sizes = [{"n": 64}, {"n": 128}, {"n": 512}]
    run = grown(
        runs,
        sizes,
        lambda n: 1e-9 * n**2.5,
        flops=lambda n: 2 * n**3,
        traffic=lambda n: 12 * n**2,
    )
    (found,) = scaling([run])
    assert found.value == pytest.approx(2.5)
    assert (found.flops, found.traffic) == (pytest.approx(3.0), pytest.approx(2.0))
    assert (found.keys, found.sizes, found.forks) == (("n",), ("n=64", "n=128", "n=512"), 6)
    assert found.low == pytest.approx(found.high)


def test_several_keys_that_differ_are_taken_for_their_geometric_mean(runs: Any) -> None:
    sizes = [{"n": 64, "d": 4, "k": 3}, {"n": 256, "d": 9, "k": 3}, {"n": 1024, "d": 16, "k": 3}]
    run = grown(runs, sizes, lambda n, d, k: 1e-9 * n * d, flops=lambda n, d, k: (n * d) ** 1.5)
    (found,) = scaling([run])
    assert found.keys == ("n", "d")
    assert found.value == pytest.approx(2.0)
    assert (found.flops, found.traffic) == (pytest.approx(3.0), None)


def test_the_interval_is_students_over_the_forks(runs: Any) -> None:
    """Two sizes a factor e apart: the slope of a fork is the log of the ratio of its times."""
    small, large = (runs.case(size=(("n", n),)) for n in (1000, 2718))
    width = math.log(2.718)
    slopes = [1.0, 1.2, 1.1, 0.9, 1.3]
    times = [math.exp(s * width) for s in slopes]
    run = runs.store(timed(runs, small, [1.0] * 5), timed(runs, large, times))
    (found,) = scaling([run])
    reach = 2.7764451 * 0.15811388 / math.sqrt(5)
    assert found.value == pytest.approx(1.1)
    assert (found.low, found.high) == (pytest.approx(1.1 - reach), pytest.approx(1.1 + reach))


def test_among_noise_the_interval_holds_the_exponent(runs: Any) -> None:
    places = [f"b{number}" for number in range(100)]
    sizes = [{"n": 64}, {"n": 256}, {"n": 1024}]
    found = scaling([grown(runs, sizes, lambda n: 1e-9 * n**2, places, scatter=0.1)])
    held = sum((e.low or 9) <= 2.0 <= (e.high or 0) for e in found)
    assert 88 <= held <= 99


@pytest.mark.parametrize("sizes", [[{"n": 64}], [{"n": 8, "d": 32}, {"n": 32, "d": 8}]])
def test_without_two_sizes_that_differ_there_is_no_exponent(
    runs: Any, sizes: list[dict[str, int]]
) -> None:
    assert scaling([grown(runs, sizes, lambda **size: 1.0)]) == []


def test_a_data_set_among_the_sizes_is_left_aside(runs: Any) -> None:
    sizes = [{"n": 64}, {"n": 640}, {"n": 100, "digits": 1}]
    (found,) = scaling([grown(runs, sizes, lambda n, digits=0: 50.0 if digits else float(n))])
    assert found.value == pytest.approx(1.0)
    assert found.sizes == ("n=64", "n=640")


@pytest.mark.parametrize("status", ["wrong", "oom"])
def test_a_size_that_did_not_end_well_is_left_aside(runs: Any, status: str) -> None:
    good = [timed(runs, runs.case(size=(("n", n),)), [float(n)] * 5) for n in (10, 100)]
    bad = timed(runs, runs.case(size=(("n", 1000),)), [1.0] * 5)
    bad[-1] = replace(bad[-1], status=status, samples=())
    (found,) = scaling([runs.store(*good, bad)])
    assert len(found.sizes) == (2 if status == "wrong" else 3)
    assert found.forks == (5 if status == "wrong" else 4)


def test_a_model_that_is_silent_at_a_size_gives_no_exponent(runs: Any) -> None:
    sizes = [{"n": 8}, {"n": 80}]
    run = grown(runs, sizes, lambda n: float(n), flops=lambda n: n if n > 8 else 0)
    (found,) = scaling([run])
    assert (found.flops, found.traffic) == (None, None)


def exponent(**changes: Any) -> Exponent:
    one = Exponent(
        run="night",
        kernel="matmul",
        place="numpy@cpu",
        dtype="float32",
        threads=2,
        precision="ieee",
        keys=("n",),
        sizes=("n=64", "n=128", "n=512"),
        forks=6,
        value=2.712,
        low=2.632,
        high=2.792,
        flops=3.0,
        traffic=2.0,
    )
    return replace(one, **changes)


@pytest.mark.parametrize(
    ("changes", "model", "fitted"),
    [
        ({}, ["n^3 flops", "n^2 bytes"], "n^2.71 ±0.08"),
        ({"traffic": 3.001}, ["n^3"], "n^2.71 ±0.08"),
        ({"traffic": None, "flops": 1.0}, ["n flops"], "n^2.71 ±0.08"),
        ({"flops": None, "traffic": 0.001}, ["constant bytes"], "n^2.71 ±0.08"),
        ({"flops": None, "traffic": None}, ["-"], "n^2.71 ±0.08"),
        ({"low": None, "high": None, "forks": 1}, ["n^3 flops", "n^2 bytes"], "n^2.71"),
        ({"keys": ("n", "d"), "flops": 1.5}, ["s^1.5 flops", "s^2 bytes"], "s^2.71 ±0.08"),
    ],
)
def test_exponents_are_written_as_powers(changes: dict[str, Any], model: list[str], fitted: str) -> None:
    (part,) = scaling_sheet([exponent(**changes)]).parts
    ((_, seen_model, (seen_fitted,)),) = part.grids[0].rows
    assert [line.text for line in seen_model] == model
    assert seen_fitted.text == fitted


@pytest.mark.parametrize("width", [60, 80, 200])
def test_backends_that_do_not_fit_are_divided_and_none_is_lost(width: int) -> None:
    places = [f"backend{number}@cpu" for number in range(7)]
    shown = scaling_sheet([exponent(place=place) for place in places], width)
    grids = shown.parts[0].grids
    assert sorted(head for grid in grids for head in grid.head[2:]) == [p[:-4] for p in places]
    for grid in grids:
        assert sum(grid.widths) + GAP * (len(grid.head) - 1) <= width
    assert (len(grids) == 1) == (width == 200)


def test_a_backend_with_other_sizes_has_a_row_of_its_own() -> None:
    fewer = exponent(place="jax@cpu", sizes=("n=64", "n=128"), flops=2.9)
    (grid,) = scaling_sheet([exponent(), fewer]).parts[0].grids
    assert [[bool(cell) for cell in row[2:]] for row in grid.rows] == [[True, False], [False, True]]


def test_it_is_told_in_every_format_but_those_of_a_summary(runs: Any) -> None:
    sizes = [{"n": 64}, {"n": 128}, {"n": 512}]
    run = grown(runs, sizes, lambda n: float(n) ** 2, ("numpy", "torch"), flops=lambda n: n**3)
    assert "| **matmul**<br>n: 3 sizes | n^3 flops | n^2.00 ±0.00 |" in render_scaling([run], "md")
    assert r"n\textasciicircum{}3 flops" in render_scaling([run], "latex")
    assert [one["place"] for one in json.loads(render_scaling([run], "json"))] == [
        "numpy@cpu",
        "torch@cpu",
    ]
    text = render_scaling([run], "plain", 60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("n^2.00 ±0.00") == 2
    with pytest.raises(XpbenchError, match="scaling has no format 'csv'"):
        render_scaling([run], "csv")
    assert SCALING not in METRICS, "it is not a figure of one case"


def test_a_run_of_single_sizes_is_told_what_to_measure(runs: Any) -> None:
    text = render_scaling([runs.store(runs.forks(runs.case()))], "plain")
    assert "no kernel was timed at two sizes" in text
