"""A run in jobs, of Slurm or of what stands for it here: every case and fork once."""

import contextlib
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from processes import wait_until
from sweeps import expected, lines, options, start
from xpbench.bench.cluster import slurm_fleet
from xpbench.bench.cluster.block import Block, Expected
from xpbench.bench.cluster.fleet import Lost, Place
from xpbench.bench.commands import on_cluster
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.plan import Settings

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'xpbench[slurm]'")

SIZES, FORKS = tuple(range(8, 68)), 4


def test_a_sweep_in_jobs_is_complete(write_kernel: Any, xpbench: Any, tmp_path: Path) -> None:
    answer = xpbench("run", write_kernel(), *options((8, 9), 1, "local-slurm"))
    assert answer.returncode == 0, answer.stderr
    assert Counter(lines(tmp_path / "run")) == expected((8, 9), 1)


@pytest.mark.parametrize(
    "cluster, words, told",
    [
        ("slurm", (), "there is no sbatch here"),
        ("local-slurm", ("partition",), "expected KEY=VALUE"),
        ("local-slurm", ("at_once=0",), "expected a whole number"),
        ("local-slurm", ("at_once=²",), "expected a whole number"),
        ("local-slurm", (f"time={'9' * 5000}",), "expected a whole number"),
        ("tcp://127.0.0.1:1", ("time=1",), "is for --cluster slurm alone"),
        ("tcp://node1", (), "expected a host and a port"),
        ("tls://:8786", (), "expected a host and a port"),
        ("tcp://[::1", (), "expected a host and a port"),
        ("tcp://node1:99999", (), "expected a host and a port"),
        ("tcp:/node1", (), "expected the address of a Dask scheduler"),
    ],
)
def test_what_names_no_cluster_is_refused_in_words(
    cluster: str, words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(XpbenchError, match=told):
        on_cluster.connect(cluster, words, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def tasks(folder: Path) -> list[int]:
    """The processes in which the jobs of a folder measure."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            if "submitit.core._submit" in words and any(word.startswith(str(folder)) for word in words):
                found.append(int(process.name))
    return found


def kill_the_newest(folder: Path) -> bool:
    """Kills a job that has not answered yet: by the end of one that has, nothing is lost."""
    with contextlib.suppress(ProcessLookupError, ValueError):
        os.kill(max(tasks(folder)), signal.SIGKILL)
        return True
    return False


@pytest.mark.slow
def test_a_sweep_in_jobs_loses_and_doubles_nothing(
    write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    at_once = ("--slurm", "at_once=2")
    client = start(tmp_path, write_kernel(), *options(SIZES, FORKS, "local-slurm"), *at_once)
    assert wait_until(lambda: lines(run) and kill_the_newest(tmp_path), 60)
    killed_at = len(lines(run))
    assert wait_until(lambda: len(lines(run)) > killed_at + len(SIZES) / 2, 120)
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 130, said
    assert "its block is measured elsewhere" in said
    assert "Traceback" not in said
    assert "--resume run --cluster local-slurm --slurm at_once=2" in said
    assert tasks(tmp_path) == [], "no job goes on"
    before = lines(run)
    assert 0 < len(before) < len(SIZES) * FORKS

    again = xpbench(
        *("run", tmp_path / "double_file.py", "--resume", "run", "--cluster", "local-slurm", *at_once)
    )
    assert again.returncode == 0, again.stderr
    assert Counter(lines(run)) == expected(SIZES, FORKS)
    assert lines(run)[: len(before)] == before


class Refuses:
    """Slurm that takes no job, as where a partition is misspelt."""

    def submit(self, *_: Any) -> Any:
        raise RuntimeError("sbatch: error:\nsbatch: error: invalid partition specified: typo")


def test_a_job_that_slurm_refuses_is_a_word(tmp_path: Path) -> None:
    fleet = slurm_fleet.SlurmFleet(Refuses(), "slurm", tmp_path, 1)
    with pytest.raises(XpbenchError, match=r"no job is taken .*invalid partition specified: typo"):
        fleet.ask({})
    block = Block("b", 0, (), Settings(1, 0.01, 1, "ieee", 0, 1.0, "numpy"), Expected("1", {}, {}))
    with pytest.raises(Lost, match=r"takes no job any more .*typo"):
        fleet.send(block, Place("slurm", None, True))


def test_nobody_else_may_write_where_jobs_find_their_work(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        fleet = slurm_fleet.connect("local-slurm", (), tmp_path / "run")
    finally:
        os.umask(before)
    assert fleet.jobs.stat().st_mode & 0o777 == 0o700
    fleet.close()


def test_options_of_slurm_without_it_are_refused(typed: Any) -> None:
    answer = typed("run", "matmul", "--slurm", "partition=cpu")
    assert answer.returncode == 2
    assert "add --cluster slurm" in answer.stderr


def test_answers_of_earlier_commands_are_not_loaded(tmp_path: Path) -> None:
    """A folder may be a stranger's, and the number of the next job can be guessed."""
    first, second = (slurm_fleet.connect("local-slurm", (), tmp_path) for _ in range(2))
    assert first.jobs != second.jobs
    assert first.jobs.parent == second.jobs.parent == tmp_path / slurm_fleet.JOBS


def test_a_command_that_measures_nothing_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    for folder in (tmp_path / "theirs", tmp_path / "new" / "run"):
        fleet = slurm_fleet.connect("local-slurm", (), folder)
        assert fleet.jobs.is_dir()
        fleet.close()
    assert list(tmp_path.rglob("*")) == [tmp_path / "theirs"]
