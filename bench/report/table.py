"""Which table is asked for: a summary in any of the formats."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.console import Console

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.report.latex import WIDTH, as_latex
from xpbench.bench.report.markdown import as_markdown
from xpbench.bench.report.metrics import METRICS
from xpbench.bench.report.overall import Overall
from xpbench.bench.report.records import as_csv, as_json, as_parquet, records
from xpbench.bench.report.scaling import scaling, scaling_sheet
from xpbench.bench.report.sheet import Part, sheet
from xpbench.bench.report.terminal import as_rich

__all__ = ["FORMATS", "METRICS", "SCALING", "plain", "render", "render_scaling"]

SCALING = "scaling"
"""The metric of ``render_scaling``: it needs the forks of every size, which no summary has."""

_DATA = {"csv": as_csv, "json": as_json, "parquet": as_parquet}
_COMPARISONS = {"rich": as_rich, "md": as_markdown, "latex": as_latex}
FORMATS = ("rich", "md", "csv", "json", "latex", "parquet")


def render(
    frame: pd.DataFrame,
    fmt: str,
    *,
    metric: str = "latency",
    width: int = 80,
    overall: Sequence[Overall] = (),
    closing: Sequence[Part] = (),
) -> Any:
    """A summary (see ``summary.summarise``) in the format ``fmt``.

    ``csv``, ``json`` (text) and ``parquet`` (bytes) hold every column of every case. ``rich`` (what
    a rich console prints), ``md`` and ``latex`` (text) compare: a row per kernel and size, a column
    per backend, with ``metric`` in the cells, and under it the verdict against the baseline, where
    ``metric`` is ``latency``; then, where there are any, the ``overall`` figures of the same runs
    (see ``overall.overall``), and the parts ``closing``. ``rich`` keeps to ``width`` characters, and
    ``latex`` to what fits on a page.

    Raises
    ------
    XpbenchError
        If ``fmt`` or ``metric`` is none of ``FORMATS`` or ``METRICS``, or pyarrow is missing.
    """
    if fmt not in FORMATS:
        raise XpbenchError(f"format {fmt!r}: expected one of {', '.join(FORMATS)}")
    if metric not in METRICS:
        raise XpbenchError(f"metric {metric!r}: expected one of {', '.join(METRICS)}")
    if fmt in _DATA:
        return _DATA[fmt](frame)
    shown = sheet(records(frame), metric, _room(fmt, width), overall, closing)
    return _COMPARISONS[fmt](shown)


def plain(
    frame: pd.DataFrame,
    *,
    metric: str = "latency",
    width: int = 80,
    overall: Sequence[Overall] = (),
    closing: Sequence[Part] = (),
) -> str:
    """The ``rich`` comparison as text without colours, e.g. for a file."""
    shown = render(frame, "rich", metric=metric, width=width, overall=overall, closing=closing)
    return _without_colours(shown, width)


def render_scaling(runs: Sequence[Run], fmt: str, width: int = 80) -> Any:
    """How times grow with sizes in ``runs`` (see ``scaling.scaling``): for a rich console (``rich``), as
    text of the same (``plain``), ``md``, ``latex``, or ``json``, an object for each exponent.

    Raises
    ------
    XpbenchError
        If ``fmt`` is none of these.
    """
    known = (*_COMPARISONS, "plain", "json")
    if fmt not in known:
        raise XpbenchError(
            f"--metric {SCALING} has no format {fmt!r}: expected one of {', '.join(known)}"
        )
    found = scaling(runs)
    if fmt == "json":
        return json.dumps([asdict(exponent) for exponent in found], indent=1, allow_nan=False)
    if fmt == "plain":
        return _without_colours(as_rich(scaling_sheet(found, width)), width)
    return _COMPARISONS[fmt](scaling_sheet(found, _room(fmt, width)))


def _room(fmt: str, width: int) -> int | None:
    """The characters of a line: those of a terminal, of a page, or any number."""
    return {"rich": width, "latex": WIDTH}.get(fmt)


def _without_colours(renderable: Any, width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, legacy_windows=False)
    console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
