"""``xpbench ab``: two environments, measured turn by turn in one run."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xpbench.bench.commands.compare import Format, check_format, print_comparison
from xpbench.bench.exceptions import NothingMeasured
from xpbench.bench.options import (
    Backends,
    Chapters,
    Devices,
    Dtypes,
    Everything,
    Forks,
    Kernels,
    Out,
    Precision,
    Preset,
    Quiet,
    Seconds,
    Seed,
    Sizes,
    Threads,
    Timeout,
)
from xpbench.bench.output import tell, warn_of_noise

if TYPE_CHECKING:
    from xpbench.bench.case import Case
    from xpbench.bench.job import Job
    from xpbench.bench.preparation import Plan

REGRESSED, INTERRUPTED = 1, 130
FORKS = 20
"""Forks a side, if the number of cases does not ask for more."""

Python = Annotated[
    str, typer.Argument(metavar="PYTHON", help="A Python, or the folder of its virtual environment.")
]


def ab(
    python_a: Python,
    python_b: Python,
    kernels: Kernels = None,
    backend: Backends = None,
    device: Devices = None,
    dtype: Dtypes = None,
    size: Sizes = None,
    chapter: Chapters = None,
    everything: Everything = False,
    preset: Preset = "default",
    forks: Forks = None,
    seconds: Seconds = None,
    threads: Threads = None,
    precision: Precision = "ieee",
    timeout: Timeout = 120.0,
    seed: Seed = 0,
    out: Out = None,
    form: Format = "rich",
    quiet: Quiet = False,
) -> None:
    """Compare two environments, A and B, interleaved: the tool for small effects. Exit 1 if B is slower.

    Each Python must have xpbench installed. Their processes take turns, in an order drawn anew for every
    one, so that whatever the machine does, it does to both.
    """
    from xpbench.bench import beginning, comparison, journal, preparation
    from xpbench.bench.forecast import words
    from xpbench.bench.multiple_comparisons import forks_needed
    from xpbench.bench.plan import Request

    check_format(form)
    request = Request(
        chapters=tuple(chapter or ()),
        everything=everything,
        backends=tuple(backend or ()),
        devices=tuple(device or ()),
        dtypes=tuple(dtype or ()),
        sizes=tuple(size or ()),
        preset=preset,
    )

    def prepare(python: str) -> "Plan":
        return preparation.prepare(
            kernels or [],
            request,
            python=python,
            forks=forks,
            seconds=seconds,
            threads=threads,
            precision=precision,
            timeout=timeout,
            seed=seed,
            roofs=False,
        )

    sides = [prepare(python_a), prepare(python_b)]
    both = [case for case in sides[0].runnable if case in set(sides[1].runnable)]
    if not both:
        raise NothingMeasured(f"no case can be measured in both: {_why(sides)}")
    needed = forks_needed(len(both))
    count = forks or max(FORKS, needed)
    sides = [replace(side, settings=replace(side.settings, forks=count)) for side in sides]
    for name, side in zip("AB", sides, strict=True):
        for backend_name, reason in side.unusable.items():
            tell(f"xpbench: {backend_name} is not usable in {name}: {reason}")
    for line in _in_one_alone(sides, both):
        tell(f"xpbench: {line}")
    if count < needed:
        tell(
            f"warning: before one change among {len(both)} cases can be reported there must be {needed} "
            f"forks a side, and --forks asks for {count}"
        )
    warn_of_noise()
    folder = out or Path("results") / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-ab"
    folders = [beginning.begin(side, folder / name) for name, side in zip("ab", sides, strict=True)]
    jobs = [
        replace(side.job(place), cases=tuple(both)) for side, place in zip(sides, folders, strict=True)
    ]
    minutes = words(sum(job.seconds for job in jobs))
    if not quiet:
        tell(f"{len(both)} cases, {count} forks a side, about {minutes}; results go to {folder}")
    interrupted = not _measure(jobs, quiet)
    runs = [journal.read(place) for place in folders]
    found = comparison.compare(runs[0], runs[1], interleaved=True)
    print_comparison(found, runs[1], form, all_cases=False, out=None)
    if interrupted:
        tell("\nInterrupted: this is what was measured so far.")
        raise typer.Exit(INTERRUPTED)
    if disturbed := sum(m.disturbed for run in runs for m in run.measurements):
        of = sum(len(run.measurements) for run in runs)
        tell(
            f"warning: other processes disturbed {disturbed} of {of} measurements: on a quieter machine "
            "smaller changes would be seen"
        )
    if found.regressed:
        raise typer.Exit(REGRESSED)
    if not found.timed:
        reasons = dict.fromkeys(change.reason for change in found.changes if change.reason)
        raise NothingMeasured(f"no case was timed in both: {'; '.join([*reasons][:3]) or 'none ran'}")


def _measure(jobs: "Sequence[Job]", quiet: bool) -> bool:
    """Whether all of the jobs were measured, and not interrupted."""
    from xpbench.bench import runner
    from xpbench.bench.accounting import sentence
    from xpbench.bench.progress import Prefixed, observer_of

    sides = dict(zip(("A: ", "B: "), jobs, strict=True))
    try:
        with observer_of(sides, quiet=quiet) as observer:
            account = runner.interleave(jobs, [Prefixed(side, observer) for side in sides])
    except KeyboardInterrupt:
        return False
    if not quiet:
        tell(sentence(account))
    return True


def _in_one_alone(sides: "Sequence[Plan]", both: "Sequence[Case]") -> Iterator[str]:
    """The backends that only one of the environments can measure."""
    compared = {case.backend for case in both}
    for name, side in zip("AB", sides, strict=True):
        for backend in dict.fromkeys(case.backend for case in side.runnable):
            if backend not in compared:
                yield f"{backend} is usable in {name} alone, and is left out"


def _why(sides: "Sequence[Plan]") -> str:
    reasons = [
        f"{backend} in {name}: {reason}"
        for name, side in zip("AB", sides, strict=True)
        for backend, reason in side.unusable.items()
    ]
    return "; ".join(reasons) or "they have no backend in common"
