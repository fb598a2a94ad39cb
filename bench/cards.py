"""Which card does a device name, and what does the card say of itself?"""

import importlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xpbench.bench.device import kind_of

IDLE = 0x1
"""``nvmlClocksEventReasonGpuIdle`` of nvml.h: nothing runs, and the clock rests."""
THROTTLES: Mapping[int, str] = {
    0x04: "power cap",  # nvmlClocksEventReasonSwPowerCap
    0x08: "hardware slowdown",  # nvmlClocksEventReasonHwSlowdown, beside either of the last two as well
    0x20: "software thermal slowdown",  # nvmlClocksEventReasonSwThermalSlowdown
    0x40: "hardware thermal slowdown",  # nvmlClocksEventReasonHwThermalSlowdown
    0x80: "power brake",  # nvmlClocksEventReasonHwPowerBrakeSlowdown
}
"""The reasons that slow a clock below what was asked of it. The others are somebody's choice: clocks set
for applications (0x2), boost in step with other cards (0x10), clocks set for a display (0x100)."""

ORDERED_CARDS = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Makes CUDA count cards along the bus, as the driver's own tools do, rather than by their speed."""

_SM_CLOCK = 1  # NVML_CLOCK_SM
_TEMPERATURE = 0  # NVML_TEMPERATURE_GPU


@dataclass(frozen=True)
class Reading:
    """What a card said at one moment; ``None`` is what it does not say.

    ``seconds`` is that of ``time.monotonic``. ``power_w`` is a mean of up to a second, as the card
    makes it; ``energy_j`` counts from when the driver was loaded. ``throttle`` holds words of
    ``THROTTLES``, ``others`` the processes computing on the card that we did not start, and ``idle``
    tells whether the clock rests for want of work.
    """

    seconds: float
    sm_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    throttle: tuple[str, ...] | None = None
    energy_j: float | None = None
    others: int | None = None
    idle: bool = False


class Card(Protocol):
    """A card that can be watched. ``name`` is one that no other card of the machine has."""

    @property
    def name(self) -> str: ...

    def read(self) -> Reading: ...


Find = Callable[[str, Mapping[str, str]], Card | None]
"""Finds the card that a process with these environment variables sees as that device."""


def find(device: str, environment: Mapping[str, str]) -> Card | None:
    """The card that ``device``, e.g. ``cuda:1``, is to a process under ``environment``.

    ``None`` where that cannot be told: for a device that is none of NVIDIA's, without nvidia-ml-py,
    without a driver.
    """
    if kind_of(device) != "cuda":
        return None
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    return find_by(nvml, device, environment)


def find_by(nvml: Any, device: str, environment: Mapping[str, str]) -> Card | None:
    """As ``find``, by the module ``pynvml`` or what answers like it."""
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        uuids = [nvml.nvmlDeviceGetUUID(handle) for handle in handles]
    except Exception:  # whatever a driver or its bindings lack, the run goes on unwatched
        return None
    slices = [_slices(nvml, handle) for handle in handles]
    index = index_of(device, environment, uuids, slices)
    if index is None:
        return None
    return NvmlCard(nvml, handles[index], str(uuids[index]), shared=bool(slices[index]))


def index_of(
    device: str,
    environment: Mapping[str, str],
    uuids: Sequence[str],
    slices: Sequence[Sequence[str]] = (),
) -> int | None:
    """The index in NVML of the card that CUDA calls ``device``; ``None`` where it cannot be told.

    ``uuids`` are those of the cards by that index, ``slices`` those of the parts into which each is
    divided (MIG). NVML counts cards along the PCI bus, CUDA does so too where ``CUDA_DEVICE_ORDER`` is
    ``PCI_BUS_ID``, and ``CUDA_VISIBLE_DEVICES`` then picks some of them and numbers them anew, up to the
    first entry that names none (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not re.fullmatch(r"[0-9]{0,9}", number):
        return None
    ordered = len(uuids) == 1 or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    entries = map(str, range(len(uuids))) if listed is None else listed.split(",")
    visible: list[tuple[int, str]] = []
    for entry in map(str.strip, entries):
        named = _named(entry, uuids, slices)
        if named is None:
            break
        visible.append(named)
    place = int(number or 0)
    # A list that names a card twice is refused by CUDA altogether.
    if place >= len(visible) or len({uuid for _, uuid in visible}) < len(visible):
        return None
    return visible[place][0] if ordered or not _counts(listed, place) else None


def _named(entry: str, uuids: Sequence[str], slices: Sequence[Sequence[str]]) -> tuple[int, str] | None:
    """The card that an entry of ``CUDA_VISIBLE_DEVICES`` names, and the UUID of it or of its part."""
    if re.fullmatch(r"[0-9]{1,9}", entry):
        return (int(entry), uuids[int(entry)]) if int(entry) < len(uuids) else None
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    parts = slices if entry.startswith("MIG-") else [[uuid] for uuid in uuids]
    known = [(index, uuid) for index, held in enumerate(parts) for uuid in held]
    found = [one for one in known if one[1] == entry] or [o for o in known if o[1].startswith(entry)]
    return found[0] if len(found) == 1 else None


def _counts(listed: str | None, place: int) -> bool:
    """Whether the entry at ``place`` is a number, which depends on how cards are counted."""
    return listed is None or listed.split(",")[place].strip().isdecimal()


def _slices(nvml: Any, handle: Any) -> list[str]:
    """The UUIDs of the parts into which a card is divided; none where it is whole."""
    found = []
    try:
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            try:
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
            except nvml.NVMLError:  # a place that no part takes
                continue
            found.append(nvml.nvmlDeviceGetUUID(part))
    except (nvml.NVMLError, AttributeError):
        return []
    return found


def throttles(reasons: int) -> tuple[str, ...]:
    """What slows a clock, in words, by the bits of ``nvmlDeviceGetCurrentClocksEventReasons``."""
    return tuple(word for bit, word in THROTTLES.items() if reasons & bit)


def foreign(pids: Sequence[int], ours: Callable[[int], bool]) -> int | None:
    """How many of the processes on a card are not ours; ``None`` unless one is, because in a container
    the numbers may be those of another namespace, or missing."""
    known = [ours(pid) for pid in pids]
    return known.count(False) if any(known) else None


def descends(pid: int, ancestor: int, parent: Callable[[int], int | None]) -> bool:
    """Whether ``pid`` is ``ancestor``, or one that it started, or one that those did."""
    seen: set[int] = set()
    current: int | None = pid
    while current is not None and current not in seen:
        if current == ancestor:
            return True
        seen.add(current)
        current = parent(current)
    return False


def _parent(pid: int) -> int | None:
    """The process that started ``pid``, where the system tells it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return int(text.rpartition(")")[2].split()[1])  # after the name, which may hold anything
    except (OSError, ValueError, IndexError):
        return None


def _is_ours(pid: int) -> bool:
    return descends(pid, os.getpid(), _parent)


@dataclass(frozen=True)
class NvmlCard:
    """A card as NVML knows it. Of one that is ``shared``, which is divided, power and energy are not
    ours alone, and so not told."""

    nvml: Any
    handle: Any
    name: str
    shared: bool = False

    def read(self) -> Reading:
        reasons = self._told("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:  # a driver, or an nvidia-ml-py, from before it was renamed
            reasons = self._told("nvmlDeviceGetCurrentClocksThrottleReasons")
        processes = self._told("nvmlDeviceGetComputeRunningProcesses")
        return Reading(
            seconds=time.monotonic(),
            sm_mhz=self._told("nvmlDeviceGetClockInfo", _SM_CLOCK),
            power_w=None if self.shared else _thousandth(self._told("nvmlDeviceGetPowerUsage")),
            temperature_c=self._told("nvmlDeviceGetTemperature", _TEMPERATURE),
            throttle=None if reasons is None else throttles(reasons),
            energy_j=(
                None if self.shared else _thousandth(self._told("nvmlDeviceGetTotalEnergyConsumption"))
            ),
            others=None if processes is None else foreign([p.pid for p in processes], _is_ours),
            idle=bool((reasons or 0) & IDLE),
        )

    def _told(self, function: str, *arguments: int) -> Any:
        try:
            return getattr(self.nvml, function)(self.handle, *arguments)
        except Exception:  # a figure that this card, driver or binding does not have
            return None


def _thousandth(value: int | None) -> float | None:
    """Of milliwatts the watts, of millijoules the joules."""
    return None if value is None else value / 1000
