"""What does a long run cost beside its measuring? Of 10,000 cases, a hundred forks, a million records.

Writes journals of a growing number of records, with rounds as a real run has them, and prints for each
how long it takes to append a record with its flush to the disk, to find out what is left of the run, to
load it and to make its table, and how much memory that takes at most. Each figure is taken in a process
of its own. The last column is the cost of a record against that in the smallest journal: 1 where the
cost grows with the records.

    python benchmarks/long_runs.py [--records 1000000] [--cases 10000] [--rounds 12]
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from xpbench.bench import journal, log
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement

BACKENDS = ("numpy", "torch", "jax", "jax-eager")
APPENDED = 300
"""Records that are appended with their flush: a million would take an hour and tell the same."""


def cases_of(count: int) -> list[Case]:
    """``count`` cases on four backends, at sizes that go up."""
    return [
        Case(f"kernel{n % 100}", (("n", 2 + n // 400),), "", BACKENDS[n // 100 % 4], "cpu", "float32", 2)
        for n in range(count)
    ]


def write(folder: Path, cases: list[Case], forks: int, rounds: int) -> None:
    """A run of so many forks of each case, without the flush after every record."""
    kernels = {
        case.kernel: {"chapter": "user", "title": case.kernel, "error_unit": "eps"} for case in cases
    }
    header = {
        "name": folder.name,
        "checksums": "crc32",
        "settings": {"forks": forks, "baseline": "numpy", "threads": 2, "precision": "ieee"},
        "versions": {"numpy": {"numpy": "2.4.6"}},
        "machine": {"id": "1a2b3c4d", "cpu": "A Processor", "cores": 2},
        "kernels": kernels,
        "cases": [case.to_json() for case in cases],
    }
    journal.create(folder, header)
    draw = random.Random(0)
    with (folder / journal.JOURNAL).open("wb") as file:
        for fork in range(forks):
            for case in cases:
                file.write(log.sealed(record(case, fork, rounds, draw).to_json()) + b"\n")


def record(case: Case, fork: int, rounds: int, draw: random.Random) -> Measurement:
    """A measurement as a worker makes it."""
    level = draw.uniform(0.9, 1.1) * 1e-4 * (1 + BACKENDS.index(case.backend))
    samples = tuple(level * draw.uniform(1, 1.02) for _ in range(rounds))
    return Measurement(
        case, fork, "ok", samples=samples, iterations=20, first_call_s=1e-3, cold=fork == 0,
        transfer_s=1e-5, compute_dtype="float32", errors={"forward": (draw.random(), 8.0)},
        traffic_bytes=4e4, in_force={"threads": 2, "anchor_compute_s": 0.0123}, pressure=0.01,
        others=0.01, switches=1, spent={"first_call": 1e-3, "warm_up": 1e-2, "rounds": 0.05},
    )  # fmt: skip


def resume(folder: Path) -> None:
    from xpbench.bench.remaining import progress_of

    assert progress_of(folder).done


def load(folder: Path) -> None:
    assert journal.read(folder, rounds=False).measurements


def load_rounds(folder: Path) -> None:
    assert journal.read(folder).measurements


def table(folder: Path) -> None:
    from xpbench.bench.report.summary import summarise

    assert len(summarise([journal.read(folder, rounds=False)]))


ACTS: dict[str, Callable[[Path], None]] = {
    "resume": resume,
    "load": load,
    "load with rounds": load_rounds,
    "table": table,
}


def cost(act: str, folder: Path) -> tuple[float, float]:
    """Seconds and bytes of an act in a process of its own."""
    command = [sys.executable, __file__, "--act", act, str(folder)]
    seconds, peak = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return float(seconds), float(peak)


def perform(act: str, folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    ACTS[act](folder)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([seconds, 1024 * (peak - before)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=12, help="timed rounds a record")
    parser.add_argument("--act", choices=ACTS, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.act:
        perform(options.act, options.folder)
        return
    forks = max(1, options.records // options.cases)
    smallest: dict[str, float] = {}
    head = f"{'cases':>7}{'records':>10}{'MB':>7}  {'what':18}{'seconds':>9}"
    print(f"{head}{'us/record':>11}{'MB':>8}{'x':>6}")
    for count in (options.cases // 16, options.cases // 4, options.cases):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            write(folder, cases_of(count), forks, options.rounds)
            size = (folder / journal.JOURNAL).stat().st_size / 1e6
            for act in ACTS:
                seconds, peak = cost(act, folder)
                each = 1e6 * seconds / (count * forks)
                growth = each / smallest.setdefault(act, each)
                left = f"{count:>7}{count * forks:>10}{size:>7.0f}"
                print(
                    f"{left}  {act:18}{seconds:>9.1f}{each:>11.1f}{peak / 1e6:>8.0f}{growth:>6.2f}",
                    flush=True,
                )
            start = time.perf_counter()
            with (folder / journal.JOURNAL).open("rb") as file:
                first = Measurement.from_json(log.opened(file.readline()))
            for _ in range(APPENDED):
                journal.append(folder, first)
            each = 1e6 * (time.perf_counter() - start) / APPENDED
            growth = each / smallest.setdefault("append", each)
            print(f"{left}  {'append and flush':18}{'':9}{each:>11.1f}{'':8}{growth:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
