"""An asynchronous device in pure Python: a queue, events, a cache, a memory; for tests without a card.

It computes with NumPy at once, and keeps the time that a device would have taken: a launch returns after
``launch_s``, its work begins when the queue has come to it, and who wants the result has to wait. In a
test the time may be that of a ``Clock`` that only moves when told to, so that figures are exact; in a
worker it is real. As a backend file, ``--backend tests/fake_device.py`` measures on it; the variable
``FAKE_DEVICE`` holds the device's properties as JSON.
"""

import functools
import itertools
import json
import os
import time
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np

from xpbench import Backend, Setting, Vocabulary
from xpbench.bench import profile


class OutOfMemoryError(Exception):
    """More was asked for than the device has left."""


@dataclass
class Clock:
    """A clock that moves when somebody lets time pass, and not else."""

    seconds: float = 0.0

    def perf_counter(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += max(0.0, seconds)


class RealClock:
    """The clock of this machine."""

    perf_counter = staticmethod(time.perf_counter)

    @staticmethod
    def sleep(seconds: float) -> None:
        end = time.perf_counter() + seconds
        if seconds > 2e-3:
            time.sleep(seconds - 1e-3)
        while time.perf_counter() < end:
            pass


@dataclass
class Mark:
    """An event; ``passed`` is when the device came to it."""

    passed: float | None = None


@dataclass
class Device:
    """Times are in seconds, rates in bytes a second.

    A kernel takes ``kernel_s``, and for its arrays what memory or cache need; a copy from or to the host
    what the link needs. ``tf32`` rounds the factors of products to 11 bits, ``waits`` makes every kernel
    ask for its result, as a kernel does that branches on it.
    """

    launch_s: float = 20e-6
    kernel_s: float = 50e-6
    memory_rate: float = 20e9
    cache_rate: float = 100e9
    link_rate: float = 5e9
    cache_bytes: int = 2**20
    memory_bytes: int = 2**26
    hold_s: float = 0.5
    tf32: bool = False
    waits: bool = False
    clock: Any = field(default_factory=RealClock)
    used: int = 0
    peak: int = 0
    free_at: float = 0.0
    log: list[tuple[str, float]] = field(default_factory=list)
    cached: "OrderedDict[int, int]" = field(default_factory=OrderedDict)
    held_since: float | None = None
    gave_up: bool = False
    pending: list[float | Mark] = field(default_factory=list)
    source: str = "events of a fake device"

    # The queue

    def launch(self, name: str, arrays: Iterable["FakeArray"]) -> None:
        """Puts a kernel that reads or writes ``arrays`` into the queue."""
        self.clock.sleep(self.launch_s)
        self._enqueue(name, self.kernel_s + sum(map(self._touch, arrays)))
        if self.waits:
            self.synchronize()

    def copy(self, size: int) -> None:
        """Puts a copy over the link into the queue."""
        self._enqueue("copy", size / self.link_rate)

    def synchronize(self) -> None:
        """Returns when the queue is empty; a device that is held gives up first."""
        if self.held_since is not None:
            self.clock.sleep(self.held_since + self.hold_s - self.clock.perf_counter())
            self._give_up()
        self.clock.sleep(self.free_at - self.clock.perf_counter())

    def record(self) -> Mark:
        mark = Mark()
        self._enqueue("mark", mark)
        return mark

    def seconds(self, start: Mark, end: Mark) -> float:
        assert start.passed is not None and end.passed is not None, "a mark was not passed yet"
        return end.passed - start.passed

    def hold(self) -> Callable[[], bool]:
        self.synchronize()
        self.held_since, self.gave_up = self.clock.perf_counter(), False

        def release() -> bool:
            if self.held_since is not None and self.clock.perf_counter() > self.held_since + self.hold_s:
                self._give_up()
            if self.held_since is not None:
                self._go_on(self.clock.perf_counter())
            return not self.gave_up

        return release

    def _give_up(self) -> None:
        assert self.held_since is not None
        self.gave_up = True
        self._go_on(self.held_since + self.hold_s)

    def _go_on(self, now: float) -> None:
        self.held_since = None
        self.free_at = max(self.free_at, now)
        pending, self.pending = self.pending, []
        for item in pending:
            self._run(item)

    def _enqueue(self, name: str, item: "float | Mark") -> None:
        if not isinstance(item, Mark):
            self.log.append((name, item))
        if self.held_since is not None:
            self.pending.append(item)
            return
        self.free_at = max(self.free_at, self.clock.perf_counter())
        self._run(item)

    def _run(self, item: "float | Mark") -> None:
        if isinstance(item, Mark):
            item.passed = self.free_at
        else:
            self.free_at += item

    # Memory and cache

    def allocate(self, size: int) -> None:
        if self.used + size > self.memory_bytes:
            raise OutOfMemoryError(f"{size} bytes asked for, {self.memory_bytes - self.used} left")
        self.used += size
        self.peak = max(self.peak, self.used)

    def free(self, size: int) -> None:
        self.used -= size

    def _touch(self, array: "FakeArray") -> float:
        key, size = array.serial, array.value.nbytes
        hit = self.cached.pop(key, None) is not None
        if size <= self.cache_bytes:
            self.cached[key] = size
        else:
            self.cached.clear()
        while sum(self.cached.values()) > self.cache_bytes:
            self.cached.popitem(last=False)
        return size / (self.cache_rate if hit else self.memory_rate)


_serials = itertools.count()


class FakeArray:
    """An array on a device: its memory is counted, and reading it on the host waits for the queue."""

    def __init__(self, device: Device, value: np.ndarray) -> None:
        device.allocate(value.nbytes)
        weakref.finalize(self, device.free, value.nbytes)
        self.device, self.value, self.serial = device, value, next(_serials)
        self.shape, self.dtype, self.ndim, self.size = value.shape, value.dtype, value.ndim, value.size

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return namespace_of(self.device)

    @property
    def T(self) -> "FakeArray":
        return FakeArray(self.device, self.value.T)

    def __getitem__(self, key: Any) -> "FakeArray":
        return on_device(self.device, "getitem", lambda x: x[key], self)

    def __bool__(self) -> bool:
        self.device.synchronize()
        return bool(self.value)

    def __float__(self) -> float:
        self.device.synchronize()
        return float(self.value)


def _operator(name: str) -> Callable[..., Any]:
    def call(self: FakeArray, *others: Any) -> Any:
        return on_device(
            self.device, name, lambda x, *rest: getattr(np.asarray(x), name)(*rest), self, *others
        )

    return call


for _name in ("add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(FakeArray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in ("radd", "rsub", "rmul", "rtruediv", "neg", "abs"):
    setattr(FakeArray, f"__{_name}__", _operator(f"__{_name}__"))


def _matmul(self: FakeArray, other: FakeArray) -> Any:
    return on_device(self.device, "matmul", np.matmul, self, other)


FakeArray.__matmul__ = _matmul  # type: ignore[attr-defined]


def on_device(device: Device, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``function`` of the arrays' values as one kernel of ``device``."""
    read: list[FakeArray] = []

    def value_of(argument: Any) -> Any:
        if isinstance(argument, FakeArray):
            read.append(argument)
            narrow = device.tf32 and name == "matmul" and argument.dtype == np.float32
            return rounded_to_tf32(argument.value) if narrow else argument.value
        return [value_of(part) for part in argument] if isinstance(argument, list) else argument

    result = function(*map(value_of, args), **{key: value_of(v) for key, v in kwargs.items()})
    written: list[FakeArray] = []

    def array_of(part: Any) -> Any:
        if isinstance(part, np.ndarray | np.generic):
            written.append(FakeArray(device, np.asarray(part)))
            return written[-1]
        if isinstance(part, tuple | list):
            parts = [array_of(inner) for inner in part]
            return type(part)(*parts) if hasattr(part, "_fields") else type(part)(parts)
        return part

    wrapped = array_of(result)
    if written:
        device.launch(name, [*read, *written])
    return wrapped


def rounded_to_tf32(x: np.ndarray) -> np.ndarray:
    """float32 numbers with the 10 stored bits of TF32."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    rounded: np.ndarray = ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    return rounded


@functools.lru_cache(maxsize=8)
def _namespace(key: int, device_of: Callable[[], Device]) -> Any:
    def wrapped(source: Any, name: str) -> types.ModuleType:
        module = types.ModuleType(name)
        for part in dir(source):
            value = getattr(source, part)
            if part.startswith("_") or isinstance(value, types.ModuleType):
                continue
            plain = isinstance(value, type) or not callable(value)
            setattr(module, part, value if plain else functools.partial(_call, device_of, part, value))
        return module

    module = wrapped(numpy_namespace, "fake")
    module.linalg = wrapped(numpy_namespace.linalg, "fake.linalg")  # type: ignore[attr-defined]
    return module


def _call(
    device_of: Callable[[], Device],
    name: str,
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    return on_device(device_of(), name, function, *args, **kwargs)


def namespace_of(device: Device) -> Any:
    """The array API standard on ``device``."""
    return _namespace(id(device), lambda: device)


class FakeDevice(Backend):
    """The backend ``fake``, of which there are two."""

    name = "fake"
    library = "numpy"
    distributions = ("numpy",)
    install = "nothing to install"
    asynchronous = True
    home = "fake"

    def __init__(self, device: Device | None = None) -> None:
        super().__init__()
        self.device = device or Device(**json.loads(os.environ.get("FAKE_DEVICE", "{}")))

    def devices(self) -> list[str]:
        return ["fake", "fake:1"]

    def load(self, setting: Setting) -> None:
        self.require_device(setting.device)
        self.setting = setting
        self.xp = Vocabulary(namespace_of(self.device))

    def put(self, array: np.ndarray) -> FakeArray:
        placed = FakeArray(self.device, np.array(array, order="C"))
        self.device.copy(placed.value.nbytes)
        self.device.synchronize()
        return placed

    def fetch(self, array: FakeArray) -> np.ndarray:
        self.device.copy(array.value.nbytes)
        self.device.synchronize()
        return array.value

    def wait(self, outputs: Sequence[Any]) -> None:
        self.device.synchronize()

    def stream(self) -> Device:
        return self.device

    def cache_bytes(self) -> int:
        return self.device.cache_bytes

    def profile(self, call: Callable[[], Any], calls: int) -> profile.Kernels | None:
        before = len(self.device.log)
        for _ in range(calls):
            call()
        return profile.summed(self.device.log[before:], calls, "log of a fake device")

    def peak_bytes(self) -> int:
        return self.device.peak

    def in_force(self) -> dict[str, Any]:
        return {"matmul_precision": "highest", "process": os.getpid()}
