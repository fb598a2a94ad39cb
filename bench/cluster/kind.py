"""Which machines are alike, so that what they measure may stand in one table?"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIB = 2**30
COMPARED = ("cpu", "cores", "system", "python", "cards")
"""What two machines of one kind have in common, beside their memory in whole GiB, and the versions of
libraries, in which no worker may differ."""
_NOISE = re.compile(r"\((?:r|tm|c)\)|@.*|\b(?:cpu|processor)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """A kind of machine: ``id`` has eight hexadecimal digits, ``name`` is that of its folder."""

    id: str
    name: str
    words: str


def kind_of(machine: Mapping[str, Any]) -> Kind:
    """The kind of a machine, as ``machine.describe`` tells of it."""
    memory = round((machine.get("memory_bytes") or 0) / GIB)
    told = {"memory": memory, **{name: machine.get(name) for name in COMPARED}}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    cpu = str(machine.get("cpu") or "unknown")
    words = re.sub(r"[^a-z0-9]+", "-", _NOISE.sub(" ", cpu).lower()).strip("-")[:30].strip("-")
    cards = ", ".join(map(str, machine.get("cards") or ())) or "no card"
    cores = machine.get("cores")
    described = (
        f"{cpu}, {cores} CPUs, {memory} GiB, {cards}, {machine.get('system')}, "
        f"Python {machine.get('python')}"
    )
    return Kind(digest, f"{words or 'machine'}-{cores}cpu-{digest}", described)
