"""Which cases does it take to see how much of several devices a kernel uses?"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xpbench.bench import device, growth, memory, preparation, registry
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.plan import Request
from xpbench.bench.preparation import Plan

FORKS = 6
"""An interval of 95 % takes six pairs."""
CHUNK_SECONDS = 30.0
"""What is compared has its turns close to each other, in processes whose start does not cost more."""
THREADS = 1
"""A device of a host is a CPU's worth, unless told otherwise."""


def devices_of(text: str, home: str) -> list[str]:
    """The names of devices in a list such as ``1,2,4`` or ``1xcpu,2xcpu``, those of fewer first.

    Numbers count devices of the kind of ``home``.

    Raises
    ------
    XpbenchError
        If one is no number of devices and no name of several, or they are of different kinds, or there
        is not one device and something to compare it with.
    """
    names: dict[str, int] = {}
    for token in (part.strip() for part in text.split(",")):
        counted = re.fullmatch("[0-9]+", token)
        name = f"{int(token)}x{device.kind_of(home)}" if counted else token
        try:
            parsed = device.parse(name)
            if not device.is_counted(name):
                raise XpbenchError(name)
        except XpbenchError:
            raise XpbenchError(
                f"--devices {text}: {token!r} is neither a number of devices from 1 to {device.MOST} "
                "nor a name with one, such as 2xcpu"
            ) from None
        names[name] = parsed.total
    if len({device.kind_of(name) for name in names}) > 1:
        raise XpbenchError(f"--devices {text}: expected devices of one kind")
    if 1 not in names.values():
        raise XpbenchError(
            f"--devices {text}: expected 1 among them, the one device that several are compared with"
        )
    if len(names) == 1:
        raise XpbenchError(f"--devices {text}: expected more than one device too, e.g. --devices 1,2")
    return sorted(names, key=lambda name: names[name])


def prepare(
    kernels: Sequence[str],
    devices: str,
    backend: str,
    request: Request,
    *,
    weak: bool = True,
    forks: int | None = None,
    threads: int | None = None,
    **options: Any,
) -> tuple[Plan, dict[str, str]]:
    """The plan of a run in which every kernel is measured on one device and on several, at one size
    (strong) and, where ``weak``, at sizes whose work grows with the devices; and by kernel, why it has
    none of these.

    ``options`` are those of ``preparation.prepare``; ``threads`` are those of each device.

    Raises
    ------
    XpbenchError
        As ``devices_of`` and ``preparation.prepare`` do, or if the backend has not all of the devices.
    """
    names = devices_of(devices, _home(backend))
    plan = preparation.prepare(
        kernels,
        replace(request, backends=(backend,), devices=tuple(names)),
        forks=FORKS if forks is None else forks,
        threads=THREADS if threads is None else threads,
        chunk=CHUNK_SECONDS,
        **options,
    )
    found = {case.device for case in plan.cases}
    if absent := [name for name in names if name not in found]:
        raise XpbenchError(
            f"--devices {devices}: {backend} has no {' and no '.join(absent)} here; "
            "`xpbench list backends` tells what it has"
        )
    plan = replace(plan, settings=replace(plan.settings, together="kernel"))
    return _with_grown(plan) if weak else (plan, {})


def _home(backend: str) -> str:
    found = registry.find()
    home = found.backend(backend).home
    if not device.is_counted(home):
        able = [name for name, one in found.backends.items() if device.is_counted(one.home)]
        raise XpbenchError(
            f"--backend {backend}: it computes on one device; expected one that divides arrays over "
            f"several: {', '.join(able)}"
        )
    return home


def _with_grown(plan: Plan) -> tuple[Plan, dict[str, str]]:
    """``plan`` with the cases of weak scaling behind those of strong, and why kernels have none."""
    most = memory.limit()
    cases = {str(case): case for case in plan.cases}
    unfit, reasons = dict(plan.unfit), dict[str, str]()
    for case in plan.cases:
        kernel, devices = plan.registry.kernels[case.kernel], device.count_of(case.device)
        if devices == 1:
            continue
        grown = growth.grown(kernel, dict(case.size), devices)
        if isinstance(grown, str):
            reasons[case.kernel] = grown
            continue
        name = growth.name_of(case.size_name or case.size_text, devices)
        larger = replace(case, size=tuple(grown.size.items()), size_name=name)
        # A size that was asked for too is measured once, under the name that tells what it grew from.
        cases[str(larger)] = larger
        if reason := memory.too_large(kernel, grown.size, most):
            unfit[larger] = reason
    return replace(plan, cases=tuple(cases.values()), unfit=unfit), reasons
