"""How far is every case from what its device can do at most, and what holds it back?

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52 (2009).
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.layout import grouped, place_of
from xpbench.bench.report.metrics import BEYOND, above_roof
from xpbench.bench.report.plots.heading import absences
from xpbench.bench.report.plots.style import (
    ALARM,
    HEAD,
    INK,
    MARGIN,
    PAPER,
    QUIET,
    SMALL,
    Page,
    Sign,
    Strip,
    extent,
    gap,
    key,
    log_ticks,
    paragraph,
    shortened,
    signs,
    write,
)
from xpbench.bench.report.quantities import compact, rate
from xpbench.bench.report.records import Record, visible
from xpbench.bench.report.selection import Selection, is_timed
from xpbench.bench.report.summary import run_names
from xpbench.bench.roofline import Key, Peak, peaks

HIGH, ABOVE, BELOW, LEFT, APART = 3.7, 0.25, 0.4, 0.75, 0.15
"""The height of the axes, and what is left for labels around them and between panels, in inches."""
LABELS = 1.4
"""The room for names at the foot of the axes, in inches."""
MOST_NAMED = 24
"""More cases than this are not named, for their names would cover one another."""
HOLLOW = ("cache", "dispatch")
"""What binds a case that has no percentage of its roof."""

_Place = tuple[str, Key]
"""A run and the key of one of its roofs."""


@dataclass(frozen=True)
class _Point:
    record: Record
    intensity: float
    flops_per_s: float


def roofline(shown: Selection, width: float) -> list[Strip]:
    """A panel for every device, dtype, thread count and precision whose roof a run measured: operations
    a second over operations a compulsory byte, a point for every case that has both.

    Raises
    ------
    XpbenchError
        If no roof was measured, or no case stands under one.
    """
    roofs = {
        (visible(name), key_): peak
        for run, name in zip(shown.runs, run_names(shown.runs), strict=True)
        for key_, peak in peaks(run.roofs).items()
        if peak.matmul_flops and peak.reused_bytes
    }
    if not roofs:
        raise XpbenchError(
            "nothing to draw: no roof was measured; --roofs does, and so do four forks or more"
        )
    timed = list(filter(is_timed, shown.records))
    points = grouped([p for r in timed if (p := _point(r)) and _under(r) in roofs], _of)
    if not points:
        raise XpbenchError(
            "nothing to draw: no case has operations and bytes to count and the roof of the dtype it "
            "computes in; xpbench table --metric roof tells what binds the others"
        )
    places = {place_of(point.record) for some in points.values() for point in some}
    known = {place: sign for place, sign in signs(shown.places).items() if place in places}
    count = min(len(points), max(1, int(width / 4.2)))
    strips = [key(known, width), gap(0.08)]
    panels = list(points.items())
    for start in range(0, len(panels), count):
        row = [(place, some, roofs[place]) for place, some in panels[start : start + count]]
        draw = partial(_row, row, count, known, _titles(list(points)))
        strips.append(Strip(ABOVE + HIGH + BELOW, draw))
    left_out = len(timed) - sum(map(len, points.values()))
    every = [point.record for some in points.values() for point in some]
    words = " · ".join(_legend(every, left_out, shown.records))
    return [*strips, gap(0.05), *paragraph(words, width)]


def _point(record: Record) -> _Point | None:
    # The fraction of the roof is by the device's own clock too, where that is known.
    seconds = record["device_s"] or record["kernel_s"] or record["time_s"]
    if record["intensity"] is None or record["flops"] is None:
        return None
    return _Point(record, record["intensity"], record["flops"] / seconds)


def _under(record: Record) -> _Place:
    """The roof that a case stands under."""
    dtype = record["compute_dtype"] or record["dtype"]
    return record["run"], (record["device"], dtype, record["threads"], record["precision"])


def _of(point: _Point) -> _Place:
    return _under(point.record)


def _titles(places: Sequence[_Place]) -> dict[_Place, str]:
    """The device of every roof, and where there are several, what tells them from one another."""
    several = len({run for run, _ in places}) > 1
    titles = {}
    for run, (device, dtype, threads, precision) in places:
        words = [device, dtype, f"{threads} thread{'s' * (threads != 1)}", precision]
        shown = words if len(places) > 1 else words[:1]
        titles[run, (device, dtype, threads, precision)] = " · ".join([run, *shown][not several :])
    return titles


def _row(
    row: Sequence[tuple[_Place, Sequence[_Point], Peak]],
    count: int,
    known: Mapping[str, Sign],
    titles: Mapping[_Place, str],
    page: Page,
    top: float,
) -> None:
    each = (page.width - 2 * MARGIN) / count
    for index, (place, points, peak) in enumerate(row):
        left = MARGIN + index * each
        title = shortened(titles[place], each - LEFT, HEAD, True)
        write(page.sheet, left + LEFT, top + ABOVE / 2, title, size=HEAD, bold=True)
        wide = each - LEFT - APART
        _draw(page.axes(left + LEFT, top + ABOVE, wide, HIGH), points, peak, known, wide)


def _draw(
    axes: Axes, points: Sequence[_Point], peak: Peak, known: Mapping[str, Sign], wide: float
) -> None:
    flops, moved = peak.matmul_flops or 0.0, peak.reused_bytes or 0.0
    ridge = flops / moved
    left = min(ridge / 8, *(point.intensity / 2 for point in points))
    right = max(ridge * 8, *(point.intensity * 2 for point in points))
    highest = max(flops, *(point.flops_per_s for point in points)) * 2
    lowest = min(left * moved, *(point.flops_per_s / 1.6 for point in points))
    named = _stacks(points)
    foot = LABELS / HIGH if named else 0.0
    # The points are above the room for names, which takes a share of the log axis.
    bottom = highest / (highest / lowest) ** (1 / (1 - foot))
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, highest))
    axes.minorticks_off()
    ticks = log_ticks(left, right)
    axes.set_xticks(ticks, labels=[compact(tick) for tick in ticks])
    ticks = log_ticks(lowest, highest)
    axes.set_yticks(ticks, labels=[re.sub(r"\.0+ ", " ", rate(tick, "flop")) for tick in ticks])
    axes.grid(color="#ececec", linewidth=0.5)
    axes.set_axisbelow(True)
    text, across = "operations a compulsory byte", axes.transAxes
    write(axes, 0.5, -0.08, text, colour=QUIET, ha="center", transform=across)
    _roofs(axes, peak, (left, right), wide)
    for point in points:
        sign = known[place_of(point.record)]
        hollow = point.record["bound"] in HOLLOW
        axes.plot(
            [point.intensity],
            [point.flops_per_s],
            color=sign.colour,
            marker=sign.marker,
            markersize=4.6 if named else 3.4,
            markerfacecolor=PAPER if hollow else sign.colour,
            markeredgewidth=0.9 if named else 0.7,
            zorder=3,
        )
        if above_roof(point.record):
            above = f" {BEYOND}"
            write(axes, point.intensity, point.flops_per_s, above, size=HEAD, colour=ALARM, bold=True)
    _name(axes, named, (left, right), (bottom, highest), wide)


def _roofs(axes: Axes, peak: Peak, across: tuple[float, float], wide: float) -> None:
    flops, moved = peak.matmul_flops or 0.0, peak.reused_bytes or 0.0
    left, right = across
    ridge = flops / moved
    axes.plot([left, ridge, right], [left * moved, flops, flops], color=INK, linewidth=1.2)
    by = f"compute {rate(flops, 'flop')} ({visible(peak.matmul_by)})"
    write(axes, right, flops * 1.08, f"{by} ", size=SMALL, colour=INK, ha="right", va="bottom")
    bottom, top = axes.get_ylim()
    # A rate of bytes has slope one on logs; on paper it is that of the axes.
    steep = (HIGH / math.log10(top / bottom)) / (wide / math.log10(right / left))
    turned: dict[str, Any] = {
        "rotation": math.degrees(math.atan(steep)),
        "rotation_mode": "anchor",
        "va": "bottom",
    }
    by = f" memory {rate(moved, 'B')} ({visible(peak.reused_by)})"
    start = left * 1.15
    write(axes, start, start * moved * 1.1, by, size=SMALL, colour=INK, **turned)
    if peak.fresh_bytes and peak.fresh_bytes < moved:
        fresh, end = peak.fresh_bytes, flops / peak.fresh_bytes
        ends = ([left, end], [left * fresh, flops])
        axes.plot(*ends, color=QUIET, linewidth=0.7, linestyle=(0, (4, 2)))


def _stacks(points: Sequence[_Point]) -> list[tuple[str, float, float]]:
    """The name of every kernel and size with its intensity and its lowest point, from left to right."""
    cases = grouped(points, lambda p: (p.record["kernel"], p.record["size"]))
    if len(cases) > MOST_NAMED:
        return []
    stacks = [
        (
            f"{kernel} {some[0].record['size_name'] or size}",
            some[0].intensity,
            min(point.flops_per_s for point in some),
        )
        for (kernel, size), some in cases.items()
    ]
    return sorted(stacks, key=lambda stack: stack[1])


def _name(
    axes: Axes,
    stacks: Sequence[tuple[str, float, float]],
    across: tuple[float, float],
    along: tuple[float, float],
    wide: float,
) -> None:
    """Names at the foot of the axes, apart from one another, with thin lines to their points."""
    inch = math.log(across[1] / across[0]) / wide
    places = [math.log(x / across[0]) / inch for _, x, _ in stacks]
    places = _apart(places, 0.115, wide)
    high = math.log(along[1] / along[0])
    for (name, x, lowest), inches in zip(stacks, places, strict=True):
        at = across[0] * math.exp(inches * inch)
        text = shortened(name, LABELS - 0.1, SMALL)
        start = along[0] * math.exp(high * (0.05 + extent(text, SMALL)) / HIGH)
        knee = along[0] * math.exp(high * LABELS / HIGH)
        axes.plot(
            [at, at, x, x], [start, min(knee, lowest), lowest, lowest], color="#b9bec5", linewidth=0.5
        )
        foot = along[0] * math.exp(high * 0.03 / HIGH)
        write(axes, at, foot, text, size=SMALL, colour=QUIET, rotation=90, ha="center", va="bottom")


def _apart(places: Sequence[float], least: float, end: float) -> list[float]:
    """Ascending ``places``, moved to be ``least`` from one another and before ``end``."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + least if moved else least))
    limit = end - least / 2
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - least
    return moved


def _legend(shown: Sequence[Record], left_out: int, records: Sequence[Record]) -> Iterator[str]:
    yield "roofs: the best matrix product and the best bandwidth that the run saw"
    yield "dashed: bandwidth with a fresh output"
    if any(record["bound"] in HOLLOW for record in shown):
        yield "hollow: bound by the cache or by dispatch, no roof holds"
    if any(above_roof(record) for record in shown):
        yield f"{BEYOND} above its roof: the roof was measured too low, or the cost model is at fault"
    if left_out:
        yield f"{left_out} more: no operations to count, or no roof of the dtype they compute in"
    yield from absences(records)
