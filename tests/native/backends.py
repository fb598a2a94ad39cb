"""NumPy, torch and JAX with kernels that an expert would write: what `xpbench cost` compares ours with.

A file of backends like any user's. Each is the suite's own backend, and calls another function.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xpbench import Unsupported
from xpbench.bench import registry
from xpbench.bench.backend import Backend
from xpbench.bench.cost import LIBRARIES, NATIVE

TOPICS = (
    "vectors_and_products",
    "matrices",
    "statistics",
    "optimization",
    "calculus",
    "probability_and_models",
)
"""The files beside this one; each has a function a library, which returns kernels by name."""


@functools.cache
def versions(library: str) -> dict[str, Callable[..., Any]]:
    """The kernels written by hand for a library, by name.

    Raises
    ------
    ValueError
        If two files hold one kernel.
    """
    found: dict[str, Callable[..., Any]] = {}
    for topic in TOPICS:
        of_topic = getattr(_module(topic), library)()
        if twice := found.keys() & of_topic.keys():
            raise ValueError(f"{topic}.py has {', '.join(twice)} once more")
        found |= of_topic
    return found


def _module(topic: str) -> Any:
    name = f"xpbench_native_{topic}"
    if name not in sys.modules:
        file = Path(__file__).with_name(f"{topic}.py")
        specification = importlib.util.spec_from_file_location(name, file)
        assert specification is not None
        assert specification.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def native(base: type[Backend]) -> type[Backend]:
    """The backend ``base``, with hand-written kernels in the place of ours."""

    def compile(self: Backend, function: Any) -> Callable[..., Any]:
        kernel = function.func.__name__
        if kernel not in versions(base.name):
            raise Unsupported(f"nobody has written {kernel} by hand for {base.name}")
        return base.compile(self, functools.partial(versions(base.name)[kernel], **function.keywords))

    # The registry takes a class for a file's own by its module.
    name = f"{base.name}{NATIVE}"
    members = {"name": name, "default": False, "beside": base.name, "compile": compile}
    members["__module__"] = __name__
    return type(name, (base,), members)


for _library in LIBRARIES:
    globals()[f"{_library}{NATIVE}"] = native(type(registry.find().backends[_library]))

KERNELS = tuple(versions("numpy"))
"""Whatever is written for another library is written for NumPy, too."""
