"""Which files say what is computed, under names that mean the same on every machine?"""

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
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


def file_of(name: str, given: Sequence[Path] = ()) -> Path:
    """The file that ``name_of`` named: one of the suite, one of those ``given`` that is called so, or
    the one to which the name leads from here."""
    if name.startswith("xpbench/"):
        return _PACKAGE.joinpath(name.removeprefix("xpbench/"))
    return next((file for file in given if file.name == Path(name).name), Path(name))


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
