"""What does the page hold? Every figure and word of it, in types of JSON, before any of it has a form.

Words come from where the terminal's table has them, so that the two cannot differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from xpbench.bench import agreement, registry
from xpbench.bench.case import Case
from xpbench.bench.journal import Run
from xpbench.bench.measurement import as_json
from xpbench.bench.report import formula
from xpbench.bench.report.columns import COLUMNS
from xpbench.bench.report.layout import Cell, grouped
from xpbench.bench.report.metrics import METRICS
from xpbench.bench.report.overall import Overall, overall, said
from xpbench.bench.report.records import Record, records, visible
from xpbench.bench.report.scaling import fitted, model, scaling
from xpbench.bench.report.sheet import cell_of, legend, prepared
from xpbench.bench.report.summary import run_names
from xpbench.bench.roofline import peaks

ALL = ""
"""Stands for every chapter, and every size, in the key of an overall figure."""


def content(runs: Sequence[Run], frame: pd.DataFrame, baseline: str | None) -> dict[str, Any]:
    """The data of the page of ``runs``, whose summary against ``baseline`` is ``frame``.

    ``cases``: the columns of the summary, packed; ``said``: for every metric that some case has, its
    title, its legend and the packed cells of the comparison; ``overall``: by chapter and size the
    geometric means; ``kernels``: their texts and costs; ``roofs``; ``exponents``.
    """
    plain = records(frame)
    shown = prepared(plain)
    return {
        "count": len(shown),
        "cases": {name: packed([record[name] for record in plain]) for name in COLUMNS},
        "leads": packed([record["leads"] for record in shown]),
        "said": _said(shown),
        "overall": _overall(runs, shown, baseline),
        "kernels": _kernels(runs, shown),
        "roofs": list(_roofs(runs)),
        "exponents": list(_exponents(runs)),
    }


def packed(values: Sequence[Any]) -> dict[str, Any]:
    """``values`` as ``{"of": the distinct ones, "at": the place of each among them}``, or where they
    hardly repeat as ``{"all": values}``."""
    distinct: dict[Any, int] = {}
    # JSON tells True from 1 and 1 from 1.0, and a dictionary does not.
    places = [distinct.setdefault((type(value), _hashable(value)), len(distinct)) for value in values]
    if len(distinct) > len(values) / 2:
        return {"all": list(values)}
    first = dict(zip(reversed(places), reversed(values), strict=True))
    return {"of": [first[place] for place in range(len(distinct))], "at": places}


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _said(shown: Sequence[Record]) -> dict[str, Any]:
    told = {}
    for name, metric in METRICS.items():
        if not any(metric.text(record) for record in shown):
            continue
        cells = [_lines(cell_of(record, name)) for record in shown]
        told[name] = {
            "title": metric.title,
            "legend": list(legend(shown, name)),
            "cells": packed(cells),
        }
    return told


def _lines(cell: Cell) -> list[list[str]]:
    return [[line.text, line.tone] for line in cell]


def _overall(runs: Sequence[Run], shown: Sequence[Record], baseline: str | None) -> list[dict[str, Any]]:
    """The geometric means of all cases, of every chapter, every named size, and every two of these."""
    chapters = [ALL, *dict.fromkeys(r["chapter"] for r in shown if r["chapter"])]
    sizes = [ALL, *dict.fromkeys(r["size_name"] for r in shown if r["size_name"])]
    kernels: dict[str, str] = {r["kernel"]: r["chapter"] for r in shown}
    found = []
    for chapter in chapters:
        for size in sizes:

            def chosen(case: Case, chapter: str = chapter, size: str = size) -> bool:
                of_chapter = chapter in (ALL, kernels.get(visible(case.kernel)))
                return of_chapter and size in (ALL, visible(case.size_name))

            figures = overall(runs, baseline, chosen)
            for figure in figures:
                found.append({"chapter": chapter, "size_name": size, **_mean(figure)})
    return found


def _mean(figure: Overall) -> dict[str, Any]:
    told = {key: visible(v) if isinstance(v, str) else v for key, v in asdict(figure).items()}
    return {**told, "said": _lines(said(figure))}


def _kernels(runs: Sequence[Run], shown: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """By name what the runs keep of each kernel; where one is too old to keep its text, that of the
    installed kernel, and so marked."""
    named = dict.fromkeys(record["kernel"] for record in shown)
    kept: dict[str, list[Mapping[str, Any]]] = {name: [] for name in named}
    for run in runs:
        for name, entry in run.header["kernels"].items():
            if visible(name) in kept and isinstance(entry, Mapping):
                kept[visible(name)].append(entry)
    installed = _installed([n for n, found in kept.items() if not any("source" in e for e in found)])
    return {name: _kernel(found, installed.get(name)) for name, found in kept.items()}


def _installed(names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    wanted = set(names)
    if not wanted:
        return {}
    return {
        kernel.name: {
            "description": kernel.description,
            "measure": agreement.measure_of(kernel),
            "source": kernel.source,
        }
        for kernel in registry.find().kernels.values()
        if kernel.name in wanted
    }


def _kernel(found: Sequence[Mapping[str, Any]], installed: Mapping[str, Any] | None) -> dict[str, Any]:
    told = next((entry for entry in found if "source" in entry), None)
    texts = told or installed or {}
    description = str(texts.get("description") or "")
    costs: dict[str, dict[str, Any]] = {"flops": {}, "traffic": {}}
    for entry in found:
        for part, of in costs.items():
            if isinstance(entry.get(part), Mapping):
                of.update(entry[part])
    return {
        "title": visible(str(found[0].get("title") or "")) if found else "",
        "description": [_part(part) for part in formula.parts(description)],
        "measure": str(texts.get("measure") or ""),
        "source": str(texts.get("source") or ""),
        "as_installed": told is None and installed is not None,
        "several_texts": len({str(entry["source"]) for entry in found if "source" in entry}) > 1,
        **as_json(costs),
    }


def _part(part: formula.Part) -> dict[str, str]:
    if part.kind == "formula":
        return {"kind": "formula", "text": part.text, "mathml": formula.mathml(part.text)}
    return {"kind": "text", "text": part.text}


def _roofs(runs: Sequence[Run]) -> Iterable[dict[str, Any]]:
    for run, name in zip(runs, run_names(runs), strict=True):
        for (device, dtype, threads, precision), peak in peaks(run.roofs).items():
            yield {
                "run": visible(name),
                "device": device,
                "dtype": dtype,
                "threads": threads,
                "precision": precision,
                **asdict(peak),
            }


def _exponents(runs: Sequence[Run]) -> Iterable[dict[str, Any]]:
    for row in grouped(
        scaling(runs), lambda e: (e.run, e.kernel, e.dtype, e.threads, e.precision)
    ).values():
        one = row[0]
        yield {
            "run": visible(one.run),
            "kernel": visible(one.kernel),
            "dtype": one.dtype,
            "threads": one.threads,
            "precision": one.precision,
            "keys": [visible(key) for key in one.keys],
            "flops": one.flops,
            "traffic": one.traffic,
            "model": [line.text for line in model(one)],
            "fitted": {visible(e.place): fitted(e)[0].text for e in row},
        }
