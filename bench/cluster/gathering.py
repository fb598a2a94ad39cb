"""How is what machines answer kept: by kind of machine, and every case and fork once?"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xpbench.bench import groups, journal, log
from xpbench.bench.cluster.block import Result
from xpbench.bench.cluster.kind import Kind, kind_of
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import Measurement, read_case
from xpbench.bench.remaining import Progress, progress_of

UNFIT = "unfit"
"""In the plan of all groups alone: by case id, why the smallest of the first machines cannot hold it."""
Row = tuple[str, str, str, int, str]
"""As ``Case.row``."""


def begin(folder: Path, header: Mapping[str, Any]) -> None:
    """Makes ``folder`` one of groups, with the plan of all of them.

    Raises
    ------
    XpbenchError
        If it holds something already, or cannot be written.
    """
    journal.check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(header, indent=1, allow_nan=False) + "\n"
        journal.write_whole(folder / journal.PLAN, text, anew=True)
    except FileExistsError:
        raise XpbenchError(f"{folder} holds a run already: complete it with --resume") from None
    except OSError as fault:
        raise XpbenchError(f"{folder} cannot be written: {fault.strerror}") from fault


@dataclass
class Gathering:
    """The folder of a run over several machines, while it is measured.

    ``header`` is its plan. ``words`` are the records of cases that nothing can measure: they go where
    the rest of their row goes, or with the first answer where there is no rest. ``homes`` tells by case
    id the id of the kind of machine that has it.
    """

    folder: Path
    header: Mapping[str, Any]
    words: tuple[Measurement, ...] = ()
    progress: Progress = field(default_factory=Progress)
    homes: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, folder: Path, header: Mapping[str, Any], words: tuple[Measurement, ...] = ()
    ) -> "Gathering":
        """With what the groups hold already."""
        found = cls(folder, header, words)
        for group in groups.groups_in(folder):
            stored = journal.planned(group)
            found.headers[group.name] = dict(stored.header)
            kind = str(stored.header["machine"].get("id"))
            found.homes |= {str(case): kind for case in stored.cases}
            seen = progress_of(group)
            found.progress.done |= seen.done
            found.progress.ended |= seen.ended
        return found

    def take(self, result: Result) -> list[Measurement]:
        """Writes what a machine answered, but for what is there already; gives what is new. Of an answer
        without news nothing is written."""
        kind = kind_of(result.machine)
        found = [Measurement.from_json(record) for record in result.measurements]
        new = [m for m in found if m.key not in self.progress.done and self._is_open(m)]
        if not new:
            return []
        rows = {record.case.row for record in new} | self._rows_of_nobody
        told = [w for w in self.words if w.case.row in rows and w.key not in self.progress.done]
        group = self._group(kind, result.machine, [*new, *told])
        for record in [*new, *told]:
            journal.append(group, record)
            self.progress.record(*record.key, record.status)
        keys = {record.key for record in new}
        for name, records in (
            (journal.ROOFS, result.roofs),
            (journal.PROFILES, result.profiles),
            (journal.CARDS, result.cards),
        ):
            for line in records:
                if name != journal.CARDS or (line.get("case"), line.get("fork")) in keys:
                    log.append(group / name, dict(line))
        return new

    @functools.cached_property
    def _rows_of_nobody(self) -> set[Row]:
        """The rows of which no case can be measured."""
        words = {str(word.case) for word in self.words}
        cases = [read_case(record) for record in self.header["cases"]]
        return {case.row for case in cases} - {case.row for case in cases if str(case) not in words}

    def _is_open(self, record: Measurement) -> bool:
        """A case that ended with a word on another machine meanwhile is over."""
        return str(record.case) not in self.progress.ended or record.status == "ok"

    def _group(self, kind: Kind, machine: Mapping[str, Any], new: Iterable[Measurement]) -> Path:
        """The run of a kind of machine, whose header names the cases that are measured there."""
        group = self.folder / kind.name
        known = self.headers.get(kind.name)
        header = known or {
            **{key: part for key, part in self.header.items() if key != UNFIT},
            "name": f"{self.folder.name}/{kind.name}",
            "machine": {**machine, "id": kind.id},
            "kind": kind.words,
            "cases": [],
            "kernels": {},
        }
        cases = {str(record.case): record.case.to_json() for record in new}
        added = [case for case in cases.values() if case not in header["cases"]]
        if known is not None and not added:
            return group
        kernels = header["kernels"] | {
            case["kernel"]: self.header["kernels"][case["kernel"]] for case in cases.values()
        }
        whole = {**header, "cases": [*header["cases"], *added], "kernels": kernels}
        if known is None:
            journal.create(group, whole)
        else:
            text = json.dumps(whole, indent=1, allow_nan=False)
            journal.write_whole(group / journal.HEADER, text + "\n")
        self.headers[kind.name] = whole
        self.homes |= dict.fromkeys(cases, kind.id)
        return group
