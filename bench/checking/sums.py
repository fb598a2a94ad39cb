"""Are the files of a published run those that were published? ``SHA256SUMS`` tells, as ``sha256sum``
writes it."""

import hashlib
import re
from collections.abc import Iterator

from xpbench.bench.checking.contents import MOST_BYTES, SUMS, Contents, Unreadable, content, shown
from xpbench.bench.checking.finding import ERROR, WARNING, Finding

ABOUT = "checksum"
MOST_SUMS = 2**16
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\n]{1,100})")


def sums(contents: Contents) -> str:
    """What ``sha256sum`` prints of the files of a run, in the order of their names.

    Raises
    ------
    Unreadable
        If one cannot be read.
    """
    names = sorted(contents.sizes.keys() - {SUMS})
    return "".join(f"{_digest(contents, name)}  {name}\n" for name in names)


def against_sums(contents: Contents) -> Iterator[Finding]:
    """Which files are not as ``SHA256SUMS`` says; nothing where a run has none."""
    if SUMS not in contents.sizes:
        return
    try:
        lines = content(contents, SUMS, MOST_SUMS).decode().splitlines()
    except (Unreadable, UnicodeDecodeError) as fault:
        yield Finding(ERROR, ABOUT, shown(fault, 120), SUMS)
        return
    told: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            says = "is no line of `sha256sum`: write the file anew (`make gallery`)"
            yield Finding(ERROR, ABOUT, says, f"{SUMS}:{number}")
        else:
            told[found[2]] = found[1]
    for name, digest in told.items():
        if name not in contents.sizes:
            yield Finding(ERROR, ABOUT, f"is named in {SUMS} and not there: restore it", shown(name))
        elif _digest_or_none(contents, name) != digest:
            says = f"is not what {SUMS} says: restore it, or write that anew (`make gallery`)"
            yield Finding(ERROR, ABOUT, says, shown(name))
    for name in contents.sizes.keys() - told.keys() - {SUMS}:
        says = f"is not named in {SUMS}: write that anew (`make gallery`)"
        yield Finding(WARNING, ABOUT, says, shown(name))


def _digest_or_none(contents: Contents, name: str) -> str | None:
    try:
        return _digest(contents, name)
    except Unreadable:
        return None


def _digest(contents: Contents, name: str) -> str:
    return hashlib.sha256(content(contents, name, MOST_BYTES)).hexdigest()
