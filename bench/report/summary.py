"""What a run says of each case: one row of figures, judged against the row's baseline and leader."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xpbench.bench import roofline, stats
from xpbench.bench.case import Case
from xpbench.bench.device import is_host, kind_of
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.header import positive
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.profile import Profile
from xpbench.bench.report import cards
from xpbench.bench.report.columns import COLUMNS, NOT_FINITE, column
from xpbench.bench.report.quantities import duration
from xpbench.bench.roof import FALLBACK_CACHE


@dataclass(frozen=True)
class _Seen:
    """A case with its records, by fork, and the median ``times`` of the forks that were timed."""

    case: Case
    records: tuple[Measurement, ...]
    status: str
    times: Mapping[int, float]
    compute_dtype: str

    @property
    def forks(self) -> tuple[float, ...]:
        return tuple(self.times.values())

    @property
    def timed(self) -> bool:
        return self.status == "ok" and bool(self.forks)

    @property
    def ranked(self) -> bool:
        """Whether it may lead its row: a right result, computed in the dtype asked for."""
        return self.timed and self.compute_dtype in ("", self.case.dtype)

    @property
    def place(self) -> str:
        return f"{self.case.backend}@{self.case.device}"


def summarise(runs: Sequence[Run], baseline: str | None = None) -> pd.DataFrame:
    """One row per case of ``runs``, with the columns ``COLUMNS``; a figure not known is null.

    Every run is judged within itself: ratios and verdicts are against ``baseline`` (``torch``, or
    ``torch@cuda``; by default what the run was told), in the row of the same kernel, size, dtype,
    thread count and precision. The baseline's own ratio is 1, and it has no verdict. Ratios without
    an interval stand where the forks are too few for one.

    ``error`` is the pair nearest its limit over all forks. Where it is infinite or NaN, ``error`` is
    the largest float (1.8e308) and ``agrees`` is false.

    Raises
    ------
    XpbenchError
        If ``baseline`` is given and no case of any run is on it.
    """
    seen = [_seen_cases(run) for run in runs]
    if baseline is not None:
        places = {one.place for cases in seen for one in cases}
        if places and not any(is_on(place, baseline) for place in places):
            raise XpbenchError(f"baseline {baseline!r}: expected one of {', '.join(sorted(places))}")
    names = run_names(runs)
    rows = [
        row
        for run, name, cases in zip(runs, names, seen, strict=True)
        for row in _rows(run, name, cases, baseline or baseline_of(run))
    ]
    return pd.DataFrame({name: column([row.get(name) for row in rows], name) for name in COLUMNS})


def baseline_of(run: Run) -> str:
    """The baseline that the run was told."""
    return str(run.header["settings"].get("baseline") or "numpy")


def level_of(run: Run) -> float:
    """The level of the run's intervals, which depends on how often its verdicts were looked at."""
    looks = run.header["settings"].get("looks")
    return stats.level_of(looks if isinstance(looks, int) and looks > 0 else 1)


def run_names(runs: Sequence[Run]) -> list[str]:
    """The name of each run; its path where two runs share a name."""
    counts = Counter(run.name for run in runs)
    return [run.name if counts[run.name] == 1 else str(run.path) for run in runs]


def _seen_cases(run: Run) -> list[_Seen]:
    records: defaultdict[str, list[Measurement]] = defaultdict(list)
    for measurement in run.measurements:
        records[str(measurement.case)].append(measurement)
    cases = {str(case): case for case in run.cases}
    cases.update({key: found[0].case for key, found in records.items() if key not in cases})
    return [_look(case, records[key]) for key, case in cases.items()]


def _look(case: Case, records: Iterable[Measurement]) -> _Seen:
    ordered = tuple(sorted(records, key=lambda record: record.fork))
    times = {r.fork: stats.fork_summary(r.samples) for r in ordered if r.status == "ok" and r.samples}
    dtypes = (record.compute_dtype for record in ordered if record.compute_dtype)
    return _Seen(case, ordered, _status(ordered), times, next(dtypes, ""))


def _status(records: Sequence[Measurement]) -> str:
    """One word over all forks: a wrong result anywhere outweighs right ones, and a right one a fault."""
    statuses = [record.status for record in records]
    for word in ("wrong", "ok"):
        if word in statuses:
            return word
    return statuses[0] if statuses else "not_run"


def _rows(run: Run, name: str, cases: Sequence[_Seen], baseline: str) -> Iterable[dict[str, Any]]:
    groups: defaultdict[tuple[Any, ...], list[_Seen]] = defaultdict(list)
    for one in cases:
        groups[one.case.row].append(one)
    level = level_of(run)
    forks = run.header["settings"].get("forks")
    planned = forks if isinstance(forks, int) else None
    judged = {row: _judge(group, baseline, level, planned) for row, group in groups.items()}
    peaks = roofline.peaks(run.roofs)
    profiles = {profile.case: profile for profile in run.profiles}
    on_cards = cards.figures(run)
    bits = roofline.product_bits(run.roofs)
    for one in cases:
        figures = _figures(run.header, one, profiles.get(str(one.case)))
        yield {
            "run": name,
            "machine": run.header["machine"].get("id"),
            **figures,
            **_placed(run.header, one, peaks, figures.get("device_s") or figures.get("kernel_s")),
            **on_cards.get(str(one.case), {}),
            "product_bits": bits.get((one.case.backend, *roofline.key_of(one.case, one.case.dtype))),
            **judged[one.case.row][str(one.case)],
        }


def _judge(
    group: Sequence[_Seen], baseline: str, level: float, planned: int | None
) -> dict[str, dict[str, Any]]:
    """By case id: the ratio and verdict against the baseline, and whether it is in the tie group."""
    reference = _baseline_of(group, baseline)
    leaders = stats.tie_group(_rankable(group, planned), level)
    judged = {}
    for one in group:
        key = str(one.case)
        untested = one.ranked and len(one.times) < stats.MIN_FORKS
        fastest = key in leaders if leaders is not None and one.timed and not untested else None
        judged[key] = {"fastest": fastest, **_against(one, reference, level)}
    return judged


def _rankable(group: Sequence[_Seen], planned: int | None) -> dict[str, list[float]]:
    """The times of those that may lead their row, in the forks ``planned`` and those that all share.

    Some have forks more where a run went on for what was unclear: those were not measured beside the
    others, and what the machine did meanwhile must not rank them.
    """
    ranked = [one for one in group if one.ranked]
    every = set().union(*(one.times for one in ranked))
    shared = every.intersection(*(one.times for one in ranked))
    beside = {fork for fork in every if planned is None or fork < planned or fork in shared}
    return {str(one.case): times for one in ranked if (times := _in_forks(one, beside))}


def _in_forks(one: _Seen, forks: Collection[int]) -> list[float]:
    return [time for fork, time in one.times.items() if fork in forks]


def _baseline_of(group: Sequence[_Seen], baseline: str) -> _Seen | None:
    """The case that ``baseline`` names in this row, on the CPU unless a device is named."""
    found = [one for one in group if one.timed and is_on(one.place, baseline)]
    return min(found, key=lambda one: (not is_host(one.case.device), one.case.device), default=None)


def is_on(place: str, name: str) -> bool:
    """Whether ``torch@cuda:0`` is what ``torch``, ``torch@cuda`` or ``torch@cuda:0`` means."""
    backend, _, device = name.partition("@")
    have_backend, _, have_device = place.partition("@")
    return backend == have_backend and (not device or device in (have_device, kind_of(have_device)))


def _against(one: _Seen, reference: _Seen | None, level: float) -> dict[str, Any]:
    if reference is None or not one.timed:
        return {}
    if one is reference:
        return {"ratio": 1.0, "baseline": reference.place}
    # Forks that only one of them has were not measured beside the other: see ``_rankable``.
    shared = one.times.keys() & reference.times.keys()
    interval = stats.ratio(_in_forks(one, shared), _in_forks(reference, shared), level)
    return {
        "baseline": reference.place,
        "ratio": interval.value if interval else stats.ratio_estimate(one.forks, reference.forks),
        "ratio_low": interval.low if interval else None,
        "ratio_high": interval.high if interval else None,
        "ratio_level": interval.level if interval else None,
        "verdict": stats.verdict(interval),
    }


def _profiled(profile: Profile | None) -> dict[str, Any]:
    """What the profiler saw of a case."""
    if profile is None:
        return {}
    seen = profile.kernels
    return {"kernel_s": seen.seconds, "kernel_source": seen.source, "launches": seen.launches}


def _figures(header: Mapping[str, Any], one: _Seen, profile: Profile | None) -> dict[str, Any]:
    case, records = one.case, one.records
    kernel = header["kernels"].get(case.kernel, {})
    right = [record for record in records if record.status == "ok"]
    cold = [record for record in records if record.cold]
    time = stats.location(one.forks) if one.forks else stats.Location(math.nan, None, None, None)
    traffic = kernel.get("traffic", {}).get(f"{case.size_text}/{case.dtype}")
    held = [record.peak_bytes for record in right if record.peak_bytes is not None]
    return {
        "kernel": case.kernel,
        "chapter": kernel.get("chapter"),
        "size": case.size_text,
        "backend": case.backend,
        "device": case.device,
        "dtype": case.dtype,
        "compute_dtype": one.compute_dtype or None,
        "threads": case.threads,
        "precision": case.precision,
        "cache": header["settings"].get("cache", "hot"),
        "status": one.status,
        "reason": _reason(one, header["settings"].get("forks")),
        "forks": len(one.forks),
        "disturbed": sum(record.disturbed for record in right if record.samples),
        "time_s": time.value if one.forks else None,
        "time_low_s": time.low,
        "time_high_s": time.high,
        "time_level": time.level,
        "spread": stats.spread(one.forks) if len(one.forks) > 1 else None,
        "throughput_s": _median(
            right, lambda r: stats.fork_summary(r.throughput_samples) if r.throughput_samples else None
        ),
        "device_s": _median(
            right, lambda r: stats.fork_summary(r.device_samples) if r.device_samples else None
        ),
        "device_source": next((r.device_source for r in right if r.device_source), None),
        **_profiled(profile),
        "transfer_s": _median(right, lambda record: record.transfer_s),
        "transfer_out_s": _median(right, lambda record: record.transfer_out_s),
        "modes": _modes(one.forks),
        "first_call_s": _median(cold, lambda record: record.first_call_s),
        "compile_s": _median(cold, lambda record: record.compile_s),
        "flops": positive(kernel.get("flops", {}).get(case.size_text)),
        "traffic_bytes": positive(_median(records, lambda record: record.traffic_bytes) or traffic),
        "peak_bytes": max(held, default=None),
        "error_unit": kernel.get("error_unit", "eps"),
        "id": str(case),
        "size_name": case.size_name or None,
        **_sharded(records),
        **_worst_error(one),
    }


def _sharded(records: Iterable[Measurement]) -> dict[str, Any]:
    """What a case on several devices recorded of its arrays; nothing for one on a single device."""
    seen = next((r.sharding for r in records if r.sharding is not None), None)
    if seen is None:
        return {}
    return {
        "gathered": seen.gathered,
        "communicated_bytes": seen.communicated_bytes,
        "communicated_reason": seen.reason or None,
        "placement": "; ".join(seen.outputs) or None,
        "device_bytes": seen.device_bytes,
    }


def _placed(
    header: Mapping[str, Any],
    one: _Seen,
    peaks: Mapping[roofline.Key, roofline.Peak],
    on_device_s: float | None,
) -> dict[str, Any]:
    """Where a case with a cost model stands under its roof, by the device's clock if that is known."""
    case, kernel = one.case, header["kernels"].get(one.case.kernel, {})
    flops = positive(kernel.get("flops", {}).get(case.size_text))
    declared = positive(kernel.get("traffic", {}).get(f"{case.size_text}/{case.dtype}"))
    if flops is None and declared is None:
        return {}
    traffic = declared or positive(_median(one.records, lambda record: record.traffic_bytes))
    peak = peaks.get(roofline.key_of(case, one.compute_dtype or case.dtype))
    if not one.timed or peak is None:
        return {"intensity": flops / traffic if flops and traffic else None}
    of_host = header["machine"].get("cache_bytes") or FALLBACK_CACHE
    cache = of_host if is_host(case.device) else peak.cache_bytes
    dispatch = peak.dispatch_s.get(case.backend)
    seconds = stats.location(one.forks).value
    found = roofline.place(flops, traffic, seconds, peak, dispatch, cache, on_device_s)
    return {"intensity": found.intensity, "roof_fraction": found.fraction, "bound": found.bound}


def _modes(forks: Sequence[float]) -> str | None:
    """The levels of a case whose processes fall into two groups, e.g. ``1.43 ms, 2.50 ms``."""
    found = stats.modes(forks)
    return None if found is None else ", ".join(duration(level) for level in found)


def _median(
    records: Iterable[Measurement], figure: Callable[[Measurement], float | None]
) -> float | None:
    known = [value for record in records if (value := figure(record)) is not None]
    return statistics.median(known) if known else None


def _worst_error(one: _Seen) -> dict[str, Any]:
    """The pair nearest its limit over all forks, and whether every pair is within its limit."""
    pairs = [(name, *pair) for record in one.records for name, pair in record.errors.items()]
    if not pairs:
        return {"agrees": False if one.status == "wrong" else None}
    name, error, limit = max(pairs, key=lambda pair: _share(pair[1], pair[2]))
    return {
        "error": error if math.isfinite(error) else NOT_FINITE,
        "error_limit": limit if math.isfinite(limit) else None,
        "error_name": name,
        "agrees": one.status != "wrong" and all(_within(error, limit) for _, error, limit in pairs),
    }


def _within(error: float, limit: float) -> bool:
    return math.isfinite(error) and error <= limit


def _share(error: float, limit: float) -> float:
    """How much of its limit an error takes; more than one, and at most infinity, where it exceeds it."""
    if not math.isfinite(error) or math.isnan(limit):
        return math.inf
    if error <= 0:
        return 0.0
    return error / limit if limit > 0 else math.inf


def _reason(one: _Seen, planned: Any) -> str | None:
    """Why a case has no figures; for one that has, what went otherwise in some of its forks."""
    if one.status == "not_run":
        return "its turn never came"
    if one.status not in ("ok", "wrong"):
        return one.records[0].reason or None
    total = len(one.records)
    faults: dict[tuple[str, str], int] = Counter(
        (record.status, record.reason) for record in one.records if record.status != "ok"
    )
    if one.status == "wrong" and set(faults) == {("wrong", one.records[0].reason)}:
        return one.records[0].reason or None
    notes = [
        f"{status} in {count} of {total} forks" + (f": {reason}" if reason else "")
        for (status, reason), count in faults.items()
    ]
    if not faults and isinstance(planned, int) and total < planned:
        notes.append(f"{total} of {planned} forks, the run was interrupted")
    return "; ".join(notes) or None
