"""The commands whose runs are shown as one table: the table's forms, and how it is printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.output import console_of_output, write

if TYPE_CHECKING:
    from xpbench.bench.journal import Run
    from xpbench.bench.report.sheet import Sheet

FORMS = ("rich", "md", "json")

Form = Annotated[str, typer.Option("--format", metavar="NAME", help="rich, md or json.")]
Output = Annotated[Path | None, typer.Option("-o", metavar="FILE", help="Write the table to this file.")]


def check_form(form: str) -> None:
    if form not in FORMS:
        raise XpbenchError(f"--format {form!r}: expected one of {', '.join(FORMS)}")


def show_table(
    folder: Path,
    form: str,
    file: Path | None,
    sheet_of: "Callable[[Run, int | None], Sheet | None]",
    as_json: "Callable[[Run], Any]",
    absent: str,
) -> None:
    """Print the table of a stored run, or write it to ``file``.

    ``sheet_of`` makes it for a width in characters, or for any; where there is nothing to show, that
    is an error that says that the folder is ``absent``.
    """
    from xpbench.bench import journal
    from xpbench.bench.report.markdown import as_markdown
    from xpbench.bench.report.terminal import as_rich

    run = journal.read(folder, rounds=False)
    console = console_of_output() if form == "rich" and file is None else None
    sheet = sheet_of(run, console.width if console else None)
    if sheet is None:
        raise XpbenchError(f"{folder} {absent}")
    if console:
        console.print(as_rich(sheet))
    elif form == "json":
        write(json.dumps(as_json(run), indent=1, allow_nan=False), file)
    else:
        write(as_markdown(sheet), file)
