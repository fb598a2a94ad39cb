"""JAX, every kernel jitted, on the CPU or a card."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench import cuda_driver, threads
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.device import is_host, kind_of
from xpbench.bench.draws import Draws, Shape
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.profile import Kernels, summed
from xpbench.bench.special import Special
from xpbench.bench.vocabulary import Array, Function, Vocabulary

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
PRECISIONS = {"ieee": "highest", "tf32": "tensorfloat32"}


def _log_ndtr(jax: Any) -> Function:
    """``jax.scipy.special.log_ndtr`` where it is accurate.

    By default its series of the lower tail ends after three terms: 4e-9 off at -20, in float64 too.
    Far above 1 it takes the logarithm of a number next to 1, off by 8 % at 5 in float32 and at 8 in
    float64; at 0 it is ``log1p`` that is off, by 120 eps at -0.41 in float64.
    """
    jnp, functions = jax.numpy, jax.scipy.special

    def log_ndtr(x: Array) -> Array:
        lower = functions.log_ndtr(jnp.minimum(x, 1), series_order=8)
        return jnp.where(x > 1, jnp.log1p(-functions.ndtr(-jnp.maximum(x, 1))), lower)

    return log_ndtr


class JaxVocabulary(Vocabulary):
    def __init__(self, jax: Any) -> None:
        functions = jax.scipy.special
        special = Special(
            "jax",
            betainc=functions.betainc,
            digamma=functions.digamma,
            erf=functions.erf,
            gammainc=functions.gammainc,
            gammaincc=functions.gammaincc,
            lgamma=functions.gammaln,
            log_ndtr=_log_ndtr(jax),
            ndtr=functions.ndtr,
            xlogy=functions.xlogy,
        )
        super().__init__(jax.numpy, special=special, random=JaxDraws(jax))
        self._jax = jax
        self._spread: list[Any] = []

    def spread_over(self, devices: list[Any]) -> None:
        """Names the devices over which arrays lie; else rows are shared by all local ones of a kind."""
        self._spread = devices

    def fori_loop(self, n: int, body: Function, state: Any) -> Any:
        return self._jax.lax.fori_loop(0, n, body, state)

    def scan(self, step: Function, state: Any, xs: Any) -> tuple[Any, Any]:
        state, ys = self._jax.lax.scan(step, state, xs)
        return state, ys

    def while_loop(self, condition: Function, body: Function, state: Any) -> Any:
        return self._jax.lax.while_loop(condition, body, state)

    def vmap(self, f: Function, in_axes: int | tuple[int | None, ...] = 0) -> Any:
        return self._jax.vmap(f, in_axes=in_axes)

    def grad(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Any:
        return self._jax.grad(f, argnums=argnums)

    def value_and_grad(
        self, f: Function, argnums: int | tuple[int, ...] = 0, *, by_hand: Function | None = None
    ) -> Any:
        return self._jax.value_and_grad(f, argnums=argnums)

    def jacobian(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Any:
        return self._jax.jacrev(f, argnums=argnums)

    def hessian(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Any:
        return self._jax.hessian(f, argnums=argnums)

    def hessian_vector_product(self, f: Function, *, by_hand: Function | None = None) -> Any:
        return lambda x, v: self._jax.jvp(self._jax.grad(f), (x,), (v,))[1]

    def solve_triangular(self, a: Array, b: Array, *, lower: bool) -> Array:
        return self._jax.scipy.linalg.solve_triangular(a, b, lower=lower)

    def lstsq(self, a: Array, b: Array) -> Array:
        # Of (a | b) the last column of R is Q'b: Q is never formed, which is half the work.
        n = a.shape[1]
        r = self._jax.numpy.linalg.qr(self.concat([a, b[:, None]], axis=1), mode="r")
        return self.solve_triangular(r[:n, :n], r[:n, n], lower=False)

    def gram(self, x: Array) -> Array:
        psum = self._jax.lax.psum
        return self._by_rows(lambda part: part.T @ part, lambda part: psum(part.T @ part, "rows"), x)

    def triangular_factor(self, x: Array) -> Array:
        def factor(part: Array) -> Array:
            return self._jax.numpy.linalg.qr(part, mode="r")

        def reduced(part: Array) -> Array:
            return factor(self._jax.lax.all_gather(factor(part), "rows", tiled=True))

        return self._by_rows(factor, reduced, x)

    def _by_rows(self, alone: Function, together: Function, x: Array) -> Array:
        """``together`` of a share of the rows on every device, where each has as many rows as
        columns; else ``alone`` of all. Rows of zeros make the shares equal: they change neither form."""
        jax, devices, (n, d) = self._jax, self._spread or self._local(), x.shape
        if len(devices) == 1 or n < len(devices) * d:
            return alone(x)
        mesh = jax.sharding.Mesh(devices, ("rows",))
        spread, whole = jax.sharding.PartitionSpec("rows"), jax.sharding.PartitionSpec()
        # That all devices hold the same after a gather is not seen by the check.
        call = jax.shard_map(together, mesh=mesh, in_specs=spread, out_specs=whole, check_vma=False)
        return call(jax.numpy.pad(x, ((0, -n % len(devices)), (0, 0))))

    def _local(self) -> list[Any]:
        first = self._jax.config.jax_default_device
        devices = self._jax.local_devices(backend=first.platform)
        # A card that was named by its number is meant alone.
        return list(devices) if first == devices[0] else [first]

    def gather(self, x: Array, indices: Array, *, axis: int = 0) -> Array:
        # By default every entry would be compared with the bounds once more, to fill with NaN.
        return self.take(x, indices, axis=axis, mode="clip")

    def scatter_add(self, x: Array, indices: Array, values: Array) -> Array:
        return x.at[indices].add(values)

    def bincount(self, x: Array, weights: Array | None = None, *, length: int) -> Array:
        return self._jax.numpy.bincount(x, weights, length=length)

    def contiguous(self, x: Array) -> Array:
        # Arrays have no strides here: a transpose has been materialised when it is an output.
        return x

    def log_sigmoid(self, x: Array) -> Array:
        return self._jax.nn.log_sigmoid(x)

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        return self._jax.nn.softmax(x, axis=axis)

    def logsumexp(self, x: Array, *, axis: int = -1, keepdims: bool = False) -> Array:
        return self._jax.nn.logsumexp(x, axis=axis, keepdims=keepdims)

    def conv2d(self, x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
        margins = [(padding, padding)] * 2
        return self._jax.lax.conv_general_dilated(x, w, (stride, stride), margins)


class JaxDraws(Draws):
    """Draws by ``jax.random`` with the counter-based generator Threefry-2x32."""

    def __init__(self, jax: Any) -> None:
        super().__init__("jax")
        self._jax = jax
        self._random = jax.random

    def uniform(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._random.uniform(self._key(key), shape, dtype)

    def normal(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._random.normal(self._key(key), shape, dtype)

    def exponential(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._random.exponential(self._key(key), shape, dtype)

    def bernoulli(self, key: Array, p: Any, shape: Shape) -> Array:
        return self._random.bernoulli(self._key(key), p, shape)

    def poisson(self, key: Array, rate: Any, shape: Shape) -> Array:
        return self._random.poisson(self._key(key), rate, shape)

    def binomial(self, key: Array, n: int, p: Any, shape: Shape) -> Array:
        return self._random.binomial(self._key(key), n, p, shape).astype(int)

    def _key(self, key: Array) -> Any:
        words = key.astype(self._jax.numpy.uint32)
        return self._random.wrap_key_data(words, impl="threefry2x32")


class Jax(Backend):
    name = "jax"
    library = "jax"
    distributions = ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin")
    install = 'pip install "xpbench[jax]"'
    asynchronous = True
    default = True
    dtypes = ("float32", "float64", "float16", "bfloat16")
    vocabulary: type[JaxVocabulary] = JaxVocabulary

    def __init__(self) -> None:
        super().__init__()
        self._compiling = _CompileClock()
        self._device: Any = None
        self._adding: Any = None

    def environment(self, setting: Setting) -> dict[str, str]:
        variables = {
            **threads.variables(setting.threads),  # for SciPy's LAPACK, which jaxlib calls on the CPU
            "NPROC": str(setting.threads),  # for XLA's own pool
            "JAX_PLATFORMS": kind_of(setting.device),
            "JAX_ENABLE_X64": str(int(setting.wide)),
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        if setting.precision in PRECISIONS:
            variables["JAX_DEFAULT_MATMUL_PRECISION"] = PRECISIONS[setting.precision]
        if setting.cache:
            variables |= {
                "JAX_COMPILATION_CACHE_DIR": str(Path(setting.cache) / "jax"),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
            }
        return variables

    def devices(self) -> list[str]:
        import jax

        found = []
        for platform in PLATFORMS:
            try:
                count = len(jax.devices(platform))
            except RuntimeError:
                continue
            # A CPU is one device, into however many JAX was told to divide it.
            others = range(1, count) if platform != "cpu" else ()
            found += [platform, *(f"{platform}:{i}" for i in others)]
        return found

    def load(self, setting: Setting) -> None:
        import jax

        self.require_device(setting.device)
        platform, _, index = setting.device.partition(":")
        self._put_in_force(setting, jax.devices(platform)[int(index or 0)])

    def _put_in_force(self, setting: Setting, device: Any) -> None:
        """Makes ``device`` the one of this process, and its settings those of JAX."""
        import jax
        import jax.monitoring
        import jax.nn
        import jax.scipy.linalg
        import jax.scipy.special

        self.setting = setting
        # Once more, for a process that had imported JAX before the environment stood.
        config: Any = jax.config
        config.update("jax_enable_x64", setting.wide)
        config.update("jax_default_matmul_precision", PRECISIONS.get(setting.precision))
        self._device = device
        config.update("jax_default_device", self._device)
        self._compiling.listen(jax.monitoring)
        self.xp = self.vocabulary(jax)

    def put(self, array: np.ndarray) -> Array:
        import jax

        # device_put shares the memory of an aligned host array, even when told may_alias=False.
        return jax.device_put(np.array(array, order="C")).block_until_ready()

    def wait(self, outputs: Sequence[Array]) -> None:
        for output in outputs:
            output.block_until_ready()

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import jax

        return jax.jit(function)

    def add_in_place(self, x: Array, y: Array) -> Array:
        if self._adding is None:
            import jax

            self._adding = jax.jit(lambda x, y: y + x, donate_argnums=1)
        return self._adding(x, y)

    def stream(self) -> None:
        if not is_host(self.setting.device):
            raise Unsupported("no device time: JAX has no events, and a profiler for --metric kernel")

    def cache_bytes(self) -> int | None:
        platform = kind_of(self.setting.device)
        if platform == "cpu":
            return super().cache_bytes()
        return cuda_driver.l2_bytes(self._device.local_hardware_id) if platform == "cuda" else None

    def profile(self, call: Callable[[], Any], calls: int) -> Kernels | None:
        import jax.profiler

        if is_host(self.setting.device):
            return None
        with tempfile.TemporaryDirectory(prefix="xpbench-profile-") as folder:
            with jax.profiler.trace(folder):
                for _ in range(calls):
                    call()
            traces = [
                jax.profiler.ProfileData.from_file(str(f)) for f in Path(folder).rglob("*.xplane.pb")
            ]
        found = [activity for trace in traces for activity in device_activities(trace.planes)]
        return summed(found, calls, "jax.profiler (XPlane)")

    def compile_seconds(self) -> float | None:
        return self._compiling.seconds

    def peak_bytes(self) -> int | None:
        statistics = self._device.memory_stats() or {}
        return statistics.get("peak_bytes_in_use")

    def switches(self) -> dict[str, Any]:
        import jax

        config: Any = jax.config
        return {
            "JAX's x64": config.jax_enable_x64,
            "JAX's precision of products": str(config.jax_default_matmul_precision),
            "JAX's jit": not config.jax_disable_jit,
        }

    def in_force(self) -> dict[str, Any]:
        import jax

        config: Any = jax.config
        return {
            "threads": _pool_threads(),
            "matmul_precision": config.jax_default_matmul_precision,
            "x64": config.jax_enable_x64,
            **threads.in_force(),
        }


def device_activities(planes: Iterable[Any]) -> Iterator[tuple[str, float]]:
    """Name and seconds of what ran on a device.

    A card has a line for each of its streams, with kernels and copies, and other lines in which the same
    time is told once more by operation; a TPU has the latter alone.
    """
    for plane in planes:
        if not plane.name.startswith("/device:"):
            continue
        told = "Stream" if plane.name.startswith("/device:GPU") else "XLA Ops"
        for line in plane.lines:
            if line.name.startswith(told):
                yield from ((event.name, event.duration_ns * 1e-9) for event in line.events)


class _CompileClock:
    """Seconds spent tracing, lowering and compiling, as JAX announces them.

    What came out of the persistent cache was not compiled, and its retrieval is not counted.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._cached = False
        self._listening = False

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self._spans)

    def listen(self, monitoring: Any) -> None:
        if not self._listening:
            monitoring.register_event_duration_secs_listener(self._hear)
            self._listening = True

    def _hear(self, event: str, duration: float, **_: Any) -> None:
        if event == "/jax/compilation_cache/cache_retrieval_time_sec":
            self._cached = True
        if not event.startswith("/jax/core/compile/"):
            return
        if event.endswith("backend_compile_duration") and self._cached:
            self._cached = False
            return
        end = time.perf_counter()
        start = end - duration
        # A trace may contain the traces of the functions it calls, announced before it.
        while self._spans and self._spans[-1][0] >= start:
            self._spans.pop()
        self._spans.append((start, end))


def _pool_threads() -> int | None:
    """How many threads XLA's pool on the CPU has; ``None`` where the system does not tell."""
    count = 0
    for path in Path("/proc/self/task").glob("*/comm"):
        # A thread may end between the listing and the reading.
        with contextlib.suppress(OSError):
            count += path.read_text().startswith("tf_XLAEigen")
    return count or None
