"""What may be said when many cases are looked at together: false alarms, and overall figures."""

import math
import statistics
from collections.abc import Mapping, Sequence

from xpbench.bench.stats import LEVEL, MIN_FORKS, Ratio, smallest_p_value, student_quantile

FALSE_DISCOVERIES = 0.05
MOST_FORKS = 1000
LOOKS = 4
"""How often a run that goes on until its verdicts are clear may look at them."""


def benjamini_hochberg(p_values: Mapping[str, float], rate: float = FALSE_DISCOVERIES) -> set[str]:
    """The names whose p values are small enough that, on average, at most ``rate`` of them are false.

    With the p values in order, p_(1) <= ... <= p_(m): all up to the last with p_(k) <= k rate / m.
    Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
    Society B 57 (1995); for p values that are positively dependent, as those of cases that share
    their processes, Benjamini and Yekutieli, Annals of Statistics 29 (2001), theorem 1.2.
    """
    ordered = sorted(p_values, key=p_values.__getitem__)
    kept = [k for k, name in enumerate(ordered, 1) if p_values[name] <= k * rate / len(ordered)]
    return set(ordered[: max(kept, default=0)])


def forks_needed(comparisons: int, rate: float = FALSE_DISCOVERIES) -> int:
    """Forks a side with which one difference among ``comparisons`` cases can be reported at all.

    The p value of a rank-sum test cannot fall below 2 / C(2n, n), and the only small one of m must
    reach ``rate`` / m (Benjamini-Hochberg as well as Bonferroni).
    """
    for forks in range(MIN_FORKS, MOST_FORKS):
        if smallest_p_value(forks, forks) <= rate / max(1, comparisons):
            return forks
    raise ValueError(f"{comparisons} comparisons: no number of forks up to {MOST_FORKS} is enough")


def overall_ratio(blocks: Sequence[float], level: float = LEVEL) -> Ratio | None:
    """The geometric mean of ratios over cases, from the mean log ratio of every block (a fork of all).

    What the cases of a block share, they share: the blocks are the independent units, and the
    interval is Student's over them. Means over cases are near enough to normal for that, and a
    bootstrap of five blocks covers 83 % where it says 95. ``None`` below four blocks.
    """
    n = len(blocks)
    if n < MIN_FORKS:
        return None
    mean = statistics.fmean(blocks)
    reach = student_quantile(n - 1, level) * statistics.stdev(blocks) / math.sqrt(n)
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), level)


def binomial_interval(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a probability of which ``successes`` of ``trials`` were seen.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934); its ends are quantiles of beta distributions.

    Raises
    ------
    ValueError
        Unless 0 <= ``successes`` <= ``trials`` and there is a trial.
    """
    from scipy.special import betaincinv

    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials}: expected a share of at least one trial")
    tail = (1 - level) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)
