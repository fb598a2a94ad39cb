"""How much of several devices does a kernel use? Efficiencies of a run, with the interval of its forks.

With T1 and Tp the times of a call on one device and on p, and w the flops of the second over those of
the first, p devices work w T1 / Tp times as fast as one, and with the efficiency w T1 / (p Tp). Strong
scaling is that of the same size, w = 1 (Amdahl, AFIPS Conf. Proc. 30, 1967), weak scaling that of work
which grows with the devices, w = p or near it (Gustafson, Comm. ACM 31, 1988).
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from xpbench.bench import growth, processor, stats
from xpbench.bench.case import Case
from xpbench.bench.device import count_of, is_host, kind_of
from xpbench.bench.header import positive
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement, seconds_by_fork
from xpbench.bench.multiple_comparisons import overall_ratio
from xpbench.bench.sharding import Sharding
from xpbench.bench.stats import Ratio

Kind = Literal["strong", "weak"]
SHORTEST, LONGEST = 1e-12, 1e12
"""Seconds of a call, and times the work of another size: what lies beyond no machine has measured, and
no float could hold all ratios of."""


@dataclass(frozen=True)
class Efficiency:
    """A kernel on several ``devices`` beside the same kernel on one of them.

    ``one_s`` and ``several_s`` are the seconds of a call by fork, ``work`` the flops of the second over
    those of the first, ``None`` where the kernel states none. ``speedup`` is T1 over Tp times the work,
    with the exact interval of the pairs, ``None`` where the forks are too few for one. ``ideal`` is the
    largest efficiency that the processors of a host allow, which several devices may have to share.
    ``sharding`` is what several devices did with their arrays, ``alone`` the same of one. ``reason``
    tells what ended otherwise than well.
    """

    kind: Kind
    one: Case
    several: Case
    devices: int
    ideal: float
    work: float | None
    one_s: Mapping[int, float]
    several_s: Mapping[int, float]
    speedup: Ratio | None
    sharding: Sharding | None = None
    alone: Sharding | None = None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """The efficiency, with an interval or without; ``None`` where one of the two was not timed."""
        if self.speedup is not None:
            return self.speedup.value / self.devices
        if self.work is None or not self.one_s or not self.several_s:
            return None
        ratio = stats.ratio_estimate(list(self.one_s.values()), list(self.several_s.values()))
        return ratio * self.work / self.devices

    @property
    def low(self) -> float | None:
        return self.speedup.low / self.devices if self.speedup else None

    @property
    def high(self) -> float | None:
        return self.speedup.high / self.devices if self.speedup else None

    @property
    def gathered(self) -> bool:
        return bool(self.sharding and self.sharding.gathered)

    @property
    def whole(self) -> bool:
        """Whether no input was divided, so that every device did everything."""
        return self.sharding is not None and not self.sharding.divided

    @property
    def operations(self) -> float | None:
        """What all devices together compute over what one does at the same size, by XLA's count, 1 where
        all is divided; ``None`` where it does not tell, or the sizes differ."""
        both = (self.sharding, self.alone)
        counts = [positive(seen.device_flops) if seen else None for seen in both]
        if self.kind == "weak" or counts[0] is None or counts[1] is None:
            return None
        return _bounded(self.devices * (counts[0] / counts[1]))


@dataclass(frozen=True)
class Mean:
    """The geometric mean of the efficiencies of ``kernels`` that ``gathered`` arrays, or that did not,
    at the sizes of one name on devices of one name. ``ratio`` has Student's interval over the ``forks``;
    it is ``None`` below four. ``worst`` has the least efficiency."""

    kind: Kind
    size_name: str
    device: str
    gathered: bool
    kernels: int
    forks: int
    value: float
    ratio: Ratio | None
    worst: Efficiency


def efficiencies(run: Run) -> list[Efficiency]:
    """Every case of ``run`` on several devices that has its like on one of them, in the run's order."""
    cases = list(dict.fromkeys([*run.cases, *(m.case for m in run.measurements)]))
    single = {_like(case, case.size_text): case for case in cases if count_of(case.device) == 1}
    named = {
        _like(case, name): case
        for case in single.values()
        for name in (case.size_text, case.size_name)
        if name
    }
    records: dict[Case, list[Measurement]] = {}
    for measurement in run.measurements:
        records.setdefault(measurement.case, []).append(measurement)
    found = []
    for case in (case for case in cases if count_of(case.device) > 1):
        if (one := single.get(_like(case, case.size_text))) is not None:
            found.append(_efficiency(run, records, "strong", one, case))
        grown = growth.parse_name(case.size_name)
        if grown and grown[1] == count_of(case.device) and (one := named.get(_like(case, grown[0]))):
            found.append(_efficiency(run, records, "weak", one, case))
    return found


def means(found: Iterable[Efficiency]) -> Iterator[Mean]:
    """The means over the kernels timed on both sides, by kind, name of size and device."""
    groups: dict[tuple[Kind, str, str, bool], list[Efficiency]] = {}
    for one in found:
        if one.value is not None and one.one_s.keys() & one.several_s.keys():
            key = (one.kind, one.one.size_name, one.several.device, one.gathered)
            groups.setdefault(key, []).append(one)
    for key, members in groups.items():
        yield _mean(key, members)


def ideal(case: Case, cores: int | None) -> float:
    """The largest efficiency of a case on several devices: those of a host have so many ``threads`` each
    as long as there are CPUs, of which it has ``cores``."""
    devices = count_of(case.device)
    if not is_host(case.device) or not cores or case.threads < 1:
        return 1.0
    alone = min(case.threads, cores)
    return min(devices * case.threads, cores) / alone / devices


def _efficiency(
    run: Run, records: Mapping[Case, list[Measurement]], kind: Kind, one: Case, several: Case
) -> Efficiency:
    of_one, of_several = records.get(one, []), records.get(several, [])
    one_s, several_s = _times_of(of_one), _times_of(of_several)
    work = 1.0 if kind == "strong" else _work(run, one, several)
    shared = sorted(one_s.keys() & several_s.keys())
    ratio = stats.paired_ratio([one_s[f] for f in shared], [several_s[f] for f in shared])
    told = dict.fromkeys(
        f"{m.case.device} {m.status}: {m.reason}" for m in (*of_one, *of_several) if m.status != "ok"
    )
    return Efficiency(
        kind=kind,
        one=one,
        several=several,
        devices=count_of(several.device),
        ideal=ideal(several, _cores(run.header["machine"])),
        work=work,
        one_s=one_s,
        several_s=several_s,
        speedup=None if ratio is None or work is None else _times(ratio, work),
        sharding=_sharding(of_several),
        alone=_sharding(of_one),
        reason="; ".join(told),
    )


def _cores(machine: Mapping[str, Any]) -> int | None:
    """The CPUs of a machine as far as its control group lets a process use them."""
    cores, quota = machine.get("cores"), machine.get("cgroup_quota")
    most = processor.quota_cpus(quota) if isinstance(quota, str) else None
    return cores if cores is None or most is None else min(cores, max(1, int(most)))


def _like(case: Case, size: str) -> tuple[object, ...]:
    """What a case has in common with its like on another number of devices, at a size so called."""
    place = (case.backend, kind_of(case.device))
    return (case.kernel, size, *place, case.dtype, case.threads, case.precision)


def _work(run: Run, one: Case, several: Case) -> float | None:
    counts = run.header["kernels"].get(one.kernel, {}).get("flops", {})
    before, after = (positive(counts.get(case.size_text)) for case in (one, several))
    return _bounded(after / before) if before and after else None


def _bounded(value: float) -> float | None:
    return value if SHORTEST <= value <= LONGEST else None


def _times_of(records: Sequence[Measurement]) -> dict[int, float]:
    seconds = seconds_by_fork(records)
    return {fork: time for fork, time in seconds.items() if _bounded(time) is not None}


def _times(ratio: Ratio, factor: float) -> Ratio:
    return Ratio(ratio.value * factor, ratio.low * factor, ratio.high * factor, ratio.level)


def _sharding(records: Sequence[Measurement]) -> Sharding | None:
    return next((m.sharding for m in records if m.sharding is not None), None)


def _mean(key: tuple[Kind, str, str, bool], members: Sequence[Efficiency]) -> Mean:
    forks = sorted(set.intersection(*({*one.one_s.keys() & one.several_s.keys()} for one in members)))
    blocks = [
        statistics.fmean(
            math.log(one.one_s[fork] / one.several_s[fork] * (one.work or 1.0) / one.devices)
            for one in members
        )
        for fork in forks
    ]
    values = [one.value or 1.0 for one in members]
    return Mean(
        *key,
        kernels=len({one.one.kernel for one in members}),
        forks=len(forks),
        value=math.exp(statistics.fmean(map(math.log, values))),
        ratio=overall_ratio(blocks),
        worst=min(members, key=lambda one: one.value or 1.0),
    )
