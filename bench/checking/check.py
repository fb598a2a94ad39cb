"""Everything that is looked at in a run before it is published, in one order."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from xpbench.bench import journal, log
from xpbench.bench.calibration import CALIBRATION
from xpbench.bench.card_state import CardState
from xpbench.bench.case import Case
from xpbench.bench.checking import conduct, contents, header, origin, readers, records, sums
from xpbench.bench.checking.contents import Contents, Unreadable, shown
from xpbench.bench.checking.finding import ERROR, NOTE, WARNING, Finding, Told, together
from xpbench.bench.checking.private import Search, own_names
from xpbench.bench.checking.records import Line
from xpbench.bench.exceptions import XpbenchError, one_line
from xpbench.bench.header import SEALED, part_of
from xpbench.bench.journal import CARDS, HEADER, JOURNAL, PROFILES, ROOFS, SCHEMA
from xpbench.bench.measurement import Measurement
from xpbench.bench.profile import Profile
from xpbench.bench.roof import Roof

MOST_TEXT = 2**21
GRAVE = ("files", "header", "plan")
"""With errors about these a run is not given to the readers, which take such things for granted."""
UNFORESEEN = "a value has not the form of its key, and this is not looked at to its end"
KEYS = {part.name for part in fields(Measurement)} | {"id"}


@dataclass(frozen=True)
class Checked:
    """What was found in the run at ``path``, which calls itself ``name``, and how many measurements of
    how many cases it holds."""

    path: Path
    name: str
    cases: int
    measurements: int
    found: tuple[Told, ...]

    def count(self, level: str) -> int:
        """How many kinds of findings there are of a level."""
        return sum(told.level == level for told in self.found)

    def fit(self, strict: bool = False) -> bool:
        """Whether it is fit to be published: no error, and if ``strict`` no warning."""
        return not self.count(ERROR) and not (strict and self.count(WARNING))


def check(path: Path, own: tuple[str, ...] | None = None) -> Checked:
    """Looks at a stored run as at one that a stranger sent. Nothing of it is run, nothing outside of its
    folder is read, and what it takes of memory is bounded.

    ``own`` are names that should not occur in it: by default those of this computer and its user.

    Raises
    ------
    XpbenchError
        If it is no run at all, or of a newer xpbench.
    """
    folder = journal.folder_of(path)
    held, amiss = contents.survey(folder)
    read = _header(held)
    cases, unplanned = header.planned(read)
    look = _Look(held, read, cases, Search(own_names() if own is None else own))
    found = together(look.findings([*amiss, *unplanned]))
    name = shown(read.get("name") or folder.name)
    return Checked(folder, name, len(cases), len(look.lines), found)


@dataclass
class _Look:
    """A run that is looked at, with the ``lines`` of its journal once they are read.

    ``slowed`` are the cases and forks in which a card was throttled.
    """

    held: Contents
    header: dict[str, Any]
    cases: list[Case]
    search: Search
    lines: list[Line] = field(default_factory=list)
    slowed: set[tuple[str, int]] = field(default_factory=set)

    def findings(self, before: list[Finding]) -> Iterator[Finding]:
        """Those ``before``, and all others."""
        grave = False
        for finding in itertools.chain(
            before, *map(_to_its_end, (self._of_files, self._of_measurements))
        ):
            grave |= finding.level == ERROR and finding.about in GRAVE
            yield finding
        if grave:
            says = "the tables are not looked at before the errors are mended"
            yield Finding(NOTE, "readers", says)
        else:
            yield from _to_its_end(self._of_readers)

    def _of_files(self) -> Iterator[Finding]:
        yield from header.check_header(self.header, self.held.folder.resolve().name)
        yield from self.search.through(self.header, HEADER)
        yield from sums.against_sums(self.held)
        yield from self._journal()
        yield from self._beside(ROOFS, Roof.from_json)
        yield from self._beside(PROFILES, Profile.from_json)
        yield from self._beside(CARDS, CardState.from_json)
        yield from self._texts()

    def _journal(self) -> Iterator[Finding]:
        if not self.held.has(JOURNAL):
            yield Finding(ERROR, "files", "is missing: nothing was measured", JOURNAL)
        for number, record in self._lines(JOURNAL):
            if isinstance(record, Finding):
                yield record
                continue
            where = f"{JOURNAL}:{number}"
            yield from self.search.through(record, where)
            try:
                measurement = Measurement.from_json(record)
            except XpbenchError as fault:
                says = "is malformed, and left out by every reader"
                yield Finding(ERROR, "files", says, f"{where} {shown(fault, 120)}")
                continue
            self.lines.append(Line(number, measurement))
            if record.get("id") != str(measurement.case):
                says = "calls itself by another name than that of its case"
                yield Finding(ERROR, "files", says, f"{where} {shown(record.get('id'))}")
            for key in record.keys() - KEYS:
                says = "holds what no measurement of this xpbench does"
                yield Finding(WARNING, "files", says, f"{where} {shown(key)}")

    def _beside(self, name: str, make: Callable[[Any], object]) -> Iterator[Finding]:
        """What is amiss in one of the files that stand beside the journal."""
        for number, record in self._lines(name):
            if isinstance(record, Finding):
                yield record
                continue
            where = f"{name}:{number}"
            yield from self.search.through(record, where)
            try:
                made = make(record)
            except XpbenchError as fault:
                says = "is malformed, and left out by every reader"
                yield Finding(ERROR, "files", says, f"{where} {shown(fault, 120)}")
                continue
            if isinstance(made, CardState) and made.slowed:
                self.slowed.add(made.key)

    def _lines(self, name: str) -> Iterator[tuple[int, Any]]:
        """The values of a file's lines by their number, with findings in place of what is none."""
        number, sealed = 0, self.header.get("checksums") == SEALED
        try:
            for number, text in contents.lines(self.held, name):
                try:
                    yield number, contents.parsed(log.body_of(text, sealed))
                except log.Damaged as fault:
                    yield number, Finding(ERROR, "files", f"is left out: {fault}", f"{name}:{number}")
                except Unreadable:
                    says = "is torn, or no line of a run: take it out"
                    yield number, Finding(ERROR, "files", says, f"{name}:{number}")
        except Unreadable as fault:
            yield number, Finding(ERROR, "files", str(fault), name)

    def _texts(self) -> Iterator[Finding]:
        """What is amiss in what is no log: a calibration, and what a person reads."""
        for name in (CALIBRATION, *contents.TEXTS):
            if name not in self.held.sizes:
                continue
            try:
                text = contents.content(self.held, name, MOST_TEXT)
                if name == CALIBRATION:
                    yield from self.search.through(contents.parsed(text), name)
                    continue
                for number, line in enumerate(text.decode().split("\n"), start=1):
                    yield from self.search.through(line, f"{name}:{number}")
            except (Unreadable, UnicodeDecodeError) as fault:
                yield Finding(ERROR, "files", shown(fault, 120), name)

    def _of_measurements(self) -> Iterator[Finding]:
        settings = part_of(self.header, "settings")
        yield from records.against_plan(self.header, self.cases, self.lines, self.slowed)
        yield from records.times(self.lines, settings.get("seconds"), settings.get("cache"))
        yield from records.errors(self.lines)
        yield from records.in_force(self.lines)
        yield from conduct.forks_and_quiet(self.lines, self.cases)
        yield from conduct.versions(self.header, self.cases)
        yield from origin.origin(self.header, self.cases)

    def _of_readers(self) -> Iterator[Finding]:
        try:
            run = journal.read(self.held.folder, rounds=False)
        except XpbenchError as fault:
            yield Finding(ERROR, "readers", shown(fault, 200), HEADER)
            return
        yield from conduct.roofs(run)
        yield from conduct.cards(run)
        if conduct.of_twins(self.cases):
            yield from readers.calibrated(run, self.held)
            return
        yield from conduct.calibration(self.header)
        if CALIBRATION in self.held.sizes:
            says = "stands in a run that is no calibration: take it out"
            yield Finding(ERROR, "files", says, CALIBRATION)
        yield from readers.tables(run)


def _to_its_end(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What ``look`` finds. A value that it does not foresee is a finding too, and no traceback."""
    try:
        yield from look()
    except Exception as fault:
        yield Finding(ERROR, "files", f"{UNFORESEEN}: {shown(one_line(fault), 160)}")


def _header(held: Contents) -> dict[str, Any]:
    path = held.folder / HEADER
    if HEADER not in held.sizes:
        if not path.is_symlink() and not path.exists():
            journal.read(held.folder)  # which says what there is nearby
        raise XpbenchError(f"{path} is not a file of its own: it is not read")
    try:
        read = contents.parsed(contents.content(held, HEADER))
    except Unreadable as fault:
        raise XpbenchError(f"{path} {fault}: it is no run") from None
    schema = read.get("schema") if isinstance(read, dict) else None
    if type(schema) is not int or schema < 1:
        raise XpbenchError(f"{path} is not the header of a run: it has no schema number")
    if schema > SCHEMA:
        raise XpbenchError(
            f"{path} was written by a newer xpbench (schema {schema}, this one reads {SCHEMA}): "
            "check it with that one"
        )
    return dict(read)
