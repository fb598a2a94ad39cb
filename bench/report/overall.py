"""How does a backend stand to the baseline over all the cases that every backend ran?"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xpbench.bench import stats
from xpbench.bench.case import Case
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement, seconds_by_fork
from xpbench.bench.multiple_comparisons import overall_ratio
from xpbench.bench.report.layout import Cell, Grid, Line, Tone, grouped
from xpbench.bench.report.quantities import comparison, significant
from xpbench.bench.report.records import visible
from xpbench.bench.report.summary import baseline_of, is_on, run_names
from xpbench.bench.stats import Ratio

FEWEST_CASES = 2
"""The mean over a single case is that case, which has a cell of its own."""

_TONES: dict[str | None, Tone] = {"faster": "good", "slower": "bad"}

_Times = Mapping[str, Mapping[int, float]]
"""By row, by fork: the time of the fork in seconds."""


@dataclass(frozen=True)
class Overall:
    """A backend on a device, over the cases of one run, dtype, thread count and precision.

    ``value`` is the geometric mean over ``cases`` cases of how many times the baseline's time it
    takes, and ``ratio`` the same with Student's interval over ``forks`` blocks, where there are enough
    of them. ``ran`` of ``of`` cases ended well here, computed in the dtype asked for.
    """

    run: str
    dtype: str
    threads: int
    precision: str
    place: str
    baseline: str
    cases: int
    forks: int
    ran: int
    of: int
    value: float | None
    ratio: Ratio | None

    @property
    def group(self) -> tuple[str, str, int, str]:
        return (self.run, self.dtype, self.threads, self.precision)


def overall(
    runs: Sequence[Run], baseline: str | None = None, chosen: Callable[[Case], bool] = lambda case: True
) -> list[Overall]:
    """The geometric means of every run in ``runs`` against ``baseline``, by default the run's own, over
    its ``chosen`` cases.

    The cases are those that every backend ran, of the backends that ran any: with the right result, in
    the dtype asked for. A block is a fork in which every one of them was timed, and its figure the mean
    over the cases of log(time / time of the baseline in that fork). Where the baseline ran nothing,
    there is nothing to say.
    """
    return [
        figure
        for run, name in zip(runs, run_names(runs), strict=True)
        for figure in _of_run(run, name, baseline or baseline_of(run), chosen)
    ]


def _of_run(run: Run, name: str, baseline: str, chosen: Callable[[Case], bool]) -> Iterator[Overall]:
    cases = dict.fromkeys(filter(chosen, [*run.cases, *(m.case for m in run.measurements)]))
    records = grouped(run.measurements, lambda m: m.case)
    groups = grouped(cases, lambda case: (case.dtype, case.threads, case.precision))
    for (dtype, threads, precision), members in groups.items():
        times: dict[str, dict[str, dict[int, float]]] = {}
        for case in members:
            ran = times.setdefault(f"{case.backend}@{case.device}", {})
            if forks := _forks(records.get(case, []), dtype):
                ran[f"{case.kernel}[{case.size_text}]"] = forks
        rows = {(case.kernel, case.size_text) for case in members}
        base = _baseline(times, baseline)
        if base is None:
            continue
        common, blocks = _common([ran for ran in times.values() if ran])
        for place, ran in times.items():
            means = [_mean_log(ran, times[base], common, fork) for fork in blocks] if ran else []
            yield Overall(
                run=name,
                dtype=dtype,
                threads=threads,
                precision=precision,
                place=place,
                baseline=base,
                cases=len(common),
                forks=len(blocks),
                ran=len(ran),
                of=len(rows),
                value=math.exp(statistics.fmean(means)) if means else None,
                ratio=overall_ratio(means),
            )


def _forks(records: Sequence[Measurement], dtype: str) -> dict[int, float]:
    """The time of every fork of a case that ended well; empty where any ended wrong."""
    if any(m.compute_dtype not in ("", dtype) for m in records):
        return {}
    return seconds_by_fork(records)


def _baseline(times: Mapping[str, _Times], name: str) -> str | None:
    """The place that ``name`` means, on the CPU unless a device is named."""
    found = [place for place, ran in times.items() if ran and is_on(place, name)]
    return min(found, key=lambda place: (not place.endswith("@cpu"), place), default=None)


def _common(times: Sequence[_Times]) -> tuple[list[str], list[int]]:
    """The rows that all ran, and the forks in which all of those were timed."""
    first, *others = times
    rows = [row for row in first if all(row in ran for ran in others)]
    forks = [set(ran[row]) for ran in times for row in rows]
    return rows, sorted(set.intersection(*forks)) if forks else []


def _mean_log(ran: _Times, base: _Times, rows: Sequence[str], fork: int) -> float:
    return statistics.fmean(math.log(ran[row][fork] / base[row][fork]) for row in rows)


def grids(figures: Sequence[Overall]) -> list[Grid]:
    """A small grid for every run, dtype, thread count and precision in which several were compared."""
    several = len({figure.run for figure in figures}) > 1
    groups = grouped(figures, lambda figure: figure.group).values()
    return [_grid(group, several) for group in groups if len(group) > 1 and group[0].of >= FEWEST_CASES]


def legend(figures: Sequence[Overall]) -> Iterator[str]:
    """What the words of ``grids`` mean, for those that occur."""
    if any(figure.ran < figure.of for figure in figures):
        yield "ran: with a right result, in the dtype asked for"
    if counts := sorted({figure.forks for figure in figures if figure.ratio}):
        yield f"(a-b): 95% interval over {' or '.join(map(str, counts))} forks"
    if any(figure.value and not figure.ratio for figure in figures):
        yield "(in brackets): an estimate, a verdict needs 4 forks"


def _grid(group: Sequence[Overall], several: bool) -> Grid:
    one = group[0]
    threads = f"{one.threads} thread" + ("" if one.threads == 1 else "s")
    what = [*([visible(one.run)] if several else []), one.dtype, threads, one.precision]
    if one.cases >= FEWEST_CASES:
        what.append(f"overall: geometric mean of the {one.cases} cases all ran")
    else:
        what.append("overall: fewer than two cases that all ran")
    return Grid(
        " · ".join(what),
        ("", f"against {visible(_heading(one.baseline))}", "cases"),
        tuple(
            (
                (Line(visible(_heading(figure.place)), "strong"),),
                said(figure),
                (Line(f"ran {figure.ran} of {figure.of}", "quiet"),),
            )
            for figure in group
        ),
    )


def said(figure: Overall) -> Cell:
    """How a backend stands to the baseline, e.g. ``1.8x faster (1.7-1.9)``."""
    if figure.cases < FEWEST_CASES or figure.value is None:
        return (Line("-", "quiet"),)
    if figure.place == figure.baseline:
        return (Line("baseline", "quiet"),)
    ratio = figure.ratio
    if ratio is None:
        return (Line(f"({comparison(figure.value)})", "quiet"),)
    verdict = stats.verdict(ratio)
    low, high = (1 / ratio.high, 1 / ratio.low) if verdict == "faster" else (ratio.low, ratio.high)
    interval = f"{significant(low)}-{significant(high)}"
    if verdict not in _TONES:
        return (Line(f"{verdict} {interval}", "quiet"),)
    return (Line(f"{comparison(ratio.value)} ({interval})", _TONES[verdict]),)


def _heading(place: str) -> str:
    return place.removesuffix("@cpu")
