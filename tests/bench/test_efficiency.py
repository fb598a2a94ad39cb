"""How much of several devices is used: the arithmetic by hand, and how it is told."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from xpbench.bench import efficiency, journal
from xpbench.bench.case import Case
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.efficiency_table import as_json, efficiency_sheet, sentence
from xpbench.bench.report.markdown import as_markdown
from xpbench.bench.report.page.page import render
from xpbench.bench.sharding import Sharding

MOODS = [1.0, 1.1, 1.3, 0.9, 1.2, 1.05]
"""What a fork has in common: whatever it is, nothing of it is left in a ratio of pairs."""
REDUCED = Sharding(
    2, ("shards,-",), ("replicated",), False, 4096.0, operations={"all-reduce": 1}, device_flops=1e6
)
GATHERED = Sharding(
    2,
    ("shards,-",),
    ("shards,-",),
    True,
    2.0**20,
    device_flops=2e6,
    library_calls={"lapack_sgesdd_ffi": 1},
)
ALONE = Sharding(1, ("replicated",), ("replicated",), False, 0.0, device_flops=2e6)


def case(runs: Any, device: str, kernel: str = "gram", n: int = 1000, **changes: Any) -> Case:
    made: Case = runs.case(
        f"jax-sharded@{device}", kernel=kernel, size=(("n", n), ("d", 8)), size_name="large", threads=1
    )
    return replace(made, **changes)


def timed(runs: Any, of: Case, seconds: float, forks: int = 6, **changes: Any) -> list[Measurement]:
    measured = runs.forks(of, count=forks, **changes)
    return [replace(m, samples=(seconds * mood,)) for m, mood in zip(measured, MOODS, strict=False)]


@pytest.fixture
def scaled(runs: Any) -> Run:
    """On 1, 2 and 8 devices of two CPUs: a kernel that is divided well, also with more work, and one
    that gathers and states no flops."""
    more = case(runs, "2xcpu", n=1900, size_name="large x2")
    run: Run = runs.store(
        timed(runs, case(runs, "1xcpu"), 8e-3, sharding=ALONE),
        timed(runs, case(runs, "2xcpu"), 5e-3, sharding=REDUCED),
        timed(runs, case(runs, "8xcpu"), 5e-3, sharding=replace(REDUCED, devices=8)),
        timed(runs, more, 10e-3, sharding=REDUCED),
        timed(runs, case(runs, "1xcpu", kernel="svd"), 8e-3, sharding=ALONE),
        timed(runs, case(runs, "2xcpu", kernel="svd"), 8e-3, sharding=GATHERED),
        settings={"forks": 6, "baseline": "jax-sharded", "threads": 1, "precision": "ieee"},
    )
    run.header["kernels"]["gram"]["flops"] = {"n=1000,d=8": 1e6, "n=1900,d=8": 1.9e6}
    run.header["kernels"]["svd"]["flops"] = {}
    (run.path / "run.json").write_text(json.dumps(run.header))
    return journal.read(run.path)


def found(run: Run) -> dict[tuple[str, str, str], efficiency.Efficiency]:
    return {(e.one.kernel, e.kind, e.several.device): e for e in efficiency.efficiencies(run)}


def test_strong_efficiency_is_the_time_of_one_over_that_of_all(scaled: Run) -> None:
    strong = found(scaled)["gram", "strong", "2xcpu"]
    assert strong.value == pytest.approx(8 / (2 * 5))
    # Forks whose mood both shared leave an interval without width.
    assert (strong.low, strong.high) == pytest.approx((0.8, 0.8))
    assert strong.speedup is not None
    assert strong.speedup.level == pytest.approx(1 - 2 / 2**6)


def test_weak_efficiency_counts_the_work_that_was_really_done(scaled: Run) -> None:
    weak = found(scaled)["gram", "weak", "2xcpu"]
    assert weak.work == pytest.approx(1.9)
    assert weak.value == pytest.approx(1.9 * 8 / (2 * 10))


def test_a_case_of_more_work_is_no_strong_scaling_of_anything(scaled: Run) -> None:
    assert len(found(scaled)) == 4
    assert ("svd", "weak", "2xcpu") not in found(scaled)


def test_an_interval_holds_the_efficiency_and_is_of_pairs(runs: Any) -> None:
    together = timed(runs, case(runs, "2xcpu"), 5e-3)
    together[2] = replace(together[2], samples=(9e-3,))
    run = runs.store(timed(runs, case(runs, "1xcpu"), 8e-3), together)
    (one,) = efficiency.efficiencies(run)
    assert one.low is not None
    assert one.high is not None
    assert one.value is not None
    assert one.low < one.value <= one.high
    assert one.high == pytest.approx(0.8)


def test_below_six_forks_there_is_an_estimate_and_no_interval(runs: Any) -> None:
    both = [
        timed(runs, case(runs, device), s, forks=4) for device, s in (("1xcpu", 8e-3), ("2xcpu", 4e-3))
    ]
    (one,) = efficiency.efficiencies(runs.store(*both))
    assert one.speedup is None
    assert one.value == pytest.approx(1.0, rel=0.01)
    assert one.low is None


@pytest.mark.parametrize(
    ("device", "threads", "cores", "expected"),
    [
        ("2xcpu", 1, 2, 1.0),
        ("8xcpu", 1, 2, 0.25),
        ("8xcpu", 1, 64, 1.0),
        ("2x4xcpu", 1, 4, 0.5),
        # One device has both CPUs already: two can be no faster.
        ("2xcpu", 2, 2, 0.5),
        ("2xcpu", 8, 2, 0.5),
        ("4xcuda", 1, 2, 1.0),
        ("8xcpu", 1, None, 1.0),
    ],
)
def test_more_devices_than_cpus_can_reach_no_more_than_those(
    runs: Any, device: str, threads: int, cores: int | None, expected: float
) -> None:
    assert efficiency.ideal(case(runs, device, threads=threads), cores) == pytest.approx(expected)


def test_operations_done_more_than_once_are_counted(scaled: Run) -> None:
    strong = found(scaled)
    assert strong["gram", "strong", "2xcpu"].operations == pytest.approx(1.0)
    assert strong["svd", "strong", "2xcpu"].operations == pytest.approx(2.0)
    assert strong["gram", "weak", "2xcpu"].operations is None, "another size has other operations"


def test_a_wrong_result_has_no_efficiency_and_says_why(runs: Any) -> None:
    wrong = timed(runs, case(runs, "2xcpu"), 5e-3)
    wrong[0] = replace(wrong[0], status="wrong", reason="forward is 9")
    run = runs.store(timed(runs, case(runs, "1xcpu"), 8e-3), wrong)
    (one,) = efficiency.efficiencies(run)
    assert one.value is None
    assert one.reason == "2xcpu wrong: forward is 9"
    sheet = efficiency_sheet(run)
    assert sheet is not None
    assert "gram\\[n=1000,d=8\\] on 2xcpu: 2xcpu wrong: forward is 9" in as_markdown(sheet)


def test_means_are_geometric_and_those_that_gather_have_their_own(scaled: Run, runs: Any) -> None:
    means = {
        (m.kind, m.device, m.gathered): m for m in efficiency.means(efficiency.efficiencies(scaled))
    }
    assert means["strong", "2xcpu", False].value == pytest.approx(0.8)
    assert means["strong", "2xcpu", True].value == pytest.approx(0.5)
    run = runs.store(
        *(timed(runs, case(runs, "1xcpu", kernel=name), 8e-3) for name in ("a", "b")),
        *(timed(runs, case(runs, "2xcpu", kernel=n), s) for n, s in (("a", 4e-3), ("b", 16e-3))),
    )
    (mean,) = efficiency.means(efficiency.efficiencies(run))
    assert mean.value == pytest.approx(math.sqrt(1.0 * 0.25))
    assert mean.worst.one.kernel == "b"
    assert mean.ratio is not None
    assert mean.ratio.low == pytest.approx(mean.ratio.high)


def test_a_run_without_several_devices_has_nothing_to_tell(runs: Any, xpbench: Any) -> None:
    run = runs.store(runs.forks(runs.case()))
    assert efficiency_sheet(run) is None
    assert sentence(run) is None
    shown = xpbench("scaling", "--show", run.path)
    assert shown.returncode == 2
    assert "has no case on one device and on several" in shown.stderr


def test_the_table_marks_what_is_gathered_what_is_shared_and_where_work_grew(scaled: Run) -> None:
    sheet = efficiency_sheet(scaled, 80)
    assert sheet is not None
    told = as_markdown(sheet)
    assert "50% ⊕" in told
    assert "8xcpu of 25%" in told, "eight devices share two CPUs"
    assert "n = 1900, w = 1.90" in told
    assert "svd has no weak scaling: it states no flops" in told
    assert "2.0 times the operations of one device" in told
    assert "whole on every device: lapack\\_sgesdd\\_ffi" in told or "lapack_sgesdd_ffi" in told
    assert "1.00 MiB exchanged in a call" in told


def test_a_case_of_which_nothing_is_divided_says_so(runs: Any) -> None:
    whole = replace(REDUCED, inputs=("replicated",))
    run = runs.store(
        timed(runs, case(runs, "1xcpu"), 8e-3), timed(runs, case(runs, "2xcpu"), 8e-3, sharding=whole)
    )
    sheet = efficiency_sheet(run)
    assert sheet is not None
    assert "50% whole" in as_markdown(sheet)


def test_what_is_printed_is_what_is_computed(scaled: Run, xpbench: Any) -> None:
    printed = json.loads(xpbench("scaling", "--show", scaled.path, "--format", "json").stdout)
    assert printed == as_json(scaled)
    record = next(r for r in printed["efficiencies"] if r["kind"] == "weak")
    assert record["size_of_one"] == "n=1000,d=8"
    assert record["efficiency"] == pytest.approx(0.76)
    shown = xpbench("scaling", "--show", scaled.path)
    assert shown.returncode == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "80%" in shown.stdout


def test_such_a_run_is_told_in_a_sentence_and_has_a_section_of_its_page(scaled: Run, runs: Any) -> None:
    told = sentence(scaled)
    assert told is not None
    assert told.startswith(
        "strong efficiency at large, geometric means: 2xcpu 80% of 1 that gather nothing"
    )
    assert told.endswith("2xcpu 50% of 1 that gather"), "eight devices that share two CPUs are left out"
    page = render([scaled])
    assert 'id="devices"' in page
    assert "50% ⊕" in page
    assert 'id="devices"' not in render([runs.store(runs.forks(runs.case()))])


def test_a_kernel_that_could_not_be_measured_is_still_named(runs: Any) -> None:
    absent = runs.forks(
        case(runs, "2xcpu"), count=1, status="unsupported", samples=(), reason="2xcpu: too few devices"
    )
    sheet = efficiency_sheet(runs.store(timed(runs, case(runs, "1xcpu"), 8e-3), absent))
    assert sheet is not None
    assert "too few devices" in as_markdown(sheet)


@pytest.mark.parametrize("seconds", [1e-300, 1e300])
def test_a_time_that_no_machine_takes_is_none(runs: Any, seconds: float) -> None:
    run = runs.store(timed(runs, case(runs, "1xcpu"), 8e-3), timed(runs, case(runs, "2xcpu"), seconds))
    (one,) = efficiency.efficiencies(run)
    assert one.value is None
    assert list(efficiency.means([one])) == []
    assert efficiency_sheet(run) is not None


@pytest.mark.parametrize("flops", [(1e-300, 1e300), (1e300, 1e-300)])
def test_work_that_no_float_can_compare_is_not_known(scaled: Run, flops: tuple[float, float]) -> None:
    counts = scaled.header["kernels"]["gram"]["flops"]
    counts["n=1000,d=8"], counts["n=1900,d=8"] = flops
    assert found(scaled)["gram", "weak", "2xcpu"].value is None
    sheet = efficiency_sheet(scaled)
    assert sheet is not None
    assert "its flops are not known" in as_markdown(sheet)
