"""Which files say what is computed, under names that mean the same on every machine?"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import xpbench
from xpbench.bench.registry import Registry

_PACKAGE = Path(xpbench.__file__).parent


def name_of(file: Path) -> str:
    """``xpbench/kernels/svd.py`` for a file of the suite, the whole path for any other."""
    for folder in ("kernels", "backends", "bench"):
        root = (_PACKAGE / folder).resolve()
        if file.resolve().is_relative_to(root):
            return f"xpbench/{folder}/{file.resolve().relative_to(root).as_posix()}"
    return str(file)


def file_of(name: str) -> Path:
    """The file that ``name_of`` named."""
    return (
        _PACKAGE.joinpath(name.removeprefix("xpbench/")) if name.startswith("xpbench/") else Path(name)
    )


def digests(found: Registry, kernels: Iterable[str]) -> dict[str, str]:
    """The version of xpbench, and a digest of every file that declares one of ``kernels`` or was named.

    Raises
    ------
    XpbenchError
        If there is no kernel of a name.
    """
    files = {Path(found.kernel(name).file) for name in kernels} | set(found.files)
    return {"xpbench": xpbench.__version__, **{name_of(file): digest(file) for file in sorted(files)}}


def digest(file: Path) -> str:
    """A short name of what stands in ``file``."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
