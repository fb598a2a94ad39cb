"""Which backends can be used on this machine: each library is asked in a process of its own."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.bench import product_bits, registry
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.exceptions import one_line
from xpbench.bench.measurement import as_json
from xpbench.bench.question import PATIENCE_SECONDS, ask
from xpbench.bench.registry import Registry
from xpbench.bench.task import announce

MODULE = "xpbench.bench.probe"


@dataclass(frozen=True)
class State:
    """What a backend found here: its ``devices``, or the ``reason`` why it cannot be used."""

    backend: str
    usable: bool
    reason: str
    devices: tuple[str, ...]
    versions: dict[str, str]


def states(found: Registry, names: Sequence[str], python: str = sys.executable) -> dict[str, State]:
    """The state of the backends called ``names``, in their order, in the interpreter ``python``."""
    libraries: dict[str, list[str]] = {}
    for name in names:
        libraries.setdefault(found.backends[name].library, []).append(name)
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda group: _ask(found, group, python), libraries.values())
        known = {state.backend: state for answer in answers for state in answer}
    return {name: known[name] for name in names}


def _ask(found: Registry, names: Sequence[str], python: str) -> list[State]:
    question = {"backends": list(names), "files": [str(file) for file in found.files]}
    try:
        process = ask(python, MODULE, question)
        answer = json.loads(process.stdout)
    except subprocess.TimeoutExpired:
        return _broken(found, names, f"its import took more than {PATIENCE_SECONDS:g} s")
    except json.JSONDecodeError:
        said = process.stderr.strip().splitlines()
        return _broken(found, names, f"its import failed: {said[-1] if said else process.returncode}")
    return [State(**{**state, "devices": tuple(state["devices"])}) for state in answer]


def in_force(found: Registry, name: str, setting: Setting) -> dict[str, Any]:
    """What the backend called ``name`` reads back in a process that is started as workers are, with the
    ``product_bits`` that its products of float32 keep.

    ``{"fault": ...}`` where it cannot be loaded.
    """
    backend = found.backends[name]
    asked = {"load": name, "setting": vars(setting), "files": [str(file) for file in found.files]}
    try:
        process = ask(sys.executable, MODULE, asked, backend.environment(setting))
        answer: dict[str, Any] = json.loads(process.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return {"fault": f"{backend.library} could not be loaded"}
    return answer


def _broken(found: Registry, names: Sequence[str], reason: str) -> list[State]:
    return [State(name, False, reason, (), found.backends[name].versions()) for name in names]


def _answer(backend: Backend) -> dict[str, Any]:
    reason = backend.unusable()
    devices = () if reason else tuple(map(str, backend.devices()))
    return vars(State(backend.name, reason is None, reason or "", devices, backend.versions()))


def _loaded(backend: Backend, setting: Setting) -> dict[str, Any]:
    try:
        backend.load(setting)
        read: dict[str, Any] = as_json(backend.in_force())
        # What a library cannot multiply is unknown, and it has loaded all the same.
        with contextlib.suppress(Exception):
            read["product_bits"] = round(product_bits.measure(backend), 1)
        return read
    except Exception as error:
        return {"fault": one_line(error)}


def main(question: str) -> None:
    """Answers for the backends named in ``question`` on standard output."""
    say = announce()
    asked = json.loads(question)
    found = registry.find([Path(file) for file in asked["files"]])
    if "load" in asked:
        say(_loaded(found.backend(asked["load"]), Setting(**asked["setting"])))
        return
    answers = []
    for name in asked["backends"]:
        try:
            answers.append(_answer(found.backend(name)))
        except Exception as error:  # one broken backend must not hide the others of its library
            reason = f"its backend raised {type(error).__name__}: {error}"
            answers.append(vars(State(name, False, reason, (), {})))
    say(answers)


if __name__ == "__main__":
    main(sys.argv[1])
