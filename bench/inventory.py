"""Which kernels and backends are there, and what is known of them without running any?"""

from pathlib import Path
from typing import Any

from xpbench.bench import agreement, probe, registry


def list_kernels(*files: str | Path) -> list[dict[str, Any]]:
    """Every kernel, in the order of a course, as mappings.

    ``kernel``, ``chapter``, ``title``, ``sizes``, ``file``, ``line``; ``description`` holds the formula,
    shapes, cost and source, ``measure`` how errors are taken and where their limits come from, and
    ``error_unit`` what they are counted in, ``dtypes`` where those limits hold.
    """
    found = registry.find([Path(file) for file in files])
    return [
        {
            "kernel": kernel.name,
            "chapter": kernel.chapter,
            "title": kernel.title,
            "sizes": {name: dict(size) for name, size in kernel.sizes.items()},
            "file": kernel.file,
            "line": kernel.line,
            "error_unit": kernel.error_unit,
            "dtypes": list(kernel.dtypes),
            "description": kernel.description,
            "measure": agreement.measure_of(kernel),
        }
        for kernel in sorted(found.kernels.values(), key=lambda kernel: kernel.place)
    ]


def list_backends(*files: str | Path) -> list[dict[str, Any]]:
    """Every backend: whether it can be used here, or why not, its devices and versions."""
    found = registry.find([Path(file) for file in files])
    return [
        {**vars(state), "devices": list(state.devices)}
        for state in probe.states(found, list(found.backends)).values()
    ]
