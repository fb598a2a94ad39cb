"""How runs and comparisons are told to other programs: JSON of our own, and what trackers read."""

from collections.abc import Callable
from typing import Any

from xpbench.bench import stats
from xpbench.bench.comparison import Change, Comparison
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.comparison import VERDICTS, shortage

NANOSECONDS = 1e9


def comparison_as_json(found: Comparison) -> dict[str, Any]:
    """A comparison with a figure for everything that is known, and null for what is not."""
    return {
        "base": found.base,
        "new": found.new,
        "band": found.band,
        "forks": found.forks,
        "forks_needed": found.needed,
        "same_run": found.same_run,
        "overall": _ratio_as_json(found.overall),
        "warnings": [line for line in [shortage(found), *found.warnings] if line],
        "notes": list(found.notes),
        "summary": {
            **{verdict: len(found.having(verdict)) for verdict in VERDICTS},
            "no_verdict": len(found.having(None)),
            "newly_wrong": sum(change.newly_wrong for change in found.changes),
        },
        "cases": [_change_as_json(change) for change in found.changes],
    }


def _ratio_as_json(ratio: stats.Ratio | None) -> dict[str, float] | None:
    if ratio is None:
        return None
    return {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}


def _change_as_json(change: Change) -> dict[str, Any]:
    case, timed = change.case, bool(change.base and change.new)
    return {
        "id": str(case),
        "kernel": case.kernel,
        "size": case.size_text,
        "backend": case.backend,
        "device": case.device,
        "dtype": case.dtype,
        "threads": case.threads,
        "precision": case.precision,
        "base_status": change.base_status,
        "new_status": change.new_status,
        "reason": change.reason or None,
        "base_s": change.base_s,
        "new_s": change.new_s,
        "ratio": change.estimate if timed else None,
        "ratio_low": change.ratio.low if change.ratio else None,
        "ratio_high": change.ratio.high if change.ratio else None,
        "p_value": change.p_value,
        "verdict": change.verdict,
    }


def github_action_benchmark(run: Run) -> list[dict[str, Any]]:
    """What github-action-benchmark reads with ``tool: customSmallerIsBetter``: one entry a case, in
    nanoseconds a call, whose ``range`` is half of the interval of the median."""
    return [
        {
            "name": name,
            "unit": "ns",
            "value": found.value * NANOSECONDS,
            **_range(found),
            "extra": f"forks: {count}",
        }
        for name, found, count in _timed(run)
    ]


def bencher(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """Bencher Metric Format: the latency of every case in nanoseconds, with its interval."""
    return {
        name: {
            "latency": {
                "value": found.value * NANOSECONDS,
                **({} if found.low is None else {"lower_value": found.low * NANOSECONDS}),
                **({} if found.high is None else {"upper_value": found.high * NANOSECONDS}),
            }
        }
        for name, found, _ in _timed(run)
    }


TRACKERS: dict[str, Callable[[Run], Any]] = {
    "github-action-benchmark": github_action_benchmark,
    "bencher": bencher,
}
"""What follows times from commit to commit, and reads one run each."""


def _timed(run: Run) -> list[tuple[str, stats.Location, int]]:
    """The name of every timed case, the median of its forks, and their number.

    A case that is wrong in any fork has no time that counts.
    """
    wrong = {str(m.case) for m in run.measurements if m.status == "wrong"}
    forks: dict[str, list[Measurement]] = {}
    for m in run.measurements:
        if m.status == "ok" and m.samples and str(m.case) not in wrong:
            forks.setdefault(str(m.case), []).append(m)
    return [
        (name, stats.location([stats.fork_summary(m.samples) for m in records]), len(records))
        for name, records in forks.items()
    ]


def _range(found: stats.Location) -> dict[str, str]:
    """Half of the interval, where there is one: one fork has none, which is not a reach of nothing."""
    if found.low is None or found.high is None:
        return {}
    return {"range": f"± {(found.high - found.low) / 2 * NANOSECONDS:.4g}"}
