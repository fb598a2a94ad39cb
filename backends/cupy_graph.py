"""CuPy with CUDA graphs: the launches of a kernel are recorded once and replayed as one."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xpbench.backends.cupy import Cupy
from xpbench.bench.backend import Setting
from xpbench.bench.kernel import Array
from xpbench.bench.replay import Replay, captured, replayed


class CupyGraph(Cupy):
    """Kernels made of CuPy's own kernels: entry by entry, indices, reductions.

    CuPy refuses to record what it has from cuBLAS, cuSOLVER, cuSPARSE and cuRAND, hence every matrix
    product (cupy/cupy#6290, open as of CuPy 14.2); such a kernel is :class:`xpbench.Unsupported`, and so
    is one that asks the device for a value.
    """

    name = "cupy-graph"
    default = False

    def __init__(self) -> None:
        super().__init__()
        self._most_recorded = 0

    def load(self, setting: Setting) -> None:
        super().load(setting)
        self._most_recorded = 0

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return replayed(functools.partial(self._record, function))

    def _record(self, function: Callable[..., Any], *arrays: Array) -> Replay:
        import cupy

        # The stream to record on does not wait for the one the arrays were made on.
        self.wait(arrays)
        stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
        with stream, cupy.cuda.using_allocator(pool.malloc):
            # Kernels are compiled in a first call, and what it allocated is there for the recording.
            function(*arrays)
            stream.synchronize()
            work = functools.partial(function, *arrays)
            # MemoryError stands for the device's memory too: CuPy's error is one.
            graph, outputs = captured(
                stream.begin_capture, stream.end_capture, work, "CuPy", MemoryError
            )
        self._most_recorded = max(self._most_recorded, int(pool.total_bytes()))
        return _Recording(graph, outputs, pool)

    def peak_bytes(self) -> int | None:
        shared = super().peak_bytes()
        return None if shared is None else shared + self._most_recorded


@dataclass(frozen=True)
class _Recording:
    """A graph, the ``outputs`` it writes to, and the ``pool`` its temporaries lie in.

    Every launch writes to the same addresses, which the pool that all share would have given to others.
    """

    graph: Any
    outputs: Any
    pool: Any

    def __call__(self) -> Any:
        # On the stream that is current, which is the one ``wait`` waits for.
        self.graph.launch()
        return self.outputs
