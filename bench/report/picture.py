"""The terminal's table as a picture that needs no terminal: an SVG without a request to anywhere."""

import io
import re
from collections.abc import Sequence

import pandas as pd
from rich.console import Console, RenderableType

from xpbench.bench.report.overall import Overall
from xpbench.bench.report.table import render


def as_svg(
    frame: pd.DataFrame,
    *,
    metric: str = "latency",
    width: int = 80,
    title: str = "xpbench run",
    overall: Sequence[Overall] = (),
) -> str:
    """The table of ``frame`` as a terminal of ``width`` columns shows it."""
    return drawn(render(frame, "rich", metric=metric, width=width, overall=overall), width, title)


def drawn(what: RenderableType, width: int, title: str) -> str:
    """What rich prints, as a terminal of ``width`` columns shows it."""
    console = Console(
        width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(what)
    svg = console.export_svg(title=title)
    # The template names fonts by address; a picture in a README must load nothing.
    return re.sub(r"@font-face\s*\{[^}]*\}", "", svg).replace(
        "Fira Code", "DejaVu Sans Mono, Menlo, Consolas"
    )
