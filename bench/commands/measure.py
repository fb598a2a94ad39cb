"""What the commands that compare in one run share: measuring it, and the word on how to go on."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xpbench.bench.output import tell

if TYPE_CHECKING:
    from pandas import DataFrame

    from xpbench.bench.preparation import Plan

DISAGREED, INTERRUPTED = 1, 130


def measure(
    command: str, prepared: "Plan", folder: Path, quiet: bool, files: Iterable[Path] = ()
) -> None:
    """Measures what ``xpbench command`` prepared, with ``files`` named, into ``folder``.

    On Ctrl-C it says how to go on, and exits with 130.
    """
    from xpbench.bench import ending, remaining, runner
    from xpbench.bench.accounting import sentence
    from xpbench.bench.progress import observer_of

    job = prepared.job(folder)
    try:
        with observer_of({"": job}, remaining.progress_of(folder), quiet=quiet) as observer:
            account = runner.execute(job, observer)
    except KeyboardInterrupt:
        tell("\n" + ending.how_to_resume(command, folder, files))
        tell(f"What was found so far is told by\n  xpbench {command} --show {shlex.quote(str(folder))}")
        raise typer.Exit(INTERRUPTED) from None
    if not quiet:
        tell(sentence(account))


def exit_as_found(folder: Path) -> None:
    """Exits with 1 where something in a run is wrong.

    Raises
    ------
    NothingMeasured
        If nothing ran.
    """
    from xpbench.bench import api

    cases = api.load(folder, rounds=False).cases
    api.check_measured(cases)
    exit_if_wrong(cases)


def exit_if_wrong(cases: "DataFrame", strict: bool = False) -> None:
    """Exits with 1 where one of the cases, a row each, is wrong; if ``strict``, where one is not ok."""
    statuses = set(cases["status"])
    if "wrong" in statuses or (strict and statuses != {"ok"}):
        raise typer.Exit(DISAGREED)
