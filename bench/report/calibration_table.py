"""How a calibration is told: rates of false alarms, and what is found with how many forks."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from xpbench.bench.calibration import FORK_COUNTS, Calibration, Power, Rate
from xpbench.bench.forecast import words
from xpbench.bench.journal import Run
from xpbench.bench.report.quantities import percent, tenths
from xpbench.bench.report.records import visible
from xpbench.bench.report.sheet import Part

FOUND_OFTEN = 0.9
FEWEST_TRIALS = 10
"""Of fewer comparisons than these nothing is said in words: nine of ten is the least that is often."""


def as_table(found: Calibration) -> Group:
    """The calibration in at most 80 columns."""
    rates = Table(box=None, show_header=False, pad_edge=False)
    for label, rate in (
        ("equal backends called faster or slower", found.errors.pairs),
        ("  their interval alone excludes 1", found.errors.intervals),
        ("rows where an equal is not among the fastest", found.errors.rows),
    ):
        rates.add_row(label, rate_words(rate))
    head = f"calibration of {found.machine} on {found.created[:10]}"
    threads = f"{found.threads} thread" + ("" if found.threads == 1 else "s")
    return Group(
        Text.assemble(
            (head, "bold"), (f" · {threads} · {found.precision} · runs of {found.forks} forks", "dim")
        ),
        Text(),
        rates,
        Text(),
        _by_backend(found),
        Text(),
        _powers(found),
        Text(),
        Text(
            "so much more work: how often called slower, how often the interval excludes 1", style="dim"
        ),
        Text(),
        *(Text(sentence) for sentence in sentences(found)),
    )


def cited(runs: Sequence[Run]) -> Part:
    """The end of a table: how far the verdicts of ``runs`` may be believed."""
    return Part((), (), tuple(visible(line) for line in dict.fromkeys(map(citation, runs))))


def citation(run: Run) -> str:
    """What is known of the errors of verdicts on the machine of ``run``, in a sentence."""
    record: Any = run.header.get("calibration")
    try:
        pairs, day, name = record["pairs"], str(record["created"])[:10], record["run"]
        share = tenths(pairs["seen"] / pairs["of"])
        interval = f"{tenths(pairs['low'])} to {tenths(pairs['high'])}"
        return (
            f"calibrated on this machine ({name}, {day}): of {pairs['of']} pairs of equal backends, "
            f"{share} were called different ({interval})"
        )
    except (TypeError, KeyError, ArithmeticError):
        return "how often verdicts err here is not known: `xpbench calibrate` finds out"


def rate_words(rate: Rate) -> str:
    """A rate with its interval, e.g. ``1.0% (0.3% to 3.5%) of 204``."""
    low, high = rate.interval
    return f"{tenths(rate.share)} ({tenths(low)} to {tenths(high)}) of {rate.of}"


def sentences(found: Calibration) -> list[str]:
    """What this machine can tell apart, in how many forks and minutes, and how quiet it was."""
    return [
        *(_told_apart(found, extra) for extra in dict.fromkeys(p.extra for p in found.powers)),
        f"forks scatter by {percent(found.errors.scatter)} (median over rows); "
        f"other work disturbed {percent(found.disturbed)} of the measurements",
        *(f"not judged, because a twin of it has no time: {row}" for row in found.untimed),
    ]


def _told_apart(found: Calibration, extra: str) -> str:
    """The fewest forks with which so much more work is seen often, and what so many cost."""
    tried = [p for p in found.powers if p.extra == extra and p.interval.of >= FEWEST_TRIALS]
    often = percent(FOUND_OFTEN)
    if not tried:
        return f"{extra}: fewer than {FEWEST_TRIALS} comparisons were made; try more --comparisons"
    enough = [p for p in tried if p.interval.share >= FOUND_OFTEN]
    if not enough:
        most = max(p.forks for p in tried)
        return f"{extra} is not told from nothing in {often} of cases with up to {most} forks"
    fewest = min(enough, key=lambda p: p.forks)
    return (
        f"{extra} is told from nothing in {often} of cases with {fewest.forks} forks "
        f"({fewest.interval.seen} of {fewest.interval.of}): a default run of so many takes about "
        f"{words(found.default_seconds[fewest.forks])}"
    )


def _by_backend(found: Calibration) -> Table:
    table = _plain_table("backend", "called different", "left out of a row", "forks scatter by")
    for name, errors in found.by_backend.items():
        table.add_row(name, _count(errors.pairs), _count(errors.rows), percent(errors.scatter))
    return table


def _powers(found: Calibration) -> Table:
    counts = [forks for forks in FORK_COUNTS if any(p.forks == forks for p in found.powers)]
    table = _plain_table("forks", *map(str, counts))
    by_key = {(p.extra, p.forks): p for p in found.powers}
    for extra in dict.fromkeys(p.extra for p in found.powers):
        table.add_row(extra, *(_cell(by_key.get((extra, forks))) for forks in counts))
    trials = (max(p.interval.of for p in found.powers if p.forks == forks) for forks in counts)
    table.add_row("of", *map(str, trials))
    return table


def _plain_table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(first)
    for head in others:
        table.add_column(head, justify="right")
    return table


def _count(rate: Rate) -> str:
    return f"{rate.seen} of {rate.of}"


def _cell(power: Power | None) -> str:
    if power is None:
        return ""
    return f"{percent(power.verdict.share)} {percent(power.interval.share)}"
