"""``xpbench report``: stored runs as one page for a browser."""

from pathlib import Path
from typing import Annotated

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.output import tell, tell_damage

OURS = b'<meta name="generator" content="xpbench'
"""What a page of ours has near its beginning."""


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of stored runs.")],
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="NAME", help="Compare with this backend instead of the run's own."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Write to this file.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one page that shows stored runs, of one machine or several, in a browser and offline."""
    from xpbench.bench import groups, journal
    from xpbench.bench.report.page.page import render

    _check_free(out)
    read = (journal.read(path, rounds=False) for path in groups.runs_of(runs))
    stored = list({run.path.resolve(): run for run in read}.values())
    tell_damage(stored)
    for line in groups.words_of(runs):
        tell(line)
    page = render(stored, baseline)
    journal.write_whole(out, page)
    print(f"{out}: {len(page.encode()) / 1e6:.2f} MB, open it in a browser")


def _check_free(out: Path) -> None:
    """Raises where ``out`` is no name of a page, or would replace what is not one of ours."""
    if out.is_dir():
        raise XpbenchError(f"-o {out} is a folder: name a file in it, e.g. {out / 'report.html'}")
    if out.exists() and not out.is_file():
        # A named pipe would be waited for, and never end.
        raise XpbenchError(f"-o {out} is no file, but a pipe or a device: name a file, e.g. report.html")
    if out.suffix.lower() not in (".html", ".htm"):
        raise XpbenchError(
            f"-o {out}: expected a name that ends in .html, e.g. report.html "
            "(`xpbench plot` draws .svg, .png and .pdf)"
        )
    try:
        with out.open("rb") as file:
            head = file.read(1000)
    except FileNotFoundError:
        return
    except OSError as fault:
        raise XpbenchError(f"{out} cannot be written: {fault.strerror}") from fault
    if head and OURS not in head:
        raise XpbenchError(f"{out} exists and is no page of xpbench: name another file with -o")
