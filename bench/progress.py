"""How far is a run, and who tells it: a live view on a terminal, plain lines elsewhere?"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from xpbench.bench.forecast import Forecast, words
from xpbench.bench.output import tell
from xpbench.bench.remaining import Progress
from xpbench.bench.runner import Observer, Silent
from xpbench.bench.visible import visible

if TYPE_CHECKING:
    from xpbench.bench.job import Job

LINE_SECONDS = 10.0
TICK_SECONDS = 1.0
"""So often the clock goes on where nothing happens."""
EXPECTED = ("ok", "unsupported")
"""How a case may end that nobody is told of at once; the other words are faults."""


@dataclass(frozen=True)
class Row:
    """One backend: how many forks of its cases need no measuring any more, and the words that its cases
    ended with."""

    name: str
    done: int
    total: int
    faults: Counter[str] = field(default_factory=Counter)
    active: bool = False


class Standing:
    """How far a run is. ``cases`` holds the ids of each backend's, ``part`` the name of what the time
    left is for, where that is not all of it."""

    def __init__(
        self, cases: Mapping[str, Iterable[str]], forks: int, forecast: Forecast, part: str = ""
    ) -> None:
        self.forecast = forecast
        self.part = part
        self.phase, self.now = "starting", ""
        self._began = time.monotonic()
        self._forks = forks
        self._cases = {name: tuple(of_it) for name, of_it in cases.items()}
        self._backend = {case: name for name, of_it in self._cases.items() for case in of_it}
        self._active = ""
        self._faults: dict[str, str] = {}

    @property
    def rows(self) -> list[Row]:
        return [self._row(name, cases) for name, cases in self._cases.items()]

    @property
    def total(self) -> int:
        return self._forks * len(self._backend)

    @property
    def done(self) -> int:
        return self.total - self.forecast.open

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def left(self) -> str:
        """The time left in words; empty where no case is, and only something else is done."""
        if not self.forecast.open:
            return ""
        left = f"{words(self.forecast.seconds_left())} left"
        return f"{left} of {self.part}" if self.part else left

    def preparing(self, case: str, done: int, total: int) -> None:
        self.begin(f"inputs and oracle, {done} of {total}", visible(case.split("/")[0]))

    def begin(self, phase: str, act: str, place: str = "") -> None:
        self.phase, self._active = phase, place.removesuffix("@cpu")
        self.now = f"{act} {visible(place)}".strip()

    def start(self, case: str) -> None:
        self.now, self._active = visible(case), self._backend.get(case, "")
        self.forecast.start(case)

    def close(self, case: str, fork: int, status: str) -> None:
        self.forecast.close(case, fork, status)
        if status != "ok":
            self._faults[case] = status

    def _row(self, name: str, cases: tuple[str, ...]) -> Row:
        total = self._forks * len(cases)
        faults = Counter(self._faults[case] for case in cases if case in self._faults)
        done = total - self.forecast.open_of(cases)
        return Row(visible(name), done, total, faults, name == self._active)


class View(Protocol):
    """Shows how far a run is. It is asked to at every event, and now and then without one."""

    def draw(self, standing: Standing) -> None: ...

    def note(self, text: str, standing: Standing) -> None: ...

    def close(self) -> None: ...


class Lines:
    """A plain line every ten seconds, for logs."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._next = time.monotonic() + LINE_SECONDS

    def draw(self, standing: Standing) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_SECONDS
        parts = [f"{standing.done} of {standing.total}", standing.left and f"about {standing.left}"]
        told = f"{standing.phase}: {', '.join(filter(None, parts))}"
        self._write(f"{told}; {standing.now}" if standing.now else told)

    def note(self, text: str, standing: Standing) -> None:
        self._write(text)

    def close(self) -> None: ...


class Teller(Observer):
    """An observer that keeps the standing of a run and has it shown; use as a context."""

    def __init__(self, standing: Standing, view: View) -> None:
        self._standing = standing
        self._view = view
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            self._view.close()

    def preparing(self, case: str, done: int, total: int) -> None:
        with self._lock:
            self._standing.preparing(case, done, total)
            self._view.draw(self._standing)

    def phase(self, name: str, act: str, place: str) -> None:
        with self._lock:
            self._standing.begin(name, act, place)
            self._view.draw(self._standing)

    def started(self, case: str, fork: int) -> None:
        with self._lock:
            self._standing.start(case)
            self._view.draw(self._standing)

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
        with self._lock:
            self._standing.close(case, fork, status)
            self._view.draw(self._standing)
        if status not in EXPECTED:
            self.note(f"{case}: {status}")

    def note(self, text: str) -> None:
        with self._lock:
            self._view.note(visible(text), self._standing)

    def _tick(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            with self._lock:
                if not self._over.is_set():
                    self._view.draw(self._standing)


class Quiet(Silent):
    """Passes on what must be known and nothing else; use as a context."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        tell(visible(text))


@dataclass(frozen=True)
class Prefixed(Observer):
    """Tells an observer of one run among several: the ids of its cases begin with ``prefix``."""

    prefix: str
    observer: Observer

    def preparing(self, case: str, done: int, total: int) -> None:
        self.observer.preparing(self.prefix + case, done, total)

    def phase(self, name: str, act: str, place: str) -> None:
        self.observer.phase(name, act, self.prefix + place)

    def started(self, case: str, fork: int) -> None:
        self.observer.started(self.prefix + case, fork)

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
        self.observer.finished(self.prefix + case, fork, status, seconds)

    def note(self, text: str) -> None:
        self.observer.note(self.prefix + text)


def observer_of(
    jobs: "Mapping[str, Job]", stored: Progress | None = None, *, quiet: bool = False, part: str = ""
) -> Teller | Quiet:
    """Who tells, on standard error, how far ``jobs`` are, which are known by their prefixes.

    ``stored`` is what needs no measuring any more, ``part`` names these jobs where more will follow.
    """
    if quiet:
        return Quiet()
    stored = stored or Progress()
    weights = {prefix + case: w for prefix, job in jobs.items() for case, w in job.weights.items()}
    forks = next(iter(jobs.values())).fork_range
    expected = sum(job.seconds for job in jobs.values())
    cases: dict[str, list[str]] = {}
    for prefix, job in jobs.items():
        for case in job.cases:
            place = f"{prefix}{case.backend}@{case.device}".removesuffix("@cpu")
            cases.setdefault(place, []).append(prefix + str(case))
    forecast = Forecast(weights, forks, expected, stored.done, stored.ended)
    standing = Standing(cases, len(forks), forecast, part)
    if _can_be_drawn_on(sys.stderr):
        from xpbench.bench.live import Live

        return Teller(standing, Live(sys.stderr))
    return Teller(standing, Lines(tell))


def _can_be_drawn_on(stream: TextIO) -> bool:
    """Whether it is a terminal that can move its cursor, and is ours to draw on: beside what runs in the
    background, it is the shell's."""
    if not stream.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return False
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:
        return True
