"""Which picture is asked for: stored runs drawn in any of the kinds, in any of the formats."""

from collections.abc import Callable

from xpbench.bench.report.plots.agreement import agreement
from xpbench.bench.report.plots.efficiency import efficiency_panels
from xpbench.bench.report.plots.heading import heading
from xpbench.bench.report.plots.heatmap import heatmap
from xpbench.bench.report.plots.roofline import roofline
from xpbench.bench.report.plots.scaling import scaling_panels
from xpbench.bench.report.plots.style import FORMATS, Strip, drawn, settings
from xpbench.bench.report.selection import Selection

__all__ = ["FORMATS", "KINDS", "picture"]

KINDS: dict[str, tuple[Callable[[Selection, float], list[Strip]], str]] = {
    "heatmap": (heatmap, "time of one call against BASELINE"),
    "scaling": (scaling_panels, "time of one call over the size"),
    "roofline": (roofline, "operations a second under the measured roofs"),
    "agreement": (agreement, "agreement with the oracle"),
    "efficiency": (efficiency_panels, "how much of several devices is used"),
}
"""What ``--kind`` accepts: who draws it, and what it shows, against whom if that matters."""


def picture(shown: Selection, kind: str, form: str, width: float, title: str | None = None) -> bytes:
    """A picture of a kind among ``KINDS``, ``width`` inches wide, in one of ``FORMATS``.

    The same runs give the same bytes, with the same versions of matplotlib and its libraries.

    Raises
    ------
    XpbenchError
        If there is nothing of that kind to draw, or the picture is too large for its format.
    """
    draw, what = KINDS[kind]
    known = {str(record["baseline"]) for record in shown.records if record["baseline"] is not None}
    names = " or ".join(sorted(place.removesuffix("@cpu") for place in known))
    what = what.replace("BASELINE", names or "no baseline, for none was timed")
    with settings():
        body = draw(shown, width)
        return drawn([*heading(shown.runs, shown.records, what, title, width), *body], width, form)
