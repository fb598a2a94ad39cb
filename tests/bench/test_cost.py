"""What writing once costs: pairs of cases, ratios by fork, means over kernels, and how they are told."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import cost, journal
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.cost_table import as_json, cost_sheet, sentence
from xpbench.bench.report.markdown import as_markdown
from xpbench.bench.report.page.page import render

WHY = {"svd": {"numpy": "the wrapper copies"}}


def timed(runs: Any, case: Case, times: list[float], **changes: Any) -> list[Measurement]:
    forks = runs.forks(case, count=len(times), **changes)
    return [replace(m, samples=(time,)) for m, time in zip(forks, times, strict=True)]


def pair(
    runs: Any, kernel: str, library: str, times: list[float], factor: float, **changes: Any
) -> list[list[Measurement]]:
    """A kernel of ours, in ``times``, and one by hand that takes ``1 / factor`` of them."""
    ours = runs.case(library, kernel=kernel, **changes)
    native = runs.case(f"{library}-native", kernel=kernel, **changes)
    return [timed(runs, ours, times), timed(runs, native, [time / factor for time in times])]


@pytest.fixture
def compared(runs: Any) -> Any:
    """Two kernels of two libraries, of which torch lacks one."""
    times = [1e-3, 1.1e-3, 1.2e-3, 1.3e-3, 1.4e-3, 1.5e-3]
    lacks = runs.forks(
        runs.case("torch-native", kernel="svd"), count=1, status="unsupported", samples=(), reason="no"
    )
    return runs.store(
        *pair(runs, "matmul", "numpy", times, 1.0),
        *pair(runs, "svd", "numpy", times, 2.0),
        *pair(runs, "matmul", "torch", times, 0.5),
        timed(runs, runs.case("torch", kernel="svd"), times),
        lacks,
    )


def test_a_kernel_is_compared_with_the_one_by_hand_of_its_own_library(compared: Any) -> None:
    found = {(c.ours.kernel, c.ours.backend): c for c in cost.native_costs(compared)}
    assert set(found) == {("matmul", "numpy"), ("svd", "numpy"), ("matmul", "torch"), ("svd", "torch")}
    assert {c.other.backend for c in found.values()} == {"numpy-native", "torch-native"}
    ratio = found["svd", "numpy"].ratio
    assert ratio is not None
    # What a process adds to both is no part of their ratio.
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((2.0, 2.0, 2.0))
    assert cost.estimate(found["svd", "torch"]) is None
    assert found["svd", "torch"].reason == "torch-native unsupported: no"


def test_the_mean_is_geometric_over_the_kernels_timed_both_ways(compared: Any) -> None:
    found = {figure.library: figure for figure in cost.overall(cost.native_costs(compared))}
    numpy, torch = found["numpy"], found["torch"]
    assert (numpy.kernels, torch.kernels) == (2, 1)
    assert numpy.value == pytest.approx(math.sqrt(2.0))
    assert torch.value == pytest.approx(0.5)
    assert numpy.worst.ours.kernel == "svd"
    # Within a fork both had the same mood: nothing of it is left in the interval.
    assert numpy.ratio is not None
    assert numpy.ratio.low == pytest.approx(numpy.ratio.high)


def test_a_wrong_result_has_no_cost(runs: Any) -> None:
    ours, native = pair(runs, "matmul", "numpy", [1e-3] * 5, 2.0)
    native[0] = replace(native[0], status="wrong", reason="forward is 9", errors={"forward": (9.0, 1.0)})
    (found,) = cost.native_costs(runs.store(ours, native))
    assert found.ratio is None
    assert "numpy-native wrong: forward is 9" in found.reason


def test_below_four_forks_there_is_an_estimate_and_no_interval_of_a_mean(runs: Any) -> None:
    (found,) = cost.native_costs(runs.store(*pair(runs, "matmul", "numpy", [1e-3] * 3, 2.0)))
    assert found.ratio is None
    assert cost.estimate(found) == pytest.approx(2.0)
    (figure,) = cost.overall([found])
    assert figure.ratio is None
    assert figure.value == pytest.approx(2.0)


def test_below_six_forks_there_is_an_estimate_and_no_interval(runs: Any) -> None:
    (found,) = cost.native_costs(runs.store(*pair(runs, "matmul", "numpy", [1e-3] * 5, 2.0)))
    assert found.ratio is None
    assert cost.estimate(found) == pytest.approx(2.0)


def test_a_rival_is_compared_with_the_fastest_of_ours_in_its_row(runs: Any) -> None:
    run = runs.store(
        timed(runs, runs.case("numpy"), [2e-3] * 5),
        timed(runs, runs.case("torch"), [1e-3] * 5),
        timed(runs, runs.case("jax"), [0.5e-3] * 5, status="wrong"),
        timed(runs, runs.case("scikit-learn"), [3e-3] * 5),
    )
    (found,) = cost.rival_costs(run)
    assert (found.ours.backend, found.other.backend) == ("torch", "scikit-learn")
    assert cost.estimate(found) == pytest.approx(1 / 3)
    sheet = cost_sheet(run)
    assert sheet is not None
    told = as_markdown(sheet)
    assert "scikit-learn" in told
    assert "3.0x faster" in told
    assert "forward 0.12" in told, "the accuracy of both stands beside their times"


def test_ours_that_computed_in_another_dtype_stands_for_us_only_where_none_else_does(runs: Any) -> None:
    widened = timed(runs, runs.case("numpy"), [0.5e-3] * 5, compute_dtype="float64")
    rival = timed(runs, runs.case("scikit-learn"), [3e-3] * 5)
    (alone,) = cost.rival_costs(runs.store(widened, rival))
    assert alone.ours.backend == "numpy"
    (found,) = cost.rival_costs(runs.store(widened, timed(runs, runs.case("jax"), [1e-3] * 5), rival))
    assert found.ours.backend == "jax"


def test_a_run_without_pairs_has_no_table_of_costs(runs: Any, xpbench: Any) -> None:
    run = runs.store(runs.forks(runs.case()))
    assert cost_sheet(run) is None
    shown = xpbench("cost", "--show", run.path)
    assert shown.returncode == 2
    assert "compares nothing with another version" in shown.stderr


def test_the_table_says_why_ours_takes_longer(compared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpbench.bench.report.cost_table.reasons", lambda: WHY)
    sheet = cost_sheet(compared, 80)
    assert sheet is not None
    told = as_markdown(sheet)
    assert "svd, numpy: the wrapper copies" in told
    assert "torch-native unsupported: no" in told
    (record,) = [
        r for r in as_json(compared)["costs"] if r["kernel"] == "svd" and r["ours"] == "numpy@cpu"
    ]
    assert record["reason"] == "the wrapper copies"


def test_what_is_printed_is_what_is_computed(compared: Any, xpbench: Any) -> None:
    printed = json.loads(xpbench("cost", "--show", compared.path, "--format", "json").stdout)
    assert printed == as_json(compared)
    figures = {figure["library"]: figure for figure in printed["overall"]}
    assert figures["numpy"]["ratio"] == pytest.approx(math.sqrt(2.0))
    shown = xpbench("cost", "--show", compared.path)
    assert shown.returncode == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "1.41 (1.41-1.41)" in shown.stdout
    assert "worst svd 2.00" in shown.stdout


def test_such_a_run_is_told_in_a_sentence(compared: Any, runs: Any) -> None:
    told = sentence(compared)
    assert told is not None
    assert told.endswith("geometric means over 2 kernels: numpy 1.41, torch 0.500")
    rivals = runs.store(
        timed(runs, runs.case("numpy"), [1e-3] * 5), timed(runs, runs.case("scipy"), [3e-3] * 5)
    )
    assert sentence(rivals) == "of 1 rivals our fastest backend is faster than 1 and slower than 0"
    assert sentence(runs.store(runs.forks(runs.case()))) is None


def test_the_page_of_such_a_run_holds_the_table(compared: Any, runs: Any) -> None:
    page = render([compared])
    assert 'id="costs"' in page
    assert "1.41 (1.41-1.41)" in page
    assert 'id="costs"' not in render([runs.store(runs.forks(runs.case()))])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "unknown kernel 'nothing'"),
        (("grid_search",), "grid_search has no other version to be compared with: expected one of"),
        (("--backend", "cupy"), "--backend cupy: expected one of numpy, torch, jax"),
        (("--format", "pdf"), "--format 'pdf': expected one of rich, md, json"),
        (("--resume", "absent"), "no run at absent"),
        (("--show", "absent"), "no run at absent"),
        (("--size", "gigantic"), "gigantic"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(xpbench: Any, arguments: Any, said: str) -> None:
    answer = xpbench("cost", *arguments)
    assert answer.returncode == 2
    assert said in " ".join(answer.stderr.split())


def test_a_kernel_is_measured_beside_the_one_by_hand(xpbench: Any, tmp_path: Path) -> None:
    options = ("--backend", "numpy", "--size", "small", "--forks", "6", "--time", "0.01")
    done = xpbench("cost", "dot", *options, "--out", "run", "--format", "json", "--quiet")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["costs"]
    assert (record["kernel"], record["other"]) == ("dot", "numpy-native@cpu")
    assert record["ratio_low"] <= record["ratio"] <= record["ratio_high"]
    run = journal.read(tmp_path / "run")
    assert len({m.key for m in run.measurements}) == 12
    # Both sides of a pair had one process, and turns in an order drawn anew for every fork.
    first = [m.case.backend for m in run.measurements[::2]]
    assert set(first) == {"numpy", "numpy-native"}
    assert [m.fork for m in run.measurements[::2]] == [m.fork for m in run.measurements[1::2]]


@pytest.mark.slow
def test_a_comparison_that_was_ended_goes_on(xpbench: Any, tmp_path: Path) -> None:
    options = ("--backend", "numpy", "--size", "small", "--forks", "2", "--time", "0.01")
    assert xpbench("cost", "dot", *options, "--out", "run", "--quiet").returncode == 0
    measured = {m.key for m in journal.read(tmp_path / "run").measurements}
    assert len(measured) == 4
    file = tmp_path / "run" / "journal.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
    resumed = xpbench("cost", "--resume", "run", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    assert {m.key for m in journal.read(tmp_path / "run").measurements} == measured
