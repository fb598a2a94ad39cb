"""Does the header of a run say all that a reader must know, in the form that readers rely on?"""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from xpbench.bench.case import DTYPES, PRECISIONS, Case
from xpbench.bench.checking.contents import shown
from xpbench.bench.checking.finding import ERROR, NOTE, WARNING, Finding
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.header import (
    KERNEL,
    LATER,
    LATER_SETTINGS,
    MACHINE,
    OPTIONAL,
    PARTS,
    SETTINGS,
    Form,
    is_text,
    part_of,
)
from xpbench.bench.journal import HEADER
from xpbench.bench.measurement import read_case
from xpbench.bench.stats import MIN_FORKS

MOST_CASES = 50_000
"""The whole suite in all sizes and dtypes on ten backends is a tenth of this."""
MOST_IN_A_ROW = 100
"""Rows are judged pair by pair: a calibration of three backends has 21 in one."""


def check_header(header: Mapping[str, Any], folder: str) -> Iterator[Finding]:
    """What the header of the run in a ``folder`` of that name lacks, or holds in another form."""
    yield from _forms(header, PARTS, "")
    for part, form in LATER.items():
        if part in header:
            yield from _forms(header, {part: form}, "")
        else:
            says = f"has no {part!r}: it does not tell which texts of the kernels were measured"
            yield Finding(WARNING, "header", says, HEADER)
    yield from _forms(header, {part: form for part, form in OPTIONAL.items() if part in header}, "")
    settings, machine = (part_of(header, name) for name in ("settings", "machine"))
    yield from _forms(settings, SETTINGS, "settings ")
    known = {key: form for key, form in LATER_SETTINGS.items() if key in settings}
    yield from _forms(settings, known, "settings ")
    yield from _forms(machine, MACHINE, "machine ")
    for name, kernel in part_of(header, "kernels").items():
        if isinstance(kernel, dict):
            yield from _forms(kernel, KERNEL, f"kernels {shown(name, 40)} ")
    unknown = header.keys() - {"schema", *PARTS, *LATER, *OPTIONAL}
    for key in sorted(unknown):
        yield Finding(WARNING, "header", "holds what no header of this xpbench does", _at(key))
    for key in sorted(settings.keys() - {*SETTINGS, *LATER_SETTINGS}):
        yield Finding(
            WARNING, "header", "has a setting that this xpbench does not", _at(f"settings {key}")
        )
    yield from _name(header.get("name"), folder)


def forks_planned(header: Mapping[str, Any]) -> int | None:
    """The forks of the plan; ``None`` where the header does not tell."""
    forks = part_of(header, "settings").get("forks")
    return forks if SETTINGS["forks"][1](forks) else None


def looks_planned(header: Mapping[str, Any]) -> int:
    """How often the run may look at its verdicts, and then measure more forks."""
    looks: Any = part_of(header, "settings").get("looks")
    return int(looks) if LATER_SETTINGS["looks"][1](looks) else 1


def planned(header: Mapping[str, Any]) -> tuple[list[Case], list[Finding]]:
    """The cases planned, and what is amiss with them."""
    cases: list[Case] = []
    found: list[Finding] = []
    records = header.get("cases")
    records = records if isinstance(records, list) else []
    if len(records) > MOST_CASES:
        says = f"plans more than {MOST_CASES} cases, of which no more are looked at"
        found.append(Finding(ERROR, "plan", says, _at("cases")))
    for index, record in enumerate(itertools.islice(records, MOST_CASES)):
        try:
            case = read_case(record)
        except XpbenchError as fault:
            found.append(Finding(ERROR, "plan", shown(fault, 200), _at(f"cases {index}")))
            continue
        if case.dtype not in DTYPES or case.precision not in PRECISIONS:
            says = "has a dtype or a precision that there is not"
            found.append(Finding(ERROR, "plan", says, _at(f"cases {index}")))
            continue
        cases.append(case)
    return cases, [*found, *_plan(header, cases)]


def _plan(header: Mapping[str, Any], cases: list[Case]) -> Iterator[Finding]:
    settings, kernels = part_of(header, "settings"), part_of(header, "kernels")
    yield from _forks(settings.get("forks"), {case.backend for case in cases})
    if not cases:
        yield Finding(ERROR, "plan", "plans no case: there is nothing to publish", HEADER)
    for case, count in Counter(cases).items():
        if count > 1:
            yield Finding(ERROR, "plan", "plans a case more than once", shown(case))
        if case.threads != settings.get("threads") or case.precision != settings.get("precision"):
            says = "has other threads, or another precision, than the run"
            yield Finding(ERROR, "plan", says, shown(case))
    for name in dict.fromkeys(case.kernel for case in cases):
        if name not in kernels:
            yield Finding(
                ERROR, "plan", "is planned, and the header does not tell what it is", shown(name)
            )
    rows = Counter(case.row for case in cases)
    if rows and max(rows.values()) > MOST_IN_A_ROW:
        yield Finding(ERROR, "plan", f"has rows of more than {MOST_IN_A_ROW} backends", HEADER)


def _forms(part: Mapping[str, Any], forms: Mapping[str, Form], above: str) -> Iterator[Finding]:
    for key, (form, holds) in forms.items():
        if key not in part:
            yield Finding(ERROR, "header", "is missing: a reader needs it", _at(f"{above}{key}"))
        elif not holds(part[key]):
            yield Finding(ERROR, "header", f"must be {form}", _at(f"{above}{key}"))


def _name(name: Any, folder: str) -> Iterator[Finding]:
    if not is_text(name):
        return
    if not re.fullmatch(r"[\w.+-]{1,80}", name):
        says = "a name has letters, digits and . _ + - alone: it becomes a folder and a link"
        yield Finding(WARNING, "header", says, _at("name"))
    elif name != folder:
        says = f"is {name}, and the folder is called {shown(folder)}: a run is cited by one name"
        yield Finding(WARNING, "header", says, _at("name"))


def _forks(forks: Any, backends: Collection[str]) -> Iterator[Finding]:
    if type(forks) is int and forks < MIN_FORKS:
        says = f"are fewer than the {MIN_FORKS} that a verdict takes: nobody may say what is faster"
        # Of one backend nobody says that it is.
        level = WARNING if len(backends) == 1 else ERROR
        yield Finding(level, "forks", says, _at("settings forks"))
    elif type(forks) is int and forks == MIN_FORKS:
        says = "are the fewest of a verdict: six and more tell much more apart"
        yield Finding(NOTE, "forks", says, _at("settings forks"))


def _at(key: str) -> str:
    return f"{HEADER} {shown(key)}"
