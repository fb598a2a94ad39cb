"""How much memory may this process use, and does a case fit in it?"""

import re
import resource
from pathlib import Path

from xpbench.bench import machine, processor
from xpbench.bench.kernel import Kernel, Size
from xpbench.bench.report.quantities import volume

DRAWN_ITEMSIZE = 8
"""Inputs are drawn in float64, and the oracle computes in it, whatever the dtype of the case."""


def limit(root: Path = processor.ROOT) -> int | None:
    """Bytes that this process may use: the machine's memory, or less where its control groups or its
    own limit (``ulimit -v``) allow less. ``None`` where the system tells nothing."""
    groups = processor.control_groups("memory", root)
    said = [processor.text(group / name) for group in groups for name in _LIMITS]
    limits = [int(text) for text in said if text and re.fullmatch("[0-9]{1,18}", text)]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    if (present := machine.memory_bytes()) is not None:
        limits.append(present)
    return min(limits, default=None)


def too_large(kernel: Kernel, size: Size, most: int | None) -> str | None:
    """Why ``kernel`` cannot be measured at ``size`` with ``most`` bytes of memory, if it cannot.

    What is asked for is only what no way of computing does without: the inputs and outputs, once.
    """
    needed = kernel.traffic_bytes(DRAWN_ITEMSIZE, size)
    if most is None or needed is None or needed <= most:
        return None
    return (
        f"its inputs and outputs take {volume(needed)} in float64, in which they are made, and there is "
        f"memory for {volume(most)}: choose a smaller size"
    )


_LIMITS = ("memory.max", "memory.limit_in_bytes")
"""As control groups of version 2 and 1 call it."""
