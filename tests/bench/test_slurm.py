"""A run in jobs, of Slurm or of what stands for it here: every case and fork once."""

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from processes import wait_until
from sweeps import expected, lines, options, start

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'xpbench[slurm]'")

SIZES = tuple(range(8, 24))


def test_a_sweep_in_jobs_is_complete(write_kernel: Any, xpbench: Any, tmp_path: Path) -> None:
    answer = xpbench("run", write_kernel(), *options((8, 9), 1, "local-slurm"))
    assert answer.returncode == 0, answer.stderr
    assert Counter(lines(tmp_path / "run")) == expected((8, 9), 1)


@pytest.mark.parametrize(
    "cluster, words, told",
    [
        ("slurm", (), "there is no sbatch here"),
        ("local-slurm", ("--slurm", "partition"), "expected KEY=VALUE"),
        ("local-slurm", ("--slurm", "at_once=0"), "expected a whole number"),
        ("tcp:/node1", (), "expected the address of a Dask scheduler"),
    ],
)
def test_what_names_no_cluster_is_refused_in_words(
    cluster: str,
    words: tuple[str, ...],
    told: str,
    write_kernel: Any,
    xpbench: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = xpbench("run", write_kernel(), *options((8,), 1, cluster), *words)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_interrupted_sweep_in_jobs_is_completed(
    write_kernel: Any, xpbench: Any, tmp_path: Path
) -> None:
    forks, run = 4, tmp_path / "run"
    client = start(tmp_path, write_kernel(), *options(SIZES, forks, "local-slurm"))
    assert wait_until(lambda: lines(run), 60)
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 130, said
    assert "--resume run --cluster local-slurm" in said
    assert 0 < len(lines(run)) < len(SIZES) * forks

    again = xpbench("run", tmp_path / "double_file.py", "--resume", "run", "--cluster", "local-slurm")
    assert again.returncode == 0, again.stderr
    assert Counter(lines(run)) == expected(SIZES, forks)
