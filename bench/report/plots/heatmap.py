"""How many times as fast as the baseline is everyone, in every case, at a glance?"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xpbench.bench import stats
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.layout import grouped, place_of
from xpbench.bench.report.overall import FEWEST_CASES, Overall
from xpbench.bench.report.plots.heading import Group, captions, group_of
from xpbench.bench.report.plots.style import (
    ALARM,
    BODY,
    HEAD,
    INK,
    LINE,
    MARGIN,
    PAPER,
    QUIET,
    RULE,
    SMALL,
    Page,
    Strip,
    extent,
    gap,
    paragraph,
    shortened,
    write,
)
from xpbench.bench.report.plots.tints import Tint, ink_on, pale, reach_of, scale, tint
from xpbench.bench.report.precision import REDUCED, precision_of, precision_words
from xpbench.bench.report.quantities import duration
from xpbench.bench.report.records import Record, visible
from xpbench.bench.report.selection import Selection, is_timed
from xpbench.bench.report.sheet import (
    LEADS,
    WIDENED,
    has_chapters,
    status_word,
    verdict_line,
    widened,
)

NARROWEST, WIDEST = 0.8, 2.2
"""How wide a column is, in inches: the words of a verdict fit."""
ROW = 0.2
BETWEEN = 0.14
"""Between the columns of two groups, in inches."""
VOID, STRIPES, ALARMED = "#ececec", "#c9c9c9", "#e3a5ad"
"""The ground of a cell without a time, its stripes, and those of a wrong result."""

Column = tuple[Group, str]
"""A group and a backend on a device."""


@dataclass(frozen=True)
class _Look:
    text: str
    face: str | Tint
    ink: str = INK
    bold: bool = False
    stripes: str = ""


@dataclass(frozen=True)
class _Band:
    """Columns side by side: where each begins and how wide all are, and how wide the labels left of
    them, in inches; and the reach of the colours.
    """

    columns: tuple[Column, ...]
    lefts: tuple[float, ...]
    each: float
    label: float
    reach: int

    @property
    def right(self) -> float:
        return self.lefts[-1] + self.each


def heatmap(shown: Selection, width: float) -> list[Strip]:
    """A row for every kernel and size, a column for every backend of every group; where these are too
    many, one below the other. Under it the means over all cases, the scale, and what the signs mean.

    Raises
    ------
    XpbenchError
        If nothing was timed.
    """
    records = shown.records
    if not any(map(is_timed, records)):
        raise XpbenchError("nothing to draw: no case was timed")
    ratios = [record["ratio"] for record in records if record["ratio"] is not None]
    strips = [
        strip
        for band in _bands(shown, width, reach_of(ratios))
        for strip in _strips(shown, band, captions(map(group_of, records)))
    ]
    if any(record["verdict"] in ("faster", "slower") for record in records):
        strips += [scale(reach_of(ratios), width), gap(0.08)]
    return [*strips, *_legend(records, width)]


def _bands(shown: Selection, width: float, reach: int) -> Iterator[_Band]:
    """All columns, in as few bands as there is room for; groups stay whole where they can."""
    records = shown.records
    rows = {(record["kernel"], record["size"]) for record in records}
    names = [extent(kernel, BODY, True) + 0.25 + extent(size, SMALL) for kernel, size in rows]
    titles = [extent(_chapter(record), HEAD, True) for record in records if has_chapters(records)]
    means = [extent(_of_cases(shown.overall), BODY, True)] if shown.overall else []
    label = min(max(*names, *titles, *means, 0.0) + 0.1, 0.45 * width)
    capacity = max(1, int((width - label - 2 * MARGIN) / NARROWEST))
    lots: list[list[Column]] = [[]]
    for group, members in grouped(records, group_of).items():
        columns = [(group, place) for place in dict.fromkeys(map(place_of, members))]
        if lots[-1] and len(lots[-1]) + len(columns) > capacity:
            lots.append([])
        for column in columns:
            if len(lots[-1]) == capacity:
                lots.append([])
            lots[-1].append(column)
    for lot in lots:
        changes = [one[0] != next_one[0] for one, next_one in itertools.pairwise(lot)]
        room = width - label - 2 * MARGIN - BETWEEN * sum(changes)
        each = min(WIDEST, room / len(lot))
        steps = [each + BETWEEN * change for change in changes]
        lefts = itertools.accumulate(steps, initial=MARGIN + label)
        yield _Band(tuple(lot), tuple(lefts), each, label, reach)


def _strips(shown: Selection, band: _Band, names: Mapping[Group, str]) -> Iterator[Strip]:
    """The heads and the rows of a band, chapter by chapter, and the means under them."""
    columns = set(band.columns)
    records = [r for r in shown.records if _column(r) in columns]
    divided = has_chapters(shown.records)
    if any(names.values()):
        yield Strip(LINE + 0.03, partial(_groups, band, names))
    for members in grouped(records, lambda r: r["chapter"] if divided else None).values():
        title = _chapter(members[0]) if divided else ""
        yield Strip(LINE + 0.05, partial(_heads, band, title))
        rows = [
            ("" if index else kernel, size, {_column(record): record for record in row})
            for kernel, same in grouped(members, lambda r: r["kernel"]).items()
            for index, (size, row) in enumerate(grouped(same, lambda r: r["size"]).items())
        ]
        yield Strip(ROW * len(rows), partial(_rows, band, rows))
        yield gap(0.12)
    figures = {
        ((visible(f.run), f.dtype, f.threads, f.precision), visible(f.place)): f
        for f in shown.overall
        if f.cases >= FEWEST_CASES and f.value is not None
    }
    if any(f.place != f.baseline for column, f in figures.items() if column in columns):
        yield Strip(ROW, partial(_means, band, figures))
        yield gap(0.15)


def _chapter(record: Record) -> str:
    return str(record["chapter"] or "other kernels").replace("_", " ")


def _of_cases(figures: Iterable[Overall]) -> str:
    counts = sorted({figure.cases for figure in figures})
    return f"mean of the {' or '.join(map(str, counts))} that all ran"


def _column(record: Record) -> Column:
    return group_of(record), place_of(record)


def _groups(band: _Band, names: Mapping[Group, str], page: Page, top: float) -> None:
    places = zip(band.columns, band.lefts, strict=True)
    for group, members in grouped(places, lambda place: place[0][0]).items():
        left, right = members[0][1], members[-1][1] + band.each
        text = shortened(names[group], right - left, HEAD, bold=True)
        write(page.sheet, (left + right) / 2, top + LINE / 2, text, size=HEAD, bold=True, ha="center")


def _heads(band: _Band, title: str, page: Page, top: float) -> None:
    axes, y = page.sheet, top + LINE / 2
    write(axes, MARGIN, y, shortened(title, band.label, HEAD, True), size=HEAD, bold=True)
    for (_, place), left in zip(band.columns, band.lefts, strict=True):
        text = shortened(place.removesuffix("@cpu"), band.each - 0.04, bold=True)
        write(axes, left + band.each / 2, y, text, bold=True, ha="center")


def _rows(
    band: _Band, rows: Sequence[tuple[str, str, Mapping[Column, Record]]], page: Page, top: float
) -> None:
    axes = page.sheet
    for index, (kernel, size, row) in enumerate(rows):
        y, room = top + ROW * index, band.label - (extent(kernel, bold=True) + 0.2 if kernel else 0.1)
        label = shortened(size, max(room, band.label / 2), SMALL)
        if kernel:
            axes.plot([MARGIN, band.right - 0.01], [y, y], color=RULE, linewidth=0.5)
            room = band.label - extent(label, SMALL) - 0.2
            write(axes, MARGIN, y + ROW / 2, shortened(kernel, room, bold=True), bold=True)
        right = MARGIN + band.label - 0.08
        write(axes, right, y + ROW / 2, label, size=SMALL, colour=QUIET, ha="right")
        for column, left in zip(band.columns, band.lefts, strict=True):
            if column in row:
                _cell(axes, left, y, band.each, _look(row[column], band.reach))


def _means(band: _Band, figures: Mapping[Column, Overall], page: Page, top: float) -> None:
    shown = {column: figures[column] for column in band.columns if column in figures}
    text = shortened(_of_cases(shown.values()), band.label - 0.08, bold=True)
    write(page.sheet, MARGIN, top + ROW / 2, text, bold=True)
    for column, left in zip(band.columns, band.lefts, strict=True):
        if column in shown:
            _cell(page.sheet, left, top, band.each, _mean(shown[column], band.reach))


def _mean(figure: Overall, reach: int) -> _Look:
    if figure.place == figure.baseline:
        return _Look("baseline", PAPER, QUIET)
    backend, _, device = figure.place.partition("@")
    interval = figure.ratio
    record = {
        "backend": backend,
        "device": device,
        "baseline": figure.baseline,
        "ratio": figure.value,
        "ratio_low": interval.low if interval else None,
        "ratio_high": interval.high if interval else None,
        "verdict": stats.verdict(interval),
    }
    return _judged(record, reach)


def _look(record: Record, reach: int) -> _Look:
    """What the cell of a case says, and in which colours."""
    if record["status"] == "wrong":
        return _Look(status_word("wrong"), VOID, ALARM, True, ALARMED)
    if record["status"] != "ok":
        return _Look(status_word(record["status"]), VOID, QUIET, False, STRIPES)
    if record["time_s"] is None:
        return _Look("-", VOID, QUIET)
    judged = _judged(record, reach)
    star = f"{LEADS} " if record["leads"] else ""
    marks = (WIDENED if widened(record) else "") + (REDUCED if precision_of(record) else "")
    return _Look(f"{star}{judged.text} {marks}".strip(), judged.face, judged.ink)


def _judged(record: Record, reach: int) -> _Look:
    """The words of a verdict in their colours; of the baseline, and where there is none, the time."""
    ratio, verdict = record["ratio"], record["verdict"]
    if ratio is None or place_of(record) == record["baseline"]:
        return _Look(duration(record["time_s"]), PAPER)
    text = verdict_line(record).text
    if verdict in ("faster", "slower"):
        face = tint(ratio, reach)
        return _Look(text, face, ink_on(face))
    if verdict == "same":
        return _Look(text, PAPER, QUIET)
    return _Look(text.removeprefix("unclear "), pale(ratio), QUIET)


def _cell(axes: Axes, left: float, top: float, width: float, look: _Look) -> None:
    axes.add_artist(
        Rectangle(
            (left + 0.01, top + 0.01),
            width - 0.02,
            ROW - 0.02,
            facecolor=look.face,
            edgecolor=look.stripes or RULE,
            hatch="////" if look.stripes else None,
            linewidth=0.0 if look.stripes else 0.4,
        )
    )
    if not look.text:
        return
    size = BODY
    while size > 4 and extent(look.text, size, look.bold) > width - 0.06:
        size -= 0.5
    write(
        axes,
        left + width / 2,
        top + ROW / 2,
        look.text,
        size=size,
        colour=look.ink,
        bold=look.bold,
        ha="center",
        bbox={"facecolor": look.face, "edgecolor": "none", "pad": 0.8} if look.stripes else None,
    )


def _legend(records: Sequence[Record], width: float) -> Iterator[Strip]:
    """What the signs, the paleness and the stripes mean, for those that occur."""
    timed = list(filter(is_timed, records))
    if any(record["verdict"] == "unclear" for record in timed):
        text = "a-b: unclear, it takes a to b times as long and no more can be said"
        yield _explained(_Look("", pale(0.5)), text)
    if any(verdict_line(record).text.startswith("(") for record in timed):
        yield _explained(_Look("", pale(0.5)), "(in brackets): an estimate, a verdict needs 4 forks")
    if any(record["status"] != "ok" for record in records):
        yield _explained(_Look("", VOID, stripes=STRIPES), "no time, and why")
    yield from paragraph(" · ".join(_signs(timed)), width)


def _signs(timed: Sequence[Record]) -> Iterator[str]:
    judged = [record for record in timed if record["verdict"] is not None]
    if baselines := sorted({str(record["baseline"]).removesuffix("@cpu") for record in judged}):
        yield (
            f"faster, slower, same: against {' or '.join(baselines)}, by an exact interval of the ratio "
            "and a band of 5%"
        )
    if any(record["leads"] for record in timed):
        yield f"{LEADS} cannot be told from the fastest of its row"
    if dtypes := sorted({record["compute_dtype"] for record in timed if widened(record)}):
        yield f"{WIDENED} computes in {' or '.join(dtypes)}, so not ranked"
    yield from precision_words(timed)


def _explained(look: _Look, text: str) -> Strip:
    def draw(page: Page, top: float) -> None:
        _cell(page.sheet, MARGIN, top, 0.3, look)
        write(page.sheet, MARGIN + 0.38, top + ROW / 2, text, colour=QUIET)

    return Strip(ROW, draw)
