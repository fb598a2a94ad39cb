"""Which cases are still unclear, and how many forks more are they worth?"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from xpbench.bench import journal
from xpbench.bench.case import Case
from xpbench.bench.job import Job
from xpbench.bench.journal import Run

GROWTH = 1.5
"""Every look comes after half as many forks again as the one before."""


def fork_counts(forks: int, looks: int) -> list[int]:
    """How many forks there are at each look, e.g. 6, 9, 14, 21."""
    counts = [forks]
    while len(counts) < looks:
        counts.append(math.ceil(GROWTH * counts[-1]))
    return counts


def unclear(run: Run) -> list[Case]:
    """The cases without a clear verdict, and the baselines that they are compared with."""
    from xpbench.bench.report.summary import summarise

    records = summarise([run]).to_dict("records")
    open_ids = set()
    for record in records:
        compared = isinstance(record["ratio"], float) and record["baseline"] != _place(record)
        if compared and record["verdict"] not in ("faster", "slower", "same"):
            open_ids.add(record["id"])
    cases = {str(case): case for case in run.cases}
    baselines = {record["id"]: record["baseline"] for record in records if record["id"] in open_ids}
    wanted = {(cases[name].row, place) for name, place in baselines.items()}
    return [
        case
        for name, case in cases.items()
        if name in open_ids or (case.row, f"{case.backend}@{case.device}") in wanted
    ]


def further(job: Job) -> Iterator[Job]:
    """The jobs after the planned forks, each chosen when the one before it is done.

    The intervals of such a run have the level 1 - 0.05 / looks, so that the chance of a wrong verdict
    at any of the looks stays below 5 % (Bonferroni): to look again at 95 % until something shows would
    find differences among equals.
    """
    counts = fork_counts(job.settings.forks, job.settings.looks)
    for done, count in itertools.pairwise(counts):
        cases = unclear(journal.read(job.folder, rounds=False))
        if not cases:
            return
        yield replace(job, cases=tuple(cases), forks=range(done, count))


def _place(record: Mapping[Any, Any]) -> str:
    return f"{record['backend']}@{record['device']}"
