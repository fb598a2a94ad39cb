"""A calibration counts what a run would have said, and counts no measurement twice."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from xpbench.bench import calibration, journal, registry, twins
from xpbench.bench.backend import Setting
from xpbench.bench.calibration import Rate
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.calibration_table import citation

FORKS = 6


@pytest.fixture
def twin_run(runs):
    def store(forks: int, scatter: float, planted: float = 1.0) -> journal.Run:
        """Twins of numpy whose forks scatter so much; one of the equal ones is ``planted`` slower."""
        draw = random.Random(forks)
        measured = []
        for name in twins.names("numpy"):
            extra = next((more / 100 for more in (5, 10, 25) if name == f"numpy+{more}%"), 0.0)
            slow = planted if name == twins.equal("numpy", 1) else 1.0
            times = [(1 + extra) * slow * 1e-3 * math.exp(draw.gauss(0, scatter)) for _ in range(forks)]
            records = runs.forks(runs.case(name), count=forks)
            measured.append([replace(m, samples=(t, t, t)) for m, t in zip(records, times, strict=True)])
        return runs.store(*measured)

    return store


def test_every_six_forks_are_a_run_of_their_own(twin_run) -> None:
    found = calibration.calibrate(twin_run(4 * FORKS + 3, 0.02), FORKS)
    # Two pairs of four equal twins, and one row, in each of four runs; three forks are left over.
    assert (found.pairs.of, found.intervals.of, found.rows.of) == (8, 8, 4)
    assert {(p.forks, p.interval.of) for p in found.powers if p.extra == "+5%"} == {
        (4, 6),
        (6, 4),
        (8, 3),
        (10, 2),
        (14, 1),
        (20, 1),
    }


def test_equal_twins_are_told_apart_no_more_often_than_the_level_allows(twin_run) -> None:
    found = calibration.calibrate(twin_run(150 * FORKS, 0.1), FORKS)
    for rate in (found.pairs, found.intervals, found.rows):
        assert rate.share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / rate.of)
    assert found.pairs.seen <= found.intervals.seen
    assert found.scatter == pytest.approx(0.1, rel=0.1)


def test_a_twin_that_is_not_equal_is_told_apart(twin_run) -> None:
    found = calibration.calibrate(twin_run(20 * FORKS, 0.02, planted=1.3), FORKS)
    assert found.pairs.seen == found.pairs.of / 2, "one of the two pairs holds it"
    assert found.rows.seen == found.rows.of


def test_more_work_is_found_where_the_forks_scatter_less_than_it_adds(twin_run) -> None:
    found = calibration.calibrate(twin_run(20 * FORKS, 0.02), FORKS)
    power = {(p.extra, p.forks): p for p in found.powers}
    assert power["+25%", 6].verdict.share == 1
    assert power["+5%", 4].interval.share < power["+5%", 20].interval.share


def test_a_fork_that_one_twin_lacks_is_left_out_for_all(twin_run) -> None:
    run = twin_run(2 * FORKS, 0.02)
    name = twins.equal("numpy", 0)
    kept = tuple(m for m in run.measurements if (m.case.backend, m.fork) != (name, 0))
    [subject] = calibration.subjects_of(replace(run, measurements=kept))
    assert {len(times) for times in subject.equals} == {2 * FORKS - 1}


def test_a_run_without_twins_or_with_too_few_forks_is_refused(runs, twin_run) -> None:
    plain = runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("jax")))
    with pytest.raises(XpbenchError, match="holds no twins"):
        calibration.calibrate(plain, FORKS)
    with pytest.raises(XpbenchError, match="too short"):
        calibration.calibrate(twin_run(FORKS - 1, 0.02), FORKS)


@pytest.mark.parametrize(("seen", "of"), [(0, 200), (7, 200), (200, 200)])
def test_a_rate_is_told_with_an_interval_that_holds_it(seen: int, of: int) -> None:
    low, high = Rate(seen, of).interval
    assert 0 <= low <= seen / of <= high <= 1


def test_seven_of_two_hundred_is_the_most_that_keeps_the_rate_below_seven_and_a_half_percent() -> None:
    assert Rate(7, 200).interval[1] <= 0.075 < Rate(8, 200).interval[1]


def test_a_twin_makes_as_many_calls_as_its_name_says() -> None:
    found = registry.find([Path(twins.__file__)])
    for name, calls in ((twins.equal("numpy", 3), 20), (twins.heavier("numpy", "+25%"), 25)):
        backend = found.backend(name)
        backend.load(Setting())
        made: list[int] = []

        def compute(x: int, made: list[int] = made) -> int:
            made.append(x)
            return x

        assert backend.compile(compute)(7) == 7
        assert len(made) == calls


def test_the_twins_of_a_backend_run_beside_it_and_only_when_named() -> None:
    found = registry.find([Path(twins.__file__)])
    assert {name for name in found.backends if name.startswith("torch~")} == {
        twins.equal("torch", number) for number in range(twins.EQUALS)
    }
    assert not any(found.backends[name].default for name in twins.names("jax"))


@pytest.mark.slow
def test_a_calibration_measures_shows_and_stores_what_it_found(xpbench, tmp_path) -> None:
    folder = tmp_path / "calibration"
    options = ["--backend", "numpy", "--size", "small", "--time", "0.002", "--comparisons", "2"]
    done = xpbench("calibrate", "matmul", *options, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "equal backends called faster or slower" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    stored = (folder / calibration.CALIBRATION).read_text()
    assert '"of": 2' in stored
    assert str(tmp_path) not in (folder / "run.json").read_text(), "nothing of this machine's paths"
    shown = xpbench("calibrate", "--show", folder)
    assert shown.stdout == done.stdout


def test_a_measurement_of_the_suite_is_no_twin(runs) -> None:
    assert calibration.subjects_of(runs.store(runs.forks(runs.case("numpy")))) == []
    assert isinstance(runs.forks(runs.case("numpy"))[0], Measurement)


def calibrated(folder: Path, machine: str, created: str, seen: int) -> None:
    folder.mkdir(parents=True)
    low, high = Rate(seen, 200).interval
    pairs = {"seen": seen, "of": 200, "low": low, "high": high}
    record = {"machine": machine, "created": created, "pairs": pairs}
    (folder / calibration.CALIBRATION).write_text(json.dumps(record))


def test_a_run_cites_the_newest_calibration_of_its_machine(runs, tmp_path) -> None:
    results = tmp_path / "results"
    calibrated(results / "old", "here", "2026-01-01T00:00:00", 9)
    calibrated(results / "published" / "new", "here", "2026-02-01T00:00:00", 2)
    calibrated(results / "elsewhere", "there", "2026-03-01T00:00:00", 5)
    (results / "foreign").mkdir()
    (results / "foreign" / calibration.CALIBRATION).write_text("[1, 2")
    found = calibration.latest(results, "here")
    assert found is not None and found["run"] == "new"
    case = runs.forks(runs.case())
    said = citation(runs.store(case, calibration=found))
    assert "of 200 pairs of equal backends, 1% were called different (0.1% to 4%)" in said
    assert "new, 2026-02-01" in said


@pytest.mark.parametrize("record", [None, {}, {"pairs": {"seen": 1, "of": 0}}, [], "text"])
def test_without_a_calibration_a_run_says_how_to_have_one(runs, record: object) -> None:
    run = runs.store(runs.forks(runs.case()), calibration=record)
    assert "`xpbench calibrate` finds out" in citation(run)
