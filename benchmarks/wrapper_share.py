"""What share of a small kernel's time is the wrapper's?

Kernels call the array API standard, which array-api-compat lends to each library. NumPy follows the
standard by itself: here the same kernels are called with NumPy's own functions in the wrapper's place.
torch does not: the calls of torch that a kernel makes are noted, and then made again one after the
other, which leaves out the wrapper and what the interpreter does with the text of the kernel. (Kernels
that torch differentiates are left out: what they call cannot be called again from outside.) JAX compiles
a kernel whole, and nothing of a wrapper is left in it.

Both ways take turns in one process, at the smallest size; printed are the geometric means of as written
over bare, by the fastest of the turns, and the kernels that are the furthest off.

    python benchmarks/wrapper_share.py [--turns 40] [KERNEL ...]
"""

import argparse
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

from xpbench.backends.numpy import NumpyVocabulary
from xpbench.bench import data, registry
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.case import Case
from xpbench.bench.exceptions import one_line
from xpbench.bench.kernel import Kernel

TURN = 0.002
"""Seconds that a turn of one way takes, about."""
SHOWN = 5

Call = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernels", nargs="*", metavar="KERNEL")
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()
    found = registry.find()
    kernels = [found.kernel(name) for name in options.kernels] or list(found.kernels.values())
    for library, bare in (("numpy", bare_numpy), ("torch", bare_torch)):
        backend = found.backends[library]
        backend.load(Setting(threads=1))
        ratios: dict[str, float] = {}
        for kernel in kernels:
            try:
                arrays = [backend.put(array) for array in drawn(kernel)]
                written, without = bare(backend, kernel, arrays)
                ratios[kernel.name] = ratio_of(written, without, options.turns)
            except Exception as error:  # whatever a library raises at what it cannot do
                print(f"{library}: {kernel.name} is left out: {one_line(error)}")
        report(library, ratios, len(kernels))


def drawn(kernel: Kernel) -> Sequence[np.ndarray]:
    size = tuple(kernel.sizes["small"].items())
    return data.draw(kernel, Case(kernel.name, size, "small", "numpy", "cpu", "float32", 1), 0).inputs


def as_written(backend: Backend, kernel: Kernel, arrays: Sequence[Any]) -> Call:
    static = kernel.static_of(dict(kernel.sizes["small"]))
    compiled = backend.compile(functools.partial(kernel.compute, backend.xp, **static))
    return lambda: compiled(*arrays)


def bare_numpy(backend: Backend, kernel: Kernel, arrays: Sequence[Any]) -> tuple[Call, Call]:
    """The kernel as written, and with NumPy in the place of array-api-compat's namespace."""
    lent, static = backend.xp, kernel.static_of(dict(kernel.sizes["small"]))
    own = NumpyVocabulary(np, scipy, special=lent.special, random=lent.random)
    return as_written(backend, kernel, arrays), lambda: kernel.compute(own, *arrays, **static)


def bare_torch(backend: Backend, kernel: Kernel, arrays: Sequence[Any]) -> tuple[Call, Call]:
    """The kernel as written, and the calls of torch alone that it makes."""
    from torch.overrides import TorchFunctionMode

    calls: list[Call] = []

    class Noting(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(functools.partial(function, *args, **(kwargs or {})))
            return function(*args, **(kwargs or {}))

    written = as_written(backend, kernel, arrays)
    with Noting():
        written()

    def without() -> None:
        for call in calls:
            call()

    without()
    return written, without


def ratio_of(written: Call, bare: Call, turns: int) -> float:
    """Seconds of ``written`` over those of ``bare``, by the fastest of so many turns of each."""
    ways, best = (written, bare), [math.inf, math.inf]
    begin = time.perf_counter()
    written()
    calls = max(1, int(TURN / (time.perf_counter() - begin)))
    for turn in range(turns):
        for way in (0, 1) if turn % 2 else (1, 0):
            begin = time.perf_counter()
            for _ in range(calls):
                ways[way]()
            best[way] = min(best[way], (time.perf_counter() - begin) / calls)
    return best[0] / best[1]


def report(library: str, ratios: dict[str, float], of: int) -> None:
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    furthest = sorted(ratios, key=lambda name: -ratios[name])[:SHOWN]
    print(f"{library}: {mean:.3f} over {len(ratios)} of {of} kernels; the furthest off:")
    for name in furthest:
        print(f"    {ratios[name]:.2f}  {name}")


if __name__ == "__main__":
    main()
