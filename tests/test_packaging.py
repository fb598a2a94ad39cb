"""Wheel and sdist hold everything, and what they install runs where no repository is."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    f"xpbench/{folder}/{path.relative_to(ROOT / folder).as_posix()}"
    for folder in ("backends", "bench", "kernels")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
} | {"xpbench/__init__.py", "xpbench/__main__.py", "xpbench/py.typed"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel built from it, as an installer would."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def test_the_wheel_built_from_the_sdist_holds_every_source_once(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert len(names) == len(set(names))
    assert set(names) == SOURCES


def test_the_sdist_holds_the_tests_and_no_results(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "tests/test_packaging.py" in names
    assert not [name for name in names if name.startswith(("results", ".venv"))]


def test_the_installed_wheel_runs_away_from_the_repository(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(site)

    def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "xpbench", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    kernels = json.loads(command("list", "kernels", "--json").stdout)
    assert all(Path(kernel["file"]).is_relative_to(site) for kernel in kernels)
    run = command("run", "matmul", "--backend", "numpy", "--preset", "smoke", "--out", "run")
    assert run.returncode == 0, run.stderr
    assert "matmul" in run.stdout
