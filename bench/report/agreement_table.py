"""Who agrees with the oracle, and who with whom: the table of ``xpbench verify``."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group

from xpbench.bench.agreement import worst_of
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.layout import Cell, Line, fitting, grouped, heading_of
from xpbench.bench.report.records import visible
from xpbench.bench.report.sheet import Part, Sheet
from xpbench.bench.report.terminal import as_rich
from xpbench.bench.verification import Difference, Verification

APART = "apart"
LEGEND = (
    "a cell: the error nearest its limit, as a share of that limit",
    f"{APART}: the largest difference between two backends, as a share of twice the limit",
)


def as_records(found: Verification) -> list[dict[str, Any]]:
    """One object per case: every error with its limit, and whether it agrees."""
    return [
        {
            "id": str(m.case),
            **_place(m.case),
            "status": m.status,
            "reason": m.reason or None,
            "errors": {name: {"value": pair[0], "limit": pair[1]} for name, pair in m.errors.items()},
            "error_unit": found.units[m.case.kernel],
            "agrees": {"ok": True, "wrong": False}.get(m.status),
        }
        for m in found.measurements
    ]


def as_table(found: Verification, width: int) -> Group:
    """A row per kernel and size, a column per backend, and one for the backends among each other."""
    cells = [{**_place(m.case), "cell": _judged(m)} for m in found.measurements]
    for differences in grouped(found.differences, lambda d: d.first.row).values():
        place = _place(differences[0].first) | {"backend": APART, "device": "cpu"}
        cells.append({**place, "cell": _apart(differences)})
    grids = [
        grid
        for dtype, group in grouped(cells, lambda cell: cell["dtype"]).items()
        for grid in fitting(f"{dtype} · agreement", group, lambda cell: cell["cell"], width)
    ]
    return as_rich(Sheet(_verdict(found), (Part(tuple(grids), LEGEND, tuple(_notes(found))),)))


def _place(case: Case) -> dict[str, Any]:
    return {
        "run": None,
        "kernel": case.kernel,
        "size": case.size_text,
        "backend": case.backend,
        "device": case.device,
        "dtype": case.dtype,
        "threads": case.threads,
        "precision": case.precision,
    }


def _judged(m: Measurement) -> Cell:
    if m.status == "wrong":
        return (Line("WRONG", "alarm"),)
    if m.status != "ok":
        return (Line(m.status.replace("_", " "), "quiet"),)
    return (Line(_share(*m.errors[worst_of(m.errors)])),)


def _apart(differences: list[Difference]) -> Cell:
    if not all(difference.agrees for difference in differences):
        return (Line("APART", "alarm"),)
    worst = max(differences, key=lambda d: d.value / d.limit if d.limit else 0.0)
    return (Line(_share(worst.value, worst.limit), "quiet"),)


def _share(value: float, limit: float) -> str:
    part = value / limit if limit else 0.0
    return f"{part:.2f}" if part >= 0.005 else "<.01" if part else "0"


def _verdict(found: Verification) -> str:
    wrong = len(found.disagreements)
    judged = f"{found.judged} results judged"
    if not wrong:
        return f"{judged}, all agree"
    return f"{judged}: {wrong} {'disagreement' if wrong == 1 else 'disagreements'}"


def _notes(found: Verification) -> Iterable[str]:
    told: dict[str, list[str]] = {}
    for m in found.measurements:
        if m.status not in ("ok", "wrong"):
            where = heading_of({"backend": m.case.backend, "device": m.case.device})
            told.setdefault(f"{where} {m.status}: {visible(m.reason)}", []).append(str(m.case))
    for reason, cases in told.items():
        yield f"{reason} ({len(cases)} {'case' if len(cases) == 1 else 'cases'})"
