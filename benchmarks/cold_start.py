"""How long from `xpbench run matmul` to the first number, and where does it go?

Each backend is started on its own, with an empty cache of compiled code, and all in turn a few times.
Printed are medians in seconds; the shares are of one process that notes when it gets where.

    imports     Python, and what of xpbench a run needs
    asking      which devices the library finds, in a process of its own that imports it
    data        inputs and oracle, in a process of its own
    worker      Python, pytest, the library, in the process that measures
    first call  of the kernel, compilation included
    rest        warm-up, rounds, the checks, the record on the disk
    all         from the start to the record of the first case

    python benchmarks/cold_start.py [--times 5] [--backend numpy ...]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BACKENDS = ("numpy", "torch", "jax", "torch-compile")
COLUMNS = ("imports", "asking", "data", "worker", "first call", "rest", "all")


def noted(backend: str, folder: Path, began: float) -> dict[str, float]:
    """Measures matmul on ``backend``, in a process that was started at ``began``; seconds by column."""
    from xpbench.bench import beginning, journal, preparation, runner
    from xpbench.bench.plan import Request

    class Clock(runner.Observer):
        """Notes when the process that measures was started, and the first case began and ended."""

        def __init__(self) -> None:
            self.at: dict[str, float] = {}

        def _note(self, what: str) -> None:
            self.at.setdefault(what, time.time())

        def phase(self, name: str, act: str, place: str) -> None:
            self._note("worker")

        def started(self, case: str, fork: int) -> None:
            self._note("started")

        def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
            self._note("finished")

    clock, imported = Clock(), time.time()
    request = Request(backends=(backend,), sizes=("small",))
    prepared = preparation.prepare(["matmul"], request, forks=1, seconds=0.05, roofs=False)
    run = beginning.begin(prepared, folder)
    asked = time.time()
    runner.execute(prepared.job(run), clock)
    first_call = journal.read(run).measurements[0].first_call_s or 0.0
    return {
        "imports": imported - began,
        "asking": asked - imported,
        "data": clock.at["worker"] - asked,
        "worker": clock.at["started"] - clock.at["worker"],
        "first call": first_call,
        "rest": clock.at["finished"] - clock.at["started"] - first_call,
        "all": clock.at["finished"] - began,
    }


def started(backend: str) -> dict[str, float]:
    """The seconds of one start, by column."""
    with tempfile.TemporaryDirectory() as scratch:
        told = [str(Path(scratch) / "run"), str(time.time())]
        command = [sys.executable, __file__, "--backend", backend, "--noted", *told]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--backend", action="append")
    parser.add_argument("--noted", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.noted:
        folder, began = options.noted
        print(json.dumps(noted(options.backend[0], Path(folder), float(began))))
        return
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.times):
        for backend in options.backend or BACKENDS:
            found.setdefault(backend, []).append(started(backend))
    print(f"{'':<14}" + "".join(f"{name:>12}" for name in COLUMNS))
    for backend, starts in found.items():
        medians = [statistics.median(start[name] for start in starts) for name in COLUMNS]
        print(f"{backend:<14}" + "".join(f"{seconds:>10.2f} s" for seconds in medians))


if __name__ == "__main__":
    main()
