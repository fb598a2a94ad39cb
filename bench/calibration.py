"""How often does this suite err on this machine, and what can it tell apart here?"""

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xpbench.bench import plan, registry, stats
from xpbench.bench.case import Case
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import DISTURBED
from xpbench.bench.multiple_comparisons import binomial_interval
from xpbench.bench.plan import PRESETS, Request, Settings
from xpbench.bench.twins import EQUALS, EXTRA, base_of, equal, heavier

CALIBRATION = "calibration.json"
FORK_COUNTS = (4, 6, 8, 10, 14, 20)
"""For so many forks a calibration tells what can be found."""
MANY_PAIRS = 100
"""A calibration of fewer pairs is cited only where there is none of more."""

Times = Sequence[float]


@dataclass(frozen=True)
class Rate:
    """``seen`` of ``of``, with the exact 95 % interval of the probability behind it."""

    seen: int
    of: int

    @property
    def share(self) -> float:
        return self.seen / self.of

    @property
    def interval(self) -> tuple[float, float]:
        return binomial_interval(self.seen, self.of)


@dataclass(frozen=True)
class Power:
    """How often so much more work was found with so many forks: by the interval of the ratio, which
    excludes 1, and by the verdict, which says ``slower``."""

    extra: str
    forks: int
    interval: Rate
    verdict: Rate


@dataclass(frozen=True)
class Subject:
    """A row of twins: the per-fork medians of the equal ones in the forks that all of them have, and of
    each that does more work, beside those of the first equal one in the same forks."""

    row: str
    backend: str
    equals: tuple[Times, ...]
    heavier: Mapping[str, tuple[Times, Times]]


@dataclass(frozen=True)
class Errors:
    """How often equals were not found equal, and how far forks scatter.

    ``pairs``: equal twins, each in one comparison, called faster or slower than one another.
    ``intervals``: those whose interval excludes 1, whatever the band says. ``rows``: rows of equal
    twins in which the tie group of the fastest left one out. ``scatter`` is the median over rows of
    the standard deviation of the logs of the forks.
    """

    pairs: Rate
    intervals: Rate
    rows: Rate
    scatter: float

    def to_json(self) -> dict[str, Any]:
        rates = {name: _rate_json(getattr(self, name)) for name in ("pairs", "intervals", "rows")}
        return {**rates, "scatter": self.scatter}


@dataclass(frozen=True)
class Calibration:
    """What the twins showed, over all backends and by backend.

    ``disturbed`` is the share of records that other processes disturbed. ``default_seconds`` is, by
    number of forks, how long a default run of the same backends is expected to take. ``untimed`` names
    the rows of which an equal twin has no time.
    """

    machine: str
    created: str
    threads: int
    precision: str
    forks: int
    errors: Errors
    by_backend: Mapping[str, Errors]
    powers: tuple[Power, ...]
    disturbed: float
    default_seconds: Mapping[int, float]
    untimed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        record |= record.pop("errors") | self.errors.to_json()
        record["by_backend"] = {name: found.to_json() for name, found in self.by_backend.items()}
        record["powers"] = [
            {**vars(p), "interval": _rate_json(p.interval), "verdict": _rate_json(p.verdict)}
            for p in self.powers
        ]
        return record


def latest(folders: Iterable[Path], machine: str, threads: int, precision: str) -> dict[str, Any] | None:
    """The newest calibration of ``machine`` with so many threads and that precision, among the runs in
    ``folders`` and those published there; one of many pairs rather than one of few, and one that was
    left alone rather than one that was disturbed."""
    found = []
    for file in {file.absolute() for folder in folders for file in _calibrations(folder)}:
        try:
            record = json.loads(file.read_bytes())
            same = (record["machine"], record["threads"], record["precision"])
            if same == (machine, threads, precision):
                many = record["pairs"]["of"] >= MANY_PAIRS
                rank = (many, record["disturbed"] <= DISTURBED, str(record["created"]))
                found.append((rank, {**record, "run": file.parent.name}))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # a file that somebody else wrote is no calibration
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _calibrations(folder: Path) -> Iterator[Path]:
    yield from folder.glob(f"*/{CALIBRATION}")
    yield from folder.glob(f"published/*/{CALIBRATION}")


def calibrate(run: Run, forks: int) -> Calibration:
    """Judges a run of twins as if every ``forks`` of its forks, in their order, were a run.

    Raises
    ------
    XpbenchError
        If the run is not one of twins, or does not have ``forks`` forks of them yet.
    NothingMeasured
        If none of the twins could be timed.
    """
    if not is_of_twins(run):
        raise XpbenchError(f"{run.path} holds no twins: name a run of `xpbench calibrate`")
    subjects = subjects_of(run)
    if not subjects:
        reasons = dict.fromkeys(m.reason for m in run.measurements if m.reason)
        raise NothingMeasured(
            f"{run.path}: no row of equal twins was timed ({'; '.join(reasons) or 'none had its turn'})"
        )
    judged = [subject for subject in subjects if len(subject.equals[0]) >= forks]
    if not judged:
        raise XpbenchError(f"{run.path} is too short: no row of twins has {forks} forks yet")
    records = [m for m in run.measurements if m.samples]
    settings = run.header["settings"]
    bases = list(dict.fromkeys(subject.backend for subject in judged))
    timed = {(subject.row, subject.backend) for subject in subjects}
    return Calibration(
        machine=str(run.header["machine"].get("id")),
        created=str(run.header.get("created")),
        threads=int(settings.get("threads") or 1),
        precision=str(settings.get("precision")),
        forks=forks,
        errors=_errors(judged, forks),
        by_backend={
            base: _errors([subject for subject in judged if subject.backend == base], forks)
            for base in bases
        },
        powers=tuple(_powers(subjects)),
        disturbed=sum(m.disturbed for m in records) / len(records),
        default_seconds=default_seconds(run),
        untimed=tuple(
            dict.fromkeys(
                f"{_row_of(case)} on {base_of(case.backend)}"
                for case in run.cases
                if (_row_of(case), _place(base_of(case.backend), case.device)) not in timed
            )
        ),
    )


def is_of_twins(run: Run) -> bool:
    """Whether the run was planned by a calibration: all of its backends are twins of some."""
    return bool(run.cases) and all(base_of(case.backend) != case.backend for case in run.cases)


def default_seconds(run: Run) -> dict[int, float]:
    """By number of forks, how long a default run of the backends in ``run`` is expected to take."""
    places: dict[str, dict[str, None]] = {}
    for case in run.cases:
        places.setdefault(base_of(case.backend), {})[case.device] = None
    found, preset = registry.find(), PRESETS["default"]
    known = {base: list(devices) for base, devices in places.items() if base in found.backends}
    settings = Settings(
        forks=preset.forks,
        seconds=preset.seconds,
        threads=int(run.header["settings"].get("threads") or 1),
        precision=str(run.header["settings"].get("precision") or "ieee"),
        seed=0,
        timeout=0.0,
        baseline="",
    )
    rows = plan.select(found, Request())
    cases = plan.place(rows, known, settings.threads, settings.precision)
    return {n: plan.estimate_run(found, cases, replace(settings, forks=n)) for n in FORK_COUNTS}


def subjects_of(run: Run) -> list[Subject]:
    """The rows of twins of a run of which all the equal ones were timed."""
    times: dict[tuple[str, str, str], dict[str, dict[int, float]]] = {}
    for m in run.measurements:
        if m.status == "ok" and m.samples:
            base, twin = base_of(m.case.backend), m.case.backend
            forks = times.setdefault((_row_of(m.case), base, m.case.device), {}).setdefault(twin, {})
            forks[m.fork] = stats.fork_summary(m.samples)
    return [
        subject
        for (row, base, device), twins in times.items()
        if (subject := _subject(row, base, device, twins)) is not None
    ]


def scatter(subject: Subject) -> float:
    """The standard deviation of the logs of the forks, pooled over the equal twins, of two forks or
    more."""
    variances = [statistics.variance(map(math.log, times)) for times in subject.equals]
    return math.sqrt(statistics.fmean(variances))


def _errors(subjects: Sequence[Subject], forks: int) -> Errors:
    ratios = [stats.ratio(a, b) for subject in subjects for a, b in _pairs(subject, forks)]
    leaders = [stats.tie_group(row) for subject in subjects for row in _rows(subject, forks)]
    return Errors(
        pairs=_rate(stats.verdict(ratio) in ("faster", "slower") for ratio in ratios),
        intervals=_rate(ratio is not None and not ratio.low <= 1 <= ratio.high for ratio in ratios),
        rows=_rate(group is not None and len(group) < EQUALS for group in leaders),
        scatter=statistics.median(scatter(subject) for subject in subjects),
    )


def _subject(
    row: str, base: str, device: str, twins: Mapping[str, Mapping[int, float]]
) -> Subject | None:
    """The subject of ``twins``, their times by fork; ``None`` where the equal ones share too few."""
    equals = [equal(base, number) for number in range(EQUALS)]
    if not set(equals) <= set(twins):
        return None
    common = sorted(set.intersection(*(set(twins[name]) for name in equals)))
    if len(common) < stats.MIN_FORKS:
        return None
    heavy = {extra: twins[heavier(base, extra)] for extra in EXTRA if heavier(base, extra) in twins}
    return Subject(
        row,
        _place(base, device),
        tuple(tuple(twins[name][fork] for fork in common) for name in equals),
        {extra: _side_by_side(more, twins[equals[0]]) for extra, more in heavy.items()},
    )


def _side_by_side(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[Times, Times]:
    """The times of two in the forks that both have."""
    shared = sorted(a.keys() & b.keys())
    return tuple(a[fork] for fork in shared), tuple(b[fork] for fork in shared)


def _place(base: str, device: str) -> str:
    return f"{base}@{device}".removesuffix("@cpu")


def _row_of(case: Case) -> str:
    return f"{case.kernel}[{case.size_text}] {case.dtype}"


def _windows(times: Times, forks: int) -> Iterator[Times]:
    """The forks in their order, ``forks`` at a time: each is what one run would have seen."""
    for start in range(0, len(times) - forks + 1, forks):
        yield times[start : start + forks]


def _pairs(subject: Subject, forks: int) -> Iterator[tuple[Times, Times]]:
    """Equal twins by two, so that no measurement is in two comparisons."""
    for a, b in zip(subject.equals[::2], subject.equals[1::2], strict=True):
        yield from zip(_windows(a, forks), _windows(b, forks), strict=True)


def _rows(subject: Subject, forks: int) -> Iterator[dict[str, Times]]:
    for windows in zip(*(_windows(times, forks) for times in subject.equals), strict=True):
        yield {str(number): window for number, window in enumerate(windows)}


def _powers(subjects: Sequence[Subject]) -> Iterator[Power]:
    for forks in FORK_COUNTS:
        for extra in EXTRA:
            ratios = [
                stats.ratio(slow, base)
                for subject in subjects
                if extra in subject.heavier
                for slow, base in zip(
                    *(_windows(times, forks) for times in subject.heavier[extra]), strict=True
                )
            ]
            if ratios:
                found = _rate(ratio is not None and ratio.low > 1 for ratio in ratios)
                said = _rate(stats.verdict(ratio) == "slower" for ratio in ratios)
                yield Power(extra, forks, found, said)


def _rate(outcomes: Iterable[bool]) -> Rate:
    seen = list(outcomes)
    return Rate(sum(seen), len(seen))


def _rate_json(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval
    return {"seen": rate.seen, "of": rate.of, "low": low, "high": high}
