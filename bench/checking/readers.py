"""Can what reads runs read this one, and do the figures that it makes of them hold?"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from xpbench.bench import calibration
from xpbench.bench.calibration import CALIBRATION
from xpbench.bench.checking.contents import Contents, Unreadable, content, parsed, shown
from xpbench.bench.checking.finding import ERROR, WARNING, Finding
from xpbench.bench.exceptions import XpbenchError, one_line
from xpbench.bench.journal import HEADER, JOURNAL, Run
from xpbench.bench.report.overall import overall
from xpbench.bench.report.quantities import percent
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.table import render

ABOVE, FAR_ABOVE = 1.05, 2.0
"""More than the roof is a fault of the cost model; what errs by a few percent is the roof."""
_T = TypeVar("_T")


def tables(run: Run) -> Iterator[Finding]:
    """Whether the tables of ``run`` can be made, and no case is faster than the machine."""
    found: list[Finding] = []
    frame = _made(lambda: summarise([run]), "the figures", found)
    if frame is not None:
        _made(lambda: render(frame, "md", overall=overall([run])), "the table", found)
        _made(lambda: json.loads(render(frame, "json")), "the JSON", found)
        fractions = frame["roof_fraction"].fillna(0)
        for case, fraction in zip(frame["id"], fractions, strict=True):
            if fraction > ABOVE:
                level = ERROR if fraction > FAR_ABOVE else WARNING
                says = "is above the roof of its machine: its cost model, or its time, is wrong"
                found.append(Finding(level, "roofs", says, f"{shown(case)}: {percent(fraction)}"))
    yield from found


def calibrated(run: Run, contents: Contents) -> Iterator[Finding]:
    """Whether what stands in ``calibration.json`` is what the journal beside it says."""
    if CALIBRATION not in contents.sizes:
        says = f"is missing: `xpbench calibrate --resume {contents.folder}` makes it from the journal"
        yield Finding(ERROR, "calibration", says, CALIBRATION)
        return
    found: list[Finding] = []
    try:
        stored = parsed(content(contents, CALIBRATION))
    except Unreadable as fault:
        yield Finding(ERROR, "calibration", shown(fault, 200), CALIBRATION)
        return
    forks = stored.get("forks") if isinstance(stored, dict) else None
    if type(forks) is not int or forks < 1:
        yield Finding(ERROR, "calibration", "does not tell of how many forks its runs are", CALIBRATION)
        return
    made = _made(lambda: calibration.calibrate(run, forks).to_json(), "what it found", found)
    yield from found
    for key in _differing(stored, made or {}):
        says = "is not what the journal says"
        yield Finding(ERROR, "calibration", says, f"{CALIBRATION} {shown(key)}")


def _differing(stored: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    """What differs by more than the last digits; how long a run takes is this checkout's estimate."""
    plain = json.loads(json.dumps(made))
    yield from (
        key for key in plain if key != "default_seconds" and not _same(stored.get(key), plain[key])
    )
    yield from stored.keys() - plain.keys() if plain else ()


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
    return type(a) is type(b) and bool(a == b)


def _made(make: Callable[[], _T], what: str, found: list[Finding]) -> _T | None:
    """What ``make`` makes. Whatever a stranger's file makes it raise is a finding, and no traceback."""
    try:
        return make()
    except XpbenchError as fault:
        found.append(Finding(ERROR, "readers", f"{what} cannot be made: {shown(fault, 200)}", JOURNAL))
    except Exception as fault:
        says = f"{what} cannot be made of it, a value has not the form of its key: "
        found.append(Finding(ERROR, "readers", f"{says}{shown(one_line(fault), 120)}", HEADER))
    return None
