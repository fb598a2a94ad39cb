"""How far is the run, and how long will it take: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from xpbench.bench.job import Job

LINE_SECONDS = 10.0


class Forecast:
    """Time left, from the share of the estimated work that is done and the time it really took.

    ``weights`` maps a case's id to the estimate of one fork of it; ``done`` holds what an earlier
    part of the run measured already.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        forks: Iterable[int],
        expected: float,
        done: set[tuple[str, int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._weights = weights
        self._open = {(case, fork) for fork in forks for case in weights} - done
        self._total = self._sum()
        self._expected = expected
        self._clock = clock
        self._began = clock()

    @property
    def open(self) -> int:
        return len(self._open)

    def close(self, case: str, fork: int, status: str) -> None:
        """A case that ended with a word other than ``ok`` is not tried in later forks."""
        self._open.discard((case, fork))
        if status != "ok":
            self._open = {key for key in self._open if key[0] != case}

    def seconds_left(self) -> float:
        elapsed = self._clock() - self._began
        left = self._sum() / self._total if self._total else 0.0
        if left > 0.85:
            return max(0.0, self._expected * left - elapsed * left)
        return elapsed * left / (1 - left)

    def _sum(self) -> float:
        return sum(self._weights[case] for case, _ in self._open)


class Bar:
    """A live bar; use as a context."""

    def __init__(self, console: Console, forecast: Forecast) -> None:
        self._forecast = forecast
        self._total = forecast.open
        self._bar = Progress(
            TextColumn("{task.fields[left]:>16}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=self._total, left="")

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def preparing(self, case: str, done: int, total: int) -> None:
        name = case.split("/")[0]
        self._bar.update(
            self._task,
            description=f"inputs and oracle {done} of {total}: {name}".replace("[", r"\["),
            left=self._left(),
        )

    def started(self, case: str, fork: int) -> None:
        text = f"fork {fork + 1}: {case}".replace("[", r"\[")
        self._bar.update(self._task, description=text, left=self._left())

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
        self._forecast.close(case, fork, status)
        done = self._total - self._forecast.open
        self._bar.update(self._task, completed=done, left=self._left())
        if status != "ok":
            self.note(f"{case}: {status}")

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def _left(self) -> str:
        return f"{words(self._forecast.seconds_left())} left"


class Lines:
    """A plain line every ten seconds, for logs."""

    def __init__(self, write: Callable[[str], None], forecast: Forecast) -> None:
        self._write = write
        self._forecast = forecast
        self._total = forecast.open
        self._next = time.monotonic() + LINE_SECONDS

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None: ...

    def preparing(self, case: str, done: int, total: int) -> None:
        self._say(f"inputs and oracle {done} of {total}: {case.split('/')[0]}")

    def started(self, case: str, fork: int) -> None: ...

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
        self._forecast.close(case, fork, status)
        if status != "ok":
            self.note(f"{case}: {status}")
        done = self._total - self._forecast.open
        self._say(f"{done} of {self._total} measured, {words(self._forecast.seconds_left())} left")

    def note(self, text: str) -> None:
        self._write(text)

    def _say(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._write(text)
            self._next = time.monotonic() + LINE_SECONDS


@dataclass(frozen=True)
class Prefixed:
    """Tells an observer of one run among several: the ids of its cases begin with ``prefix``."""

    prefix: str
    observer: Bar | Lines

    def preparing(self, case: str, done: int, total: int) -> None:
        self.observer.preparing(self.prefix + case, done, total)

    def started(self, case: str, fork: int) -> None:
        self.observer.started(self.prefix + case, fork)

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
        self.observer.finished(self.prefix + case, fork, status, seconds)

    def note(self, text: str) -> None:
        self.observer.note(self.prefix + text)


def observer_of(jobs: "Mapping[str, Job]", done: set[tuple[str, int]]) -> Bar | Lines:
    """Who tells, on standard error, how far ``jobs`` are, which are known by their prefixes.

    ``done`` holds what was measured already.
    """
    weights = {prefix + case: w for prefix, job in jobs.items() for case, w in job.weights.items()}
    forks = next(iter(jobs.values())).fork_range
    forecast = Forecast(weights, forks, sum(job.seconds for job in jobs.values()), done)
    console = Console(stderr=True)
    if console.is_terminal:
        return Bar(console, forecast)
    return Lines(lambda text: print(text, file=sys.stderr, flush=True), forecast)


def words(seconds: float) -> str:
    """A duration for people: ``8 s``, ``1 min 40 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
