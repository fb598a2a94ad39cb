"""What would a run measure, and how, before anything is measured?"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from xpbench.bench import interpreter, machine, memory, plan, probe, processor, registry, stats
from xpbench.bench.case import PRECISIONS, Case
from xpbench.bench.device import kind_of, parse
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.interpreter import Interpreter
from xpbench.bench.job import Job
from xpbench.bench.measurement import Measurement
from xpbench.bench.multiple_comparisons import LOOKS, MOST_FORKS
from xpbench.bench.plan import PRESETS, Request, Row, Settings
from xpbench.bench.registry import Registry

Names = Sequence[str]
BASELINE = "numpy"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Plan:
    """A run before it begins: what would be measured, how, and which cells are words already.

    ``unusable`` are backends and ``unfit`` cases that cannot be measured, each with the reason.
    ``interpreter`` is the Python that measures, where it is not this one. ``asking_s`` is how many
    seconds the backends took to tell whether they can be used, which is the import of their libraries.
    """

    registry: Registry
    cases: tuple[Case, ...]
    settings: Settings
    unusable: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    preset: str
    unfit: Mapping[Case, str] = field(default_factory=dict)
    interpreter: Interpreter | None = None
    asking_s: float = 0.0

    @property
    def runnable(self) -> tuple[Case, ...]:
        return tuple(c for c in self.cases if c.backend not in self.unusable and c not in self.unfit)

    @property
    def words(self) -> Iterator[Measurement]:
        """The records of the cases that cannot be measured here."""
        for case in self.cases:
            if case.backend in self.unusable:
                yield Measurement(case, 0, "unsupported", self.unusable[case.backend])
            elif case in self.unfit:
                yield Measurement(case, 0, "oom", self.unfit[case])

    def check_runnable(self) -> None:
        """Raises ``NothingMeasured`` where there is nothing that could be measured."""
        if not self.runnable:
            reasons = list(dict.fromkeys(record.reason for record in self.words))
            raise NothingMeasured(f"nothing can be measured: {'; '.join(reasons[:3]) or 'no case'}")

    def job(self, folder: Path) -> Job:
        """The work of measuring it into ``folder``."""
        python = self.interpreter.executable if self.interpreter else sys.executable
        return Job(folder, self.registry, self.runnable, self.settings, python=python)

    def jobs(self, folder: Path) -> Iterator[Job]:
        """That work, and after it what more its unclear cases are worth, if that was asked for."""
        from xpbench.bench import until_clear

        job = self.job(folder)
        yield job
        yield from until_clear.further(job)

    @property
    def seconds(self) -> float:
        """How long the run is expected to take."""
        return self.job(Path()).seconds


def prepare(
    arguments: Sequence[str],
    request: Request,
    *,
    files: Sequence[Path] = (),
    python: str | None = None,
    every_backend: bool = False,
    forks: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    precision: str = "ieee",
    timeout: float = 120.0,
    seed: int = 0,
    baseline: str = BASELINE,
    roofs: bool | None = None,
    cache: str = "hot",
    energy: bool = False,
    until_clear: bool = False,
    chunk: float = plan.CHUNK_SECONDS,
    known: Mapping[str, probe.State] | None = None,
    most_memory: int | None = None,
) -> Plan:
    """Turns what was asked into cases.

    ``arguments`` are kernel names and paths of Python files; ``files`` declare more that may be named,
    and nothing of them is taken unless it is. ``python`` is the interpreter that is to measure, where
    it is not this one. ``every_backend`` takes all that can be
    used, rather than the default ones, where the request names none. ``roofs`` are measured, unless
    it says otherwise, where there are forks enough for a verdict. ``known`` are the states of all
    backends, and ``most_memory`` the bytes there are, where other machines are to measure.
    """
    preset = PRESETS.get(request.preset, PRESETS["default"])
    forks = _whole("forks", preset.forks if forks is None else forks, 1, MOST_FORKS)
    settings = Settings(
        forks=forks,
        seconds=_in_range("time", preset.seconds if seconds is None else seconds, 0.0, 3600.0),
        threads=checked_threads(threads),
        precision=known_precision(precision),
        seed=_whole("seed", seed, 0, 2**63),
        timeout=_in_range("timeout", timeout, 1e-3, 1e6),
        baseline=baseline,
        roofs=forks >= stats.MIN_FORKS if roofs is None else roofs,
        looks=LOOKS if until_clear else 1,
        cpus=processor.ranges(processor.available_cpus()),
        cache=_known_cache(cache),
        energy=energy,
        chunk=chunk,
    )
    backend_files, backend_names = _files_and_names(request.backends)
    kernel_files, kernel_names = _files_and_names(arguments)
    found = registry.find([*kernel_files, *backend_files, *files])
    names = kernel_names + [
        kernel.name for file in kernel_files for kernel in _declared(file, "kernel", found.of_file(file))
    ]
    backend_names += [
        name for file in backend_files for name in _declared(file, "backend", found.backends_of(file))
    ]
    found.backend(baseline.split("@")[0])
    for name in request.devices:
        parse(name)
    rows = plan.select(found, replace(request, kernels=tuple(names)))
    asked = dict.fromkeys(row.kernel for row in rows)
    other = None if python is None else interpreter.find(python, found.files, list(asked))
    executable = other.executable if other else sys.executable
    began = time.monotonic()
    chosen = chosen_backends(found, backend_names, every_backend)
    states = probe.states(found, chosen, executable) if known is None else {n: known[n] for n in chosen}
    asking_s = time.monotonic() - began
    if not backend_names:
        states = {name: state for name, state in states.items() if state.usable}
    devices = {name: _devices(found, state, request.devices) for name, state in states.items()}
    if not any(devices.values()):
        have = "; ".join(f"{n}: {', '.join(s.devices) or s.reason}" for n, s in states.items())
        raise NothingMeasured(
            f"no backend chosen has the device {' or '.join(request.devices)} ({have})"
        )
    able = {
        name: of_it
        for name, of_it in devices.items()
        if any(found.backends[name].declines(row.dtype) is None for row in rows)
    }
    if baseline.split("@")[0] not in (able or devices):
        baseline = _another_baseline(baseline, able or devices)
        settings = replace(settings, baseline=baseline)
    devices = dict(sorted(devices.items(), key=lambda item: item[0] != baseline.split("@")[0]))
    cases = plan.place(rows, devices, settings.threads, precision)
    unfit = _unfit(found, rows, memory.limit() if known is None else most_memory)
    return Plan(
        registry=found,
        cases=tuple(cases),
        settings=settings,
        unusable={name: state.reason for name, state in states.items() if not state.usable},
        versions={name: state.versions for name, state in states.items()},
        preset=request.preset,
        unfit={case: reason for case in cases if (reason := unfit.get((case.kernel, case.size)))},
        interpreter=other,
        asking_s=asking_s,
    )


def _unfit(
    found: Registry, rows: Sequence[Row], most: int | None
) -> dict[tuple[str, tuple[tuple[str, int], ...]], str]:
    """By kernel and size, why a machine with ``most`` bytes has not the memory for it.

    Raises
    ------
    XpbenchError
        If such a size was typed, and is not one of the kernel's own.
    """
    unfit = {}
    for row in rows:
        reason = memory.too_large(found.kernels[row.kernel], dict(row.size), most)
        if reason and not row.size_name:
            size = ",".join(f"{key}={value}" for key, value in row.size)
            raise XpbenchError(f"{row.kernel} at {size}: {reason}")
        if reason:
            unfit[row.kernel, row.size] = reason
    return unfit


def chosen_backends(found: Registry, names: Names, every: bool = False) -> list[str]:
    """The backends named; without a name, ``every`` one or those that a run takes by default."""
    if names:
        return [found.backend(name).name for name in dict.fromkeys(names)]
    return [name for name, backend in found.backends.items() if every or backend.default]


def _devices(found: Registry, state: probe.State, asked: Names) -> list[str]:
    if not state.usable:
        return list(asked) or [found.backends[state.backend].home]
    if not asked:
        return _first(state)
    backend = found.backends[state.backend]
    named = [d for d in state.devices if d in asked or d.split(":")[0] in asked]
    named += [d for d in asked if d not in named and backend.divides(d, state.devices)]
    # Where every device is divided, a kind stands for the one that is taken unasked.
    return named or [d for d in _first(state) if kind_of(d) in asked]


def _first(state: probe.State) -> list[str]:
    """One device of each kind: the second card of two equal ones is measured only when asked for."""
    kinds: dict[str, str] = {}
    for device in state.devices:
        kinds.setdefault(kind_of(device), device)
    return list(kinds.values())


def _files_and_names(arguments: Names) -> tuple[list[Path], list[str]]:
    files = [Path(text) for text in arguments if _is_path(text)]
    return files, [text for text in arguments if not _is_path(text)]


def _is_path(text: str) -> bool:
    return text.endswith(".py") or os.sep in text


def _declared(file: Path, noun: str, found: Sequence[_T]) -> Sequence[_T]:
    if not found:
        raise XpbenchError(f"{file} declares no {noun}: name a file that does")
    return found


def _another_baseline(asked: str, devices: Mapping[str, Sequence[str]]) -> str:
    """The first backend of the run that computes in one of its dtypes, where the usual baseline is not
    among them.

    Raises
    ------
    XpbenchError
        If a baseline was asked for that the run does not measure.
    """
    if asked != BASELINE:
        raise XpbenchError(
            f"--baseline {asked!r} is not measured in this run, or in none of its dtypes: expected one "
            f"of {', '.join(devices)}"
        )
    return next(iter(devices))


def checked_threads(threads: int | None) -> int:
    """The number of threads asked for, or as many as this process may use CPUs, by its affinity and by
    the quota of its control group."""
    if threads is None:
        quota = processor.quota_cpus(processor.quota())
        threads = machine.available_cpus() if quota is None else max(1, int(quota))
        threads = min(threads, machine.available_cpus())
    return _whole("threads", threads, 1, 4096)


def known_precision(name: str) -> str:
    if name not in PRECISIONS:
        raise XpbenchError(f"--precision {name!r}: expected one of {', '.join(PRECISIONS)}")
    return name


def _known_cache(name: str) -> str:
    if name not in ("hot", "cold"):
        raise XpbenchError(f"--cache {name!r}: expected hot or cold")
    return name


def _whole(name: str, value: int, least: int, most: int) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise XpbenchError(f"--{name} {value!r}: expected a whole number from {least} to {most}")
    return value


def _in_range(name: str, value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        raise XpbenchError(
            f"--{name} {value:g}: expected a number of seconds from {least:g} to {most:g}"
        )
    return value
