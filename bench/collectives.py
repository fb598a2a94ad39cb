"""What do the devices exchange in a call? Read from the text of a program that XLA has partitioned."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
_BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16}
_ARRAY = re.compile(r"\b(pred|bf16|[sufc]\d+)(?:e\w+)?\[([\d,]*)\]")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPERATION = re.compile(
    rf"= (.*?) ({'|'.join(KINDS)}|ragged-all-to-all|collective-broadcast)(-start)?\("
)
_CALLED = re.compile(r"\b(?:calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_WHILE = re.compile(r"\bcondition=%?([\w.\-]+), body=%?([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_TARGET = re.compile(r'\bcustom_call_target="((?:lapack|blas|cu|hip|roc)\w*)"')


@dataclass(frozen=True)
class Traffic:
    """``total`` bytes that all devices together receive at least in a call, ``None`` for the ``reason``
    given; the bytes of the arrays ``gathered``, and how many ``operations`` of each kind are written.
    ``received`` are the bytes by kind, and ``performed`` tells how often a call comes to one of a kind;
    both are empty where the total is not known."""

    total: float | None
    reason: str
    gathered: tuple[float, ...]
    operations: Mapping[str, int]
    received: Mapping[str, float]
    performed: Mapping[str, float]


def traffic(program: str, devices: int) -> Traffic:
    """What the optimised HLO ``program`` moves between so many devices.

    A group of g devices receives at least, for arrays of b bytes: (g - 1) b to gather or to exchange all
    with all, 2 (g - 1) b to reduce (Patarasuk & Yuan, J. Parallel Distrib. Comput. 69, 2009), half of
    that to reduce and scatter; a permutation b for every pair. What stands in a loop counts as often as
    XLA knows it to run.
    """
    computations, entry = _computations(program)
    operations: Counter[str] = Counter()
    gathered: list[float] = []
    reasons: dict[str, None] = {}
    received: dict[str, float] = {}
    performed: dict[str, float] = {}
    for times, line in _lines(computations, entry, 1.0, ()):
        match = _OPERATION.search(line)
        if match is None:
            continue
        kind = match[2]
        operations[kind] += 1
        size, group = _bytes(match[1], kind, bool(match[3])), _group(line, devices)
        if kind == "all-gather":
            gathered.append(size)
        if times is None:
            reasons["a loop whose length the data decide holds a collective operation"] = None
        elif kind not in KINDS or group is None:
            reasons[f"the bytes of {kind} are not counted"] = None
        else:
            performed[kind] = performed.get(kind, 0.0) + times
            moved = times * _received(kind, size, group, devices, line)
            received[kind] = received.get(kind, 0.0) + moved
    if reason := "; ".join(reasons):
        return Traffic(None, reason, tuple(gathered), dict(operations), {}, {})
    total = sum(received.values(), 0.0)
    return Traffic(total, "", tuple(gathered), dict(operations), received, performed)


def library_calls(program: str) -> dict[str, int]:
    """How often a ``program`` calls each routine of LAPACK, BLAS and the makers' like: what XLA's
    partitioner cannot divide, so that every device that comes to one makes the whole call."""
    return dict(Counter(_TARGET.findall(program)))


def _received(kind: str, size: float, group: int, devices: int, line: str) -> float:
    groups = devices // group
    if kind == "collective-permute":
        pairs = re.search(r"source_target_pairs=\{(.*?)\}\}", line)
        found = re.findall(r"(\d+),(\d+)", pairs[1]) if pairs else []
        return float(size * sum(source != target for source, target in found))
    factor = {"all-reduce": 2, "reduce-scatter": group}.get(kind, 1)
    return groups * factor * (group - 1) * size


def _bytes(shape: str, kind: str, started: bool) -> float:
    """Bytes of a result on one device. What starts an operation names operands before results."""
    sizes = [
        math.prod(int(n) for n in dimensions.split(",") if n) * (_BITS.get(dtype) or int(dtype[1:])) / 8
        for dtype, dimensions in _ARRAY.findall(shape)
    ]
    if started and kind == "all-gather":
        return sum(sizes[len(sizes) // 2 :])
    return sizes[0] if started and kind == "collective-permute" else sum(sizes)


def _group(line: str, devices: int) -> int | None:
    """How many devices take part in each group of an operation; ``None`` where it cannot be read."""
    if mesh := re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", line):
        lengths = dict(re.findall(r"'([^']+)'=(\d+)", mesh[1]))
        return math.prod(int(lengths.get(name, 1)) for name in re.findall(r"'([^']+)'", mesh[2]))
    if iota := re.search(r"replica_groups=\[(\d+),(\d+)\]", line):
        return int(iota[2])
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", line):
        return len(listed[1].split(","))
    return devices if "replica_groups={}" in line or "source_target_pairs" in line else None


def _computations(program: str) -> tuple[dict[str, list[str]], str]:
    found: dict[str, list[str]] = {}
    entry = name = ""
    for line in program.splitlines():
        if head := _HEAD.match(line):
            name = head[2]
            found[name] = []
            entry = name if head[1] else entry
        elif line.startswith("  ") and name:
            found[name].append(line)
    return found, entry


def _lines(
    computations: Mapping[str, list[str]], name: str, times: float | None, above: tuple[str, ...]
) -> Iterator[tuple[float | None, str]]:
    """The lines of a computation and of those that it calls, with how often a call comes to each."""
    if name in above:
        return
    for line in computations.get(name, ()):
        yield times, line
        inner = times
        called = _CALLED.findall(line)
        for branches in _BRANCHES.findall(line):
            called += [branch.strip().lstrip("%") for branch in branches.split(",")]
        if loop := _WHILE.search(line):
            trips = _TRIPS.search(line)
            inner = times * int(trips[1]) if trips and times is not None else None
            called += loop.groups()
        for other in called:
            yield from _lines(computations, other, inner, (*above, name))
