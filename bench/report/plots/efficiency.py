"""How much of several devices does a kernel use, for the same work and for work that grows with them?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from xpbench.bench.efficiency import Efficiency, Kind, efficiencies
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.layout import grouped
from xpbench.bench.report.plots.style import (
    MARGIN,
    QUIET,
    SMALL,
    Page,
    Sign,
    Strip,
    extent,
    gap,
    key,
    padded,
    paragraph,
    shortened,
    signs,
    write,
)
from xpbench.bench.report.quantities import percent
from xpbench.bench.report.records import visible
from xpbench.bench.report.selection import Selection
from xpbench.bench.report.sheet import GATHERED
from xpbench.bench.report.summary import run_names

PANEL, HIGH = 2.15, 1.25
"""The least width of a panel with its labels, and the height of its axes, in inches."""
LEFT, ABOVE, BELOW = 0.42, 0.36, 0.34
"""What is left for labels around the axes, in inches."""
KINDS: tuple[Kind, ...] = ("strong", "weak")


@dataclass(frozen=True)
class _Panel:
    """A kernel at a size of a run, with what tells it from others of the run, and its efficiencies."""

    kernel: str
    detail: str
    members: tuple[Efficiency, ...]

    @property
    def gathered(self) -> bool:
        return any(one.gathered for one in self.members)


def efficiency_panels(shown: Selection, width: float) -> list[Strip]:
    """A panel for every kernel and size that was timed on one device and on several: a line for strong
    and one for weak efficiency, with intervals, and one for what the processors allow.

    Raises
    ------
    XpbenchError
        If nothing was timed on one device and on several.
    """
    panels = list(_panels(shown))
    if not panels:
        raise XpbenchError(
            "nothing to draw: nothing was timed on one device and on several; measure with "
            "`xpbench scaling`"
        )
    known = signs(KINDS)
    count = max(1, int((width - 2 * MARGIN) / PANEL))
    strips = [key(known, width, dashed=True), gap(0.1)]
    for start in range(0, len(panels), count):
        row = panels[start : start + count]
        strips.append(Strip(ABOVE + HIGH + BELOW, partial(_row, row, count, known)))
    return [*strips, gap(0.05), *paragraph(" · ".join(_legend(panels)), width)]


def _panels(shown: Selection) -> Iterator[_Panel]:
    several = len(shown.runs) > 1
    for run, name in zip(shown.runs, run_names(shown.runs), strict=True):
        found = [one for one in efficiencies(run) if one.value is not None]
        dtypes = len({one.one.dtype for one in found}) > 1
        for one, members in grouped(found, lambda found: found.one).items():
            words = [*([name] if several else []), one.size_text, *([one.dtype] if dtypes else [])]
            yield _Panel(visible(one.kernel), visible(" · ".join(words)), tuple(members))


def _row(row: Sequence[_Panel], count: int, known: Mapping[str, Sign], page: Page, top: float) -> None:
    each = (page.width - 2 * MARGIN) / count
    for index, panel in enumerate(row):
        left = MARGIN + index * each
        mark = f" {GATHERED}" if panel.gathered else ""
        title = shortened(panel.kernel, each - 0.15 - extent(mark, bold=True), bold=True) + mark
        write(page.sheet, left + 0.05, top + 0.1, title, bold=True)
        detail = shortened(panel.detail, each - 0.15, SMALL)
        write(page.sheet, left + 0.05, top + 0.25, detail, size=SMALL, colour=QUIET)
        _draw(page.axes(left + LEFT, top + ABOVE, each - LEFT - 0.12, HIGH), panel, known)


def _draw(axes: Axes, panel: _Panel, known: Mapping[str, Sign]) -> None:
    counts = sorted({1, *(one.devices for one in panel.members)})
    highest = max([1.0, *(one.high or one.value or 0.0 for one in panel.members)])
    axes.set(xscale="log", xlim=padded(counts, 1.2), ylim=(0, 1.08 * highest))
    axes.minorticks_off()
    axes.set_xticks(counts, labels=[str(count) for count in counts])
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    axes.set_yticks(ticks, labels=[percent(tick) for tick in ticks])
    axes.grid(axis="y", color="#ececec", linewidth=0.5)
    axes.set_axisbelow(True)
    write(axes, 1.0, -0.2, "devices", size=SMALL, colour=QUIET, ha="right", transform=axes.transAxes)
    bounds = {one.devices: one.ideal for one in panel.members} | {1: 1.0}
    axes.plot(counts, [bounds[count] for count in counts], color="#9aa0a6", linewidth=0.6)
    for kind in KINDS:
        _line(axes, sorted(_of(kind, panel), key=lambda one: one.devices), known[kind])


def _of(kind: Kind, panel: _Panel) -> Iterator[Efficiency]:
    return (one for one in panel.members if one.kind == kind)


def _line(axes: Axes, members: Sequence[Efficiency], sign: Sign) -> None:
    if not members:
        return
    axes.plot(
        [1, *(one.devices for one in members)],
        [1.0, *(one.value or math.nan for one in members)],
        color=sign.colour,
        linestyle=sign.dash,
        linewidth=1.2,
        marker=sign.marker,
        markersize=3.6,
        markeredgewidth=0.0,
    )
    judged = [one for one in members if one.low is not None and one.high is not None]
    axes.vlines(
        [one.devices for one in judged],
        [one.low or 0.0 for one in judged],
        [one.high or 0.0 for one in judged],
        color=sign.colour,
        alpha=0.35,
        linewidth=3.0,
    )


def _legend(panels: Sequence[_Panel]) -> Iterator[str]:
    members = [one for panel in panels for one in panel.members]
    yield "efficiency: times as fast as one device, over the devices"
    if any(one.speedup for one in members):
        yield "bars: 95% intervals of the pairs of forks"
    if any(one.kind == "weak" for one in members):
        yield "weak: by the operations that the larger size really has"
    if any(one.ideal < 1 for one in members):
        yield "thin: what the processors allow, which the devices share"
    if any(panel.gathered for panel in panels):
        yield f"{GATHERED} gathers an array as large as an input on a device"
