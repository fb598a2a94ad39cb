"""How do tools that read pytest-benchmark's JSON get a run?"""

import importlib.metadata
import statistics
from collections.abc import Sequence
from typing import Any

from pytest_benchmark.stats import Stats

from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement, as_json

_Stats: Any = Stats
"""Untyped, as its authors left it."""


def export(runs: Sequence[Run]) -> dict[str, Any]:
    """The document that ``pytest-benchmark compare`` reads: one benchmark a case, with the rounds of all
    its forks, in seconds a call.

    Cases that were not timed, or were wrong in any fork, are left out. pytest-benchmark takes rounds
    for independent; ``extra_info`` tells which fork each came from (``rounds_per_fork``). Machine and
    date are those of the first run.
    """
    header = runs[0].header
    several = len(runs) > 1
    return {
        "machine_info": _machine_info(header["machine"]),
        "commit_info": {
            "id": "unversioned",
            "time": None,
            "author_time": None,
            "dirty": False,
            "project": "xpbench",
            "branch": "(unknown)",
        },
        "benchmarks": [
            _benchmark(run, records, several) for run in runs for records in _timed(run).values()
        ],
        "datetime": header.get("created"),
        "version": importlib.metadata.version("pytest-benchmark"),
    }


def _timed(run: Run) -> dict[str, list[Measurement]]:
    """The records with times, by case and in the order of the plan."""
    wrong = {str(record.case) for record in run.measurements if record.status == "wrong"}
    found: dict[str, list[Measurement]] = {str(case): [] for case in run.cases}
    for record in sorted(run.measurements, key=lambda record: record.fork):
        if record.status == "ok" and record.samples:
            found.setdefault(str(record.case), []).append(record)
    return {key: records for key, records in found.items() if records and key not in wrong}


def _benchmark(run: Run, records: Sequence[Measurement], several: bool) -> dict[str, Any]:
    case = records[0].case
    stats = _Stats()
    for record in records:
        for seconds in record.samples:
            stats.update(seconds)
    return {
        "group": f"{case.kernel}[{case.size_text}] {case.dtype}",
        "name": str(case),
        "fullname": f"{run.name}::{case}" if several else str(case),
        "params": {**case.to_json(), "size": case.size_text},
        "param": str(case),
        "extra_info": as_json(
            {
                "run": run.name,
                "machine": run.header["machine"].get("id"),
                "fork_medians": [statistics.median(record.samples) for record in records],
                "rounds_per_fork": [len(record.samples) for record in records],
                "iterations_per_fork": [record.iterations for record in records],
                "compute_dtype": records[0].compute_dtype,
                "versions": run.header["versions"].get(case.backend, {}),
            }
        ),
        "options": {"disable_gc": True, "timer": "perf_counter", "warmup": True},
        "stats": {
            **stats.as_dict(),
            "data": stats.data,
            "iterations": max(1, statistics.median_low(record.iterations for record in records)),
        },
    }


def _machine_info(machine: dict[str, Any]) -> dict[str, Any]:
    """The keys by which pytest-benchmark tells machines apart; the host stays a hash."""
    system = str(machine.get("system") or "unknown").split()
    return {
        "node": machine.get("id"),
        "processor": machine.get("cpu"),
        "machine": system[-1],
        "system": system[0],
        "release": system[1] if len(system) > 2 else "",
        "python_implementation": "CPython",
        "python_version": machine.get("python"),
        "cpu": {"brand_raw": machine.get("cpu"), "count": machine.get("cores")},
    }
