"""The arrows between the folders, and that no array library is imported before it is needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpbench

PACKAGE = Path(xpbench.__file__).parent
LIBRARIES = {"jax", "jaxlib", "torch", "cupy", "cupyx"}
EXTENDS = {
    ("cupy_graph", "cupy"),
    ("jax_eager", "jax"),
    ("jax_sharded", "jax"),
    ("torch_compile", "torch"),
    ("torch_graph", "torch"),
}
"""The backends that are a mode of another, which they import."""


def files(folder: str) -> list[Path]:
    return sorted((PACKAGE / folder).rglob("*.py"))


def imports(tree: ast.AST, *, everywhere: bool) -> Iterator[str]:
    """The modules that a file imports: everywhere, or when it is itself imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(node, everywhere=everywhere)


def read(path: Path, *, everywhere: bool) -> set[str]:
    return set(imports(ast.parse(path.read_text()), everywhere=everywhere))


@pytest.mark.parametrize("folder", ["bench", "kernels", "backends"])
def test_array_libraries_are_imported_inside_functions_alone(folder):
    assert files(folder)
    for path in files(folder):
        roots = {name.partition(".")[0] for name in read(path, everywhere=False)}
        assert not roots & LIBRARIES, path
        compatible = [n for n in read(path, everywhere=False) if n.startswith("array_api_compat.")]
        assert not compatible, path


@pytest.mark.parametrize("folder", ["bench", "kernels"])
def test_array_libraries_are_imported_by_the_files_of_backends_alone(folder):
    for path in files(folder):
        roots = {name.partition(".")[0] for name in read(path, everywhere=True)}
        assert not roots & LIBRARIES, path


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [("kernels", "backends"), ("backends", "kernels"), ("bench", "kernels"), ("bench", "backends")],
)
def test_kernels_and_backends_know_the_instrument_and_not_each_other(folder, forbidden):
    for path in files(folder):
        found = {n for n in read(path, everywhere=True) if n.startswith(f"xpbench.{forbidden}")}
        assert not found, path


@pytest.mark.parametrize("folder", ["kernels", "backends"])
def test_a_file_imports_no_sibling(folder):
    for path in files(folder):
        prefix = f"xpbench.{folder}."
        siblings = {
            n.removeprefix(prefix).partition(".")[0] for n in read(path, everywhere=True) if prefix in n
        }
        assert {(path.stem, sibling) for sibling in siblings} <= EXTENDS, path


def test_finding_backends_and_asking_for_their_environment_imports_no_library():
    script = f"""
import sys
from xpbench.bench import registry
from xpbench.bench.backend import Setting
found = registry.find()
for backend in found.backends.values():
    backend.environment(Setting(cache="cache")), backend.versions()
print(len(found.backends), sorted({LIBRARIES!r} & set(sys.modules)))
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    count, found = process.stdout.split(maxsplit=1)
    assert int(count) >= 7
    assert found.strip() == "[]"
