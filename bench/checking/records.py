"""Does the journal hold what was planned, and can what it holds be so?"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xpbench.bench import clock
from xpbench.bench.case import Case
from xpbench.bench.checking.contents import shown
from xpbench.bench.checking.finding import ERROR, NOTE, WARNING, Finding
from xpbench.bench.checking.header import forks_planned, looks_planned
from xpbench.bench.device import count_of, is_host
from xpbench.bench.header import part_of
from xpbench.bench.journal import JOURNAL
from xpbench.bench.measurement import Measurement
from xpbench.bench.until_clear import fork_counts

LEAST_CALL = 2e-8
"""Seconds that Python needs to call anything."""
LEAST_ROUND = 1e-6
"""A round shorter than this is a few readings of the clock, which costs some 50 ns and more."""
SHORT_ROUND = clock.ROUND_SECONDS / 20
SLACK = 1.02
"""The seconds spent on rounds are read from the same clock, around them."""
EQUAL_ROUNDS = 5
REDUCED = ("high", "medium", "default")
OF_FEW_BITS = ("tf32", "tensorfloat", "bf16", "bfloat16")
"""Words of libraries, and parts of such, for products of float32 that keep fewer bits than it has."""


@dataclass(frozen=True)
class Line:
    """A whole line of the journal."""

    number: int
    measurement: Measurement

    @property
    def where(self) -> str:
        m = self.measurement
        return f"{JOURNAL}:{self.number} {shown(m.case)} fork {m.fork}"


def against_plan(
    header: Mapping[str, Any],
    cases: Sequence[Case],
    lines: Sequence[Line],
    slowed: Collection[tuple[str, int]],
) -> Iterator[Finding]:
    """Whether every case has its records and nothing else has any.

    ``slowed`` are the cases and forks in which a card was throttled, and which so had a second turn.
    """
    plan = {str(case): case for case in cases}
    forks = forks_planned(header)
    most = math.inf if forks is None else fork_counts(forks, looks_planned(header))[-1]
    turns: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for line in lines:
        m = line.measurement
        turns[m.key].append(line)
        if plan.get(str(m.case)) != m.case:
            yield Finding(ERROR, "plan", "was not planned", line.where)
        elif m.fork >= most:
            yield Finding(ERROR, "plan", "is of a fork that was not planned", line.where)
    for key, several in turns.items():
        yield from _second_turn(several, key in slowed)
    if forks is not None:
        yield from _missing(header, plan, turns, forks)
    yield from _words(plan, turns)


def _second_turn(lines: Sequence[Line], slowed: bool) -> Iterator[Finding]:
    if len(lines) < 2:
        return
    first, later = lines[0].measurement, lines[-1]
    if len(lines) > 2:
        yield Finding(ERROR, "plan", "is measured more than twice, and no run does that", later.where)
    elif not (first.disturbed or slowed):
        says = "is measured twice, though nothing disturbed the first time: measurements are not chosen"
        yield Finding(ERROR, "plan", says, later.where)
    elif {first.status, later.measurement.status} != {"ok"}:
        says = "is measured twice, and the two do not end in the same word"
        yield Finding(WARNING, "plan", says, later.where)


def _missing(
    header: Mapping[str, Any],
    plan: Mapping[str, Case],
    turns: Mapping[tuple[str, int], Sequence[Line]],
    forks: int,
) -> Iterator[Finding]:
    """Cases that lack a fork. What ended with a word once is not tried in the forks that follow."""
    seen: defaultdict[str, set[int]] = defaultdict(set)
    ended: set[str] = set()
    for (name, fork), lines in turns.items():
        seen[name].add(fork)
        if any(line.measurement.status != "ok" for line in lines):
            ended.add(name)
    unusable = part_of(header, "unusable")
    for name, case in plan.items():
        lacking = sum(fork not in seen[name] for fork in range(forks))
        if lacking and name not in ended:
            says = "lacks forks, and no word tells why: --resume measures them"
            if case.backend in unusable:
                says = "has no record, and its backend is named as not usable: the word is missing"
            yield Finding(ERROR, "plan", says, f"{shown(name)}: {lacking} of {forks}")


def _words(
    plan: Mapping[str, Case], turns: Mapping[tuple[str, int], Sequence[Line]]
) -> Iterator[Finding]:
    last = {key: lines[-1].measurement for key, lines in turns.items() if key[0] in plan}
    timed = {name for (name, _), m in last.items() if m.status == "ok" and m.samples}
    if plan and not timed:
        yield Finding(ERROR, "times", "nothing was timed: there is nothing to publish", JOURNAL)
    for name, word in dict.fromkeys((name, m.status) for (name, _), m in last.items()):
        if word != "ok":
            level = WARNING if word in ("wrong", "crashed") else NOTE
            said = "WRONG" if word == "wrong" else word
            yield Finding(level, "words", f"is {said}, which its cell will say", shown(name))


def times(lines: Sequence[Line], seconds: Any, cache: Any) -> Iterator[Finding]:
    """Whether the times can have been measured. ``seconds`` and ``cache`` are the run's settings."""
    rounds: dict[int, int] = {}
    for line in lines:
        m = line.measurement
        yield from _signs(line)
        if m.status == "ok" and not m.samples and seconds != 0:
            yield Finding(ERROR, "times", "is called ok, and has no times", line.where)
        if not m.samples:
            continue
        if m.status != "ok":
            yield Finding(
                WARNING, "times", "has times beside a word that says there are none", line.where
            )
        yield from _rounds(line, hot=cache != "cold")
        if len(m.samples) < clock.MIN_ROUNDS:
            says = f"has fewer than {clock.MIN_ROUNDS} rounds, and no run makes so few"
            yield Finding(WARNING, "times", says, line.where)
        elif len(set(m.samples)) == 1:
            if len(m.samples) >= EQUAL_ROUNDS:
                says = "has rounds that are equal to the last digit, as no clock gives them"
                yield Finding(WARNING, "times", says, line.where)
        elif (other := rounds.setdefault(hash(m.samples), line.number)) != line.number:
            says = "has the very rounds of another line, to the last digit: one is a copy"
            yield Finding(ERROR, "times", says, f"{line.where} and line {other}")


def _rounds(line: Line, hot: bool) -> Iterator[Finding]:
    m = line.measurement
    shortest = min(m.samples)
    if not 1 <= m.iterations <= clock.MAX_ITERATIONS or len(m.samples) > clock.MAX_ROUNDS:
        says = "has other numbers of rounds, or of calls in a round, than any run makes"
        yield Finding(ERROR, "times", says, line.where)
        return
    if shortest < LEAST_CALL:
        says = f"has calls shorter than {1e9 * LEAST_CALL:.0f} ns, in which Python calls nothing"
        yield Finding(ERROR, "times", says, line.where)
    if shortest * m.iterations < LEAST_ROUND:
        says = "has rounds shorter than a microsecond, which the clock does not resolve"
        yield Finding(ERROR, "times", says, line.where)
    elif hot and shortest * m.iterations < SHORT_ROUND and m.iterations < clock.MAX_ITERATIONS:
        says = f"has rounds far shorter than the {1e3 * clock.ROUND_SECONDS:.0f} ms that are planned"
        yield Finding(WARNING, "times", says, line.where)
    spent = m.spent.get("rounds")
    if spent is not None and m.iterations * math.fsum(m.samples) > SLACK * spent:
        says = "has rounds that take longer together than was spent on them"
        yield Finding(ERROR, "times", says, line.where)


def _signs(line: Line) -> Iterator[Finding]:
    m = line.measurement
    figures = [
        m.first_call_s,
        m.compile_s,
        m.transfer_s,
        m.transfer_out_s,
        m.traffic_bytes,
        m.peak_bytes,
    ]
    if any(figure is not None and figure < 0 for figure in (*figures, *m.spent.values(), m.switches)):
        yield Finding(ERROR, "times", "has a figure below zero", line.where)
    if any(share is not None and not 0 <= share <= 1 for share in (m.pressure, m.others)):
        yield Finding(ERROR, "times", "has a share that is none", line.where)


def errors(lines: Sequence[Line]) -> Iterator[Finding]:
    """Whether what is called ok is, by the errors that stand beside it."""
    limits: dict[tuple[str, str], float] = {}
    for line in lines:
        m = line.measurement
        if m.status != "ok":
            continue
        if not m.errors:
            yield Finding(ERROR, "errors", "is called ok, and was held against no oracle", line.where)
        if not all(0 <= error <= limit < math.inf for error, limit in m.errors.values()):
            says = "is called ok with an error beyond its limit: that is WRONG, or was altered"
            yield Finding(ERROR, "errors", says, line.where)
        for name, (_, limit) in m.errors.items():
            if limits.setdefault((str(m.case), name), limit) != limit:
                says = "has another limit than in another fork, from the same inputs"
                yield Finding(WARNING, "errors", says, f"{line.where} {shown(name)}")


def in_force(lines: Sequence[Line]) -> Iterator[Finding]:
    """Whether the libraries did what they were asked, by what they said of themselves."""
    for line in lines:
        m, asked = line.measurement, line.measurement.case
        place = shown(f"{asked.backend}@{asked.device}")
        if not m.samples:
            continue
        if not m.in_force:
            says = "does not tell the threads and the precision in force"
            yield Finding(WARNING, "in force", says, place)
        for key, value in m.in_force.items():
            if key == "threads" or (key.endswith("_threads") and not key.endswith("_least_threads")):
                yield from _threads(asked, key, value, place)
        if m.in_force.get("x64") is False and asked.dtype == "float64":
            yield Finding(ERROR, "in force", "is of float64, which was switched off", place)
        yield from _precision(asked.precision, m.in_force, place)


def _threads(case: Case, key: str, value: Any, place: str) -> Iterator[Finding]:
    asked, devices = case.threads, count_of(case.device) if is_host(case.device) else 1
    # Several devices share a pool, of as many threads as there are CPUs for, and each calls libraries.
    if type(value) is not int or (1 if devices > 1 else asked) <= value <= asked * devices:
        return
    level = ERROR if key == "threads" and value > asked else WARNING
    says = f"had {'more' if value > asked else 'fewer'} threads than were asked for"
    yield Finding(level, "in force", says, f"{place}: {shown(key, 30)} {value} for {asked}")


def _precision(asked: str, in_force: Mapping[str, Any], place: str) -> Iterator[Finding]:
    word = str(in_force.get("matmul_precision") or "").lower()
    reduced = word in REDUCED or any(part in word for part in OF_FEW_BITS)
    if asked == "ieee" and (reduced or in_force.get("cudnn_tf32") is True):
        says = "computed products of float32 in fewer bits, though ieee was asked for"
        yield Finding(ERROR, "in force", says, f"{place}: {shown(word)}")
    elif asked == "tf32" and word == "highest":
        says = "computed products in full float32, though tf32 was asked for"
        yield Finding(WARNING, "in force", says, place)
