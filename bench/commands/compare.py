"""``xpbench compare``: what changed between two stored runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.output import console_of_output, say, tell, tell_damage, write

if TYPE_CHECKING:
    from xpbench.bench.comparison import Comparison
    from xpbench.bench.journal import Run

REGRESSED = 1
FORMATS = ("rich", "md", "json", "github-action-benchmark", "bencher")

Base = Annotated[Path, typer.Argument(metavar="BASE", help="The folder of the run before.")]
New = Annotated[Path, typer.Argument(metavar="NEW", help="The folder of the run after.")]
Band = Annotated[
    float | None,
    typer.Option("--band", metavar="SHARE", help="The least change that counts. Default: 0.10."),
]
Format = Annotated[
    str, typer.Option("--format", metavar="NAME", help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
]
AllCases = Annotated[bool, typer.Option("--all-cases", help="List the cases that are the same, too.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write to this file.")]


def compare(
    base: Base,
    new: New,
    band: Band = None,
    form: Format = "rich",
    all_cases: AllCases = False,
    out: Out = None,
) -> None:
    """Tell what changed from run BASE to run NEW; exit 1 if a case is slower, or newly wrong."""
    from xpbench.bench import comparison, groups, journal

    check_format(form)
    pairs = groups.pairs_of(base, new)
    if len(pairs) > 1 and (form not in ("rich", "md") or out is not None):
        raise XpbenchError(
            f"{base} and {new} hold {len(pairs)} kinds of machine, and a file holds one comparison: "
            f"name a group of each, e.g. {pairs[0][0]} {pairs[0][1]}"
        )
    for line in dict.fromkeys(groups.words_of([base, new])):
        tell(line)
    regressed = False
    for before, after in pairs:
        runs = [journal.read(before), journal.read(after)]
        tell_damage(runs)
        found = comparison.compare(runs[0], runs[1], band=band)
        if len(pairs) > 1:
            say(f"{before} and {after}:")
        print_comparison(found, runs[1], form, all_cases, out)
        regressed = regressed or found.regressed
    if regressed:
        raise typer.Exit(REGRESSED)


def check_format(form: str) -> None:
    if form not in FORMATS:
        raise XpbenchError(f"--format {form!r}: expected one of {', '.join(FORMATS)}")


def print_comparison(
    found: "Comparison", new: "Run", form: str, all_cases: bool, out: Path | None
) -> None:
    """Writes the comparison in the format asked for; trackers are told the times of ``new``."""
    from xpbench.bench.report import comparison as told
    from xpbench.bench.report import exchange

    if form == "md":
        write(told.as_markdown(found), out)
    elif form == "json":
        write(json.dumps(exchange.comparison_as_json(found), indent=2, allow_nan=False), out)
    elif form in exchange.TRACKERS:
        write(json.dumps(exchange.TRACKERS[form](new), indent=2, allow_nan=False), out)
    elif out is not None:
        raise XpbenchError("--out: the terminal's own format is not for files; add --format md or json")
    else:
        _print_rich(found, all_cases)


def _print_rich(found: "Comparison", all_cases: bool) -> None:
    from rich.text import Text

    from xpbench.bench.report import comparison as told
    from xpbench.bench.report.terminal import as_grid

    console = console_of_output()
    console.print(Text(told.headline(found), style="bold"))
    if together := told.overall(found):
        console.print(Text(together))
    for line in told.remarks(found):
        console.print(Text(line, style="yellow" if line.startswith("warning") else "dim"))
    grid = told.grid(found, all_cases)
    if grid.rows:
        console.print()
        console.print(as_grid(grid))
    for line in told.words(found, all_cases):
        console.print(Text(line))
    console.print()
    console.print(Text(told.rule(found), style="dim"))
