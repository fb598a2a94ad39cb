"""What does a run's folder hold, and what of it may be read? A stranger made it.

Nothing is opened that is not a plain file of this very folder under a name that a run has, and no more
is read of it than ``MOST_BYTES``, whatever it unpacks to.
"""

import gzip
import json
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from xpbench.bench import lock
from xpbench.bench.calibration import CALIBRATION
from xpbench.bench.checking.finding import ERROR, WARNING, Finding
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import CARDS, HEADER, JOURNAL, PROFILES, ROOFS
from xpbench.bench.lock import LOCK
from xpbench.bench.log import PACKED
from xpbench.bench.report.quantities import volume
from xpbench.bench.report.records import visible

LOGS = (JOURNAL, ROOFS, PROFILES, CARDS)
TEXTS = ("table.md", "README.md", "notes.md")
PAGE = "report.html"
SUMS = "SHA256SUMS"
KNOWN = (HEADER, *LOGS, *(f"{name}{PACKED}" for name in LOGS), CALIBRATION, *TEXTS, PAGE, LOCK, SUMS)

MOST_BYTES = 2**28
"""What a journal may hold, unpacked: a case and fork is some 2 KB, so this is a hundred thousand."""
MOST_HEADER = 2**23
"""The header of a run of every kernel holds their texts too, and is less than a tenth of this."""
MOST_LINES = 200_000
MOST_LINE = 2**22
"""A line of the journal holds up to three thousand rounds, which are some 70 KB."""
MOST_PLAIN = 2**21
"""What is larger than this is for gzip, which leaves a quarter of a journal."""
MOST_PUBLISHED = 2**23
"""A repository keeps for ever what was once in it."""
MOST_DIGITS = 25
"""A whole number of more cannot be a figure, and some are beyond what a float holds."""
CHUNK = 2**20


class Unreadable(Exception):
    """A file of the folder cannot be read, or not to its end; the message says why."""


@dataclass(frozen=True)
class Contents:
    """A run's folder and the sizes, in bytes, of the files in it that may be read."""

    folder: Path
    sizes: dict[str, int]

    def has(self, name: str) -> bool:
        """Whether there is a file of that name, or the gzip of one."""
        return name in self.sizes or f"{name}{PACKED}" in self.sizes


def survey(folder: Path) -> tuple[Contents, list[Finding]]:
    """What is in ``folder``, and what should not be.

    Raises
    ------
    XpbenchError
        If it is no folder, or is a link to one.
    """
    try:
        mode = folder.lstat().st_mode
    except OSError as fault:
        raise XpbenchError(
            f"no run at {folder} ({fault.strerror}): name the folder that `xpbench run` told at its end"
        ) from None
    if stat.S_ISLNK(mode):
        raise XpbenchError(f"{folder} is a link, which is not followed: name the folder itself")
    if not stat.S_ISDIR(mode):
        raise XpbenchError(f"{folder} is not a folder: name the one that holds {HEADER}")
    sizes: dict[str, int] = {}
    found: list[Finding] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                told = entry.stat(follow_symlinks=False)
                if amiss := _unwanted(entry.name, told.st_mode):
                    found.append(Finding(ERROR, "files", amiss, shown(entry.name)))
                else:
                    sizes[entry.name] = told.st_size
    except OSError as fault:
        raise XpbenchError(f"{folder} cannot be read: {fault.strerror}") from None
    contents = Contents(folder, sizes)
    if LOCK in sizes:
        found.append(_locked(folder))
    return contents, [*found, *_sizes(contents), *_doubled(contents)]


def _unwanted(name: str, mode: int) -> str | None:
    if stat.S_ISLNK(mode):
        return "is a link; a run holds plain files alone: put the file itself there"
    if stat.S_ISDIR(mode):
        return "is a folder; a run has none: take it out"
    if not stat.S_ISREG(mode):
        return "is neither a file nor a folder: take it out"
    return None if name in KNOWN else "is not a file of a run: take it out"


def _locked(folder: Path) -> Finding:
    process = lock.holder(folder)
    if process is not None:
        says = f"is held by process {process}, which writes here: wait for its end"
        return Finding(ERROR, "files", says, LOCK)
    says = "was left by a run that was killed: complete that with --resume, or take the file out"
    return Finding(WARNING, "files", says, LOCK)


def _sizes(contents: Contents) -> Iterator[Finding]:
    for name in LOGS:
        if contents.sizes.get(name, 0) > MOST_PLAIN:
            says = f"is larger than {volume(MOST_PLAIN)}: gzip -9n {contents.folder / name}"
            yield Finding(WARNING, "size", says, name)
    total = sum(contents.sizes.values())
    if total > MOST_PUBLISHED:
        yield Finding(
            WARNING,
            "size",
            f"{volume(total)} are much for a repository, which keeps them for ever: fewer kernels or "
            "forks, or less --time, say nearly as much",
        )


def _doubled(contents: Contents) -> Iterator[Finding]:
    for name in LOGS:
        if {name, f"{name}{PACKED}"} <= contents.sizes.keys():
            says = f"stands beside {name}{PACKED}: unpack that, append this, and pack both as one"
            yield Finding(WARNING, "files", says, name)
    if PAGE in contents.sizes:
        yield Finding(
            WARNING,
            "files",
            "is made anew from the run when it is shown, and one that came with it is not: leave it out",
            PAGE,
        )


def content(contents: Contents, name: str, most: int = MOST_HEADER) -> bytes:
    """All of a file.

    Raises
    ------
    Unreadable
        If it cannot be read, or is larger than ``most``.
    """
    with _opened(contents, name) as file:
        read = file.read(most + 1)
    if len(read) > most:
        raise Unreadable(f"is larger than {volume(most)}, and is not read")
    return read


def lines(contents: Contents, name: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, with their numbers, after those of the gzip of its beginning.

    Raises
    ------
    Unreadable
        Where the file cannot be read on, or a line, all of it or their number is larger than any run's.
    """
    rest, number = b"", 1
    for chunk in _chunks(contents, name):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if len(line) <= MOST_LINE and line.strip():
                yield number, line
            number += 1
        if number > MOST_LINES:
            raise Unreadable(f"has more than {MOST_LINES} lines, and is not read on: publish less")
        if max(map(len, (*whole, rest))) > MOST_LINE:
            raise Unreadable(f"has a line longer than {volume(MOST_LINE)}, as no run does")
    if rest.strip():
        yield number, rest


def _chunks(contents: Contents, name: str) -> Iterator[bytes]:
    read = 0
    for part in (f"{name}{PACKED}", name):
        if part not in contents.sizes:
            continue
        with _opened(contents, part) as file:
            packed = part.endswith(PACKED)
            stream: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=file) if packed else file
            while chunk := _read(stream):
                read += len(chunk)
                if read > MOST_BYTES:
                    raise Unreadable(
                        f"holds more than {volume(MOST_BYTES)}, and is not read on: publish less"
                    )
                yield chunk


def _read(stream: IO[bytes] | gzip.GzipFile) -> bytes:
    try:
        return stream.read(CHUNK)
    except (OSError, EOFError, zlib.error) as fault:
        raise Unreadable(f"cannot be unpacked: {visible(str(fault))}") from None


def _opened(contents: Contents, name: str) -> IO[bytes]:
    """The file, opened so that no link is followed and nothing waits for a pipe."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(contents.folder / name, flags)
    except OSError as fault:
        raise Unreadable(f"cannot be read: {fault.strerror}") from None
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Unreadable("is no file")
    return file


def parsed(text: bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    Unreadable
        If it is not standard JSON, or nested beyond reason.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_int=_whole)
    except (ValueError, RecursionError) as fault:
        raise Unreadable(f"is not whole JSON ({visible(str(fault)):.80})") from None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"{digits[:MOST_DIGITS]}... is no number of a run")
    return int(digits)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not standard JSON")


def shown(text: object, most: int = 60) -> str:
    """What a file holds, as a line of a report may show it."""
    seen = visible(str(text))
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"
