"""Where, with what and how quietly was a run measured?"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.calibration_table import citation
from xpbench.bench.report.cards import warnings_of_others
from xpbench.bench.report.quantities import percent, significant, volume
from xpbench.bench.report.records import visible
from xpbench.bench.roofline import peaks
from xpbench.bench.twins import base_of

_SETTINGS = {
    "forks": "forks",
    "seconds": "seconds of timed rounds",
    "threads": "threads asked for",
    "cpus": "CPUs",
    "precision": "precision asked for",
    "cache": "cache",
    "baseline": "baseline",
    "seed": "seed",
    "timeout": "seconds a case may take",
}
MOST_DAMAGE = 20
_OF_THE_PROCESS = ("anchor", "probe")
"""What begins so in ``in_force`` tells of the machine, and not of the library."""


@dataclass(frozen=True)
class Fact:
    """In words: a topic (``machine``, ``fairness`` or ``noise``), a name and a text."""

    topic: str
    name: str
    text: str


def provenance(run: Run) -> list[Fact]:
    """All that is known of how ``run`` came about, in the order in which it is read."""
    said = [
        *(Fact("machine", *pair) for pair in _machine(run)),
        *(Fact("fairness", *pair) for pair in _fairness(run)),
        *(Fact("noise", *pair) for pair in _noise(run)),
    ]
    return [Fact(fact.topic, visible(fact.name), visible(fact.text)) for fact in said]


def library_versions(run: Run) -> dict[str, str]:
    """The version of every library that a backend of ``run`` is named after, as it calls itself; of a
    backend that is named after none, the first that it tells of."""
    found = {}
    for backend, versions in run.header["versions"].items():
        if not isinstance(versions, Mapping):
            continue
        base = base_of(backend)
        names = (base, base.partition("-")[0], *versions)
        library = next((name for name in names if versions.get(name) is not None), None)
        if library is not None:
            found[library] = str(versions[library])
    return found


def _machine(run: Run) -> Iterator[tuple[str, str]]:
    machine = run.header["machine"]
    yield "measured", _text(run.header.get("created"))
    cores = machine.get("cores")
    yield "processor", _text(machine.get("cpu")) + ("" if cores is None else f", {_text(cores)} cores")
    for key, name in (("memory_bytes", "memory"), ("cache_bytes", "last-level cache")):
        if isinstance(machine.get(key), int):
            yield name, volume(machine[key])
    for key in ("system", "python", "governor", "turbo", "smt", "numa_nodes", "hypervisor", "container"):
        if machine.get(key) is not None:
            yield key.replace("_", " "), _text(machine[key])
    if machine.get("cards"):
        yield "cards", "; ".join(map(_text, machine["cards"]))
    yield "machine id", _text(machine.get("id"))
    yield "xpbench", _text(run.header.get("xpbench"))
    for backend, versions in run.header["versions"].items():
        yield backend, _pairs(versions, " ")
    unusable = run.header.get("unusable")
    for backend, reason in unusable.items() if isinstance(unusable, Mapping) else ():
        yield f"{backend} (not usable)", _text(reason)


def _fairness(run: Run) -> Iterator[tuple[str, str]]:
    settings = run.header["settings"]
    for key, name in _SETTINGS.items():
        if settings.get(key) is not None:
            yield name, _text(settings[key])
    in_force: dict[str, dict[str, None]] = {}
    for measurement in run.measurements:
        told = {k: v for k, v in measurement.in_force.items() if not k.startswith(_OF_THE_PROCESS)}
        if told:
            place = f"{measurement.case.backend}@{measurement.case.device}"
            in_force.setdefault(place, {})[_pairs(told, " ")] = None
    for place, texts in in_force.items():
        yield f"in force: {place.removesuffix('@cpu')}", " / ".join(texts)


def _noise(run: Run) -> Iterator[tuple[str, str]]:
    timed = [measurement for measurement in run.measurements if measurement.samples]
    statuses = Counter(measurement.status for measurement in run.measurements)
    yield "measurements", ", ".join(f"{count} {word}" for word, count in statuses.most_common())
    if timed:
        disturbed = sum(measurement.disturbed for measurement in timed)
        yield (
            "disturbed by other work",
            f"{disturbed} of {len(timed)} ({percent(disturbed / len(timed))})",
        )
        yield from _median(timed, "CPU time that others took, median", lambda m: m.others)
        yield from _median(timed, "time a task waited for a CPU, median", lambda m: m.pressure)
    for (device, dtype, _, _), peak in peaks(run.roofs).items():
        if peak.drift is not None:
            yield (
                f"drift on {device}, {dtype}",
                f"the last fork's products were {significant(peak.drift)} times as fast as the first's",
            )
    yield "verdicts", citation(run)
    for warning in warnings_of_others(run):
        yield "cards", warning
    for damage in run.damaged[:MOST_DAMAGE]:
        yield "left out", damage.removeprefix(str(run.path)).lstrip("/")
    if len(run.damaged) > MOST_DAMAGE:
        yield "left out", f"{len(run.damaged) - MOST_DAMAGE} more"


def _median(
    timed: Sequence[Measurement], name: str, share: Callable[[Measurement], float | None]
) -> Iterator[tuple[str, str]]:
    known = [value for measurement in timed if (value := share(measurement)) is not None]
    if known:
        yield name, percent(statistics.median(known))


def _pairs(mapping: Any, between: str) -> str:
    pairs: Iterable[tuple[Any, Any]] = mapping.items() if isinstance(mapping, Mapping) else ()
    return ", ".join(f"{key}{between}{_text(value)}" for key, value in pairs)


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _pairs(value, " ")
    return f"{value:g}" if isinstance(value, float) else str(value)
