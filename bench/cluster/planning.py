"""What a run over several machines would measure, by what the machines tell of themselves."""

import datetime
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xpbench
from xpbench.bench import beginning, groups, lock, memory, preparation, registry, sources
from xpbench.bench.cluster import gathering, schedule, sweep
from xpbench.bench.cluster.block import Expected, Node
from xpbench.bench.cluster.fleet import Fleet
from xpbench.bench.cluster.gathering import UNFIT, Gathering
from xpbench.bench.cluster.kind import kind_of
from xpbench.bench.cluster.schedule import Queue
from xpbench.bench.device import is_host
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.job import Job
from xpbench.bench.measurement import read_case
from xpbench.bench.options import files_alone
from xpbench.bench.plan import Request
from xpbench.bench.preparation import Plan
from xpbench.bench.probe import State
from xpbench.bench.registry import Registry

CHUNK_SECONDS = 30.0
"""The work of a block, unless there would be too few of them: half of what a local run takes, as what a
lost machine costs is a block."""
CHUNKS_A_MACHINE = 4
"""So many, where they are neither large nor small: the last machine at work is not waited for long."""
SMALL_CHUNK_SECONDS = 1.0


def prepared(
    fleet: Fleet, arguments: Sequence[str], request: Request, asked: Mapping[str, Any]
) -> tuple[Plan, Expected]:
    """The plan of a new run, and what every machine must have; ``asked`` is of
    ``preparation.prepare``.

    Raises
    ------
    XpbenchError
        As ``preparation.prepare`` does, or if a machine has something else installed, which is named.
    """
    files = [Path(text) for text in (*arguments, *request.backends) if text.endswith(".py")]
    found = registry.find(files)
    named = [name for name in request.backends if not name.endswith(".py")]
    chosen = preparation.chosen_backends(found, named)
    chosen += [name for file in files for name in found.backends_of(file)]
    nodes = _ask(fleet, found, list(dict.fromkeys(chosen)))
    with_card = {place.name for place in fleet.free() if place.card}
    states = {name: _state(found, name, nodes, with_card) for name in found.backends}
    usable = {name: state.versions for name, state in states.items() if state.usable}
    threads = asked.get("threads")
    if threads is None:
        threads = min(node.threads for node in nodes.values())
    expected = Expected(xpbench.__version__, sources.of_package(), usable, threads)
    everywhere = {
        name
        for name, state in states.items()
        if state.usable and "cpu" in state.devices and _wanted(request, "cpu")
    }
    sweep.check(nodes, expected, everywhere)
    plan = preparation.prepare(
        arguments,
        request,
        known=states,
        most_memory=_least_memory(nodes),
        **{**asked, "threads": threads},
    )
    plan = replace(plan, settings=replace(plan.settings, cpus=""))
    plan.check_runnable()
    kinds = Counter(kind_of(node.machine).id for node in nodes.values())
    chunk = chunk_seconds(plan.job(Path()), list(kinds.values()))
    plan = replace(plan, settings=replace(plan.settings, chunk=chunk))
    _require(fleet, plan, expected)
    return plan, expected


def chunk_seconds(job: Job, kinds: Sequence[int]) -> float:
    """The seconds of a chunk, of which one fork is a block, for so many machines of each kind.

    The forks of a chunk are measured at once by the machines of one kind. A small sweep is cut no
    further than it takes to have every machine at work: every chunk starts its processes anew.
    """
    forks = max(1, job.settings.forks)
    wanted = job.seconds / forks / (CHUNKS_A_MACHINE * sum(kinds))
    least = sum(math.ceil(machines / forks) for machines in kinds)
    whole = sum(job.weights.values())
    # Shares that are equal but for rounding must fit.
    return min(CHUNK_SECONDS, max(SMALL_CHUNK_SECONDS, wanted), 1.001 * whole / least)


def taken_up(fleet: Fleet, folder: Path, given: Sequence[str]) -> tuple[Plan, Expected]:
    """The plan of a run that goes on, and what every machine must have.

    Raises
    ------
    XpbenchError
        As ``prepared`` does, or if the folder's plan cannot be read, or kernels have changed.
    """
    if not groups.is_folder_of_groups(folder):
        raise XpbenchError(
            f"{folder} was not measured on a cluster: leave --cluster out, or name another folder"
        )
    lock.refuse_if_held(folder)
    header = groups.plan_of(folder)
    cases = tuple(read_case(record) for record in header["cases"])
    plan = beginning.of_header(folder, header, cases, files_alone(given))
    nodes = _ask(fleet, plan.registry, [name for name in plan.versions if name not in plan.unusable])
    usable = {name: v for name, v in plan.versions.items() if name not in plan.unusable}
    threads = plan.settings.threads
    expected = Expected(xpbench.__version__, sources.of_package(), usable, threads)
    sweep.check(nodes, expected, {case.backend for case in plan.runnable if is_host(case.device)})
    # What fits was told when the run began: a machine that came since changes nothing of it.
    told = header.get(UNFIT)
    unfit = told if isinstance(told, Mapping) else {}
    plan = replace(plan, unfit={case: str(unfit[str(case)]) for case in cases if str(case) in unfit})
    faults = {name: _too_small(node, plan) for name, node in nodes.items()}
    if faults := {name: words for name, words in faults.items() if words}:
        raise XpbenchError(sweep.refusal(faults))
    plan.check_runnable()
    _require(fleet, plan, expected)
    return plan, expected


def _too_small(node: Node, plan: Plan) -> list[str]:
    """The first case that does not fit into the memory of a machine, in words."""
    kernels = plan.registry.kernels
    for case in plan.runnable:
        if reason := memory.too_large(kernels[case.kernel], dict(case.size), node.memory):
            return [f"cannot hold {case} ({reason})"]
    return []


def begin(plan: Plan, folder: Path) -> None:
    """Makes ``folder`` one for groups of machines, with the plan in it."""
    created = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    header = beginning.header(plan, folder, created)
    unfit = {str(case): reason for case, reason in plan.unfit.items()}
    gathering.begin(folder, header | {"machine": {}, "calibration": None, UNFIT: unfit})


def queue(job: Job, expected: Expected, kept: Gathering) -> Queue:
    """The blocks of ``job`` that are not measured yet."""
    return schedule.queue_of(job, expected, _texts(job.registry), kept.progress, kept.homes)


def _texts(found: Registry) -> dict[str, str]:
    """The files that machines are sent, by name."""
    texts = {}
    for file in found.files:
        try:
            texts[sources.name_of(file)] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise XpbenchError(f"{file} is not UTF-8: save it so, to have it sent to machines") from None
    return texts


def _ask(fleet: Fleet, found: Registry, backends: Sequence[str]) -> dict[str, Node]:
    answers = fleet.ask({"backends": list(backends), "files": _texts(found)})
    return {name: Node(**answer) for name, answer in answers.items()}


def _least_memory(nodes: Mapping[str, Node]) -> int | None:
    return min((node.memory for node in nodes.values() if node.memory), default=None)


def _require(fleet: Fleet, plan: Plan, expected: Expected) -> None:
    """Has machines that come later checked as those were that are there."""
    everywhere = {case.backend for case in plan.runnable if is_host(case.device)}
    fleet.require(lambda node: sweep.faults_of(node, expected, everywhere) or _too_small(node, plan))


def _wanted(request: Request, device: str) -> bool:
    return not request.devices or device in request.devices


def _state(found: Registry, name: str, nodes: Mapping[str, Node], with_card: set[str]) -> State:
    """A backend over all machines: usable where it is on any, on every device that a machine has."""
    seen = [(node, nodes[node].states[name]) for node in nodes if name in nodes[node].states]
    usable = [(node, state) for node, state in seen if state["usable"]]
    if not usable:
        reason = seen[0][1]["reason"] if seen else "it was not asked for"
        return State(name, False, reason, (), found.backends[name].versions())
    devices = dict.fromkeys(
        device
        for node, state in usable
        for device in state["devices"]
        if is_host(device) or node in with_card
    )
    versions = found.backends[name].versions() or dict(usable[0][1]["versions"])
    return State(name, True, "", tuple(devices), versions)
