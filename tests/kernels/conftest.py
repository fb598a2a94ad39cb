"""What the tests of kernels share: a kernel's data at a size, its run on a backend, its judgement."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from xpbench import Kernel, Setting
from xpbench.bench import agreement, data, floating, registry
from xpbench.bench.agreement import Agreement
from xpbench.bench.case import Case
from xpbench.bench.clock import as_sequence


@dataclass(frozen=True)
class Trial:
    """A kernel's inputs and oracle at one size, as a run would make them."""

    kernel: Kernel
    size: dict[str, int]
    dtype: str
    data: data.Data

    @property
    def static(self) -> dict[str, int]:
        return self.kernel.static_of(self.size)

    @property
    def eps(self) -> float:
        return floating.eps(self.dtype)

    @property
    def inputs(self) -> list[np.ndarray]:
        """Copies of the inputs that nobody may write to."""
        copies = [array.copy() for array in self.data.inputs]
        for array in copies:
            array.flags.writeable = False
        return copies

    def compute(
        self, xp: Any, inputs: Sequence[Any] | None = None, compute: Callable[..., Any] | None = None
    ) -> list[np.ndarray]:
        """The outputs on NumPy, of ``compute`` instead of the kernel's own if it is given."""
        run = compute or self.kernel.compute
        given = self.inputs if inputs is None else inputs
        if self.dtype in floating.HALF:
            # As libraries do: in float32, and rounded once.
            given = [x.astype(np.float32) if floating.kind(x.dtype) == "f" else x for x in given]
        outputs = [np.asarray(output) for output in as_sequence(run(xp, *given, **self.static))]
        if self.dtype in floating.HALF:
            outputs = [output.astype(self.dtype) for output in outputs]
        return [np.array(output, subok=False) for output in outputs]

    def on(self, name: str, inputs: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """The outputs on the backend ``name``, compiled as that backend times them.

        It has to hold the inputs as they are, and the kernel to leave them so.
        """
        backend = loaded(name, self.dtype)
        compute = compiled(name, self.kernel.name, tuple(self.static.items()))
        given = self.inputs if inputs is None else inputs
        arrays = [backend.put(array) for array in given]
        outputs = [backend.fetch(output) for output in as_sequence(compute(*arrays))]
        for held, array in zip(arrays, given, strict=True):
            np.testing.assert_array_equal(backend.fetch(held), array)
        return outputs

    def judge(
        self, outputs: Sequence[np.ndarray], *, oracle: bool = True, precision: str = "ieee"
    ) -> Agreement:
        reference = self.data.reference if oracle else None
        inputs = self.data.exact_inputs
        return agreement.judge(
            self.kernel, outputs, reference, inputs, self.static, self.dtype, precision
        )


Draw = Callable[..., Trial]


def loaded(name: str, dtype: str) -> Any:
    backend = found().backend(name)
    reason = backend.unusable()
    if reason is not None:
        pytest.skip(reason)
    backend.load(Setting(threads=1, wide=dtype == "float64"))
    return backend


@cache
def compiled(name: str, kernel: str, static: tuple[tuple[str, int], ...]) -> Any:
    backend, compute = found().backend(name), found().kernel(kernel).compute
    return backend.compile(lambda *arrays: compute(backend.xp, *arrays, **dict(static)))


@cache
def found() -> registry.Registry:
    return registry.find()


@cache
def drawn(kernel: str, dtype: str, seed: int, size: tuple[tuple[str, int], ...]) -> Trial:
    chosen = found().kernel(kernel)
    case = Case(kernel, size, "", "numpy", "cpu", dtype, 1)
    return Trial(chosen, dict(size), dtype, data.draw(chosen, case, seed))


@pytest.fixture(scope="session")
def draw() -> Draw:
    """``draw(kernel, dtype="float32", seed=0, **size)``; the size may also be a preset's name."""

    def make(kernel: str, dtype: str = "float32", seed: int = 0, preset: str = "", **size: int) -> Trial:
        entries = found().kernel(kernel).sizes[preset] if preset else size
        return drawn(kernel, dtype, seed, tuple(entries.items()))

    return make


@pytest.fixture(scope="session")
def load() -> Callable[[str, str], Any]:
    """``load(name, dtype)``: the backend in force, or the test is skipped with its reason."""
    return loaded


@pytest.fixture(scope="session")
def xp() -> Any:
    return loaded("numpy", "float32").xp


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """A BLAS whose threads wait for a busy core is many times slower than one thread."""
    import threadpoolctl

    importlib.import_module(
        "scipy.linalg"
    )  # brings a BLAS of its own, which must be there to be limited
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def width_of_jax() -> Iterator[None]:
    """Puts JAX's x64 switch, which holds for the process, back to where it stood."""
    import sys

    before = sys.modules["jax"].config.jax_enable_x64 if "jax" in sys.modules else None
    yield
    if before is not None:
        sys.modules["jax"].config.update("jax_enable_x64", before)
