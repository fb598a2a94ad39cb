"""A run over several machines: every case and fork once, whoever is lost or comes, and nothing mixed."""

import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dask_cluster import DaskCluster, dask_cluster
from processes import wait_until
from sweeps import expected, lines, options, start
from xpbench.bench import groups

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'xpbench[cluster]'")

CASES, FORKS = 60, 4
FIRST_SIZE = 8
SIZES = tuple(range(FIRST_SIZE, FIRST_SIZE + CASES))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path, workers=2) as started:
        yield started


def test_a_small_sweep_is_an_ordinary_run_that_every_command_reads(
    cluster: DaskCluster, write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    sizes = (8, 9)
    answer = xpbench("run", write_kernel(), *options(sizes, 2, cluster.address))
    assert answer.returncode == 0, answer.stderr
    run = tmp_path / "run"
    assert Counter(lines(run)) == expected(sizes, 2)
    (group,) = groups.groups_in(run)
    assert f"run/{group.name}: " in answer.stdout, "which group is which"
    assert "are on one machine and disturb each other" in answer.stderr

    shown = json.loads(xpbench("table", "run", "--format", "json").stdout)
    assert [row["status"] for row in shown] == ["ok", "ok"]
    assert xpbench("table", group).returncode == 0
    assert xpbench("report", "run", "-o", "page.html").returncode == 0
    assert xpbench("compare", "run", "run").returncode == 0
    checked = xpbench("check", "run", "--json")
    levels = [told for one in json.loads(checked.stdout) for told in one["findings"]]
    assert {told["about"] for told in levels if told["level"] == "error"} == {"forks"}, "two are few"

    again = xpbench("run", tmp_path / "double_file.py", "--resume", "run")
    assert again.returncode == 2
    assert "add --cluster" in again.stderr
    alone = xpbench("run", tmp_path / "double_file.py", "--resume", group)
    assert alone.returncode == 0, "a group is completed on a machine of its kind"


def test_workers_with_several_threads_are_refused(
    tmp_path: Path, write_kernel: Any, xpbench: Any
) -> None:
    with dask_cluster(tmp_path, workers=0) as cluster:
        none = xpbench("run", write_kernel(), *options((8,), 1, cluster.address))
        assert none.returncode == 2
        assert "has no worker" in none.stderr
        bound = xpbench("run", "--cpus", "0", *options((8,), 1, cluster.address))
        assert bound.returncode == 2
        assert "taskset" in bound.stderr
        cluster.start_worker("wide", threads=2)
        answer = xpbench("run", write_kernel(), *options((8,), 1, cluster.address))
    assert answer.returncode == 2
    assert "wide" in answer.stderr
    assert "has 2 threads" in answer.stderr
    assert "--nthreads 1" in answer.stderr
    assert not (tmp_path / "run").exists()


def other_xpbench(folder: Path, file: str, before: str, after: str) -> Path:
    """A copy of xpbench in which one file is another, to be put on a path."""
    package = Path(__import__("xpbench").__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, folder / "xpbench", ignore=ignored)
    changed = folder / "xpbench" / file
    text = changed.read_text()
    assert before in text
    changed.write_text(text.replace(before, after))
    return folder


@pytest.mark.parametrize(
    "file, before, after, told",
    [
        ("__init__.py", "__version__ = ", '__version__ = "9.9.9"  # ', "has xpbench 9.9.9"),
        pytest.param(
            "bench/turn.py",
            "POLL_SECONDS = 0.2",
            "POLL_SECONDS = 0.3",
            "has another xpbench/bench/turn.py",
            marks=pytest.mark.slow,
        ),
    ],
    ids=("version", "source"),
)
def test_a_worker_with_another_xpbench_is_refused_by_name(
    cluster: DaskCluster, file: str, before: str, after: str, told: str, write_kernel: Any, xpbench: Any
) -> None:
    other = other_xpbench(cluster.folder / "other", file, before, after)
    cluster.start_worker("stranger", path=other)
    answer = xpbench("run", write_kernel(), *options((8,), 1, cluster.address))
    assert answer.returncode == 2
    assert f"stranger ({'tcp'}" in answer.stderr
    assert told in answer.stderr
    assert "w1" not in answer.stderr
    assert not (cluster.folder / "run").exists(), "nothing was measured"


@pytest.mark.slow
def test_a_worker_lost_and_one_added_in_mid_run_cost_no_record_and_double_none(
    cluster: DaskCluster, write_kernel: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    client = start(tmp_path, write_kernel(), *options(SIZES, FORKS, cluster.address))
    assert wait_until(lambda: lines(run), 60)
    cluster.kill("w1")
    assert len(lines(run)) < CASES * FORKS / 2
    cluster.start_worker("w3")
    _, said = client.communicate(timeout=300)
    assert client.returncode == 0, said
    assert Counter(lines(run)) == expected(SIZES, FORKS)
    assert "w1" in said
    assert "its block is measured elsewhere" in said
    assert "w3" in said
    assert "takes part now" in said
    assert "xpbench-" in cluster.said("w3") or "w3" in cluster.workers
    assert wait_until(lambda: len(list(tmp_path.glob("xpbench-*"))) <= 4), "w1 left its folders behind"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ("scheduler", "interrupt"))
def test_a_run_that_ends_in_the_middle_is_completed(
    cluster: DaskCluster, ending: str, write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    client = start(tmp_path, write_kernel(), *options(SIZES, FORKS, cluster.address))
    assert wait_until(lambda: lines(run), 60)
    if ending == "scheduler":
        cluster.kill("scheduler")
    else:
        client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=60)
    assert client.returncode == (2 if ending == "scheduler" else 130), said
    assert "Traceback" not in said
    assert f"--resume run --cluster {cluster.address}" in said
    assert not (run / "run.lock").exists()
    before = lines(run)
    assert 0 < len(before) < CASES * FORKS
    assert max(Counter(before).values()) == 1

    if ending == "scheduler":
        cluster.close()
        cluster.workers.clear()
        cluster.start_scheduler()
        cluster.start_worker("w4")
    resumed = xpbench(
        *("run", tmp_path / "double_file.py", "--resume", "run", "--cluster", cluster.address)
    )
    assert resumed.returncode == 0, resumed.stderr
    assert Counter(lines(run)) == expected(SIZES, FORKS)
    assert lines(run)[: len(before)] == before
