"""What does our timing add to a call? A kernel that does nothing, timed as a run times every kernel.

In each of five fresh processes an empty function on NumPy goes the way of a run (bound to its namespace,
pytest-benchmark's pedantic rounds). Prints nanoseconds a call for each process, and the median.

    python benchmarks/empty_kernel.py [--processes 5]
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from xpbench.bench import beginning, journal, preparation, runner, stats
from xpbench.bench.plan import Request

EMPTY = '''
from xpbench import Kernel


def empty(xp, x):
    """Its own input."""
    return x


Kernel(
    compute=empty,
    inputs=lambda rng, n: (rng.standard_normal(n),),
    reference=lambda x: x,
    sizes={"small": {"n": 1}},
)
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--processes", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "empty_kernel_file.py"
        file.write_text(EMPTY)
        request = Request(backends=("numpy",))
        prepared = preparation.prepare([str(file)], request, forks=options.processes, roofs=False)
        run = beginning.begin(prepared, Path(scratch) / "run")
        runner.execute(prepared.job(run), runner.Silent())
        times = [stats.fork_summary(m.samples) for m in journal.read(run).measurements]
    for number, seconds in enumerate(times):
        print(f"process {number}: {seconds * 1e9:.0f} ns a call")
    print(f"median over {len(times)} processes: {statistics.median(times) * 1e9:.0f} ns a call")


if __name__ == "__main__":
    main()
