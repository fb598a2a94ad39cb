"""Was a run made so that its verdicts can be believed: forks, quiet, versions, machine, calibration?"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xpbench.bench import card_state, roofline, stats
from xpbench.bench.case import Case
from xpbench.bench.checking.contents import shown
from xpbench.bench.checking.finding import ERROR, NOTE, WARNING, Finding
from xpbench.bench.checking.records import Line
from xpbench.bench.device import kind_of
from xpbench.bench.header import part_of
from xpbench.bench.journal import CARDS, HEADER, JOURNAL, ROOFS, Run
from xpbench.bench.measurement import DISTURBED
from xpbench.bench.precisions import bits_against
from xpbench.bench.report.cards import warnings_of_others
from xpbench.bench.report.quantities import percent
from xpbench.bench.stats import MIN_FORKS
from xpbench.bench.twins import base_of

MOST_DISTURBED = 0.10
"""A second turn has made this few of what was only now and then disturbed."""
SCATTER, MOST_SCATTERED = 0.15, 1 / 3
"""The standard deviation of the logs of a case's forks is 5 to 10 % on quiet machines. Where more cases
than this share scatter by more, the machine was not quiet, whatever it said of itself."""
DRIFT = 0.10
"""Two measurements of a roof on a quiet machine differ by a few percent."""


def forks_and_quiet(lines: Sequence[Line], cases: Sequence[Case]) -> Iterator[Finding]:
    """Whether there are forks enough for verdicts, and whether others left them alone."""
    timed = [line for line in lines if line.measurement.status == "ok" and line.measurement.samples]
    forks: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for line in timed:
        m = line.measurement
        forks[str(m.case)][m.fork] = stats.fork_summary(m.samples)
    for name in map(str, cases):
        if 0 < len(forks.get(name, {})) < MIN_FORKS:
            says = f"has times of fewer than {MIN_FORKS} forks, and so no verdict"
            yield Finding(WARNING, "forks", says, f"{shown(name)}: {len(forks[name])}")
    if not timed:
        return
    share = sum(line.measurement.disturbed for line in timed) / len(timed)
    if share > MOST_DISTURBED:
        yield Finding(
            WARNING,
            "noise",
            f"other processes took more than {percent(DISTURBED)} of the CPUs' time in {percent(share)} "
            "of the measurements: on a quieter machine less would be unclear",
            JOURNAL,
        )
    if any(line.measurement.others is None for line in timed):
        yield Finding(
            NOTE, "noise", "does not tell what other processes took of the CPUs' time", JOURNAL
        )
    scatters = [
        statistics.stdev(map(math.log, found.values())) for found in forks.values() if len(found) > 1
    ]
    wide = sum(scatter > SCATTER for scatter in scatters)
    if wide > MOST_SCATTERED * len(scatters):
        yield Finding(
            WARNING,
            "noise",
            f"the forks of {wide} of {len(scatters)} cases scatter by more than {percent(SCATTER)}: the "
            "machine was not as quiet, or its clock not as steady, as verdicts need",
            JOURNAL,
        )
    yield from _anchors(timed)


def _anchors(timed: Sequence[Line]) -> Iterator[Finding]:
    """Whether a fixed piece of work took longer in the last fork than in the first."""
    forks: defaultdict[int, list[float]] = defaultdict(list)
    for line in timed:
        seconds = line.measurement.in_force.get("anchor_compute_s")
        if isinstance(seconds, float) and seconds > 0:
            forks[line.measurement.fork].append(seconds)
    if len(forks) > 1:
        first, last = (statistics.median(forks[fork]) for fork in (min(forks), max(forks)))
        yield from _drift(first / last, "a fixed piece of work", JOURNAL)


def roofs(run: Run) -> Iterator[Finding]:
    """Whether what the machine can do at most was measured, and was the same at the end."""
    settings = part_of(run.header, "settings")
    if settings.get("roofs") is True and not run.roofs:
        says = "has no roofs, and was to measure them: no percentages can be given"
        yield Finding(WARNING, "roofs", says, ROOFS)
    for key, peak in roofline.peaks(run.roofs).items():
        if peak.drift is not None:
            yield from _drift(peak.drift, f"products on {shown(key[0])} in {shown(key[1])}", ROOFS)
    for (backend, device, *_, precision), bits in roofline.product_bits(run.roofs).items():
        if words := bits_against(precision, bits):
            yield Finding(WARNING, "roofs", shown(words, 200), f"{shown(backend)}@{shown(device)}")


def _drift(times_as_fast: float, work: str, where: str) -> Iterator[Finding]:
    if abs(times_as_fast - 1) > DRIFT:
        way = "faster" if times_as_fast > 1 else "slower"
        says = f"{work} went {percent(abs(times_as_fast - 1))} {way} in the last fork than in the first"
        yield Finding(WARNING, "drift", says, where)


def cards(run: Run) -> Iterator[Finding]:
    """Whether the cards were alone and kept their clocks."""
    states = [*card_state.counted(run.cards).values()]
    slowed = sum(state.slowed for state in states)
    if slowed > MOST_DISTURBED * len(states):
        says = f"the card slowed its clock in {slowed} of {len(states)} measurements"
        yield Finding(WARNING, "noise", says, CARDS)
    for words in warnings_of_others(run):
        yield Finding(WARNING, "noise", shown(words, 300), CARDS)
    on_cards = any(kind_of(case.device) == "cuda" for case in run.cases)
    if on_cards and not part_of(run.header, "machine").get("cards"):
        says = "names no card, and cases are on one: which, and with what driver?"
        yield Finding(WARNING, "machine", says, f"{HEADER} machine cards")


def versions(header: Mapping[str, Any], cases: Sequence[Case]) -> Iterator[Finding]:
    """Whether it is told of every backend what was measured."""
    told, unusable = part_of(header, "versions"), part_of(header, "unusable")
    for backend in dict.fromkeys(case.backend for case in cases):
        if not told.get(backend) and backend not in unusable:
            says = "was measured, and its versions are not told: nobody can cite or repeat it"
            yield Finding(ERROR, "versions", says, shown(backend))
    for backend in unusable:
        says = "was asked for and could not be used, which its cells will say"
        yield Finding(NOTE, "versions", says, shown(backend))


def calibration(header: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether it is known how often verdicts err on the machine of the run."""
    record, settings = header.get("calibration"), part_of(header, "settings")
    if not isinstance(record, dict):
        says = "cites no calibration of its machine: `xpbench calibrate` before the run makes one"
        yield Finding(NOTE, "calibration", says, HEADER)
        return
    seen = record.get("machine"), record.get("threads"), record.get("precision")
    machine = part_of(header, "machine").get("id")
    if seen != (machine, settings.get("threads"), settings.get("precision")):
        says = "cites a calibration of another machine, thread count or precision"
        yield Finding(ERROR, "calibration", says, f"{HEADER} calibration")
    disturbed = record.get("disturbed")
    if isinstance(disturbed, int | float) and disturbed > DISTURBED:
        says = f"cites a calibration that was disturbed in {percent(disturbed)} of its measurements"
        yield Finding(NOTE, "calibration", says, f"{HEADER} calibration")


def of_twins(cases: Sequence[Case]) -> bool:
    """Whether the run is a calibration: all of its backends are twins of some."""
    return bool(cases) and all(base_of(case.backend) != case.backend for case in cases)
