"""Is the time we report the time a user would find? Our rounds against plain ``timeit``, turn by turn.

In each of ten fresh processes the smallest ``matmul`` on NumPy is timed alternately by the path a run
takes (the kernel bound to its namespace, pytest-benchmark's pedantic rounds) and by ``timeit`` of the
same call. Prints the ratio of the two medians for each process, and the median of those.

    python benchmarks/against_timeit.py [--processes 10] [--turns 20]
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path
from typing import Any

import numpy
import pytest

from xpbench import Setting
from xpbench.bench import clock, registry

SECONDS = 0.02


class Turns:
    """A pytest plug-in: every turn times ours, then ``timeit``'s."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.ours: list[float] = []
        self.theirs: list[float] = []
        found = registry.find()
        backend = found.backend("numpy")
        backend.load(Setting(threads=1))
        kernel = found.kernel("matmul")
        size = next(iter(kernel.sizes.values()))
        drawn = kernel.inputs(numpy.random.default_rng(0), **size)
        self.arrays = [backend.put(array.astype("float32")) for array in drawn]
        self.call = backend.compile(functools.partial(kernel.compute, backend.xp))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        metafunc.parametrize("turn", range(self.turns))

    @pytest.fixture
    def measure(self, benchmark: Any) -> Any:
        a, b = self.arrays

        def measure(turn: int) -> None:
            seconds = clock.warm_up(self.call, self.arrays, SECONDS)
            plan = clock.plan_rounds(seconds, SECONDS)
            repeat = functools.partial(
                timeit.repeat,
                "matmul(a, b)",
                globals={"matmul": numpy.matmul, "a": a, "b": b},
                number=plan.iterations,
                repeat=plan.rounds,
            )
            if turn % 2:
                self.theirs.append(statistics.median(repeat()) / plan.iterations)
            benchmark.pedantic(self.call, self.arrays, rounds=plan.rounds, iterations=plan.iterations)
            self.ours.append(statistics.median(benchmark.stats.stats.data))
            if not turn % 2:
                self.theirs.append(statistics.median(repeat()) / plan.iterations)

        return measure


def one_process(turns: int) -> None:
    plugin = Turns(turns)
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_turns.py"
        test.write_text("def test_turn(turn, measure):\n    measure(turn)\n")
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")
        arguments = [str(test), "-c", f"{folder}/pytest.ini", "-q", "--benchmark-disable-gc"]
        arguments += ["-p", "no:cacheprovider", "-p", "pytest_benchmark.plugin"]
        code = pytest.main(arguments, plugins=[plugin])
    if code:
        raise SystemExit(int(code))
    print(json.dumps([statistics.median(plugin.ours), statistics.median(plugin.theirs)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        one_process(options.turns)
        return
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, __file__, "--child", "--turns", str(options.turns)]
    ratios = []
    for number in range(options.processes):
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        ours, theirs = json.loads(answer.stdout.strip().splitlines()[-1])
        ratios.append(ours / theirs)
        times = f"ours {ours * 1e6:.2f} us, timeit {theirs * 1e6:.2f} us"
        print(f"process {number}: {times}, ratio {ratios[-1]:.3f}")
    print(f"median ratio over {len(ratios)} processes: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
