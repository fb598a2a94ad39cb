"""What is promised is held by tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the pages come with a clone")


def named() -> list[tuple[str, str]]:
    """File and name of every test that the page names; a name without a file is of the one above it."""
    found, file = [], ""
    for word in re.findall(
        r"`([\w/.]+\.py|(?:[\w/.]+\.py::)?(?:Test\w+::)?test_\w+)`", PAGE.read_text()
    ):
        path, _, name = word.rpartition("::") if "::" in word else ("", "", word)
        path = path.partition("::Test")[0]
        file = path if path.endswith(".py") else file
        if name.startswith("test_"):
            found.append((file, name))
    return found


def test_every_test_that_the_page_names_is_there() -> None:
    tests = named()
    assert len(tests) > 30
    for file, name in tests:
        assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"


def test_the_page_says_how_many_faults_are_planted() -> None:
    tree = ast.parse((ROOT / "tests" / "bench" / "test_fault_matrix.py").read_text())
    [faults] = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FAULTS"
    ]
    assert isinstance(faults, ast.Dict)
    assert f"({len(faults.keys)} faults)" in PAGE.read_text()
    assert len(faults.keys) >= 20
