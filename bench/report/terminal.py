"""How a sheet looks in a terminal."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xpbench.bench.report.layout import GAP, Cell, Grid
from xpbench.bench.report.sheet import Sheet

STYLES = {
    "plain": "",
    "strong": "bold",
    "quiet": "dim",
    "good": "cyan",
    "bad": "yellow",
    "alarm": "bold red",
}


def as_rich(sheet: Sheet) -> Group:
    """Tables that lose no information without colour: every style stands beside a sign or a word."""
    parts: list[RenderableType] = [Text(sheet.title, style="dim")]
    for part in sheet.parts:
        for grid in part.grids:
            parts += [Text(), _caption(grid.caption), as_grid(grid)]
        if part.legend:
            parts += [Text(), Text(" · ".join(part.legend), style="dim")]
        if part.notes:
            parts += [Text(), *(Text(note) for note in part.notes)]
    return Group(*parts)


def _caption(text: str) -> Text:
    first, separator, rest = text.partition(" · ")
    return Text.assemble((first, "bold"), (separator + rest, "dim"))


def as_grid(grid: Grid) -> Table:
    """One grid as a table, without its caption."""
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        header_style="bold",
        border_style="dim",
    )
    for head in grid.head:
        table.add_column(Text(head), overflow="fold")
    for row in grid.rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _cell(cell: Cell) -> Text:
    return Text("\n").join(Text(line.text, style=STYLES[line.tone]) for line in cell)
