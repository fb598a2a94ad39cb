"""What changed between two runs, and may it be believed?"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xpbench.bench import stats
from xpbench.bench.case import Case
from xpbench.bench.drift import ANCHORS, Drift, why_unknown
from xpbench.bench.drift import drifts as machine_drifts
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.multiple_comparisons import benjamini_hochberg, forks_needed
from xpbench.bench.stats import LEVEL, MIN_FORKS, Ratio, student_quantile

APART, INTERLEAVED = 0.10, 0.05
"""The least bands. Two runs one after the other differ falsely by some percent whatever is done."""


@dataclass(frozen=True)
class Change:
    """One case in both runs.

    ``ratio`` is how many times as long NEW takes; ``verdict`` is ``slower``, ``faster``, ``same`` or
    ``unclear``, and ``None`` where nobody may say. ``p_value`` is for a change beyond what the drift of
    the machine explains. ``base_s`` and ``new_s`` are seconds a call: medians over forks of each fork's
    shortest round. A status is one of ``measurement.STATUSES``, or ``None`` where the run does not have
    the case.
    """

    case: Case
    base_status: str | None
    new_status: str | None
    reason: str = ""
    base: tuple[float, ...] = ()
    new: tuple[float, ...] = ()
    ratio: Ratio | None = None
    p_value: float | None = None
    verdict: str | None = None

    @property
    def base_s(self) -> float | None:
        return statistics.median(self.base) if self.base else None

    @property
    def new_s(self) -> float | None:
        return statistics.median(self.new) if self.new else None

    @property
    def estimate(self) -> float:
        """How many times as long NEW takes, with or without an interval; both sides must be timed."""
        return self.ratio.value if self.ratio else stats.ratio_estimate(self.new, self.base)

    @property
    def newly_wrong(self) -> bool:
        return self.new_status == "wrong" and self.base_status != "wrong"


@dataclass(frozen=True)
class Comparison:
    """What became of every case from run ``base`` to run ``new``.

    ``band`` is the least change of a verdict, widened by the drift that was seen; ``forks`` is the
    smallest number of forks of a compared case, ``needed`` how many a side so many cases ask for.
    ``overall`` is how many times as long NEW takes over all cases that are timed in both.
    """

    base: str
    new: str
    same_run: bool
    changes: tuple[Change, ...]
    band: float
    drifts: tuple[Drift, ...]
    forks: int | None
    needed: int
    overall: Ratio | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def timed(self) -> list[Change]:
        return [change for change in self.changes if change.base and change.new]

    def having(self, verdict: str | None) -> list[Change]:
        """The timed cases with a verdict, the largest change first."""
        found = [change for change in self.timed if change.verdict == verdict]
        return sorted(found, key=lambda change: -abs(math.log(change.estimate)))

    @property
    def regressed(self) -> bool:
        return bool(self.having("slower")) or any(change.newly_wrong for change in self.changes)


def compare(base: Run, new: Run, band: float | None = None, interleaved: bool = False) -> Comparison:
    """Compares two runs case by case, with Benjamini and Hochberg's procedure over all of them.

    The process is the unit, and its shortest round stands for it. A case is called ``slower`` or
    ``faster`` where the procedure reports it at a false discovery rate of 5 % and the ratio is beyond
    ``band``; ``same`` where its whole interval is within.

    Raises
    ------
    XpbenchError
        If ``band`` is narrower than the least: 5 % for runs measured turn by turn, 10 % for others.
    """
    least = INTERLEAVED if interleaved else APART
    band = least if band is None else band
    if not least <= band < 10:
        raise XpbenchError(
            f"--band {band:g}: expected a share from {least:g} to 10. Two runs one after the other "
            "differ by some percent even where nothing changed; `xpbench ab` sees smaller changes"
        )
    same_run = _is_one_run(base, new)
    # Turn by turn, whatever the machine does it does to both; and the anchor is a work of the
    # interpreter too, which two environments may not share.
    drifts = () if same_run or interleaved else tuple(machine_drifts(base, new))
    drift = max([1.0, *(drift.extent for drift in drifts if drift.seen)])
    # The band in which the drift alone would leave a case that is within ``band`` of what it was.
    widened = (1 + band) * drift - 1
    changes = _judged([_change(*pair, drift) for pair in _matched(base, new)], widened)
    if same_run:
        changes = [replace(c, verdict="same" if c.verdict else None) for c in changes]
    timed = [change for change in changes if change.base and change.new]
    forks = min((min(len(change.base), len(change.new)) for change in timed), default=None)
    return Comparison(
        base=base.name,
        new=new.name,
        same_run=same_run,
        changes=tuple(changes),
        band=widened,
        drifts=drifts,
        forks=forks,
        needed=forks_needed(len(timed)),
        overall=None if same_run else _overall(base, new, timed),
        warnings=tuple(_warnings(base, new, timed, drifts, interleaved or same_run)),
        notes=tuple(_differences(base, new, _EXPECTED)),
    )


def _is_one_run(base: Run, new: Run) -> bool:
    """Whether both are the same folder, or one is a copy of the other: a header has the second of its
    beginning."""
    if base.path.resolve() == new.path.resolve():
        return True
    begun = base.header.get("created"), base.header.get("name")
    return None not in begun and base.header == new.header and _samples(base) == _samples(new)


def _samples(run: Run) -> dict[tuple[str, int], tuple[str, tuple[float, ...]]]:
    return {m.key: (m.status, m.samples) for m in run.measurements}


def _matched(
    base: Run, new: Run
) -> Iterator[tuple[Case, list[Measurement] | None, list[Measurement] | None]]:
    """Every case of either run, with its records in both."""
    found = [_records(run) for run in (base, new)]
    cases = {key: case for records in found for key, (case, _) in records.items()}
    for key, case in cases.items():
        before, after = (records[key][1] if key in records else None for records in found)
        yield case, before, after


def _records(run: Run) -> dict[tuple[str, int], tuple[Case, list[Measurement]]]:
    found: dict[tuple[str, int], tuple[Case, list[Measurement]]] = {
        (str(case), case.threads): (case, []) for case in run.cases
    }
    for m in run.measurements:
        found.setdefault((str(m.case), m.case.threads), (m.case, []))[1].append(m)
    return found


def _change(
    case: Case, base: list[Measurement] | None, new: list[Measurement] | None, drift: float
) -> Change:
    before, after = _status(base), _status(new)
    reasons = [m.reason for m in [*(new or []), *(base or [])] if m.status == (after or before)]
    change = Change(case, before, after, next(iter(reasons), ""), _minima(base), _minima(new))
    if before != "ok" or after != "ok" or not (change.base and change.new):
        return replace(change, base=(), new=())
    return replace(
        change,
        ratio=stats.ratio(change.new, change.base),
        p_value=_p_value(change.new, change.base, drift),
    )


def _p_value(new: Sequence[float], base: Sequence[float], drift: float) -> float:
    """How likely a change this large is where ``drift``, a factor either way, is all there is.

    The largest p value of the rank-sum test over those factors: at the one nearest to what is seen,
    and 1 where that is among them. Tested against no change at all, cases that drift with the machine
    are all found to have changed, and a band cannot stop those that scatter beyond it.
    """
    seen = stats.ratio_estimate(new, base)
    explained = min(max(seen, 1 / drift), drift)
    if drift > 1 and explained == seen:
        return 1.0
    return stats.rank_sum_p_value([fork / explained for fork in new] if drift > 1 else new, base)


def _minima(records: Iterable[Measurement] | None) -> tuple[float, ...]:
    return tuple(stats.fork_minimum(m.samples) for m in records or () if m.status == "ok" and m.samples)


def _status(records: Sequence[Measurement] | None) -> str | None:
    """One word over all forks: a wrong result outweighs right ones, and a right one a fault."""
    if records is None:
        return None
    statuses = [m.status for m in records]
    return next((word for word in ("wrong", "ok") if word in statuses), (*statuses, "not_run")[0])


def _judged(changes: Sequence[Change], band: float) -> list[Change]:
    """The changes with their verdicts, which depend on one another."""
    comparable = {
        str(index): change.p_value
        for index, change in enumerate(changes)
        if change.p_value is not None and min(len(change.base), len(change.new)) >= MIN_FORKS
    }
    reported = benjamini_hochberg(comparable)
    return [
        replace(change, verdict=_verdict(change, str(index) in reported, band))
        if str(index) in comparable
        else change
        for index, change in enumerate(changes)
    ]


def _verdict(change: Change, reported: bool, band: float) -> str | None:
    """The verdict of the pair alone, which says that something changed only where that is reported."""
    verdict = stats.verdict(change.ratio, band)
    return "unclear" if verdict in ("faster", "slower") and not reported else verdict


def _overall(base: Run, new: Run, timed: Sequence[Change]) -> Ratio | None:
    """The geometric mean of NEW over BASE, with Welch's interval on the mean logs of the forks.

    The forks of two runs are not paired, and their means over cases are near enough to normal. Forks
    interleaved share what the machine did, so that for them the interval is, if anything, too wide.
    Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34 (1947). ``None`` below four whole forks a side.
    """
    a, b = _mean_logs(new, timed), _mean_logs(base, timed)
    if min(len(a), len(b)) < MIN_FORKS:
        return None
    squares = [statistics.variance(logs) / len(logs) for logs in (a, b)]
    parts = sum(square**2 / (len(logs) - 1) for square, logs in zip(squares, (a, b), strict=True))
    freedom = int(sum(squares) ** 2 / parts) if parts > 0 else len(a) + len(b) - 2
    reach = student_quantile(freedom) * math.sqrt(sum(squares))
    mean = statistics.fmean(a) - statistics.fmean(b)
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), LEVEL)


def _mean_logs(run: Run, timed: Sequence[Change]) -> list[float]:
    """For every fork that timed all the cases, the mean of the logs of their shortest rounds."""
    cases = {(str(change.case), change.case.threads) for change in timed}
    forks: dict[int, list[float]] = {}
    for m in run.measurements:
        if (str(m.case), m.case.threads) in cases and m.status == "ok" and m.samples:
            forks.setdefault(m.fork, []).append(math.log(stats.fork_minimum(m.samples)))
    return [statistics.fmean(logs) for logs in forks.values() if cases and len(logs) == len(cases)]


def _warnings(
    base: Run, new: Run, timed: Sequence[Change], drifts: Sequence[Drift], together: bool
) -> Iterator[str]:
    """What speaks against comparing the runs at all."""
    if not timed:
        yield (
            "nothing is compared: no case has a time in both; measure the same kernels, sizes, "
            "backends, dtypes and --threads"
        )
    if _machine(base, "id") != _machine(new, "id"):
        yield (
            f"the runs are from different machines ({_machine(base, 'cpu')}, {_machine(base, 'cores')} "
            f"CPUs; {_machine(new, 'cpu')}, {_machine(new, 'cores')} CPUs), perhaps all that changed"
        )
    for drift in drifts:
        if drift.seen:
            word = "slower" if drift.ratio.value > 1 else "faster"
            yield (
                f"the machine itself was {drift.extent:.2f}x {word} in NEW, by a fixed piece "
                f"of {drift.work} work: the band is widened by that"
            )
    if not drifts and not together:
        yield f"whether the machine drifted between the runs is not known: {why_unknown(base, new)}"
    yield from _differences(base, new, _GRAVE)


def _machine(run: Run, key: str) -> Any:
    return run.header["machine"].get(key)


def _settings(key: str) -> Callable[[Run], Any]:
    return lambda run: run.header["settings"].get(key)


def _in_force(run: Run) -> dict[str, str]:
    """By backend and switch, what was read back, e.g. ``{"torch threads": "2"}``."""
    seen: dict[str, set[str]] = {}
    for m in run.measurements:
        for key, value in m.in_force.items():
            if key not in ANCHORS and not key.startswith("probe_"):
                seen.setdefault(f"{m.case.backend} {key}", set()).add(str(value))
    return {name: " or ".join(sorted(values)) for name, values in seen.items()}


def _versions(run: Run) -> dict[str, str]:
    return {
        library: version
        for versions in run.header["versions"].values()
        if isinstance(versions, Mapping)
        for library, version in versions.items()
    }


def _kernel_files(run: Run) -> dict[str, Any]:
    """The digests of the files; the version of xpbench stands among them and is told by itself."""
    sources = run.header.get("sources")
    found = dict(sources) if isinstance(sources, Mapping) else {}
    return {name: digest for name, digest in found.items() if name != "xpbench"}


_GRAVE: dict[str, Callable[[Run], Any]] = {
    "threads": _settings("threads"),
    "precision": _settings("precision"),
    "caches": lambda run: run.header["settings"].get("cache", "hot"),
    "seconds of rounds": _settings("seconds"),
    "seed of the inputs": _settings("seed"),
    "in force": _in_force,
}
_EXPECTED: dict[str, Callable[[Run], Any]] = {
    "Python": lambda run: _machine(run, "python"),
    "xpbench": lambda run: run.header.get("xpbench"),
    "": _versions,
    "kernel file": _kernel_files,
}


def _differences(base: Run, new: Run, looks: Mapping[str, Callable[[Run], Any]]) -> Iterator[str]:
    """One line for each thing in which the runs differ: its name, then BASE's and NEW's."""
    for name, look in looks.items():
        a, b = look(base), look(new)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            for key in sorted(set(a) & set(b)):
                if a[key] != b[key]:
                    what = f"{name} {key}".strip()
                    yield (
                        f"{what}: changed"
                        if name == "kernel file"
                        else f"{what}: {a[key]}, now {b[key]}"
                    )
        elif a != b and None not in (a, b):
            yield f"{name}: {a}, now {b}"
