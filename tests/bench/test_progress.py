"""Time left is told from what was done, and durations read as people say them."""

import io

import pytest
from rich.console import Console

from xpbench.bench.progress import Bar, Forecast, Lines, words


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_left_follows_what_the_work_really_takes() -> None:
    clock = Clock()
    forecast = Forecast({"a": 1.0, "b": 3.0}, forks=range(2), expected=8.0, done=set(), clock=clock)
    assert forecast.seconds_left() == pytest.approx(8.0)
    clock.now = 20.0
    forecast.close("a", 0, "ok")
    forecast.close("b", 0, "ok")
    assert forecast.seconds_left() == pytest.approx(20.0)


def test_a_case_that_ended_with_a_word_is_not_waited_for() -> None:
    forecast = Forecast({"a": 1.0, "b": 1.0}, forks=range(5), expected=10.0, done=set(), clock=Clock())
    forecast.close("a", 0, "crashed")
    assert forecast.open == 5


def test_a_resumed_run_counts_only_what_is_left() -> None:
    forecast = Forecast(
        {"a": 1.0}, forks=range(5), expected=5.0, done={("a", 0), ("a", 1)}, clock=Clock()
    )
    assert forecast.open == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (100, "1 min 40 s"), (7500, "2 h 05 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert words(seconds) == text


def test_without_a_terminal_faults_are_plain_lines() -> None:
    lines: list[str] = []
    with Lines(lines.append, Forecast({"a[n=1]/x": 1.0}, range(1), 1.0, set())) as observer:
        observer.started("a[n=1]/x", 0)
        observer.finished("a[n=1]/x", 0, "crashed", 0.1)
    assert lines == ["a[n=1]/x: crashed"]


def test_the_bar_shows_the_case_with_its_brackets() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with Bar(console, Forecast({"svd[n=8]/numpy@cpu/float32": 1.0}, range(1), 1.0, set())) as observer:
        observer.preparing("svd[n=8]/numpy@cpu/float32", 1, 1)
        observer.started("svd[n=8]/numpy@cpu/float32", 0)
        observer._bar.refresh()
        observer.finished("svd[n=8]/numpy@cpu/float32", 0, "ok", 0.1)
    assert "fork 1: svd[n=8]/numpy@cpu/float32" in stream.getvalue()
