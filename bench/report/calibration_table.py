"""How a calibration is told: rates of false alarms, and what is found with how many forks."""

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from xpbench.bench.calibration import FORK_COUNTS, Calibration, Power, Rate
from xpbench.bench.journal import Run
from xpbench.bench.report.quantities import percent

FOUND_OFTEN = 0.9


def as_table(found: Calibration) -> Group:
    """The calibration in at most 80 columns."""
    rates = Table(box=None, show_header=False, pad_edge=False)
    for label, rate in (
        ("equal backends called faster or slower", found.pairs),
        ("  their interval alone excludes 1", found.intervals),
        ("rows where an equal is not among the fastest", found.rows),
    ):
        rates.add_row(label, rate_words(rate))
    powers = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    powers.add_column("forks")
    counts = [forks for forks in FORK_COUNTS if any(p.forks == forks for p in found.powers)]
    for forks in counts:
        powers.add_column(str(forks), justify="right")
    by_key = {(p.extra, p.forks): p for p in found.powers}
    for extra in dict.fromkeys(p.extra for p in found.powers):
        cells = [_cell(by_key.get((extra, forks))) for forks in counts]
        powers.add_row(extra, *cells)
    head = f"calibration of {found.machine} on {found.created[:10]}"
    return Group(
        Text.assemble((head, "bold"), (f" · runs of {found.forks} forks, as by default", "dim")),
        Text(),
        rates,
        Text(),
        powers,
        Text(),
        Text(
            "so much more work: how often called slower, how often the interval excludes 1", style="dim"
        ),
        Text(),
        *(Text(sentence) for sentence in sentences(found)),
    )


def citation(run: Run) -> str:
    """What is known of the errors of verdicts on the machine of ``run``, in a sentence."""
    record: Any = run.header.get("calibration")
    try:
        pairs, day, name = record["pairs"], str(record["created"])[:10], record["run"]
        share = percent(pairs["seen"] / pairs["of"])
        interval = f"{percent(pairs['low'])} to {percent(pairs['high'])}"
        return (
            f"calibrated on this machine ({name}, {day}): of {pairs['of']} pairs of equal backends, "
            f"{share} were called different ({interval})"
        )
    except (TypeError, KeyError, ArithmeticError):
        return "how often verdicts err here is not known: `xpbench calibrate` finds out"


def rate_words(rate: Rate) -> str:
    """A rate with its interval, e.g. ``1.0% (0.3% to 3.5%) of 204``."""
    low, high = rate.interval
    return f"{percent(rate.share)} ({percent(low)} to {percent(high)}) of {rate.of}"


def sentences(found: Calibration) -> list[str]:
    """What this machine can tell apart, and how quiet it was."""
    told = []
    for extra in dict.fromkeys(p.extra for p in found.powers):
        enough = [p.forks for p in found.powers if p.extra == extra and p.interval.share >= FOUND_OFTEN]
        often = percent(FOUND_OFTEN)
        told.append(
            f"{extra} is told from nothing in {often} of cases with {min(enough)} forks"
            if enough
            else f"{extra} is not told from nothing in {often} of cases with any number tried"
        )
    return [
        *told,
        f"forks scatter by {percent(found.scatter)} (median over rows); "
        f"other work disturbed {percent(found.disturbed)} of the measurements",
    ]


def _cell(power: Power | None) -> str:
    if power is None:
        return ""
    return f"{percent(power.verdict.share)} {percent(power.interval.share)}"
