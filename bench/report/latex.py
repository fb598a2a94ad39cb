"""How a sheet is written in LaTeX."""

import unicodedata
from collections.abc import Iterable, Sequence

from xpbench.bench.report.layout import GAP, Cell, Grid, Line
from xpbench.bench.report.sheet import Sheet

WIDTH = 84
"""So many characters of the smallest letters fit into a line of the class article."""
_LETTERS = ((66, r"\small"), (76, r"\footnotesize"))
"""Larger letters, for grids of at most so many characters."""
LONGEST = 40
"""A grid of more lines is broken over pages."""

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
    '"': r"{\ttfamily\char34}",
    "'": "{'}",
    "`": "{`}",
    "µ": r"$\mu$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "★": r"$\star$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "⊕": r"$\oplus$",
    "§": r"$\mathsection$",
    "¶": r"$\mathparagraph$",
    "◊": r"$\diamond$",
    "↓": r"$\downarrow$",
    "°": r"$^\circ$",
}
_ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030c": r"\v",
    "\u0327": r"\c",
}
_INDENT = "  "
"""What stands in the place of a star, so that times are aligned."""


def escape(text: str) -> str:
    """``text`` as the characters it has; those that have no sign here, by their number."""
    # Two hyphens or commas in a row would become one sign.
    return "".join(map(_sign, text)).replace("--", "-{}-").replace(",,", ",{},")


def _sign(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if character.isascii():
        return character
    decomposed = unicodedata.normalize("NFD", character)
    base, accent = decomposed[0], decomposed[1:]
    if base.isascii() and accent in _ACCENTS:
        return f"{_ACCENTS[accent]}{{{base}}}"
    return f"U+{ord(character):04X}"


def as_latex(sheet: Sheet) -> str:
    """A table with the rules of the package booktabs for every grid, a ``longtable`` where it is long;
    the two lines of a cell are two rows. Marks and reasons follow as paragraphs.
    """
    blocks = [r"% needs \usepackage{booktabs,longtable}; a longtable settles in the third run of LaTeX"]
    widest = max((_width(grid) for part in sheet.parts for grid in part.grids), default=0)
    letters = next((size for most, size in _LETTERS if widest <= most), r"\scriptsize")
    blocks.append(rf"\noindent {escape(sheet.title)}\par")
    for part in sheet.parts:
        blocks += [_table(grid, letters) for grid in part.grids]
        blocks += [
            rf"{{\footnotesize\raggedright\noindent {escape(text)}\par}}"
            for text in (" · ".join(part.legend), *part.notes)
            if text
        ]
    return "\n\n".join(blocks) + "\n"


def _width(grid: Grid) -> int:
    return sum(grid.widths) + GAP * (len(grid.head) - 1)


def _table(grid: Grid, letters: str) -> str:
    """The caption and the table, in letters of this size."""
    rows = [line for row in grid.rows for line in _lines(row)]
    head = [r"\toprule", *_lines(_heads(grid.head)), r"\midrule"]
    columns = f"@{{}}{'l' * len(grid.head)}@{{}}"
    if len(rows) > LONGEST:
        begin, end = rf"\begin{{longtable}}[l]{{{columns}}}", r"\end{longtable}"
        head += [r"\endhead", r"\bottomrule", r"\endfoot"]
    else:
        begin, end = rf"\noindent\begin{{tabular}}{{{columns}}}", r"\bottomrule" "\n" r"\end{tabular}"
    return "\n".join(
        [
            rf"{{{letters}\setlength{{\tabcolsep}}{{0.45em}}",
            rf"\noindent\textbf{{{escape(grid.caption)}}}\par\nopagebreak\medskip",
            *[begin, *head, *rows, end],
            r"\par\bigskip}",
        ]
    )


def _heads(head: Iterable[str]) -> tuple[Cell, ...]:
    """Long heads are in lines."""
    return tuple(tuple(map(Line, text.split("\n"))) for text in head)


def _lines(row: Sequence[Cell]) -> list[str]:
    """The lines of a row; a page does not end between them."""
    depth = max(1, *map(len, row))
    padded = [(*cell, *[Line("")] * (depth - len(cell))) for cell in row]
    ends = [r" \\*"] * (depth - 1) + [r" \\[2pt]" if depth > 1 else r" \\"]
    return [" & ".join(_line(cell[index]) for cell in padded) + end for index, end in enumerate(ends)]


def _line(line: Line) -> str:
    text = escape(line.text.strip())
    if text and line.tone in ("strong", "alarm"):
        text = rf"\textbf{{{text}}}"
    return rf"\phantom{{$\star$ }}{text}" if text and line.text.startswith(_INDENT) else text
