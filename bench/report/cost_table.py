"""How it is told what writing once costs: beside kernels written by hand, and beside rivals."""

from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.bench import stats
from xpbench.bench.cost import (
    DEAR,
    RIVALS,
    Cost,
    Overall,
    estimate,
    native_costs,
    overall,
    reasons,
    rival_costs,
)
from xpbench.bench.journal import Run
from xpbench.bench.report.layout import Cell, Grid, Line, Tone, fitting, grouped
from xpbench.bench.report.quantities import comparison, duration, significant
from xpbench.bench.report.records import visible
from xpbench.bench.report.sheet import Part, Sheet

Reasons = Mapping[str, Mapping[str, str]]
"""By kernel and library, why ours takes longer."""

_TONES: dict[str | None, Tone] = {"faster": "good", "slower": "bad"}
_LEGEND = (
    "a cell: our time over that of the kernel written by hand",
    "below it the 95% interval",
)
_RIVAL_LEGEND = (
    "ours: the fastest of our backends",
    "over it: our time over the rival's, and the 95% interval below",
    "errors: the rival's and ours, each the one nearest its limit as a share of that",
)


def cost_sheet(run: Run, width: int | None = None) -> Sheet | None:
    """What a run that `xpbench cost` made has found, in at most ``width`` characters where that can be
    done; ``None`` for any other run."""
    if costs := native_costs(run):
        return _native_sheet(run, costs, reasons(), width)
    if costs := rival_costs(run):
        return _rival_sheet(run, costs, reasons())
    return None


def sentence(run: Run) -> str | None:
    """What such a run says, in one; ``None`` for any other run."""
    if figures := overall(native_costs(run)):
        size = figures[-1].size_name
        means = [f"{f.library} {_ratio(f.value)}" for f in figures if f.size_name == size]
        return visible(
            f"written once over written by hand at {size or 'sizes typed'}, geometric means over "
            f"{max(f.kernels for f in figures)} kernels: {', '.join(means)}"
        )
    if costs := [cost for cost in rival_costs(run) if cost.ratio is not None]:
        said = [stats.verdict(cost.ratio) for cost in costs]
        return (
            f"of {len(costs)} rivals our fastest backend is faster than {said.count('faster')} and "
            f"slower than {said.count('slower')}"
        )
    return None


def as_json(run: Run) -> dict[str, Any]:
    """``costs``: one object per pair of cases; times in seconds, ``None`` where they are not known.
    ``overall``: one per library and name of size, of kernels written by hand."""
    natives = native_costs(run)
    why = reasons()
    return {
        "costs": [_as_record(cost, why) for cost in natives or rival_costs(run)],
        "overall": [_as_mean(figure) for figure in overall(natives)],
    }


def _native_sheet(run: Run, costs: Sequence[Cost], why: Reasons, width: int | None) -> Sheet:
    """Written once over native: overall by library and size, then kernel by kernel."""
    records = [_record(cost) for cost in costs if estimate(cost) is not None]
    grids = [
        grid
        for dtype, group in grouped(records, lambda record: record["dtype"]).items()
        for grid in fitting(f"{dtype} · written once over written by hand", group, _cell, width)
    ]
    return Sheet(
        _title(run, "what writing once costs"),
        (
            Part(tuple(_overall_grid(overall(costs))), ("(a-b): 95% interval over forks",)),
            Part(tuple(grids), _LEGEND, (*_explained(costs, why), *_unmeasured(costs))),
        ),
    )


def _rival_sheet(run: Run, costs: Sequence[Cost], why: Reasons) -> Sheet:
    """Our fastest backend beside what people use otherwise, with the errors of both."""
    rows = tuple(_rival_row(run, cost) for cost in costs)
    head = ("", "rival", "ours", "over it", "errors")
    notes = (*_explained(costs, why), *_unmeasured(costs))
    return Sheet(
        _title(run, "beside what people use otherwise"),
        (Part((Grid("our fastest backend over a rival", head, rows),), _RIVAL_LEGEND, notes),),
    )


def _as_record(cost: Cost, why: Reasons) -> dict[str, Any]:
    case = cost.ours
    return {
        "kernel": case.kernel,
        "size": case.size_text,
        "size_name": case.size_name or None,
        "dtype": case.dtype,
        "threads": case.threads,
        "ours": f"{case.backend}@{case.device}",
        "other": f"{cost.other.backend}@{cost.other.device}",
        "ours_s": _median(cost.ours_s),
        "other_s": _median(cost.other_s),
        "ratio": estimate(cost),
        "ratio_low": cost.ratio.low if cost.ratio else None,
        "ratio_high": cost.ratio.high if cost.ratio else None,
        "verdict": stats.verdict(cost.ratio),
        "reason": cost.reason or _reason(cost, why) or None,
    }


def _as_mean(figure: Overall) -> dict[str, Any]:
    return {
        "library": figure.library,
        "size_name": figure.size_name or None,
        "kernels": figure.kernels,
        "forks": figure.forks,
        "ratio": figure.value,
        "ratio_low": figure.ratio.low if figure.ratio else None,
        "ratio_high": figure.ratio.high if figure.ratio else None,
        "worst": figure.worst.ours.kernel,
        "worst_ratio": estimate(figure.worst),
    }


def _title(run: Run, what: str) -> str:
    settings = run.header.get("settings", {})
    threads = settings.get("threads", 1)
    counted = f"{threads} thread" + ("" if threads == 1 else "s")
    return (
        f"{visible(run.name)} · {what} · {counted} · {visible(str(settings.get('precision', 'ieee')))}"
    )


def _overall_grid(figures: Sequence[Overall]) -> list[Grid]:
    libraries = list(dict.fromkeys(figure.library for figure in figures))
    by_key = {(figure.size_name, figure.library): figure for figure in figures}
    rows = tuple(
        (
            (Line(visible(size) or "typed sizes", "strong"),),
            *(_overall_cell(by_key.get((size, library))) for library in libraries),
        )
        for size in dict.fromkeys(figure.size_name for figure in figures)
    )
    heads = tuple(map(visible, libraries))
    return [Grid("overall · geometric mean over kernels", ("", *heads), rows)] if rows else []


def _overall_cell(figure: Overall | None) -> Cell:
    if figure is None:
        return (Line("-", "quiet"),)
    within = f" ({_ratio(figure.ratio.low)}-{_ratio(figure.ratio.high)})" if figure.ratio else ""
    worst = f"{visible(figure.worst.ours.kernel)} {_ratio(estimate(figure.worst) or 0.0)}"
    return (
        Line(f"{_ratio(figure.value)}{within}"),
        Line(f"{figure.kernels} kernels", "quiet"),
        Line(f"worst {worst}", "quiet"),
    )


def _record(cost: Cost) -> dict[str, Any]:
    case = cost.ours
    return {
        "run": None,
        "kernel": visible(case.kernel),
        "size": visible(case.size_text),
        "backend": visible(case.backend),
        "device": visible(case.device),
        "dtype": case.dtype,
        "threads": case.threads,
        "precision": case.precision,
        "cost": cost,
    }


def _cell(record: Mapping[str, Any]) -> Cell:
    cost: Cost = record["cost"]
    value = estimate(cost)
    if value is None:
        return (Line("-", "quiet"),)
    if cost.ratio is None:
        return (Line(f"({_ratio(value)})", "quiet"),)
    tone = _TONES.get(stats.verdict(cost.ratio), "plain")
    interval = f"{_ratio(cost.ratio.low)}-{_ratio(cost.ratio.high)}"
    return (Line(_ratio(value), tone), Line(interval, "quiet"))


def _rival_row(run: Run, cost: Cost) -> tuple[Cell, ...]:
    label = (Line(visible(cost.ours.kernel), "strong"), Line(visible(cost.ours.size_text), "quiet"))
    value, rival = estimate(cost), visible(cost.other.backend)
    if value is None:
        return (label, (Line(rival),), *[(Line("-", "quiet"),)] * 3)
    ours, other = _median(cost.ours_s) or 0.0, _median(cost.other_s) or 0.0
    verdict = stats.verdict(cost.ratio)
    interval = f"{_ratio(cost.ratio.low)}-{_ratio(cost.ratio.high)}" if cost.ratio else ""
    return (
        label,
        (Line(rival), Line(duration(other))),
        (Line(visible(cost.ours.backend)), Line(duration(ours))),
        (Line(comparison(value), _TONES.get(verdict, "plain")), Line(interval, "quiet")),
        (Line(_share(run, cost.other), "quiet"), Line(_share(run, cost.ours), "quiet")),
    )


def _share(run: Run, case: Any) -> str:
    """The error of a case that is nearest its limit, as a share of that limit, with its name."""
    shares = {
        name: value / limit
        for m in run.measurements
        if m.case == case
        for name, (value, limit) in m.errors.items()
        if limit
    }
    if not shares:
        return "-"
    name = max(shares, key=lambda key: shares[key])
    return f"{visible(name)} {significant(shares[name], 2)}"


def _explained(costs: Sequence[Cost], why: Reasons) -> list[str]:
    """Why ours takes longer, where it does."""
    told = {
        f"{visible(cost.ours.kernel)}, {visible(_who(cost))}: {_reason(cost, why)}": None
        for cost in costs
        if (estimate(cost) or 0.0) > DEAR and _reason(cost, why)
    }
    return list(told)


def _unmeasured(costs: Sequence[Cost]) -> list[str]:
    return [
        f"{visible(cost.ours.kernel)}[{visible(cost.ours.size_text)}], {visible(_who(cost))}: "
        + visible(cost.reason)
        for cost in costs
        if estimate(cost) is None and cost.reason
    ]


def _who(cost: Cost) -> str:
    return cost.other.backend if cost.other.backend in RIVALS else cost.ours.backend


def _reason(cost: Cost, why: Reasons) -> str:
    return why.get(cost.ours.kernel, {}).get(_who(cost), "")


def _ratio(value: float) -> str:
    return significant(value, 3) if value < 10 else significant(value, 2)


def _median(times: Mapping[int, float]) -> float | None:
    return stats.location(list(times.values())).value if times else None
