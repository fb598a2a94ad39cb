"""Who agrees with the oracle, and who with whom: the table of ``xpbench verify``."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from xpbench.bench import agreement
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement
from xpbench.bench.verification import Difference, Verification


def as_records(found: Verification) -> list[dict[str, Any]]:
    """One object per case: every error with its limit, and whether it agrees."""
    return [
        {
            "id": str(m.case),
            "kernel": m.case.kernel,
            "size": m.case.size_text,
            "backend": m.case.backend,
            "device": m.case.device,
            "dtype": m.case.dtype,
            "status": m.status,
            "reason": m.reason,
            "errors": {name: {"value": pair[0], "limit": pair[1]} for name, pair in m.errors.items()},
            "error_unit": found.units[m.case.kernel],
            "agrees": {"ok": True, "wrong": False}.get(m.status),
        }
        for m in found.measurements
    ]


def as_table(found: Verification) -> Group:
    """A row per kernel, size and dtype, a column per backend; a cell is the error nearest its limit."""
    backends = list(dict.fromkeys(_column(m) for m in found.measurements))
    rows: dict[tuple[str, str, str], dict[str, Measurement]] = {}
    for m in found.measurements:
        rows.setdefault(_row(m.case), {})[_column(m)] = m
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kernel")
    for name in [*backends, "apart"]:
        table.add_column(name, justify="right")
    for key, cells in rows.items():
        kernel, size, dtype = key
        apart = [d for d in found.differences if _row(d.first) == key]
        table.add_row(
            Text(f"{kernel} {size} {'f' + dtype.removeprefix('float')}"),
            *[_cell(cells[name]) if name in cells else Text("") for name in backends],
            _apart(apart),
        )
    return Group(table, Text(), *_notes(found))


def _row(case: Case) -> tuple[str, str, str]:
    return (case.kernel, case.size_text, case.dtype)


def _column(m: Measurement) -> str:
    return m.case.backend if m.case.device == "cpu" else f"{m.case.backend}@{m.case.device}"


def _cell(m: Measurement) -> Text:
    if m.status == "wrong":
        return Text("WRONG", style="bold red")
    if m.status != "ok":
        return Text(m.status, style="dim")
    value, limit = m.errors[agreement.worst_of(m.errors)]
    return Text(share(value, limit))


def _apart(differences: list[Difference]) -> Text:
    if not differences:
        return Text("")
    if not all(d.agrees for d in differences):
        return Text("APART", style="bold red")
    return Text(max(share(d.value, d.limit) for d in differences))


def share(value: float, limit: float) -> str:
    """An error as the share of its limit that it takes."""
    part = value / limit if limit else 0.0
    return f"{part:.2f}" if part >= 0.005 else "<.01"


def _notes(found: Verification) -> list[Text]:
    reasons = dict.fromkeys(
        f"{m.status}: {_column(m)}: {m.reason}"
        for m in found.measurements
        if m.status not in ("ok", "wrong")
    )
    wrong = len(found.disagreements)
    judged = f"{found.judged} results judged"
    verdict = f"{judged}: {wrong} disagreements, listed below." if wrong else f"{judged}, all agree."
    legend = (
        "A cell is the error nearest its limit, as a share of that limit; 'apart' is the largest "
        "difference between two backends, against twice the limit."
    )
    return [Text(legend, style="dim"), *(Text(reason, style="dim") for reason in reasons), Text(verdict)]
