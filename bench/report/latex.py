"""How a sheet is written in LaTeX."""

from collections.abc import Iterable

from xpbench.bench.report.layout import Grid, Line
from xpbench.bench.report.sheet import Sheet

# Brackets and stars are harmless but at the start of a row, where LaTeX reads them as an option of the
# command that ended the row before.
_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "[": r"{[}",
    "*": r"{*}",
    "µ": r"$\mu$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "★": r"$\star$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "◊": r"$\diamond$",
    "↓": r"$\downarrow$",
    "°": r"$^\circ$",
}


def escape(text: str) -> str:
    """``text`` as the characters it has; those outside ASCII that have no sign here, by their number."""
    escaped = "".join(_SIGNS.get(c, c if c.isascii() else f"U+{ord(c):04X}") for c in text)
    return escaped.replace("--", "-{}-")


def as_latex(sheet: Sheet) -> str:
    """A ``tabular`` with the rules of the package booktabs for every grid; the two lines of a cell are
    two rows. Marks and reasons follow as paragraphs.
    """
    blocks = [r"% needs \usepackage{booktabs}", escape(sheet.title)]
    for part in sheet.parts:
        blocks += [_tabular(grid) for grid in part.grids]
        blocks += [
            rf"\noindent {escape(text)}" for text in (" · ".join(part.legend), *part.notes) if text
        ]
    return "\n\n".join(blocks) + "\n"


def _tabular(grid: Grid) -> str:
    lines = [
        rf"\begin{{tabular}}{{@{{}}{'l' * len(grid.head)}@{{}}}}",
        rf"\multicolumn{{{len(grid.head)}}}{{@{{}}l@{{}}}}{{\textbf{{{escape(grid.caption)}}}}} \\",
        r"\toprule",
        _row(escape(head) for head in grid.head),
        r"\midrule",
    ]
    for row in grid.rows:
        depth = max(len(cell) for cell in row)
        padded = [(*cell, *[Line("")] * (depth - len(cell))) for cell in row]
        lines += [_row(_line(cell[index]) for cell in padded) for index in range(depth)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _line(line: Line) -> str:
    text = escape(line.text.strip())
    return rf"\textbf{{{text}}}" if text and line.tone in ("strong", "alarm") else text
