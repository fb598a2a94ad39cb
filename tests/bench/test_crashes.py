"""Parent or worker is killed at any moment and the run resumed: no record is lost or made twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from processes import wait_until
from xpbench.bench import descendants, journal

KERNELS, FORKS = 2, 2
QUICK, MANY = 10, 200
LONGEST = 5.0
"""Seconds after which the runs of this test are over on any machine: kills come before, and at times
too late, which is a moment like any other."""
SEEDS = [pytest.param(seed, marks=pytest.mark.slow if seed >= QUICK else ()) for seed in range(MANY)]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "xpbench", "run", *arguments, "--quiet"]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return subprocess.Popen(command, cwd=folder, env=environment | {"TMPDIR": str(folder)}, **quiet)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def keys(folder: Path) -> list[tuple[str, int]]:
    """Case and fork of every whole record there is now."""
    try:
        return [m.key for m in journal.read(folder).measurements]
    except journal.XpbenchError:
        return []


@pytest.mark.parametrize("seed", SEEDS)
def test_no_record_is_lost_or_made_twice_whenever_what_is_killed(
    seed: int, write_kernel: Any, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    files = [str(write_kernel(f"k{number}")) for number in range(KERNELS)]
    options = ["--backend", "numpy", "--size", "small", "--no-roofs", "--out", "run"]
    options += ["--forks", str(FORKS), "--time", "0.02"]
    run = tmp_path / "run"
    arguments, seen = [*files, *options], set[tuple[str, int]]()
    for _ in range(draw.randint(1, 3)):
        parent = start(tmp_path, *arguments)
        time.sleep(draw.uniform(0.0, LONGEST))
        if draw.random() < 0.5:
            for worker in children(parent.pid):
                os.kill(worker, signal.SIGKILL)
            parent.wait(120)
        else:
            parent.kill()
            parent.wait()
        done = set(keys(run))
        assert seen <= done, "a record that was there is there no more"
        seen = done
        if (run / "run.json").exists():
            arguments = [*files, "--resume", "run"]
    resumed = start(tmp_path, *arguments)
    assert resumed.wait(240) == 0

    lines = (run / "journal.jsonl").read_bytes().splitlines()
    whole = journal.read(run)
    expected = {(f"k{k}[n=8]/numpy@cpu/float32", fork) for k in range(KERNELS) for fork in range(FORKS)}
    assert {m.key for m in whole.measurements} == expected
    assert {m.status for m in whole.measurements} == {"ok"}
    assert len(whole.damaged) <= 3, "at most one torn line a kill"
    records = [m for line in lines if (m := read(line)) is not None]
    first = {m.key: m for m in reversed(records)}
    for key, count in Counter(m.key for m in records).items():
        assert count == 1 or (count == 2 and first[key].disturbed), key
    assert wait_until(lambda: not list(tmp_path.glob("xpbench-*"))), "no scratch folder is left"
    assert not (run / "run.lock").exists()
    assert descendants.marked(descendants.OWN) == []


def read(line: bytes) -> Any:
    from xpbench.bench import log
    from xpbench.bench.measurement import Measurement

    try:
        return Measurement.from_json(log.opened(line, sealed=True))
    except log.Damaged:
        return None
