"""A stored run as pandas frames, which show themselves in a notebook."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas

from xpbench.bench.journal import Run
from xpbench.bench.report.overall import Overall, overall
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.table import render


@dataclass(frozen=True)
class Results:
    """What a run saw, at three depths.

    ``cases`` has one row per case with the columns of ``xpbench table --format json``, ``forks`` one
    row per case and fork, ``samples`` one row per timed round, in seconds a call. ``overall`` holds
    the geometric means over all cases.
    """

    run: Run

    @property
    def path(self) -> Path:
        return self.run.path

    @cached_property
    def cases(self) -> pandas.DataFrame:
        return summarise([self.run])

    @cached_property
    def overall(self) -> list[Overall]:
        return overall([self.run])

    @cached_property
    def forks(self) -> pandas.DataFrame:
        records = [
            {
                "id": str(m.case),
                "fork": m.fork,
                "status": m.status,
                "reason": m.reason,
                "median_s": pandas.Series(m.samples, dtype=float).median(),
                "rounds": len(m.samples),
                "iterations": m.iterations,
                "first_call_s": m.first_call_s,
                "compile_s": m.compile_s,
                "cold": m.cold,
                "transfer_s": m.transfer_s,
                "pressure": m.pressure,
                "others": m.others,
                "switches": m.switches,
                **{f"in_force.{key}": value for key, value in m.in_force.items()},
            }
            for m in self.run.measurements
        ]
        return pandas.DataFrame(records)

    @cached_property
    def samples(self) -> pandas.DataFrame:
        records = [
            {"id": str(m.case), "fork": m.fork, "round": index, "seconds": seconds}
            for m in self.run.measurements
            for index, seconds in enumerate(m.samples)
        ]
        return pandas.DataFrame(records, columns=["id", "fork", "round", "seconds"])

    def __str__(self) -> str:
        return str(render(self.cases, "md", overall=self.overall))

    def _repr_markdown_(self) -> str:
        return str(self)
