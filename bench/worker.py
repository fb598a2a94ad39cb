"""A worker: one backend in one setting measures its cases, a line of the journal each."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import (
    clock,
    journal,
    noise,
    processor,
    registry,
    roofs,
)
from xpbench.bench.case import Case
from xpbench.bench.exceptions import Unsupported, XpbenchError, one_line
from xpbench.bench.measurement import Measurement
from xpbench.bench.measuring import Before, Measurer
from xpbench.bench.surroundings import Surroundings
from xpbench.bench.task import Task, announce, die_with_parent

SESSION = Path(__file__).with_name("session.py")


class Session:
    """The pytest plug-in that hands the worker and its cases to the one test of ``session.py``.

    ``finish`` is called after the last case: pytest's own end is not waited for.
    """

    def __init__(self, measurer: Measurer, say: Callable[..., None], finish: Callable[[], None]) -> None:
        self.measurer = measurer
        self.say = say
        self.finish = finish
        self.left = len(measurer.task.cases)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        metafunc.parametrize("case", self.measurer.task.cases, ids=str)

    @pytest.fixture
    def measure(self, request: pytest.FixtureRequest) -> Callable[[Case], None]:
        def timer(
            call: clock.Call,
            arrays: Sequence[Any],
            rounds: clock.Rounds,
            before: Before,
            after: Before,
        ) -> Any:
            # Asked for only now, because a benchmark that never timed anything is itself a fault.
            benchmark = request.getfixturevalue("benchmark")
            last = benchmark.pedantic(
                call,
                arrays,
                setup=before,
                teardown=after and (lambda *_: after()),
                rounds=rounds.rounds,
                iterations=rounds.iterations,
            )
            return tuple(benchmark.stats.stats.data), last

        def profile(case: Case) -> None:
            self.say(event="start", id=str(case))
            if (profile := self.measurer.profile(case)) is not None:
                journal.append_profile(self.measurer.task.run, profile)
            self.say(event="end", id=str(case), status="ok")
            self.left -= 1
            if not self.left:
                self.finish()

        def measure(case: Case) -> None:
            self.say(event="start", id=str(case))
            measurement = self.measurer.measure(case, timer)
            _record(self.measurer.task.run, measurement)
            self.say(
                event="end",
                id=str(case),
                status=measurement.status,
                disturbed=measurement.disturbed,
                spent=dict(measurement.spent),
            )
            self.left -= 1
            if self.measurer.spoilt:
                # What holds the memory, a device in error, a switch that was turned: all that comes next
                # would feel it.
                self.say(event="bye", early=True)
                os._exit(0)
            if not self.left:
                self.finish()

        return profile if self.measurer.task.profiled else measure


def _run_session(measurer: Measurer, say: Callable[..., None], finish: Callable[[], None]) -> None:
    folder = measurer.task.outputs
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\n")
    arguments = [
        str(SESSION),
        *("-c", str(settings), "--rootdir", str(folder), "--noconftest", "--import-mode=importlib"),
        *("-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider", "-p", "no:faulthandler"),
        *("-q", "-s", "-W", "ignore", "--tb=short"),
        *(
            "--benchmark-disable-gc",
            "--benchmark-storage",
            folder.as_uri(),
            "--benchmark-columns=median",
        ),
    ]
    code = pytest.main(arguments, plugins=[Session(measurer, say, finish)])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the measuring session ended with {code!r}")


def main(task_file: str) -> None:
    """Measures the cases of a task. The environment variables stand already; see the runner."""
    say = announce()
    die_with_parent()
    task = Task.read(Path(task_file))
    found = registry.find(task.files)
    backend = found.backend(task.backend)
    bound = processor.bind(backend.cpus(task.setting))
    try:
        backend.load(task.setting)
    except Unsupported as reason:
        _give_up(task, say, "unsupported", str(reason))
        return
    except Exception as error:
        _give_up(task, say, "failed", f"{backend.library} could not be loaded: {one_line(error)}")
        return
    say(event="ready")
    in_force = backend.in_force() | ({"cpus": bound} if bound is not None else {})
    if task.seconds > 0:
        in_force |= noise.before_a_worker()

    def finish() -> None:
        # After the cases, whose first calls must find a library that has compiled nothing yet.
        cache = backend.cache_bytes()
        for dtype in filter(lambda dtype: backend.declines(dtype) is None, task.roofs):
            say(event="roof", dtype=dtype)
            roof = roofs.measure(backend, dtype, task.setting.precision, task.fork, cache)
            journal.append_roof(task.run, roof)
            say(event="roofs", dtype=dtype, spent={"roofs": roof.timed_s})
        say(event="bye")

    if task.cases:
        guests = {name: b for name, b in found.backends.items() if b.beside == backend.name}
        surroundings = Surroundings(backend)
        measurer = Measurer(task, found.kernels, backend, in_force, say, surroundings, guests)
        _run_session(measurer, say, finish)
    else:
        finish()


def _record(run: Path, measurement: Measurement) -> None:
    """Writes a record, or ends the process: a case whose record cannot be written must be the last."""
    try:
        journal.append(run, measurement)
    except XpbenchError as fault:
        sys.stderr.write(f"{fault}\n")
        sys.stderr.flush()
        os._exit(1)


def _give_up(task: Task, say: Callable[..., None], status: str, reason: str) -> None:
    say(event="ready")
    for case in task.cases:
        say(event="start", id=str(case))
        journal.append(task.run, Measurement(case=case, fork=task.fork, status=status, reason=reason))
        say(event="end", id=str(case), status=status)
    say(event="bye")


if __name__ == "__main__":
    main(sys.argv[1])
