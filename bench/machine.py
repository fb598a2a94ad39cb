"""What this machine is, and how busy it is while we measure."""

import hashlib
import os
import platform
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

PRESSURE = Path("/proc/pressure/cpu")


def describe() -> dict[str, Any]:
    """What a reader must know of the machine. The host's name appears only as part of a hash."""
    processor = _processor()
    fingerprint = f"{platform.node()} {processor} {platform.system()}"
    return {
        "id": hashlib.sha256(fingerprint.encode()).hexdigest()[:8],
        "cpu": processor,
        "cores": available_cpus(),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "governor": _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "cgroup_quota": _text(Path("/sys/fs/cgroup/cpu.max")),
        "cards": cards(),
    }


def available_cpus() -> int:
    """The CPUs this process may use, which containers and ``taskset`` make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cards() -> list[str]:
    """Name, driver and memory of every NVIDIA card, as its driver reports them."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = [command, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def waited_seconds() -> float | None:
    """Seconds, since boot, in which some task of this machine waited for a CPU.

    Linux's pressure stall information (``/proc/pressure/cpu``, line ``some``); ``None`` elsewhere.
    """
    line = (_text(PRESSURE) or "").split("\n")[0]
    fields = dict(part.split("=") for part in line.split()[1:])
    return int(fields["total"]) * 1e-6 if "total" in fields else None


def involuntary_switches() -> int:
    """How often this process was made to give its CPU to another."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _processor() -> str:
    # pytest-benchmark brings the module, from a distribution whose name depends on its version.
    import cpuinfo

    return str(cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or platform.machine())


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
