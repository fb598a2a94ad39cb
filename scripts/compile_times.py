"""The page that lists how long JAX compiles every kernel, from a published run."""

import statistics
from collections.abc import Iterator

from xpbench.bench.journal import Run

SIZES = ("small", "medium", "large")
HEAD = """# How long JAX compiles

Seconds that `jax.jit` takes to trace, lower and compile every kernel, in processes that find nothing
compiled, of the run {name} in `results/published`; `xpbench table --metric compile` shows those of other
backends. Loops are `lax` loops, so that no program grows with the steps: a test counts the equations
of every program at two numbers of steps. What differs from size to size is what XLA makes of larger
arrays, and noise.

The longest is {longest} of {kernel}; the median of all is {median}.
"""


def page(run: Run) -> str:
    """The page in Markdown."""
    seconds = compiled(run)
    every = [(of_size, name) for name, of_sizes in seconds.items() for of_size in of_sizes.values()]
    longest, kernel = max(every)
    head = HEAD.format(
        name=run.header["name"],
        longest=f"{longest:.2f} s",
        kernel=f"`{kernel}`",
        median=f"{statistics.median(of_size for of_size, _ in every):.2f} s",
    )
    return head + "\n" + "\n".join(_rows(seconds)) + "\n"


def compiled(run: Run) -> dict[str, dict[str, float]]:
    """Seconds by kernel and name of size, those that take longest first."""
    found: dict[str, dict[str, float]] = {}
    for seen in run.measurements:
        if seen.case.backend == "jax" and seen.cold and seen.compile_s is not None:
            found.setdefault(seen.case.kernel, {})[seen.case.size_name] = seen.compile_s
    return dict(sorted(found.items(), key=lambda entry: -max(entry[1].values())))


def _rows(seconds: dict[str, dict[str, float]]) -> Iterator[str]:
    yield f"| kernel | {' | '.join(SIZES)} |"
    yield f"| :-- |{' --: |' * len(SIZES)}"
    for kernel, of_sizes in seconds.items():
        cells = (f"{of_sizes[size]:.2f}" if size in of_sizes else "" for size in SIZES)
        yield f"| `{kernel}` | {' | '.join(cells)} |"
