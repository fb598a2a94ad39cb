"""What one process saw of one case."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from xpbench.bench import sharding, stats
from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.sharding import Sharding

STATUSES = {
    "ok": "measured, and agrees with the oracle",
    "unsupported": "the backend lacks something the kernel needs",
    "refused": "has no answer for these inputs, such as the inverse of a singular matrix",
    "wrong": "ran, and disagrees with the oracle",
    "oom": "ran out of memory",
    "timeout": "was stopped at its deadline",
    "crashed": "took its process with it",
    "failed": "raised an exception",
    "not_run": "was planned, and its turn never came",
}


MOST = 2**63
"""No count that a run holds, of bytes, rounds or the rows of an input, is as large."""
DISTURBED = 0.10
"""A case counts as disturbed where other processes took more than this share of the CPUs' time."""


@dataclass(frozen=True)
class Measurement:
    """One case in one fork: one line of the journal.

    Times are in seconds. ``samples`` are the rounds of the latency, each the mean over
    ``iterations`` calls; ``throughput_samples`` likewise with one synchronisation a round, and
    ``device_samples`` by the device's own clock, which ``device_source`` names, or why it told nothing.
    ``beside_samples`` are rounds of the same work on the backend ``beside``, each right after one of
    ``samples``.
    ``errors`` maps a name to ``(value, limit)``. ``first_call_s`` and ``compile_s`` belong to an
    empty compile cache where ``cold`` is true; ``transfer_s`` is the way of the inputs in,
    ``transfer_out_s`` that of the outputs out. ``in_force`` is what the library reported of its
    threads and precision, and what the process saw of the machine before its first case. Of the
    timed section, ``pressure`` is the share in which some task of this machine waited for a CPU, one
    of our own threads perhaps, ``others`` the share of the CPUs' time that other processes took, and
    ``switches`` counts involuntary context switches. ``spent`` holds the seconds of the case by phase
    (see ``accounting.PHASES``). ``sharding`` is there where the arrays lie on several devices.
    """

    case: Case
    fork: int
    status: str
    reason: str = ""
    samples: tuple[float, ...] = ()
    iterations: int = 0
    throughput_samples: tuple[float, ...] = ()
    device_samples: tuple[float, ...] = ()
    device_source: str = ""
    beside: str = ""
    beside_samples: tuple[float, ...] = ()
    first_call_s: float | None = None
    compile_s: float | None = None
    cold: bool = False
    transfer_s: float | None = None
    transfer_out_s: float | None = None
    compute_dtype: str = ""
    errors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    traffic_bytes: float | None = None
    peak_bytes: int | None = None
    in_force: Mapping[str, Any] = field(default_factory=dict)
    pressure: float | None = None
    others: float | None = None
    switches: int | None = None
    spent: Mapping[str, float] = field(default_factory=dict)
    sharding: Sharding | None = None

    @property
    def key(self) -> tuple[str, int]:
        return (str(self.case), self.fork)

    @property
    def disturbed(self) -> bool:
        return (self.others or 0.0) > DISTURBED

    def after(self, earlier: "Measurement | None", more_throttled: bool | None = None) -> "Measurement":
        """This record in place of an ``earlier`` one of the same case and fork.

        Of two the one counts that its card throttled less, and where ``more_throttled`` does not tell
        them apart, of two that were disturbed the less disturbed one. One that alternated with another
        case stays: what disturbed it disturbed both. A case that is measured again finds the compile
        caches filled: what the first time saw of empty ones stays.
        """
        if earlier is None or self.status != "ok" or earlier.status != "ok":
            return self
        if earlier.beside and not self.beside:
            return earlier
        more_disturbed = self.disturbed and (earlier.others or 0.0) < (self.others or 0.0)
        if more_throttled or (more_throttled is None and more_disturbed):
            return earlier
        if self.cold or not earlier.cold:
            return self
        return replace(self, cold=True, first_call_s=earlier.first_call_s, compile_s=earlier.compile_s)

    def to_json(self) -> dict[str, Any]:
        """A record of standard JSON: a number that is not finite is written as the string of it."""
        record = {part.name: as_json(getattr(self, part.name)) for part in fields(self)}
        if self.sharding is None:
            del record["sharding"]
        else:
            record["sharding"] = as_json(self.sharding.to_json())
        return {**record, "case": self.case.to_json(), "id": str(self.case)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Measurement":
        """The measurement that ``to_json`` wrote. Keys it does not know are left aside, absent ones
        take their default.

        Raises
        ------
        XpbenchError
            If ``case``, ``fork`` or ``status`` is missing, or a value is not what its key promises.
        """
        if not isinstance(record, Mapping):
            raise XpbenchError(f"a measurement must be an object, not {record!r:.60}")
        missing = [key for key in ("case", "fork", "status") if key not in record]
        if missing:
            raise XpbenchError(f"a measurement lacks {missing[0]!r}")
        values = {}
        for key in record.keys() & _READ.keys():
            try:
                values[key] = _READ[key](record[key])
            except (TypeError, ValueError, OverflowError, AttributeError) as fault:
                raise XpbenchError(f"{key} = {record[key]!r:.60} is malformed: {fault}") from None
        return cls(**values)


def as_json(value: Any) -> Any:
    """``value`` in types that standard JSON can hold.

    JSON has no infinity and no NaN: they become the strings ``inf``, ``-inf`` and ``nan``, which
    ``float`` reads back. Scalars of an array library become Python's own.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(entry) for entry in value]
    if getattr(value, "shape", None) == ():
        return as_json(value.item())
    return str(value)


_CASE: Mapping[str, type[str] | type[int]] = {
    part.name: int if part.name == "threads" else str for part in fields(Case) if part.name != "size"
}


def read_case(record: Any) -> Case:
    """The case that ``Case.to_json`` wrote; keys that ``Case`` does not know are left aside.

    Raises
    ------
    XpbenchError
        If a key is missing or a value is not what its key promises.
    """
    names = [part.name for part in fields(Case)]
    if not isinstance(record, Mapping):
        raise XpbenchError(f"a case must be an object, not {record!r:.60}")
    if missing := [name for name in names if name not in record and name != "precision"]:
        raise XpbenchError(f"a case lacks {missing[0]!r}")
    for name, kind in _CASE.items():
        if type(record.get(name, kind())) is not kind:
            what = "a whole number" if kind is int else "a text"
            raise XpbenchError(f"the {name} of a case must be {what}, not {record[name]!r:.60}")
    size = record["size"]
    if not isinstance(size, Mapping) or not all(
        type(entry) is int and 0 <= entry < MOST for entry in size.values()
    ):
        raise XpbenchError(f"the size of a case must map names to integers, not {size!r:.60}")
    if not 0 <= record["threads"] < MOST:
        raise XpbenchError(f"the threads of a case must be so many, not {record['threads']!r:.60}")
    return Case.from_json({name: record[name] for name in names if name in record})


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MOST:
        raise ValueError("expected 0, 1, 2, ...")
    return value


def _count_or_none(value: Any) -> int | None:
    return None if value is None else _count(value)


def _status(value: Any) -> str:
    if value not in STATUSES:
        raise ValueError(f"expected one of {', '.join(STATUSES)}")
    return str(value)


def _times(value: Any) -> tuple[float, ...]:
    times = tuple(float(entry) for entry in value)
    if not all(0 < entry < math.inf for entry in times):
        raise ValueError("expected positive numbers of seconds")
    return times


def _number(value: Any) -> float | None:
    """A figure that may be unknown, which is how one that is not finite is read too."""
    return None if value is None or not math.isfinite(float(value)) else float(value)


def _pairs(value: Any) -> dict[str, tuple[float, float]]:
    return {str(name): (float(error), float(limit)) for name, (error, limit) in value.items()}


def _seconds_by_name(value: Any) -> dict[str, float]:
    return {str(name): float(seconds) for name, seconds in value.items()}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value.items())


_READ: dict[str, Callable[[Any], Any]] = {
    "case": read_case,
    "fork": _count,
    "status": _status,
    "reason": str,
    "samples": _times,
    "iterations": _count,
    "throughput_samples": _times,
    "device_samples": _times,
    "device_source": str,
    "beside": str,
    "beside_samples": _times,
    "first_call_s": _number,
    "compile_s": _number,
    "cold": bool,
    "transfer_s": _number,
    "transfer_out_s": _number,
    "compute_dtype": str,
    "errors": _pairs,
    "traffic_bytes": _number,
    "peak_bytes": _count_or_none,
    "in_force": _mapping,
    "pressure": _number,
    "others": _number,
    "switches": _count_or_none,
    "spent": _seconds_by_name,
    "sharding": sharding.read,
}


def seconds_by_fork(records: "Sequence[Measurement]") -> dict[int, float]:
    """The time of every fork of a case that ended well; empty where any ended wrong."""
    if any(m.status == "wrong" for m in records):
        return {}
    return {m.fork: stats.fork_summary(m.samples) for m in records if m.status == "ok" and m.samples}
