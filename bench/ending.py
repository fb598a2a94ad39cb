"""What is said when a run is over: its answer, where it is, what one does next, and what to mind?"""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xpbench.bench import sources
from xpbench.bench.output import console_of_output, print_tables, say, tell, terminal_size, write

if TYPE_CHECKING:
    from xpbench.bench.results import Results


def answer(results: "Results", as_json: bool) -> None:
    """The table of a run, or what `xpbench table --format json` writes of it, on standard output."""
    if as_json:
        from xpbench.bench.report.records import as_json as rendered

        write(rendered(results.cases), None)
    else:
        from xpbench.bench.report.calibration_table import cited

        print_tables(results.cases, "latency", results.overall, [cited([results.run])])


def point_on(folder: Path, as_json: bool) -> None:
    """What one does next, below the table, or on standard error beside JSON."""
    if as_json:
        tell(next_steps(folder, terminal_size(sys.stderr)[0] - 1))
    else:
        say("\n" + next_steps(folder, console_of_output().width))


def next_steps(folder: Path, width: int) -> str:
    """Where a run is, and the commands that go on from there, within ``width`` columns where they fit.

    A command is never broken: it is there to be copied.
    """
    named = shlex.quote(str(folder))
    steps = {
        "the table again": f"xpbench table {named}",
        "a page of it": f"xpbench report {named}",
        "against another": f"xpbench compare {named} OTHER",
    }
    widest = max(map(len, steps))
    if max(map(len, steps.values())) + widest + 2 <= width:
        lines = [f"{label:<{widest}}  {command}" for label, command in steps.items()]
    else:
        lines = [f"{label}:\n  {command}" for label, command in steps.items()]
    return "\n".join([f"Run: {named}", *lines])


def how_to_resume(command: str, folder: Path, files: Iterable[Path], options: Sequence[str] = ()) -> str:
    """What is said of a run that was interrupted: how ``resuming`` completes it."""
    return f"Interrupted. What is left is measured by\n  {resuming(command, folder, files, options)}"


def resuming(command: str, folder: Path, files: Iterable[Path], options: Sequence[str] = ()) -> str:
    """What completes the run in ``folder``, which ``xpbench command`` began with ``files``."""
    words = ["xpbench", command, *sources.of_users(files), "--resume", str(folder), *options]
    return shlex.join(words)


def warnings(results: "Results") -> Iterator[str]:
    """What stands between a run and its being believed."""
    from xpbench.bench.report.cards import warnings_of_others
    from xpbench.bench.report.quantities import tenths

    if disturbed := [m for m in results.run.measurements if m.disturbed and m.samples]:
        timed = sum(bool(m.samples) for m in results.run.measurements)
        yield (
            f"other processes disturbed {len(disturbed)} of {timed} measurements "
            "(marked ‡): on a quieter machine, less would be unclear"
        )
    yield from warnings_of_others(results.run)
    above = results.cases[results.cases["roof_fraction"].fillna(0) > 1]
    for case, fraction in zip(above["id"], above["roof_fraction"], strict=True):
        yield (
            f"{case} is at {tenths(fraction)} of its roof, which cannot be: "
            f"`xpbench table {shlex.quote(str(results.path))} --metric roof` says more"
        )
