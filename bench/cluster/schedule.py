"""Which block goes where, so that all forks of a case are measured on one kind of machine?"""

import hashlib
import random
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from xpbench.bench.case import Case
from xpbench.bench.cluster.block import Block, Expected
from xpbench.bench.cluster.fleet import Place
from xpbench.bench.device import is_host
from xpbench.bench.job import Job
from xpbench.bench.remaining import Progress

ATTEMPTS = 3
"""A block that took so many machines with it is not sent to a fourth."""
ONE_CHUNK = 1e8
"""Seconds: a block is not cut again."""


def chunks(job: Job) -> list[tuple[Case, ...]]:
    """The cases in chunks of so many seconds as the settings say. Unlike those of a local run, they hold
    the same rows in every fork: a row stays with a kind of machine."""
    weights = job.weights
    rows: dict[object, list[Case]] = {}
    for case in job.cases:
        rows.setdefault(case.row, []).append(case)
    order = list(rows.values())
    random.Random(f"{job.settings.seed} chunks").shuffle(order)
    found: list[list[Case]] = []
    room = 0.0
    for cases in order:
        seconds = sum(weights[str(case)] for case in cases)
        if not found or seconds > room:
            found.append([])
            room = job.settings.chunk
        found[-1] += cases
        room -= seconds
    return [tuple(cases) for cases in found]


@dataclass
class Queue:
    """The blocks that are still to be sent.

    The kind of machine that takes the first fork of a chunk is the home of the chunk: it gets the other
    forks too, unless no machine of the kind is left. A machine finishes what is at home with it before
    it takes a chunk that has no home yet, so that few chunks are half done at any time.
    """

    waiting: list[tuple[int, Block]]
    progress: Progress
    homes: dict[int, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    roofed: set[tuple[object, ...]] = field(default_factory=set)
    sent: dict[str, tuple[int, Block]] = field(default_factory=dict)

    def take(self, place: Place, places: Sequence[Place]) -> Block | None:
        """The next block for a machine; ``None`` where there is none that it should have. ``places`` are
        all machines that are there."""
        self._drop_done()
        able = [entry for entry in self.waiting if place.can_take(entry[1])]
        if place.kind is None:
            chosen = next(iter(able), None)
        else:
            kind = place.kind.id
            home = (e for e in able if self.homes.get(e[0]) == kind)
            free = (e for e in able if e[0] not in self.homes)
            orphaned = (e for e in able if e[0] in self.homes and not self._is_at_home(e, places))
            chosen = next(home, None) or next(free, None) or next(orphaned, None)
        if chosen is None:
            return None
        self.waiting.remove(chosen)
        number, block = chosen
        if place.kind is not None:
            self.homes[number] = place.kind.id
        self.sent[block.name] = (number, block)
        return self._with_roofs(self._rest(block), place)

    def give_back(self, block: Block) -> bool:
        """Has a block sent again whose machine was lost, and tells whether it will be.

        Before the last attempt it is cut into rows, so that one that takes machines with it costs the
        others nothing. When a row is given up, so are its other forks, which would cost as many machines
        each.
        """
        number, whole = self.sent[block.name]
        self.attempts[block.name] = self.attempts.get(block.name, 0) + 1
        if self.attempts[block.name] >= ATTEMPTS:
            rows = {case.row for case in whole.cases}
            self.waiting = [(n, _without(waiting, rows)) for n, waiting in self.waiting]
            return False
        parts = self._rows_of(whole) if self.attempts[block.name] == ATTEMPTS - 1 else [whole]
        self.waiting[:0] = [(number, part) for part in parts]
        if block.settings.roofs:
            self.roofed = {due for due in self.roofed if due[1] != block.fork}
        return True

    def _rows_of(self, block: Block) -> list[Block]:
        """A block for each row of one that has an attempt left."""
        rows: dict[object, list[Case]] = {}
        for case in block.cases:
            rows.setdefault(case.row, []).append(case)
        parts = [
            replace(block, name=block_name(cases, block.fork), cases=tuple(cases))
            for cases in rows.values()
        ]
        self.attempts |= {part.name: ATTEMPTS - 1 for part in parts}
        return parts

    def lacks(self) -> str:
        """What is said when nothing is measured and blocks wait."""
        on_card = all(block.on_card for _, block in self.waiting)
        wanted = "a worker with a card (--resources GPU=1)" if on_card else "a worker"
        return (
            f"{len(self.waiting)} blocks wait for {wanted}, and none is there: start one, or press "
            "Ctrl-C, and --resume goes on later"
        )

    def _is_at_home(self, entry: tuple[int, Block], places: Sequence[Place]) -> bool:
        """Whether a machine of its chunk's kind is there that can take it."""
        number, block = entry
        return any(p.kind and p.kind.id == self.homes[number] and p.can_take(block) for p in places)

    def _drop_done(self) -> None:
        self.waiting = [entry for entry in self.waiting if self._rest(entry[1]).cases]

    @property
    def open(self) -> bool:
        self._drop_done()
        return bool(self.waiting)

    def _rest(self, block: Block) -> Block:
        left = [
            case
            for case in block.cases
            if (str(case), block.fork) not in self.progress.done and str(case) not in self.progress.ended
        ]
        return replace(block, cases=tuple(left))

    def _with_roofs(self, block: Block, place: Place) -> Block:
        """Roofs are measured once a kind of machine, in the first fork and in the last."""
        settings = block.settings
        if not settings.roofs:
            return block
        if block.fork not in (0, settings.forks - 1):
            return replace(block, settings=replace(settings, roofs=False))
        kind = place.kind.id if place.kind else ""
        due = {(kind, block.fork, c.backend, c.device, c.dtype) for c in block.cases}
        wanted = bool(due - self.roofed)
        self.roofed |= due
        return replace(block, settings=replace(settings, roofs=wanted))


def queue_of(
    job: Job, expected: Expected, files: dict[str, str], progress: Progress, homes: dict[str, str]
) -> Queue:
    """All blocks of a run, a chunk after the other; ``homes`` tells by case id which kind has it."""
    on_card = {case for case in job.cases if not is_host(case.device)}
    run = secrets.token_hex(8)
    waiting: list[tuple[int, Block]] = []
    found: dict[int, str] = {}
    for number, cases in enumerate(chunks(job)):
        known = [homes[str(case)] for case in cases if str(case) in homes]
        if known:
            found[number] = known[0]
        # Who asks for energy in vain is told so, and not of blocks without a card beside others.
        energy = job.settings.energy and not (on_card and on_card.isdisjoint(cases))
        settings = replace(job.settings, chunk=ONE_CHUNK, energy=energy)
        # Where it is measured, nobody needs what others need.
        needed = {
            name: expected.versions[name]
            for name in {c.backend for c in cases} & expected.versions.keys()
        }
        there = replace(expected, versions=needed)
        for fork in job.fork_range:
            name = block_name(cases, fork)
            waiting.append((number, Block(name, fork, cases, settings, there, files, run)))
    return Queue(waiting, progress, found)


def _without(block: Block, rows: Collection[object]) -> Block:
    return replace(block, cases=tuple(case for case in block.cases if case.row not in rows))


def block_name(cases: Sequence[Case], fork: int) -> str:
    """A name made of the ids of the cases and the fork."""
    ids: Iterable[str] = sorted(map(str, cases))
    return f"xpbench-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]}-{fork}"
