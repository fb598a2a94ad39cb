"""Writes what CuPy offers, name by name, to a file that a test without CuPy can read.

python scripts/record_cupy.py        # where CuPy can be imported; no card is needed

Importing cupyx.scipy.linalg takes cuBLAS: pip install "cupy-cuda12x[ctk]" brings it.
"""

import ast
import importlib
import inspect
import json
import re
import warnings
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parents[1] / "tests" / "kernels" / "cupy_offers.json"
NAMESPACES = (
    "array_api_compat.cupy",
    "array_api_compat.cupy.fft",
    "array_api_compat.cupy.linalg",
    "cupy",
    "cupy.cuda",
    "cupy.fft",
    "cupy.linalg",
    "cupy.random",
    "cupyx.scipy.linalg",
    "cupyx.scipy.special",
)
NOT_OURS = {"annotations", "__dict__", "__module__", "__pyx_vtable__", "__slots__", "__weakref__"}
"""What Python and Cython leave in any namespace or type."""
TYPE = re.compile(r"\b[A-Za-z_]\w* (?=\w+ *[=,)])")
"""The C type that Cython writes before a parameter: the ``int`` of ``sort(int axis=-1)``."""


def parameters(function: Any) -> str | None:
    """The parameters as Python would write them, every default None; None where nothing tells them.

    Compiled functions tell them in the first line of their documentation alone.
    """
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return _documented(function.__doc__ or "")
    plain = [
        one.replace(annotation=one.empty, default=one.empty if one.default is one.empty else None)
        for one in found.parameters.values()
        if one.name != "self"
    ]
    return str(inspect.Signature(plain))[1:-1]


def _documented(text: str) -> str | None:
    line = re.match(r"[\w.]+\((.*)\)( -> .*)?$", text.partition("\n")[0].replace("\\*", "*"))
    if line is None:
        return None
    bare = TYPE.sub("", f"{line[1]})")[:-1].removeprefix("self").lstrip(", ")
    try:
        found = ast.parse(f"lambda {bare}: 0", mode="eval").body
    except SyntaxError:
        return None
    assert isinstance(found, ast.Lambda)
    none = ast.Constant(None)
    found.args.defaults = [none for _ in found.args.defaults]
    found.args.kw_defaults = [default and none for default in found.args.kw_defaults]
    return ast.unparse(found.args)


def offers(thing: Any, *, beyond: type | None = None) -> dict[str, str | None]:
    """The public names of a namespace, or those of a type that ``beyond`` lacks, with parameters."""
    found = {}
    for name in sorted(set(dir(thing)) - set(dir(beyond) if beyond else ())):
        if name in NOT_OURS or (name.startswith("_") and not (beyond and name.endswith("__"))):
            continue
        try:
            value = getattr(thing, name)
        except (AttributeError, ImportError):
            continue  # listed, and gone or in need of a library of CUDA's that is not there
        if not inspect.ismodule(value):
            found[name] = parameters(value) if callable(value) else None
    return found


def main() -> None:
    warnings.simplefilter("ignore")  # deprecated names are offered all the same
    import array_api_compat
    import cupy

    # CuPy lists Generator among the names of cupy.random only once it has been asked for.
    types = {
        "cupy.cuda.Graph": cupy.cuda.Graph,
        "cupy.cuda.MemoryPool": cupy.cuda.MemoryPool,
        "cupy.cuda.Stream": cupy.cuda.Stream,
        "cupy.ndarray": cupy.ndarray,
        "cupy.random.Generator": cupy.random.Generator,
        "cupy.ufunc": cupy.add,
    }
    record = {name: offers(kind, beyond=object) for name, kind in types.items()}
    record |= {name: offers(importlib.import_module(name)) for name in NAMESPACES}
    versions = {"array-api-compat": array_api_compat.__version__, "cupy": cupy.__version__}
    text = json.dumps({"versions": versions, **record}, indent=1)
    RECORD.write_text(f"{text}\n")
    print(f"{RECORD}: {sum(map(len, record.values()))} names of CuPy {cupy.__version__}")


if __name__ == "__main__":
    main()
