"""``xpbench check``: is a stored run fit to be published and cited?"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xpbench.bench.exceptions import XpbenchError

if TYPE_CHECKING:
    from xpbench.bench.checking.check import Checked
    from xpbench.bench.checking.finding import Told

UNFIT, NO_RUN = 1, 2

Runs = Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of stored runs.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 for a warning, too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list, an object a run.")]


def check(runs: Runs, strict: Strict = False, as_json: AsJson = False) -> None:
    """Tell whether stored runs are fit to be published and cited; exit 1 where one is not.

    What is looked at: that they are whole, that their times, errors and settings can be so, that their
    verdicts can be believed, and that nothing in them is private. They may be a stranger's: nothing of
    them is run, and nothing outside of their folders is read.
    """
    from xpbench.bench import groups
    from xpbench.bench.checking.check import check as checked

    found: list[Checked] = []
    no_runs = 0
    for line in groups.words_of(runs):
        print(line, file=sys.stderr)
    for run in groups.runs_of(runs):
        try:
            found.append(checked(run))
        except XpbenchError as fault:
            print(f"xpbench: {fault}", file=sys.stderr)
            no_runs += 1
            continue
        if not as_json:
            _print(found[-1], strict)
    if as_json:
        print(json.dumps([_record(one, strict) for one in found], indent=1))
    if no_runs:
        raise typer.Exit(NO_RUN)
    if not all(one.fit(strict) for one in found):
        raise typer.Exit(UNFIT)


def _print(found: "Checked", strict: bool) -> None:
    from rich.text import Text

    from xpbench.bench.output import console_of_output

    console = console_of_output()
    counts = ", ".join(
        f"{count} {level}{'s' * (count != 1)}"
        for level in ("error", "warning", "note")
        if (count := found.count(level))
    )
    fit = "fit to be published" if found.fit(strict) else "not fit to be published"
    head = f"{found.path}: {fit} ({counts or 'nothing amiss'})"
    console.print(Text(_visible(head), style="bold"), soft_wrap=True)
    console.print(Text(f"  {found.measurements} measurements of {found.cases} cases", style="dim"))
    for told in found.found:
        console.print(Text(f"  {told.level}: {_line(told)}", style=_STYLES[told.level]), soft_wrap=True)


_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def _line(told: "Told") -> str:
    """A finding in one line: about what, what, and where."""
    more = told.count - len(told.places)
    places = "; ".join(told.places) + (f"; and {more} more" if more and told.places else "")
    return _visible(f"{told.about}: {told.says}" + (f" [{places}]" if places else ""))


def _visible(text: str) -> str:
    from xpbench.bench.report.records import visible

    return visible(text)


def _record(found: "Checked", strict: bool) -> dict[str, object]:
    return {
        "run": found.name,
        "path": str(found.path),
        "fit": found.fit(strict),
        "cases": found.cases,
        "measurements": found.measurements,
        "findings": [
            {
                "level": told.level,
                "about": told.about,
                "says": told.says,
                "count": told.count,
                "where": list(told.places),
            }
            for told in found.found
        ],
    }
