"""What changed between two runs is reported, what did not is not, and what cannot be known is said."""

import json
import math
import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import xpbench
from xpbench.bench import journal
from xpbench.bench.comparison import Comparison, compare
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.report import comparison as told
from xpbench.bench.report.exchange import bencher, comparison_as_json, github_action_benchmark

KERNELS = [f"kernel{number}" for number in range(21)]


def forks_of(
    runs, kernel: str, seed: object, count: int = 10, factor: float = 1.0, **changes
) -> list[Measurement]:
    """Forks that scatter by 2 %, one in six of them in a mode 40 % slower."""
    draw = random.Random(f"{kernel} {seed}")
    case = runs.case(kernel=kernel)
    levels = [
        1e-3 * factor * draw.choice([1.4, 1, 1, 1, 1, 1]) * math.exp(draw.gauss(0, 0.02))
        for _ in range(count)
    ]
    return [
        replace(m, samples=(level, 1.01 * level, 3 * level), **changes)
        for m, level in zip(runs.forks(case, count=count), levels, strict=True)
    ]


def measured(
    runs, side: str, seed: int, count: int, slower: dict[str, float]
) -> list[list[Measurement]]:
    return [forks_of(runs, k, (seed, side), count, slower.get(k, 1.0)) for k in KERNELS]


@pytest.fixture
def pair(runs, tmp_path: Path):
    def pair(count: int = 16, seed: int = 0, slower: dict[str, float] | None = None) -> tuple[Run, Run]:
        """Two runs of 21 kernels, of which NEW takes so many times as long."""
        sides = {
            "base": measured(runs, "base", seed, count, {}),
            "new": measured(runs, "new", seed, count, slower or {}),
        }
        base, new = (
            Run(
                tmp_path / name,
                runs.header(forks[0].case for forks in cases),
                tuple(m for forks in cases for m in forks),
            )
            for name, cases in sides.items()
        )
        return base, new

    return pair


@pytest.fixture
def stored(runs):
    def stored(count: int = 16, slower: dict[str, float] | None = None) -> tuple[Run, Run]:
        """Such a pair in folders."""
        base = runs.store(*measured(runs, "base", 0, count, {}))
        return base, runs.store(*measured(runs, "new", 0, count, slower or {}))

    return stored


@pytest.fixture
def drifting(runs):
    """Makes pairs of runs in memory: NEW is measured while the machine is slower by ``drift``, in the
    log."""

    def drifting(seed: int, drift: float, slower: Mapping[str, float] | None = None) -> tuple[Run, Run]:
        draw = random.Random(f"drift {seed}")

        def run(name: str, pace: float, factors: Mapping[str, float]) -> Run:
            anchors = [1e-4 * pace * math.exp(draw.gauss(0, 0.01)) for _ in range(8)]
            forks = [
                anchored(forks_of(runs, k, (seed, name), 8, pace * factors.get(k, 1.0)), anchors)
                for k in KERNELS
            ]
            cases = [measured[0].case for measured in forks]
            header = runs.header(cases, name=name)
            return Run(Path(name), header, tuple(m for measured in forks for m in measured))

        return run("before", 1.0, {}), run("after", math.exp(draw.gauss(0, drift)), slower or {})

    return drifting


def names(found: Comparison, verdict: str) -> list[str]:
    return [change.case.kernel for change in found.having(verdict)]


def test_one_that_is_slower_is_found_among_twenty_that_are_not(pair) -> None:
    found = compare(*pair(slower={"kernel7": 1.3}))
    assert names(found, "slower") == ["kernel7"]
    assert names(found, "faster") == []
    assert found.regressed


def test_what_is_faster_is_no_regression(pair) -> None:
    found = compare(*pair(slower={"kernel3": 0.6, "kernel4": 0.5}))
    assert names(found, "faster") == ["kernel4", "kernel3"], "the larger change first"
    assert not found.regressed


def test_a_change_within_the_band_is_not_reported_and_one_measured_turn_by_turn_is(pair) -> None:
    runs = pair(count=20, slower={"kernel7": 1.08})
    assert names(compare(*runs), "slower") == []
    assert names(compare(*runs, interleaved=True), "slower") == ["kernel7"]


def test_runs_of_the_same_seldom_have_anything_to_report(pair) -> None:
    found = [compare(*pair(seed=seed)) for seed in range(60)]
    reported = sum(bool(names(one, "slower") or names(one, "faster")) for one in found)
    assert reported <= 0.05 * 60


def test_drift_makes_no_reports_of_cases_that_follow_it(drifting) -> None:
    """Against a null of no change at all, and nothing but a wider band, one pair in eight reports."""
    found = [compare(*drifting(seed, drift=0.08)) for seed in range(60)]
    reported = sum(bool(names(one, "slower") or names(one, "faster")) for one in found)
    assert reported <= 0.05 * 60


def test_what_is_much_slower_than_the_drift_is_still_found(drifting) -> None:
    found = [compare(*drifting(seed, 0.05, slower={"kernel7": 1.8})) for seed in range(10)]
    assert all("kernel7" in names(one, "slower") for one in found)


def test_all_cases_together_tell_a_change_too_small_for_each(runs) -> None:
    def run(side: str, factor: float) -> Run:
        return runs.store(*(forks_of(runs, k, side, 8, factor) for k in KERNELS))

    found = compare(run("base", 1.0), run("new", 1.05))
    assert names(found, "slower") == []
    assert found.overall is not None
    assert 1 < found.overall.low < 1.05 < found.overall.high
    assert "over all 21 NEW takes 1.0" in told.as_markdown(found)


def test_three_forks_have_no_overall_interval(pair) -> None:
    found = compare(*pair(count=3))
    assert found.overall is None
    assert comparison_as_json(found)["overall"] is None


def test_a_copy_of_a_run_is_the_same_run(runs, tmp_path: Path) -> None:
    base = runs.store(*(forks_of(runs, k, "base") for k in KERNELS))
    copy = shutil.copytree(base.path, tmp_path / "copy")
    found = compare(base, journal.read(copy))
    assert found.same_run
    assert len(found.having("same")) == len(KERNELS)
    other = runs.store(*(forks_of(runs, k, "new") for k in KERNELS))
    assert not compare(base, other).same_run, "headers alike, and other measurements"


def test_runs_with_nothing_in_common_say_so(runs) -> None:
    case = runs.case()
    found = compare(
        runs.store(runs.forks(case)), runs.store(runs.forks(replace(case, threads=4), time=2e-3))
    )
    assert any(line.startswith("nothing is compared") for line in found.warnings)
    assert len(told.words(found)) == 2


def test_anchors_of_too_few_forks_are_not_called_absent(runs) -> None:
    base, new = (anchored(forks_of(runs, "a", side, 3), [1e-4] * 3) for side in ("base", "new"))
    [line] = [w for w in compare(runs.store(base), runs.store(new)).warnings if "drifted" in w]
    assert "4 forks" in line


def test_a_new_version_of_xpbench_is_told_once(runs) -> None:
    def run(side: str, version: str) -> Run:
        sources = {"xpbench": version, "xpbench/kernels/a.py": "00ff"}
        return runs.store(forks_of(runs, "a", side), xpbench=version, sources=sources)

    notes = compare(run("base", "0.1.0"), run("new", "0.2.0")).notes
    assert notes == ("xpbench: 0.1.0, now 0.2.0",)


def test_what_failed_alike_in_both_is_counted_and_what_is_wrong_in_both_is_named(runs) -> None:
    def run() -> Run:
        no = {"samples": (), "reason": "no"}
        return runs.store(
            runs.forks(runs.case(kernel="absent"), status="unsupported", **no),
            runs.forks(runs.case(kernel="bad"), status="wrong", **no),
            name=f"run {random.random()}",
        )

    found = compare(run(), run())
    shown = told.words(found, everything=False)
    assert [line for line in shown if "bad" in line and "WRONG in both" in line]
    assert "1 case is without a time in both" in shown
    assert not any("absent" in line for line in shown)
    assert any("absent" in line for line in told.words(found))


def test_a_reason_cannot_act_on_the_terminal(runs) -> None:
    reason = "died \x1b[31mred\nsecond line"
    base = runs.store(runs.forks(runs.case()))
    new = runs.store(runs.forks(runs.case(), status="crashed", samples=(), reason=reason))
    [line] = told.words(compare(base, new))
    assert line.isprintable()


def test_a_run_beside_itself_is_the_same_throughout(pair) -> None:
    base, _ = pair()
    found = compare(base, base)
    assert len(found.having("same")) == len(KERNELS)
    assert not found.regressed
    assert "both are the same run" in told.remarks(found)


def test_too_few_forks_are_told_with_the_number_that_is_needed(pair) -> None:
    found = compare(*pair(count=5, slower={"kernel7": 3.0}))
    assert names(found, "slower") == [], "no p value of five forks is small enough for 21 cases"
    [line] = [line for line in told.remarks(found) if "forks" in line]
    assert "21 cases need at least 6 forks a side" in line
    assert "there are 5: measure with --forks 6" in line


def test_below_four_forks_there_is_an_estimate_and_no_verdict(pair) -> None:
    found = compare(*pair(count=3, slower={"kernel7": 3.0}))
    assert {change.verdict for change in found.timed} == {None}
    assert "21 without a verdict" in told.headline(found)
    assert found.needed > 3


@pytest.mark.parametrize(
    ("before", "after", "word", "regressed"),
    [
        ("ok", "wrong", "was ok, is WRONG: off by one", True),
        ("wrong", "wrong", "WRONG in both: off by one", False),
        ("unsupported", "wrong", "was unsupported, is WRONG: off by one", True),
        ("wrong", "ok", "was WRONG, is ok", False),
        ("ok", "crashed", "was ok, is crashed: off by one", False),
        ("ok", None, "only in BASE (ok)", False),
        (None, "ok", "only in NEW (ok)", False),
    ],
)
def test_a_case_that_cannot_be_timed_on_both_sides_is_a_line_of_words(
    runs, before: str | None, after: str | None, word: str, regressed: bool
) -> None:
    def run(status: str | None) -> Run:
        other = runs.forks(runs.case(kernel="other"), count=6)
        if status is None:
            return runs.store(other)
        samples = {"samples": (1e-3,)} if status == "ok" else {"samples": (), "reason": "off by one"}
        return runs.store(other, runs.forks(runs.case(), count=6, status=status, **samples))

    found = compare(run(before), run(after))
    [line] = told.words(found)
    assert word in line
    assert found.regressed is regressed


def anchored(run_forks: list[Measurement], seconds: list[float]) -> list[Measurement]:
    return [
        replace(m, in_force={"anchor_compute_s": s, "anchor_memory_s": 1e-2})
        for m, s in zip(run_forks, seconds, strict=True)
    ]


def test_a_machine_that_is_slower_itself_is_told_and_widens_the_band(runs) -> None:
    quick = [1e-4 * (1 + 0.001 * fork) for fork in range(10)]
    slow = [1.15 * seconds for seconds in quick]
    base = runs.store(anchored(forks_of(runs, "a", "base"), quick))
    new = runs.store(anchored(forks_of(runs, "a", "new", factor=1.17), slow))
    found = compare(base, new)
    assert [drift.seen for drift in found.drifts] == [True, False]
    assert found.band == pytest.approx(1.1 * 1.15 - 1, rel=0.01)
    assert names(found, "slower") == []
    assert any("1.15x slower in NEW" in line for line in told.remarks(found))
    steady = compare(base, runs.store(anchored(forks_of(runs, "a", "new", factor=1.17), quick)))
    assert names(steady, "slower") == ["a"]


def test_turn_by_turn_the_anchor_of_another_interpreter_widens_nothing(runs) -> None:
    """SHA-256 is three times slower in B's Python, and the kernel twice: the machine is the same."""
    base = runs.store(anchored(forks_of(runs, "a", "base", 20), [1e-4] * 20))
    new = runs.store(anchored(forks_of(runs, "a", "new", 20, factor=2.0), [3e-4] * 20))
    found = compare(base, new, interleaved=True)
    assert names(found, "slower") == ["a"]
    assert (found.band, found.drifts) == (pytest.approx(0.05), ())


def test_the_anchors_of_two_pythons_say_nothing_of_the_machine(runs) -> None:
    base = runs.store(anchored(forks_of(runs, "a", "base"), [1e-4] * 10))
    machine = {"id": "1a2b3c4d", "cpu": "A Processor", "cores": 2, "python": "3.13.0"}
    new = runs.store(anchored(forks_of(runs, "a", "new", factor=2.0), [3e-4] * 10), machine=machine)
    found = compare(base, new)
    assert names(found, "slower") == ["a"]
    assert any("Python, which is another in NEW" in line for line in found.warnings)


def test_drift_does_not_depend_on_how_many_processes_a_run_had(runs) -> None:
    """Of twelve processes the quickest is quicker than the one of the other run, on one machine."""
    draw = random.Random(5)

    def run(side: str, kernels: list[str]) -> Run:
        return runs.store(
            *(
                anchored(
                    forks_of(runs, k, side, 10),
                    [1e-4 * (1 + abs(draw.gauss(0, 0.06))) for _ in range(10)],
                )
                for k in kernels
            )
        )

    for repeat in range(10):
        found = compare(run(f"base {repeat}", KERNELS[:12]), run(f"new {repeat}", KERNELS[:1]))
        assert found.drifts[0].ratio.value < 1.04


def test_runs_without_anchors_do_not_know_whether_the_machine_drifted(pair) -> None:
    assert any("no anchor" in line for line in compare(*pair()).warnings)
    assert not any("no anchor" in line for line in compare(*pair(), interleaved=True).warnings)


def test_what_is_not_the_same_around_the_runs_is_named(runs) -> None:
    settings = {"forks": 6, "baseline": "numpy", "threads": 2, "precision": "ieee"}
    machine = {"id": "1a2b3c4d", "cpu": "A Processor", "cores": 2, "python": "3.12.0"}
    base = runs.store(forks_of(runs, "a", "base", in_force={"threads": 2}), settings=settings)
    new = runs.store(
        forks_of(runs, "a", "new", in_force={"threads": 1}),
        settings=settings | {"threads": 1, "cache": "cold"},
        machine=machine | {"id": "ffffffff", "cpu": "Another", "python": "3.13.1"},
        versions={"numpy": {"numpy": "2.5.0"}},
    )
    found = compare(base, new)
    text = "\n".join(told.remarks(found))
    assert "warning: the runs are from different machines (A Processor, 2 CPUs; Another, 2 CPUs)" in text
    assert "warning: threads: 2, now 1" in text
    assert "warning: caches: hot, now cold" in text
    assert "warning: in force numpy threads: 2, now 1" in text
    assert "note: numpy: 2.4.6, now 2.5.0" in text
    assert "note: Python: 3.12.0, now 3.13.1" in text


@pytest.mark.parametrize(
    ("band", "interleaved"), [(0.09, False), (0.04, True), (-1.0, False), (99, False)]
)
def test_a_band_narrower_than_the_runs_allow_is_refused(pair, band: float, interleaved: bool) -> None:
    with pytest.raises(XpbenchError, match="--band"):
        compare(*pair(count=4), band=band, interleaved=interleaved)


def test_the_json_holds_every_case_and_no_number_that_is_none(pair) -> None:
    record = comparison_as_json(compare(*pair(slower={"kernel7": 1.3})))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["summary"]["slower"] == 1
    assert record["forks_needed"] == 6
    [slower] = [case for case in record["cases"] if case["verdict"] == "slower"]
    assert slower["kernel"] == "kernel7"
    assert slower["ratio_low"] <= slower["ratio"] <= slower["ratio_high"]
    assert slower["new_s"] / slower["base_s"] == pytest.approx(1.3, rel=0.1)


def test_the_markdown_is_a_sentence_a_table_of_changes_and_a_fold(pair) -> None:
    text = told.as_markdown(compare(*pair(slower={"kernel7": 1.3})))
    first, table, *_ = [block for block in text.split("\n\n") if not block.startswith(">")]
    assert first.startswith("**21 cases timed in both: 1 slower, 0 faster")
    assert [line.count("|") - line.count("\\|") for line in table.splitlines()] == [6, 6, 6]
    assert "kernel7" in table
    assert "slower (+3" in table or "slower (+2" in table
    assert text.count("<details>") == text.count("</details>") == 1


def test_trackers_read_the_times_of_one_run(pair) -> None:
    _, run = pair()
    tracked = github_action_benchmark(run)
    assert len(tracked) == len(KERNELS)
    for entry in tracked:
        assert set(entry) == {"name", "unit", "value", "range", "extra"}
        assert entry["unit"] == "ns"
        assert 0.5e6 < entry["value"] < 2e6
    for name, measures in bencher(run).items():
        latency = measures["latency"]
        assert name.startswith("kernel")
        assert latency["lower_value"] <= latency["value"] <= latency["upper_value"]


def test_trackers_are_told_no_reach_of_one_fork_and_no_time_of_a_wrong_result(runs) -> None:
    single = runs.store(runs.forks(runs.case(), count=1))
    [entry] = github_action_benchmark(single)
    assert "range" not in entry
    assert set(bencher(single)[entry["name"]]["latency"]) == {"value"}
    forks = runs.forks(runs.case(), count=6)
    wrong = runs.store([*forks[:5], replace(forks[5], status="wrong", samples=())])
    assert github_action_benchmark(wrong) == []
    assert bencher(wrong) == {}


def test_the_command_exits_1_on_a_regression_and_0_without_one(stored, typed, tmp_path: Path) -> None:
    base, new = stored(slower={"kernel7": 1.3})
    found = typed("compare", base.path, new.path)
    assert found.returncode == 1, found.stderr
    assert "1 slower" in found.stdout
    assert "kernel7" in found.stdout
    assert "kernel8" not in found.stdout
    assert max(map(len, found.stdout.splitlines())) <= 80
    assert typed("compare", base.path, base.path).returncode == 0
    assert re.search(r"\bBASE\W{1,4}NEW\b", typed("compare", "--help").stdout)
    file = tmp_path / "comparison.md"
    assert typed("compare", base.path, new.path, "--format", "md", "-o", file).returncode == 1
    assert file.read_text().startswith("**21 cases")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "yaml"], "expected one of rich, md, json"),
        (["--band", "0.01"], "--band 0.01"),
        (["-o", "file.txt"], "add --format md or json"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(stored, typed, options: list[str], said: str) -> None:
    base, new = stored(count=4)
    found = typed("compare", base.path, new.path, *options)
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_from_python_a_comparison_is_a_frame_and_shows_itself(stored) -> None:
    base, new = stored(slower={"kernel7": 1.3})
    changes = xpbench.compare(base.path, new.path)
    assert changes.regressed
    assert list(changes.cases.query("verdict == 'slower'")["kernel"]) == ["kernel7"]
    assert changes._repr_markdown_().startswith("**21 cases")
