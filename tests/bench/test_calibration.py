"""A calibration counts what a run would have said, and counts no measurement twice."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from xpbench.bench import calibration, journal, registry, twin_backends, twins
from xpbench.bench.backend import Setting
from xpbench.bench.calibration import Rate
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.report.calibration_table import citation, sentences

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
    errors = found.errors
    assert (errors.pairs.of, errors.intervals.of, errors.rows.of) == (8, 8, 4)
    assert found.by_backend == {"numpy": errors}
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
    for rate in (found.errors.pairs, found.errors.intervals, found.errors.rows):
        assert rate.share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / rate.of)
    assert found.errors.pairs.seen <= found.errors.intervals.seen
    assert found.errors.scatter == pytest.approx(0.1, rel=0.1)


def test_a_twin_that_is_not_equal_is_told_apart(twin_run) -> None:
    found = calibration.calibrate(twin_run(20 * FORKS, 0.02, planted=1.3), FORKS)
    assert found.errors.pairs.seen == found.errors.pairs.of / 2, "one of the two pairs holds it"
    assert found.errors.rows.seen == found.errors.rows.of


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


def test_a_heavier_twin_that_crashed_costs_the_equal_ones_nothing(twin_run) -> None:
    run = twin_run(2 * FORKS, 0.02)
    name = twins.heavier("numpy", "+5%")
    kept = tuple(m for m in run.measurements if m.case.backend != name or m.fork >= FORKS)
    [subject] = calibration.subjects_of(replace(run, measurements=kept))
    assert {len(times) for times in subject.equals} == {2 * FORKS}
    assert [len(times) for times in subject.heavier["+5%"]] == [FORKS, FORKS]
    assert [len(times) for times in subject.heavier["+10%"]] == [2 * FORKS, 2 * FORKS]


def test_devices_are_rows_of_their_own(runs) -> None:
    measured = [
        runs.forks(runs.case(f"{name}@{device}"), time, count=FORKS)
        for device, time in (("cpu", 1e-3), ("cuda", 1e-5))
        for name in twins.names("torch")
    ]
    found = calibration.calibrate(runs.store(*measured), FORKS)
    assert set(found.by_backend) == {"torch", "torch@cuda"}
    assert found.errors.scatter < 0.02


def test_a_row_without_a_time_of_every_equal_twin_is_named(runs, twin_run) -> None:
    run = twin_run(FORKS, 0.02)
    svd = replace(run.cases[0], kernel="svd")
    header = {**run.header, "cases": [*run.header["cases"], svd.to_json()]}
    found = calibration.calibrate(replace(run, header=header), FORKS)
    assert found.untimed == ("svd[n=512] float32 on numpy",)
    assert any("not judged" in line and "svd[n=512]" in line for line in sentences(found))


def test_what_can_be_told_apart_is_said_in_forks_and_minutes(twin_run) -> None:
    found = calibration.calibrate(twin_run(200, 0.02), FORKS)
    said = sentences(found)
    [line] = [line for line in said if line.startswith("+25%")]
    assert "with 4 forks (50 of 50): a default run of so many takes about" in line
    assert found.default_seconds[20] > 2 * found.default_seconds[6] > 0
    assert any(line.startswith("+5%") and " forks (" in line for line in said)


def test_of_few_comparisons_nothing_is_said(twin_run) -> None:
    said = sentences(calibration.calibrate(twin_run(FORKS, 0.02), FORKS))
    assert all("fewer than 10 comparisons" in line for line in said[:3])


def test_a_run_without_twins_or_with_too_few_forks_is_refused(runs, twin_run) -> None:
    plain = runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("jax")))
    nothing = [
        runs.forks(runs.case(name), status="crashed", samples=(), reason="died")
        for name in twins.names("numpy")
    ]
    with pytest.raises(NothingMeasured, match=r"no row of equal twins was timed .*died"):
        calibration.calibrate(runs.store(*nothing), FORKS)
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
    found = registry.find([Path(twin_backends.__file__)])
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
    found = registry.find([Path(twin_backends.__file__)])
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
    assert "time went to" in done.stderr
    assert str(tmp_path) not in (folder / "run.json").read_text(), "nothing of this machine's paths"
    shown = xpbench("calibrate", "--show", folder)
    assert shown.stdout == done.stdout


def test_a_measurement_of_the_suite_is_no_twin(runs) -> None:
    plain = runs.store(runs.forks(runs.case("numpy")))
    assert calibration.subjects_of(plain) == []
    assert not calibration.is_of_twins(plain)


def test_showing_a_calibration_writes_nothing(xpbench, twin_run) -> None:
    run = twin_run(FORKS, 0.02)
    before = sorted(run.path.iterdir())
    shown = xpbench("calibrate", "--show", run.path)
    assert shown.returncode == 0, shown.stderr
    assert "runs of 6 forks" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert sorted(run.path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--backend", "cupy"], 3, "cupy is not usable here"),
        (["--backend", "mine.py"], 2, "only backends of the suite have twins"),
        (["--time", "0"], 2, "expected more than 0"),
        (["--comparisons", "0"], 2, "from 1 to 100000"),
        (["--backend", "numpy", "--comparisons", "99999"], 2, "name more kernels"),
    ],
)
def test_what_cannot_be_calibrated_is_said_before_anything_is_measured(
    typed, tmp_path, options: list[str], code: int, said: str
) -> None:
    if "cupy" in options and registry.find().backend("cupy").unusable() is None:
        pytest.skip("there is a card here")
    refused = typed("calibrate", "matmul", *options, "--out", tmp_path / "new")
    assert refused.returncode == code, refused.stderr
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "new").exists()


def test_another_run_is_not_completed_as_a_calibration(xpbench, runs) -> None:
    plain = runs.store(runs.forks(runs.case("numpy")))
    refused = xpbench("calibrate", "--resume", plain.path)
    assert refused.returncode == 2
    assert "xpbench run --resume" in refused.stderr


def test_a_calibration_of_a_kernel_file_is_told_how_it_goes_on(typed, runs) -> None:
    twin = runs.case(twins.equal("numpy", 1))
    begun = runs.store(runs.forks(twin), files=["home/mine.py"])
    refused = typed("calibrate", "--resume", begun.path)
    assert refused.returncode == 2
    assert f"`xpbench calibrate PATH/mine.py --resume {begun.path}`" in refused.stderr


def calibrated(folder: Path, machine: str, created: str, seen: int, of: int = 200, **changes) -> None:
    folder.mkdir(parents=True)
    low, high = Rate(seen, of).interval
    pairs = {"seen": seen, "of": of, "low": low, "high": high}
    settings = {"threads": 2, "precision": "ieee"}
    record = {"machine": machine, "created": created, "pairs": pairs, "disturbed": 0.0, **settings}
    record |= changes
    (folder / calibration.CALIBRATION).write_text(json.dumps(record))


def test_a_run_cites_the_newest_calibration_of_its_machine(runs, tmp_path) -> None:
    results = tmp_path / "results"
    calibrated(results / "old", "here", "2026-01-01T00:00:00", 9)
    calibrated(results / "published" / "new", "here", "2026-02-01T00:00:00", 2)
    calibrated(results / "elsewhere", "there", "2026-03-01T00:00:00", 5)
    calibrated(results / "few", "here", "2026-03-01T00:00:00", 1, of=20)
    calibrated(results / "busy", "here", "2026-03-01T00:00:00", 9, disturbed=0.98)
    calibrated(results / "one thread", "here", "2026-03-01T00:00:00", 9, threads=1)
    (results / "foreign").mkdir()
    (results / "foreign" / calibration.CALIBRATION).write_text("[1, 2")
    found = calibration.latest([tmp_path / "out", results], "here", 2, "ieee")
    assert found is not None and found["run"] == "new"
    case = runs.forks(runs.case())
    said = citation(runs.store(case, calibration=found))
    assert "of 200 pairs of equal backends, 1.0% were called different (0.1% to 3.6%)" in said
    assert "new, 2026-02-01" in said


@pytest.mark.parametrize("record", [None, {}, {"pairs": {"seen": 1, "of": 0}}, [], "text"])
def test_without_a_calibration_a_run_says_how_to_have_one(runs, record: object) -> None:
    run = runs.store(runs.forks(runs.case()), calibration=record)
    assert "`xpbench calibrate` finds out" in citation(run)
