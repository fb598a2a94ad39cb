"""A comparison of two runs as a pandas frame, which shows itself in a notebook."""

from dataclasses import dataclass

import pandas

from xpbench.bench.comparison import Comparison
from xpbench.bench.report.comparison import as_markdown
from xpbench.bench.report.exchange import comparison_as_json


@dataclass(frozen=True)
class Changes:
    """What changed between two stored runs.

    ``cases`` has a row for every case of either run, with the keys of ``xpbench compare --format
    json``; ``regressed`` tells whether one is slower, or newly wrong.
    """

    comparison: Comparison

    @property
    def cases(self) -> pandas.DataFrame:
        return pandas.DataFrame(comparison_as_json(self.comparison)["cases"])

    @property
    def regressed(self) -> bool:
        return self.comparison.regressed

    def __str__(self) -> str:
        return as_markdown(self.comparison)

    def _repr_markdown_(self) -> str:
        return str(self)
