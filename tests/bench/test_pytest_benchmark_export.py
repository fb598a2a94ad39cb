"""pytest-benchmark's own command reads an exported run, and finds in it the rounds of all forks."""

import json
import re
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench.measurement import Measurement
from xpbench.bench.report.pytest_benchmark import export

FIELDS = {
    "min", "max", "mean", "stddev", "rounds", "median", "iqr", "q1", "q3", "iqr_outliers",
    "stddev_outliers", "outliers", "ld15iqr", "hd15iqr", "ops", "total", "data", "iterations",
}  # fmt: skip


def compare(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest_benchmark", "compare", *arguments]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert "Failed to load" not in answer.stdout + answer.stderr
    return answer.stdout


def test_the_real_command_reads_the_export(runs: Any, tmp_path: Path) -> None:
    run = runs.store(
        runs.forks(runs.case("numpy"), 2e-3),
        runs.forks(runs.case("torch"), 1e-3, count=1),
        runs.forks(runs.case("jax"), 1e-3, count=1, samples=(1e-3,)),
    )
    (tmp_path / "export.json").write_text(json.dumps(export([run]), allow_nan=False))
    text = compare(tmp_path, "export.json", "--columns=median,rounds,iterations", "--group-by=group")
    for backend, rounds in {"numpy": 15, "torch": 3, "jax": 1}.items():
        line = next(line for line in text.splitlines() if f"matmul[n=512]/{backend}@cpu/float32" in line)
        assert re.search(rf" {rounds} +10\b", line), line
    assert "benchmark 'matmul[n=512] float32': 3 tests" in text


def test_two_exports_are_compared_case_by_case(runs: Any, tmp_path: Path) -> None:
    for name, time in {"before": 2e-3, "after": 1e-3}.items():
        run = runs.store(runs.forks(runs.case("numpy"), time), name=name)
        (tmp_path / f"{name}.json").write_text(json.dumps(export([run])))
    text = compare(tmp_path, "before.json", "after.json", "--group-by=fullname")
    assert "matmul[n=512]/numpy@cpu/float32': 2 tests" in text


def test_a_benchmark_holds_the_rounds_of_all_forks_and_says_whose_they_are(runs: Any) -> None:
    forks = runs.forks(runs.case("torch@cuda"), count=3)
    (benchmark,) = export([runs.store(forks)])["benchmarks"]
    assert set(benchmark["stats"]) == FIELDS
    data = [sample for record in forks for sample in record.samples]
    assert benchmark["stats"]["data"] == data
    assert benchmark["stats"]["rounds"] == 9
    assert benchmark["stats"]["median"] == statistics.median(data)
    assert benchmark["stats"]["iterations"] == 10
    assert benchmark["extra_info"]["rounds_per_fork"] == [3, 3, 3]
    medians = [statistics.median(record.samples) for record in forks]
    assert benchmark["extra_info"]["fork_medians"] == medians
    assert benchmark["params"]["backend"] == "torch"
    assert benchmark["params"]["device"] == "cuda"


def test_what_was_not_timed_or_was_wrong_is_left_out(runs: Any) -> None:
    wrong = runs.forks(runs.case("jax"))
    wrong[4] = replace(wrong[4], status="wrong", samples=())
    run = runs.store(
        runs.forks(runs.case("numpy")),
        [Measurement(case=runs.case("torch"), fork=0, status="crashed", reason="killed")],
        wrong,
        unmeasured=[runs.case("cupy@cuda")],
    )
    assert [b["params"]["backend"] for b in export([run])["benchmarks"]] == ["numpy"]


def test_the_machine_and_the_date_are_the_runs_own(runs: Any) -> None:
    document = export([runs.store(runs.forks(runs.case()))])
    assert document["machine_info"]["node"] == "1a2b3c4d"
    assert document["machine_info"]["cpu"] == {"brand_raw": "A Processor", "count": 2}
    assert document["datetime"] == "2026-11-23T04:00:00+00:00"
    assert set(document) == {"machine_info", "commit_info", "benchmarks", "datetime", "version"}


@pytest.mark.parametrize("count", [1, 2])
def test_cases_of_several_runs_keep_names_of_their_own(runs: Any, count: int) -> None:
    stored = [runs.store(runs.forks(runs.case()), name=f"run {index}") for index in range(count)]
    names = [benchmark["fullname"] for benchmark in export(stored)["benchmarks"]]
    assert len(set(names)) == count
