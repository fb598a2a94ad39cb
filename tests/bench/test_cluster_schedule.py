"""Which machine gets which block: forks of a case stay together, and ratios on one machine."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import preparation, registry
from xpbench.bench.cluster import planning, schedule, sweep
from xpbench.bench.cluster.block import Block, Expected, Node
from xpbench.bench.cluster.fleet import Place
from xpbench.bench.cluster.kind import Kind, kind_of
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.job import Job
from xpbench.bench.plan import Request
from xpbench.bench.probe import State
from xpbench.bench.remaining import Progress

EXPECTED = Expected("1.0", {"xpbench/bench/turn.py": "abc"}, {"numpy": {"numpy": "2.4"}}, 2)
FORKS = 4
SMALL = Place("small", Kind("1" * 8, "small", ""), card=False)
CARD = Place("card", Kind("2" * 8, "card", ""), card=True)
BOTH = [SMALL, CARD]


@pytest.fixture
def queue() -> schedule.Queue:
    """Six kernels, each of which is a chunk, on NumPy and on a card."""
    known = {
        "numpy": State("numpy", True, "", ("cpu",), {}),
        "torch": State("torch", True, "", ("cpu", "cuda"), {}),
    }
    names = ("matmul", "svd", "pca", "softmax", "solve", "eigh")
    request = Request(backends=("numpy", "torch"), sizes=("small",))
    plan = preparation.prepare(names, request, known=known, forks=FORKS, threads=2)
    job = replace(plan, settings=replace(plan.settings, chunk=0.01)).job(Path())
    cases = tuple(c for c in job.cases if c.device == "cpu" or c.kernel in ("svd", "pca"))
    return schedule.queue_of(replace(job, cases=cases), EXPECTED, {}, Progress(), {})


@pytest.fixture
def job() -> Job:
    """Six rows that take a tenth of a second each."""
    known = {"numpy": State("numpy", True, "", ("cpu",), {})}
    names = ("matmul", "svd", "pca", "softmax", "solve", "eigh")
    request = Request(backends=("numpy",), sizes=("small",))
    plan = preparation.prepare(names, request, known=known, forks=FORKS, threads=2, seconds=0.05)
    return plan.job(Path())


def drained(queue: schedule.Queue, places: list[Place], there: list[Place]) -> dict[str, list[Block]]:
    taken: dict[str, list[Block]] = defaultdict(list)
    idle = 0
    while idle < len(places):
        for place in places:
            block = queue.take(place, there)
            idle = 0 if block else idle + 1
            if block:
                taken[place.name].append(block)
    return taken


def test_every_case_has_every_fork_once_and_a_chunk_has_one_kind_of_machine(queue: Any) -> None:
    planned = sorted((str(c), block.fork) for _, block in queue.waiting for c in block.cases)
    taken = drained(queue, [SMALL, CARD], BOTH)
    got = [(str(c), block.fork) for blocks in taken.values() for block in blocks for c in block.cases]
    assert sorted(got) == planned
    assert len(set(got)) == len(got)
    small, card = ({str(c) for block in taken[name] for c in block.cases} for name in ("small", "card"))
    assert small
    assert card
    assert not small & card


def test_a_block_holds_all_environments_of_its_rows(queue: Any) -> None:
    rows: dict[Any, set[str]] = defaultdict(set)
    for _, block in queue.waiting:
        for case in block.cases:
            rows[case.row, block.fork].add(block.name)
    assert {len(names) for names in rows.values()} == {1}


def test_what_is_on_a_card_goes_where_one_is_and_takes_its_baseline_along(queue: Any) -> None:
    taken = drained(queue, [SMALL], BOTH)
    assert not any(block.on_card for block in taken["small"])
    left = drained(queue, [CARD], BOTH)["card"]
    assert {c.kernel for block in left for c in block.cases} == {"svd", "pca"}
    assert {c.device for block in left for c in block.cases} == {"cpu", "cuda"}


def test_a_chunk_whose_kind_is_gone_goes_elsewhere(queue: Any) -> None:
    queue.waiting.sort(key=lambda entry: entry[1].on_card)
    first = queue.take(CARD, BOTH)
    assert not first.on_card
    waiting = drained(queue, [SMALL], BOTH)["small"]
    assert not {c.row for c in first.cases} & {c.row for block in waiting for c in block.cases}
    orphans = drained(queue, [SMALL], [SMALL])["small"]
    assert {c.row for c in first.cases} <= {c.row for block in orphans for c in block.cases}


def test_a_block_that_takes_machines_with_it_is_given_up(queue: Any) -> None:
    sent = [queue.take(CARD, BOTH)]
    while queue.give_back(sent[-1]):
        sent.append(queue.take(CARD, BOTH))
    assert len(sent) == schedule.ATTEMPTS
    assert {block.name for block in sent} == {sent[0].name}
    rows = {case.row for case in sent[0].cases}
    assert not any(case.row in rows for _, block in queue.waiting for case in block.cases), (
        "its other forks would take as many machines each"
    )


def test_a_row_that_takes_machines_with_it_costs_no_other(job: Any) -> None:
    whole = replace(job, settings=replace(job.settings, chunk=1e9))
    queue = schedule.queue_of(whole, EXPECTED, {}, Progress(), {})
    lost = 0
    measured = set()
    while (block := queue.take(SMALL, [SMALL])) is not None:
        keys = {(str(case), block.fork) for case in block.cases}
        if any(case.kernel == "svd" for case in block.cases):
            lost += 1
            queue.give_back(block)
        else:
            measured |= keys
            queue.progress.done |= keys
    assert lost == schedule.ATTEMPTS
    others = {(str(c), fork) for c in job.cases if c.kernel != "svd" for fork in range(FORKS)}
    assert measured == others


def test_a_machine_needs_what_its_blocks_are_measured_with(job: Any) -> None:
    more = replace(EXPECTED, versions={**EXPECTED.versions, "cupy": {"cupy": "14"}})
    queue = schedule.queue_of(job, more, {}, Progress(), {})
    assert {tuple(block.expected.versions) for _, block in queue.waiting} == {("numpy",)}


def test_a_chunk_is_at_home_only_where_its_card_is(queue: Any) -> None:
    """A machine of the same kind without a card, as where another worker has it, is no home."""
    bare = replace(CARD, name="bare", card=False)
    other = replace(CARD, name="other", kind=SMALL.kind)
    queue.waiting = [entry for entry in queue.waiting if entry[1].on_card]
    first = queue.take(CARD, [CARD, bare, other])
    taken = drained(queue, [bare, other], [bare, other])
    assert first.name[:-1] in {block.name[:-1] for block in taken["other"]}
    assert not taken["bare"]
    assert "--resources GPU=1" in queue.lacks() or not queue.waiting


@pytest.mark.parametrize(
    "kinds, wanted",
    [([1], 1), ([2], 1), ([4], 1), ([5], 2), ([1, 1], 2), ([8, 1], 3)],
    ids=str,
)
def test_a_small_sweep_has_no_more_chunks_than_keep_every_machine_at_work(
    job: Any, kinds: list[int], wanted: int
) -> None:
    chunk = planning.chunk_seconds(job, kinds)
    made = schedule.chunks(replace(job, settings=replace(job.settings, chunk=chunk)))
    assert len(made) == wanted
    assert {case.row for part in made for case in part} == {case.row for case in job.cases}


def test_a_large_sweep_is_cut_by_what_a_lost_machine_may_cost(job: Any) -> None:
    slow = replace(job, settings=replace(job.settings, seconds=1000.0))
    assert planning.chunk_seconds(slow, [2]) == planning.CHUNK_SECONDS


def test_roofs_are_measured_once_a_kind_in_the_first_and_the_last_fork(queue: Any) -> None:
    queue.waiting = [(n, replace(b, settings=replace(b.settings, roofs=True))) for n, b in queue.waiting]
    taken = drained(queue, [SMALL, CARD], BOTH)
    for blocks in taken.values():
        with_roofs = [block for block in blocks if block.settings.roofs]
        places = [{(b.fork, c.backend, c.device, c.dtype) for c in b.cases} for b in with_roofs]
        every = {(b.fork, c.backend, c.device, c.dtype) for b in blocks for c in b.cases}
        assert set().union(*places) == {place for place in every if place[0] in (0, FORKS - 1)}
        assert len(with_roofs) <= 4


def node(**changes: Any) -> Node:
    states = {"numpy": {"usable": True, "versions": {"numpy": "2.4"}}}
    return replace(Node({}, "1.0", dict(EXPECTED.sources), states, threads=2), **changes)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"xpbench": "2.0"}, "w2 has xpbench 2.0, and the plan was made by 1.0"),
        ({"sources": {}}, "w2 has another xpbench/bench/turn.py"),
        (
            {"states": {"numpy": {"usable": True, "versions": {"numpy": "2.3"}}}},
            "w2 has numpy 2.3, and the plan was made for numpy 2.4",
        ),
        ({"states": {"numpy": {"usable": False, "versions": {}}}}, "w2 has nothing of it"),
        ({"threads": 1}, "w2 has CPUs for 1 of the plan's 2 threads"),
    ],
)
def test_what_differs_is_named_with_the_worker(changes: dict[str, Any], told: str) -> None:
    sweep.check({"w1": node()}, EXPECTED, {"numpy"})
    with pytest.raises(XpbenchError) as refused:
        sweep.check({"w1": node(), "w2": node(**changes)}, EXPECTED, {"numpy"})
    assert told in str(refused.value)
    assert "w1" not in str(refused.value)


def test_a_machine_that_is_too_small_for_what_is_planned_is_left_out() -> None:
    known = {"numpy": State("numpy", True, "", ("cpu",), {})}
    request = Request(backends=("numpy",), sizes=("n=4096",))
    plan = preparation.prepare(["matmul"], request, known=known, forks=FORKS, threads=2)
    node = Node({"id": "a" * 8, "cpu": "Xeon"}, "1.0", {}, {}, 2, memory=2**40)
    assert planning._too_small(node, plan) == []
    [fault] = planning._too_small(replace(node, memory=2**20), plan)
    assert fault.startswith("cannot hold matmul[n=4096]/numpy@cpu/float32 (")


def test_a_file_that_is_sent_to_machines_is_text_that_all_read_alike(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes("# coding: latin-1\nX = 'é'\n".encode("latin-1"))
    with pytest.raises(XpbenchError, match=r"mine.py is not UTF-8: save it so"):
        planning._texts(registry.Registry({}, {}, files=(file,)))


def test_machines_are_of_one_kind_by_what_they_are_and_not_by_their_name() -> None:
    machine = {
        "id": "aaaaaaaa",
        "cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz",
        "cores": 8,
        "memory_bytes": 32 * 2**30,
        "system": "Linux 6.1 x86_64",
        "python": "3.12.1",
        "cards": [],
    }
    same = kind_of(machine)
    assert same.name == f"intel-xeon-8cpu-{same.id}"
    assert kind_of(machine | {"id": "bbbbbbbb", "memory_bytes": 32 * 2**30 - 2**20}) == same
    for part, other in (
        ("cpu", "AMD EPYC"),
        ("cores", 4),
        ("memory_bytes", 64 * 2**30),
        ("system", "Linux 6.2 x86_64"),
        ("python", "3.12.2"),
        ("cards", ["NVIDIA H100, 550, 80 GiB"]),
    ):
        assert kind_of(machine | {part: other}).id != same.id
