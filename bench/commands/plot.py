"""``xpbench plot``: pictures of stored runs, for papers and READMEs."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.options import Chapters, Dtypes, Sizes
from xpbench.bench.output import tell_damage, write

NARROWEST, WIDEST = 3.0, 40.0


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of stored runs.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind", metavar="NAME", help="heatmap, scaling, roofline, agreement or efficiency."
        ),
    ] = "heatmap",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write to this file: .svg, .png or .pdf."),
    ] = None,
    kernel: Annotated[
        list[str] | None, typer.Option("--kernel", metavar="NAME", help="A kernel. Repeatable.")
    ] = None,
    chapter: Chapters = None,
    size: Sizes = None,
    dtype: Dtypes = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", metavar="NAME", help="A backend, or backend@device. Repeatable."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="NAME", help="Compare with this backend instead of the run's own."
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="Default: the names of the runs.")
    ] = None,
    width: Annotated[
        float, typer.Option("--width", metavar="INCHES", help="The height follows from what is shown.")
    ] = 9.0,
) -> None:
    """Draw stored runs, of one machine or several, with matplotlib."""
    if out is None:
        raise XpbenchError(f"a picture needs a file: name one with -o, e.g. -o {kind}.svg")
    if not NARROWEST <= width <= WIDEST:
        raise XpbenchError(
            f"--width {width:g}: expected a number of inches from {NARROWEST:g} to {WIDEST:g}"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise XpbenchError('pictures need matplotlib: python -m pip install "xpbench[plot]"')

    from xpbench.bench import groups, journal
    from xpbench.bench.report.plots.picture import FORMATS, KINDS, picture
    from xpbench.bench.report.selection import Choice, select

    if kind not in KINDS:
        raise XpbenchError(f"--kind {kind!r}: expected one of {', '.join(KINDS)}")
    form = out.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise XpbenchError(f"-o {out}: expected a name that ends in .{', .'.join(FORMATS)}")
    read = (journal.read(path, rounds=False) for path in groups.runs_of(runs))
    stored = list({run.path.resolve(): run for run in read}.values())
    tell_damage(stored)
    named = (tuple(names or ()) for names in (kernel, chapter, size, dtype, backend))
    shown = select(stored, Choice(*named), baseline)
    write(picture(shown, kind, form, width, title), out)
