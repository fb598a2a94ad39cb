"""PyTorch, eager, on the CPU, an NVIDIA or AMD card or an Apple one."""

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from xpbench.bench import floating, threads
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.draws import Draws, Shape
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.profile import Kernels, summed
from xpbench.bench.special import Special
from xpbench.bench.stream import HOLD_KERNEL, HOLD_MEGACYCLES, HOLD_PTX, FlagHold
from xpbench.bench.vocabulary import Array, Function, Vocabulary, interpolate, position

CREATORS = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")
"""The functions of the standard that make an array from no array, and so have to be told a device."""


def _incomplete_gamma(torch: Any, name: str, device: str) -> Function:
    """``torch.special.gammainc`` or ``gammaincc``, declined in float64 where pi is rounded to float32.

    Near x = a their series is divided by sqrt(2 pi a) (DLMF 8.12.3 to 8.12.9), in PyTorch 2.13 by a pi
    of single precision, which leaves results off by up to 4e-10: millions of eps.
    """
    function: Function = getattr(torch.special, name)
    if device == "mps":  # has no float64
        return function
    a = torch.tensor(1e8, dtype=torch.float64, device=device)
    # At x = a the result is 1/2 and less or more by 1 / (3 sqrt(2 pi a)), and terms of 2e-3 / a of that.
    term = abs(float(function(a, a)) - 0.5) * math.sqrt(2 * math.pi * 1e8)
    if abs(term - 1 / 3) < 1e-9:
        return function

    def declined_in_float64(a: Array, x: Array) -> Array:
        if x.dtype == torch.float64:
            raise Unsupported(
                f"torch has no function {name} in float64: its series takes pi in single precision, "
                "which leaves results off by up to 4e-10"
            )
        return function(a, x)

    return declined_in_float64


class TorchVocabulary(Vocabulary):
    def __init__(self, torch: Any, namespace: Any, device: str) -> None:
        special = Special(
            "torch",
            digamma=torch.special.digamma,
            erf=torch.special.erf,
            gammainc=_incomplete_gamma(torch, "gammainc", device),
            gammaincc=_incomplete_gamma(torch, "gammaincc", device),
            lgamma=torch.special.gammaln,
            log_ndtr=torch.special.log_ndtr,
            # torch.special.ndtr is (1 + erf) / 2, which has lost its digits at x = -5 in float32.
            ndtr=lambda x: torch.special.erfc(x * -math.sqrt(0.5)) / 2,
            xlogy=torch.special.xlogy,
        )
        super().__init__(namespace, special=special, random=TorchDraws(torch, device))
        self._torch = torch
        if device != "cpu":
            # torch.set_default_device would do it too, and slow down every call of the library.
            for name in CREATORS:
                self.__dict__[name] = functools.partial(self.__dict__[name], device=device)

    def vmap(self, f: Function, in_axes: int | tuple[int | None, ...] = 0) -> Any:
        return self._torch.func.vmap(f, in_dims=in_axes)

    def grad(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Any:
        return self._torch.func.grad(f, argnums=argnums)

    def value_and_grad(
        self, f: Function, argnums: int | tuple[int, ...] = 0, *, by_hand: Function | None = None
    ) -> Any:
        grad_and_value = self._torch.func.grad_and_value(f, argnums=argnums)

        def swapped(*arrays: Any) -> tuple[Any, Any]:
            gradient, value = grad_and_value(*arrays)
            return value, gradient

        return swapped

    def jacobian(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Any:
        return self._torch.func.jacrev(f, argnums=argnums)

    def hessian(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Any:
        # torch.func.hessian goes forward over reverse, in two to five times as long.
        return self._torch.func.jacrev(self._torch.func.grad(f, argnums=argnums), argnums=argnums)

    def hessian_vector_product(self, f: Function, *, by_hand: Function | None = None) -> Any:
        # H is symmetric, and v'H by reverse mode is up to four times faster than H v by forward mode.
        gradient = self._torch.func.grad(f)
        return lambda x, v: self._torch.func.vjp(gradient, x)[1](v)[0]

    def solve_triangular(self, a: Array, b: Array, *, lower: bool) -> Array:
        columns = b if b.ndim > 1 else b[:, None]
        x = self._torch.linalg.solve_triangular(a, columns, upper=not lower)
        return x if b.ndim > 1 else x[:, 0]

    def lstsq(self, a: Array, b: Array) -> Array:
        return self._torch.linalg.lstsq(a, b[:, None], driver="gels").solution[:, 0]

    def gather(self, x: Array, indices: Array, *, axis: int = 0) -> Array:
        # index_select was six to sixteen times faster than x[indices].
        if indices.ndim == 1:
            return self._torch.index_select(x, axis, indices)
        axis = axis % x.ndim
        taken = self._torch.index_select(x, axis, indices.reshape(-1))
        return taken.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])

    def scatter_add(self, x: Array, indices: Array, values: Array) -> Array:
        # Faster than index_add and index_put, most of all on one axis.
        ones = (1,) * (values.ndim - 1)
        index = indices.to(self._torch.int64).reshape(-1, *ones).expand(values.shape)
        return self._torch.scatter_add(x, 0, index, values)

    def bincount(self, x: Array, weights: Array | None = None, *, length: int) -> Array:
        # torch.bincount asks the device for the largest entry first, and so waits for it.
        if weights is None:
            weights = x.new_ones((), dtype=self._torch.int64).expand(x.shape)
        return self.scatter_add(x.new_zeros(length, dtype=weights.dtype), x, weights)

    def contiguous(self, x: Array) -> Array:
        return x.contiguous()

    def quantile(self, x: Array, q: float | Sequence[float], *, axis: int = -1) -> Array:
        if isinstance(q, Sequence):
            return super().quantile(x, q, axis=axis)
        # Two selections cost less than the sort in torch.quantile, which takes 2**24 entries at most.
        k, t = position(x.shape[axis], q)
        low = self._torch.kthvalue(x, k + 1, dim=axis).values
        return low if t == 0 else interpolate(low, self._torch.kthvalue(x, k + 2, dim=axis).values, t)

    def sigmoid(self, x: Array) -> Array:
        return self._torch.sigmoid(x)

    def log_sigmoid(self, x: Array) -> Array:
        return self._torch.nn.functional.logsigmoid(x)

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        return self._torch.softmax(x, dim=axis)

    def logsumexp(self, x: Array, *, axis: int = -1, keepdims: bool = False) -> Array:
        return self._torch.logsumexp(x, dim=axis, keepdim=keepdims)

    def multiply_add(self, a: Array, x: Array, y: Array) -> Array:
        return self._torch.addcmul(y, a, x)

    def layer_norm(self, x: Array, gain: Array, bias: Array, *, epsilon: float) -> Array:
        return self._torch.nn.functional.layer_norm(x, gain.shape, gain, bias, epsilon)

    def causal_attention(self, q: Array, k: Array, v: Array) -> Array:
        return self._torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    def conv2d(self, x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
        return self._torch.nn.functional.conv2d(x, w, stride=stride, padding=padding)


class TorchDraws(Draws):
    """Draws by a ``torch.Generator`` seeded with the key, which is read back to the host for that."""

    def __init__(self, torch: Any, device: str) -> None:
        super().__init__("torch")
        self._torch = torch
        self._device = device

    def uniform(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._torch.rand(shape, generator=self._generator(key), dtype=dtype, device=self._device)

    def normal(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._torch.randn(shape, generator=self._generator(key), dtype=dtype, device=self._device)

    def exponential(self, key: Array, shape: Shape, dtype: Any) -> Array:
        empty = self._torch.empty(shape, dtype=dtype, device=self._device)
        return empty.exponential_(generator=self._generator(key))

    def bernoulli(self, key: Array, p: Any, shape: Shape) -> Array:
        return self.uniform(key, shape, getattr(p, "dtype", None)) < p

    def poisson(self, key: Array, rate: Any, shape: Shape) -> Array:
        rates = self._torch.as_tensor(rate, device=self._device).expand(shape)
        return self._torch.poisson(rates, generator=self._generator(key)).to(self._torch.int64)

    def binomial(self, key: Array, n: int, p: Any, shape: Shape) -> Array:
        chances = self._torch.as_tensor(p, device=self._device).expand(shape)
        trials = self._torch.full_like(chances, n)
        draws = self._torch.binomial(trials, chances, generator=self._generator(key))
        return draws.to(self._torch.int64)

    def _generator(self, key: Array) -> Any:
        return self._torch.Generator(device=self._device).manual_seed(_mixed(*key.tolist()))


def _mixed(low: int, high: int) -> int:
    """A seed of 64 bits, all of which depend on all of the key.

    torch's generator on the CPU looks at the lower 32 bits alone. The finaliser of SplitMix64:
    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    z = (low | high << 32) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    z = (z ^ z >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return z ^ z >> 31


class TorchStream:
    """The current stream of a CUDA device."""

    source = "CUDA events, the stream held"

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        flag = torch.zeros(1, dtype=torch.int32, pin_memory=True)
        kernel = torch.cuda._utils._cuda_load_module(HOLD_PTX, [HOLD_KERNEL])[HOLD_KERNEL]
        single = (1, 1, 1)
        self.hold = FlagHold(flag.numpy(), lambda: kernel(single, single, [flag, HOLD_MEGACYCLES]))

    def record(self) -> Any:
        event = self._torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) * 1e-3


class Torch(Backend):
    name = "torch"
    library = "torch"
    distributions = ("torch", "array-api-compat")
    install = 'pip install "xpbench[torch]"'
    default = True
    dtypes = ("float32", "float64", "float16", "bfloat16")
    vocabulary: type[TorchVocabulary] = TorchVocabulary

    def __init__(self) -> None:
        super().__init__()
        self._synchronize: Callable[[], None] | None = None
        self._timed_stream: TorchStream | None = None

    def environment(self, setting: Setting) -> dict[str, str]:
        return threads.variables(setting.threads)

    def devices(self) -> list[str]:
        import torch

        cards = ["cuda", *(f"cuda:{i}" for i in range(1, torch.cuda.device_count()))]
        return [
            "cpu",
            *(cards if torch.cuda.is_available() else []),
            *(["mps"] if torch.backends.mps.is_available() else []),
        ]

    def load(self, setting: Setting) -> None:
        import array_api_compat.torch as namespace
        import torch

        self.require_device(setting.device)
        if setting.device == "mps" and setting.wide:
            raise Unsupported("torch has no float64 on mps")
        self.setting = setting
        self._synchronize = self._timed_stream = None
        torch.set_num_threads(setting.threads)
        # torch.func differentiates all the same; only the bookkeeping of every other call is saved.
        torch.set_grad_enabled(False)
        if setting.precision != "native":
            _set_precision(torch, tf32=setting.precision == "tf32")
        if setting.device.startswith("cuda"):
            torch.cuda.set_device(setting.device if ":" in setting.device else "cuda:0")
            torch.cuda.reset_peak_memory_stats()
            self._synchronize = torch.cuda.synchronize
        elif setting.device == "mps":
            self._synchronize = torch.mps.synchronize
        self.asynchronous = self._synchronize is not None
        self.xp = self.vocabulary(torch, namespace, setting.device)

    def put(self, array: np.ndarray) -> Array:
        import torch

        host = np.asarray(array, order="C")
        tensor = _from_host(host, functools.partial(torch.tensor, device=self.setting.device))
        self.wait((tensor,))
        return tensor

    def borrow(self, array: np.ndarray) -> Array:
        import torch

        if self.setting.device != "cpu":
            return self.put(array)
        return _from_host(array, torch.from_numpy)

    def fetch(self, array: Array) -> np.ndarray:
        import torch

        host = array.detach().cpu()
        if host.dtype == torch.bfloat16:
            bits: np.ndarray = host.contiguous().view(torch.int16).numpy()
            return bits.view(floating.BFLOAT16)
        fetched: np.ndarray = host.numpy()
        return fetched

    def wait(self, outputs: Sequence[Array]) -> None:
        if self._synchronize is not None:
            self._synchronize()

    def cache_bytes(self) -> int | None:
        import torch

        if not self._on_cuda:
            return super().cache_bytes()
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)

    def stream(self) -> TorchStream | None:
        import torch

        if not self._on_cuda:
            return None
        if torch.version.hip or not hasattr(torch.cuda, "_utils"):
            raise Unsupported("no device time: this PyTorch cannot hold a stream")
        if self._timed_stream is None:
            self._timed_stream = TorchStream(torch)
        return self._timed_stream

    def profile(self, call: Callable[[], Any], calls: int) -> Kernels | None:
        import torch
        from torch.profiler import ProfilerActivity, profile

        if not self._on_cuda:
            return None
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            for _ in range(calls):
                call()
            torch.cuda.synchronize()
        return summed(device_activities(seen.events(), "CUDA"), calls, "torch.profiler (Kineto)")

    @property
    def _on_cuda(self) -> bool:
        return self.setting.device.startswith("cuda")

    def peak_bytes(self) -> int | None:
        import torch

        return torch.cuda.max_memory_allocated() if self._on_cuda else None

    def switches(self) -> dict[str, Any]:
        import torch

        return {
            "torch threads": torch.get_num_threads(),
            "torch's default dtype": str(torch.get_default_dtype()),
            "torch's precision of products": torch.get_float32_matmul_precision(),
            "torch's gradients": torch.is_grad_enabled(),
            "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "the state of torch.random": (hash(torch.get_rng_state().numpy().tobytes()),),
        }

    def in_force(self) -> dict[str, Any]:
        import torch

        cudnn: Any = torch.backends.cudnn
        new = hasattr(cudnn, "fp32_precision")
        return {
            "threads": torch.get_num_threads(),
            "matmul_precision": torch.get_float32_matmul_precision(),
            "float16_reduced_sums": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
            "bfloat16_reduced_sums": torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
            "cudnn_tf32": cudnn.conv.fp32_precision == "tf32" if new else cudnn.allow_tf32,
            **threads.in_force(),
        }


def device_activities(events: Iterable[Any], kind: str) -> Iterator[tuple[str, float]]:
    """Name and seconds of what ran on devices of a ``kind``, e.g. ``CUDA``: kernels, copies, fills."""
    for event in events:
        if event.device_type.name == kind and not event.is_user_annotation:
            yield event.name, event.time_range.elapsed_us() * 1e-6


def _from_host(array: np.ndarray, make: Callable[[np.ndarray], Array]) -> Array:
    """The tensor that ``make`` makes of ``array``; of bfloat16, which torch takes from no host array,
    through its bits."""
    if array.dtype != floating.BFLOAT16:
        return make(array)
    import torch

    return make(array.view(np.int16)).view(torch.bfloat16)


def _set_precision(torch: Any, *, tf32: bool) -> None:
    # Inductor reads the old switches, cuDNN's own is the new one alone, and where the two disagree
    # torch raises: so both are set. Some releases warn about the old ones.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
    if hasattr(torch.backends.cudnn, "fp32_precision"):
        torch.backends.cudnn.fp32_precision = "tf32" if tf32 else "ieee"
    # Unasked, partial sums of two bytes are rounded to two bytes before they are added up.
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
