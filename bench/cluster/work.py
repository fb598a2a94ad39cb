"""What a process of a cluster does: it tells of its machine, measures a block, and stops.

A cluster runs these functions by their names, and they take and give JSON.

A block is measured by what measures a local run, ``runner.execute``: as a job of one fork, into a folder
of its own. Only the ``Scratch`` lives longer. A local run opens one for its length, and a process here
keeps one for all blocks of a run, so that inputs and oracles are made once a process. Second turns are
given where a fork ends, which here is where a block ends.
"""

import atexit
import hashlib
import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import xpbench
from xpbench.bench import (
    descendants,
    journal,
    machine,
    memory,
    preparation,
    probe,
    registry,
    runner,
    scratch,
    sources,
)
from xpbench.bench.cluster.block import Block, Expected, Node, Result, differences
from xpbench.bench.header import SEALED
from xpbench.bench.job import Job
from xpbench.bench.measurement import as_json
from xpbench.bench.registry import Registry
from xpbench.bench.runner import Observer
from xpbench.bench.scratch import Scratch

MALLOC = "MALLOC_TRIM_THRESHOLD_"
"""Dask sets this variable for its workers, which makes memory dearer than where xpbench runs alone."""


def describe(question: Mapping[str, Any]) -> dict[str, Any]:
    """The ``Node`` that this machine is, as JSON; asked are ``backends``, of ``files`` too."""
    found = _registry(question["files"])
    states = probe.states(found, question["backends"])
    told = {name: vars(state) for name, state in states.items()}
    node = Node(
        machine=machine.describe(),
        xpbench=xpbench.__version__,
        sources=sources.of_package(),
        states=told,
        threads=preparation.checked_threads(None),
        memory=memory.limit(),
    )
    record: dict[str, Any] = as_json(vars(node))
    return record


def measure(asked: Mapping[str, Any], errand: str = "") -> dict[str, Any]:
    """Measures a ``Block`` that is given as JSON, and gives the ``Result`` as JSON: of all its cases,
    unless ``stop`` is told of the ``errand``, which is a name for this call alone."""
    block = Block.from_json(asked)
    os.environ.pop(MALLOC, None)
    found = _registry(block.files)
    installed = {name: found.backend(name).versions() for name in block.expected.versions}
    threads = preparation.checked_threads(None)
    here = Expected(xpbench.__version__, sources.of_package(), installed, threads)
    if faults := differences(block.expected, here):
        result = Result(machine.describe(), tuple(faults))
    else:
        result = _measured(block, found, _kept_for("blocks", block.run), errand)
    record: dict[str, Any] = as_json(vars(result))
    return record


def stop(errands: Sequence[str]) -> None:
    """Ends those of ``errands`` that are run by this process, from another thread of it: what was
    measured by then is their result."""
    _unwanted.update(errands)
    if _begun & _unwanted:
        descendants.end_all()


class _Stopped(Exception):
    """Nobody wants the rest of the block."""


@dataclass
class _Ears(Observer):
    """Keeps what is to be told, and does not let an unwanted errand go on."""

    errand: str
    told: list[str] = field(default_factory=list)

    def preparing(self, case: str, done: int, total: int) -> None:
        self._go_on()

    def phase(self, name: str, act: str, place: str) -> None:
        self._go_on()

    def started(self, case: str, fork: int) -> None:
        self._go_on()

    def finished(self, case: str, fork: int, status: str, seconds: float) -> None:
        self._go_on()

    def note(self, text: str) -> None:
        self._go_on()
        self.told.append(text)

    def _go_on(self) -> None:
        if self.errand in _unwanted:
            raise _Stopped


def _measured(block: Block, found: Registry, place: Scratch, errand: str) -> Result:
    run = place.folder / "runs" / str(next(_numbers))
    journal.create(run, {"checksums": SEALED})
    forks = range(block.fork, block.fork + 1)
    job = Job(run, found, block.cases, block.settings, forks=forks)
    ears = _Ears(errand)
    _begun.add(errand)
    try:
        with suppress(_Stopped):
            runner.execute(job, ears, place=place)
        seen = journal.read(run)
    finally:
        _begun.discard(errand)
        shutil.rmtree(run, ignore_errors=True)
    return Result(
        machine.describe(),
        measurements=_records(seen.measurements),
        roofs=_records(seen.roofs),
        profiles=_records(seen.profiles),
        cards=_records(seen.cards),
        notes=(*ears.told, *seen.damaged),
    )


def _records(seen: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(record.to_json() for record in seen)


def _registry(files: Mapping[str, str]) -> Registry:
    """The registry with the user's files, which are written under their names."""
    if not files:
        return registry.find()
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    # The name of a module has that of its folder in it: other texts, another module.
    folder = _kept_for("files", digest).folder / digest
    for name, text in files.items():
        file = folder / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return registry.find([folder / name for name in files])


_numbers = itertools.count()
_unwanted: set[str] = set()
_begun: set[str] = set()
_kept: dict[str, tuple[str, Scratch, ExitStack]] = {}


def _kept_for(use: str, whose: str) -> Scratch:
    """The folder that this process keeps for a ``use``, as long as it is asked for with the same
    ``whose``: one at a time, so that a worker that lives for months fills no disk."""
    if use in _kept and _kept[use][0] != whose:
        _kept.pop(use)[2].close()
    if use not in _kept:
        stack = ExitStack()
        _kept[use] = whose, stack.enter_context(scratch.opened(kept=True)), stack
    return _kept[use][1]


@atexit.register
def _let_go() -> None:
    while _kept:
        _kept.popitem()[1][2].close()
