"""Which table is asked for: a summary in any of the formats."""

import io
from typing import Any

import pandas as pd
from rich.console import Console

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.latex import as_latex
from xpbench.bench.report.markdown import as_markdown
from xpbench.bench.report.records import as_csv, as_json, as_parquet, records
from xpbench.bench.report.sheet import METRICS, sheet
from xpbench.bench.report.terminal import as_rich

__all__ = ["FORMATS", "METRICS", "plain", "render"]

_DATA = {"csv": as_csv, "json": as_json, "parquet": as_parquet}
_COMPARISONS = {"rich": as_rich, "md": as_markdown, "latex": as_latex}
FORMATS = ("rich", "md", "csv", "json", "latex", "parquet")


def render(frame: pd.DataFrame, fmt: str, *, metric: str = "latency", width: int = 80) -> Any:
    """A summary (see ``summary.summarise``) in the format ``fmt``.

    ``csv``, ``json`` (text) and ``parquet`` (bytes) hold every column of every case. ``rich`` (what
    a rich console prints), ``md`` and ``latex`` (text) compare: a row per kernel and size, a column
    per backend, with ``metric`` in the cells, and under it the verdict against the baseline, where
    ``metric`` is ``latency``. Only ``rich`` keeps to ``width`` characters.

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
    return _COMPARISONS[fmt](sheet(records(frame), metric, width if fmt == "rich" else None))


def plain(frame: pd.DataFrame, *, metric: str = "latency", width: int = 80) -> str:
    """The ``rich`` comparison as text without colours, e.g. for a file."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, legacy_windows=False)
    console.print(render(frame, "rich", metric=metric, width=width))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
