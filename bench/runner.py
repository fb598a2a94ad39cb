"""The parent of a run: a fresh process per fork and environment, and nothing measured is lost."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from xpbench.bench import journal
from xpbench.bench.backend import Setting
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Environment, Settings, Visit, environments, estimate_case, schedule
from xpbench.bench.process import Ending, Event, supervise
from xpbench.bench.registry import Registry
from xpbench.bench.task import Task

ORACLE_PATIENCE = 5.0
"""Inputs and oracle may take this many times as long as a case."""

_NO_BACKEND = Environment("", Setting(), ())


class Observer(Protocol):
    """Who is told how a run goes on. ``case`` is the id of a case."""

    def preparing(self, case: str, done: int, total: int) -> None: ...

    def started(self, case: str, fork: int) -> None: ...

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Tells nobody."""

    def preparing(self, case: str, done: int, total: int) -> None: ...

    def started(self, case: str, fork: int) -> None: ...

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass
class Progress:
    """What needs no further measuring: records that exist, and cases that ended with a word."""

    done: set[tuple[str, int]] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def record(self, case: str, fork: int, status: str) -> None:
        self.done.add((case, fork))
        if status != "ok":
            self.ended.add(case)

    def remaining(self, visit: Visit) -> list[Case]:
        return [
            case
            for case in visit.cases
            if (str(case), visit.fork) not in self.done and str(case) not in self.ended
        ]


def progress_of(folder: Path) -> Progress:
    """What the journal in ``folder`` holds already."""
    progress = Progress()
    for measurement in journal.read(folder).measurements:
        progress.record(str(measurement.case), measurement.fork, measurement.status)
    return progress


def planned(
    registry: Registry, cases: Sequence[Case], settings: Settings, cache: str = ""
) -> list[Visit]:
    """The visits of a run, which depend on its cases, settings and seed alone."""
    seconds = {case: estimate_case(registry.kernels[case.kernel], case, settings) for case in cases}
    grouped = environments(registry, cases, cache)
    return list(schedule(grouped, settings.forks, settings.seed, seconds.__getitem__))


def execute(
    folder: Path,
    registry: Registry,
    cases: Sequence[Case],
    settings: Settings,
    observer: Observer,
    examine: Callable[[Path, Path], None] | None = None,
) -> None:
    """Measures every case in every fork that the journal in ``folder`` lacks.

    Each record is in the journal before the next case begins, so that whatever ends this process
    loses at most the case in progress. ``examine`` receives the folders of the data and of the
    outputs before they are deleted.
    """
    progress = progress_of(folder)
    with tempfile.TemporaryDirectory(prefix="xpbench-", ignore_cleanup_errors=True) as scratch:
        run = _Run(folder, Path(scratch), registry, settings, observer, progress)
        for name in ("cache", "data", "outputs", "tasks"):
            (run.scratch / name).mkdir()
        visits = planned(registry, cases, settings, str(run.scratch / "cache"))
        needed = dict.fromkeys(case for visit in visits for case in progress.remaining(visit))
        run.prepare({case.data: case for case in needed})
        for visit in visits:
            run.visit(visit)
        if examine is not None:
            examine(run.scratch / "data", run.scratch / "outputs")


@dataclass
class _Run:
    folder: Path
    scratch: Path
    registry: Registry
    settings: Settings
    observer: Observer
    progress: Progress
    processes: int = 0

    def prepare(self, needed: dict[str, Case]) -> None:
        """Makes inputs and oracles in a process of its own; where it dies, the next one goes on."""
        waiting = dict(needed)
        while waiting:
            started: list[str] = []

            def on_event(event: Event, started: list[str] = started, left: int = len(waiting)) -> None:
                if event["event"] == "start":
                    started.append(event["data"])
                    self.observer.preparing(event["id"], len(needed) - left + len(started), len(needed))

            visit = Visit(0, _NO_BACKEND, tuple(waiting.values()))
            ending = self._process("data", visit, on_event, ORACLE_PATIENCE * self.settings.timeout)
            waiting = {key: case for key, case in waiting.items() if key not in started}
            if ending.fault:
                self.observer.note(
                    f"inputs and oracle of {ending.during or 'every case'}: {ending.reason}"
                )
            if not started:
                return

    def visit(self, visit: Visit) -> None:
        """Measures a visit's cases, in as many processes as it takes for each to have a record."""
        retried: set[str] = set()
        idle_deaths = 0
        tried: set[str] = set()
        while remaining := self.progress.remaining(visit):
            # A case that was killed once comes last, so that the others are safe when it dies again.
            remaining.sort(key=lambda case: str(case) in retried)
            rest = replace(visit, cases=tuple(remaining))
            on_event = self._on_event(visit.fork)
            # What a dead process had not begun finds the caches as empty as ever.
            cold = visit.fork == 0 and not tried & {str(case) for case in remaining}
            ending = self._process("worker", rest, on_event, self.settings.timeout, cold)
            tried.add(ending.during)
            if not ending.fault:
                left = self.progress.remaining(visit)
                if len(left) == len(remaining):
                    self._label(visit, left, "failed", "the worker ended without measuring it")
                continue
            self._take_over_records()
            if not ending.during:
                idle_deaths += 1
                if idle_deaths > 1:
                    self._label(visit, self.progress.remaining(visit), "failed", ending.reason)
            elif ending.killed and ending.during not in retried:
                retried.add(ending.during)
                self.observer.note(f"{ending.during}: {ending.reason}; it is tried once more")
            else:
                dead = [c for c in self.progress.remaining(visit) if str(c) == ending.during]
                self._label(visit, dead, ending.fault, ending.reason)

    def _on_event(self, fork: int) -> Callable[[Event], None]:
        began = time.monotonic()

        def on_event(event: Event) -> None:
            nonlocal began
            if event["event"] == "start":
                began = time.monotonic()
                self.observer.started(event["id"], fork)
            elif event["event"] == "end":
                self.progress.record(event["id"], fork, event["status"])
                self.observer.finished(event["id"], fork, event["status"], time.monotonic() - began)

        return on_event

    def _take_over_records(self) -> None:
        """A process can die between its last record and the event that tells of it."""
        stored = progress_of(self.folder)
        self.progress.done |= stored.done
        self.progress.ended |= stored.ended

    def _label(self, visit: Visit, cases: Sequence[Case], status: str, reason: str) -> None:
        for case in cases:
            journal.append(self.folder, Measurement(case, visit.fork, status, reason))
            self.progress.record(str(case), visit.fork, status)
            self.observer.finished(str(case), visit.fork, status, 0.0)

    def _process(
        self,
        module: str,
        visit: Visit,
        on_event: Callable[[Event], None],
        timeout: float,
        cold: bool = False,
    ) -> Ending:
        self.processes += 1
        task = Task(
            cases=visit.cases,
            files=self.registry.files,
            backend=visit.environment.backend,
            setting=visit.environment.setting,
            run=self.folder.resolve(),
            data=self.scratch / "data",
            outputs=self.scratch / "outputs",
            seed=self.settings.seed,
            fork=visit.fork,
            seconds=self.settings.seconds,
            cold=cold,
        )
        file = self.scratch / "tasks" / f"{self.processes}.json"
        task.write(file)
        variables = dict(visit.environment.variables)
        log = file.with_suffix(".log")
        return supervise(f"xpbench.bench.{module}", file, variables, log, timeout, on_event)
