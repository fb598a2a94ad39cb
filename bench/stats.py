"""How sure a difference is: exact, distribution-free inference on one summary per process.

The process is the unit. Rounds within a process share its mode for its whole life, so the rounds of a
fork are reduced to their median, and everything below compares a handful of such medians with
rank statistics, whose null distributions are exact for any continuous distribution, modes included.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, product

LEVEL = 0.95
BAND = 0.05
MIN_FORKS = 4
"""Two samples of three give no interval of 95 %: the widest there is covers 1 - 2/C(6, 3) = 0.90."""
MODE_GAP = 0.10
MODE_CONTRAST = 3.0
MODE_FORKS = 6


@dataclass(frozen=True)
class Ratio:
    """How many times ``b`` the times ``a`` are; ``level`` is the exact coverage of ``low..high``."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Location:
    """The median of a sample; ``level`` is the exact coverage of ``low..high``, where there is one."""

    value: float
    low: float | None
    high: float | None
    level: float | None


def level_of(looks: int) -> float:
    """The level at which each of ``looks`` intervals must stand for all to hold at ``LEVEL``
    (Bonferroni)."""
    return 1 - (1 - LEVEL) / looks


def student_quantile(freedom: int, level: float = LEVEL) -> float:
    """How many standard errors either side of a mean hold it with probability ``level``."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def fork_summary(samples: Sequence[float]) -> float:
    """The time that stands for a process where backends are compared: the median of its rounds."""
    return statistics.median(samples)


def fork_minimum(samples: Sequence[float]) -> float:
    """The time that stands for a process where a change of the code is hunted: its shortest round.

    Work that is added lengthens every round, and what disturbs a process lengthens only some: the
    minimum sees the first and little of the second. It says nothing of what a user waits for.
    """
    return min(samples)


def spread(forks: Sequence[float]) -> float:
    """The largest fork over the smallest; 1 where all are equal."""
    return max(forks) / min(forks)


def modes(forks: Sequence[float]) -> tuple[float, float] | None:
    """The medians of the two groups into which the processes fall, or ``None`` where they do not.

    Two groups of at least two processes each are modes when the gap between them is more than
    ``MODE_GAP`` and at least ``MODE_CONTRAST`` times as wide, on logs, as either group. Of a thousand
    samples from one normal distribution of logs, however wide, some fifteen of six forks look like
    that and hardly any of more; of fewer than six forks too many would.
    """
    if len(forks) < MODE_FORKS:
        return None
    logs = sorted(math.log(fork) for fork in forks)
    gaps = [(logs[i] - logs[i - 1], i) for i in range(2, len(logs) - 1)]
    gap, cut = max(gaps)
    width = max(logs[cut - 1] - logs[0], logs[-1] - logs[cut])
    if gap < math.log1p(MODE_GAP) or gap < MODE_CONTRAST * width:
        return None
    return math.exp(statistics.median(logs[:cut])), math.exp(statistics.median(logs[cut:]))


@cache
def rank_sum_distribution(m: int, n: int) -> tuple[int, ...]:
    """How many of the C(m+n, m) orders of two samples give the rank-sum statistic U = 0, 1, ..., m n.

    The counts are the coefficients of the Gaussian binomial
    prod_{i=1..m} (1 - q^(n+i)) / (1 - q^i), multiplied out one factor at a time. Mann and Whitney,
    "On a test of whether one of two random variables is stochastically larger than the other",
    Annals of Mathematical Statistics 18 (1947); for the generating function see Andrews, "The Theory
    of Partitions" (1976), section 3.2.
    """
    counts = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):
            counts[u] -= counts[u - n - i]
        for u in range(i, m * n + 1):
            counts[u] += counts[u - i]
    return tuple(counts)


def rank_sum_p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """The exact two-sided p value of the rank-sum test: the share of the orders of the pooled sample
    whose rank sum is at least as far from its mean as the one seen.

    Equal values receive the mean of the ranks they span, and the distribution is then the one over
    all divisions of those mid-ranks (Hollander, Wolfe and Chicken, "Nonparametric Statistical
    Methods", 3rd ed., section 4.1), so that the p value stays exact under ties.
    """
    ranks = _doubled_ranks([*a, *b])
    m, n = len(a), len(b)
    centre = m * (m + n + 1)
    distance = abs(sum(ranks[:m]) - centre)
    if len(set(ranks)) == m + n:
        sums = {2 * u + m * (m + 1): count for u, count in enumerate(rank_sum_distribution(m, n))}
    else:
        sums = _subset_sums(ranks, m)
    extreme = sum(count for total, count in sums.items() if abs(total - centre) >= distance)
    return extreme / math.comb(m + n, m)


def ratio_estimate(a: Sequence[float], b: Sequence[float]) -> float:
    """The Hodges-Lehmann estimate of ``a`` over ``b``: the median of all pairwise ratios, on logs.

    Hodges and Lehmann, "Estimates of location based on rank tests", Annals of Mathematical Statistics
    34 (1963).
    """
    return math.exp(statistics.median(_log_ratios(a, b)))


def ratio(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Ratio | None:
    """The ratio of ``a`` to ``b`` (positive times, one per fork) with an exact interval.

    The interval holds every factor that the two-sided rank-sum test does not reject: it runs from the
    c-th smallest to the c-th largest pairwise ratio, with the largest c whose coverage
    1 - 2 P(U < c) is at least ``level`` (Hollander, Wolfe and Chicken, section 4.3). ``None`` below
    four forks a side, and where not even the widest interval reaches ``level``.
    """
    if min(len(a), len(b)) < MIN_FORKS:
        return None
    depth = _depth(rank_sum_distribution(len(a), len(b)), level)
    if depth is None:
        return None
    count, coverage = depth
    logs = _log_ratios(a, b)
    low, high = math.exp(logs[count - 1]), math.exp(logs[-count])
    return Ratio(math.exp(statistics.median(logs)), low, high, coverage)


def paired_ratio(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Ratio | None:
    """The ratio of ``a`` to ``b``, of which the i-th of both belong together, with an exact interval.

    On logs, the Hodges-Lehmann estimate of one sample: the median of the Walsh averages
    (d_i + d_j) / 2, i <= j, of the differences d. The interval runs from the c-th smallest to the c-th
    largest of them, with the largest c whose coverage 1 - 2 P(T < c) is at least ``level``, T being
    Wilcoxon's signed-rank statistic (Hollander, Wolfe and Chicken, section 3.3). ``None`` where not
    even the whole range reaches it: 95 % needs six pairs.

    Raises
    ------
    ValueError
        If there are not as many of one as of the other.
    """
    logs = [math.log(x) - math.log(y) for x, y in zip(a, b, strict=True)]
    depth = _depth(signed_rank_distribution(len(logs)), level)
    if len(logs) < MIN_FORKS or depth is None:
        return None
    count, coverage = depth
    averages = sorted((x + y) / 2 for x, y in combinations_with_replacement(logs, 2))
    low, high = math.exp(averages[count - 1]), math.exp(averages[-count])
    return Ratio(math.exp(statistics.median(averages)), low, high, coverage)


@cache
def signed_rank_distribution(n: int) -> tuple[int, ...]:
    """How many of the 2^n choices of signs give the positive ranks of 1..n the sum t, for each t."""
    counts = [1]
    for rank in range(1, n + 1):
        longer = counts + [0] * rank
        for total, count in enumerate(counts):
            longer[total + rank] += count
        counts = longer
    return tuple(counts)


def location(samples: Sequence[float], level: float = LEVEL) -> Location:
    """The median with its distribution-free interval, from the c-th smallest to the c-th largest.

    c is the largest whose coverage 1 - 2 P(B < c), B binomial(n, 1/2), is at least ``level`` (David
    and Nagaraja, "Order Statistics", 3rd ed., section 7.1): the ranks are chosen before the values
    are seen, as the coverage demands. Fewer than six samples do not reach 95 %: the interval is then
    the whole range, with the coverage it has. One sample has no interval.
    """
    ordered = sorted(samples)
    n = len(ordered)
    value = statistics.median(ordered)
    if n < 2:
        return Location(value, None, None, None)
    counts = [math.comb(n, k) for k in range(n + 1)]
    count, coverage = _depth(counts, level) or (1, 1 - 2 / 2**n)
    return Location(value, ordered[count - 1], ordered[-count], coverage)


def verdict(ratio: Ratio | None, band: float = BAND) -> str | None:
    """What the interval allows to be said: ``faster``, ``slower``, ``same`` or ``unclear``.

    The band runs from 1/(1 + band) to 1 + band, so that exchanging the two sides exchanges
    ``faster`` and ``slower``. ``None`` where there is no interval.
    """
    if ratio is None:
        return None
    if ratio.high < 1 and ratio.value < 1 / (1 + band):
        return "faster"
    if ratio.low > 1 and ratio.value > 1 + band:
        return "slower"
    if 1 / (1 + band) <= ratio.low and ratio.high <= 1 + band:
        return "same"
    return "unclear"


def tie_group(samples_by_name: Mapping[str, Sequence[float]], level: float = LEVEL) -> set[str] | None:
    """Who cannot be told from the leader, the one with the smallest median.

    Every other is compared with the leader by the rank-sum test, in the order of the p values, at
    (1 - ``level``) / C(g, 2) while g are left: Holm's procedure ("A simple sequentially rejective
    multiple test procedure", Scandinavian Journal of Statistics 6, 1979) over all pairs of those
    left, not over the others alone, because the data choose the leader. The first of the truly
    fastest, t of them, to be left out wrongly is left out while g >= t, in one of their C(t, 2) pairs,
    or as slower than one that is truly slower, which has half the chance: together at most
    1 - ``level``. Holm over the others alone left out one of four equal ones in 6 % of rows.

    Those with fewer than four forks are not ranked. ``None``, no verdict, where one of them leads, and
    where the forks are so few that no outcome whatever could tell anyone from the leader.
    """
    if not samples_by_name:
        return None
    medians = {name: statistics.median(samples) for name, samples in samples_by_name.items()}
    leader = min(medians, key=medians.__getitem__)
    ranked = {name: s for name, s in samples_by_name.items() if len(s) >= MIN_FORKS}
    if leader not in ranked:
        return None
    best = ranked[leader]
    others = [name for name in ranked if name != leader]
    alpha = 1 - level
    if others and not any(
        smallest_p_value(len(best), len(ranked[other])) <= alpha / math.comb(len(ranked), 2)
        for other in others
    ):
        return None
    left = set(ranked)
    p_values = {other: rank_sum_p_value(best, ranked[other]) for other in others}
    for other in sorted(others, key=p_values.__getitem__):
        if p_values[other] > alpha / math.comb(len(left), 2):
            break
        left.remove(other)
    return left


def smallest_p_value(m: int, n: int) -> float:
    """What ``rank_sum_p_value`` gives where every one of m values is below every one of n others."""
    return 2 / math.comb(m + n, m)


def _depth(counts: Sequence[int], level: float) -> tuple[int, float] | None:
    """The largest c with 1 - 2 P(T < c) >= level, and that coverage, for a symmetric statistic T."""
    total = sum(counts)
    tail, found = 0, None
    for c, count in enumerate(counts[: len(counts) // 2], start=1):
        tail += count
        coverage = (total - 2 * tail) / total
        if coverage < level:
            break
        found = (c, coverage)
    return found


def _log_ratios(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return sorted(math.log(x) - math.log(y) for x, y in product(a, b))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the mid-rank of each value, which is an integer."""
    counts = Counter(values)
    ranks, below = {}, 0
    for value in sorted(counts):
        ranks[value] = 2 * below + counts[value] + 1
        below += counts[value]
    return [ranks[value] for value in values]


def _subset_sums(ranks: Sequence[int], m: int) -> dict[int, int]:
    """How many subsets of m of ``ranks`` have each sum."""
    sums: list[defaultdict[int, int]] = [defaultdict(int) for _ in range(m + 1)]
    sums[0][0] = 1
    for index, rank in enumerate(ranks):
        for taken in range(min(m, index + 1), 0, -1):
            for total, count in sums[taken - 1].items():
                sums[taken][total + rank] += count
    return sums[m]
