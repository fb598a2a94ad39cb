"""Where does a case stand under the roof of its device, and what binds it?

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52 (2009).
"""

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xpbench.bench.case import Case
from xpbench.bench.device import count_of, is_host
from xpbench.bench.roof import CACHE_TIMES, Roof

Key = tuple[str, str, int, str]
"""Device, dtype, threads, precision."""


@dataclass(frozen=True)
class Peak:
    """The roof of a device: for each figure the best over backends, shapes and forks, and whose it is.

    Units as in :class:`xpbench.bench.roof.Roof`; ``dispatch_s`` is by backend. ``drift`` is how many
    times as fast the last fork was as the first, by the products of the backends that were in both.
    ``array_bytes`` is the size of the arrays that the best bandwidth was reached with, ``cache_bytes``
    that of the device's last cache, ``exchange_s`` the shortest exchange among several devices.
    """

    matmul_flops: float | None
    matmul_by: str
    reused_bytes: float | None
    reused_by: str
    fresh_bytes: float | None
    fresh_by: str
    dispatch_s: Mapping[str, float]
    drift: float | None
    array_bytes: int | None = None
    cache_bytes: int | None = None
    exchange_s: float | None = None


@dataclass(frozen=True)
class Placement:
    """``intensity`` in operations a byte, ``fraction`` of the roof, and the ``bound``: ``dispatch``,
    ``cache``, ``compute`` or ``memory``. A fraction above 1 is a fault of the cost model."""

    intensity: float | None
    fraction: float | None
    bound: str | None


def key_of(case: Case, dtype: str) -> Key:
    """The roof that a case which computes in ``dtype`` stands under."""
    return (case.device, dtype, case.threads, case.precision)


def peaks(roofs: Iterable[Roof]) -> dict[Key, Peak]:
    """The roof of every device, dtype, thread count and precision that was measured."""
    groups: dict[Key, list[Roof]] = {}
    for roof in roofs:
        key = (roof.device, roof.dtype, roof.threads, roof.precision)
        groups.setdefault(key, []).append(roof)
    return {key: _peak(group) for key, group in groups.items()}


def product_bits(roofs: Iterable[Roof]) -> dict[tuple[str, *Key], float]:
    """The bits that products kept, the fewest over the forks, by backend and key: see that module."""
    found: dict[tuple[str, *Key], float] = {}
    for roof in roofs:
        key = (roof.backend, roof.device, roof.dtype, roof.threads, roof.precision)
        if roof.product_bits is not None:
            found[key] = min(roof.product_bits, found.get(key, roof.product_bits))
    return found


def place(
    flops: float | None,
    traffic: float | None,
    seconds: float,
    peak: Peak,
    dispatch_s: float | None,
    cache_bytes: int | None,
    on_device_s: float | None = None,
) -> Placement:
    """Where a case stands that does ``flops`` operations on ``traffic`` compulsory bytes in ``seconds``.

    It is bound by ``dispatch`` where the smallest call of its backend takes at least half as long, by
    ``cache`` where its arrays fit ``CACHE_TIMES`` times into ``cache_bytes`` (then no roof of the
    memory holds), else by whichever of computing and moving must take longer at the least; the
    fraction is that least time over ``seconds``. The bandwidth is the best, with reused memory.

    ``on_device_s`` is the time by the device's own clock, where that is known: then the fraction is of
    that, and a call is bound by ``dispatch`` where its device rests for half of it or more.
    """
    intensity = flops / traffic if flops and traffic else None
    if on_device_s is not None:
        rests = on_device_s <= seconds / 2
        placed = place(flops, traffic, on_device_s, peak, None, cache_bytes)
        return replace(placed, bound="dispatch") if rests else placed
    if dispatch_s is not None and dispatch_s >= seconds / 2:
        return Placement(intensity, None, "dispatch")
    if traffic is not None and cache_bytes is not None and CACHE_TIMES * traffic <= cache_bytes:
        return Placement(intensity, None, "cache")
    least = {
        "compute": _least(flops, peak.matmul_flops),
        "memory": _least(traffic, peak.reused_bytes),
    }
    known = {bound: time for bound, time in least.items() if time is not None}
    if not known:
        return Placement(intensity, None, None)
    bound = max(known, key=known.__getitem__)
    return Placement(intensity, known[bound] / seconds, bound)


def vendor(machine: Mapping[str, Any], key: Key) -> tuple[float | None, float | None]:
    """The maker's operations and bytes a second; ``None`` where they are not known.

    Of a card, from its data sheet, of several their sum; of a processor, from its clock and the width of
    its vectors.
    """
    device, dtype, threads, precision = key
    if is_host(device):
        core = (machine.get("vendor_peak_flops") or {}).get(dtype)
        wanted = threads * count_of(device)
        cores = min(wanted, machine.get("cores") or wanted)
        return (core * cores if core else None), None
    cards = machine.get("cards") or []
    index = int(device.partition(":")[2] or 0)
    name = cards[index] if index < len(cards) else ""
    column = "tf32" if precision == "tf32" and dtype == "float32" else dtype
    for model, sheet in DATA_SHEETS.items():
        if set(model.split()) <= set(re.findall(r"[\w-]+", name.split(",")[0].replace("-", " "))):
            total = count_of(device)
            return total * sheet[column] or None, total * sheet["bytes"]
    return None, None


_FIGURES = ("float32", "float64", "tf32", "float16", "bfloat16", "bytes")
DATA_SHEETS: dict[str, dict[str, float]] = {
    model: dict(zip(_FIGURES, figures, strict=True))
    for model, *figures in (
        ("H200", 67e12, 67e12, 494.5e12, 989e12, 989e12, 4.8e12),
        ("H100 PCIe", 51e12, 51e12, 378e12, 756e12, 756e12, 2.0e12),
        ("H100 NVL", 60e12, 60e12, 417.5e12, 835e12, 835e12, 3.9e12),
        ("H100", 67e12, 67e12, 494.5e12, 989e12, 989e12, 3.35e12),
        ("A100 SXM4 80GB", 19.5e12, 19.5e12, 156e12, 312e12, 312e12, 2.039e12),
        ("A100 80GB", 19.5e12, 19.5e12, 156e12, 312e12, 312e12, 1.935e12),
        ("A100", 19.5e12, 19.5e12, 156e12, 312e12, 312e12, 1.555e12),
        ("V100", 15.7e12, 7.8e12, 15.7e12, 125e12, 0, 0.9e12),
        ("L40S", 91.6e12, 1.43e12, 183e12, 362e12, 362e12, 0.864e12),
        ("L4", 30.3e12, 0.49e12, 60e12, 121e12, 121e12, 0.3e12),
    )
}
"""NVIDIA's data sheets: operations a second without sparsity (float64, tf32 and half precision by tensor
cores, where the card has them; 0 where it lacks the dtype), and bytes a second. The more particular
name of a model stands first."""


def _least(amount: float | None, rate: float | None) -> float | None:
    return amount / rate if amount and rate else None


def _peak(group: list[Roof]) -> Peak:
    flops = max(group, key=lambda roof: roof.matmul_flops or 0)
    reused = max(group, key=lambda roof: roof.reused_bytes or 0)
    fresh = max(group, key=lambda roof: roof.fresh_bytes or 0)
    dispatch: dict[str, float] = {}
    for roof in group:
        if roof.dispatch_s is not None:
            dispatch[roof.backend] = min(roof.dispatch_s, dispatch.get(roof.backend, roof.dispatch_s))
    return Peak(
        matmul_flops=flops.matmul_flops,
        matmul_by=f"{flops.backend} {flops.matmul_shape}".strip(),
        reused_bytes=reused.reused_bytes,
        reused_by=reused.backend,
        fresh_bytes=fresh.fresh_bytes,
        fresh_by=fresh.backend,
        dispatch_s=dispatch,
        drift=_drift(group),
        array_bytes=reused.array_bytes,
        cache_bytes=max((roof.cache_bytes for roof in group if roof.cache_bytes), default=None),
        exchange_s=min((roof.exchange_s for roof in group if roof.exchange_s), default=None),
    )


def _drift(group: list[Roof]) -> float | None:
    """How many times as fast the last fork was as the first: the geometric mean over the backends whose
    products were measured in both."""
    forks = sorted({roof.fork for roof in group})
    if len(forks) < 2:
        return None
    first, last = (
        {roof.backend: roof.matmul_flops for roof in group if roof.fork == fork and roof.matmul_flops}
        for fork in (forks[0], forks[-1])
    )
    both = first.keys() & last.keys()
    return statistics.geometric_mean(last[name] / first[name] for name in both) if both else None
