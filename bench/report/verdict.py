"""What does a run say, in one sentence?"""

from collections import Counter
from collections.abc import Sequence

from xpbench.bench import stats
from xpbench.bench.report.layout import grouped, heading_of, row_of
from xpbench.bench.report.overall import FEWEST_CASES, Overall
from xpbench.bench.report.quantities import comparison, significant
from xpbench.bench.report.records import Record, visible


def verdicts(records: Sequence[Record], figures: Sequence[Overall]) -> dict[str, str]:
    """A sentence for every run in ``records``, which ``sheet.prepared`` made: who takes the least time
    over all cases that all ran, in how many rows that one leads, and whether the results agree.

    ``figures`` are the geometric means of the same runs, of which the dtype, thread count and precision
    with the most cases counts.
    """
    means = grouped(figures, lambda figure: visible(figure.run))
    return {run: _sentence(rows, means.get(run, [])) for run, rows in grouped(records, _run).items()}


def _run(record: Record) -> str:
    return str(record["run"])


def _sentence(records: Sequence[Record], figures: Sequence[Overall]) -> str:
    said = "; ".join(filter(None, [_fastest(records, figures), _agreement(records)]))
    return f"{said[0].upper()}{said[1:]}."


def _fastest(records: Sequence[Record], figures: Sequence[Overall]) -> str:
    timed = sum(record["time_s"] is not None for record in records)
    groups = grouped(figures, lambda figure: figure.group).values()
    group = max(groups, key=lambda one: (len(one), one[0].cases), default=[])
    known = [figure for figure in group if figure.value is not None]
    if len(known) < 2 or known[0].cases < FEWEST_CASES:
        return f"{timed} of {len(records)} cases were timed"
    ahead, behind = sorted(known, key=lambda figure: figure.value or 0.0)[:2]
    over = f"over the {ahead.cases} cases that all ran in {ahead.dtype}"
    if ahead.place == ahead.baseline:
        said = f"{over}, {_name(ahead)} takes the least time, and {_name(behind)} is {_against(behind)}"
    else:
        said = f"{over}, {_name(ahead)} is {_against(ahead)}"
    return f"{said}{_leads(records, ahead)}"


def _against(figure: Overall) -> str:
    """How ``figure`` stands to its baseline, e.g. ``2.1x faster than numpy (1.9 to 2.3)``."""
    ratio, base = figure.ratio, visible(figure.baseline.removesuffix("@cpu"))
    assert figure.value is not None
    if ratio is None:
        return f"about {comparison(figure.value)} than {base} (too few forks for an interval)"
    said = stats.verdict(ratio)
    if said not in ("faster", "slower"):
        word = "as fast as" if said == "same" else "not to be told from"
        return f"{word} {base} ({significant(ratio.low)} to {significant(ratio.high)} of its time)"
    low, high = (1 / ratio.high, 1 / ratio.low) if said == "faster" else (ratio.low, ratio.high)
    return f"{comparison(ratio.value)} than {base} ({significant(low)} to {significant(high)})"


def _leads(records: Sequence[Record], ahead: Overall) -> str:
    """Of how many rows the one ``ahead``, and who is it of the most, is among the fastest."""
    rows = [
        row
        for row in grouped(records, row_of).values()
        if row[0]["dtype"] == ahead.dtype and sum(record["fastest"] is not None for record in row) > 1
    ]
    leads = Counter(heading_of(record) for row in rows for record in row if record["leads"])
    if not leads:
        return ""
    shown = dict.fromkeys([_name(ahead), leads.most_common(1)[0][0]])
    whose = ", ".join(f"{place} in {leads[place]}" for place in shown)
    return f"; among the fastest of {len(rows)} rows are {whose}"


def _agreement(records: Sequence[Record]) -> str:
    judged = [record for record in records if record["agrees"] is not None]
    wrong = Counter(heading_of(record) for record in judged if not record["agrees"])
    if not judged:
        return "no result was held against an oracle"
    if not wrong:
        if len(judged) == 1:
            return "its one result agrees with its oracle"
        return f"all {len(judged)} results agree with their oracles"
    whose = ", ".join(f"{place} {count}" for place, count in wrong.most_common())
    return f"{sum(wrong.values())} of {len(judged)} results are WRONG ({whose})"


def _name(figure: Overall) -> str:
    return visible(figure.place.removesuffix("@cpu"))
