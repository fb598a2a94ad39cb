"""One kernel, every array library: timed so that a difference shown is real, checked before it is timed.

The public names are loaded when first used, so that ``import xpbench`` costs nothing and imports no
array library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpbench.bench.api import compare, load, report, run, table
    from xpbench.bench.backend import Backend, Setting
    from xpbench.bench.datasets import real_data
    from xpbench.bench.exceptions import Unsupported, XpbenchError
    from xpbench.bench.inventory import list_backends, list_kernels
    from xpbench.bench.kernel import Kernel
    from xpbench.bench.measures import (
        Disagreement,
        accumulation,
        entry_errors,
        epsilon,
        evenly_spaced,
        largest_ratio,
        least_squares_errors,
        mean_bound,
        orthogonality,
        spectral_norm,
        squares_lost,
        summation_error,
        widened,
    )
    from xpbench.bench.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOME = {
    "Backend": "backend",
    "Disagreement": "measures",
    "Kernel": "kernel",
    "Setting": "backend",
    "Unsupported": "exceptions",
    "Vocabulary": "vocabulary",
    "XpbenchError": "exceptions",
    "accumulation": "measures",
    "compare": "api",
    "entry_errors": "measures",
    "epsilon": "measures",
    "evenly_spaced": "measures",
    "largest_ratio": "measures",
    "least_squares_errors": "measures",
    "list_backends": "inventory",
    "list_kernels": "inventory",
    "load": "api",
    "mean_bound": "measures",
    "orthogonality": "measures",
    "real_data": "datasets",
    "report": "api",
    "run": "api",
    "spectral_norm": "measures",
    "squares_lost": "measures",
    "summation_error": "measures",
    "table": "api",
    "widened": "measures",
}

__all__ = [
    "Backend",
    "Disagreement",
    "Kernel",
    "Setting",
    "Unsupported",
    "Vocabulary",
    "XpbenchError",
    "accumulation",
    "compare",
    "entry_errors",
    "epsilon",
    "evenly_spaced",
    "largest_ratio",
    "least_squares_errors",
    "list_backends",
    "list_kernels",
    "load",
    "mean_bound",
    "orthogonality",
    "real_data",
    "report",
    "run",
    "spectral_norm",
    "squares_lost",
    "summation_error",
    "table",
    "widened",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xpbench' has no attribute {name!r}")
    return getattr(import_module(f"xpbench.bench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
