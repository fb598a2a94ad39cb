"""Which backend a test runs on: all that are installed, on every device they may have."""

import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpbench.bench import registry
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.device import is_host

BACKENDS = registry.find().backends
KINDS = tuple(map(type, BACKENDS.values()))
CARD = any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
"""Whether this machine has a card at all; what the libraries find of it is asked of them."""
APART = {"cupy-graph", "torch-compile", "torch-graph"}
"""Take seconds a function, or decline what cannot be recorded; have files of tests of their own."""


@dataclass(frozen=True)
class Loaded:
    """A backend in force, and the dtype of the case."""

    backend: Backend
    dtype: str

    @property
    def eps(self) -> float:
        return float(np.finfo(self.dtype).eps)

    def cast(self, array: Any) -> np.ndarray:
        array = np.asarray(array)
        return array.astype(self.dtype) if array.dtype.kind == "f" else array

    def __call__(self, function: Callable[..., Any], *arrays: Any) -> Any:
        """The outputs of ``function(xp, *arrays)`` on the host, compiled as a kernel would be."""
        compiled = _compiled(self.backend, self.backend.setting, function)
        return self._fetched(compiled(*(self.backend.put(self.cast(array)) for array in arrays)))

    def _fetched(self, outputs: Any) -> Any:
        if outputs is None:
            return None
        if isinstance(outputs, tuple | list):
            return tuple(map(self._fetched, outputs))
        self.backend.wait((outputs,))
        return self.backend.fetch(outputs)


@functools.lru_cache(maxsize=64)
def _compiled(backend: Backend, setting: Setting, function: Callable[..., Any]) -> Callable[..., Any]:
    return backend.compile(functools.partial(function, backend.xp))


def _combinations() -> Iterator[Any]:
    for name, backend in BACKENDS.items():
        if name in APART:
            continue
        # A mode of another backend differs from it in no dtype.
        is_mode = any(kind is not type(backend) and isinstance(backend, kind) for kind in KINDS)
        for device in sorted({backend.home} | ({"cuda"} if _looks_for_cards(backend) else set())):
            if not is_host(device) and not CARD:
                continue
            marks = [] if is_host(device) else [pytest.mark.gpu]
            if is_mode and is_host(device):
                marks.append(pytest.mark.slow)
            for dtype in ("float32",) if is_mode else ("float32", "float64"):
                yield pytest.param((name, device, dtype), id=f"{name}@{device}-{dtype}", marks=marks)
    if not CARD:
        yield pytest.param(None, id="cuda", marks=(pytest.mark.gpu,))


def _looks_for_cards(backend: Backend) -> bool:
    return type(backend).devices is not Backend.devices


@functools.cache
def _reason_against(name: str, device: str) -> str | None:
    backend = BACKENDS[name]
    if reason := backend.unusable():
        return reason
    return None if device in backend.devices() else f"no {device} device available to {name}"


@pytest.fixture(params=_combinations())
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    if request.param is None:
        pytest.skip("no CUDA device on this machine")
    name, device, dtype = request.param
    if reason := _reason_against(name, device):
        pytest.skip(reason)
    BACKENDS[name].load(Setting(device=device, wide=dtype == "float64"))
    yield Loaded(BACKENDS[name], dtype)
    _forget_setting()


def _forget_setting() -> None:
    """Undoes for the tests of other folders what a worker's process keeps to its end."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_grad_enabled(True)
    if "jax" in sys.modules:
        for name, value in {
            "enable_x64": False,
            "default_device": None,
            "default_matmul_precision": None,
        }.items():
            sys.modules["jax"].config.update(f"jax_{name}", value)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)
