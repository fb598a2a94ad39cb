"""How near to its limit is the error of everyone, and what does it cost to be nearer?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.columns import NOT_FINITE
from xpbench.bench.report.layout import grouped, place_of
from xpbench.bench.report.plots.heading import Group, absences, captions, group_of
from xpbench.bench.report.plots.style import (
    ALARM,
    BODY,
    HEAD,
    INK,
    LINE,
    MARGIN,
    QUIET,
    RULE,
    SMALL,
    Page,
    Sign,
    Strip,
    extent,
    gap,
    key,
    log_ticks,
    padded,
    paragraph,
    shortened,
    signs,
    write,
)
from xpbench.bench.report.quantities import compact
from xpbench.bench.report.records import Record
from xpbench.bench.report.selection import Selection, is_timed
from xpbench.bench.report.sheet import has_chapters, status_word

ROW, LANE = 0.07, 0.048
"""The height of a kernel's row, and what every backend adds to it, in inches."""
HIGH, FOOT = 2.3, 0.4
"""The height of the axes of error against time, and of the labels below axes, in inches."""
BETWEEN = 0.15
LEAST, MOST = -8, 4
"""Shares of a limit below or above these powers of ten stand at the edges."""
EDGE = 0.5
"""How far from the ends of the scale the edges are, in powers of ten."""
BEYOND = "#fbeaec"


@dataclass(frozen=True)
class _Scale:
    """The shares of a limit on a log axis, between two powers of ten, and at its edges those that have
    no place on it; ``ticks`` are the places and words of both.
    """

    low: int
    high: int
    ends: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]

    def place(self, share: float) -> float:
        if share == 0 or math.log10(share) < self.low:
            return self.low - EDGE
        return math.log10(share) if share <= 10.0**self.high else self.high + EDGE


def agreement(shown: Selection, width: float) -> list[Strip]:
    """A row for every kernel, a point for every backend and size: the error nearest its limit over that
    limit. Where several backends were timed, below it the same against the time each took.

    Raises
    ------
    XpbenchError
        If no result was held against an oracle.
    """
    judged = [record for record in shown.records if record["agrees"] is not None]
    if not judged:
        raise XpbenchError(
            "nothing to draw: no result was held against an oracle; xpbench table tells why none ran"
        )
    places = dict.fromkeys(map(place_of, judged))
    known = {place: sign for place, sign in signs(shown.places).items() if place in places}
    names = captions(map(group_of, judged))
    scale = _scale(list(map(_share, judged)))
    label = min(max(extent(r["kernel"], BODY, True) for r in judged) + 0.15, 0.4 * width)
    strips = [key(known, width), gap(0.08)]
    if any(names.values()):
        strips.append(Strip(LINE, partial(_captions, names, label)))
    divided = has_chapters(shown.records)
    for chapter, members in grouped(judged, lambda r: r["chapter"] if divided else None).items():
        if divided:
            title = str(chapter or "other kernels").replace("_", " ")
            strips += paragraph(title, width, size=HEAD, colour=INK, bold=True)
        kernels = grouped(members, lambda record: record["kernel"])
        draw = partial(_rows, kernels, names, label, scale, known)
        strips.append(Strip(_height(known) * len(kernels) + FOOT, draw))
    compared = [r for r in judged if is_timed(r) and r["ratio"] is not None]
    if any(place_of(record) != record["baseline"] for record in compared):
        draw = partial(_against_time, compared, names, label, scale, known)
        words = "error against time: the lower and the further left, the better"
        strips += [*paragraph(words, width, size=HEAD, colour=INK, bold=True), gap(0.08)]
        strips.append(Strip(HIGH + FOOT, draw))
    return [*strips, *paragraph(" · ".join(_legend(judged, shown.records, scale)), width)]


def _height(known: Mapping[str, Sign]) -> float:
    return max(0.2, ROW + LANE * len(known))


def _share(record: Record) -> float:
    """The share of its limit that the error of a case takes; infinite where it is not finite, or where
    there is none because the result could not be held against the oracle's.
    """
    error, limit = record["error"], record["error_limit"]
    if error is None or error == NOT_FINITE:
        return math.inf
    if error <= 0:
        return 0.0
    return float(error / limit) if limit else math.inf


def _scale(shares: Sequence[float]) -> _Scale:
    powers = [math.log10(share) for share in shares if 0 < share < math.inf]
    low = max(LEAST, math.floor(min([*powers, -1.0])))
    high = min(MOST, math.ceil(max([*powers, 0.0])))
    step = math.ceil((high - low) / 6)
    ticks = [(float(p), compact(10.0**p)) for p in range(low, high + 1) if p % step == 0]
    if under := [share for share in shares if share < 10.0**low]:
        ticks.append((low - EDGE, f"<{compact(10.0**low)}" if any(under) else "0"))
    if over := [share for share in shares if share > 10.0**high]:
        finite = min(over) < math.inf
        ticks.append((high + EDGE, f">{compact(10.0**high)}" if finite else "not finite"))
    ends = (low - EDGE * (2 if under else 0.3), high + EDGE * (2 if over else 1))
    return _Scale(low, high, ends, tuple(ticks))


def _columns(
    names: Mapping[Group, str], label: float, width: float
) -> Iterator[tuple[Group, float, float]]:
    """Every group with where its axes begin and how wide they are, in inches."""
    room = (width - 2 * MARGIN - label - BETWEEN * (len(names) - 1)) / len(names)
    for index, group in enumerate(names):
        yield group, MARGIN + label + index * (room + BETWEEN), room


def _captions(names: Mapping[Group, str], label: float, page: Page, top: float) -> None:
    for group, left, wide in _columns(names, label, page.width):
        text = shortened(names[group], wide, HEAD, bold=True)
        write(page.sheet, left + wide / 2, top + LINE / 2, text, size=HEAD, bold=True, ha="center")


def _rows(
    kernels: Mapping[str, Sequence[Record]],
    names: Mapping[Group, str],
    label: float,
    scale: _Scale,
    known: Mapping[str, Sign],
    page: Page,
    top: float,
) -> None:
    """The kernels of a chapter: their names once, and axes for every group."""
    high = _height(known) * len(kernels)
    for index, kernel in enumerate(kernels):
        text = shortened(kernel, label - 0.1, bold=True)
        write(page.sheet, MARGIN, top + high * (index + 0.5) / len(kernels), text, bold=True)
    for group, left, wide in _columns(names, label, page.width):
        axes = page.axes(left, top, wide, high)
        axes.set(xlim=scale.ends, ylim=(len(kernels), 0), yticks=[])
        axes.spines["left"].set_visible(False)
        _limit(axes, scale, upright=True)
        axes.set_xticks([at for at, _ in scale.ticks], labels=[text for _, text in scale.ticks])
        _below(axes, "error over its limit", high)
        for index, records in enumerate(kernels.values()):
            axes.plot(scale.ends, [index, index], color=RULE, linewidth=0.4, zorder=0)
            for record in records:
                if group_of(record) == group:
                    lane = (list(known).index(place_of(record)) + 1) / (len(known) + 1)
                    at = scale.place(_share(record))
                    _point(axes, at, index + lane, record, known[place_of(record)])


def _against_time(
    records: Sequence[Record],
    names: Mapping[Group, str],
    label: float,
    scale: _Scale,
    known: Mapping[str, Sign],
    page: Page,
    top: float,
) -> None:
    """Error over limit against the time, in times of the baseline's: axes for every group."""
    ends = padded([record["ratio"] for record in records], 1.3)
    for group, left, wide in _columns(names, label, page.width):
        axes = page.axes(left, top, wide, HIGH)
        axes.set(xscale="log", xlim=ends, ylim=scale.ends)
        axes.minorticks_off()
        _limit(axes, scale, upright=False)
        axes.axvline(1, color=QUIET, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        ticks = sorted({1.0, *log_ticks(*ends)})
        axes.set_xticks(ticks, labels=[f"{compact(tick)}x" for tick in ticks])
        words = [text if group == next(iter(names)) else "" for _, text in scale.ticks]
        axes.set_yticks([at for at, _ in scale.ticks], labels=words)
        baselines = sorted({str(r["baseline"]) for r in records if group_of(r) == group})
        whose = " or ".join(place.removesuffix("@cpu") for place in baselines)
        _below(axes, f"time over that of {whose}", HIGH)
        for record in records:
            if group_of(record) == group:
                at = scale.place(_share(record))
                _point(axes, record["ratio"], at, record, known[place_of(record)])


def _limit(axes: Axes, scale: _Scale, *, upright: bool) -> None:
    """Where errors reach their limit, and what is beyond."""
    span, line = (axes.axvspan, axes.axvline) if upright else (axes.axhspan, axes.axhline)
    span(0, scale.ends[1], color=BEYOND, linewidth=0, zorder=0)
    line(0, color=ALARM, linewidth=0.9, zorder=1)


def _below(axes: Axes, text: str, high: float) -> None:
    """What the axis at the foot of axes of so many inches says."""
    across = axes.transAxes
    write(axes, 0.5, -0.3 / high, text, size=SMALL, colour=QUIET, ha="center", transform=across)


def _point(axes: Axes, x: float, y: float, record: Record, sign: Sign) -> None:
    axes.plot([x], [y], color=sign.colour, marker=sign.marker, markersize=3.6, zorder=3)
    if record["agrees"] is False:
        ring: dict[str, Any] = {
            "marker": "o",
            "markersize": 8,
            "markerfacecolor": "none",
            "markeredgewidth": 1.1,
        }
        axes.plot([x], [y], color=ALARM, zorder=4, **ring)
        text = f"{status_word('wrong')}   "
        write(axes, x, y, text, size=SMALL, colour=ALARM, bold=True, ha="right")


def _legend(judged: Sequence[Record], records: Sequence[Record], scale: _Scale) -> Iterator[str]:
    yield "line: the limit, from which on a result is wrong · a point for every size"
    shares = list(map(_share, judged))
    low, high = compact(10.0**scale.low), compact(10.0**scale.high)
    edges = {
        "left edge: zero": shares.count(0),
        f"left edge: below {low}": sum(0 < share < 10.0**scale.low for share in shares),
        f"right edge: above {high}": sum(10.0**scale.high < share < math.inf for share in shares),
        "right edge: not finite, or not to be told": shares.count(math.inf),
    }
    for where, count in edges.items():
        if count:
            yield f"{where} ({count} case{'s' * (count != 1)})"
    yield from absences(records)
