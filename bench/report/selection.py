"""Which cases of stored runs are shown: all, or those that options name."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from xpbench.bench.case import Case
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.report.layout import place_of
from xpbench.bench.report.overall import Overall, overall
from xpbench.bench.report.records import Record, records, visible
from xpbench.bench.report.sheet import prepared
from xpbench.bench.report.summary import baseline_of, is_on, summarise


@dataclass(frozen=True)
class Choice:
    """What is asked for, by name; where nothing is, everything."""

    kernels: tuple[str, ...] = ()
    chapters: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The cases chosen of ``runs``, which hold these alone, but of every backend.

    ``records`` is the summary of those on the backends chosen, each judged in its whole row, as
    ``sheet.prepared`` leaves them; ``overall`` the figures over the cases that these backends all ran.
    ``places`` are all backends and devices of the runs, chosen or not.
    """

    runs: tuple[Run, ...]
    records: tuple[Record, ...]
    overall: tuple[Overall, ...]
    places: tuple[str, ...]


def is_timed(record: Record) -> bool:
    """Whether a case has a time; one that was wrong in some forks has one of no use."""
    return record["status"] == "ok" and record["time_s"] is not None


def select(runs: Sequence[Run], choice: Choice, baseline: str | None = None) -> Selection:
    """The cases of ``runs`` that are of every kind that ``choice`` names, against ``baseline``.

    Raises
    ------
    XpbenchError
        If the runs have nothing of a name, nothing that all names mean, or no such baseline.
    """
    kept = _restricted(runs, choice)
    cases = [case for run in kept for case in _cases(run)]
    places = tuple(dict.fromkeys(f"{case.backend}@{case.device}" for case in cases))
    _require("backend", choice.backends, places, is_on)

    def chosen(place: str) -> bool:
        return not choice.backends or any(is_on(place, name) for name in choice.backends)

    rows = prepared(records(summarise(kept, baseline)))
    compared = [_of_places(run, chosen, baseline or baseline_of(run)) for run in kept]
    return Selection(
        tuple(kept),
        tuple(record for record in rows if chosen(place_of(record))),
        tuple(figure for figure in overall(compared, baseline) if chosen(figure.place)),
        tuple(map(visible, places)),
    )


def _restricted(runs: Sequence[Run], choice: Choice) -> list[Run]:
    """The runs with the cases of the kernels, chapters, sizes and dtypes chosen; rows stay whole."""
    chapters = {name: str(kernel.get("chapter") or "") for run in runs for name, kernel in _kernels(run)}
    cases = list(dict.fromkeys(case for run in runs for case in _cases(run)))
    kinds: list[tuple[str, tuple[str, ...], Callable[[Case], set[str]]]] = [
        ("kernel", choice.kernels, lambda case: {case.kernel}),
        ("chapter", choice.chapters, lambda case: {chapters.get(case.kernel, "")} - {""}),
        ("size", choice.sizes, lambda case: {case.size_name, case.size_text} - {""}),
        ("dtype", choice.dtypes, lambda case: {case.dtype}),
    ]
    wanted = set(cases)
    for option, names, names_of in kinds:
        known = dict.fromkeys(name for case in cases for name in sorted(names_of(case)))
        means = _means_size if option == "size" else str.__eq__
        _require(option, names, tuple(known), means)
        if names:
            wanted &= {c for c in cases if any(means(k, n) for k in names_of(c) for n in names)}
    if cases and not wanted:
        options = ", ".join(f"--{option}" for option, names, _ in kinds if names)
        raise XpbenchError(f"no case is of all that {options} name: leave one of them out")
    return [_with(run, wanted.__contains__) for run in runs]


def _means_size(known: str, asked: str) -> bool:
    """Whether ``n=64,d=8`` is what ``n=64`` or ``d=8,n=64`` means, or ``small`` is ``small``."""
    return set(asked.split(",")) <= set(known.split(","))


def _require(
    option: str,
    names: Iterable[str],
    known: Sequence[str],
    means: Callable[[str, str], bool],
) -> None:
    """Raises for the first of ``names`` that means nothing of what is ``known``."""
    for name in names:
        if not any(means(one, name) for one in known):
            near = difflib.get_close_matches(name, known, n=2)
            hint = f"did you mean {' or '.join(map(visible, near))}? " if near else ""
            shown = ", ".join(map(visible, known)) or "none"
            raise XpbenchError(f"--{option} {name!r}: {hint}what was measured is {shown}")


def _of_places(run: Run, chosen: Callable[[str], bool], baseline: str) -> Run:
    """``run`` with the cases on the backends chosen, and those on its baseline."""

    def wanted(case: Case) -> bool:
        place = f"{case.backend}@{case.device}"
        return chosen(place) or is_on(place, baseline)

    return _with(run, wanted)


def _with(run: Run, wanted: Callable[[Case], bool]) -> Run:
    cases = [case.to_json() for case in run.cases if wanted(case)]
    return replace(
        run,
        header={**run.header, "cases": cases},
        measurements=tuple(m for m in run.measurements if wanted(m.case)),
    )


def _cases(run: Run) -> list[Case]:
    """What was planned, and what was measured besides."""
    return list(dict.fromkeys([*run.cases, *(m.case for m in run.measurements)]))


def _kernels(run: Run) -> Iterable[tuple[str, dict[str, object]]]:
    kernels: dict[str, dict[str, object]] = run.header["kernels"]
    return kernels.items()
