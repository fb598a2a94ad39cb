"""Where a run is kept: a folder with ``run.json``, and ``journal.jsonl`` with a line per measurement."""

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from xpbench.bench import card_state
from xpbench.bench.card_state import CardState
from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import Measurement, as_json, read_case
from xpbench.bench.profile import Profile
from xpbench.bench.roof import Roof

SCHEMA = 1
HEADER = "run.json"
JOURNAL = "journal.jsonl"
ROOFS = "roofs.jsonl"
PROFILES = "profiles.jsonl"
CARDS = "cards.jsonl"
MOST_UNPACKED = 2**30
"""Bytes that a packed file may hold: fifty times a run of every kernel."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """A stored run: what was planned where (``header``), and what was seen.

    ``measurements`` holds one per case and fork, in the order of the journal. ``damaged`` names the
    lines that could not be read, and why; ``roofs`` is what the machine was seen to do at most,
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


def create(folder: Path, header: dict[str, Any]) -> None:
    """Makes ``folder`` a run without measurements.

    ``run.json`` appears whole or not at all.

    Raises
    ------
    XpbenchError
        If the folder holds a run already, or cannot be written.
    """
    for name in (HEADER, JOURNAL, ROOFS, PROFILES, CARDS):
        if (folder / name).exists():
            raise XpbenchError(
                f"{folder} holds a run already ({name}): "
                "complete it with --resume, or name another folder with --out"
            )
    text = json.dumps(as_json({"schema": SCHEMA, **header}), indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise XpbenchError(f"{folder} cannot be written: {fault.strerror}") from fault
    write_whole(folder / HEADER, text + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a file that appears whole or not at all, whatever ends this process.

    Raises
    ------
    XpbenchError
        If its folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as fault:
        raise XpbenchError(f"{path.parent} cannot be written: {fault.strerror}") from fault


def append(folder: Path, measurement: Measurement) -> None:
    """Adds a measurement; when this returns, it is on the disk.

    A process that is killed meanwhile leaves at most one torn line, and lines of several processes
    do not mix, because a line is a single write to a file opened for appending.

    Raises
    ------
    XpbenchError
        If the line cannot be written whole.
    """
    _append(folder / JOURNAL, measurement.to_json())


def append_roof(folder: Path, roof: Roof) -> None:
    """Adds a roof, as ``append`` adds a measurement."""
    _append(folder / ROOFS, roof.to_json())


def append_profile(folder: Path, profile: Profile) -> None:
    """Adds a profile, as ``append`` adds a measurement."""
    _append(folder / PROFILES, profile.to_json())


def append_card(folder: Path, state: CardState) -> None:
    """Adds the state of a card, as ``append`` adds a measurement."""
    _append(folder / CARDS, state.to_json())


def _append(path: Path, record: dict[str, Any]) -> None:
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if _ends_torn(descriptor):
                line = b"\n" + line
            written = os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be written: {fault.strerror}") from fault
    if written < len(line):
        raise XpbenchError(f"{path}: the disk took {written} of {len(line)} bytes; free some space")


def read(folder: Path) -> Run:
    """The run stored in ``folder``, which may also be the path of its ``run.json`` or journal.

    The journal of a published run may be packed, as ``journal.jsonl.gz``.
    Lines that are torn or malformed are left out and named in ``Run.damaged``. Where a case and fork
    was recorded twice, the later whole record counts, unless it was the more disturbed or throttled one.

    Raises
    ------
    XpbenchError
        If there is no run, it was written by a newer xpbench, or ``run.json`` cannot be read.
    """
    folder = Path(folder)
    if folder.name in (HEADER, JOURNAL) and not folder.is_dir():
        folder = folder.parent
    header = _read_header(folder)
    found: dict[tuple[str, int], Measurement] = {}
    damaged: list[str] = []
    cards_damaged: list[str] = []
    cards = tuple(_whole(folder / CARDS, CardState.from_json, cards_damaged))
    throttled = card_state.turns(cards)
    for measurement in _whole(folder / JOURNAL, Measurement.from_json, damaged):
        key = measurement.key
        found[key] = measurement.after(found.get(key), throttled.get(key))
    roofs = tuple(_whole(folder / ROOFS, Roof.from_json, damaged))
    profiles = tuple(_whole(folder / PROFILES, Profile.from_json, damaged))
    measurements = tuple(found.values())
    return Run(folder, header, measurements, (*damaged, *cards_damaged), roofs, profiles, cards)


def _whole(path: Path, read: Callable[[Any], _T], damaged: list[str]) -> Iterator[_T]:
    """What ``read`` makes of every line; those it cannot are added to ``damaged``."""
    for number, line in _lines(path):
        try:
            yield read(json.loads(line))
        except (ValueError, RecursionError) as fault:
            damaged.append(f"{path}:{number}: left out, it is not whole JSON ({fault})")
        except XpbenchError as fault:
            damaged.append(f"{path}:{number}: left out, {fault}")


def _ends_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, after those of the gzip of its beginning, as a published run holds it."""
    content = _unpacked(path.with_name(f"{path.name}.gz"))
    try:
        content += path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be read: {fault.strerror}") from fault
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _unpacked(path: Path) -> bytes:
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while len(content) <= MOST_UNPACKED and (chunk := file.read(2**20)):
                content += chunk
    except FileNotFoundError:
        return b""
    except (OSError, EOFError, zlib.error) as fault:
        raise XpbenchError(f"{path} cannot be unpacked ({fault}): restore it from its source") from fault
    if len(content) > MOST_UNPACKED:
        raise XpbenchError(
            f"{path} unpacks to more than {MOST_UNPACKED} bytes, as no run does: whoever packed it may "
            "mean to fill this machine's memory; unpack it yourself if you trust them"
        )
    return bytes(content)


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    try:
        header = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        seen = (
            f"{folder} is not a run, it holds no {HEADER}" if folder.exists() else f"no run at {folder}"
        )
        raise XpbenchError(f"{seen}: {_cure(folder)}") from None
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be read: {fault.strerror}") from fault
    except (ValueError, RecursionError) as fault:
        raise XpbenchError(f"{path} is not JSON ({fault}): restore it, or measure again") from fault
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


def _check_parts(path: Path, header: dict[str, Any]) -> None:
    """Raises unless the parts that readers take for granted have their form."""
    for part in ("settings", "machine", "versions", "kernels"):
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
