"""What one process found that a device can do at most: one line beside the journal."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from xpbench.bench.exceptions import XpbenchError

CACHE_TIMES = 4
"""Arrays that fit so often into the last-level cache live there; those of a roof are as much larger."""


FALLBACK_CACHE = 32 * 2**20
"""The last-level cache of a processor that does not tell it, in bytes."""


@dataclass(frozen=True)
class Roof:
    """What one process reached, in one backend and dtype.

    ``matmul_flops`` is in operations a second, for the shape named. ``reused_bytes`` and
    ``fresh_bytes`` are bytes a second between processor and memory: the first with nothing to write
    but what was read, the second with an output in memory that is new in every call, where each line
    of the output is read before it is written (write-allocate: it counts twice). A card writes whole
    lines unread, and the second is the rate of a copy. ``dispatch_s`` is the time of the smallest call,
    awaited. ``None`` is what could not be measured. ``array_bytes`` is the size of the arrays of the
    bandwidths, ``cache_bytes`` that of the device's last cache, ``timed_s`` the seconds of all calls.
    ``product_bits`` are those that products of float32 keep (see ``product_bits``). ``exchange_s`` is
    the time in which several devices add up one number of each, within a call.
    """

    backend: str
    device: str
    dtype: str
    threads: int
    precision: str
    fork: int
    matmul_flops: float | None = None
    matmul_shape: str = ""
    reused_bytes: float | None = None
    fresh_bytes: float | None = None
    dispatch_s: float | None = None
    array_bytes: int | None = None
    cache_bytes: int | None = None
    timed_s: float = 0.0
    product_bits: float | None = None
    exchange_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Roof":
        """The roof that ``to_json`` wrote; keys it does not know are left aside.

        Raises
        ------
        XpbenchError
            If a key is missing or a value is not what its key promises.
        """
        names = {part.name for part in fields(cls)}
        if not isinstance(record, Mapping):
            raise XpbenchError(f"a roof must be an object, not {record!r:.60}")
        try:
            roof = cls(**{name: record[name] for name in names & set(record)})
        except TypeError as fault:
            raise XpbenchError(f"a roof is malformed: {fault}") from None
        kinds = {
            "backend": str,
            "device": str,
            "dtype": str,
            "threads": int,
            "precision": str,
            "fork": int,
        }
        if faulty := [key for key, kind in kinds.items() if type(getattr(roof, key)) is not kind]:
            raise XpbenchError(f"a roof is malformed: {faulty[0]} = {record[faulty[0]]!r:.60}")
        figures = (
            roof.matmul_flops,
            roof.reused_bytes,
            roof.fresh_bytes,
            roof.dispatch_s,
            roof.product_bits,
            roof.exchange_s,
        )
        if not all(f is None or (isinstance(f, int | float) and 0 < f < math.inf) for f in figures):
            raise XpbenchError("a roof is malformed: its figures must be positive numbers or null")
        return roof
