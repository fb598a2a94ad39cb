"""The parent of a run: a fresh process per fork and environment, and nothing measured is lost."""

import functools
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from xpbench.bench import card_state, journal, lock, scratch, turn
from xpbench.bench.accounting import Account
from xpbench.bench.attendance import Attendance, Cards
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.case import Case
from xpbench.bench.device import is_host
from xpbench.bench.job import Job
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Environment, Visit
from xpbench.bench.process import Ending, Event, supervise
from xpbench.bench.remaining import Progress, progress_of
from xpbench.bench.scratch import Scratch
from xpbench.bench.second_turns import DISTURBED, THROTTLED, SecondTurns
from xpbench.bench.task import Task
from xpbench.bench.watch import Watch

ORACLE_PATIENCE = 5.0
"""Inputs and oracle may take this many times as long as a case."""

_NO_BACKEND = Environment("", Setting(), ())

Roofed = tuple[int, str, str, int, str, str]
"""Fork, backend, device, threads, precision and dtype of a roof that was measured."""


class Observer:
    """Who is told how a run goes. A phase begins with an ``act`` at a ``place``; ``case`` is an id."""

    def preparing(self, case: str, done: int, total: int) -> None: ...

    def phase(self, name: str, act: str, place: str) -> None: ...

    def started(self, case: str, fork: int) -> None: ...

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...


class Silent(Observer):
    """Tells nobody."""


Examine = Callable[[Path, Path], None]


def execute(
    job: Job,
    observer: Observer,
    account: Account | None = None,
    examine: Examine | None = None,
    place: Scratch | None = None,
) -> Account:
    """Measures every case in every fork that the journal of ``job`` lacks; tells where time went.

    Each record is in the journal before the next case begins, so that whatever ends this process
    loses at most the case in progress. ``examine`` receives the folders of the data and of the
    outputs before they are deleted, which is at the end unless a ``place`` is given that is kept.
    """
    account = account or Account()
    with _open(job, observer, account, place) as run:
        _measure([run], job.settings.seed)
        if examine is not None:
            examine(run.scratch.folder / "data", run.scratch.folder / "outputs")
    return account


def interleave(jobs: Sequence[Job], observers: Sequence[Observer]) -> Account:
    """Measures several runs of the same plan turn by turn, in an order drawn anew for every visit."""
    account = Account()
    with ExitStack() as opened:
        pairs = zip(jobs, observers, strict=True)
        runs = [opened.enter_context(_open(job, observer, account)) for job, observer in pairs]
        _measure(runs, jobs[0].settings.seed)
    return account


def _measure(runs: "Sequence[_Run]", seed: int) -> None:
    turns = itertools.zip_longest(*(run.visits for run in runs))
    order = random.Random(f"{seed} turns")
    fork = 0
    for abreast in turns:
        pending = [(run, visit) for run, visit in zip(runs, abreast, strict=True) if visit is not None]
        if pending[0][1].fork != fork:
            fork = pending[0][1].fork
            for run in order.sample(runs, len(runs)):
                run.measure_disturbed_again()
        for run, visit in order.sample(pending, len(pending)):
            run.visit(visit)
    for run in order.sample(runs, len(runs)):
        run.measure_disturbed_again()
    for run in runs:
        run.profile()


@contextmanager
def _open(
    job: Job, observer: Observer, account: Account, place: Scratch | None = None
) -> "Iterator[_Run]":
    with ExitStack() as stack:
        held = stack.enter_context(lock.writing(job.folder, observer.note))
        place = place or stack.enter_context(scratch.opened())
        progress = progress_of(job.folder)
        cards = Cards(job.find_card, observer.note)
        visits = job.visits(str(place.folder / "cache"))
        run = _Run(job, place, observer, account, progress, visits, cards, held)
        run.take_up()
        if job.settings.energy and all(is_host(case.device) for case in job.cases):
            observer.note("--energy reads the counter of a card, and no case of this run is on one")
        needed = dict.fromkeys(case for visit in run.visits for case in progress.remaining(visit))
        needed.update(dict.fromkeys(sorted(run.second_turns.cases, key=str)))
        run.prepare({case.data: case for case in needed if case.data not in place.made})
        yield run


@dataclass
class _Run:
    """A job at work."""

    job: Job
    scratch: Scratch
    observer: Observer
    account: Account
    progress: Progress
    visits: list[Visit]
    cards: Cards
    held: tuple[int, ...]
    second_turns: SecondTurns = field(default_factory=SecondTurns)
    roofed: set[Roofed] = field(default_factory=set)
    ended_early: set[int] = field(default_factory=set)
    slowed_by: dict[str, None] = field(default_factory=dict)
    processes: int = 0

    def take_up(self) -> None:
        """Learns from the folder what an earlier part of the run did beside its records, and owes."""
        folder = self.job.folder
        self.roofed = {
            (roof.fork, roof.backend, roof.device, roof.threads, roof.precision, roof.dtype)
            for roof in journal.roofs(folder)
        }
        states = list(journal.card_states(folder))
        for state in states:
            if state.slowed:
                self.slowed_by.update(dict.fromkeys(state.throttle or ()))
        # What a group of a sweep holds had its second turn where it was measured.
        if "kind" not in journal.planned(folder).header:
            stored = {DISTURBED: self.progress.disturbed, THROTTLED: card_state.slowed_turns(states)}
            self.second_turns = SecondTurns.left_by(stored, self.visits, self.progress.ended)

    def prepare(self, needed: dict[str, Case]) -> None:
        """Makes inputs and oracles in a process of its own; where it dies, the next one goes on."""
        waiting, killed, idle_deaths = dict(needed), set[str](), 0
        while waiting:
            started: list[str] = []

            def on_event(event: Event, started: list[str] = started, left: int = len(waiting)) -> None:
                if event["event"] == "start":
                    started.append(event["data"])
                    self.scratch.made.add(event["data"])
                    self.observer.preparing(event["id"], len(needed) - left + len(started), len(needed))

            visit = Visit(0, _NO_BACKEND, tuple(waiting.values()))
            ending = self._process("data", visit, on_event, ORACLE_PATIENCE * self.job.settings.timeout)
            waiting = {key: case for key, case in waiting.items() if key not in started}
            if ending.killed and started and started[-1] not in killed:
                killed.add(started[-1])
                waiting[started[-1]] = needed[started[-1]]
            if ending.fault:
                self.observer.note(
                    f"inputs and oracle of {ending.during or 'every case'}: {ending.reason}"
                )
            if not started:
                idle_deaths += 1
                if not ending.killed or idle_deaths > 1:
                    return

    def visit(self, visit: Visit, again: bool = False) -> None:
        """Measures a visit's cases, in as many processes as it takes for each to have a record.

        ``again`` tells that they have records already, and this is their second turn.
        """
        retried: set[str] = set()
        idle_deaths = 0
        while remaining := self.progress.remaining(visit):
            # A case that was killed once comes last, so that the others are safe when it dies again.
            remaining.sort(key=lambda case: str(case) in retried)
            rest = replace(visit, cases=tuple(remaining))
            ending = self._worker(rest, self._on_event(visit), again)
            if not ending.fault:
                left = self.progress.remaining(visit)
                if len(left) == len(remaining):
                    self._label(visit, left, "failed", "the worker ended without measuring it")
                continue
            # It can have died between its last record and the event that tells of it.
            self.progress.take_over(self.job.folder)
            if not ending.during:
                idle_deaths += 1
                if idle_deaths > 1:
                    self._label(visit, self.progress.remaining(visit), "failed", ending.reason)
            elif ending.during not in {str(case) for case in self.progress.remaining(visit)}:
                continue
            elif ending.killed and ending.during not in retried:
                retried.add(ending.during)
                self.observer.note(f"{ending.during}: {ending.reason}; it is tried once more")
            else:
                dead = [c for c in self.progress.remaining(visit) if str(c) == ending.during]
                self._label(visit, dead, ending.fault, ending.reason)
        if visit.fork in self.ended_early and self._roofs_due(visit):
            # The process that was to measure them ran out of memory in its last case.
            self._worker(replace(visit, cases=()), self._on_event(visit), again)
        self.ended_early.discard(visit.fork)

    def measure_disturbed_again(self) -> None:
        """Gives every case of this fork that other processes disturbed, or a card slowed, a second turn,
        and only one."""
        for due in self.second_turns.due():
            for cause in self.second_turns.give_up():
                self.observer.note(self._why_not_again(cause))
            visit = self.second_turns.worthwhile(due)
            if visit.cases:
                self.progress.take_over(self.job.folder)
                self.progress.done -= {(str(case), visit.fork) for case in visit.cases}
                self.visit(visit, again=True)
                self.second_turns.took(visit)

    def profile(self) -> None:
        """Sees which kernels the cases run on devices, in processes that no time is taken of: a profiler
        slows down all that follows."""
        # A flush would be among the kernels, and without one they would be those of a hot call.
        if self.job.settings.seconds == 0 or self.job.settings.cache == "cold":
            return
        if 0 not in self.job.fork_range:
            return
        cases: dict[Environment, list[Case]] = {}
        for visit in self.visits:
            kind = type(self.job.registry.backends[visit.environment.backend])
            if not is_host(visit.environment.setting.device) and kind.profile is not Backend.profile:
                cases.setdefault(visit.environment, []).extend(visit.cases)
        if not cases:
            return
        began = time.monotonic()
        profiles = journal.read(self.job.folder, rounds=False).profiles
        over = {profile.case for profile in profiles} | self.progress.ended
        for environment, found in cases.items():
            self._profile(environment, [c for c in dict.fromkeys(found) if str(c) not in over])
        self.account.add({"profiles": time.monotonic() - began})

    def _profile(self, environment: Environment, waiting: list[Case]) -> None:
        while waiting:
            started: set[str] = set()

            def on_event(event: Event, started: set[str] = started) -> None:
                if event["event"] == "start":
                    started.add(event["id"])
                    self.observer.started(event["id"], 0)

            visit = Visit(0, environment, tuple(waiting))
            self.observer.phase("profiles of kernels", "starting", str(environment))
            with self._alone_on_card(environment):
                self._process("worker", visit, on_event, self.job.settings.timeout, profiled=True)
            if not started:
                return
            waiting = [case for case in waiting if str(case) not in started]

    def _why_not_again(self, cause: str) -> str:
        if cause == THROTTLED:
            words = ", ".join(self.slowed_by)
            return (
                f"the card keeps its clock down under this load ({words}): what that slows is not "
                "measured again"
            )
        return "the machine stays busy: what it disturbs is not measured again"

    def _worker(self, visit: Visit, on_event: Callable[[Event], None], again: bool) -> Ending:
        """A worker; one on a card is alone there, and the card is watched as long as it lives."""
        settings, device = self.job.settings, visit.environment.setting.device
        name = "measuring" if settings.seconds else "checking"
        name = "second turns of disturbed cases" if again else name
        fork = f"fork {visit.fork + 1} of {self.job.fork_range.stop}"
        self.observer.phase(f"{name}, {fork}", "starting", str(visit.environment))
        if is_host(device):
            return self._process("worker", visit, on_event, settings.timeout)
        card = self.cards.of(visit.environment)
        with self._alone_on_card(visit.environment):
            asked = settings.energy and visit.fork == 0 and not again
            idle_w = self.cards.idle_w(visit.environment) if asked else None
            if card is None or settings.seconds == 0:
                return self._process("worker", visit, on_event, settings.timeout)
            with Watch(card) as watch:
                attendance = Attendance(watch, device, visit.fork, again, idle_w)
                attended = self._attended(attendance, visit, on_event)
                energy = idle_w is not None
                return self._process("worker", visit, attended, settings.timeout, energy)

    @contextmanager
    def _alone_on_card(self, environment: Environment) -> Iterator[None]:
        """Keeps other runs from every card of a device. All take them in one order, so that no two wait
        for each other."""
        with ExitStack() as held:
            for name in self.cards.names(environment):
                held.enter_context(turn.on(environment.setting.device, name, self.observer.note))
            yield

    def _attended(
        self, attendance: Attendance, visit: Visit, on_event: Callable[[Event], None]
    ) -> Callable[[Event], None]:
        cases = {str(case): case for case in visit.cases}

        def attended(event: Event) -> None:
            state = attendance.hear(event)
            if state is not None:
                journal.append_card(self.job.folder, state)
                if state.reason:
                    self.observer.note(f"{state.case}: no energy of a call: {state.reason}")
                if state.slowed and event["status"] == "ok":
                    self.slowed_by.update(dict.fromkeys(state.throttle or ()))
                    self.second_turns.add(visit, cases[state.case], THROTTLED)
            on_event(event)

        return attended

    def _on_event(self, visit: Visit) -> Callable[[Event], None]:
        began = spawned = time.monotonic()
        cases = {str(case): case for case in visit.cases}

        def on_event(event: Event) -> None:
            nonlocal began
            if event["event"] == "ready":
                self.account.add({"imports": time.monotonic() - spawned})
            elif event["event"] == "roof":
                self.observer.phase("roofs", f"in {event['dtype']} on", str(visit.environment))
            elif event["event"] == "roofs":
                self.roofed.add(_roofed(visit, event["dtype"]))
                self.account.add(event["spent"])
            elif event["event"] == "bye" and event.get("early"):
                self.ended_early.add(visit.fork)
            elif event["event"] == "start":
                began = time.monotonic()
                self.scratch.begun.add(event["id"])
                self.observer.started(event["id"], visit.fork)
            elif event["event"] == "end":
                name, status = event["id"], event["status"]
                self.account.add(event.get("spent", {}))
                if event.get("disturbed"):
                    self.second_turns.add(visit, cases[name])
                self.progress.record(name, visit.fork, status)
                self.observer.finished(name, visit.fork, status, time.monotonic() - began)

        return on_event

    def _label(self, visit: Visit, cases: Sequence[Case], status: str, reason: str) -> None:
        for case in cases:
            journal.append(self.job.folder, Measurement(case, visit.fork, status, reason))
            self.progress.record(str(case), visit.fork, status)
            self.observer.finished(str(case), visit.fork, status, 0.0)

    def _process(
        self,
        module: str,
        visit: Visit,
        on_event: Callable[[Event], None],
        timeout: float,
        energy: bool = False,
        profiled: bool = False,
    ) -> Ending:
        self.processes += 1
        job = self.job
        # What an earlier process had not begun finds the caches as empty as ever.
        cold = [name for name in map(str, visit.cases) if self.scratch.is_cold(name, visit.fork)]
        task = Task(
            cases=visit.cases,
            files=job.registry.files,
            backend=visit.environment.backend,
            setting=visit.environment.setting,
            run=job.folder.resolve(),
            data=self.scratch.folder / "data",
            outputs=self.scratch.folder / "outputs",
            seed=job.settings.seed,
            fork=visit.fork,
            seconds=job.settings.seconds,
            cold=tuple(cold),
            cache=job.settings.cache,
            roofs=tuple(self._roofs_due(visit)) if module == "worker" and not profiled else (),
            profiled=profiled,
            energy=energy,
        )
        file = self.scratch.folder / "tasks" / f"{self.processes}.json"
        task.write(file)
        variables, module = dict(visit.environment.variables), f"xpbench.bench.{module}"
        return supervise(job.python, module, file, variables, timeout, on_event, self.held)

    def _roofs_due(self, visit: Visit) -> list[str]:
        """The dtypes of the environment's cases whose roofs are still to be measured in this fork: the
        first of a run or its last, so that two readings show whether the machine drifts."""
        settings = self.job.settings
        if not settings.roofs or visit.fork not in (0, settings.forks - 1):
            return []
        dtypes = self._dtypes.get(visit.environment, ())
        return sorted(dtype for dtype in dtypes if _roofed(visit, dtype) not in self.roofed)

    @functools.cached_property
    def _dtypes(self) -> dict[Environment, set[str]]:
        found: dict[Environment, set[str]] = {}
        for visit in self.visits:
            found.setdefault(visit.environment, set()).update(case.dtype for case in visit.cases)
        return found


def _roofed(visit: Visit, dtype: str) -> Roofed:
    setting = visit.environment.setting
    backend = visit.environment.backend
    return (visit.fork, backend, setting.device, setting.threads, setting.precision, dtype)
