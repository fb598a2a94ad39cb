"""What in this machine's processor and its surroundings makes times differ? Read from Linux's files.

Every figure is ``None`` where the system does not tell it, as outside Linux none does.
"""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path("/")
_CPUS = Path("sys/devices/system/cpu")

# Lanes of a vector register and fused multiply-adds started in a cycle, for entries of four bytes.
_VECTORS = (("avx512f", 16), ("avx2", 8), ("asimd", 4), ("sse2", 4))
_UNITS = 2


def describe(cpus: Iterable[int], root: Path = ROOT) -> dict[str, Any]:
    """What to know of the ``cpus`` that this process may use.

    ``cache_bytes`` is the size of their last-level caches together, ``vendor_peak_flops`` the
    floating-point operations a second of one of them (see ``peak_flops``).
    """
    return {
        "governor": text(root / _CPUS / "cpu0/cpufreq/scaling_governor"),
        "turbo": turbo(root),
        "smt": _switch(root / _CPUS / "smt/active"),
        "numa_nodes": len(list((root / "sys/devices/system/node").glob("node[0-9]*"))) or None,
        "cache_bytes": cache_bytes(cpus, root),
        "hypervisor": hypervisor(root),
        "container": container(root),
        "cgroup_quota": quota(root),
        "vendor_peak_flops": peak_flops(root),
    }


def turbo(root: Path = ROOT) -> bool | None:
    """Whether the clock may rise above its base while the chip is cool."""
    intel = _switch(root / _CPUS / "intel_pstate/no_turbo")
    return not intel if intel is not None else _switch(root / _CPUS / "cpufreq/boost")


def hypervisor(root: Path = ROOT) -> str | None:
    """Who runs this machine as a guest; ``None`` where the processor says that nobody does."""
    if "hypervisor" not in flags(root):
        return None
    said = (text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name"))
    named = " ".join(word for word in said if word)
    return named or text(root / "sys/hypervisor/type") or "unknown"


def container(root: Path = ROOT) -> str | None:
    """The kind of container around this process, where there are signs of one."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    found = re.search(r"(docker|kubepods|lxc|containerd)", text(root / "proc/1/cgroup") or "")
    return found[1] if found else None


def quota(root: Path = ROOT) -> str | None:
    """The tightest limit on CPU time of this process's control group and those above it, as cgroup v2
    writes it (``150000 100000``); version 1's two files are put in the same words."""
    said = [text(group / "cpu.max") or _version_1(group) for group in control_groups("cpu", root)]
    limits = [limit for limit in said if limit]
    return min(limits, key=lambda limit: quota_cpus(limit) or float("inf"), default=None)


def control_groups(controller: str, root: Path = ROOT) -> list[Path]:
    """The folders of this process's control group and those above it, of version 2 and of version 1's
    ``controller``."""
    lines = (text(root / "proc/self/cgroup") or "").splitlines()
    found = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    own = {name: group for _, names, group in found for name in names.split(",")}
    mounted = root / "sys/fs/cgroup"
    return [
        *_groups(mounted, own.get("", "/")),
        *_groups(mounted / controller, own.get(controller, "/")),
    ]


def _groups(mounted: Path, group: str) -> list[Path]:
    # A container sees its own group as the root, or a path that is not there: both are harmless.
    own = mounted / group.lstrip("/")
    return [mounted, *(path for path in (own, *own.parents) if mounted in path.parents)]


def _version_1(group: Path) -> str | None:
    most, period = text(group / "cpu.cfs_quota_us"), text(group / "cpu.cfs_period_us")
    if most is None or period is None:
        return None
    return f"{'max' if most == '-1' else most} {period}"


def quota_cpus(quota: str | None) -> float | None:
    """How many CPUs' time a control group may use: ``150000 100000`` is 1.5, ``max 100000`` no limit."""
    found = re.fullmatch(r"(\d+) (\d+)", quota or "")
    return int(found[1]) / int(found[2]) if found and int(found[2]) else None


def cache_bytes(cpus: Iterable[int], root: Path = ROOT) -> int | None:
    """Bytes of the last-level caches that ``cpus`` see, each cache counted once."""
    caches: dict[str, int] = {}
    for cpu in cpus:
        levels = {
            int(text(index / "level") or 0): index
            for index in (root / _CPUS / f"cpu{cpu}/cache").glob("index[0-9]*")
            if text(index / "type") != "Instruction"
        }
        if levels:
            last = levels[max(levels)]
            size = _bytes(text(last / "size"))
            if size:
                caches[text(last / "shared_cpu_list") or str(cpu)] = size
    return sum(caches.values()) or None


def peak_flops(root: Path = ROOT) -> dict[str, float] | None:
    """By dtype, what one core could do in a second: its highest clock, times the lanes of its widest
    vectors, times two (a fused multiply-add), times two units that start one each in a cycle.

    Fog, "The microarchitecture of Intel, AMD and VIA CPUs" (agner.org), has the units; most server
    cores since 2015 have two. ``None`` where the system does not state the highest clock: what a guest
    is told of its clock is not what it runs at.
    """
    kilohertz = text(root / _CPUS / "cpu0/cpufreq/cpuinfo_max_freq")
    said = flags(root)
    # Without fused multiply-adds the factor of two would be made up; on ARM they come with asimd.
    fused = bool(said & {"fma", "asimd"})
    lanes = next((count for flag, count in _VECTORS if flag in said), None) if fused else None
    if not kilohertz or not kilohertz.isdigit() or lanes is None:
        return None
    single = 1e3 * int(kilohertz) * lanes * 2 * _UNITS
    return {"float32": single, "float64": single / 2}


def flags(root: Path = ROOT) -> set[str]:
    """What the processor says it can do, in the words of ``/proc/cpuinfo``."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return set(found[1].split()) if found else set()


def name(root: Path = ROOT) -> str:
    """What its maker calls the processor: by ``/proc/cpuinfo``, or by ``cpuinfo``, which starts a dozen
    processes to find out."""
    found = re.search(r"^model name\s*:(.*)$", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    if found and found[1].strip():
        return found[1].strip()
    # pytest-benchmark brings the module, from a distribution whose name depends on its version.
    import cpuinfo

    return str(cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or platform.machine())


def text(path: Path) -> str | None:
    """What stands in a file; ``None`` where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def available_cpus() -> list[int]:
    """The CPUs this process may use, which containers and ``taskset`` make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def bind(count: int | None) -> int | None:
    """Binds this process to ``count`` of the CPUs it may use, where there are more, and tells how many
    it has then; ``None`` where none is asked for, or the system cannot bind a process.

    It takes the last: the first serves most interrupts, and siblings of one core are rarely next to each
    other.
    """
    if count is None or not hasattr(os, "sched_setaffinity"):
        return None
    chosen = available_cpus()[-max(1, count) :]
    os.sched_setaffinity(0, chosen)
    return len(chosen)


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in their order, in the manner of Linux's lists of CPUs: ``0-3,8``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _switch(path: Path) -> bool | None:
    said = text(path)
    return said == "1" if said in ("0", "1") else None


def _bytes(size: str | None) -> int | None:
    found = re.fullmatch(r"(\d+)([KM]?)", size or "")
    return int(found[1]) * {"": 1, "K": 2**10, "M": 2**20}[found[2]] if found else None
