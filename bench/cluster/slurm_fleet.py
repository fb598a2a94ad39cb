"""The nodes of Slurm as the machines of a run: every block is a job, and Slurm chooses where it runs.

A job checks what is installed where it runs before it measures. Which kind of machine it was is known
when it answers: a partition or a constraint of one kind keeps all forks of a case in one table.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xpbench.bench.cluster import work
from xpbench.bench.cluster.block import Block, Node, Result
from xpbench.bench.cluster.fleet import Ended, Lost, Place
from xpbench.bench.exceptions import XpbenchError, one_line

EXECUTORS = ("slurm", "local-slurm")
"""Slurm itself, and processes of this machine in its place, to try things out."""
JOBS = ".jobs"
"""The folder beside the groups in which jobs find their work, and leave their answers and logs: for each
command a folder whose name nobody could guess, as answers are pickles, which are code."""
AT_ONCE = {"slurm": 64, "local-slurm": 1}
POLL_SECONDS = 0.2
STOP_SECONDS = 5.0
"""How long a command that ends waits for its jobs to be gone."""
DEFAULTS = {"time": "120"}
"""Minutes after which Slurm ends a job: a block takes half a minute, unless a case is slow."""
_WHOLE = re.compile("[0-9]{1,9}")

_Sent = tuple[Any, Block, Place]
"""A job, and the block that it has."""


@dataclass
class SlurmFleet:
    """Use ``connect``. ``at_once`` jobs wait or run at a time.

    ``made`` are the folders, from within, that are taken away again where no job has left anything that
    one may want to see. ``log`` is where jobs of this machine say what they would say in the terminal.
    """

    executor: Any
    name: str
    jobs: Path
    at_once: int
    made: tuple[Path, ...] = ()
    log: Path | None = None
    _to_be_seen: bool = False
    _running: "list[_Sent]" = field(default_factory=list)

    def ask(self, question: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """What a job that is asked for alone finds where Slurm puts it.

        Raises
        ------
        XpbenchError
            If it is refused, or fails; the message says where its log is.
        """
        try:
            job = self._submit(work.describe, dict(question))
        except (RuntimeError, OSError) as fault:
            raise XpbenchError(f"--cluster {self.name}: no job is taken ({_said(fault)})") from None
        try:
            while not job.done():
                time.sleep(POLL_SECONDS)
            answer: Mapping[str, Any] = job.result()
        except KeyboardInterrupt:
            _cancel(job)
            raise
        except Exception as fault:
            self._to_be_seen = True
            raise XpbenchError(
                f"the first job ({job.job_id}) failed ({_said(fault)}): see {self.jobs}"
            ) from None
        return {self.name: answer}

    def require(self, faults_of: Callable[[Node], list[str]]) -> None:
        """Every job sees to it by itself, as ``work.measure`` does."""

    def free(self) -> Sequence[Place]:
        """Room for jobs. Whether they get a card is in the options."""
        return [*self.places()] * (self.at_once - len(self._running))

    def places(self) -> Sequence[Place]:
        return [Place(self.name, None, True)]

    def send(self, block: Block, place: Place) -> None:
        self._to_be_seen = True
        try:
            job = self._submit(work.measure, block.to_json())
        except (RuntimeError, OSError) as fault:
            raise Lost(f"{self.name} takes no job any more ({_said(fault)})") from None
        self._running.append((job, block, Place(f"job {job.job_id}", None, place.card)))

    def _submit(self, function: Callable[..., Any], argument: Mapping[str, Any]) -> Any:
        with _errors_into(self.log) if self.log else nullcontext():
            return self.executor.submit(function, argument)

    def ended(self) -> list[Ended]:
        over = self._take_over()
        if not over:
            time.sleep(POLL_SECONDS)
        return [_ended(job, block, place) for job, block, place in over]

    def stop(self) -> list[Ended]:
        over = self._take_over()
        for job, _, _ in self._running:
            _cancel(job)
        end = time.monotonic() + STOP_SECONDS
        while self._running and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            self._take_over()
        self._running = []
        return [_ended(job, block, place) for job, block, place in over]

    def _take_over(self) -> "list[_Sent]":
        """Takes the jobs that are over out of those that run."""
        over = [sent for sent in self._running if sent[0].done()]
        self._running = [sent for sent in self._running if sent not in over]
        return over

    def notes(self) -> list[str]:
        return []

    def close(self) -> None:
        self.stop()
        if not self._to_be_seen:
            shutil.rmtree(self.jobs, ignore_errors=True)
            for folder in self.made:
                with suppress(OSError):
                    folder.rmdir()


def connect(name: str, options: Sequence[str], folder: Path) -> SlurmFleet:
    """Slurm, or what stands for it; jobs and their logs are kept in ``folder``.

    Raises
    ------
    XpbenchError
        If submitit or Slurm is not installed, or an option has no form or no meaning.
    """
    try:
        import submitit
    except ImportError:
        raise XpbenchError(f"--cluster {name} needs submitit: pip install 'xpbench[slurm]'") from None
    if name == "slurm" and shutil.which("sbatch") is None:
        raise XpbenchError("--cluster slurm: there is no sbatch here: call it where jobs are submitted")
    given = {**DEFAULTS, **_options(options)}
    at_once = _whole("at_once", given.pop("at_once", str(AT_ONCE[name])))
    minutes = _whole("time", given["time"])
    jobs = folder / JOBS / secrets.token_hex(8)
    made = tuple(place for place in jobs.parents if not place.exists())
    # Whoever could write there could have code run by the nodes.
    jobs.mkdir(parents=True, mode=0o700)
    if name == "slurm":
        try:
            executor: Any = submitit.SlurmExecutor(folder=jobs)
        except RuntimeError as fault:
            raise XpbenchError(f"--cluster slurm: {one_line(fault)}") from None
        fleet = SlurmFleet(executor, name, jobs, at_once, made)
        asked: dict[str, Any] = {"job_name": "xpbench", "exclusive": True, **_typed(given)}
    else:
        executor = submitit.LocalExecutor(folder=jobs)
        fleet = SlurmFleet(executor, name, jobs, at_once, made, jobs / "submitit.log")
        asked = {"timeout_min": minutes}
    try:
        executor.update_parameters(**asked)
    except (TypeError, ValueError, NameError) as fault:
        fleet.close()
        raise XpbenchError(f"--slurm: {one_line(fault)}") from None
    return fleet


@contextmanager
def _errors_into(file: Path) -> Iterator[None]:
    """What is started meanwhile writes its errors there: on Ctrl-C every job of this machine would print
    a traceback of submitit's below the word on how to go on."""
    terminal = os.dup(2)
    try:
        with file.open("ab") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _options(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for key, sign, value in pairs:
        if not (key.isidentifier() and sign and value):
            raise XpbenchError(f"--slurm {key}{sign}{value}: expected KEY=VALUE, e.g. partition=gpu")
    return {key: value for key, _, value in pairs}


def _typed(options: Mapping[str, str]) -> dict[str, Any]:
    """Numbers where they are; Slurm takes minutes as ``time``."""
    return {key: int(value) if _WHOLE.fullmatch(value) else value for key, value in options.items()}


def _whole(key: str, value: str) -> int:
    if not _WHOLE.fullmatch(value) or int(value) < 1:
        raise XpbenchError(f"--slurm {key}={value}: expected a whole number of at least 1")
    return int(value)


def _ended(job: Any, block: Block, place: Place) -> Ended:
    try:
        return Ended(block, place, Result.from_json(job.result()))
    except Exception as fault:
        return Ended(block, place, None, f"it failed ({_said(fault)})")


def _said(fault: Exception) -> str:
    """The last line of what a job said, which submitit hands on as a whole."""
    lines = str(fault).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(fault).__name__


def _cancel(job: Any) -> None:
    with suppress(Exception):
        job.cancel()
