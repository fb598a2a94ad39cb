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
    of one device. ``received`` and ``performed`` are those bytes, and how often a call comes to an
    operation, by kind. ``device_flops`` are the operations of one device as XLA counts them, what is
    done in loops once and in libraries not at all; ``library_calls`` counts the calls of LAPACK and the
    like by name, which every device makes whole.
    """

    devices: int
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    gathered: bool | None = None
    communicated_bytes: float | None = None
    reason: str = ""
    operations: Mapping[str, int] | None = None
    device_bytes: int | None = None
    received: Mapping[str, float] | None = None
    performed: Mapping[str, float] | None = None
    device_flops: float | None = None
    library_calls: Mapping[str, int] | None = None

    @property
    def divided(self) -> bool:
        """Whether any input is divided among the devices."""
        return self.devices > 1 and any(placement != "replicated" for placement in self.inputs)

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
    moved, counted = record.get("communicated_bytes"), record.get("device_flops")
    return Sharding(
        devices=_count(record.get("devices")) or 1,
        inputs=tuple(map(str, record.get("inputs", ()))),
        outputs=tuple(map(str, record.get("outputs", ()))),
        gathered=None if record.get("gathered") is None else bool(record["gathered"]),
        communicated_bytes=None if moved is None else _amount(float(moved)),
        reason=str(record.get("reason", "")),
        operations=_counts(record.get("operations")),
        device_bytes=_count(record.get("device_bytes")),
        received=_amounts(record.get("received")),
        performed=_amounts(record.get("performed")),
        device_flops=None if counted is None else _amount(float(counted)),
        library_calls=_counts(record.get("library_calls")),
    )


def _amounts(record: Any) -> dict[str, float]:
    return {str(kind): _amount(float(value)) for kind, value in dict(record or {}).items()}


def _counts(record: Any) -> dict[str, int]:
    return {str(kind): _count(number) or 0 for kind, number in dict(record or {}).items()}


def _amount(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError("expected a number that is not negative")
    return value


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("expected 0, 1, 2, ...")
    return value
