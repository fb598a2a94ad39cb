"""Where a kernel runs: an array library on a device, in a mode."""

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from xpbench.bench import processor
from xpbench.bench.exceptions import Unsupported, one_line
from xpbench.bench.kernel import Array
from xpbench.bench.profile import Kernels
from xpbench.bench.sharding import Sharding
from xpbench.bench.stream import Stream
from xpbench.bench.vocabulary import Vocabulary


@dataclass(frozen=True)
class Setting:
    """What is fixed for the whole life of a worker process.

    ``device`` is ``cpu``, ``cuda``, ``cuda:1``, ...; ``threads`` the number of CPU threads a library
    may use; ``precision`` is ``ieee``, ``tf32`` or ``native`` (whatever the library does unasked);
    ``wide`` is true where float64 is measured; ``cache`` is a folder for compiled code.
    """

    device: str = "cpu"
    threads: int = 1
    precision: str = "ieee"
    wide: bool = False
    cache: str = ""


class Backend:
    """An array library in a mode. The defaults describe a synchronous library on the CPU.

    A backend is one file with one subclass. It may be made and asked for its ``environment`` in a
    process that must not import the library; ``load`` imports it, and everything after ``load`` may
    use it.
    """

    name: ClassVar[str] = ""
    """What people type after ``--backend``."""
    library: ClassVar[str] = ""
    """The module that ``load`` imports."""
    distributions: ClassVar[tuple[str, ...]] = ()
    """The installed packages whose versions matter."""
    install: ClassVar[str] = ""
    """The command that makes the library usable."""
    asynchronous: bool = False
    """Whether a call may return before its result is there; may depend on the device that is loaded."""
    default: ClassVar[bool] = False
    """Whether a run that names no backend takes this one, where it is usable."""
    beside: ClassVar[str] = ""
    """A backend in whose processes the cases of this one are measured, right before or after that one's
    own: what differs from process to process is no part of their ratio. This one is not loaded there,
    and asked for ``declines`` and ``compile`` alone."""

    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")
    """The dtypes it computes in; a case in another is ``unsupported``."""

    home: ClassVar[str] = "cpu"
    """The device that cells are named after where the backend finds none."""

    def __init__(self) -> None:
        self.setting = Setting()
        self.xp: Any = None

    def environment(self, setting: Setting) -> dict[str, str]:
        """The environment variables that must stand before the library is imported."""
        return {}

    def cpus(self, setting: Setting) -> int | None:
        """To how many CPUs a process that measures is bound, at most all that it may use; ``None``: to
        none. For libraries that no variable keeps to their threads. Must not import the library."""
        return None

    def unusable(self) -> str | None:
        """Why this process cannot use the library, with the cure; ``None`` where it can."""
        if importlib.util.find_spec(self.library) is None:
            return f"{self.library} is not installed: {self.install}"
        try:
            devices = self.devices()
        except Exception as error:  # a broken installation may raise anything at import
            return (
                f"{self.library} is installed but does not load: {one_line(error)}; "
                f"install it anew: {self.install}"
            )
        if devices:
            return None
        return f"{self.library} finds no device it can use; on a machine that has one: {self.install}"

    def versions(self) -> dict[str, str]:
        """The installed versions of ``distributions``, found without importing them."""
        found = {}
        for distribution in self.distributions:
            try:
                found[distribution] = importlib.metadata.version(distribution)
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

    def devices(self) -> list[str]:
        """The devices found here, by the names people type. May import the library."""
        return ["cpu"]

    def divides(self, device: str, found: Sequence[str]) -> bool:
        """Whether ``device`` can be made of those ``found`` here, among which it is not: ``16xcpu`` of a
        processor. Must not import the library."""
        return False

    def require_device(self, device: str) -> None:
        """Checks that this backend has ``device``; ``cuda:0`` is another name of ``cuda``.

        Raises
        ------
        Unsupported
            If it has not; the message tells what there is.
        """
        found = self.devices()
        if device.removesuffix(":0") not in found:
            raise Unsupported(
                f"{self.library} has no device {device} here; it has {', '.join(found) or 'none'}"
            )

    def load(self, setting: Setting) -> None:
        """Imports the library, puts ``setting`` in force and makes ``xp``.

        Raises
        ------
        Unsupported
            If the library cannot do what ``setting`` asks.
        """
        self.require_device(setting.device)
        self.setting = setting
        self.xp = Vocabulary(importlib.import_module(self.library))

    def declines(self, dtype: str) -> str | None:
        """Why it computes nothing in ``dtype``; ``None`` where it does."""
        if dtype in self.dtypes:
            return None
        return f"{self.name} does not compute in {dtype}; it does in {', '.join(self.dtypes)}"

    def put(self, array: np.ndarray) -> Array:
        """A host array as an array of the library on the device; returns when it has arrived."""
        return np.array(array, order="C")

    def borrow(self, array: np.ndarray) -> Array:
        """As ``put``, but in the memory of the host array where the library can work there: NumPy asks
        the system for huge pages, in which a bandwidth is a third higher than in small ones."""
        return self.put(array)

    def fetch(self, array: Array) -> np.ndarray:
        """An array of the library as a host array; returns when it has arrived."""
        return np.asarray(array)

    def wait(self, outputs: Sequence[Array]) -> None:
        """Returns when every one of ``outputs`` has been computed."""

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` of arrays alone, in the form this backend times."""
        return function

    def add_in_place(self, x: Array, y: Array) -> Array:
        """y + x in the memory of y, which is gone afterwards: what a bandwidth is measured by.

        A library whose arrays cannot change overrides it, or it measures a fresh output.
        """
        y += x
        return y

    def cache_bytes(self) -> int | None:
        """Bytes of the last cache before the device's memory; ``None`` where it is not known."""
        return processor.cache_bytes(processor.available_cpus())

    def stream(self) -> Stream | None:
        """The queue of the device, for timing by its own clock; ``None`` where it has none.

        Raises
        ------
        Unsupported
            If it has one that cannot be held until all is queued; the message says why.
        """
        return None

    def profile(self, call: Callable[[], Any], calls: int) -> Kernels | None:
        """What ``calls`` calls of ``call``, each awaited, ran on the device, by the library's profiler.

        ``None`` where it has none. A profiler may slow down all that follows in its process.
        """
        return None

    def compile_seconds(self) -> float | None:
        """Seconds the library has spent compiling in this process; ``None`` where it does not say."""
        return None

    def compute_dtype(self, compute: Callable[..., Any], arrays: Sequence[Array], dtype: str) -> str:
        """The dtype that ``compute(xp, *arrays)`` really works in.

        It differs from ``dtype`` where the library widens behind the scenes. May call ``compute``.
        """
        return dtype

    def sharding(
        self, compiled: Callable[..., Any], arrays: Sequence[Array], outputs: Sequence[Array]
    ) -> Sharding | None:
        """How the arrays of a call lie on several devices, and what these exchange; ``None`` on one.
        ``compiled`` is what ``compile`` made; may compile once more."""
        return None

    def peak_bytes(self) -> int | None:
        """The most device memory held since ``load``, in bytes; ``None`` where it is not known."""
        return None

    def processes(self) -> Sequence[int]:
        """The ids of the other processes that compute for it: what they do is no disturbance."""
        return ()

    def switches(self) -> dict[str, Any]:
        """What a kernel could switch, of the library, for every case after it: its threads, precision,
        default dtype, the state of its random draws. Asked for after every case, so it must be quick."""
        return {}

    def stranger(self, output: Any, like: Array) -> str | None:
        """Why ``output`` cannot have been computed where the input ``like`` is: it is no array of the
        library, or is on another device. ``None`` where it can."""
        # NumPy's functions return scalars of its own for arrays without axes.
        kinds = (type(like), np.generic) if isinstance(like, np.ndarray) else (type(like),)
        if not isinstance(output, kinds) and not isinstance(like, type(output)):
            return f"is {_named(type(output))}, and the inputs are {_named(type(like))}"
        here, there = getattr(like, "device", None), getattr(output, "device", None)
        return None if here == there else f"is on {there}, and the inputs are on {here}"

    def in_force(self) -> dict[str, Any]:
        """Threads, precision switches and the like, as read back from the library."""
        return {}


def _named(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
