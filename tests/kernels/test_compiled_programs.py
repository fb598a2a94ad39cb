"""What a compiler is given does not grow with the number of steps: a loop stays a loop."""

from typing import Any

import pytest

from xpbench.bench import registry
from xpbench.bench.kernel import Kernel

FEW, MANY = 2, 3
"""Every step more would show; with more of them, bfgs arrives at small sizes."""
LOOPING = [kernel for kernel in registry.find().kernels.values() if "steps" in kernel.sizes["small"]]


def operations(program: Any) -> int:
    """The equations of a traced program and of all programs in it."""
    count = 0
    for equation in program.eqns:
        count += 1
        for value in equation.params.values():
            for inner in value if isinstance(value, list | tuple) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    count += operations(inner)
    return count


@pytest.mark.parametrize("kernel", LOOPING, ids=lambda kernel: kernel.name)
def test_a_program_of_many_steps_is_as_long_as_one_of_few(kernel: Kernel, draw: Any, load: Any) -> None:
    jax = pytest.importorskip("jax")
    backend = load("jax", "float32")
    found = []
    for steps in (FEW, MANY):
        trial = draw(kernel.name, **{**kernel.sizes["small"], "steps": steps})
        arrays = [backend.put(array) for array in trial.inputs]

        def compute(*arrays: Any, static: dict[str, int] = trial.static) -> Any:
            return kernel.compute(backend.xp, *arrays, **static)

        found.append(operations(jax.make_jaxpr(compute)(*arrays).jaxpr))
    assert found[0] == found[1]
    assert found[0] > 3


def test_many_kernels_loop() -> None:
    assert len(LOOPING) >= 15
