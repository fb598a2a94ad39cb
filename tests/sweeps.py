"""Sweeps of the kernel ``double`` over several machines, as a user starts them, and what they leave."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from xpbench.bench import groups, journal, log
from xpbench.bench.measurement import Measurement


def options(sizes: tuple[int, ...], forks: int, address: str) -> list[str]:
    chosen = [word for n in sizes for word in ("--size", f"n={n}")]
    timed = ["--backend", "numpy", "--no-roofs", "--forks", str(forks), "--time", "0.02"]
    return [*chosen, *timed, "--out", "run", "--cluster", address]


def start(folder: Path, *arguments: str | Path) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return subprocess.Popen(
        [sys.executable, "-m", "xpbench", "run", *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(run: Path) -> list[tuple[str, int]]:
    """Case and fork of every line of the journals there are now, a retried one twice."""
    return [
        Measurement.from_json(log.opened(line, sealed=True)).key
        for group in groups.groups_in(run)
        for _, line in log.lines(group / journal.JOURNAL)
    ]


def expected(sizes: tuple[int, ...], forks: int) -> Counter[tuple[str, int]]:
    keys = ((f"double[n={n}]/numpy@cpu/float32", fork) for n in sizes for fork in range(forks))
    return Counter(keys)
