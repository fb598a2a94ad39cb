"""How a sheet is written in Markdown."""

import re

from xpbench.bench.report.layout import Cell, Grid, Line
from xpbench.bench.report.sheet import Sheet

_ACTIVE = re.compile(r"[\\`*\[\]<>|~$&#]|(?<![^\W_])_|_(?![^\W_])")
"""Characters that could format, link or divide; an underscore only where it is not within a word."""


def escape(text: str) -> str:
    """``text`` as the characters it has, in a table cell as elsewhere."""
    return _ACTIVE.sub(lambda match: "\\" + match.group(), text)


def as_markdown(sheet: Sheet) -> str:
    """Tables of GitHub-flavoured Markdown; the two lines of a cell are divided by ``<br>``."""
    blocks = [escape(sheet.title)]
    for part in sheet.parts:
        blocks += [_table(grid) for grid in part.grids]
        blocks += [
            escape(" · ".join(part.legend)),
            "\n".join(f"- {escape(note)}" for note in part.notes),
        ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(grid: Grid) -> str:
    rows = [[escape(head) for head in grid.head], [":--"] * len(grid.head)]
    rows += [[_cell(cell) for cell in row] for row in grid.rows]
    return f"**{escape(grid.caption)}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: Cell) -> str:
    return "<br>".join(_line(line) for line in cell)


def _line(line: Line) -> str:
    text = escape(line.text.strip())
    return f"**{text}**" if text and line.tone in ("strong", "alarm") else text
