"""What a comparison of two runs tells a person: in a terminal, or under a pull request."""

from collections.abc import Iterable, Sequence

from xpbench.bench.comparison import Change, Comparison
from xpbench.bench.report.layout import Cell, Grid, Line, Tone
from xpbench.bench.report.quantities import comparison as compared
from xpbench.bench.report.quantities import duration, factor, percent
from xpbench.bench.report.records import visible
from xpbench.bench.stats import MIN_FORKS

VERDICTS = ("slower", "faster", "unclear", "same")
_TONES: dict[str, Tone] = {"slower": "bad", "faster": "good", "unclear": "quiet", "same": "quiet"}


def headline(found: Comparison) -> str:
    """One sentence: how many cases are what."""
    timed = len(found.timed)
    counts = [f"{len(found.having(verdict))} {verdict}" for verdict in VERDICTS]
    undecided = len(found.having(None))
    if undecided:
        counts.append(f"{undecided} without a verdict")
    wrong = sum(change.newly_wrong for change in found.changes)
    said = f"{timed} {'case' if timed == 1 else 'cases'} timed in both: {', '.join(counts)}"
    return said + (f"; {wrong} newly WRONG" if wrong else "")


def overall(found: Comparison) -> str | None:
    """How the cases changed together, where there are several."""
    if found.overall is None or len(found.timed) < 2:
        return None
    ratio = found.overall
    return (
        f"over all {len(found.timed)} NEW takes {ratio.value:.2f} times as long "
        f"({ratio.low:.2f} to {ratio.high:.2f}; geometric mean)"
    )


def shortage(found: Comparison) -> str | None:
    """What more forks would be needed for, where there are too few."""
    if found.forks is None or found.forks >= found.needed or found.same_run:
        return None
    cases = len(found.timed)
    return (
        f"{cases} {'case needs' if cases == 1 else 'cases need'} at least {found.needed} forks a side "
        f"before one change among them can be reported, and there are {found.forks}: "
        f"measure with --forks {found.needed}"
    )


def remarks(found: Comparison) -> list[str]:
    """What must be known before the figures: missing forks, warnings, and what is not the same."""
    lines = [f"warning: {line}" for line in [shortage(found), *found.warnings] if line]
    if found.same_run:
        lines.append("both are the same run")
    return [visible(line) for line in [*lines, *(f"note: {line}" for line in found.notes)]]


def words(found: Comparison, everything: bool = True) -> list[str]:
    """The cases that are not timed on both sides, one line each; without ``everything``, those that
    ended alike in both are only counted."""
    untimed = [change for change in found.changes if not (change.base and change.new)]
    shown = [change for change in untimed if everything or not _alike(change)]
    lines = [visible(_word(change)) for change in shown]
    if alike := len(untimed) - len(shown):
        lines.append(f"{alike} {'case is' if alike == 1 else 'cases are'} without a time in both")
    return lines


def _alike(change: Change) -> bool:
    return change.base_status == change.new_status != "wrong"


def rule(found: Comparison) -> str:
    """How the verdicts are made."""
    return (
        f"slower, faster: beyond {percent(found.band)}, by the shortest round of every fork, at most 5% "
        "of such reports false (Benjamini-Hochberg); same: the whole 95% interval is within"
    )


def grid(found: Comparison, everything: bool) -> Grid:
    """The cases that changed, then what is unclear; with ``everything`` also what is the same."""
    shown = [*VERDICTS, None] if everything else ["slower", "faster", "unclear"]
    changes = [change for verdict in shown for change in found.having(verdict)]
    return Grid(
        f"{found.base} to {found.new}",
        ("", "base", "new", "", "95% interval"),
        tuple(_row(change) for change in changes),
    )


def _row(change: Change) -> tuple[Cell, ...]:
    assert change.base_s is not None
    assert change.new_s is not None
    case, ratio = change.case, change.ratio
    tone = _TONES.get(change.verdict or "", "quiet")
    said = compared(change.estimate) if change.verdict in ("slower", "faster") else change.verdict
    place = f"{case.backend}@{case.device}".removesuffix("@cpu")
    return (
        (
            Line(visible(case.kernel), "strong"),
            Line(visible(f"{case.size_text} {place} {case.dtype}"), "quiet"),
        ),
        (Line(duration(change.base_s)),),
        (Line(duration(change.new_s)),),
        (Line(said or f"({compared(change.estimate)})", tone),),
        (
            Line(
                f"{ratio.low:.2f} to {ratio.high:.2f}" if ratio else f"below {MIN_FORKS} forks", "quiet"
            ),
        ),
    )


def _word(change: Change) -> str:
    if change.base_status is None:
        return f"{change.case}: only in NEW ({change.new_status})"
    if change.new_status is None:
        return f"{change.case}: only in BASE ({change.base_status})"
    reason = f": {change.reason}" if change.reason else ""
    if change.base_status == change.new_status:
        return f"{change.case}: {_status(change.new_status)} in both{reason}"
    return f"{change.case}: was {_status(change.base_status)}, is {_status(change.new_status)}{reason}"


def _status(status: str) -> str:
    return "WRONG" if status == "wrong" else status.replace("_", " ")


def as_markdown(found: Comparison) -> str:
    """Fit for a pull request: the sentence, what changed, and the rest folded away."""
    first = "\n".join(filter(None, [f"**{headline(found)}**", overall(found)]))
    parts = [first, *(f"> {_escaped(line)}" for line in remarks(found))]
    changed = [*found.having("slower"), *found.having("faster")]
    if changed:
        parts.append(_markdown_table(changed))
    if stopped := words(found, everything=False):
        parts.append("\n".join(f"- {_escaped(line)}" for line in stopped))
    rest = [*found.having("unclear"), *found.having("same"), *found.having(None)]
    if rest:
        summary = f"<summary>{len(rest)} cases unclear, the same or without a verdict</summary>"
        parts.append(f"<details>{summary}\n\n{_markdown_table(rest)}\n\n</details>")
    names = _escaped(visible(f"{found.base} to {found.new}"))
    parts.append(f"<sub>{names}. {rule(found)}.</sub>")
    return "\n\n".join(parts) + "\n"


def _markdown_table(changes: Sequence[Change]) -> str:
    head = ["| case | base | new | change | 95 % interval |", "| :-- | --: | --: | :-- | :-- |"]
    return "\n".join([*head, *(_markdown_row(change) for change in changes)])


def _markdown_row(change: Change) -> str:
    _, base, new, _, interval = _row(change)
    said = f"{change.verdict or 'no verdict'} ({_percent_change(change.estimate)})"
    cells: Iterable[str] = (visible(str(change.case)), base[0].text, new[0].text, said, interval[0].text)
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _percent_change(ratio: float) -> str:
    return f"{factor(ratio)}" if ratio >= 2 else f"{100 * (ratio - 1):+.0f}%"


def _escaped(text: str) -> str:
    for character in "\\|*_<>`":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")
