"""How does a run begin, and how is it taken up again?"""

import datetime
import secrets
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xpbench
from xpbench.bench import (
    agreement,
    calibration,
    floating,
    groups,
    journal,
    lock,
    machine,
    processor,
    registry,
    sources,
)
from xpbench.bench.case import Case
from xpbench.bench.cluster.kind import kind_of
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.header import SEALED
from xpbench.bench.plan import Settings
from xpbench.bench.preparation import Plan
from xpbench.bench.registry import Registry


def begin(prepared: Plan, folder: Path | None) -> Path:
    """Creates the run's folder, with a record for every case that cannot be measured here.

    Raises
    ------
    NothingMeasured
        If none can; then there is no folder.
    XpbenchError
        If the folder holds a run already, or cannot be written.
    """
    prepared.check_runnable()
    stamp = datetime.datetime.now().astimezone()
    folder = folder or new_folder(prepared.preset, stamp)
    journal.create(folder, header(prepared, folder, stamp.isoformat(timespec="seconds")))
    for record in prepared.words:
        journal.append(folder, record)
    return folder


def new_folder(preset: str, stamp: datetime.datetime) -> Path:
    """Where a run goes that was told no place: two that begin in one second have two."""
    return Path("results") / f"{stamp:%Y%m%d-%H%M%S}-{preset}-{secrets.token_hex(2)}"


def resume(folder: Path, given: Sequence[Path] = (), command: str = "run") -> Plan:
    """The plan of a stored run, for the part of it that was not measured. ``given`` are the files of
    kernels and backends that it was begun with: none is run because the folder names it. ``command`` is
    that of `xpbench` which goes on.

    Raises
    ------
    XpbenchError
        If the folder holds no run, another process writes there, a file of its kernels is not given, or
        a library, the machine, the CPUs or a file have changed since it began.
    """
    try:
        stored = journal.planned(folder)
    except journal.Unreadable as fault:
        if (journal.folder_of(folder) / journal.JOURNAL).is_file():
            raise XpbenchError(
                f"{folder}: run.json is {fault.seen}: the run can be shown, but not resumed"
            ) from None
        raise
    lock.refuse_if_held(stored.path)
    if groups.is_folder_of_groups(stored.path.absolute().parent):
        lock.refuse_if_held(stored.path.absolute().parent)
    header = stored.header
    if header.get("side"):
        raise XpbenchError(
            f"{folder} is one side of a comparison that interleaved two: it can be shown, and not "
            "resumed; measure both anew with `xpbench ab`"
        )
    plan = of_header(folder, header, stored.cases, given, command)
    _check_machine(folder, header, plan.settings.cpus)
    for name, then in plan.versions.items():
        now = plan.registry.backend(name).versions()
        if now != then and name not in plan.unusable:
            raise XpbenchError(
                f"{folder} was begun with {_list(then)}, and {_list(now)} is installed now: "
                "one run measures one set of versions; install those, or start a new run"
            )
    return plan


def of_header(
    folder: Path,
    header: Mapping[str, Any],
    cases: tuple[Case, ...],
    given: Sequence[Path],
    command: str = "run",
) -> Plan:
    """The plan that a header tells of, by the kernels that are installed here. ``command`` is that of
    `xpbench` which goes on with it.

    Raises
    ------
    XpbenchError
        If it does not tell, a file is not ``given``, or one has changed since.
    """
    try:
        files = [_file(folder, name, given, command) for name in header["files"]]
        settings = Settings(**header["settings"])
        then_sources = dict(header["sources"])
        unusable, versions, preset = header["unusable"], header["versions"], header["preset"]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise XpbenchError(
            f"the plan in {folder} does not say how the run was to go on ({fault}): "
            "it can be shown, but not resumed"
        ) from None
    found = registry.find(files)
    for case in cases:
        found.kernel(case.kernel)
    called = {sources.name_of(f): name for name, f in zip(header["files"], files, strict=True)}
    now_sources = sources.digests(found, {case.kernel for case in cases})
    if {called.get(name, name): digest for name, digest in now_sources.items()} != then_sources:
        raise XpbenchError(
            f"{folder} was begun with kernels or an xpbench that have changed since: one run measures "
            "one program; start a new run"
        )
    return Plan(found, cases, settings, unusable, versions, preset)


def _file(folder: Path, name: str, given: Sequence[Path], command: str) -> Path:
    if (file := sources.of_suite(name)) is not None:
        return file
    called = {file.name: file for file in given} | {sources.name_of(file): file for file in given}
    if (file := called.get(name, called.get(Path(name).name))) is not None:
        return file
    named = shlex.quote(name if Path(name).is_file() else f"PATH/{Path(name).name}")
    raise XpbenchError(
        f"{folder} was begun with {name}, and a file is run only when it is named: "
        f"`xpbench {command} {named} --resume {shlex.quote(str(folder))}`"
    )


def _check_machine(folder: Path, header: Mapping[str, Any], cpus: str) -> None:
    """Raises unless this is the machine of a run, or of its kind where it was measured by several, and
    this process may use those ``cpus``."""
    then, here = header["machine"].get("id"), machine.describe()
    now = kind_of(here).id if "kind" in header else here["id"]
    if then not in (None, now):
        raise XpbenchError(
            f"{folder} was begun on the machine {then}, and this is {now}: one run measures one "
            "machine; start a new run"
        )
    usable = processor.ranges(processor.available_cpus())
    if cpus not in ("", usable):
        raise XpbenchError(
            f"{folder} was begun on the CPUs {cpus}, and this process may use {usable}: "
            f"add --cpus {cpus}"
        )


def kernels_of(found: Registry, cases: Iterable[Case]) -> dict[str, dict[str, Any]]:
    """By name, what a run's header tells of the kernels of ``cases``, and of their cost at those sizes.

    Raises
    ------
    XpbenchError
        If a kernel's cost model does not take a size.
    """
    kernels: dict[str, dict[str, Any]] = {}
    for case in cases:
        kernel = found.kernels[case.kernel]
        entry = kernels.setdefault(
            case.kernel,
            {
                "chapter": kernel.chapter,
                "title": kernel.title,
                "error_unit": kernel.error_unit,
                "description": kernel.description,
                "measure": agreement.measure_of(kernel),
                "source": kernel.source,
                "flops": {},
                "traffic": {},
            },
        )
        size = dict(case.size)
        entry["flops"][case.size_text] = kernel.flop_count(size)
        traffic = kernel.traffic_bytes(floating.itemsize(case.dtype), size)
        entry["traffic"][f"{case.size_text}/{case.dtype}"] = traffic
    return kernels


def header(prepared: Plan, folder: Path, created: str) -> dict[str, Any]:
    """What ``run.json`` says of a run before anything is measured."""
    other, described = prepared.interpreter, machine.describe()
    kernels = kernels_of(prepared.registry, prepared.cases)
    return {
        "schema": journal.SCHEMA,
        # Another xpbench, which the other interpreter may have, may write lines without.
        "checksums": None if other else SEALED,
        "name": folder.name,
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
        "machine": described | ({"python": other.python} if other else {}),
        "calibration": calibration.latest(
            (folder.absolute().parent, Path("results")),
            described["id"],
            prepared.settings.threads,
            prepared.settings.precision,
        ),
        "kernels": kernels,
        "cases": [case.to_json() for case in prepared.cases],
    }


def _list(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing"
