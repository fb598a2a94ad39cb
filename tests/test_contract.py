"""The public names are there, cost nothing until used, and say so when they are not."""

import subprocess
import sys

import pytest

import xpbench


def test_every_public_name_is_found() -> None:
    for name in xpbench.__all__:
        assert getattr(xpbench, name) is not None
    assert set(xpbench.__all__) <= set(dir(xpbench))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'kernels_of_truth'"):
        xpbench.kernels_of_truth  # noqa: B018


def test_importing_it_imports_nothing_else() -> None:
    heavy = "{'numpy', 'pandas', 'rich', 'torch', 'jax'}"
    code = f"import sys, xpbench; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_run_from_python_gives_frames(tmp_path, write_kernel) -> None:
    results = xpbench.run(
        write_kernel("framed"), backends=["numpy"], preset="smoke", out=tmp_path / "run", forks=2
    )
    assert list(results.cases["status"]) == ["ok"]
    assert list(results.forks["fork"]) == [0, 1]
    assert (results.samples["seconds"] > 0).all()
    assert "framed" in str(results)
    assert "framed" in results._repr_markdown_()
    again = xpbench.load(tmp_path / "run")
    assert again.cases.equals(results.cases)
    assert xpbench.table(tmp_path / "run").equals(results.cases)


def test_a_mistake_from_python_is_an_exception_of_ours(tmp_path) -> None:
    with pytest.raises(xpbench.XpbenchError, match="did you mean matmul"):
        xpbench.run("matmull", out=tmp_path / "run")


def test_the_lists_are_those_of_the_command() -> None:
    assert {"matmul", "svd"} <= {kernel["kernel"] for kernel in xpbench.list_kernels()}
    assert {"numpy", "jax"} <= {state["backend"] for state in xpbench.list_backends()}
