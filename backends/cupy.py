"""CuPy on an NVIDIA or AMD card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench import threads
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.draws import Draws, Shape
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.special import Special
from xpbench.bench.stream import HOLD_KERNEL, HOLD_MEGACYCLES, HOLD_PTX, FlagHold
from xpbench.bench.vocabulary import Array, Vocabulary


class CupyVocabulary(Vocabulary):
    def __init__(self, cupy: Any, cupyx_special: Any, cupyx_linalg: Any, namespace: Any) -> None:
        special = Special(
            "cupy",
            betainc=cupyx_special.betainc,
            digamma=cupyx_special.digamma,
            erf=cupyx_special.erf,
            gammainc=cupyx_special.gammainc,
            gammaincc=cupyx_special.gammaincc,
            lgamma=cupyx_special.gammaln,
            log_ndtr=cupyx_special.log_ndtr,
            ndtr=cupyx_special.ndtr,
            xlogy=cupyx_special.xlogy,
        )
        super().__init__(namespace, special=special, random=CupyDraws(cupy))
        self._cupy = cupy
        self._linalg = cupyx_linalg

    def solve_triangular(self, a: Array, b: Array, *, lower: bool) -> Array:
        return self._linalg.solve_triangular(a, b, lower=lower)

    def gather(self, x: Array, indices: Array, *, axis: int = 0) -> Array:
        return self._cupy.take(x, indices, axis=axis)

    def scatter_add(self, x: Array, indices: Array, values: Array) -> Array:
        total = self._cupy.array(x, order="C")
        if total.dtype == np.int64:
            # CUDA adds atomically without a sign alone, which comes to the same bits.
            self._cupy.add.at(total.view(np.uint64), indices, values.astype(np.int64).view(np.uint64))
        else:
            self._cupy.add.at(total, indices, values)
        return total

    def bincount(self, x: Array, weights: Array | None = None, *, length: int) -> Array:
        # cupy.bincount reads the smallest and the largest entry first, and so waits for the device.
        if weights is None:
            weights = self._cupy.ones(x.shape, dtype=np.int64)
        return self.scatter_add(self._cupy.zeros(length, dtype=weights.dtype), x, weights)

    def clip(self, x: Array, /, min: Any = None, max: Any = None) -> Array:
        # array-api-compat picks the entries outside by a mask, and waits for the device to count them.
        return self._cupy.clip(x, min, max)

    def contiguous(self, x: Array) -> Array:
        return self._cupy.asarray(x, order="C")


class CupyDraws(Draws):
    """Draws by ``cupy.random`` with Philox, seeded with the key, which is read back to the host."""

    def __init__(self, cupy: Any) -> None:
        super().__init__("cupy")
        self._cupy = cupy

    def uniform(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._generator(key).random(shape, dtype)

    def normal(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._generator(key).standard_normal(shape, dtype)

    def exponential(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._generator(key).standard_exponential(shape, dtype)

    def bernoulli(self, key: Array, p: Any, shape: Shape) -> Array:
        return self._generator(key).random(shape) < p

    def poisson(self, key: Array, rate: Any, shape: Shape) -> Array:
        return self._generator(key).poisson(rate, shape)

    def binomial(self, key: Array, n: int, p: Any, shape: Shape) -> Array:
        return self._generator(key).binomial(n, p, shape)

    def _generator(self, key: Array) -> Any:
        random = self._cupy.random
        return random.Generator(random.Philox4x3210(self._cupy.asnumpy(key).tolist()))


class CupyStream:
    """The current stream of a CUDA device."""

    source = "CUDA events, the stream held"

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        memory = cupy.cuda.alloc_pinned_memory(4)
        module = cupy.cuda.function.Module()
        module.load(HOLD_PTX.encode())
        kernel = module.get_function(HOLD_KERNEL)
        arguments = (np.uint64(memory.ptr), np.int32(HOLD_MEGACYCLES))
        flag = np.frombuffer(memory, np.int32, 1)
        self.hold = FlagHold(flag, lambda: kernel((1,), (1,), arguments))

    def record(self) -> Any:
        event = self._cupy.cuda.Event()
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        return float(self._cupy.cuda.get_elapsed_time(start, end)) * 1e-3


class Cupy(Backend):
    name = "cupy"
    library = "cupy"
    distributions = ("cupy-cuda12x", "cupy-cuda13x", "cupy", "array-api-compat")
    install = 'pip install "xpbench[cuda13]" (or cuda12, as the driver is)'
    asynchronous = True
    default = True
    home = "cuda"
    dtypes = ("float32", "float64", "float16")

    def __init__(self) -> None:
        super().__init__()
        self._timed_stream: CupyStream | None = None

    def environment(self, setting: Setting) -> dict[str, str]:
        variables = threads.variables(setting.threads)
        if setting.precision != "native":
            variables["CUPY_TF32"] = str(int(setting.precision == "tf32"))
        if setting.cache:
            variables["CUPY_CACHE_DIR"] = str(Path(setting.cache) / "cupy")
        return variables

    def declines(self, dtype: str) -> str | None:
        if dtype == "bfloat16":
            return "CuPy holds bfloat16, and computes a part of its functions in it only (14.2)"
        return super().declines(dtype)

    def devices(self) -> list[str]:
        import cupy

        if not cupy.cuda.is_available():
            return []
        return ["cuda", *(f"cuda:{i}" for i in range(1, cupy.cuda.runtime.getDeviceCount()))]

    def load(self, setting: Setting) -> None:
        import array_api_compat.cupy as namespace
        import cupy
        import cupyx
        import cupyx.scipy.linalg
        import cupyx.scipy.special

        self.require_device(setting.device)
        self.setting = setting
        cupy.cuda.Device(int(setting.device.partition(":")[2] or 0)).use()
        # Unasked, CuPy returns numbers for a singular matrix, where the others raise.
        cupyx.seterr(linalg="raise")
        self.xp = CupyVocabulary(cupy, cupyx.scipy.special, cupyx.scipy.linalg, namespace)

    def put(self, array: np.ndarray) -> Array:
        device_array = self.xp.asarray(np.asarray(array, order="C"))
        self.wait((device_array,))
        return device_array

    def fetch(self, array: Array) -> np.ndarray:
        import cupy

        host: np.ndarray = cupy.asnumpy(array)
        return host

    def wait(self, outputs: Sequence[Array]) -> None:
        import cupy

        cupy.cuda.get_current_stream().synchronize()

    def cache_bytes(self) -> int | None:
        import cupy

        return int(cupy.cuda.Device().attributes["L2CacheSize"])

    def stream(self) -> CupyStream:
        import cupy

        if cupy.cuda.runtime.is_hip:
            raise Unsupported("no device time: CuPy cannot hold a stream of this card")
        if self._timed_stream is None:
            self._timed_stream = CupyStream(cupy)
        return self._timed_stream

    def peak_bytes(self) -> int | None:
        import cupy

        # The pool returns nothing to the device, so what it holds is the most it ever held.
        return int(cupy.get_default_memory_pool().total_bytes())

    def in_force(self) -> dict[str, Any]:
        import cupyx
        from cupy._core import _routines_linalg

        kind = _routines_linalg.get_compute_type("float32")
        return {
            "matmul_precision": _routines_linalg.compute_type_to_str(kind),
            "linalg_errors": cupyx.geterr()["linalg"],
            **threads.in_force(),
        }
