"""How long will the rest of a run take?"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping

DAYS, LONG = 4 * 86400, 100 * 365 * 86400
SURE = 0.15
"""Once this share of the work is done, what it really took counts alone, and the estimate no more."""


class Forecast:
    """Time left, from the share of the estimated work that is done and the time it really took.

    ``weights`` maps a case's id to the estimate of one fork of it, ``expected`` is that of the whole, in
    seconds; ``done`` holds what an earlier part of the run measured already, ``ended`` the cases that
    are not tried any more.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        forks: Iterable[int],
        expected: float,
        done: Collection[tuple[str, int]] = (),
        ended: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        forks = list(forks)
        self._weights = weights
        self._open = {case: set() if case in ended else set(forks) for case in weights}
        for case, fork in done:
            self._open.get(case, set()).discard(fork)
        self._expected = expected
        self._clock = clock
        self._began = self._closed = clock()
        self._total = self._work()
        self._now = ""

    @property
    def open(self) -> int:
        return self.open_of(self._open)

    def open_of(self, cases: Iterable[str]) -> int:
        """How many forks of ``cases`` are still to be measured."""
        return sum(len(self._open[case]) for case in cases)

    def start(self, case: str) -> None:
        if not self._now:
            # Inputs and oracles say nothing of how fast cases are measured.
            self._began = self._closed = self._clock()
        self._now = case

    def close(self, case: str, fork: int, status: str) -> None:
        """A case that ended with a word other than ``ok`` is not tried in later forks."""
        self._closed = self._clock()
        if status == "ok":
            self._open[case].discard(fork)
        else:
            self._open[case].clear()

    def seconds_left(self) -> float:
        """By the pace so far; since the last case ended, the one at work counts down its own share."""
        left = self._work()
        done = self._total - left
        if not left:
            return 0.0
        trust = min(1.0, done / (SURE * self._total))
        pace = (1 - trust) * self._expected / self._total
        if trust:
            pace += trust * (self._closed - self._began) / done
        running = pace * self._weights.get(self._now, 0.0) if self._open.get(self._now) else 0.0
        return pace * left - min(running, self._clock() - self._closed)

    def _work(self) -> float:
        return sum(self._weights[case] * len(forks) for case, forks in self._open.items())


def words(seconds: float) -> str:
    """A duration for people: ``8 s``, ``1 min 40 s``, ``2 h 05 min``, ``9 days``, ``over 100 years``."""
    if not seconds < LONG:
        return "over 100 years"
    if seconds > DAYS:
        return f"{seconds / 86400:.0f} days"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
