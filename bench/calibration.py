"""How often does this suite err on this machine, and what can it tell apart here?"""

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xpbench.bench import stats
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.multiple_comparisons import binomial_interval
from xpbench.bench.twins import EQUALS, EXTRA, equal, heavier

CALIBRATION = "calibration.json"
FORK_COUNTS = (4, 6, 8, 10, 14, 20)
"""For so many forks a calibration tells what can be found."""

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
    """A row of twins: the per-fork medians of the equal ones, and of each that does more work."""

    row: str
    backend: str
    equals: tuple[Times, ...]
    heavier: Mapping[str, Times]


@dataclass(frozen=True)
class Calibration:
    """What the twins showed.

    ``pairs``: equal twins, each in one comparison, called faster or slower than one another.
    ``intervals``: those whose interval excludes 1, whatever the band says. ``rows``: rows of equal
    twins in which the tie group of the fastest left one out. ``disturbed`` is the share of records
    that other processes disturbed, ``scatter`` the median over rows of the standard deviation of the
    logs of the forks.
    """

    machine: str
    created: str
    forks: int
    pairs: Rate
    intervals: Rate
    rows: Rate
    powers: tuple[Power, ...]
    scatter: float
    disturbed: float

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        for name in ("pairs", "intervals", "rows"):
            record[name] = _rate_json(getattr(self, name))
        record["powers"] = [
            {**vars(p), "interval": _rate_json(p.interval), "verdict": _rate_json(p.verdict)}
            for p in self.powers
        ]
        return record


def latest(folder: Path, machine: str) -> dict[str, Any] | None:
    """The newest calibration of ``machine`` among the runs in ``folder``, and those published there."""
    found = []
    for file in [*folder.glob(f"*/{CALIBRATION}"), *folder.glob(f"published/*/{CALIBRATION}")]:
        try:
            record = json.loads(file.read_bytes())
            if record["machine"] == machine:
                found.append((str(record["created"]), {**record, "run": file.parent.name}))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # a file that somebody else wrote is no calibration
    return max(found, key=lambda pair: pair[0])[1] if found else None


def calibrate(run: Run, forks: int) -> Calibration:
    """Judges a run of twins as if every ``forks`` of its forks, in their order, were a run.

    Raises
    ------
    XpbenchError
        If the run holds no twins, or not ``forks`` forks of them.
    """
    subjects = subjects_of(run)
    if not subjects:
        raise XpbenchError(f"{run.path} holds no twins: name a run of `xpbench calibrate`")
    pairs = [pair for subject in subjects for pair in _pairs(subject, forks)]
    if not pairs:
        raise XpbenchError(f"{run.path} is too short: no row of twins has {forks} forks yet")
    ratios = [stats.ratio(a, b) for a, b in pairs]
    rows = [row for subject in subjects for row in _rows(subject, forks)]
    left_out = [stats.tie_group(row) for row in rows]
    records = [m for m in run.measurements if m.samples]
    return Calibration(
        machine=str(run.header["machine"].get("id")),
        created=str(run.header.get("created")),
        forks=forks,
        pairs=_rate(stats.verdict(ratio) in ("faster", "slower") for ratio in ratios),
        intervals=_rate(ratio is not None and not ratio.low <= 1 <= ratio.high for ratio in ratios),
        rows=_rate(group is not None and len(group) < EQUALS for group in left_out),
        powers=tuple(_powers(subjects)),
        scatter=statistics.median(scatter(subject) for subject in subjects),
        disturbed=sum(m.disturbed for m in records) / len(records),
    )


def subjects_of(run: Run) -> list[Subject]:
    """The rows of twins of a run, with the forks in which all of them were timed."""
    times: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for m in run.measurements:
        if m.status == "ok" and m.samples:
            base, twin = _base_of(m.case.backend), m.case.backend
            row = f"{m.case.kernel}[{m.case.size_text}] {m.case.dtype}"
            forks = times.setdefault((row, base), {}).setdefault(twin, {})
            forks[m.fork] = stats.fork_summary(m.samples)
    return [
        subject
        for (row, base), twins in times.items()
        if (subject := _subject(row, base, twins)) is not None
    ]


def scatter(subject: Subject) -> float:
    """The standard deviation of the logs of the forks, pooled over the equal twins."""
    variances = [statistics.variance(map(math.log, times)) for times in subject.equals if len(times) > 1]
    return statistics.fmean(variances) ** 0.5 if variances else 0.0


def _subject(row: str, base: str, twins: Mapping[str, Mapping[int, float]]) -> Subject | None:
    equals = [equal(base, number) for number in range(EQUALS)]
    if not set(equals) <= set(twins):
        return None
    common = sorted(set.intersection(*(set(forks) for forks in twins.values())))
    return Subject(
        row,
        base,
        tuple(tuple(twins[name][fork] for fork in common) for name in equals),
        {
            extra: tuple(twins[heavier(base, extra)][fork] for fork in common)
            for extra in EXTRA
            if heavier(base, extra) in twins
        },
    )


def _base_of(twin: str) -> str:
    return twin.split("~")[0].split("+")[0]


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
                    _windows(subject.heavier[extra], forks),
                    _windows(subject.equals[0], forks),
                    strict=True,
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
