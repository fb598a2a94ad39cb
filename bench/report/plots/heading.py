"""What stands over a picture: what it shows, of which runs, and on which machines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from xpbench.bench.journal import Run
from xpbench.bench.report.layout import grouped, heading_of
from xpbench.bench.report.plots.style import INK, TITLE, Strip, gap, paragraph
from xpbench.bench.report.provenance import library_versions
from xpbench.bench.report.records import Record, visible
from xpbench.bench.report.sheet import status_word
from xpbench.bench.report.summary import run_names

Group = tuple[str, str, int, str]
"""Run, dtype, threads, precision: what is shown side by side, and not compared."""


def group_of(record: Record) -> Group:
    return (record["run"], record["dtype"], record["threads"], record["precision"])


def captions(groups: Iterable[Group]) -> dict[Group, str]:
    """What tells the groups from one another; nothing where there is but one."""
    every = list(dict.fromkeys(groups))
    differ = [len({group[index] for group in every}) > 1 for index in range(4)]
    return {
        group: " · ".join(words for words, wanted in zip(_words(group), differ, strict=True) if wanted)
        for group in every
    }


def heading(
    runs: Sequence[Run], records: Sequence[Record], what: str, title: str | None, width: float
) -> list[Strip]:
    """The title, by default the names of the runs; ``what`` is shown, with what all cases have in
    common; and a line for each run on its machine, versions and forks.
    """
    names = [visible(name) for name in run_names(runs)]
    groups = list(dict.fromkeys(map(group_of, records)))
    same = [
        words[0]
        for index, words in enumerate(zip(*map(_words, groups), strict=True))
        if index > 0 and len(set(words)) == 1
    ]
    strips = paragraph(title or " and ".join(names), width, size=TITLE, colour=INK, bold=True)
    strips += paragraph(" · ".join([what, *same]), width)
    for run, name in zip(runs, names, strict=True):
        label = [name] if len(runs) > 1 or title else []
        strips += paragraph(" · ".join([*label, *_circumstances(run)]), width)
    return [*strips, gap(0.1)]


def _words(group: Group) -> tuple[str, str, str, str]:
    run, dtype, threads, precision = group
    return run, dtype, f"{threads} thread{'s' * (threads != 1)}", precision


def _circumstances(run: Run) -> Iterator[str]:
    machine = run.header["machine"]
    for part in [machine.get("cpu"), *dict.fromkeys(machine.get("cards") or [])]:
        if part:
            yield visible(" ".join(str(part).partition(",")[0].replace("(R)", "").split()))
    for name, version in sorted(library_versions(run).items()):
        yield visible(f"{name} {version.partition('+')[0]}")
    forks = run.header["settings"].get("forks")
    if isinstance(forks, int):
        yield f"{forks} fork{'s' * (forks != 1)}"


def absences(records: Iterable[Record]) -> Iterator[str]:
    """Who did not run in how many cases, in the words of the table, for pictures that have no cell."""
    absent = [record for record in records if record["status"] not in ("ok", "wrong")]
    for place, found in grouped(absent, heading_of).items():
        counts = Counter(status_word(record["status"]) for record in found)
        words = [f"{word} in {n} case{'s' * (n != 1)}" for word, n in counts.items()]
        yield f"{place}: {', '.join(words)}"
