"""Two environments are measured turn by turn, each by its own Python with what is installed there."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from xpbench.bench import interpreter, journal, preparation, sources
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.plan import Request
from xpbench.bench.registry import find

KERNELS = '''
import numpy as np
import pace
from xpbench import Kernel


def repeated(xp, a):
    """A product, made again and again."""
    for _ in range(10 + pace.MORE):
        b = a @ a
    return b


def steady(xp, a):
    """A product, made as often everywhere."""
    for _ in range(10):
        b = a @ a
    return b


for compute in (repeated, steady):
    Kernel(
        compute=compute,
        inputs=lambda rng, n: (rng.standard_normal((n, n)),),
        reference=lambda a: np.einsum("ij,jk->ik", a, a),
        sizes={"small": {"n": 64}},
    )
'''


@pytest.fixture(scope="module")
def environments(tmp_path_factory) -> dict[str, Path]:
    """Two virtual environments with all that is installed here, and a module that differs."""
    folder = tmp_path_factory.mktemp("environments")
    found = {}
    # So much more that it is seen whatever else this machine is at.
    for name, more in (("before", 0), ("after", 90)):
        place = folder / name
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        [packages] = place.glob("lib/python*/site-packages")
        (packages / "here.pth").write_text(
            f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        )
        (packages / "pace.py").write_text(f"MORE = {more}\n")
        found[name] = place
    return found


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    file = tmp_path / "paced.py"
    file.write_text(KERNELS)
    return file


@pytest.fixture
def ab(xpbench, environments, kernels, tmp_path, monkeypatch):
    """Runs the command; the test's own Python has no module ``pace`` but this one."""
    (tmp_path / "pace.py").write_text("MORE = 0\n")

    def ab(a: str, b: str, *options: str) -> subprocess.CompletedProcess[str]:
        quick = ["--backend", "numpy", "--forks", "5", "--time", "0.01", "--threads", "1"]
        out = ["--out", tmp_path / "out"]
        return xpbench("ab", environments[a], environments[b], kernels, *quick, *out, *options)

    return ab


@pytest.mark.slow
def test_what_is_slower_in_b_is_found_and_what_is_the_same_is_not(ab, xpbench, tmp_path) -> None:
    found = ab("before", "after", "--format", "json")
    assert found.returncode == 1, found.stderr
    verdicts = {case["kernel"]: case["verdict"] for case in json.loads(found.stdout)["cases"]}
    assert verdicts["repeated"] == "slower"
    assert verdicts["steady"] in ("same", "unclear")
    runs = [journal.read(tmp_path / "out" / side) for side in "ab"]
    assert [len(run.measurements) for run in runs] == [10, 10]
    assert all(m.status == "ok" for run in runs for m in run.measurements)
    resumed = xpbench("run", "--resume", tmp_path / "out" / "b")
    assert resumed.returncode == 2, "one side of a comparison is shown, and not resumed"
    assert "xpbench ab" in resumed.stderr


@pytest.mark.slow
def test_where_nothing_is_timed_in_both_the_exit_code_says_so(ab, kernels) -> None:
    kernels.write_text(kernels.read_text().replace("b = a @ a", "raise ValueError('no such thing')"))
    found = ab("before", "before")
    assert found.returncode == 3, found.stdout
    assert "no case was timed in both" in found.stderr
    assert "no such thing" in found.stderr


@pytest.mark.slow
def test_too_few_forks_are_told_before_they_are_measured(ab) -> None:
    found = ab("before", "before", "--forks", "4")
    warning = found.stderr.index("there must be 5 forks a side, and --forks asks for 4")
    assert warning < found.stderr.index("results go to")


@pytest.mark.slow
def test_what_is_faster_in_b_is_no_regression(ab) -> None:
    found = ab("after", "before")
    assert found.returncode == 0, found.stderr
    assert "1 faster" in found.stdout


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("no/such/python", "does not exist"),
        ("", "without bin/python"),
        ("text", "is not a program"),
        ("other", "no xpbench that could measure"),
        ("babbles", "no xpbench that could measure"),
    ],
)
def test_a_python_that_cannot_measure_is_named_with_the_cure(
    python: str, said: str, tmp_path, monkeypatch
) -> None:
    (tmp_path / "text").write_text("not a program")
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho 'No module named xpbench' >&2\nexit 1\n")
    other.chmod(0o755)
    babbles = tmp_path / "babbles"
    babbles.write_text("#!/bin/sh\nprintf '\\377\\376'\n")
    babbles.chmod(0o755)
    with pytest.raises(XpbenchError, match=said):
        interpreter.find(str(tmp_path / python), [], ["matmul"])


def test_an_interpreter_tells_what_it_would_measure(environments) -> None:
    found = interpreter.find(str(environments["after"]), [], ["matmul"])
    assert found.executable == str(environments["after"] / "bin" / "python")
    assert found.sources == sources.digests(find(), ["matmul"])


def test_a_kernel_that_the_other_python_lacks_is_named() -> None:
    with pytest.raises(XpbenchError, match="unknown kernel 'nowhere'"):
        interpreter.find(sys.executable, [], ["nowhere"])


def test_a_plan_for_another_python_has_its_versions(environments) -> None:
    request = Request(backends=("numpy",))
    python = str(environments["after"])
    there = preparation.prepare(["matmul"], request, python=python)
    here = preparation.prepare(["matmul"], request)
    assert there.versions == here.versions
    assert there.job(Path()).python != here.job(Path()).python
