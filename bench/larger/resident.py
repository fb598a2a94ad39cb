"""How much memory does this process hold, and how is it kept from taking more?

Linux tells in ``/proc/self/status``. ``VmRSS`` counts every page that is in memory: those of nobody
else's (``RssAnon``), and those of files that are mapped (``RssFile``), libraries and data among them.
``VmHWM`` is the most that it ever was. ``VmData`` is what could be written to, touched or not.
"""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from xpbench.bench.exceptions import XpbenchError

STATUS = Path("/proc/self/status")
STACKS = 64 * 2**20
"""Bytes of address space for the stacks of threads that a library may still start, 8 MiB each, of
which it touches next to nothing."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a process holds now, by kind, and at most so far."""

    resident: int
    anonymous: int
    files: int
    peak: int
    data: int


def now(status: Path = STATUS) -> Memory:
    """What this process holds now.

    Raises
    ------
    XpbenchError
        Where the system has no such file.
    """
    try:
        lines = status.read_text().splitlines()
    except OSError:
        raise XpbenchError(
            f"{status} is missing, and with it the memory of a process: this command needs Linux"
        ) from None
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}

    def kibibytes(name: str) -> int:
        return 1024 * int(fields[name][0]) if fields.get(name) else 0

    return Memory(*map(kibibytes, ("VmRSS", "RssAnon", "RssFile", "VmHWM", "VmData")))


def keep_within(allowed: int, held: Memory) -> None:
    """Lets the system refuse memory that would take this process beyond ``allowed`` bytes.

    By RLIMIT_DATA, which counts what may be written to and nobody else sees, mapped files excepted.
    What was reserved before stays, so the limit is that and what is still allowed, and ``STACKS``.
    RLIMIT_AS would count the mapped file, and what libraries reserve and never touch. Where the hard
    limit is lower, that stays.
    """
    most = held.data + max(0, allowed - held.resident) + STACKS
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (min(most, sys.maxsize), hard))
