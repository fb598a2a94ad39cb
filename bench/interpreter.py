"""What is installed in another Python: can it measure, and what would it measure?"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.question import PATIENCE_SECONDS, ask
from xpbench.bench.task import announce


@dataclass(frozen=True)
class Interpreter:
    """A Python with xpbench in it; ``sources`` holds its version, and digests of what it measures."""

    executable: str
    python: str
    sources: dict[str, str]


def find(path: str, files: Sequence[Path], kernels: Sequence[str]) -> Interpreter:
    """The interpreter at ``path``, which may also be the folder of a virtual environment.

    Raises
    ------
    XpbenchError
        If there is none, or it has no xpbench, or one too old, or lacks one of ``kernels``.
    """
    executable = _executable(path)
    question = {"files": [str(file) for file in files], "kernels": list(kernels)}
    try:
        answer = ask(executable, "xpbench.bench.interpreter", question)
    except OSError as error:
        raise XpbenchError(f"{path} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise XpbenchError(f"{path} did not answer in {PATIENCE_SECONDS:g} s") from None
    try:
        found = json.loads(answer.stdout)
        if "fault" in found:
            raise XpbenchError(f"{path}: {found['fault']}")
        return Interpreter(executable, found["python"], found["sources"])
    except (ValueError, TypeError, KeyError):
        said = answer.stderr.strip().splitlines()
        raise XpbenchError(
            f"{path} has no xpbench that could measure ({said[-1] if said else 'it said nothing'}): "
            f"{executable} -m pip install xpbench"
        ) from None


def _executable(path: str) -> str:
    place = Path(path)
    if place.is_dir():
        inside = [place / "bin" / "python", place / "Scripts" / "python.exe"]
        for candidate in inside:
            if candidate.exists():
                return str(candidate.absolute())
        raise XpbenchError(f"{path} is a folder without bin/python: name a Python or its environment")
    if not place.exists():
        raise XpbenchError(f"{path} does not exist: name a Python, e.g. .venv/bin/python")
    if not os.access(place, os.X_OK):
        raise XpbenchError(f"{path} is not a program: name a Python, e.g. .venv/bin/python")
    # The link is kept: what it leads to is the Python outside the environment.
    return str(place.absolute())


def main(question: str) -> None:
    """Answers on standard output for the interpreter that runs this."""
    from xpbench.bench import registry, sources

    say = announce()
    asked: dict[str, Any] = json.loads(question)
    try:
        found = registry.find([Path(file) for file in asked["files"]])
        digests = sources.digests(found, asked["kernels"])
    except XpbenchError as fault:
        say({"fault": str(fault)})
        return
    say({"python": platform.python_version(), "sources": digests})


if __name__ == "__main__":
    main(sys.argv[1])
