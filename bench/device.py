"""What a device's name says: ``cpu``, ``cuda:1``, ``8xcpu`` (8 in one process), ``2x4xcpu`` (2 processes
of 4 each)."""

import re
from dataclasses import dataclass

from xpbench.bench.exceptions import XpbenchError

MOST = 1024
_NAME = re.compile(r"(?:([0-9]{1,4})x)?(?:([0-9]{1,4})x)?([a-z_][a-z0-9_]*)(?::([0-9]{1,4}))?")


@dataclass(frozen=True)
class Device:
    """One device, the one at ``index``, or several of a ``kind``: ``count`` in each of ``processes``."""

    kind: str
    index: int = 0
    count: int = 1
    processes: int = 1

    @property
    def total(self) -> int:
        return self.count * self.processes


def parse(text: str) -> Device:
    """The device that ``text`` names.

    Raises
    ------
    XpbenchError
        If it names none, or no device, or more than ``MOST``.
    """
    match = _NAME.fullmatch(text)
    first, second, kind, index = match.groups() if match else (None, None, "", None)
    if not match or (first is not None and index is not None):
        raise XpbenchError(
            f"device {text!r}: expected a name such as cpu, cuda, cuda:1, 8xcpu (8 devices of one "
            "process) or 2x4xcpu (2 processes of 4 devices)"
        )
    processes, count = (1, int(first or 1)) if second is None else (int(first or 1), int(second))
    if not 1 <= count * processes <= MOST:
        raise XpbenchError(f"device {text!r}: expected 1 to {MOST} devices")
    return Device(kind, int(index or 0), count, processes)


def kind_of(text: str) -> str:
    """The kind in a device's name, e.g. ``cpu`` of ``2x4xcpu``.

    Of a text that names none, which a stored run may hold, what stands before its colon.
    """
    match = _NAME.fullmatch(text)
    return match[3] if match else text.split(":")[0]


def count_of(text: str) -> int:
    """How many devices a name stands for; 1 for a text that names none."""
    match = _NAME.fullmatch(text)
    return int(match[1] or 1) * int(match[2] or 1) if match else 1


def is_divided(text: str) -> bool:
    """Whether a name says how many devices it stands for, as ``1xcpu`` does."""
    match = _NAME.fullmatch(text)
    return match is not None and match[1] is not None


def singles(text: str) -> list[str]:
    """The names of the devices that one name stands for: ``cuda`` and ``cuda:1`` for ``2xcuda``. A text
    that says no number of them stands for itself."""
    if not is_divided(text):
        return [text]
    kind = kind_of(text)
    return [f"{kind}:{index}" if index else kind for index in range(count_of(text))]


def is_host(text: str) -> bool:
    """Whether a device of that name is the host's processor, or a part of it."""
    return kind_of(text) == "cpu"


def is_counted(text: str) -> bool:
    """Whether a name says how many devices it stands for, as ``1xcpu`` does and ``cpu`` does not."""
    match = _NAME.fullmatch(text)
    return match is not None and match[1] is not None
