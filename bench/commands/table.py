"""``xpbench table``: the tables of stored runs, in any format."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.output import print_tables, tell, tell_damage, write, write_scaling


def table(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of stored runs.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="rich, md, csv, json, latex, parquet, svg, pytest-benchmark, "
            "github-action-benchmark or bencher.",
        ),
    ] = "rich",
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="latency, throughput, first_call, break_even, roof, scaling, error, ...",
        ),
    ] = "latency",
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="NAME", help="Compare with this backend instead of the run's own."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write to this file.")
    ] = None,
) -> None:
    """Print the tables of stored runs, of one machine or several."""
    from xpbench.bench import groups, journal
    from xpbench.bench.report.calibration_table import cited
    from xpbench.bench.report.exchange import TRACKERS
    from xpbench.bench.report.overall import overall
    from xpbench.bench.report.pytest_benchmark import export
    from xpbench.bench.report.roofs_table import roofs_part
    from xpbench.bench.report.summary import summarise
    from xpbench.bench.report.table import FORMATS, METRICS, SCALING, plain, render

    stored = [journal.read(path, rounds=form == "pytest-benchmark") for path in groups.runs_of(runs)]
    tell_damage(stored)
    for line in groups.words_of(runs):
        tell(line)
    _check_choice("format", form, [*FORMATS, "svg", "pytest-benchmark", *TRACKERS])
    _check_choice("metric", metric, [*METRICS, SCALING])
    if form == "pytest-benchmark":
        write(json.dumps(export(stored), indent=1), out)
        return
    if form in TRACKERS:
        if len(stored) > 1:
            raise XpbenchError(f"--format {form}: expected one run, not {len(stored)}")
        write(json.dumps(TRACKERS[form](stored[0]), indent=1, allow_nan=False), out)
        return
    if metric == SCALING:
        write_scaling(stored, form, out)
        return
    frame = summarise(stored, baseline)
    whole = overall(stored, baseline)
    told = {"latency": cited, "roof": roofs_part}.get(metric)
    closing = (told(stored),) if told else ()
    if form == "svg":
        from xpbench.bench.report.picture import as_svg

        write(as_svg(frame, metric=metric, overall=whole), out)
    elif form == "rich" and out is None:
        print_tables(frame, metric, whole, closing)
    elif form == "rich":
        write(plain(frame, metric=metric, overall=whole, closing=closing), out)
    else:
        write(render(frame, form, metric=metric, overall=whole, closing=closing), out)


def _check_choice(option: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise XpbenchError(f"--{option} {value!r}: expected one of {', '.join(known)}")
