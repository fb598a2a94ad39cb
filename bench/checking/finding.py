"""What is amiss in a stored run, how badly, and where?"""

from collections.abc import Iterable
from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
LEVELS = (ERROR, WARNING, NOTE)
"""An error makes a run unfit to be published, a warning wants an explanation, a note wants none."""
PLACES = 3
MOST_KINDS = 200
"""So many different things are told of one run: a reader needs no more, and a stranger's file may hold
millions."""


@dataclass(frozen=True)
class Finding:
    """One thing amiss: its ``level``, what it is ``about`` in a word, what it ``says``, which all
    findings of its kind share, and ``where``: a file, its line, the key in it."""

    level: str
    about: str
    says: str
    where: str = ""


@dataclass(frozen=True)
class Told:
    """All findings of one kind: how many there are, and the first ``places``."""

    level: str
    about: str
    says: str
    count: int
    places: tuple[str, ...]


def together(findings: Iterable[Finding]) -> tuple[Told, ...]:
    """The findings by kind, errors first. Too many of them are an error too."""
    kinds: dict[tuple[str, str, str], tuple[int, tuple[str, ...]]] = {}
    left_out = 0
    for found in findings:
        key = (found.level, found.about, found.says)
        if key not in kinds and len(kinds) == MOST_KINDS:
            left_out += 1
            continue
        count, places = kinds.get(key, (0, ()))
        if found.where and found.where not in places and len(places) < PLACES:
            places = (*places, found.where)
        kinds[key] = (count + 1, places)
    told = [Told(*key, *seen) for key, seen in kinds.items()]
    if left_out:
        told.append(Told(ERROR, "findings", "there is more amiss than is told here", left_out, ()))
    return tuple(sorted(told, key=lambda one: LEVELS.index(one.level)))
