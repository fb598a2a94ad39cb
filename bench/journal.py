"""Where a run is kept: a folder with ``run.json``, and ``journal.jsonl`` with a line per measurement."""

import contextlib
import json
import os
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from xpbench.bench import card_state, lock, log
from xpbench.bench.card_state import CardState
from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.header import SEALED, left_out
from xpbench.bench.measurement import Measurement, as_json, read_case
from xpbench.bench.profile import Profile
from xpbench.bench.roof import Roof

SCHEMA = 1
HEADER = "run.json"
JOURNAL = "journal.jsonl"
ROOFS = "roofs.jsonl"
PROFILES = "profiles.jsonl"
CARDS = "cards.jsonl"
PLAN = "cluster.json"
"""In a folder that holds a run for every kind of machine, what was planned for all of them together, in
the form of a header."""
PARTS = ("settings", "machine", "versions", "kernels")
"""The objects in a header that every reader relies on."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """A stored run: what was planned where (``header``), and what was seen.

    ``measurements`` holds one per case and fork, in the order of the journal. ``damaged`` names what
    could not be read, and why; ``roofs`` is what the machine was seen to do at most,
    ``profiles`` which kernels ran on a device, ``cards`` what its cards did meanwhile, with one state
    for every turn that a case had on one.
    """

    path: Path
    header: dict[str, Any]
    measurements: tuple[Measurement, ...]
    damaged: tuple[str, ...] = ()
    roofs: tuple[Roof, ...] = ()
    profiles: tuple[Profile, ...] = ()
    cards: tuple[CardState, ...] = ()

    @property
    def name(self) -> str:
        return str(self.header.get("name") or self.path.resolve().name)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases planned, in the order of the plan."""
        return tuple(read_case(record) for record in self.header.get("cases", ()))


class Ended(NamedTuple):
    """How a case ended in a fork, by one record."""

    case: str
    fork: int
    status: str
    disturbed: bool


def create(folder: Path, header: dict[str, Any]) -> None:
    """Makes ``folder`` a run without measurements.

    ``run.json`` appears whole or not at all, and of two that make the same folder one fails.

    Raises
    ------
    XpbenchError
        If the folder holds a run already, or cannot be written.
    """
    check_free(folder)
    text = json.dumps(as_json({"schema": SCHEMA, **header}), indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / HEADER, text + "\n", anew=True)
    except FileExistsError:
        raise _taken(folder, HEADER) from None
    except OSError as fault:
        raise XpbenchError(f"{folder} cannot be written: {fault.strerror}") from fault


def check_free(folder: Path) -> None:
    """Raises ``XpbenchError`` where no run can begin in ``folder``."""
    for name in (HEADER, JOURNAL, ROOFS, PROFILES, CARDS, PLAN):
        if (folder / name).exists():
            raise _taken(folder, name)
    if folder.is_dir() and any(not file.name.startswith(".") for file in folder.iterdir()):
        raise XpbenchError(
            f"{folder} holds other files, and a run has a folder of its own: name a new one"
        )
    present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not present.is_dir():
        raise XpbenchError(f"{folder} cannot be written: {present} is no folder")
    if not os.access(present, os.W_OK | os.X_OK):
        raise XpbenchError(f"{folder} cannot be written: {present} is read-only, or another user's")


def _taken(folder: Path, name: str) -> XpbenchError:
    lock.refuse_if_held(folder)
    return XpbenchError(
        f"{folder} holds a run already ({name}): "
        "complete it with --resume, or name another folder with --out"
    )


def write_whole(path: Path, text: str, anew: bool = False) -> None:
    """Writes a file that appears whole or not at all, whatever ends this process.

    Raises
    ------
    XpbenchError
        If its folder cannot be written.
    FileExistsError
        If there is such a file, and it was to be written ``anew``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if anew and _linked(temporary, path):
            temporary.unlink()
        else:
            temporary.replace(path)
        log.sync_folder(path.parent)
    except FileExistsError:
        temporary.unlink(missing_ok=True)
        raise
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        raise XpbenchError(f"{path.parent} cannot be written: {fault.strerror}") from fault


def _linked(temporary: Path, path: Path) -> bool:
    """Gives a file a second name, which unlike a change of name never takes the place of another's.
    False where the file system has no links, and nothing of that name is there."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        return False
    return True


def append(folder: Path, measurement: Measurement) -> None:
    """Adds a measurement, as ``log.append`` does: when this returns, it is on the disk."""
    log.append(folder / JOURNAL, measurement.to_json())


def append_roof(folder: Path, roof: Roof) -> None:
    """Adds a roof, as ``append`` adds a measurement."""
    log.append(folder / ROOFS, roof.to_json())


def append_profile(folder: Path, profile: Profile) -> None:
    """Adds a profile, as ``append`` adds a measurement."""
    log.append(folder / PROFILES, profile.to_json())


def append_card(folder: Path, state: CardState) -> None:
    """Adds the state of a card, as ``append`` adds a measurement."""
    log.append(folder / CARDS, state.to_json())


def read(folder: Path, rounds: bool = True) -> Run:
    """The run stored in ``folder``, which may also be the path of its ``run.json`` or journal.

    The journal of a published run may be packed, as ``journal.jsonl.gz``.
    Lines that are torn or malformed are left out and named in ``Run.damaged``, and so is a ``run.json``
    that is missing or torn beside a journal that is not. Where a case and fork was recorded twice, the
    later whole record counts, unless it was the more disturbed or throttled one. Without ``rounds``
    the median of a fork's rounds stands for them, which is all that tables need.

    Raises
    ------
    XpbenchError
        If there is no run, it was written by a newer xpbench, or ``run.json`` cannot be read and there
        is no journal either.
    """
    folder = folder_of(folder)
    damaged: list[str] = []
    try:
        header = _read_header(folder)
        lost = None
    except Unreadable as fault:
        header, lost = {part: {} for part in PARTS}, fault
        damaged.append(f"{folder / HEADER}: {fault.seen}: shown is what the journal tells")
    damaged += [f"{folder / HEADER}: {fault}" for fault in left_out(header)]
    sealed = header.get("checksums") == SEALED
    found: dict[tuple[str, int], Measurement] = {}
    cards_damaged: list[str] = []
    cards = tuple(_whole(folder / CARDS, CardState.from_json, sealed, cards_damaged))
    throttled = card_state.turns(cards)
    shared = _Shared(rounds)
    for measurement in _whole(folder / JOURNAL, Measurement.from_json, sealed, damaged):
        key = measurement.key
        found[key] = shared.of(measurement.after(found.get(key), throttled.get(key)))
    if lost is not None and not found:
        raise lost
    roofs = tuple(_whole(folder / ROOFS, Roof.from_json, sealed, damaged))
    profiles = tuple(_whole(folder / PROFILES, Profile.from_json, sealed, damaged))
    measurements = tuple(found.values())
    return Run(folder, header, measurements, (*damaged, *cards_damaged), roofs, profiles, cards)


def planned(folder: Path) -> Run:
    """The run stored in ``folder`` by its header alone: what was planned, without what was seen.

    Raises
    ------
    XpbenchError
        As ``read`` does; ``Unreadable`` where the header is missing or torn.
    """
    folder = folder_of(folder)
    header = _read_header(folder)
    damaged = tuple(f"{folder / HEADER}: {fault}" for fault in left_out(header))
    return Run(folder, header, (), damaged)


def folder_of(path: Path) -> Path:
    """The folder of a run that is named by it, or by its ``run.json`` or journal."""
    path = Path(path)
    return path.parent if path.name in (HEADER, JOURNAL) and not path.is_dir() else path


def endings(folder: Path, offset: int = 0) -> tuple[Iterator[Ended], int]:
    """How the cases ended whose records stand in the journal from a byte on, and the byte from which to
    go on another time. Nobody may write to it between, but for whole lines.

    Raises
    ------
    XpbenchError
        If it cannot be read.
    """
    path = folder / JOURNAL
    size = path.stat().st_size if path.is_file() else 0
    lines = log.lines_from(path, offset) if offset else (line for _, line in log.lines(path))
    return _endings(lines), size


def _endings(lines: Iterable[bytes]) -> Iterator[Ended]:
    for line in lines:
        with contextlib.suppress(log.Damaged, XpbenchError):
            measurement = Measurement.from_json(log.opened(line))
            yield Ended(*measurement.key, measurement.status, measurement.disturbed)


def card_states(folder: Path) -> Iterator[CardState]:
    """The states of cards that are kept in ``folder``, in the order of time, without damaged ones."""
    return _whole(folder / CARDS, CardState.from_json, sealed=False, damaged=[])


def roofs(folder: Path) -> Iterator[Roof]:
    """The roofs that are kept in ``folder``, without damaged ones."""
    return _whole(folder / ROOFS, Roof.from_json, sealed=False, damaged=[])


class _Shared:
    """Lets records of the same case and process share what they have in common, and drops ``rounds``."""

    def __init__(self, rounds: bool) -> None:
        self._rounds = rounds
        self._seen: dict[Any, Any] = {}

    def of(self, measurement: Measurement) -> Measurement:
        if self._rounds:
            return measurement
        in_force = measurement.in_force
        return replace(
            measurement,
            case=self._seen.setdefault(measurement.case, measurement.case),
            samples=_median(measurement.samples),
            throughput_samples=_median(measurement.throughput_samples),
            device_samples=_median(measurement.device_samples),
            beside_samples=_median(measurement.beside_samples),
            in_force=self._seen.setdefault(("in force", repr(in_force)), in_force),
            reason=self._seen.setdefault(measurement.reason, measurement.reason),
            spent={},
        )


def _median(samples: tuple[float, ...]) -> tuple[float, ...]:
    return (statistics.median(samples),) if samples else ()


def _whole(path: Path, read: Callable[[Any], _T], sealed: bool, damaged: list[str]) -> Iterator[_T]:
    """What ``read`` makes of every line; those it cannot are added to ``damaged``."""
    for number, line in log.lines(path):
        try:
            yield read(log.opened(line, sealed))
        except (log.Damaged, XpbenchError) as fault:
            damaged.append(f"{path}:{number}: left out, {fault}")


class Unreadable(XpbenchError):
    """The header of a run is missing or torn, as ``seen`` tells in short."""

    def __init__(self, message: str, seen: str) -> None:
        super().__init__(message)
        self.seen = seen


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    try:
        with log.plain(path) as file:
            header = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):
        seen = (
            f"{folder} is not a run, it holds no {HEADER}" if folder.exists() else f"no run at {folder}"
        )
        raise Unreadable(f"{seen}: {_cure(folder)}", "missing") from None
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be read: {fault.strerror}") from fault
    except (ValueError, RecursionError) as fault:
        what = f"not JSON ({fault})"
        raise Unreadable(f"{path} is {what}: restore it, or measure again", what) from fault
    schema = header.get("schema") if isinstance(header, dict) else None
    if type(schema) is not int or schema < 1:
        raise XpbenchError(f"{path} is not the header of a run: it has no schema number; measure again")
    if schema > SCHEMA:
        raise XpbenchError(
            f"{path} was written by a newer xpbench (schema {schema}, this one reads {SCHEMA}): "
            "python -m pip install --upgrade xpbench"
        )
    _check_parts(path, header)
    return dict(header)


def faults_of_header(path: Path, header: dict[str, Any]) -> list[str]:
    """What of a header, which is changed, is not as it should be, in words."""
    _check_parts(path, header)
    return left_out(header)


def _check_parts(path: Path, header: dict[str, Any]) -> None:
    """Raises unless the parts that readers take for granted have their form."""
    for part in PARTS:
        if not isinstance(header.setdefault(part, {}), dict):
            raise XpbenchError(f"{path}: {part!r} must be an object; restore the file, or measure again")
    for name, kernel in header["kernels"].items():
        if not isinstance(kernel, dict) or not all(
            isinstance(kernel.get(part, {}), dict) for part in ("flops", "traffic")
        ):
            raise XpbenchError(
                f"{path}: kernels[{name[:40]!r}] must be an object with objects 'flops' and 'traffic'; "
                "restore the file, or measure again"
            )
    cases = header.setdefault("cases", [])
    if not isinstance(cases, list):
        raise XpbenchError(f"{path}: 'cases' must be a list; restore the file, or measure again")
    for index, record in enumerate(cases):
        try:
            read_case(record)
        except XpbenchError as fault:
            raise XpbenchError(f"{path}: cases[{index}]: {fault}") from None


def _cure(folder: Path) -> str:
    nested = sorted(found.parent.name for found in folder.glob(f"*/{HEADER}")) if folder.is_dir() else []
    if not nested:
        return "name the folder that `xpbench run` printed at its end"
    some = ", ".join(str(folder / name) for name in nested[-3:])
    return f"name one of the {len(nested)} runs in it, e.g. {some}"
