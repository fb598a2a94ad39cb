"""What is to be measured into a run, by which interpreter, and how long will that take?"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from xpbench.bench import cards
from xpbench.bench.case import Case
from xpbench.bench.plan import Settings, Visit, environments, estimate_case, estimate_run, schedule
from xpbench.bench.registry import Registry


@dataclass(frozen=True)
class Job:
    """A run to be measured: where it is kept, which cases of it, how, and by which interpreter.

    ``forks`` are those of the run's settings unless told otherwise; ``find_card`` finds the card behind
    a device.
    """

    folder: Path
    registry: Registry
    cases: tuple[Case, ...]
    settings: Settings
    forks: range | None = None
    python: str = sys.executable
    find_card: cards.Find = cards.find

    @property
    def fork_range(self) -> range:
        return range(self.settings.forks) if self.forks is None else self.forks

    @property
    def weights(self) -> dict[str, float]:
        """By case id, the seconds that one fork of it is expected to take."""
        kernels = self.registry.kernels
        return {str(c): estimate_case(kernels[c.kernel], c, self.settings) for c in self.cases}

    @property
    def seconds(self) -> float:
        """How long the job is expected to take."""
        settings = replace(self.settings, forks=len(self.fork_range))
        return estimate_run(self.registry, self.cases, settings)

    def visits(self, cache: str = "") -> list[Visit]:
        """The visits in their order, which depends on cases, settings, forks and seed alone."""
        weights = self.weights
        grouped = environments(self.registry, self.cases, cache)
        settings = self.settings
        return list(
            schedule(
                grouped,
                self.fork_range,
                settings.seed,
                lambda case: weights[str(case)],
                settings.chunk,
                settings.together,
            )
        )
