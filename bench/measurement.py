"""What one process saw of one case."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from xpbench.bench.case import Case

STATUSES = {
    "ok": "measured, and agrees with the oracle",
    "unsupported": "the backend lacks something the kernel needs",
    "refused": "not started, because it could not have ended well",
    "wrong": "ran, and disagrees with the oracle",
    "oom": "ran out of memory",
    "timeout": "was stopped at its deadline",
    "crashed": "took its process with it",
    "failed": "raised an exception",
    "not_run": "was planned, and its turn never came",
}


@dataclass(frozen=True)
class Measurement:
    """One case in one fork: one line of the journal.

    Times are in seconds. ``samples`` are the rounds of the latency, each the mean over
    ``iterations`` calls; ``throughput_samples`` likewise with one synchronisation a round.
    ``errors`` maps a name to ``(value, limit)``. ``first_call_s`` and ``compile_s`` belong to an
    empty compile cache where ``cold`` is true. ``in_force`` is what the library reported of its
    threads and precision, ``pressure`` the share of the timed section in which some task of this
    machine waited for a CPU, ``switches`` the involuntary context switches of the section.
    """

    case: Case
    fork: int
    status: str
    reason: str = ""
    samples: tuple[float, ...] = ()
    iterations: int = 0
    throughput_samples: tuple[float, ...] = ()
    first_call_s: float | None = None
    compile_s: float | None = None
    cold: bool = False
    transfer_s: float | None = None
    compute_dtype: str = ""
    errors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    traffic_bytes: float | None = None
    peak_bytes: int | None = None
    in_force: Mapping[str, Any] = field(default_factory=dict)
    pressure: float | None = None
    switches: int | None = None

    @property
    def key(self) -> tuple[str, int]:
        return (str(self.case), self.fork)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "case": self.case.to_json(), "id": str(self.case)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Measurement":
        fields = {key: value for key, value in record.items() if key != "id"}
        fields["case"] = Case.from_json(record["case"])
        fields["samples"] = tuple(record["samples"])
        fields["throughput_samples"] = tuple(record["throughput_samples"])
        fields["errors"] = {name: (value, limit) for name, (value, limit) in record["errors"].items()}
        return cls(**fields)
