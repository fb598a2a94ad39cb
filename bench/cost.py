"""What does it cost to write a kernel once, against what an expert of each library writes by hand?"""

import math
import statistics
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xpbench
from xpbench.bench import stats
from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement, seconds_by_fork
from xpbench.bench.multiple_comparisons import overall_ratio
from xpbench.bench.stats import Ratio

LIBRARIES = ("numpy", "torch", "jax")
NATIVE = "-native"
"""What the name of a library's backend with hand-written kernels ends with."""
REASONS = "reasons.toml"
DEAR = 1.05
"""Where ours takes more than this many times what is written by hand, the table says why."""
RIVALS = ("scikit-learn", "scipy", "torch.nn", "torch.optim", "optax")
"""Backends that run what people use otherwise."""

_Records = Mapping[Case, list[Measurement]]


@dataclass(frozen=True)
class Cost:
    """A case of ours beside the same work by another: by fork, the seconds of a call of both.

    ``ratio`` is ours over theirs, ``None`` where one of them was not timed in forks enough; ``reason``
    tells why.
    """

    ours: Case
    other: Case
    ours_s: Mapping[int, float]
    other_s: Mapping[int, float]
    ratio: Ratio | None
    reason: str = ""


@dataclass(frozen=True)
class Overall:
    """The geometric mean of the ratios of a library over ``kernels`` at the sizes of one name.

    ``ratio`` has Student's interval over ``forks`` blocks; it is ``None`` below four. ``worst`` is the
    case with the largest ratio.
    """

    library: str
    size_name: str
    kernels: int
    forks: int
    value: float
    ratio: Ratio | None
    worst: Cost


def file_of(name: str) -> Path:
    """A file of backends that ours are compared with: it stands in a clone, beside the tests.

    Raises
    ------
    XpbenchError
        Where xpbench was installed without them.
    """
    file = Path(xpbench.__file__).resolve().parents[2] / "tests" / "native" / name
    if not file.is_file():
        raise XpbenchError(
            "what ours are compared with stands in a clone, in tests/native, and this xpbench was "
            "installed without it: clone the repository, and call `xpbench cost` there"
        )
    return file


def reasons() -> dict[str, dict[str, str]]:
    """By kernel and library, why ours takes longer; empty where xpbench is installed without tests."""
    try:
        told: dict[str, Any] = tomllib.loads(file_of(REASONS).read_text("utf-8"))
    except XpbenchError:
        return {}
    return told


def native_costs(run: Run) -> list[Cost]:
    """Every case of a library in ``run`` that has one with a hand-written kernel beside it."""
    planned = set(run.cases)
    pairs = ((case, replace(case, backend=f"{case.backend}{NATIVE}")) for case in run.cases)
    both = ((ours, other) for ours, other in pairs if other in planned)
    # They are measured in one process, one right after the other.
    return list(_costs(_by_case(run), both, stats.paired_ratio))


def rival_costs(run: Run) -> list[Cost]:
    """Every case of a rival in ``run``, beside the fastest of ours in its row, of those that computed in
    the dtype asked for if there are any, or the first where none was timed."""
    records = _by_case(run)
    rows: dict[tuple[object, ...], list[Case]] = {}
    for case in run.cases:
        if case.backend not in RIVALS:
            rows.setdefault(case.row, []).append(case)
    pairs = []
    for case in run.cases:
        if case.backend in RIVALS and (ours := rows.get(case.row)):
            timed = {own: seconds_by_fork(records.get(own, [])) for own in ours}
            timed = {own: times for own, times in timed.items() if times}
            narrow = {own: times for own, times in timed.items() if not _widened(records[own])}
            timed = narrow or timed
            best = min(timed, key=lambda own: statistics.median(timed[own].values()), default=ours[0])
            pairs.append((best, case))
    return list(_costs(records, pairs, stats.ratio))


def _widened(measurements: Sequence[Measurement]) -> bool:
    return any(m.compute_dtype not in ("", m.case.dtype) for m in measurements)


def has_rivals(run: Run) -> bool:
    return any(case.backend in RIVALS for case in run.cases)


def overall(costs: Iterable[Cost]) -> list[Overall]:
    """By library and name of size, the geometric mean over the kernels that both were timed on."""
    groups: dict[tuple[str, str], list[Cost]] = {}
    for cost in costs:
        if cost.ours_s.keys() & cost.other_s.keys():
            groups.setdefault((cost.ours.backend, cost.ours.size_name), []).append(cost)
    return [_overall(*key, members) for key, members in groups.items()]


def _overall(library: str, size_name: str, costs: Sequence[Cost]) -> Overall:
    blocks = sorted(set.intersection(*({*c.ours_s.keys() & c.other_s.keys()} for c in costs)))
    means = [
        statistics.fmean(math.log(cost.ours_s[fork] / cost.other_s[fork]) for cost in costs)
        for fork in blocks
    ]
    value = math.exp(statistics.fmean(math.log(estimate(cost) or 1.0) for cost in costs))
    worst = max(costs, key=lambda cost: estimate(cost) or 0.0)
    return Overall(library, size_name, len(costs), len(blocks), value, overall_ratio(means), worst)


def estimate(cost: Cost) -> float | None:
    """The ratio of a cost, with an interval or without; ``None`` where one side was not timed."""
    if cost.ratio is not None:
        return cost.ratio.value
    if not cost.ours_s or not cost.other_s:
        return None
    return stats.ratio_estimate(list(cost.ours_s.values()), list(cost.other_s.values()))


def _costs(
    records: _Records,
    pairs: Iterable[tuple[Case, Case]],
    compare: Callable[[Sequence[float], Sequence[float]], Ratio | None],
) -> Iterator[Cost]:
    for ours, other in pairs:
        of_ours, of_other = records.get(ours, []), records.get(other, [])
        ours_s, other_s = seconds_by_fork(of_ours), seconds_by_fork(of_other)
        shared = sorted(ours_s.keys() & other_s.keys())
        ratio = compare([ours_s[fork] for fork in shared], [other_s[fork] for fork in shared])
        faults = [m for m in (*of_ours, *of_other) if m.status != "ok"]
        told = dict.fromkeys(f"{m.case.backend} {m.status}: {m.reason}" for m in faults)
        yield Cost(ours, other, ours_s, other_s, ratio, "; ".join(told))


def _by_case(run: Run) -> _Records:
    records: dict[Case, list[Measurement]] = {}
    for measurement in run.measurements:
        records.setdefault(measurement.case, []).append(measurement)
    return records
