"""JAX over several devices: arrays laid out by NamedSharding, every kernel jitted and left as it is."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xpbench.backends.jax import PLATFORMS, Jax
from xpbench.bench import device, machine, threads
from xpbench.bench.backend import Setting
from xpbench.bench.collectives import Traffic, library_calls, traffic
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.sharding import Sharding
from xpbench.bench.vocabulary import Array

AXIS = "shards"
FEWEST = 256
"""Arrays of fewer entries are replicated: keys, weights, what costs more to divide than to hold."""
DIVIDED = "--xla_force_host_platform_device_count"
"""XLA's flag for so many devices on one processor."""


class JaxSharded(Jax):
    """The devices of a name such as ``8xcpu`` or ``4xcuda``.

    An array is divided along its first axis that the number of devices divides; a kernel computes where
    its inputs are, and XLA's partitioner gathers what an operation cannot work on in parts, such as a
    call of LAPACK.

    The ``threads`` of a setting are those of each device. XLA has one pool for all devices of a process,
    of as many threads as devices at least, and a thread for each device besides: only a process that is
    bound to as many CPUs as its devices have threads gives each its share, and one device no more.
    """

    name = "jax-sharded"
    default = False
    home = "1xcpu"

    def environment(self, setting: Setting) -> dict[str, str]:
        asked = device.parse(setting.device)
        variables = super().environment(setting)
        if asked.kind != "cpu":
            return variables
        kept = [f for f in os.environ.get("XLA_FLAGS", "").split() if not f.startswith(f"{DIVIDED}=")]
        pool = min(asked.count * setting.threads, max(machine.available_cpus(), setting.threads))
        # All devices call LAPACK at once, each with threads of its own.
        variables |= threads.variables(max(1, pool // asked.count))
        return variables | {
            "NPROC": str(pool),
            "XLA_FLAGS": " ".join([*kept, f"{DIVIDED}={asked.count}"]),
        }

    def cpus(self, setting: Setting) -> int | None:
        asked = device.parse(setting.device)
        return asked.total * setting.threads if asked.kind == "cpu" else None

    def devices(self) -> list[str]:
        import jax

        counts = dict.fromkeys((min(machine.available_cpus(), device.MOST), 1, 2, 4, 8))
        found = []
        for platform in PLATFORMS:
            try:
                there = len(jax.devices(platform))
            except RuntimeError:
                continue
            # A processor is divided as a process is told when it starts; cards are what there is.
            able = counts if platform == "cpu" else range(there, 0, -1)
            found += [f"{count}x{platform}" for count in able]
        return found

    def load(self, setting: Setting) -> None:
        import jax
        from jax.sharding import Mesh

        asked = device.parse(setting.device)
        if asked.processes > 1:
            raise Unsupported(f"{setting.device}: {self.name} does not start other processes yet")
        self.require_device(setting.device)
        there = jax.devices(asked.kind)
        if len(there) < asked.count:
            raise Unsupported(
                f"{setting.device}: this process has {len(there)} devices; XLA_FLAGS must hold "
                f"{DIVIDED}={asked.count} before JAX is first used"
            )
        self._put_in_force(setting, there[0])
        self._mesh = Mesh(np.array(there[: asked.count]), (AXIS,))

    def put(self, array: np.ndarray) -> Array:
        import jax

        # device_put shares the memory of an aligned host array, even when told may_alias=False.
        host = np.array(array, order="C")
        return jax.device_put(host, self._layout(host.shape)).block_until_ready()

    def _layout(self, shape: tuple[int, ...]) -> Any:
        from jax import sharding

        spec: Any = sharding.PartitionSpec

        axis = divided_axis(shape, self._mesh.size)
        return sharding.NamedSharding(self._mesh, spec() if axis is None else spec(*[None] * axis, AXIS))

    def stranger(self, output: Any, like: Array) -> str | None:
        import jax

        if not isinstance(output, jax.Array):
            return super().stranger(output, like)
        others = output.sharding.device_set - set(self._mesh.devices.flat)
        return f"is on {sorted(map(str, others))}, and the inputs are not" if others else None

    def sharding(
        self, compiled: Callable[..., Any], arrays: Sequence[Array], outputs: Sequence[Array]
    ) -> Sharding | None:
        program = compiled.lower(*arrays).compile()  # type: ignore[attr-defined]
        text = program.as_text()
        seen: Traffic = traffic(text, self._mesh.size)
        divided = [array.nbytes for array in arrays if not array.sharding.is_fully_replicated]
        memory = program.memory_analysis()
        return Sharding(
            devices=self._mesh.size,
            inputs=tuple(map(_placement, arrays)),
            outputs=tuple(map(_placement, outputs)),
            gathered=any(size >= min(divided, default=math.inf) for size in seen.gathered),
            communicated_bytes=seen.total,
            reason=seen.reason,
            operations=seen.operations,
            device_bytes=_bytes_of(memory),
            received=seen.received,
            performed=seen.performed,
            device_flops=_flops_of(program),
            library_calls=library_calls(text),
        )

    def peak_bytes(self) -> int | None:
        held = [(one.memory_stats() or {}).get("peak_bytes_in_use") for one in self._mesh.devices.flat]
        return max((bytes_ for bytes_ in held if bytes_ is not None), default=None)


def divided_axis(shape: Sequence[int], devices: int) -> int | None:
    """The axis along which an array is divided over so many devices: the first whose length they divide;
    ``None`` where there is none, or too few entries."""
    if math.prod(shape) < FEWEST:
        return None
    return next((axis for axis, n in enumerate(shape) if n and n % devices == 0), None)


def _placement(array: Array) -> str:
    """The placement of an array, e.g. ``shards,-`` for one divided along the first of two axes."""
    if array.sharding.is_fully_replicated:
        return "replicated"
    spec = getattr(array.sharding, "spec", None)
    if spec is None:
        return str(array.sharding)
    axes = [*spec, *[None] * (array.ndim - len(spec))]
    return ",".join("-" if axis is None else str(axis) for axis in axes)


def _bytes_of(memory: Any) -> int | None:
    """Bytes of a device that a program needs: arguments, outputs, temporaries, less what they share."""
    if memory is None:
        return None
    held = (memory.argument_size_in_bytes, memory.output_size_in_bytes, memory.temp_size_in_bytes)
    return int(sum(held) - memory.alias_size_in_bytes)


def _flops_of(program: Any) -> float | None:
    """The operations of one device's part of a program, by XLA's count; ``None`` where it has none."""
    counted = program.cost_analysis()
    counted = counted[0] if isinstance(counted, list) and counted else counted
    flops = counted.get("flops") if isinstance(counted, dict) else None
    return float(flops) if flops is not None and 0 <= flops < math.inf else None
