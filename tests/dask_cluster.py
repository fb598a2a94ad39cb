"""A Dask scheduler and workers on loopback, as real processes, for the tests."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from processes import wait_until

UNSEEN = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""Without a dashboard there are pages of their state all the same, and else on every address."""
QUIET = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30 s"}


@dataclass
class DaskCluster:
    """``start_worker`` adds one; ``kill`` ends a process as a power cut would."""

    folder: Path
    address: str = ""
    scheduler: "subprocess.Popen[bytes] | None" = None
    workers: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def _start(self, name: str, *arguments: str, path: Path | None = None) -> "subprocess.Popen[bytes]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        environment |= QUIET | {"TMPDIR": str(self.folder)}
        if path is not None:
            before = environment.get("PYTHONPATH", "")
            environment["PYTHONPATH"] = f"{path}{os.pathsep}{before}"
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def start_scheduler(self, port: int = 0) -> None:
        options = ("--host", "127.0.0.1", "--port", str(port), *UNSEEN)
        self.scheduler = self._start("scheduler", "distributed.cli.dask_scheduler", *options)
        assert wait_until(lambda: "Scheduler at:" in self.said("scheduler"), 30), self.said("scheduler")
        line = next(line for line in self.said("scheduler").splitlines() if "Scheduler at:" in line)
        self.address = line.split()[-1]

    def start_worker(self, name: str, *options: str, threads: int = 1, path: Path | None = None) -> None:
        self.workers[name] = self._start(
            name,
            "distributed.cli.dask_worker",
            self.address,
            *("--nthreads", str(threads), "--name", name, "--host", "127.0.0.1"),
            *("--no-nanny", *UNSEEN, "--local-directory", str(self.folder), *options),
            path=path,
        )
        assert wait_until(lambda: "Registered to:" in self.said(name), 30), self.said(name)

    def kill(self, name: str) -> None:
        process = self.scheduler if name == "scheduler" else self.workers.pop(name)
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        # Workers before the scheduler, which they would wait for.
        for process in (*self.workers.values(), self.scheduler):
            if process is not None and process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                process.kill()
                process.wait()


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[DaskCluster]:
    """A scheduler with so many workers, called w1, w2, ..."""
    cluster = DaskCluster(folder)
    try:
        cluster.start_scheduler()
        for number in range(workers):
            cluster.start_worker(f"w{number + 1}")
        yield cluster
    finally:
        cluster.close()
