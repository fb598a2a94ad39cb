"""A function by its file and its name, so that another process finds it too: nothing is pickled."""

import functools
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xpbench.bench import registry
from xpbench.bench.exceptions import Unsupported


@dataclass(frozen=True)
class Named:
    """What stands under ``name`` in ``module``, which ``file`` holds; called with ``xp`` before its
    arrays where ``takes_xp`` is true, and with the numbers of ``static`` by keyword."""

    module: str
    file: str
    name: str
    takes_xp: bool = False
    static: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def bound(self, xp: Any) -> Callable[..., Any]:
        """The function of arrays alone, as ``named`` was given it, for the ``xp`` of this process.

        Raises
        ------
        XpbenchError
            If the file cannot be read or raises.
        """
        return functools.partial(self.find(), *([xp] if self.takes_xp else []), **self.static)

    def find(self) -> Any:
        """What bears the name, imported where it is installed, else read from its file."""
        module = sys.modules.get(self.module)
        if module is None:
            try:
                module = importlib.import_module(self.module)
            except ModuleNotFoundError:
                module = registry.load_file(Path(self.file))
                sys.modules[self.module] = module
        return getattr(module, self.name)


def named(function: Callable[..., Any], xp: Any = None) -> Named:
    """The name of ``function``, or of the one of which it is a ``functools.partial`` of ``xp`` and of
    numbers by keyword.

    Raises
    ------
    Unsupported
        If it is none that stands in a module, or what it is called with cannot be told.
    """
    part = function if isinstance(function, functools.partial) else functools.partial(function)
    inner: Any = part.func
    name, module = getattr(inner, "__name__", repr(inner)), getattr(inner, "__module__", "")
    home = sys.modules.get(module)
    if getattr(home, name, None) is not inner or not getattr(home, "__file__", None):
        raise Unsupported(
            f"{name} cannot be told to another process: expected a function at the top of a file"
        )
    takes_xp = bool(part.args) and part.args[0] is xp
    try:
        if len(part.args) != takes_xp or json.loads(json.dumps(part.keywords)) != part.keywords:
            raise TypeError
    except (TypeError, ValueError):
        raise Unsupported(
            f"{name} cannot be told to another process: expected numbers beside its arrays"
        ) from None
    assert home is not None
    return Named(module, str(home.__file__), name, takes_xp, dict(part.keywords))
