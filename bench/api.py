"""What can be asked from Python: measure, verify, list, and read what was measured."""

import datetime
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import xpbench
from xpbench.bench import interpreter, journal, machine, plan, probe, registry, runner, sources, stats
from xpbench.bench.case import PRECISIONS, Case
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.interpreter import Interpreter
from xpbench.bench.job import Job
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import PRESETS, Request, Settings
from xpbench.bench.registry import Registry

if TYPE_CHECKING:
    from pandas import DataFrame

    from xpbench.bench.changes import Changes
    from xpbench.bench.results import Results

Names = Sequence[str]
BASELINE = "numpy"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Plan:
    """A run before it begins: what would be measured, how, and which cells are words already.

    ``interpreter`` is the Python that measures, where it is not this one.
    """

    registry: Registry
    cases: tuple[Case, ...]
    settings: Settings
    unusable: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    preset: str
    interpreter: Interpreter | None = None

    @property
    def runnable(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.backend not in self.unusable)

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


def run(
    *kernels: str | Path,
    backends: Names = (),
    devices: Names = (),
    dtypes: Names = (),
    sizes: Names = (),
    chapters: Names = (),
    everything: bool = False,
    preset: str = "default",
    forks: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    precision: str = "ieee",
    timeout: float = 120.0,
    seed: int = 0,
    baseline: str = BASELINE,
    roofs: bool | None = None,
    until_clear: bool = False,
    out: str | Path | None = None,
) -> "Results":
    """Measures kernels on backends and stores the run.

    ``kernels`` are names or paths of Python files; without any, the named five are measured. The
    other arguments are the options of ``xpbench run``. Returns the stored run.

    Raises
    ------
    XpbenchError
        If something named does not exist or is out of range.
    NothingMeasured
        If no case could be measured.
    """
    request = Request(
        chapters=_names(chapters),
        everything=everything,
        backends=_names(backends),
        devices=_names(devices),
        dtypes=_names(dtypes),
        sizes=_names(sizes),
        preset=preset,
    )
    prepared = prepare(
        [str(kernel) for kernel in kernels],
        request,
        forks=forks,
        seconds=seconds,
        threads=threads,
        precision=precision,
        timeout=timeout,
        seed=seed,
        baseline=baseline,
        roofs=roofs,
        until_clear=until_clear,
    )
    folder = begin(prepared, Path(out) if out else None)
    for job in prepared.jobs(folder):
        runner.execute(job, runner.Silent())
    return finished(folder)


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
    until_clear: bool = False,
) -> Plan:
    """Turns what was asked into cases.

    ``arguments`` are kernel names and paths of Python files; ``files`` declare more that may be named,
    and nothing of them is taken unless it is. ``python`` is the interpreter that is to measure, where
    it is not this one. ``every_backend`` takes all that can be
    used, rather than the default ones, where the request names none. ``roofs`` are measured, unless
    it says otherwise, where there are forks enough for a verdict.
    """
    preset = PRESETS.get(request.preset, PRESETS["default"])
    forks = _whole("forks", preset.forks if forks is None else forks, 1, 1000)
    settings = Settings(
        forks=forks,
        seconds=_in_range("time", preset.seconds if seconds is None else seconds, 0.0, 3600.0),
        threads=checked_threads(threads),
        precision=known_precision(precision),
        seed=_whole("seed", seed, 0, 2**63),
        timeout=_in_range("timeout", timeout, 1e-3, 1e6),
        baseline=baseline,
        roofs=forks >= stats.MIN_FORKS if roofs is None else roofs,
        looks=plan.LOOKS if until_clear else 1,
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
    rows = plan.select(found, replace(request, kernels=tuple(names)))
    asked = dict.fromkeys(row.kernel for row in rows)
    other = None if python is None else interpreter.find(python, found.files, list(asked))
    executable = other.executable if other else sys.executable
    states = probe.states(found, chosen_backends(found, backend_names, every_backend), executable)
    if not backend_names:
        states = {name: state for name, state in states.items() if state.usable}
    devices = {name: _devices(found, state, request.devices) for name, state in states.items()}
    if not any(devices.values()):
        have = "; ".join(f"{n}: {', '.join(s.devices) or s.reason}" for n, s in states.items())
        raise NothingMeasured(
            f"no backend chosen has the device {' or '.join(request.devices)} ({have})"
        )
    if baseline.split("@")[0] not in devices:
        baseline = _another_baseline(baseline, devices)
        settings = replace(settings, baseline=baseline)
    devices = dict(sorted(devices.items(), key=lambda item: item[0] != baseline.split("@")[0]))
    cases = plan.place(rows, devices, settings.threads, precision)
    return Plan(
        registry=found,
        cases=tuple(cases),
        settings=settings,
        unusable={name: state.reason for name, state in states.items() if not state.usable},
        versions={name: state.versions for name, state in states.items()},
        preset=request.preset,
        interpreter=other,
    )


def begin(prepared: Plan, folder: Path | None) -> Path:
    """Creates the run's folder, with a record for every case that cannot be measured here."""
    stamp = datetime.datetime.now().astimezone()
    name = f"{stamp:%Y%m%d-%H%M%S}-{prepared.preset}-{secrets.token_hex(2)}"
    folder = folder or Path("results") / name
    journal.create(folder, _header(prepared, folder.name, stamp.isoformat(timespec="seconds")))
    for case in prepared.cases:
        if case.backend in prepared.unusable:
            reason = prepared.unusable[case.backend]
            journal.append(folder, Measurement(case, 0, "unsupported", reason))
    return folder


def resume(folder: Path) -> Plan:
    """The plan of a stored run, for the part of it that was not measured.

    Raises
    ------
    XpbenchError
        If the folder holds no run, or a library has changed since it began.
    """
    stored = journal.read(folder)
    header = stored.header
    if header.get("side"):
        raise XpbenchError(
            f"{folder} is one side of a comparison that interleaved two: it can be shown, and not "
            "resumed; measure both anew with `xpbench ab`"
        )
    try:
        files = [sources.file_of(name) for name in header["files"]]
        settings = Settings(**header["settings"])
        then_sources = dict(header["sources"])
        unusable, versions, preset = header["unusable"], header["versions"], header["preset"]
    except (KeyError, TypeError) as fault:
        raise XpbenchError(
            f"{folder}/run.json does not say how the run was to go on ({fault}): "
            "it can be shown, but not resumed"
        ) from None
    found = registry.find(files)
    for case in stored.cases:
        found.kernel(case.kernel)
    for name, then in versions.items():
        now = found.backend(name).versions()
        if now != then and name not in unusable:
            raise XpbenchError(
                f"{folder} was begun with {_list(then)}, and {_list(now)} is installed now: "
                "one run measures one set of versions; install those, or start a new run"
            )
    if sources.digests(found, {case.kernel for case in stored.cases}) != then_sources:
        raise XpbenchError(
            f"{folder} was begun with kernels or an xpbench that have changed since: one run measures "
            "one program; start a new run"
        )
    return Plan(found, stored.cases, settings, unusable, versions, preset)


def finished(folder: Path) -> "Results":
    """The stored run in ``folder``.

    Raises
    ------
    NothingMeasured
        If no case of it ran.
    """
    results = load(folder)
    statuses = set(results.cases["status"])
    if not statuses & {"ok", "wrong"}:
        reasons = results.cases["reason"].dropna().unique().tolist()
        raise NothingMeasured(f"nothing could be measured: {'; '.join(reasons[:3]) or 'no case ran'}")
    return results


def load(path: str | Path) -> "Results":
    """A stored run as pandas frames: ``cases``, ``forks`` and ``samples``."""
    from xpbench.bench.results import Results

    return Results(journal.read(Path(path)))


def table(*paths: str | Path, baseline: str | None = None) -> "DataFrame":
    """One row per case of the stored runs, with the columns of ``xpbench table --format json``."""
    from xpbench.bench.report.summary import summarise

    return summarise([journal.read(Path(path)) for path in paths], baseline)


def compare(base: str | Path, new: str | Path, band: float | None = None) -> "Changes":
    """What changed from the stored run ``base`` to ``new``, beyond ``band`` (10 % unless told).

    Raises
    ------
    XpbenchError
        If there is no run at a path, or ``band`` is narrower than two runs allow.
    """
    from xpbench.bench import comparison
    from xpbench.bench.changes import Changes

    runs = [journal.read(Path(path)) for path in (base, new)]
    return Changes(comparison.compare(runs[0], runs[1], band))


def chosen_backends(found: Registry, names: Names, every: bool = False) -> list[str]:
    """The backends named; without a name, ``every`` one or those that a run takes by default."""
    if names:
        return [found.backend(name).name for name in dict.fromkeys(names)]
    return [name for name, backend in found.backends.items() if every or backend.default]


def _devices(found: Registry, state: probe.State, asked: Names) -> list[str]:
    if not state.usable:
        return list(asked) or [found.backends[state.backend].home]
    return (
        [d for d in state.devices if d in asked or d.split(":")[0] in asked] if asked else _first(state)
    )


def _first(state: probe.State) -> list[str]:
    """One device of each kind: the second card of two equal ones is measured only when asked for."""
    kinds: dict[str, str] = {}
    for device in state.devices:
        kinds.setdefault(device.split(":")[0], device)
    return list(kinds.values())


def _files_and_names(arguments: Names) -> tuple[list[Path], list[str]]:
    files = [Path(text) for text in arguments if _is_path(text)]
    return files, [text for text in arguments if not _is_path(text)]


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _is_path(text: str) -> bool:
    return text.endswith(".py") or os.sep in text


def _header(prepared: Plan, name: str, created: str) -> dict[str, Any]:
    other = prepared.interpreter
    kernels: dict[str, dict[str, Any]] = {}
    for case in prepared.cases:
        kernel = prepared.registry.kernels[case.kernel]
        entry = kernels.setdefault(
            case.kernel,
            {
                "chapter": kernel.chapter,
                "title": kernel.title,
                "error_unit": kernel.error_unit,
                "flops": {},
                "traffic": {},
            },
        )
        size = dict(case.size)
        itemsize = int(case.dtype.removeprefix("float")) // 8
        entry["flops"][case.size_text] = kernel.flop_count(size)
        entry["traffic"][f"{case.size_text}/{case.dtype}"] = kernel.traffic_bytes(itemsize, size)
    return {
        "schema": journal.SCHEMA,
        "name": name,
        "created": created,
        "xpbench": (other.sources if other else {}).get("xpbench", xpbench.__version__),
        "preset": prepared.preset,
        "seed": prepared.settings.seed,
        "settings": prepared.settings.to_json(),
        "files": [sources.name_of(file) for file in prepared.registry.files],
        "sources": other.sources if other else sources.digests(prepared.registry, kernels),
        "side": "other interpreter" if other else None,
        "versions": {name: dict(versions) for name, versions in prepared.versions.items()},
        "unusable": dict(prepared.unusable),
        "machine": machine.describe() | ({"python": other.python} if other else {}),
        "kernels": kernels,
        "cases": [case.to_json() for case in prepared.cases],
    }


def _list(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing"


def checked_threads(threads: int | None) -> int:
    """The number of threads asked for, or as many as this process may use CPUs."""
    return _whole("threads", machine.available_cpus() if threads is None else threads, 1, 4096)


def known_precision(name: str) -> str:
    if name not in PRECISIONS:
        raise XpbenchError(f"--precision {name!r}: expected one of {', '.join(PRECISIONS)}")
    return name


def _declared(file: Path, noun: str, found: Sequence[_T]) -> Sequence[_T]:
    if not found:
        raise XpbenchError(f"{file} declares no {noun}: name a file that does")
    return found


def _another_baseline(asked: str, devices: Mapping[str, Sequence[str]]) -> str:
    """The first backend of the run, where the usual baseline is not among them.

    Raises
    ------
    XpbenchError
        If a baseline was asked for that the run does not measure.
    """
    if asked != BASELINE:
        raise XpbenchError(
            f"--baseline {asked!r} is not measured in this run: expected one of {', '.join(devices)}"
        )
    return next(iter(devices))


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
