"""A file of records: lines of JSON with a checksum each, appended whole and read one by one."""

import contextlib
import gzip
import json
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from xpbench.bench.exceptions import XpbenchError

PACKED = ".gz"
MOST_UNPACKED = 2**30
"""Bytes that a packed file may hold: fifty times a run of every kernel."""
MOST_LINE = 2**24
"""A record holds up to three thousand rounds, which are some 70 KB; a longer line than this is none."""
CHUNK = 2**20
_SUM = re.compile(rb', "crc32": "([0-9a-f]{8})"\}\s*\Z')


class Damaged(Exception):
    """A line holds no record that can be believed; the message says why."""


def append(path: Path, record: dict[str, Any]) -> None:
    """Adds a record; when this returns, it is on the disk.

    A process that is killed meanwhile leaves at most one torn line, and lines of several processes
    do not mix, because a line is a single write to a file opened for appending.

    Raises
    ------
    XpbenchError
        If the line cannot be written whole.
    """
    line = sealed(record) + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not size:
            sync_folder(path.parent)
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be written: {fault.strerror}") from fault
    if written < len(line):
        raise XpbenchError(f"{path}: the disk took {written} of {len(line)} bytes; free some space")


def sync_folder(folder: Path) -> None:
    """Returns when the names in ``folder`` are on the disk: without it a power cut takes a new file
    away, with all that was flushed to it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some file systems over a network have no such thing.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sealed(record: dict[str, Any]) -> bytes:
    """The JSON of ``record``, with the CRC-32 of it (as in gzip) as its last entry."""
    body = json.dumps(record, allow_nan=False).encode()
    return b'%s, "crc32": "%08x"}' % (body[:-1], zlib.crc32(body))


def opened(line: bytes, sealed: bool = False) -> Any:
    """The record in ``line``, as ``body_of`` has it.

    Raises
    ------
    Damaged
        If the line is not whole, or not as it was written.
    """
    try:
        return json.loads(body_of(line, sealed), parse_constant=_refuse)
    except (ValueError, RecursionError) as fault:
        raise Damaged(f"it is not whole JSON ({fault})") from None


def body_of(line: bytes, sealed: bool = False) -> bytes:
    """The JSON in ``line`` without its checksum. It may have none, unless it must be ``sealed``: what
    older versions wrote is not.

    Raises
    ------
    Damaged
        If the checksum is missing or does not fit.
    """
    found = _SUM.search(line)
    if found is None and sealed:
        raise Damaged("it has no checksum, and every line of this run was written with one")
    body = line if found is None else line[: found.start()] + b"}"
    if found is not None and zlib.crc32(body) != int(found[1], 16):
        raise Damaged("its checksum does not fit: it was changed after it was written")
    return body


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file and their numbers, from 1, after those of the gzip of its beginning, as a
    published run holds it. Of a line that is too long for a record there is its beginning.

    Raises
    ------
    XpbenchError
        If the file, or the gzip of it, cannot be read.
    """
    rest, number = b"", 1
    for chunk in _chunks(path):
        whole = (rest + chunk).split(b"\n")
        # What is too long is cut, and cannot become whole again by what follows.
        rest = whole.pop()[:MOST_LINE]
        for line in whole:
            if line.strip():
                yield number, line[:MOST_LINE]
            number += 1
    if rest.strip():
        yield number, rest


def lines_from(path: Path, offset: int) -> list[bytes]:
    """The lines of a file from a byte on."""
    with plain(path) as file:
        file.seek(offset)
        return [line for line in file.read().split(b"\n") if line.strip()]


def _chunks(path: Path) -> Iterator[bytes]:
    packed = path.with_name(f"{path.name}{PACKED}")
    read = 0
    if packed.exists():
        try:
            with plain(packed) as raw, gzip.open(raw) as file:
                while chunk := file.read(CHUNK):
                    read += len(chunk)
                    if read > MOST_UNPACKED:
                        raise XpbenchError(
                            f"{packed} unpacks to more than {MOST_UNPACKED} bytes, as no run does: "
                            "whoever packed it may mean to fill this machine's memory; unpack it "
                            "yourself if you trust them"
                        )
                    yield chunk
        except (OSError, EOFError, zlib.error) as fault:
            raise XpbenchError(
                f"{packed} cannot be unpacked ({fault}): restore it from its source"
            ) from fault
    try:
        with plain(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be read: {fault.strerror}") from fault


def plain(path: Path) -> IO[bytes]:
    """A file opened to be read. A pipe would be waited for, and a device never ends: both are refused.

    Raises
    ------
    XpbenchError
        If it is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise XpbenchError(f"{path} is not a file, and a run holds plain files alone: take it out")
    return os.fdopen(descriptor, "rb")


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not standard JSON")
