"""A kernel file is a set of benchmarks for plain pytest, and other files are left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_pytest(folder: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_kernel_file_is_benchmarked_on_every_installed_backend(write_kernel, tmp_path: Path) -> None:
    path = write_kernel("plain")
    answer = run_pytest(tmp_path, "--benchmark-only", "--benchmark-max-time=0.01", path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for backend in ("numpy", "torch", "jax"):
        assert f"plain[n=8]/{backend}@cpu/float32" in answer.stdout


@pytest.mark.slow
def test_a_wrong_result_is_not_timed(write_kernel, tmp_path: Path) -> None:
    answer = run_pytest(tmp_path, "--benchmark-only", write_kernel("askew", "x = x + 1"))
    assert answer.returncode == 1
    assert "over its limit" in answer.stdout
    assert "passed" not in answer.stdout


def test_a_test_file_without_kernels_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "def matmul():\n    assert False\n\ndef test_own():\n    pass\n"
    )
    answer = run_pytest(tmp_path)
    assert answer.returncode == 0
    assert "1 passed" in answer.stdout
