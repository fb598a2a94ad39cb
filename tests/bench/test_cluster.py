"""A run over several machines: every case and fork once, whoever is lost or comes, and nothing mixed."""

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dask_cluster import DaskCluster, dask_cluster
from processes import alive, family, listening, sockets, wait_until
from sweeps import expected, lines, options, start
from xpbench.bench import api, groups

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'xpbench[cluster]'")

CASES, FORKS = 60, 4
FIRST_SIZE = 8
SIZES = tuple(range(FIRST_SIZE, FIRST_SIZE + CASES))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path, workers=2) as started:
        yield started


def test_a_small_sweep_is_a_run_that_is_shown_as_any_other(
    cluster: DaskCluster, write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    sizes = (8, 9)
    answer = xpbench("run", write_kernel(), *options(sizes, 2, cluster.address))
    assert answer.returncode == 0, answer.stderr
    assert Counter(lines(tmp_path / "run")) == expected(sizes, 2)
    (group,) = groups.groups_in(tmp_path / "run")
    assert f"run/{group.name}: " in answer.stdout, "which group is which"
    assert "are on one machine and disturb each other" in answer.stderr
    assert list(api.table(tmp_path / "run")["status"]) == ["ok", "ok"]


@pytest.mark.slow
def test_every_command_reads_a_sweep_and_a_group_is_completed_without_a_cluster(
    cluster: DaskCluster, write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    sizes = (8, 9)
    answer = xpbench("run", write_kernel(), *options(sizes, 2, cluster.address))
    assert answer.returncode == 0, answer.stderr
    (group,) = groups.groups_in(tmp_path / "run")
    assert xpbench("table", group).returncode == 0
    assert xpbench("report", "run", "-o", "page.html").returncode == 0
    assert xpbench("compare", "run", "run").returncode == 0
    checked = xpbench("check", "run", "--json")
    levels = [told for one in json.loads(checked.stdout) for told in one["findings"]]
    assert not [told for told in levels if told["level"] == "error"]
    assert any(told["about"] == "forks" for told in levels if told["level"] == "warning"), "two are few"

    again = xpbench("run", tmp_path / "double_file.py", "--resume", "run")
    assert again.returncode == 2
    assert "add --cluster" in again.stderr
    alone = xpbench("run", tmp_path / "double_file.py", "--resume", group)
    assert alone.returncode == 0, "a group is completed on a machine of its kind"


@pytest.mark.slow
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
    # With what is compiled of it, which spares the worker a second or two.
    shutil.copytree(package, folder / "xpbench")
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
    tmp_path: Path, file: str, before: str, after: str, told: str, write_kernel: Any, xpbench: Any
) -> None:
    other = other_xpbench(tmp_path / "other", file, before, after)
    with dask_cluster(tmp_path, workers=1) as cluster:
        cluster.start_worker("stranger", path=other)
        answer = xpbench("run", write_kernel(), *options((8,), 1, cluster.address))
    assert answer.returncode == 2
    assert "stranger (tcp" in answer.stderr
    assert told in answer.stderr
    assert "w1" not in answer.stderr
    assert not (tmp_path / "run").exists(), "nothing was measured"


HANGS_AT_ITS_SECOND_CASE = """
    import os, pathlib, time
    sizes = globals().setdefault("_sizes", set())
    sizes.add(x.shape[0])
    if len(sizes) > 1:
        pathlib.Path(f"{FOLDER}/hangs-{os.getpid()}").touch()
        time.sleep(600)
"""


@pytest.mark.slow
def test_on_ctrl_c_workers_stop_and_what_they_measured_is_kept(
    cluster: DaskCluster, write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    body = HANGS_AT_ITS_SECOND_CASE.replace("{FOLDER}", str(tmp_path))
    chosen = options((8, 9, 10), 2, cluster.address)
    client = start(tmp_path, write_kernel(body=body), *chosen)
    assert wait_until(lambda: len(list(tmp_path.glob("hangs-*"))) == 2, 60), "both workers are at it"
    opened = {inode for pid in family(client.pid) for inode in sockets(pid)}
    assert opened, "it is connected"
    assert not opened & listening()
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=30)
    hung = [int(file.name.split("-")[1]) for file in tmp_path.glob("hangs-*")]
    assert not any(map(alive, hung)), "what they had started is gone with the command"
    assert client.returncode == 130, said
    assert "Traceback" not in said
    assert f"--resume run --cluster {cluster.address}" in said
    forks = sorted(fork for _, fork in lines(tmp_path / "run"))
    assert forks == [0, 1], "in each fork the case before the one that hangs"
    again = xpbench("run", tmp_path / "double_file.py", *chosen[:-4], *chosen[-2:], "--dry-run")
    assert again.returncode == 0, "the workers are free again"


CARD = """
import os

from fake_device import FakeDevice


class FakeCard(FakeDevice):
    name = "fakecard"
    home = "cuda"

    def devices(self):
        return ["cuda"]

    def in_force(self):
        return {**super().in_force(), "worker": os.environ["WHICH"]}
"""


@pytest.mark.slow
def test_what_is_on_a_card_is_measured_by_a_worker_that_declares_one(
    tmp_path: Path, write_kernel: Any, xpbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "card.py").write_text(CARD)
    was_here = f"import os, pathlib; pathlib.Path(f'{tmp_path}/' + os.environ['WHICH']).touch()"
    file = write_kernel(body=was_here)
    sizes, forks = (8, 9), 2
    with dask_cluster(tmp_path, workers=0) as cluster:
        for name, resources in (("bare", ()), ("card", ("--resources", "GPU=1"))):
            monkeypatch.setenv("WHICH", name)
            cluster.start_worker(name, *resources)
        both = ("--backend", "card.py", "--baseline", "numpy")
        answer = xpbench("run", file, *options(sizes, forks, cluster.address), *both)
        assert answer.returncode == 0, answer.stderr
        keys = lines(tmp_path / "run")
        assert len(set(keys)) == len(keys) == 2 * len(sizes) * forks
        assert {case.split("/")[1] for case, _ in keys} == {"numpy@cpu", "fakecard@cuda"}
        assert "bare (" in answer.stderr
        assert "sees a card, and gets no case on it" in answer.stderr
        assert (tmp_path / "card").exists()
        assert not (tmp_path / "bare").exists(), "not even the baseline was measured there"

        cluster.kill("card")
        on_card = (*both, "--device", "cuda", "--cluster", cluster.address)
        none = xpbench("run", file, "--size", "n=8", *on_card)
        assert none.returncode == 3
        assert "has the device cuda" in none.stderr


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
