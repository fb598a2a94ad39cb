"""Does a default run cost more than pytest-benchmark driven by hand, for the same certainty?

By hand means: a test file with one ``benchmark(call)`` for each case of a default run, which is how
pytest-benchmark is used out of the box, in as many fresh processes as a default run has forks, one
backend a process. Both sides take turns, a part of the forks each. Ours is all of a default run: asking
the backends, oracles, roofs, and a check of every result, which the side by hand has not. Printed are
the wall time of each side, the median width of the exact interval of the median over forks, and the wall
time that the side by hand would need for the width of ours: an interval narrows with the square root of
the number of forks.

    python benchmarks/against_pytest_benchmark.py [--forks 8] [--turns 4] [--backend numpy]
"""

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from xpbench.bench import beginning, journal, preparation, runner, stats
from xpbench.bench.plan import Request

BY_HAND = """
import functools
import json
import os

import numpy
import pytest
from xpbench import Setting
from xpbench.bench import clock, registry
from xpbench.bench.case import Case

FOUND = registry.find()
CASES = [Case.from_json(record) for record in json.loads(os.environ["CASES"])]
BACKEND = FOUND.backend(CASES[0].backend)
BACKEND.load(Setting(threads=CASES[0].threads))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(benchmark, case):
    kernel = FOUND.kernel(case.kernel)
    drawn = clock.as_sequence(kernel.inputs(numpy.random.default_rng(0), **dict(case.size)))
    cast = [a.astype(case.dtype) if a.dtype.kind == "f" else a for a in map(numpy.asarray, drawn)]
    arrays = [BACKEND.put(array) for array in cast]
    static = kernel.static_of(dict(case.size))
    function = BACKEND.compile(functools.partial(kernel.compute, BACKEND.xp, **static))
    call = clock.synchronous(function, BACKEND.wait if BACKEND.asynchronous else None)
    call(*arrays)
    benchmark(call, *arrays)
"""


def by_hand(folder: Path, cases: list[dict[str, object]], threads: int) -> dict[str, float]:
    """One process of pytest-benchmark: the median of every case, in seconds."""
    answer = folder / "answer.json"
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"), str(threads))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(folder / "test_by_hand.py"),
    ]
    environment = os.environ | variables | {"CASES": json.dumps(cases)}
    subprocess.run(
        [*command, f"--benchmark-json={answer}", "--benchmark-disable-gc"],
        env=environment,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stored = json.loads(answer.read_text())["benchmarks"]
    return {entry["param"]: entry["stats"]["median"] for entry in stored}


def width(forks: list[float]) -> float:
    """The width of the interval of the median, relative to it."""
    found = stats.location(forks)
    assert found.low is not None
    assert found.high is not None
    return (found.high - found.low) / found.value


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--forks", type=int, default=8)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--backend", action="append", default=[])
    options = parser.parse_args()
    began = time.perf_counter()
    prepared = preparation.prepare([], Request(backends=tuple(options.backend)), forks=options.forks)
    by_backend: dict[str, list[dict[str, object]]] = {}
    for case in prepared.runnable:
        by_backend.setdefault(case.backend, []).append(case.to_json())
    hand: dict[str, list[float]] = {}
    wall = {"ours": time.perf_counter() - began, "by hand": 0.0}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "test_by_hand.py").write_text(BY_HAND)
        (folder / "pytest.ini").write_text("[pytest]\n")
        run = beginning.begin(prepared, folder / "run")
        edges = [round(turn * options.forks / options.turns) for turn in range(options.turns + 1)]
        for first, last in itertools.pairwise(edges):
            start = time.perf_counter()
            runner.execute(replace(prepared.job(run), forks=range(first, last)), runner.Silent())
            wall["ours"] += time.perf_counter() - start
            start = time.perf_counter()
            for cases in [*by_backend.values()] * (last - first):
                for name, median in by_hand(folder, cases, prepared.settings.threads).items():
                    hand.setdefault(name, []).append(median)
            wall["by hand"] += time.perf_counter() - start
            print(f"{last} forks: ours {wall['ours']:.0f} s, by hand {wall['by hand']:.0f} s so far")
        ours: dict[str, list[float]] = {}
        for m in journal.read(run).measurements:
            ours.setdefault(str(m.case), []).append(stats.fork_summary(m.samples))
    widths = {
        "ours": statistics.median(width(forks) for forks in ours.values()),
        "by hand": statistics.median(width(forks) for forks in hand.values()),
    }
    for side in wall:
        print(
            f"{side:>8}: {wall[side]:6.0f} s of wall time, median width of intervals {widths[side]:.1%}"
        )
    same = wall["by hand"] * (widths["by hand"] / widths["ours"]) ** 2
    print(f"for our width, by hand needs {same / wall['ours']:.1f} times our time ({math.ceil(same)} s)")


if __name__ == "__main__":
    main()
