"""How does a time grow with the size, on every backend, and how should it by the cost model?"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.layout import grouped, place_of
from xpbench.bench.report.plots.heading import Group, captions, group_of
from xpbench.bench.report.plots.style import (
    HEAD,
    INK,
    MARGIN,
    QUIET,
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
from xpbench.bench.report.quantities import compact, duration, percent, significant
from xpbench.bench.report.records import Record, visible
from xpbench.bench.report.scaling import MEAN, Exponent, abscissa, power, scaling, varying
from xpbench.bench.report.selection import Selection, is_timed
from xpbench.bench.report.sheet import has_chapters, status_word

PANEL, HIGH = 2.15, 1.25
"""The least width of a panel with its labels, and the height of its axes, in inches."""
LEFT, ABOVE, BELOW = 0.5, 0.24, 0.34
"""What is left for labels around the axes, in inches."""
UNDER = 1.8
"""The guide of the cost model runs under the fastest time by this factor."""


@dataclass(frozen=True)
class _Panel:
    """A kernel in a group: its ``cases``, by the geometric mean of those ``keys`` of a size that differ,
    and the exponent that says how its cost model grows.
    """

    kernel: str
    chapter: str
    group: Group
    keys: tuple[str, ...]
    cases: tuple[tuple[float, Record], ...]
    model: Exponent

    @property
    def times(self) -> list[float]:
        """All times and the ends of their intervals, in seconds."""
        figures = ("time_s", "time_low_s", "time_high_s")
        timed = [record for _, record in self.cases if is_timed(record)]
        return [record[name] for record in timed for name in figures if record[name] is not None]


def scaling_panels(shown: Selection, width: float) -> list[Strip]:
    """A panel for every kernel that was timed at two sizes, those of its groups side by side: a line for
    every backend with the intervals of its times, and the slope of the cost model.

    Raises
    ------
    XpbenchError
        If no kernel was timed at two sizes.
    """
    panels = list(_panels(shown))
    if not panels:
        raise XpbenchError(
            "nothing to draw: no kernel was timed at two sizes; measure with --size small --size medium"
        )
    places = {place_of(record) for panel in panels for _, record in panel.cases}
    known = {place: sign for place, sign in signs(shown.places).items() if place in places}
    groups = len({panel.group for panel in panels})
    count = max(1, int((width - 2 * MARGIN) / PANEL))
    count -= count % groups if groups <= count else 0
    names = captions(panel.group for panel in panels)
    strips = [key(known, width, dashed=True), gap(0.1)]
    divided = has_chapters(shown.records)
    for chapter, members in grouped(panels, lambda p: p.chapter if divided else "").items():
        if divided:
            strips += paragraph(chapter, width, size=HEAD, colour=INK, bold=True)
        for start in range(0, len(members), count):
            row = [(panel, _limits(panel, members)) for panel in members[start : start + count]]
            draw = partial(_row, row, count, known, names)
            strips.append(Strip(ABOVE + HIGH + BELOW, draw))
    return [*strips, gap(0.05), *paragraph(" · ".join(_legend(panels)), width)]


def _panels(shown: Selection) -> Iterator[_Panel]:
    exponents = grouped(
        scaling(shown.runs),
        lambda e: ((visible(e.run), e.dtype, e.threads, e.precision), visible(e.kernel)),
    )
    sizes = {visible(m.case.size_text): m.case.size for run in shown.runs for m in run.measurements}
    kernels = grouped(shown.records, lambda record: record["kernel"])
    for kernel, of_kernel in kernels.items():
        for group, members in grouped(of_kernel, group_of).items():
            fitted = exponents.get((group, kernel), [])
            wanted = dict.fromkeys(visible(size) for exponent in fitted for size in exponent.sizes)
            keys = varying(sizes[size] for size in wanted)
            cases = [(abscissa(sizes[r["size"]], keys), r) for r in members if r["size"] in wanted]
            if any(is_timed(record) for _, record in cases):
                chapter = str(members[0]["chapter"] or "other kernels").replace("_", " ")
                model = max(fitted, key=lambda exponent: len(exponent.sizes))
                ordered = sorted(cases, key=lambda case: case[0])
                yield _Panel(kernel, chapter, group, keys, tuple(ordered), model)


def _limits(panel: _Panel, panels: Sequence[_Panel]) -> tuple[float, float]:
    """The times that the panels of a kernel have in common."""
    same = [other for other in panels if other.kernel == panel.kernel]
    low, high = padded([time for other in same for time in other.times], 1.35)
    absent = max(len(_absent(other)) for other in same)
    return low, high * (high / low) ** (0.13 * absent)


def _absent(panel: _Panel) -> Mapping[tuple[str, str], Sequence[tuple[float, Record]]]:
    """The cases that have no time, by backend and by the reason."""
    cases = [case for case in panel.cases if case[1]["status"] != "ok"]
    return grouped(cases, lambda case: (place_of(case[1]), case[1]["status"]))


def _row(
    row: Sequence[tuple[_Panel, tuple[float, float]]],
    count: int,
    known: Mapping[str, Sign],
    names: Mapping[Group, str],
    page: Page,
    top: float,
) -> None:
    each = (page.width - 2 * MARGIN) / count
    for index, (panel, limits) in enumerate(row):
        left = MARGIN + index * each
        _title(page, panel, names[panel.group], left, top, each)
        _draw(page.axes(left + LEFT, top + ABOVE, each - LEFT - 0.12, HIGH), panel, limits, known)


def _title(page: Page, panel: _Panel, caption: str, left: float, top: float, width: float) -> None:
    name = shortened(panel.kernel, width - 0.15, bold=True)
    write(page.sheet, left + 0.05, top + ABOVE - 0.1, name, bold=True)
    room = width - extent(name, bold=True) - 0.25
    if caption and room > 0.3:
        text = shortened(caption, room, SMALL)
        right, y = left + width - 0.12, top + ABOVE - 0.1
        write(page.sheet, right, y, text, size=SMALL, colour=QUIET, ha="right")


def _draw(axes: Axes, panel: _Panel, limits: tuple[float, float], known: Mapping[str, Sign]) -> None:
    abscissas = sorted({x for x, _ in panel.cases})
    axes.set(xscale="log", yscale="log", xlim=padded(abscissas, 1.3), ylim=limits)
    axes.minorticks_off()
    ticks = log_ticks(*limits, most=5)
    axes.set_yticks(ticks, labels=[re.sub(r"\.0+ ", " ", duration(tick)) for tick in ticks])
    axes.set_xticks(abscissas, labels=[_tick(panel, x) for x in abscissas])
    axes.grid(axis="y", color="#ececec", linewidth=0.5)
    axes.set_axisbelow(True)
    write(
        axes,
        1.0,
        -0.2,
        shortened(", ".join(map(visible, panel.keys)), 1.6, SMALL),
        size=SMALL,
        colour=QUIET,
        ha="right",
        transform=axes.transAxes,
    )
    _guide(axes, panel, abscissas)
    for place, records in grouped(panel.cases, lambda case: place_of(case[1])).items():
        _line(axes, [(x, r) for x, r in records if is_timed(r)], known[place])
    for row, ((place, status), members) in enumerate(_absent(panel).items()):
        _without_time(axes, abscissas, [x for x, _ in members], row, known[place], status_word(status))


def _without_time(
    axes: Axes, abscissas: Sequence[float], where: Sequence[float], row: int, sign: Sign, word: str
) -> None:
    """At the top of a panel, signs at the sizes that have no time, and the word that says why."""
    y, across = 0.95 - 0.1 * row, axes.get_xaxis_transform()
    for x in where:
        axes.plot([x], [y], color=sign.colour, marker=sign.marker, markersize=3.2, transform=across)
    text, side = (f"  {word}", "left") if where[0] == abscissas[0] else (f"{word}  ", "right")
    write(axes, where[0], y, text, size=SMALL, colour=QUIET, ha=side, transform=across)


def _line(axes: Axes, points: Sequence[tuple[float, Record]], sign: Sign) -> None:
    axes.plot(
        [x for x, _ in points],
        [record["time_s"] for _, record in points],
        color=sign.colour,
        linestyle=sign.dash,
        linewidth=1.2,
        marker=sign.marker,
        markersize=3.6,
        markeredgewidth=0.0,
    )
    judged = [(x, r) for x, r in points if r["time_low_s"] is not None]
    axes.fill_between(
        [x for x, _ in judged],
        [record["time_low_s"] for _, record in judged],
        [record["time_high_s"] for _, record in judged],
        color=sign.colour,
        alpha=0.18,
        linewidth=0,
    )


def _guide(axes: Axes, panel: _Panel, abscissas: Sequence[float]) -> None:
    """A thin line as steep as the operations or else the bytes grow, whatever time they take."""
    exponent = panel.model.flops if panel.model.flops is not None else panel.model.traffic
    last = [r["time_s"] for x, r in panel.cases if x == abscissas[-1] and is_timed(r)]
    if exponent is None or not last or set(panel.model.keys) != set(panel.keys):
        return
    end = min(last) / UNDER
    line = [end * (x / abscissas[-1]) ** exponent for x in abscissas]
    axes.plot(abscissas, line, color="#9aa0a6", linewidth=0.6)
    unit = "flops" if panel.model.flops is not None else "bytes"
    text = f"{power(panel.model, exponent)} {unit}"
    write(axes, 0.99, 0.06, text, size=SMALL, colour=QUIET, ha="right", transform=axes.transAxes)


def _tick(panel: _Panel, value: float) -> str:
    """The value of the key that differs; of several, the name of the size, or else their mean."""
    names = {record["size_name"] for x, record in panel.cases if x == value}
    if len(panel.keys) > 1 and len(names) == 1 and (name := names.pop()):
        return str(name)
    if value >= 1e5:
        return compact(value)
    return f"{value:.0f}" if value == math.floor(value) else significant(value)


def _legend(panels: Sequence[_Panel]) -> Iterator[str]:
    yield "median of the forks of one call"
    judged = [r for panel in panels for _, r in panel.cases if r["time_level"] is not None]
    if levels := sorted({percent(record["time_level"]) for record in judged}):
        yield f"bands: {' or '.join(levels)} intervals of the median"
    yield "thin: as steep as the cost model, no prediction of a time"
    if any(len(panel.keys) > 1 for panel in panels):
        yield f"{MEAN}: the geometric mean of several keys of a size"
    if any(_absent(panel) for panel in panels):
        yield "at the top: what has no time, and why"
