"""Which files say what is computed, under names that mean the same on every machine?"""

import contextlib
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import xpbench
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.registry import Registry

_PACKAGE = Path(xpbench.__file__).parent


def name_of(file: Path) -> str:
    """``xpbench/kernels/svd.py`` for a file of the suite; for any other its path from here where it is
    below, or its name alone: what stands above it is nobody else's business."""
    for folder in ("kernels", "backends", "bench"):
        root = (_PACKAGE / folder).resolve()
        if file.resolve().is_relative_to(root):
            return f"xpbench/{folder}/{file.resolve().relative_to(root).as_posix()}"
    with contextlib.suppress(ValueError):
        return file.resolve().relative_to(Path.cwd()).as_posix()
    return file.name


def of_suite(name: str) -> Path | None:
    """The file of the suite that ``name_of`` calls so, and ``None`` for the name of any other: what
    stands in a run's header is no leave to run what it leads to."""
    file = _PACKAGE.joinpath(name.removeprefix("xpbench/"))
    return file if name.startswith("xpbench/") and name_of(file) == name else None


def of_users(files: Iterable[Path]) -> list[str]:
    """Those of ``files`` that are not of the suite, as one types them here."""
    names = {file: name_of(file) for file in files}
    return [
        name if Path(name).resolve() == file.resolve() else str(file)
        for file, name in names.items()
        if of_suite(name) is None
    ]


def digests(found: Registry, kernels: Iterable[str]) -> dict[str, str]:
    """The version of xpbench, and a digest of every file that declares one of ``kernels`` or was named.

    Raises
    ------
    XpbenchError
        If there is no kernel of a name, or two files would have one.
    """
    files = {Path(found.kernel(name).file) for name in kernels} | set(found.files)
    named: dict[str, Path] = {}
    for file in sorted(files):
        other = named.setdefault(name_of(file), file)
        if other != file:
            raise XpbenchError(f"two files are called {name_of(file)}, {other} and {file}: rename one")
    return {"xpbench": xpbench.__version__, **{name: digest(file) for name, file in named.items()}}


def digest(file: Path) -> str:
    """A short name of what stands in ``file``."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


@functools.cache
def of_package() -> dict[str, str]:
    """A digest of every Python file of xpbench by its name, e.g. ``xpbench/bench/runner.py``."""
    found = {}
    for folder in ("kernels", "backends", "bench"):
        for file in sorted((_PACKAGE / folder).resolve().rglob("*.py")):
            found[name_of(file)] = digest(file)
    return found
