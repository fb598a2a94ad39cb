"""What a parent asks of a worker, and how the worker answers while it works."""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from xpbench.bench import descendants
from xpbench.bench.backend import Setting
from xpbench.bench.case import Case


@dataclass(frozen=True)
class Task:
    """The cases one process measures, in their order, and how.

    ``seconds`` is the time of timed rounds a case; zero means that results are judged and nothing
    is timed, and outputs are kept in ``outputs`` for a comparison between backends. ``cold`` holds the
    ids of the cases that find the compile caches empty, ``cache`` is ``cold`` where the caches of the
    device are emptied before every call, ``roofs`` are the dtypes in which the process measures, after
    its last case, what the machine can do at most. ``energy`` asks for calls of every case over two
    seconds, between two events ``energy``, while the parent reads the card's counter. Where ``profiled``
    is true, the cases are neither judged nor timed but called under the library's profiler, which would
    slow down what follows.
    """

    cases: tuple[Case, ...]
    files: tuple[Path, ...]
    backend: str
    setting: Setting
    run: Path
    data: Path
    outputs: Path
    seed: int
    fork: int
    seconds: float
    cold: tuple[str, ...] = ()
    cache: str = "hot"
    profiled: bool = False
    roofs: tuple[str, ...] = ()
    energy: bool = False

    def write(self, path: Path) -> None:
        """Leaves out what is at its default: who reads it may be an xpbench that did not know it yet."""
        usual = {part.name: part.default for part in fields(self)}
        asked = {name: value for name, value in asdict(self).items() if value != usual[name]}
        record = asked | {"cases": [case.to_json() for case in self.cases]}
        path.write_text(json.dumps(record, default=str))

    @classmethod
    def read(cls, path: Path) -> "Task":
        record = json.loads(path.read_text())
        record["cases"] = tuple(Case.from_json(case) for case in record["cases"])
        record["files"] = tuple(Path(file) for file in record["files"])
        record["setting"] = Setting(**record["setting"])
        for name in ("run", "data", "outputs"):
            record[name] = Path(record[name])
        for name in ("cold", "roofs"):
            record[name] = tuple(record.get(name, ()))
        return cls(**record)


def announce() -> Callable[..., None]:
    """A function that sends one answer, as a line of JSON, to the parent.

    Standard output becomes the parent's alone: whatever a library or a kernel prints goes to
    standard error from here on.
    """
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(answer: Any = None, /, **event: Any) -> None:
        channel.write(json.dumps(event if answer is None else answer) + "\n")

    return say


def die_with_parent(parent: int | None = None) -> None:
    """Asks Linux to kill this process when its parent dies, which is the run unless another is named;
    elsewhere it is left to the parent."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    of_run = os.environ.get(descendants.MARK, "").partition("-")[0]
    expected = str(parent or of_run)
    if expected and expected != str(os.getppid()):
        # It died while we started, too early for the signal.
        os._exit(1)
