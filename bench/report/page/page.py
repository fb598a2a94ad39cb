"""How do stored runs become one file that a browser opens?"""

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

import xpbench
from xpbench.bench.journal import Run
from xpbench.bench.report.cost_table import cost_sheet
from xpbench.bench.report.efficiency_table import efficiency_sheet
from xpbench.bench.report.layout import grouped
from xpbench.bench.report.overall import overall
from xpbench.bench.report.page.content import content
from xpbench.bench.report.provenance import Fact, library_versions, provenance
from xpbench.bench.report.records import records, visible
from xpbench.bench.report.sheet import prepared
from xpbench.bench.report.summary import run_names, summarise
from xpbench.bench.report.verdict import verdicts

D3, PLOT = "7.9.0", "0.6.17"
"""The versions that lie in the folder ``vendor``, with their licences."""

_FOLDER = Path(__file__).parent
_LIBRARIES = (f"vendor/d3-{D3}.min.js", f"vendor/plot-{PLOT}.umd.min.js")
_LICENCES = ("vendor/d3-LICENSE.txt", "vendor/plot-LICENSE.txt")
_SCRIPTS = (
    "data.js",
    "quantities.js",
    "state.js",
    "filters.js",
    "matrix.js",
    "figures.js",
    "sections.js",
    "kernel.js",
    "main.js",
)
"""In the order in which they build on one another."""


def render(runs: Sequence[Run], baseline: str | None = None) -> str:
    """The page of ``runs``: HTML that needs no other file and sends no request.

    ``baseline`` is as in ``summary.summarise``. The same runs give the same bytes.

    Raises
    ------
    XpbenchError
        If no case of any run is on ``baseline``.
    """
    frame = summarise(runs, baseline)
    shown = prepared(records(frame))
    names = [visible(name) for name in run_names(runs)]
    sentences = verdicts(shown, overall(runs, baseline))
    facts = [provenance(run) for run in runs]
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    ).from_string(_read("page.html"))
    return template.render(
        title=f"xpbench: {', '.join(names)}",
        version=xpbench.__version__,
        d3=D3,
        plot=PLOT,
        several=len(runs) > 1,
        runs=[
            {
                "name": name,
                "verdict": sentences.get(name, "It holds no cases."),
                "byline": _byline(run),
            }
            for run, name in zip(runs, names, strict=True)
        ],
        warnings=[visible(damage) for run in runs for damage in _damages(run)],
        facts=_side_by_side(facts),
        costs=[sheet for run in runs if (sheet := cost_sheet(run)) is not None],
        efficiencies=[sheet for run in runs if (sheet := efficiency_sheet(run)) is not None],
        licences=[_read(file) for file in _LICENCES],
        # Vendored and our own: no text of a run is among these, and none closes its element.
        style=Markup(_read("page.css")),
        scripts=[Markup(_read(file)) for file in (*_LIBRARIES, *_SCRIPTS)],
        data=_packed(content(runs, frame, baseline)),
    )


def _packed(data: dict[str, Any]) -> str:
    """``data`` as base64 of its gzip: a third of the size, and nothing in it that HTML could read."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _byline(run: Run) -> str:
    machine, settings = run.header["machine"], run.header["settings"]
    said = [
        str(machine.get("cpu") or "a machine not described"),
        *(_counted(settings.get(key), key) for key in ("threads", "forks")),
        str(run.header.get("created") or "")[:10],
        *(f"{name} {version}" for name, version in library_versions(run).items()),
    ]
    return visible(" · ".join(filter(None, said)))


def _counted(count: Any, things: str) -> str:
    """``2 threads``, ``1 thread``, or nothing where the number is not kept."""
    return "" if count is None else f"{count} {things.removesuffix('s') if count == 1 else things}"


def _damages(run: Run) -> list[str]:
    damaged = len(run.damaged)
    if not damaged:
        return []
    lines = "1 line" if damaged == 1 else f"{damaged} lines"
    return [f"{run.name}: {lines} of its files could not be read and are left out (see Noise below)."]


def _side_by_side(facts: Sequence[Sequence[Fact]]) -> dict[str, list[tuple[str, list[str]]]]:
    """By topic the names of the facts, and for each its text of every run."""
    topics: dict[str, list[tuple[str, list[str]]]] = {}
    for topic, of_topic in grouped([f for run in facts for f in run], lambda fact: fact.topic).items():
        rows = []
        for name in dict.fromkeys(fact.name for fact in of_topic):
            of_runs = [
                "; ".join(fact.text for fact in run if (fact.topic, fact.name) == (topic, name))
                for run in facts
            ]
            rows.append((name, of_runs))
        topics[topic] = rows
    return topics


def _read(file: str) -> str:
    text = (_FOLDER / file).read_text(encoding="utf-8")
    return text if text.endswith("\n") else f"{text}\n"
