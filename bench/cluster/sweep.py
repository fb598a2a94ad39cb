"""A run over several machines: blocks go where there is room, and what comes back is kept."""

import signal
from collections.abc import Mapping
from dataclasses import replace

from xpbench.bench.cluster.block import Expected, Node, differences
from xpbench.bench.cluster.fleet import Ended, Fleet
from xpbench.bench.cluster.gathering import Gathering
from xpbench.bench.cluster.schedule import ATTEMPTS, Queue
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.runner import Observer


def measure(queue: Queue, gathering: Gathering, fleet: Fleet, observer: Observer) -> None:
    """Measures until every case has all its forks. However it ends, the machines stop, and what they
    have measured is kept.

    Raises
    ------
    Lost
        If what starts the work is gone; what came is kept.
    XpbenchError
        If a machine has something else installed than expected, or blocks were given up because every
        machine was lost that had them.
    """
    try:
        given_up = _until_done(queue, gathering, fleet, observer)
    finally:
        # An impatient second Ctrl-C must not cost what the machines have measured.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for ended in fleet.stop():
                if ended.result is not None:
                    gathering.take(ended.result)
        finally:
            signal.signal(signal.SIGINT, before)
    if given_up:
        raise XpbenchError(
            f"{ATTEMPTS} machines were lost one after the other while they measured {given_up[0]}: "
            "look at their logs; all else is measured, and --resume tries these again"
        )


def _until_done(queue: Queue, gathering: Gathering, fleet: Fleet, observer: Observer) -> list[str]:
    """Sends blocks until none is left; gives the names of those that were given up."""
    running, told = 0, False
    given_up: list[str] = []
    said: set[str] = set()
    while running or queue.open:
        for place in fleet.free():
            block = queue.take(place, fleet.places())
            if block is not None:
                fleet.send(block, place)
                running += 1
                observer.phase("measuring", f"fork {block.fork + 1} of a block on", place.name)
        for note in fleet.notes():
            observer.note(note)
        if (idle := not running and queue.open) and not told:
            observer.note(queue.lacks())
        told = idle
        for ended in fleet.ended():
            running -= 1
            if not _took(ended, queue, gathering, observer, said):
                more = len(ended.block.cases) - 1
                given_up.append(f"{ended.block.cases[0]}" + (f" and {more} more" if more else ""))
    return given_up


def _took(ended: Ended, queue: Queue, gathering: Gathering, observer: Observer, said: set[str]) -> bool:
    """Keeps what came of a block, or has it sent again; ``False`` where it is given up. What a machine
    has ``said`` of another block is not said again."""
    result, name = ended.result, ended.place.name
    if result is None:
        again = queue.give_back(ended.block)
        then = "its block is measured elsewhere" if again else "its block is given up"
        observer.note(f"{name}: {ended.reason}; {then}")
        return again
    if result.differs:
        raise XpbenchError(refusal({name: list(result.differs)}))
    for note in result.notes:
        told = f"{name}: {note}"
        if told not in said:
            observer.note(told)
        said.add(told)
    for record in gathering.take(result):
        observer.finished(str(record.case), record.fork, record.status, 0.0)
    return True


def refusal(faults: Mapping[str, list[str]]) -> str:
    """The sentence that names what differs where."""
    told = "; ".join(f"{name} {'; '.join(words)}" for name, words in faults.items())
    return (
        f"{told}: one run measures one program in one way; install the same there, or leave the "
        "machine out"
    )


def check(nodes: Mapping[str, Node], expected: Expected, everywhere: set[str]) -> None:
    """Raises ``XpbenchError`` unless the machines have what is ``expected``: the backends that are to
    run ``everywhere``, and of the others the same or nothing usable."""
    faults = {
        name: found for name, node in nodes.items() if (found := faults_of(node, expected, everywhere))
    }
    if faults:
        raise XpbenchError(refusal(faults))


def faults_of(node: Node, expected: Expected, everywhere: set[str]) -> list[str]:
    """What a machine has otherwise than ``expected``."""
    compared = {
        name: versions
        for name, versions in expected.versions.items()
        if name in everywhere or node.states.get(name, {}).get("usable")
    }
    versions = {name: node.states.get(name, {}).get("versions", {}) for name in compared}
    wanted = replace(expected, versions=compared)
    faults = differences(wanted, Expected(node.xpbench, node.sources, versions, node.threads))
    for name in sorted(everywhere):
        state = node.states.get(name, {})
        if not state.get("usable") and not faults:
            faults.append(f"cannot use {name} ({state.get('reason', 'it is not known there')})")
    return faults
