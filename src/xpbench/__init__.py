"""One kernel, every array library: timed so that a difference shown is real, checked before it is timed.

The public names are loaded when first used, so that ``import xpbench`` costs nothing and imports no
array library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpbench.bench.agreement import Disagreement, epsilon, largest_ratio, orthogonality, widened
    from xpbench.bench.api import load, run, table
    from xpbench.bench.backend import Backend, Setting
    from xpbench.bench.exceptions import Unsupported, XpbenchError
    from xpbench.bench.inventory import list_backends, list_kernels
    from xpbench.bench.kernel import Kernel
    from xpbench.bench.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOME = {
    "Backend": "backend",
    "Disagreement": "agreement",
    "Kernel": "kernel",
    "Setting": "backend",
    "Unsupported": "exceptions",
    "Vocabulary": "vocabulary",
    "XpbenchError": "exceptions",
    "epsilon": "agreement",
    "largest_ratio": "agreement",
    "list_backends": "inventory",
    "list_kernels": "inventory",
    "load": "api",
    "orthogonality": "agreement",
    "run": "api",
    "table": "api",
    "widened": "agreement",
}

__all__ = [
    "Backend",
    "Disagreement",
    "Kernel",
    "Setting",
    "Unsupported",
    "Vocabulary",
    "XpbenchError",
    "epsilon",
    "largest_ratio",
    "list_backends",
    "list_kernels",
    "load",
    "orthogonality",
    "run",
    "table",
    "widened",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xpbench' has no attribute {name!r}")
    return getattr(import_module(f"xpbench.bench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
