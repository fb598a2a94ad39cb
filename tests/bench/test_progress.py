"""How far a run is, and how long the rest will take, is told rightly, in lines that fit."""

import time

import pytest

from xpbench.bench import progress
from xpbench.bench.forecast import Forecast, words
from xpbench.bench.live import DRAWN, TYPED, frame, shortened
from xpbench.bench.progress import Lines, Prefixed, Standing, Teller


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def standing(*backends: str, forks: int = 6, kernels: tuple[str, ...] = ("svd[n=512]", "pca[n=8]")):
    """Of a run that nothing is measured of."""
    cases = {name: [f"{kernel}/{name}@cpu/float32" for kernel in kernels] for name in backends}
    weights = {case: 1.0 for of_it in cases.values() for case in of_it}
    return Standing(cases, forks, Forecast(weights, range(forks), 60.0))


def plain(lines) -> list[str]:
    return [line.plain for line in lines]


def test_time_left_follows_what_the_work_really_takes() -> None:
    clock = Clock()
    forecast = Forecast({"a": 1.0, "b": 3.0}, forks=range(2), expected=8.0, clock=clock)
    assert forecast.seconds_left() == pytest.approx(8.0)
    clock.now = 20.0
    forecast.close("a", 0, "ok")
    forecast.close("b", 0, "ok")
    assert forecast.seconds_left() == pytest.approx(20.0)


def test_making_inputs_says_nothing_of_how_fast_cases_are_measured() -> None:
    clock = Clock()
    forecast = Forecast({"a": 1.0}, forks=range(4), expected=4.0, clock=clock)
    clock.now = 100.0
    forecast.start("a")
    clock.now = 102.0
    forecast.close("a", 0, "ok")
    assert forecast.seconds_left() == pytest.approx(6.0)


def test_a_case_at_work_counts_down_its_own_share_and_not_that_of_others() -> None:
    clock = Clock()
    forecast = Forecast({"a": 1.0, "b": 3.0}, forks=range(1), expected=8.0, clock=clock)
    forecast.start("a")
    clock.now = 1.5
    assert forecast.seconds_left() == pytest.approx(6.5)
    clock.now = 1000.0
    assert forecast.seconds_left() == pytest.approx(6.0)


def test_a_case_that_ended_with_a_word_is_not_waited_for() -> None:
    forecast = Forecast({"a": 1.0, "b": 1.0}, forks=range(5), expected=10.0)
    forecast.close("a", 0, "crashed")
    assert forecast.open == 5


def test_a_resumed_run_counts_only_what_is_left() -> None:
    done = {("a", 0), ("a", 1), ("b", 0)}
    forecast = Forecast({"a": 1.0, "b": 1.0}, range(5), 10.0, done, ended={"b"})
    assert forecast.open == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (100, "1 min 40 s"), (7500, "2 h 05 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert words(seconds) == text


def test_in_a_log_faults_are_lines_at_once_and_what_is_only_unsupported_is_none() -> None:
    lines: list[str] = []
    with Teller(standing("numpy", kernels=("a[n=1]", "b[n=1]")), Lines(lines.append)) as observer:
        observer.started("a[n=1]/numpy@cpu/float32", 0)
        observer.finished("a[n=1]/numpy@cpu/float32", 0, "crashed", 0.1)
        observer.finished("b[n=1]/numpy@cpu/float32", 0, "unsupported", 0.1)
        observer.note("the machine stays busy")
    assert lines == ["a[n=1]/numpy@cpu/float32: crashed", "the machine stays busy"]


def test_a_log_goes_on_while_one_case_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.001)
    lines: list[str] = []
    with Teller(standing("numpy"), Lines(lines.append)) as observer:
        observer.phase("measuring, fork 1 of 6", "starting", "numpy@cpu")
        observer.started("svd[n=512]/numpy@cpu/float32", 0)
        told = len(lines)
        until = time.monotonic() + 10
        while len(lines) < told + 2 and time.monotonic() < until:
            time.sleep(0.001)
    assert len(lines) >= told + 2
    assert lines[-1] == (
        "measuring, fork 1 of 6: 0 of 12, about 1 min 00 s left; svd[n=512]/numpy@cpu/float32"
    )


def test_text_that_acts_on_a_terminal_is_shown_instead() -> None:
    lines: list[str] = []
    observer = Teller(standing("numpy"), Lines(lines.append))
    observer.note("a library said \x1b[2J")
    assert lines == [r"a library said \x1b[2J"]


def test_the_view_tells_of_every_backend_of_the_case_at_work_and_of_the_time() -> None:
    seen = standing("numpy", "torch", "jax")
    seen.begin("measuring, fork 2 of 6", "starting", "torch@cpu")
    for fork in range(6):
        seen.close("svd[n=512]/numpy@cpu/float32", fork, "ok")
    seen.close("svd[n=512]/torch@cpu/float32", 0, "wrong")
    seen.close("pca[n=8]/torch@cpu/float32", 0, "oom")
    seen.start("pca[n=8]/jax@cpu/float32")
    lines = plain(frame(seen, 80, 24))
    assert lines[:5] == [
        "measuring, fork 2 of 6",
        "  numpy  ━━━━━━━━━━━━────────────   6 of 12",
        "  torch  ━━━━━━━━━━━━━━━━━━━━━━━━  12 of 12  1 WRONG, 1 oom",
        "▸ jax    ────────────────────────   0 of 12",
        "pca[n=8]/jax@cpu/float32",
    ]
    assert lines[5].startswith("18 of 36 · 0 s so far · about ")
    assert lines[5].endswith(" left")
    assert "> jax    ------------------------   0 of 12" in plain(frame(seen, 80, 24, TYPED))


@pytest.mark.parametrize("signs", [DRAWN, TYPED])
@pytest.mark.parametrize("rows", [2, 4, 5, 6, 9, 24, 60])
@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_view_fits_into_any_terminal_and_leaves_a_row_for_the_cursor(columns, rows, signs) -> None:
    names = ["numpy", "array-api-strict", "行列", *(f"backend-{index}" for index in range(12))]
    seen = standing(*names, kernels=("gradient_descent[n=512,d=64]",), forks=20)
    seen.begin("second turns, fork 12 of 20", "starting", "array-api-strict@cpu")
    for status, name in zip(("wrong", "oom", "timeout", "failed"), names, strict=False):
        seen.close(f"gradient_descent[n=512,d=64]/{name}@cpu/float32", 0, status)
    seen.start("gradient_descent[n=512,d=64]/backend-11@cpu/float32")
    lines = frame(seen, columns, rows, signs)
    assert len(lines) < rows
    assert all(line.cell_len < columns for line in lines)
    assert all("\n" not in line.plain for line in lines)
    assert "left" in lines[-1].plain
    if signs is TYPED:
        assert "".join(plain(lines)).replace("行列", "").isascii()


def test_more_backends_than_rows_are_folded_beside_the_one_at_work() -> None:
    names = [f"backend-{index}" for index in range(12)]
    seen = standing(*names)
    seen.close("svd[n=512]/backend-10@cpu/float32", 0, "wrong")
    seen.start("svd[n=512]/backend-11@cpu/float32")
    lines = plain(frame(seen, 80, 9))
    assert [line.split()[:2] for line in lines[1:-2]] == [
        ["backend-0", "─" * 24],
        ["backend-1", "─" * 24],
        ["backend-2", "─" * 24],
        ["▸", "backend-11"],
        ["8", "more"],
    ]
    assert lines[-3].endswith(" 6 of 96  1 WRONG")


def test_a_long_name_is_cut_in_its_middle() -> None:
    name = "gradient_descent[n=512,d=64]/torch-compile@cpu/float32"
    assert shortened(name, 39) == "gradient_descent[n=…compile@cpu/float32"
    assert shortened(name, len(name)) == name


def test_a_run_that_has_measured_all_tells_of_no_time_left() -> None:
    seen = standing("numpy", forks=1)
    seen.begin("second turns, fork 1 of 1", "starting", "numpy@cpu")
    for kernel in ("svd[n=512]", "pca[n=8]"):
        seen.close(f"{kernel}/numpy@cpu/float32", 0, "ok")
    assert plain(frame(seen, 80, 24))[-1] == "2 of 2 · 0 s so far"


def test_runs_that_are_interleaved_are_told_apart() -> None:
    lines: list[str] = []
    cases = {f"{side}numpy": [f"{side}svd[n=8]/numpy@cpu/float32"] for side in ("A: ", "B: ")}
    weights = {case: 1.0 for of_it in cases.values() for case in of_it}
    seen = Standing(cases, 2, Forecast(weights, range(2), 4.0))
    with Teller(seen, Lines(lines.append)) as observer:
        Prefixed("B: ", observer).phase("measuring, fork 1 of 2", "starting", "numpy@cpu")
        assert [row.name for row in seen.rows if row.active] == ["B: numpy"]
        Prefixed("A: ", observer).started("svd[n=8]/numpy@cpu/float32", 0)
        assert [row.name for row in seen.rows if row.active] == ["A: numpy"]
        Prefixed("A: ", observer).finished("svd[n=8]/numpy@cpu/float32", 0, "ok", 0.1)
        Prefixed("B: ", observer).note("a note")
    assert [(row.name, row.done) for row in seen.rows] == [("A: numpy", 1), ("B: numpy", 0)]
    assert lines == ["B: a note"]
