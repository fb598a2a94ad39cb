"""What one machine is asked to measure at a time, and what it answers.

A block is a chunk of one fork in all its environments, back to back on one machine: a ratio is never
taken between machines. ``measure`` is what a cluster runs; it can be imported, and takes and gives JSON.

It is no other way of measuring than a local run's: it calls ``runner.execute`` with a job of one fork,
into a folder of its own. The seam is ``scratch.Scratch``: a local run opens one for its length, a
process of a cluster keeps one as long as it lives, so that inputs and oracles are made once a process.
A local run does what it did before, with no detour through JSON. Second turns are given where a fork
ends, which here is where a block ends.
"""

import atexit
import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import xpbench
from xpbench.bench import journal, machine, memory, probe, registry, runner, scratch, sources
from xpbench.bench.case import Case
from xpbench.bench.device import kind_of
from xpbench.bench.header import SEALED
from xpbench.bench.job import Job
from xpbench.bench.measurement import as_json
from xpbench.bench.plan import Settings
from xpbench.bench.registry import Registry
from xpbench.bench.runner import Observer
from xpbench.bench.scratch import Scratch

MALLOC = "MALLOC_TRIM_THRESHOLD_"
"""Dask sets this variable for its workers, which makes memory dearer than where xpbench runs alone."""


@dataclass(frozen=True)
class Expected:
    """What must be installed: the version of ``xpbench``, a digest of each of its ``sources``, and by
    backend the ``versions`` of its libraries."""

    xpbench: str
    sources: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Block:
    """Cases of one fork. ``files`` are the texts of the user's files by the names that a run keeps."""

    name: str
    fork: int
    cases: tuple[Case, ...]
    settings: Settings
    expected: Expected
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_card(self) -> bool:
        return any(kind_of(case.device) == "cuda" for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"cases": [case.to_json() for case in self.cases]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Block":
        return cls(
            **{
                **record,
                "cases": tuple(Case.from_json(case) for case in record["cases"]),
                "settings": Settings(**record["settings"]),
                "expected": Expected(**record["expected"]),
            }
        )


@dataclass(frozen=True)
class Result:
    """What a machine saw of a block: records as the logs of a run hold them, one for a case and fork.

    ``differs`` names what is not installed as expected; then nothing was measured.
    """

    machine: Mapping[str, Any]
    differs: tuple[str, ...] = ()
    measurements: tuple[Mapping[str, Any], ...] = ()
    roofs: tuple[Mapping[str, Any], ...] = ()
    profiles: tuple[Mapping[str, Any], ...] = ()
    cards: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """What a machine tells of itself before anything is measured; ``states`` by backend, as
    ``probe.State`` has them, ``memory`` in bytes."""

    machine: Mapping[str, Any]
    xpbench: str
    sources: Mapping[str, str]
    states: Mapping[str, Mapping[str, Any]]
    memory: int | None = None


@dataclass
class _Notes(Observer):
    """Keeps what is to be told."""

    told: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.told.append(text)


def describe(question: Mapping[str, Any]) -> dict[str, Any]:
    """The ``Node`` that this machine is, as JSON; asked are ``backends``, of ``files`` too."""
    found = _registry(question["files"])
    states = probe.states(found, question["backends"])
    told = {name: vars(state) for name, state in states.items()}
    node = Node(machine.describe(), xpbench.__version__, sources.of_package(), told, memory.limit())
    record: dict[str, Any] = as_json(vars(node))
    return record


def measure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Measures a ``Block`` that is given as JSON, and gives the ``Result`` as JSON."""
    block = Block.from_json(asked)
    os.environ.pop(MALLOC, None)
    found = _registry(block.files)
    installed = {name: found.backend(name).versions() for name in block.expected.versions}
    here = Expected(xpbench.__version__, sources.of_package(), installed)
    if faults := differences(block.expected, here):
        result = Result(machine.describe(), tuple(faults))
    else:
        result = _measured(block, found, _place(f"{block.settings.seed} {sorted(block.files.items())}"))
    record: dict[str, Any] = as_json(vars(result))
    return record


def result_of(answer: Mapping[str, Any]) -> Result:
    """The result that ``measure`` gave as JSON."""
    told: dict[str, Any] = {
        name: tuple(part) if isinstance(part, list) else part for name, part in answer.items()
    }
    return Result(**told)


def differences(expected: Expected, here: Expected) -> list[str]:
    """What is installed ``here`` otherwise than ``expected``, in words."""
    if here.xpbench != expected.xpbench:
        return [f"has xpbench {here.xpbench}, and the plan was made by {expected.xpbench}"]
    names = expected.sources.keys() | here.sources.keys()
    changed = sorted(n for n in names if expected.sources.get(n) != here.sources.get(n))
    faults = [f"has another {', '.join(changed[:3])} than the plan was made with"] if changed else []
    for backend, versions in expected.versions.items():
        now = here.versions.get(backend, {})
        if dict(now) != dict(versions):
            faults.append(f"has {_list(now)}, and the plan was made for {_list(versions)}")
    return faults


def _list(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing of it"


def _measured(block: Block, found: Registry, place: Scratch) -> Result:
    run = place.folder / "runs" / str(next(_numbers))
    journal.create(run, {"checksums": SEALED})
    forks = range(block.fork, block.fork + 1)
    job = Job(run, found, block.cases, block.settings, forks=forks)
    notes = _Notes()
    runner.execute(job, notes, place=place)
    seen = journal.read(run)
    return Result(
        machine.describe(),
        measurements=_records(seen.measurements),
        roofs=_records(seen.roofs),
        profiles=_records(seen.profiles),
        cards=_records(seen.cards),
        notes=(*notes.told, *seen.damaged),
    )


def _records(seen: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(record.to_json() for record in seen)


def _registry(files: Mapping[str, str]) -> Registry:
    """The registry with the user's files, which are written under their names."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    folder = _place(f"files {digest}").folder / "files" / digest if files else Path()
    for name, text in files.items():
        file = folder / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return registry.find([folder / name for name in files])


_numbers = itertools.count()
_open = ExitStack()
_places: dict[str, Scratch] = {}
atexit.register(_open.close)


def _place(what: str) -> Scratch:
    """The folder in which this process keeps ``what`` as long as it lives."""
    if what not in _places:
        _places[what] = _open.enter_context(scratch.opened(kept=True))
    return _places[what]
