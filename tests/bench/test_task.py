"""What a parent asks of a worker arrives whole, and a worker of an older xpbench can read it."""

import json
from dataclasses import MISSING, fields, replace
from pathlib import Path

import pytest

from xpbench.bench.backend import Setting
from xpbench.bench.case import Case
from xpbench.bench.task import Task

CASE = Case("dot", (("n", 8),), "small", "numpy", "cpu", "float32", 1)
PLAIN = Task(
    cases=(CASE,),
    files=(Path("/a/kernel.py"),),
    backend="numpy",
    setting=Setting(threads=2),
    run=Path("/run"),
    data=Path("/data"),
    outputs=Path("/outputs"),
    seed=7,
    fork=0,
    seconds=0.1,
)


@pytest.mark.parametrize(
    "task", [PLAIN, replace(PLAIN, cold=(str(CASE),), roofs=("float32",), energy=True)]
)
def test_a_task_survives_its_file(task: Task, tmp_path: Path) -> None:
    task.write(tmp_path / "task.json")
    assert Task.read(tmp_path / "task.json") == task


def test_what_is_not_asked_for_is_not_in_the_file(tmp_path: Path) -> None:
    PLAIN.write(tmp_path / "task.json")
    written = json.loads((tmp_path / "task.json").read_text()).keys()
    assert written == {part.name for part in fields(Task) if part.default is MISSING}
