"""JAX over several devices: arrays laid out by NamedSharding, every kernel jitted and left as it is."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from xpbench.backends.jax import PLATFORMS, Jax
from xpbench.bench import device, machine, threads
from xpbench.bench.backend import Setting
from xpbench.bench.clock import as_sequence
from xpbench.bench.collectives import Traffic, library_calls, traffic
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.followers import LOOPBACK, Followers, Repeated
from xpbench.bench.member import Seat
from xpbench.bench.sharding import Sharding
from xpbench.bench.vocabulary import Array

AXIS = "shards"
FEWEST = 256
"""Arrays of fewer entries are replicated: keys, weights, what costs more to divide than to hold."""
DIVIDED = "--xla_force_host_platform_device_count"
"""XLA's flag for so many devices on one processor."""
MEETING_SECONDS = 90
"""How long processes wait for each other, which is mostly the import of JAX."""


class JaxSharded(Jax):
    """The devices of a name such as ``8xcpu`` or ``4xcuda``, or ``2x4xcpu``: two processes of four each.

    An array is divided along its first axis that the number of devices divides; a kernel computes where
    its inputs are, and XLA's partitioner gathers what an operation cannot work on in parts, such as a
    call of LAPACK. Of several processes this one leads, and the others repeat what it does (see
    ``followers``); in them, and where there is one alone, ``_others`` is empty.

    The ``threads`` of a setting are those of each device. XLA has one pool for all devices of a process,
    of as many threads as devices at least, and a thread for each device besides: only a process that is
    bound to as many CPUs as its devices have threads gives each its share, and one device no more.
    """

    name = "jax-sharded"
    default = False
    home = "1xcpu"

    def __init__(self) -> None:
        super().__init__()
        self._others = Followers()

    def environment(self, setting: Setting) -> dict[str, str]:
        asked = device.parse(setting.device)
        variables = super().environment(setting)
        if asked.kind != "cpu":
            return variables
        kept = [f for f in os.environ.get("XLA_FLAGS", "").split() if not f.startswith(f"{DIVIDED}=")]
        share = max(machine.available_cpus(), setting.threads) // asked.processes
        pool = max(1, min(asked.count * setting.threads, share))
        # All devices call LAPACK at once, each with threads of its own.
        variables |= threads.variables(max(1, pool // asked.count))
        variables |= {
            "NPROC": str(pool),
            "XLA_FLAGS": " ".join([*kept, f"{DIVIDED}={asked.count}"]),
        }
        return variables | (_BETWEEN_PROCESSES if asked.processes > 1 else {})

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

    def divides(self, name: str, found: Sequence[str]) -> bool:
        return device.is_divided(name) and device.is_host(name) and self.home in found

    def load(self, setting: Setting) -> None:
        # Before the followers are started, who then end before JAX waits for them at the exit of this.
        import jax  # noqa: F401

        asked = device.parse(setting.device)
        if asked.processes == 1:
            self.join(setting, Seat())
            return
        if asked.kind != "cpu":
            raise Unsupported(
                f"{setting.device}: several processes share a processor and no cards; expected "
                f"{asked.total}x{asked.kind}, or e.g. 2x4xcpu"
            )
        self.join(setting, self._others.start(JaxSharded, setting, asked.processes))
        self._others.joined()

    def join(self, setting: Setting, seat: Seat) -> None:
        """Loads the library as the process at ``seat``; returns when all have come."""
        import jax
        from jax.sharding import Mesh

        asked = device.parse(setting.device)
        if seat.count > 1:
            _meet(seat)
        elif not self.divides(setting.device, [self.home]):
            self.require_device(setting.device)
        there = sorted(jax.devices(asked.kind), key=lambda one: (one.process_index, one.id))
        if len(there) < asked.total:
            raise Unsupported(
                f"{setting.device}: there are {len(there)} devices; XLA_FLAGS must hold "
                f"{DIVIDED}={asked.count} before JAX is first used"
            )
        self._put_in_force(setting, jax.local_devices(backend=asked.kind)[0])
        # With some 32 calls in the queue of two processes, gloo and XLA's threads wait for each other.
        self.asynchronous = seat.count == 1
        self._mesh = Mesh(np.array(there[: asked.total]), (AXIS,))
        self.xp.spread_over(self._mesh.devices.tolist())

    def put(self, array: np.ndarray) -> Array:
        with self._others.putting(array) as note:
            # device_put shares the memory of an aligned host array, even when told may_alias=False.
            placed = self._placed(np.array(array, order="C")).block_until_ready()
            note(placed)
        return placed

    def _placed(self, host: np.ndarray) -> Array:
        import jax

        layout = self._layout(host.shape)
        if not self._mesh.is_multi_process:
            return jax.device_put(host, layout)
        host = host.astype(jax.dtypes.canonicalize_dtype(host.dtype), copy=False)
        return jax.make_array_from_callback(host.shape, layout, lambda index: host[index])

    def _layout(self, shape: tuple[int, ...]) -> Any:
        from jax import sharding

        spec: Any = sharding.PartitionSpec

        axis = divided_axis(shape, self._mesh.size)
        return sharding.NamedSharding(self._mesh, spec() if axis is None else spec(*[None] * axis, AXIS))

    def fetch(self, array: Array) -> np.ndarray:
        if not self._mesh.is_multi_process:
            return super().fetch(array)
        with self._others.fetching(array):
            return np.asarray(array if array.is_fully_replicated else self._whole(array))

    def _whole(self, array: Array) -> Array:
        """An array on every device of every process: what lies in another cannot be read here."""
        import jax

        spec: Any = jax.sharding.PartitionSpec
        layout = jax.sharding.NamedSharding(self._mesh, spec())
        return jax.jit(_same, out_shardings=layout)(array)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        jitted = super().compile(function)
        if not self._mesh.is_multi_process:
            return jitted
        return self._others.compile(function, self.xp, _Awaited(jitted))

    def add_in_place(self, x: Array, y: Array) -> Array:
        total = self._others.add_in_place(super().add_in_place, x, y)
        if not self.asynchronous:
            total.block_until_ready()
        return total

    def stranger(self, output: Any, like: Array) -> str | None:
        import jax

        if not isinstance(output, jax.Array):
            return super().stranger(output, like)
        others = output.sharding.device_set - set(self._mesh.devices.flat)
        return f"is on {sorted(map(str, others))}, and the inputs are not" if others else None

    def sharding(
        self, compiled: Callable[..., Any], arrays: Sequence[Array], outputs: Sequence[Array]
    ) -> Sharding | None:
        lower = getattr(compiled.alone if isinstance(compiled, Repeated) else compiled, "lower", None)
        if lower is None:
            # A calibration's twin, which calls several times.
            return None
        program = lower(*arrays).compile()
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
        """The most of any device, in whichever process."""
        held = [(one.memory_stats() or {}).get("peak_bytes_in_use") for one in self._mesh.local_devices]
        held += self._others.ask("peak_bytes")
        return max((bytes_ for bytes_ in held if bytes_ is not None), default=None)

    def processes(self) -> Sequence[int]:
        return self._others.pids

    def switches(self) -> dict[str, Any]:
        return super().switches() | {"what other processes wait for": self._others.apart}

    def in_force(self) -> dict[str, Any]:
        """Threads are those of all processes, and ``probe_round_trip_s`` the part of every call in which
        the others are told of it and say that it is done."""
        own, others = super().in_force(), self._others.ask("in_force")
        if not others:
            return own
        counted = [key for key in own if key == "threads" or key.endswith("_threads")]
        sums = {key: _sum(told.get(key) for told in (own, *others)) for key in counted}
        seconds = self._others.round_trip_seconds()
        return own | sums | {"processes": 1 + len(others), "probe_round_trip_s": seconds}


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count or 0 for count in known)


class _Awaited:
    """A jitted function that returns when this process has its outputs."""

    def __init__(self, jitted: Any) -> None:
        self._jitted = jitted
        self.lower = jitted.lower

    def __call__(self, *arrays: Array) -> Any:
        outputs = self._jitted(*arrays)
        for output in as_sequence(outputs):
            output.block_until_ready()
        return outputs


_BETWEEN_PROCESSES = {
    "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
    # What goes from process to process of one machine goes through no proxy.
    "no_grpc_proxy": LOOPBACK,
}


def _meet(seat: Seat) -> None:
    """Joins the processes of JAX, whose collectives and coordinator listen on the loopback interface.

    Left to itself, the coordinator listens on every interface, and gloo on the one of the host's name.

    Raises
    ------
    Unsupported
        If this JAX cannot be told where to listen.
    """
    import jax
    from jax._src import distributed, lib, xla_bridge

    library: Any = getattr(lib, "_jax", None)
    if not hasattr(library, "make_gloo_tcp_collectives"):
        raise Unsupported("this JAX cannot be kept to the loopback interface: install jax 0.10")

    def processor() -> Any:
        client = distributed.global_state.client
        collectives = library.make_gloo_tcp_collectives(distributed_client=client, hostname=LOOPBACK)
        return xla_bridge.make_cpu_client(collectives=collectives)

    xla_bridge.register_backend_factory("cpu", processor, priority=0, fail_quietly=False)
    config: Any = jax.config
    # The one hears SIGTERM, and this process would not end by it; the other warns of what is seen to.
    config.update("jax_enable_preemption_service", False)
    config.update("jax_check_proxy_envs", False)
    jax.distributed.initialize(
        seat.address,
        seat.count,
        seat.index,
        initialization_timeout=MEETING_SECONDS,
        coordinator_bind_address=seat.address,
        cluster_detection_method="deactivate",
    )


def _same(x: Array) -> Array:
    return x


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
