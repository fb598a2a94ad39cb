"""What this machine is, and how busy it is while we measure."""

import hashlib
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.bench import processor
from xpbench.bench.cards import ORDERED_CARDS, index_of

PRESSURE = Path("/proc/pressure/cpu")
TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds from one reading of ``/proc/stat`` that differs to the next."""


@dataclass(frozen=True)
class Counters:
    """Where this machine's clocks stand; what differs between two readings is what happened between.

    ``waited`` counts the seconds in which some task waited for a CPU, ``others`` the CPU seconds
    spent on anything but this process and those that work for it, ``switches`` how often this process
    was made to give way.
    """

    seconds: float
    waited: float | None
    others: float | None
    switches: int


@dataclass(frozen=True)
class Disturbance:
    """How busy the machine was: shares of the time in which some task waited, and of all its CPUs'
    time that others took; and involuntary context switches."""

    pressure: float | None
    others: float | None
    switches: int


def counters(ours: Sequence[int] = ()) -> Counters:
    """A reading of the machine's clocks, now; ``ours`` are processes that work for this one."""
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    return Counters(time.perf_counter(), _waited_seconds(), _others_seconds(ours), switches)


def between(before: Counters, after: Counters) -> Disturbance:
    """What happened between two readings."""
    seconds = after.seconds - before.seconds
    return Disturbance(
        pressure=_share(before.waited, after.waited, seconds),
        others=_share(before.others, after.others, seconds * available_cpus(), TICK),
        switches=after.switches - before.switches,
    )


def _share(before: float | None, after: float | None, whole: float, step: float = 0.0) -> float | None:
    """The share of ``whole`` between two readings of a clock that goes in steps, of which one may be
    the clock's alone."""
    if before is None or after is None:
        return None
    return min(1.0, max(0.0, (after - before - step) / whole))


def describe() -> dict[str, Any]:
    """What a reader must know of the machine. The host's name appears only as part of a hash."""
    name = processor.name()
    fingerprint = f"{platform.node()} {name} {platform.system()}"
    return {
        "id": hashlib.sha256(fingerprint.encode()).hexdigest()[:8],
        "cpu": name,
        "cores": available_cpus(),
        "cpus_present": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **processor.describe(processor.available_cpus()),
        "cards": cards(),
    }


def available_cpus() -> int:
    """How many CPUs this process may use."""
    return len(processor.available_cpus())


def swapped_bytes(root: Path = processor.ROOT) -> int | None:
    """Bytes of memory that this machine has moved to a disk; ``None`` where Linux does not tell."""
    lines = (processor.text(root / "proc/meminfo") or "").splitlines()
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    if not {"SwapTotal", "SwapFree"} <= fields.keys():
        return None
    return 1024 * (int(fields["SwapTotal"][0]) - int(fields["SwapFree"][0]))


def cards() -> list[str]:
    """Name, driver and memory of the NVIDIA cards that a process here sees, in the order of ``cuda``,
    ``cuda:1``, ..., as their driver reports them."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = [command, "--query-gpu=uuid,name,driver_version,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return visible(answer.stdout, os.environ) if answer.returncode == 0 else []


def visible(listed: str, environment: Mapping[str, str]) -> list[str]:
    """Of the cards ``listed``, a line each that begins with a UUID, those that CUDA shows a worker."""
    lines = [line.partition(", ") for line in listed.strip().splitlines()]
    uuids = [uuid for uuid, _, _ in lines]
    variables = {**ORDERED_CARDS, **environment}
    places = [index_of(f"cuda:{place}", variables, uuids) for place in range(len(uuids))]
    return [lines[index][2] for index in places if index is not None]


def _waited_seconds() -> float | None:
    """Seconds, since boot, in which some task of this machine waited for a CPU.

    Linux's pressure stall information (``/proc/pressure/cpu``, line ``some``); ``None`` elsewhere.
    """
    line = (processor.text(PRESSURE) or "").split("\n")[0]
    fields = dict(part.split("=") for part in line.split()[1:])
    return int(fields["total"]) * 1e-6 if "total" in fields else None


def _others_seconds(ours: Sequence[int]) -> float | None:
    """CPU seconds, counted from some time on, that the CPUs which this process may use spent on anything
    but this process and ``ours``.

    From ``/proc/stat``, in steps of ``TICK`` for each CPU; what a hypervisor took away counts. Pressure
    cannot tell others from the threads of a library that crowds itself out; this can. ``None`` where
    there is no such file.
    """
    seconds = busy_seconds(processor.text(Path("/proc/stat")) or "", processor.available_cpus())
    if seconds is None:
        return None
    return seconds - time.process_time() - sum(map(_process_seconds, ours))


def _process_seconds(process: int) -> float:
    """CPU seconds of another process; none of one that has gone."""
    # After the name, which may hold anything.
    fields = (processor.text(Path(f"/proc/{process}/stat")) or "").rpartition(")")[2].split()
    return TICK * sum(map(int, fields[11:13]))


def busy_seconds(stat: str, cpus: Iterable[int]) -> float | None:
    """The CPU seconds that ``cpus`` were busy, by the text of ``/proc/stat``; ``None`` where it lacks
    one of them."""
    lines = {line.split()[0]: line.split()[1:] for line in stat.splitlines() if line.startswith("cpu")}
    ticks = 0
    for cpu in cpus:
        fields = lines.get(f"cpu{cpu}", [])
        if len(fields) < 8:
            return None
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
        ticks += user + nice + system + irq + softirq + steal
    return ticks * TICK


def memory_bytes() -> int | None:
    """Bytes of memory in this machine; ``None`` where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
