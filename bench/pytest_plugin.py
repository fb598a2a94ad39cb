"""A kernel file under plain pytest: ``pytest --benchmark-only my_kernels.py``.

For those who live in pytest-benchmark: every kernel that the file declares is a benchmark on each
installed backend, checked before it is timed. One process, the library's own threads and precision, no
forks and no verdicts: those are what ``xpbench run`` is for.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xpbench.bench.backend import Backend
    from xpbench.bench.case import Case
    from xpbench.bench.kernel import Kernel


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item] | None:
    """Makes benchmarks of a kernel's compute function; every other name is left to pytest."""
    # A file that declares kernels has imported their module; nothing is imported on behalf of others.
    declared = sys.modules.get("xpbench.bench.kernel")
    if declared is None or not collector.config.pluginmanager.has_plugin("benchmark"):
        return None
    kernels = [kernel for kernel in declared.declared_in(collector.path) if kernel.compute is obj]
    if not kernels:
        return None
    return [
        pytest.Function.from_parent(collector, name=str(case), callobj=_benchmark(kernel, backend, case))
        for kernel in kernels
        for backend, case in _cases(kernel)
    ]


def _cases(kernel: "Kernel") -> Iterator[tuple["Backend", "Case"]]:
    from xpbench.bench import machine, plan, registry
    from xpbench.bench.case import Case

    backends = registry.find().backends.values()
    threads = machine.available_cpus()
    for size_name, size in plan.sizes_of(kernel, (), plan.PRESETS["default"]):
        for backend in backends:
            if backend.default and backend.home == "cpu" and importlib.util.find_spec(backend.library):
                yield (
                    backend,
                    Case(
                        kernel.name, size, size_name, backend.name, "cpu", "float32", threads, "native"
                    ),
                )


def _benchmark(kernel: "Kernel", backend: "Backend", case: "Case") -> Callable[..., None]:
    def timed(benchmark: Any) -> None:
        from xpbench.bench import agreement, clock, data
        from xpbench.bench.backend import Setting
        from xpbench.bench.exceptions import Unsupported

        try:
            if backend.xp is None:
                backend.load(Setting(threads=case.threads, precision=case.precision))
            drawn = data.draw(kernel, case, seed=0)
            arrays = [backend.put(array) for array in drawn.inputs]
            static = kernel.static_of(dict(case.size))
            function = backend.compile(functools.partial(kernel.compute, backend.xp, **static))
            call = clock.synchronous(function, backend.wait if backend.asynchronous else None)
            outputs = [backend.fetch(output) for output in clock.as_sequence(call(*arrays))]
        except Unsupported as reason:
            pytest.skip(str(reason))
        found = agreement.judge(kernel, outputs, drawn.reference, drawn.exact_inputs, static, case.dtype)
        assert found.agrees, f"{case}: {found.reason}"
        benchmark(call, *arrays)

    return timed
