"""What should be changed on this machine before its times are believed? Nothing is changed here."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xpbench.bench import noise, processor
from xpbench.bench.noise import Noise
from xpbench.bench.precisions import FEW_BITS
from xpbench.bench.probe import State
from xpbench.bench.report.quantities import percent, volume

Severity = Literal["warning", "note"]
LEAST_MEMORY = 4 * 2**30
LEAST_DISK = 2**30
MOST_SWAPPED = 64 * 2**20
"""Bytes in swap below which they are what an idle service left there, not a machine short of memory."""
REDUCED = frozenset(
    {
        "high",
        "medium",
        "tensorfloat32",
        "bfloat16",
        "COMPUTE_TYPE_TF32",
        "COMPUTE_TYPE_BF16",
        "COMPUTE_TYPE_FP16",
    }
)
"""What torch, JAX and CuPy call products of float32 that keep fewer bits than 24.

CuPy's COMPUTE_TYPE_DEFAULT is not among them: it keeps all bits where CUPY_TF32 is 0.
"""


@dataclass(frozen=True)
class Advice:
    """Something that makes times worse or less certain, and what to do about it."""

    severity: Severity
    finding: str
    cure: str


@dataclass(frozen=True)
class Examination:
    """Everything that was looked at.

    ``machine`` is ``machine.describe()``; ``in_force`` what each usable backend read back; ``asked``
    the threads and precision that it was asked for; ``swapped_bytes`` what is in swap, if known.
    """

    machine: Mapping[str, Any]
    noise: Noise
    states: Mapping[str, State]
    in_force: Mapping[str, Mapping[str, Any]]
    threads: int
    precision: str
    disk_bytes: int
    swapped_bytes: int | None = None


def free_bytes(folder: Path) -> int:
    """Room on the disk that holds ``folder``, or the nearest folder above that exists."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def advice(seen: Examination) -> list[Advice]:
    """What to do, the gravest first."""
    found = [*_of_noise(seen), *_of_machine(seen), *_of_libraries(seen)]
    return sorted(found, key=lambda advice: advice.severity != "warning")


def _of_noise(seen: Examination) -> Iterator[Advice]:
    for sentence in noise.warnings(seen.noise):
        finding, _, cure = sentence.partition(": ")
        yield Advice("warning", finding, cure)
    if seen.noise.pressure is None:
        yield Advice(
            "note",
            "the kernel does not tell CPU pressure (/proc/pressure/cpu)",
            "boot Linux with psi=1, so that disturbed measurements are known by their cause",
        )
    if seen.noise.others is None:
        yield Advice(
            "warning",
            "what other processes take of the CPUs is not known here (no /proc/stat)",
            "measure on Linux, or watch yourself that nothing else runs",
        )


def _of_machine(seen: Examination) -> Iterator[Advice]:
    machine = seen.machine
    governor, cores = machine.get("governor"), machine["cores"]
    if governor not in (None, "performance"):
        yield Advice(
            "warning",
            f"the clock follows the load (governor {governor})",
            "cpupower frequency-set -g performance",
        )
    if machine.get("turbo"):
        yield Advice(
            "note",
            "the clock may rise above its base while the chip is cool",
            "for times that hold all day, turn the boost off in /sys/devices/system/cpu",
        )
    if machine.get("smt") and seen.threads > max(1, cores // 2):
        yield Advice(
            "note",
            "two threads share a core (SMT)",
            f"compare with --threads {max(1, cores // 2)}, one for a core",
        )
    present = machine.get("cpus_present")
    if present is not None and cores < present:
        yield Advice(
            "note",
            f"{cores} of {present} CPUs may be used here (taskset, or a container's set of CPUs)",
            "others on the rest share caches and memory; start from a shell that is not so bound to "
            "use them all",
        )
    quota = processor.quota_cpus(machine.get("cgroup_quota"))
    if quota is not None and quota < seen.threads:
        yield Advice(
            "warning",
            f"the control group may use {quota:g} CPUs, and {seen.threads} threads are asked for: they "
            "will be stopped for a part of every period",
            f"--threads {max(1, int(quota))}",
        )
    if machine.get("hypervisor"):
        yield Advice(
            "note",
            "this is a guest on shared hardware, whose other guests are not seen from here",
            "`xpbench calibrate` tells what can be told apart; more forks, not longer ones, help",
        )
    memory = machine.get("memory_bytes")
    if memory is not None and memory < LEAST_MEMORY:
        yield Advice(
            "warning",
            f"there are {volume(memory)} of memory",
            "leave sizes `large` and above out, or they may be stopped for want of it",
        )
    if seen.swapped_bytes is not None and seen.swapped_bytes > MOST_SWAPPED:
        yield Advice(
            "warning",
            f"{volume(seen.swapped_bytes)} of memory are in swap, which is slow to come back",
            "end what holds the memory, then swapoff -a && swapon -a",
        )
    if seen.disk_bytes < LEAST_DISK:
        yield Advice(
            "warning",
            f"{volume(seen.disk_bytes)} are free where results go",
            "free some, or name another place with --out",
        )


def _of_libraries(seen: Examination) -> Iterator[Advice]:
    for name, state in seen.states.items():
        if not state.usable:
            yield Advice("note", f"{name} cannot be used", state.reason)
    for name, switches in seen.in_force.items():
        if "fault" in switches:
            yield Advice("warning", f"{name} does not load", str(switches["fault"]))
        counts = {key: n for key, n in switches.items() if key.endswith("threads") and type(n) is int}
        wrong = {key: n for key, n in counts.items() if n != seen.threads}
        if wrong:
            told = ", ".join(f"{key} {n}" for key, n in sorted(wrong.items()))
            yield Advice(
                "warning",
                f"{name} was asked for {seen.threads} threads and has {told}",
                "its results say so in in_force; look for a setting in its documentation",
            )
        yield from _of_precision(name, switches, seen.precision)


def _of_precision(name: str, switches: Mapping[str, Any], precision: str) -> Iterator[Advice]:
    bits = switches.get("product_bits")
    if precision == "ieee" and bits is not None and bits < FEW_BITS:
        yield Advice(
            "warning",
            f"products of float32 keep {bits:.0f} bits in {name}, though ieee was asked for",
            "believe this measurement, and not what it reads back; its float32 results are not "
            "comparable with the others'",
        )
        return
    if precision == "tf32" and bits is not None and bits >= FEW_BITS:
        yield Advice(
            "note",
            f"{name} computes products in full float32, more than tf32 asks for",
            "its times are those of float32: the device has no TF32, or the library does not use it",
        )
    loose = [key for key, value in switches.items() if "tf32" in key and value is True]
    named = switches.get("matmul_precision")
    if named in REDUCED:
        loose.append(f"matmul_precision {named}")
    if precision == "ieee" and loose:
        yield Advice(
            "warning",
            f"{name} may round products to TF32 or less ({', '.join(loose)}), though ieee was asked for",
            "its float32 results may have 11 bits; they are not comparable with the others'",
        )


def quietness(seen: Noise) -> str:
    """The probe in one line."""
    parts = [
        f"others take {percent(seen.others)} of the CPUs' time" if seen.others is not None else "",
        f"some task waits {percent(seen.pressure)} of the time" if seen.pressure is not None else "",
        f"equal work differs by {percent(max(0.0, seen.jitter))}",
    ]
    return ", ".join(part for part in parts if part)
