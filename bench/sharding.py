"""How the arrays of a case lie on several devices, and what these exchange in a call."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Sharding:
    """What is seen of one call.

    ``inputs`` and ``outputs`` are the placements of the arrays (``replicated``, or ``shards,-`` for one
    divided along the first of two axes). ``gathered`` tells whether an array at least as large as the
    smallest divided input came to stand whole on a device. ``communicated_bytes`` is what all devices
    together receive in a call (see ``collectives``), ``None`` for the ``reason`` given. ``operations``
    counts the collective operations of the program by kind, ``device_bytes`` is the memory that it needs
    of one device.
    """

    devices: int
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    gathered: bool | None = None
    communicated_bytes: float | None = None
    reason: str = ""
    operations: Mapping[str, int] | None = None
    device_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(record: Any) -> Sharding | None:
    """The sharding that ``to_json`` wrote.

    Raises
    ------
    ValueError, TypeError
        If a value is not what its key promises.
    """
    if record is None:
        return None
    if not isinstance(record, Mapping):
        raise TypeError("expected an object")
    moved = record.get("communicated_bytes")
    return Sharding(
        devices=_count(record.get("devices")) or 1,
        inputs=tuple(map(str, record.get("inputs", ()))),
        outputs=tuple(map(str, record.get("outputs", ()))),
        gathered=None if record.get("gathered") is None else bool(record["gathered"]),
        communicated_bytes=None if moved is None else _bytes(float(moved)),
        reason=str(record.get("reason", "")),
        operations={str(k): _count(n) or 0 for k, n in dict(record.get("operations") or {}).items()},
        device_bytes=_count(record.get("device_bytes")),
    )


def _bytes(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError("expected bytes")
    return value


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("expected 0, 1, 2, ...")
    return value
