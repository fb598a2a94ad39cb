"""Which kernels and backends there are: a folder walk, then entry points, then named files."""

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from xpbench.bench.backend import Backend
from xpbench.bench.exceptions import XpbenchError, one_line
from xpbench.bench.kernel import Kernel, declared_in

_T = TypeVar("_T")


@dataclass(frozen=True)
class Registry:
    """Kernels and backends by name. ``faults`` tells which installed plug-ins could not be read."""

    kernels: dict[str, Kernel]
    backends: dict[str, Backend]
    faults: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def kernel(self, name: str) -> Kernel:
        return _look_up(name, self.kernels, "kernel", "xpbench list kernels")

    def backend(self, name: str) -> Backend:
        return _look_up(name, self.backends, "backend", "xpbench list backends")

    def of_file(self, file: Path) -> list[Kernel]:
        """The kernels that ``file`` declares."""
        return [kernel for kernel in self.kernels.values() if Path(kernel.file) == file.resolve()]

    def backends_of(self, file: Path) -> list[str]:
        """The names of the backends that ``file`` declares."""
        module = _module_name(file.resolve())
        return [name for name, backend in self.backends.items() if type(backend).__module__ == module]


def find(files: Sequence[Path] = ()) -> Registry:
    """Everything that is installed, and what the named ``files`` declare.

    Raises
    ------
    XpbenchError
        If a file cannot be read or raises, or two kernels or two backends have one name.
    """
    modules = [*_package("xpbench.kernels"), *_package("xpbench.backends")]
    plugins, faults = _entry_points()
    modules += plugins
    modules += [load_file(file) for file in dict.fromkeys(file.resolve() for file in files)]
    return Registry(
        kernels=_kernels(modules),
        backends=_backends(modules),
        faults=tuple(faults),
        files=tuple(dict.fromkeys(file.resolve() for file in files)),
    )


def load_file(file: Path) -> ModuleType:
    """A user's Python file, run as a module of its own; its folder can be imported from.

    Raises
    ------
    XpbenchError
        If it is missing, unreadable or raises; the message names the line.
    """
    path = file.resolve()
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise XpbenchError(f"{file} {kind}: name a Python file that declares kernels or backends")
    name = _module_name(path)
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise XpbenchError(f"{file} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        specification.loader.exec_module(module)
    except XpbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise XpbenchError(f"{_place(error, path)}: {one_line(error)}") from error
    if not declared_in(path) and not _declared_backends(module):
        raise XpbenchError(
            f"{file} declares nothing to run: it needs a Kernel(compute=..., inputs=..., "
            "reference=..., sizes=...) or a subclass of xpbench.Backend"
        )
    return module


def _module_name(path: Path) -> str:
    return f"xpbench_user_{path.stem}_{hashlib.sha1(bytes(path)).hexdigest()[:8]}"


def _place(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{path}, line {error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{path}, line {frames[-1].lineno}" if frames else str(path)


def _package(name: str) -> list[ModuleType]:
    package = importlib.import_module(name)
    return [
        importlib.import_module(f"{name}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]


def _entry_points() -> tuple[list[ModuleType], list[str]]:
    modules, faults = [], []
    for group in ("xpbench.kernels", "xpbench.backends"):
        for point in importlib.metadata.entry_points(group=group):
            try:
                modules.append(importlib.import_module(point.module))
            except Exception as error:  # a broken plug-in must not stop the others
                faults.append(f"the plug-in {point.name} = {point.value} is left out: {one_line(error)}")
    return modules, faults


def _kernels(modules: Iterable[ModuleType]) -> dict[str, Kernel]:
    kernels: dict[str, Kernel] = {}
    for module in modules:
        for kernel in declared_in(module.__file__ or ""):
            other = kernels.get(kernel.name, kernel)
            if other is not kernel:
                raise XpbenchError(
                    f"two kernels are called {kernel.name}: {other.file}:{other.line} and "
                    f"{kernel.file}:{kernel.line}; rename the compute function of one"
                )
            kernels[kernel.name] = kernel
    return kernels


def _backends(modules: Iterable[ModuleType]) -> dict[str, Backend]:
    backends: dict[str, Backend] = {}
    for module in modules:
        for kind in _declared_backends(module):
            if kind.name in backends:
                raise XpbenchError(
                    f"two backends are called {kind.name}: {type(backends[kind.name]).__module__} "
                    f"and {module.__file__}; change the name of one"
                )
            backends[kind.name] = _made(kind, module)
    return backends


def _made(kind: type[Backend], module: ModuleType) -> Backend:
    try:
        return kind()
    except (Exception, SystemExit) as error:
        raise XpbenchError(
            f"{module.__file__}: the backend {kind.name} cannot be made: {one_line(error)}; "
            "it must need neither its library nor an argument for that"
        ) from error


def _declared_backends(module: ModuleType) -> list[type[Backend]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Backend)
        and value.__module__ == module.__name__
        and value.name
    ]


def _look_up(name: str, known: dict[str, _T], noun: str, command: str) -> _T:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
    raise XpbenchError(f"unknown {noun} {name!r}: {hint} ({command} shows all)")
