"""More forks go to what is unclear, and to nothing else; looking again is paid for in the level."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from xpbench.bench import journal, stats
from xpbench.bench.job import Job
from xpbench.bench.multiple_comparisons import LOOKS
from xpbench.bench.plan import Request
from xpbench.bench.preparation import prepare
from xpbench.bench.until_clear import fork_counts, further, unclear


@pytest.mark.parametrize(
    ("forks", "looks", "counts"), [(6, 4, [6, 9, 14, 21]), (6, 1, [6]), (4, 3, [4, 6, 9])]
)
def test_every_look_has_half_as_many_forks_again(forks: int, looks: int, counts: list[int]) -> None:
    assert fork_counts(forks, looks) == counts


def test_what_is_unclear_is_measured_with_its_baseline_and_nothing_else(runs) -> None:
    wide = [1e-3, 2e-3, 1.1e-3, 1.9e-3, 1.2e-3, 1.8e-3]
    noisy = runs.forks(runs.case("torch"), count=6)
    noisy = [replace(m, samples=(time,) * 3) for m, time in zip(noisy, wide, strict=True)]
    stored = runs.store(
        runs.forks(runs.case("numpy"), 1.5e-3, count=6),
        noisy,
        runs.forks(runs.case("jax"), 5e-3, count=6),
        runs.forks(runs.case("numpy", kernel="svd"), count=6),
        runs.forks(runs.case("jax", kernel="svd"), 5e-3, count=6),
    )
    assert {(case.kernel, case.backend) for case in unclear(stored)} == {
        ("matmul", "numpy"),
        ("matmul", "torch"),
    }


def test_too_few_forks_for_a_verdict_are_unclear_and_a_fault_is_not(runs) -> None:
    stored = runs.store(
        runs.forks(runs.case("numpy"), count=3),
        runs.forks(runs.case("jax"), 5e-3, count=3),
        runs.forks(runs.case("torch"), count=1, status="crashed", samples=()),
    )
    assert {case.backend for case in unclear(stored)} == {"numpy", "jax"}


def test_a_clear_run_has_no_further_job(runs) -> None:
    stored = runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("jax"), 5e-3))
    prepared = prepare(["matmul"], Request(backends=("numpy",)), forks=5, until_clear=True)
    assert prepared.settings.looks == LOOKS
    job = Job(stored.path, prepared.registry, stored.cases, prepared.settings)
    assert list(further(job)) == []


def test_a_run_that_may_look_once_has_no_further_job(runs) -> None:
    stored = runs.store(runs.forks(runs.case("numpy"), count=2), runs.forks(runs.case("jax"), count=2))
    prepared = prepare(["matmul"], Request(backends=("numpy",)), forks=2)
    assert list(further(Job(stored.path, prepared.registry, stored.cases, prepared.settings))) == []


def test_further_jobs_take_the_forks_that_follow(runs) -> None:
    stored = runs.store(runs.forks(runs.case("numpy"), count=2), runs.forks(runs.case("jax"), count=2))
    prepared = prepare(["matmul"], Request(backends=("numpy",)), forks=2, until_clear=True)
    job = Job(stored.path, prepared.registry, stored.cases, prepared.settings)
    assert [more.forks for more in further(job)] == [range(2, 3), range(3, 5), range(5, 8)]


@pytest.mark.parametrize("forks", [6])
def test_looking_until_it_is_clear_finds_no_more_differences_among_equals(forks: int) -> None:
    draw = random.Random(forks)

    def fork() -> float:
        return draw.choice([1.0, 1.4]) * draw.gauss(1, 0.03)

    repeats, mistakes, naive = 1000, 0, 0
    for _ in range(repeats):
        a, b = ([fork() for _ in range(21)] for _ in "ab")
        looks = fork_counts(forks, LOOKS)
        for level in (stats.level_of(LOOKS), stats.LEVEL):
            found = (stats.verdict(stats.ratio(a[:n], b[:n], level)) for n in looks)
            wrong = any(verdict in ("faster", "slower") for verdict in found)
            mistakes += wrong and level == stats.level_of(LOOKS)
            naive += wrong and level == stats.LEVEL
    assert mistakes / repeats <= 0.05 + 3 * (0.05 * 0.95 / repeats) ** 0.5
    assert naive > 1.5 * mistakes, "this is what the correction is for"


def test_the_folder_of_a_job_is_where_it_was_begun(tmp_path: Path) -> None:
    prepared = prepare(["matmul"], Request(backends=("numpy",)), forks=2)
    assert next(job.folder for job in prepared.jobs(tmp_path)) == tmp_path


@pytest.mark.slow
def test_a_run_goes_on_until_its_verdicts_are_clear_and_no_longer(
    xpbench, write_kernel, tmp_path
) -> None:
    """Four forks reach no level that four looks ask for; six tell NumPy from a referee of NumPy."""
    folder = tmp_path / "run"
    backends = ["--backend", "numpy", "--backend", "array-api-strict"]
    options = ["--size", "small", "--forks", "4", "--time", "0.01", "--no-roofs", "--until-clear"]
    file = write_kernel()
    done = xpbench("run", file, *backends, *options, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "2 cases, for what is unclear: 2 forks more" in done.stderr
    found = journal.read(folder)
    assert Counter(m.case.backend for m in found.measurements) == {"numpy": 6, "array-api-strict": 6}
    assert found.header["settings"]["looks"] == LOOKS
    resumed = xpbench("run", file, "--resume", folder)
    assert resumed.returncode == 0, resumed.stderr
    assert len(journal.read(folder).measurements) == 12, "what is clear is not measured again"
