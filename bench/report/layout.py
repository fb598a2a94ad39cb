"""Which shape the comparison takes: a column per backend, tables per device, or a line per case."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from xpbench.bench.device import kind_of
from xpbench.bench.report.records import Record

Item = TypeVar("Item")
Key = TypeVar("Key")
Tone = Literal["plain", "strong", "quiet", "good", "bad", "alarm"]

GAP = 2
"""Blank characters between two columns."""

NARROWEST_LABEL = 16
"""The first column may be folded down to this width before the table changes its layout."""

LONGEST_HEADING = 9
"""A longer heading of a column is broken into lines where the columns do not fit otherwise."""


@dataclass(frozen=True)
class Line:
    """One line of a cell."""

    text: str
    tone: Tone = "plain"


Cell = tuple[Line, ...]


@dataclass(frozen=True)
class Grid:
    """A table: a caption, the heads of the columns, and rows of cells. The first column is the label."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        columns = zip(*self.rows, strict=True)
        return tuple(
            max(0, *map(len, head.split("\n")), *(len(line.text) for cell in column for line in cell))
            for head, column in zip(self.head, columns, strict=True)
        )


def fitting(
    caption: str, group: Sequence[Record], cell: Callable[[Record], Cell], width: int | None
) -> list[Grid]:
    """The grids of a group in the first layout that fits.

    One grid, one a kind of device, each with its long heads broken where need be; or a line a case.
    """
    if not group:
        return []
    kinds = grouped(group, lambda record: kind_of(record["device"]))
    whole = _matrix(caption, group, cell)
    divided = [_matrix(f"{caption} · {kind}", part, cell) for kind, part in kinds.items()]
    for grids in ([whole], [_broken(whole)], divided, [_broken(grid) for grid in divided]):
        folded = [_folded(grid, width) for grid in grids]
        if all(grid is not None for grid in folded):
            return [grid for grid in folded if grid is not None]
    return [_lines(caption, group, cell, width or 80)]


def _matrix(caption: str, group: Sequence[Record], cell: Callable[[Record], Cell]) -> Grid:
    """A row per kernel and size, a column per backend and device."""
    columns = list(dict.fromkeys(heading_of(record) for record in group))
    rows = [
        (
            (Line(part[0]["kernel"], "strong"), Line(part[0]["size"], "quiet")),
            *(_cell_of(part, column, cell) for column in columns),
        )
        for part in grouped(group, row_of).values()
    ]
    return Grid(caption, ("", *columns), tuple(rows))


def _broken(grid: Grid) -> Grid:
    """``grid`` with its long heads in lines, broken before each hyphen."""
    heads = (head.replace("-", "\n-") if len(head) > LONGEST_HEADING else head for head in grid.head)
    return replace(grid, head=tuple(heads))


def _cell_of(part: Sequence[Record], column: str, cell: Callable[[Record], Cell]) -> Cell:
    return next((cell(record) for record in part if heading_of(record) == column), ())


def _folded(grid: Grid, width: int | None) -> Grid | None:
    """``grid`` with its labels folded to fit ``width``; ``None`` where that is not enough."""
    if width is None:
        return grid
    room = width - sum(grid.widths[1:]) - GAP * (len(grid.head) - 1)
    if room < min(NARROWEST_LABEL, grid.widths[0]):
        return None
    return replace(
        grid,
        rows=tuple(
            (tuple(piece for line in label for piece in _fold(line, room)), *cells)
            for label, *cells in grid.rows
        ),
    )


def _lines(caption: str, group: Sequence[Record], cell: Callable[[Record], Cell], width: int) -> Grid:
    """A line per case: the layout for many backends or a narrow page."""
    depth = max(len(cell(record)) for record in group)
    parts = grouped(group, row_of).values()
    tails = [[_tail(record, cell(record), depth) for record in part] for part in parts]
    head = ("", "backend", *[""] * depth)
    widths = Grid("", head[1:], tuple(tail for part in tails for tail in part)).widths
    room = max(NARROWEST_LABEL, width - sum(widths) - GAP * len(widths))
    rows: list[tuple[Cell, ...]] = []
    for part, tail in zip(parts, tails, strict=True):
        label = [
            *_fold(Line(part[0]["kernel"], "strong"), room),
            *_fold(Line(part[0]["size"], "quiet"), room),
        ]
        last = len(tail) - 1
        for index, cells in enumerate(tail):
            rows.append((tuple(label[index:] if index == last else label[index : index + 1]), *cells))
    return Grid(caption, head, tuple(rows))


def _tail(record: Record, cell: Cell, depth: int) -> tuple[Cell, ...]:
    """The columns of a case but for its label: its backend, and a column for each line of its cell."""
    # The indent aligns a verdict with the time above it; here it stands beside it.
    below = [replace(line, text=line.text.strip()) for line in cell[1:]]
    lines = [*cell[:1], *below, *[Line("")] * (depth - len(cell))]
    return ((Line(heading_of(record)),), *((line,) for line in lines))


def _fold(line: Line, width: int) -> list[Line]:
    """``line`` in pieces of at most ``width``, broken after ``_`` or ``,`` where it can be."""
    pieces, text = [], line.text
    while len(text) > width:
        cut = max(text.rfind("_", 0, width), text.rfind(",", 0, width)) + 1 or width
        pieces.append(replace(line, text=text[:cut]))
        text = text[cut:]
    return [*pieces, replace(line, text=text)]


def row_of(record: Record) -> tuple[str, ...]:
    """What the cases of one row of the table have in common."""
    keys = ("run", "kernel", "size", "dtype", "threads", "precision")
    return tuple(str(record[key]) for key in keys)


def place_of(record: Record) -> str:
    """Where a case ran, as the column ``baseline`` says it."""
    return f"{record['backend']}@{record['device']}"


def heading_of(record: Record) -> str:
    """The column a case stands in; the CPU goes without saying."""
    return place_of(record).removesuffix("@cpu")


def grouped(records: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The records by ``key``, in the order in which the keys first occur."""
    groups: dict[Key, list[Item]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups
