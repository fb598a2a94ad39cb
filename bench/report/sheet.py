"""What the comparison table says, cell by cell and mark by mark, before any format gives it a form."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from xpbench.bench.precisions import TF32_TIMES
from xpbench.bench.report.layout import Cell, Grid, Line, fitting, grouped, heading_of, place_of, row_of
from xpbench.bench.report.metrics import BEYOND, METRICS, above_roof, error, error_tone
from xpbench.bench.report.overall import Overall
from xpbench.bench.report.overall import grids as overall_grids
from xpbench.bench.report.overall import legend as overall_legend
from xpbench.bench.report.precision import REDUCED, precision_of, precision_words
from xpbench.bench.report.quantities import comparison, duration, percent, significant
from xpbench.bench.report.records import Record, visible

LEADS, WIDENED, UNSETTLED, PARTIAL, MODES, SLOWED = "★", "†", "‡", "§", "◊", "↓"
GATHERED = "⊕"
FEW_KERNELS = 8
"""With more than these, every chapter has a grid of its own."""
SPREAD_NOTED = 1.25
"""Forks further apart than this are marked: their processes were disturbed, or live in modes."""
_TWO_MODES = "processes live in two modes"


@dataclass(frozen=True)
class Part:
    """Grids of one kind, what their marks mean, and why some of their cells are words."""

    grids: tuple[Grid, ...]
    legend: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """Everything a table shows, in its order."""

    title: str
    parts: tuple[Part, ...]


def sheet(
    records: Sequence[Record],
    metric: str,
    width: int | None = None,
    overall: Sequence[Overall] = (),
    closing: Sequence[Part] = (),
) -> Sheet:
    """The comparison of ``records``, in at most ``width`` characters where that can be done, and at its
    end the parts ``closing``.

    A grid for each run, dtype, thread count and precision, and for each chapter where there are more
    than a few kernels; under the times the ``overall`` figures, and a second grid for agreement and
    first call. Where its columns do not fit, a grid is divided by kind of device, and where that does
    not help, it has a line for each case.
    """
    shown = prepared(records)
    groups = grouped(shown, _group_of(shown)).values()
    caption = _captioner(shown)
    figures = [
        grid
        for group in groups
        for grid in fitting(
            f"{caption(group[0])} · {METRICS[metric].title}",
            group,
            _filler(metric, group),
            width,
        )
    ]
    parts = [Part(tuple(figures), tuple(legend(shown, metric)), tuple(_notes(shown)))]
    if metric == "latency" and (whole := overall_grids(overall)):
        parts.append(Part(tuple(whole), tuple(overall_legend(overall))))
    judged = [record for record in shown if record["agrees"] is not None]
    if metric == "latency" and judged:
        agreements = [
            grid
            for group in groups
            for grid in fitting(
                f"{caption(group[0])} · agreement with the oracle, and first call",
                [record for record in group if record["agrees"] is not None],
                _agreement,
                width,
            )
        ]
        parts.append(Part(tuple(agreements), tuple(_units(judged))))
    return Sheet(_title(shown), (*parts, *closing))


def _group_of(records: Sequence[Record]) -> Callable[[Record], tuple[object, ...]]:
    divided = has_chapters(records)

    def group(record: Record) -> tuple[object, ...]:
        chapter = record["chapter"] if divided else None
        return (record["run"], record["dtype"], record["threads"], record["precision"], chapter)

    return group


def has_chapters(records: Sequence[Record]) -> bool:
    """Whether the kernels are so many that they are divided by chapter."""
    return len({record["kernel"] for record in records}) > FEW_KERNELS


def prepared(records: Sequence[Record]) -> list[Record]:
    """The records with text that is safe to show, with ``leads``: whether it is in the tie group of a
    row in which someone else was ranked, and with ``against``: the record of its row's baseline.
    """
    shown = [{k: visible(v) if isinstance(v, str) else v for k, v in r.items()} for r in records]
    for row in grouped(shown, row_of).values():
        contested = sum(record["fastest"] is not None for record in row) > 1
        places = {place_of(record): record for record in row}
        for record in row:
            record["leads"] = contested and record["fastest"] is True
            record["against"] = places.get(record["baseline"])
    return shown


def _filler(metric: str, group: Sequence[Record]) -> Callable[[Record], Cell]:
    """Writes the cells of ``group``, all with room for the mark that any of them needs."""
    indent = "  " if metric == "latency" and any(record["leads"] for record in group) else ""
    return lambda record: cell_of(record, metric, indent)


def cell_of(record: Record, metric: str, indent: str = "") -> Cell:
    """What the comparison says of a record that ``prepared`` made; ``indent`` stands for the mark of a
    leader where another cell of its grid has it."""
    if record["status"] != "ok" and not (metric == "error" and record["error"] is not None):
        wrong = record["status"] == "wrong"
        return (Line(indent + status_word(record["status"]), "alarm" if wrong else "quiet"),)
    text = METRICS[metric].text(record)
    if text is None:
        return (Line(f"{indent}-", "quiet"),)
    if metric != "latency":
        line = Line(text, METRICS[metric].tone(record))
        modes = record.get("modes") if metric == "spread" else None
        return (line, Line(f"{MODES} {modes}", "quiet")) if modes else (line,)
    marks = "".join(_marks(record))
    text = (f"{LEADS} " if record["leads"] else indent) + text + (f" {marks}" if marks else "")
    first = Line(text, "strong" if record["leads"] else "plain")
    verdict = verdict_line(record)
    return (first, replace(verdict, text=indent + verdict.text)) if verdict.text else (first,)


def _agreement(record: Record) -> Cell:
    lines = [Line(error(record) or "", error_tone(record))]
    if record["first_call_s"] is not None:
        lines.append(Line(f"first {duration(record['first_call_s'])}", "quiet"))
    return tuple(lines)


def verdict_line(record: Record) -> Line:
    """How the time of a case stands to the baseline's, in words."""
    ratio, verdict = record["ratio"], record["verdict"]
    if ratio is None:
        return Line("")
    if _estimated(record):
        return Line(f"({comparison(ratio)})", "quiet")
    if verdict is None:
        return Line("baseline", "quiet")
    if verdict == "unclear":
        low, high = (significant(record[bound], 2) for bound in ("ratio_low", "ratio_high"))
        return Line(f"unclear {low}-{high}", "quiet")
    if verdict == "same":
        return Line("same", "quiet")
    return Line(comparison(ratio), "good" if verdict == "faster" else "bad")


def _estimated(record: Record) -> bool:
    """Whether its ratio stands without a verdict, because the forks are too few."""
    return (
        record["ratio"] is not None
        and record["verdict"] is None
        and record["baseline"] != place_of(record)
    )


def _undecided(row: Sequence[Record]) -> bool:
    """Whether several were timed in a row, and none may be called the fastest."""
    timed = [record for record in row if record["time_s"] is not None]
    return len(timed) > 1 and all(record["fastest"] is None for record in timed)


def _marks(record: Record) -> Iterable[str]:
    if widened(record):
        yield WIDENED
    if record["disturbed"] or (record["spread"] or 1) > SPREAD_NOTED:
        yield UNSETTLED
    if record.get("throttled"):
        yield SLOWED
    if record.get("modes"):
        yield MODES
    if precision_of(record):
        yield REDUCED
    if record.get("gathered"):
        yield GATHERED
    if record["status"] == "ok" and record["reason"]:
        yield PARTIAL


def widened(record: Record) -> bool:
    """Whether it was computed in another dtype than asked for."""
    return record["compute_dtype"] not in (None, record["dtype"])


def _title(records: Sequence[Record]) -> str:
    runs = list(dict.fromkeys((record["run"], record["machine"]) for record in records))
    if not runs:
        return "no cases"
    return ", ".join(f"{run} on {machine}" if machine else str(run) for run, machine in runs)


def _captioner(records: Sequence[Record]) -> Callable[[Record], str]:
    """Says of a record what its group has in common and others may not."""
    several = len({record["run"] for record in records}) > 1
    divided = has_chapters(records)

    def caption(record: Record) -> str:
        threads = f"{record['threads']} thread" + ("" if record["threads"] == 1 else "s")
        parts = [record["dtype"], threads, record["precision"]]
        chapter = [str(record["chapter"] or "other kernels").replace("_", " ")] if divided else []
        return " · ".join([*([record["run"]] if several else []), *chapter, *parts])

    return caption


def legend(records: Sequence[Record], metric: str) -> Iterable[str]:
    """What the marks and words mean, for those that occur."""
    if metric == "error":
        yield from _units(records)
    if source := {"device": "device_source", "kernel": "kernel_source"}.get(metric):
        yield from _sources(records, f"{metric}_s", source)
    if metric in ("energy", "clock") and not any(METRICS[metric].text(record) for record in records):
        asked = ", and --energy that it is asked for" if metric == "energy" else ""
        yield f"only NVIDIA cards tell this: it needs nvidia-ml-py{asked}"
    if metric == "break_even":
        yield from _break_even_words(records)
    if metric == "roof" and any(above_roof(record) for record in records):
        yield (
            f"{BEYOND} above its roof: by a few percent the roof was measured too low, by more the cost "
            "model is at fault"
        )
    if metric == "spread" and any(record.get("modes") for record in records):
        yield f"{MODES} {_TWO_MODES}"
    if metric != "latency":
        return
    ran = [record for record in records if record["status"] == "ok"]
    marks = {mark for record in ran for mark in _marks(record)}
    if any(record["leads"] for record in ran):
        across = ", over all devices" if len({record["device"] for record in records}) > 1 else ""
        yield f"{LEADS} cannot be told from the fastest of its row{across}"
    if any(_undecided(row) for row in grouped(ran, row_of).values()):
        yield f"no {LEADS} in a row: too few forks to rank so many"
    levels = {(r["forks"], r["time_level"]) for r in ran if r["time_level"] is not None}
    for forks, level in sorted(levels):
        yield f"± {percent(level)} interval of the median of {forks} forks"
    if wider := sorted({r["compute_dtype"] for r in ran if widened(r)}):
        yield f"{WIDENED} computes in {' or '.join(wider)}, so not ranked"
    if UNSETTLED in marks:
        yield f"{UNSETTLED} disturbed by other work, or forks over {percent(SPREAD_NOTED - 1)} apart"
    if SLOWED in marks:
        words = sorted({w for r in ran if r.get("throttle") for w in r["throttle"].split(", ")})
        yield f"{SLOWED} its card was throttled, in a second turn too if it had one: {', '.join(words)}"
    if MODES in marks:
        yield f"{MODES} {_TWO_MODES}"
    yield from precision_words(records)
    if GATHERED in marks:
        yield f"{GATHERED} gathers an array as large as an input on a device: that part is not divided"
    if PARTIAL in marks:
        yield f"{PARTIAL} not every fork ended well"
    if baselines := sorted({_against(record) for record in ran if record["verdict"] is not None}):
        names = " or ".join(baselines)
        level = min(record["ratio_level"] for record in ran if record["ratio_level"] is not None)
        yield f"faster, slower, same: against {names}, by a {percent(level)} interval and a band of 5%"
    if any(record["verdict"] == "unclear" for record in ran):
        yield "unclear a-b: takes a to b times as long, no more can be said"
    if any(_estimated(record) for record in ran):
        yield "(in brackets): an estimate, a verdict needs 4 forks"


def _sources(records: Sequence[Record], figure: str, source: str) -> Iterable[str]:
    """What told a time of the device, for whom; and why others have none."""
    for known in (True, False):
        told = [r for r in records if r[source] and (r[figure] is not None) is known]
        for text, group in grouped(told, lambda record: str(record[source])).items():
            places = ", ".join(dict.fromkeys(map(heading_of, group)))
            yield f"{places}: {text}"
    if not any(record[figure] is not None for record in records):
        yield "only devices with a queue of their own have this time"


def _break_even_words(records: Sequence[Record]) -> Iterable[str]:
    baselines = sorted({_against(record) for record in records if record["against"] is not None})
    if baselines:
        yield (
            f"n calls: from then on it has cost less than {' or '.join(baselines)}, whose first call "
            "counts too, as one empty compile cache saw it"
        )
        yield "at once: even a single call gains; never: not faster"
    if any(_estimated(record) for record in records):
        yield "(in brackets): an estimate, a verdict needs 4 forks"


def _units(records: Sequence[Record]) -> Iterable[str]:
    yield "0.1 of 1 eps: the error nearest its limit is 0.1, the limit 1"
    if any(record["dtype"] == "float32" and record["precision"] != "ieee" for record in records):
        yield (
            "eps and limits where TF32 may be used: errors in the eps of float32, limits "
            f"{TF32_TIMES:g} times those of float32, as TF32's eps is"
        )
    if any(record["error_unit"] == "standard errors" for record in records):
        yield "s.e.: standard errors, of kernels that draw at random"


def _notes(records: Sequence[Record]) -> Iterable[str]:
    """Why cells are words, each reason once."""
    told = [record for record in records if record["status"] != "ok" or record["reason"]]
    groups = grouped(told, lambda record: (heading_of(record), record["status"], record["reason"]))
    for (heading, status, reason), group in groups.items():
        cases = [f"{record['kernel']}[{record['size']}]" for record in group]
        which = ", ".join(cases[:3]) + (f" and {len(cases) - 3} more" if len(cases) > 3 else "")
        word = PARTIAL if status == "ok" else status_word(status)
        yield f"{heading} {word}: {which}" + (f": {reason}" if reason else "")


def status_word(status: str) -> str:
    """What stands in a cell without a time."""
    return "WRONG" if status == "wrong" else status.replace("_", " ")


def _against(record: Record) -> str:
    return str(record["baseline"]).removesuffix("@cpu")
