"""The inference is exact: against enumeration, SciPy, published tables, simulation, and its own laws."""

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable
from itertools import combinations

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench import stats

SIZES = [(1, 1), (1, 4), (2, 3), (3, 3), (4, 4), (5, 3), (4, 6)]
TIMES = st.floats(1e-9, 1e3)
FORKS = st.lists(TIMES, min_size=4, max_size=7)


def rank_sums(pooled: list[float], m: int) -> list[float]:
    """The rank sum of every choice of m of the pooled values, by enumeration."""
    ranks = scipy.stats.rankdata(pooled)
    return [float(sum(ranks[i] for i in chosen)) for chosen in combinations(range(len(pooled)), m)]


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_the_distribution_is_that_of_all_orders(m: int, n: int) -> None:
    smallest = m * (m + 1) // 2
    counted = Counter(int(total) - smallest for total in rank_sums(list(range(m + n)), m))
    assert dict(enumerate(stats.rank_sum_distribution(m, n))) == counted


@pytest.mark.parametrize(("m", "n"), [(5, 5), (8, 8), (20, 20), (7, 30)])
def test_the_distribution_counts_every_order_once_and_is_symmetric(m: int, n: int) -> None:
    counts = stats.rank_sum_distribution(m, n)
    assert sum(counts) == math.comb(m + n, m)
    assert counts == counts[::-1] == stats.rank_sum_distribution(n, m)


@pytest.mark.parametrize(("m", "n"), [(4, 4), (5, 5), (5, 8), (12, 9)])
def test_the_p_value_without_ties_is_scipys(m: int, n: int) -> None:
    draw = random.Random(m * n)
    for shift in (0.0, 0.5, 2.0):
        a = [draw.gauss(0, 1) for _ in range(m)]
        b = [draw.gauss(shift, 1) for _ in range(n)]
        expected = scipy.stats.mannwhitneyu(a, b, method="exact").pvalue
        assert stats.rank_sum_p_value(a, b) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 1, 2, 3], [2, 2, 3, 4]),
        ([1, 1, 1], [1, 1]),
        ([1, 2, 2, 2], [3, 3]),
        ([5, 5, 1, 2, 2], [5, 6, 7, 7, 1]),
    ],
)
def test_the_p_value_with_ties_is_that_of_all_divisions_of_the_mid_ranks(
    a: list[float], b: list[float]
) -> None:
    sums = rank_sums([*a, *b], len(a))
    centre = statistics.mean(sums)
    extreme = [s for s in sums if abs(s - centre) >= abs(sums[0] - centre)]
    assert stats.rank_sum_p_value(a, b) == len(extreme) / len(sums)


# The critical values of U, two-sided 5 %, of the usual tables (Milton, "An extended table of critical
# values for the Mann-Whitney (Wilcoxon) two-sample statistic", JASA 59, 1964).
@pytest.mark.parametrize(
    ("forks", "critical"),
    [(4, 0), (5, 2), (6, 5), (7, 8), (8, 13), (9, 17), (10, 23), (15, 64), (20, 127)],
)
def test_the_interval_stops_at_the_published_critical_value(forks: int, critical: int) -> None:
    times = [float(2**index) for index in range(forks)]
    found = stats.ratio(times, times)
    assert found is not None
    tail = sum(stats.rank_sum_distribution(forks, forks)[: critical + 1]) / math.comb(2 * forks, forks)
    assert found.level == pytest.approx(1 - 2 * tail, abs=1e-15)
    assert found.low == pytest.approx(sorted(a / b for a in times for b in times)[critical], rel=1e-13)


@pytest.mark.parametrize(
    ("forks", "level", "coverage"),
    [(4, 0.95, 1 - 2 / 70), (5, 0.95, 1 - 8 / 252), (5, 0.98, 1 - 4 / 252), (5, 0.99, 1 - 2 / 252)],
)
def test_the_level_is_the_coverage_reached_not_the_one_asked_for(
    forks: int, level: float, coverage: float
) -> None:
    times = [float(2**index) for index in range(forks)]
    found = stats.ratio(times, times, level)
    assert found is not None
    assert found.level == pytest.approx(coverage, abs=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_ends_where_the_test_begins_to_reject(seed: int) -> None:
    draw = random.Random(seed)
    a = [draw.lognormvariate(0.3, 0.2) for _ in range(5)]
    b = [draw.lognormvariate(0.0, 0.2) for _ in range(6)]
    found = stats.ratio(a, b)
    assert found is not None
    for inside in (found.low * (1 + 1e-9), found.value, found.high * (1 - 1e-9)):
        assert stats.rank_sum_p_value(a, [inside * time for time in b]) > 1 - found.level
    for outside in (found.low * (1 - 1e-9), found.high * (1 + 1e-9)):
        assert stats.rank_sum_p_value(a, [outside * time for time in b]) <= 1 - found.level + 1e-12


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 3), (3, 5), (20, 3)])
def test_below_four_forks_there_is_no_interval_and_no_verdict(m: int, n: int) -> None:
    assert stats.ratio([1.0 + i for i in range(m)], [9.0 + i for i in range(n)]) is None
    assert stats.verdict(None) is None


def test_four_forks_give_no_interval_of_99_percent() -> None:
    times = [1.0, 2.0, 3.0, 4.0]
    assert stats.ratio(times, times, level=0.99) is None


def fork_with_modes(draw: random.Random) -> float:
    """A process: in one of three modes for life, as a jitted SVD was seen to be, and a little noise."""
    return draw.choice([6.8, 7.9, 8.9]) * math.exp(draw.gauss(0, 0.01))


@pytest.mark.parametrize("forks", [4, 5, 8])
def test_the_interval_of_the_ratio_covers_as_often_as_it_says(forks: int) -> None:
    draw = random.Random(forks)
    repeats, factor, covered, level = 2000, 1.3, 0, 0.0
    for _ in range(repeats):
        a = [factor * fork_with_modes(draw) for _ in range(forks)]
        found = stats.ratio(a, [fork_with_modes(draw) for _ in range(forks)])
        assert found is not None
        covered += found.low <= factor <= found.high
        level = found.level
    # Exact for continuous samples, so the count is binomial: four of its standard deviations.
    assert abs(covered - level * repeats) <= 4 * math.sqrt(repeats * level * (1 - level))


@pytest.mark.parametrize("forks", [2, 5, 6, 9, 20])
def test_the_interval_of_the_median_covers_as_often_as_it_says(forks: int) -> None:
    draw = random.Random(forks)
    repeats, covered, level = 2000, 0, 0.0
    for _ in range(repeats):
        found = stats.location([draw.lognormvariate(0, 1) for _ in range(forks)])
        assert found.low is not None
        assert found.high is not None
        assert found.level is not None
        covered += found.low <= 1 <= found.high
        level = found.level
    assert abs(covered - level * repeats) <= 4 * math.sqrt(repeats * level * (1 - level))


@pytest.mark.parametrize(
    ("count", "low", "high", "level"),
    [
        (2, 1, 2, 0.5),
        (5, 1, 5, 0.9375),
        (6, 1, 6, 0.96875),
        (8, 1, 8, 1 - 2 / 256),
        (9, 2, 8, 1 - 2 * (1 + 9) / 512),
        # David & Nagaraja, section 7.1: of 20 the 6th and 15th, 0.9586.
        (20, 6, 15, 0.9586),
    ],
)
def test_the_median_has_the_interval_of_the_tables(
    count: int, low: float, high: float, level: float
) -> None:
    found = stats.location([float(value) for value in range(count, 0, -1)])
    assert (found.value, found.low, found.high) == ((count + 1) / 2, low, high)
    assert found.level == pytest.approx(level, abs=5e-5)


def test_one_fork_has_a_median_and_no_interval() -> None:
    assert stats.location([3.0]) == stats.Location(3.0, None, None, None)


@pytest.mark.parametrize("n", range(1, 11))
def test_signed_ranks_are_distributed_as_all_choices_of_signs(n: int) -> None:
    every = Counter(
        sum(rank for rank in range(1, n + 1) if signs >> rank & 1) for signs in range(0, 2 ** (n + 1), 2)
    )
    assert stats.signed_rank_distribution(n) == tuple(every[t] for t in range(len(every)))


@pytest.mark.parametrize(("n", "ends"), [(6, 1), (7, 3), (8, 4), (10, 9), (12, 14)])
def test_the_interval_of_pairs_ends_at_the_published_critical_value(n: int, ends: int) -> None:
    # Wilcoxon's table of two-sided 5 %: T = 0, 2, 3, 8, 13 and below are rejected.
    a = [math.exp(2.0**-k) for k in range(n)]
    found = stats.paired_ratio(a, [1.0] * n)
    averages = sorted((x + y) / 2 for i, x in enumerate(map(math.log, a)) for y in map(math.log, a[i:]))
    assert found is not None
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(
        (averages[ends - 1], averages[-ends])
    )


@pytest.mark.parametrize("n", [0, 4, 5])
def test_below_six_pairs_there_is_no_interval(n: int) -> None:
    assert stats.paired_ratio([1.0] * n, [2.0] * n) is None


@pytest.mark.parametrize("forks", [6, 8])
def test_the_interval_of_pairs_covers_as_often_as_it_says_whatever_the_processes(forks: int) -> None:
    draw, held, trials = random.Random(forks), 0, 2000
    for _ in range(trials):
        modes = [draw.choice([1.0, 2.0, 5.0]) for _ in range(forks)]
        a = [1.3 * mode * math.exp(draw.gauss(0, 0.02)) for mode in modes]
        b = [mode * math.exp(draw.gauss(0, 0.02)) for mode in modes]
        found = stats.paired_ratio(a, b)
        assert found is not None
        held += found.low <= 1.3 <= found.high
    level = found.level
    # Four standard errors of a share.
    assert abs(held / trials - level) < 4 * math.sqrt(level * (1 - level) / trials)


@given(FORKS, FORKS)
def test_exchanging_the_sides_inverts_the_ratio_and_the_verdict(a: list[float], b: list[float]) -> None:
    there, back = stats.ratio(a, b), stats.ratio(b, a)
    assert there is not None
    assert back is not None
    # exp and log are each within an ulp, and a sum of logs of at most 28 loses 28 eps.
    close = {"rel": 1e-13}
    assert there.value == pytest.approx(1 / back.value, **close)
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low), **close)
    assert there.level == back.level


@given(FORKS, FORKS, st.floats(1e-3, 1e3))
def test_scaling_the_times_scales_the_ratio(a: list[float], b: list[float], factor: float) -> None:
    plain, scaled = stats.ratio(a, b), stats.ratio([factor * time for time in a], b)
    assert plain is not None
    assert scaled is not None
    figures = [factor * plain.value, factor * plain.low, factor * plain.high]
    assert [scaled.value, scaled.low, scaled.high] == pytest.approx(figures, rel=1e-13)


@given(FORKS, FORKS)
def test_the_estimate_lies_in_its_interval_and_among_the_pairwise_ratios(
    a: list[float], b: list[float]
) -> None:
    found = stats.ratio(a, b)
    assert found is not None
    assert found.low <= found.value <= found.high
    assert stats.ratio_estimate(a, b) == found.value
    pairwise = statistics.median(math.log(x) - math.log(y) for x in a for y in b)
    assert math.log(found.value) == pytest.approx(pairwise, abs=1e-12)


@given(FORKS)
def test_a_sample_does_not_differ_from_itself(forks: list[float]) -> None:
    found = stats.ratio(forks, forks)
    assert found is not None
    assert found.low <= 1 <= found.high
    assert stats.verdict(found) in ("same", "unclear")
    assert stats.rank_sum_p_value(forks, forks) == 1


@pytest.mark.parametrize(
    ("value", "low", "high", "word"),
    [
        (0.5, 0.4, 0.6, "faster"),
        (0.94, 0.93, 0.99, "faster"),
        (0.96, 0.93, 0.99, "unclear"),
        (0.97, 0.96, 0.98, "same"),
        (0.9, 0.8, 1.0, "unclear"),
        (1.0, 0.953, 1.05, "same"),
        (1.0, 0.9, 1.1, "unclear"),
        (1.04, 1.01, 1.06, "unclear"),
        (1.06, 1.01, 1.1, "slower"),
        (2.0, 1.9, 2.1, "slower"),
        (2.0, 0.9, 2.1, "unclear"),
    ],
)
def test_a_verdict_needs_the_interval_and_the_band(
    value: float, low: float, high: float, word: str
) -> None:
    assert stats.verdict(stats.Ratio(value, low, high, 0.97)) == word
    opposite = {"faster": "slower", "slower": "faster"}.get(word, word)
    assert stats.verdict(stats.Ratio(1 / value, 1 / high, 1 / low, 0.97)) == opposite


def test_a_wider_band_asks_for_more() -> None:
    ratio = stats.Ratio(1.1, 1.06, 1.12, 0.97)
    assert [stats.verdict(ratio, band) for band in (0.05, 0.11, 0.2)] == ["slower", "unclear", "same"]


def near(time: float, count: int = 5) -> list[float]:
    return [time * (1 + 0.001 * index) for index in range(count)]


@pytest.mark.parametrize(
    ("row", "group"),
    [
        ({"a": near(1.0), "b": near(2.0), "c": near(3.0)}, {"a"}),
        ({"a": near(1.0), "b": near(1.0005), "c": near(3.0)}, {"a", "b"}),
        ({"a": near(3.0), "b": near(1.0)}, {"b"}),
        ({"a": near(1.0)}, {"a"}),
        # Three forks are too few to be ranked, and to be said to have lost.
        ({"a": near(1.0), "b": near(2.0), "c": near(3.0, 3)}, {"a"}),
        ({"a": near(1.0, 3), "b": near(2.0)}, None),
        ({"a": near(1.0, 3), "b": near(2.0, 3)}, None),
        ({}, None),
    ],
)
def test_the_tie_group_is_who_cannot_be_told_from_the_leader(
    row: dict[str, list[float]], group: set[str] | None
) -> None:
    assert stats.tie_group(row) == group


def test_where_no_outcome_could_exclude_anyone_there_is_no_tie_group() -> None:
    # Four forks have no p value below 2/70 = 0.029: enough for one rival, not for the first of two.
    assert stats.tie_group({"a": near(1.0, 4), "b": near(2.0, 4)}) == {"a"}
    assert stats.tie_group({"a": near(1.0, 4), "b": near(2.0, 4), "c": near(3.0, 4)}) is None


def test_rivals_are_left_out_from_the_smallest_p_value_up_to_the_first_that_is_too_large() -> None:
    # p values against the leader: b 2/252 = 0.0079, c 0.032. Compared with 0.05/3, then with 0.05.
    leader = [1.0, 2.0, 3.0, 4.0, 5.0]
    row = {"a": leader, "b": [6.0, 7.0, 8.0, 9.0, 10.0], "c": [3.5, 5.5, 6.5, 7.5, 8.5]}
    p_values = {name: stats.rank_sum_p_value(leader, row[name]) for name in "bc"}
    assert p_values["b"] < 0.05 / 3 < p_values["c"] < 0.05
    assert stats.tie_group(row) == {"a"}, "c is the last of two, and is compared with 0.05"
    row["d"] = [2.5, 5.2, 6.2, 7.2, 8.2]
    assert p_values["b"] < 0.05 / 6
    assert stats.rank_sum_p_value(leader, row["d"]) > 0.05 / 3
    assert stats.tie_group(row) == {"a", "c", "d"}, "of three that are left there are three pairs"


@pytest.mark.parametrize(("backends", "forks"), [(2, 5), (3, 6), (4, 6), (6, 6), (4, 10)])
def test_equals_are_rarely_left_out_of_the_tie_group(backends: int, forks: int) -> None:
    draw = random.Random(backends * forks)
    repeats, mistakes = 600, 0
    for _ in range(repeats):
        row = {str(name): [fork_with_modes(draw) for _ in range(forks)] for name in range(backends)}
        group = stats.tie_group(row)
        assert group is not None
        mistakes += len(group) < backends
    assert mistakes / repeats <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)


@pytest.mark.parametrize("drift", [0.0, 0.3, 1.0])
def test_a_drift_that_interleaved_forks_share_makes_no_difference(drift: float) -> None:
    # Every block draws its own order, and the machine grows slower from place to place.
    draw = random.Random(7)
    repeats, mistakes = 600, 0
    for _ in range(repeats):
        forks: dict[str, list[float]] = {"a": [], "b": []}
        for place in range(6):
            for turn, name in enumerate(draw.sample(["a", "b"], 2)):
                forks[name].append(fork_with_modes(draw) * math.exp(drift * (2 * place + turn) / 12))
        mistakes += stats.verdict(stats.ratio(forks["a"], forks["b"])) in ("faster", "slower")
    assert mistakes / repeats <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)


@pytest.mark.parametrize(
    ("forks", "found"),
    [
        ([1.0, 1.01, 1.02, 1.5, 1.51, 1.52], (1.01, 1.51)),
        ([1.51, 1.0, 1.02, 1.51, 1.01, 1.0, 1.02], (1.01, 1.51)),
        ([1.0, 1.01, 1.02, 1.01, 1.0, 1.5], None),  # one process is an accident
        ([1.0, 1.001, 1.002, 1.05, 1.051, 1.052], None),  # apart, and not by enough to matter
        ([1.0, 1.1, 1.2, 1.5, 1.6, 1.7], None),  # wide, without a gap that stands out
        ([1.0, 1.0, 2.0, 2.0], None),  # too few to tell
    ],
)
def test_modes_are_two_groups_of_processes_with_a_gap_between(
    forks: list[float], found: tuple[float, float] | None
) -> None:
    assert stats.modes(forks) == (found and pytest.approx(found))


@pytest.mark.parametrize(("forks", "most"), [(6, 0.025), (10, 0.005)])
def test_one_wide_distribution_seldom_looks_like_modes(forks: int, most: float) -> None:
    draw = random.Random(forks)
    found = sum(
        stats.modes([math.exp(draw.gauss(0, 1)) for _ in range(forks)]) is not None for _ in range(2000)
    )
    assert found / 2000 <= most


def test_the_minimum_keeps_what_every_round_has_and_drops_what_disturbs_some() -> None:
    assert stats.fork_minimum([1.1, 1.0, 50.0]) == 1.0


@pytest.mark.parametrize("summary", [stats.fork_summary, lambda s: stats.location(s).value])
def test_the_summary_is_the_median_and_ignores_one_bad_round(
    summary: Callable[[list[float]], float],
) -> None:
    assert summary([1.0, 1.1, 50.0]) == 1.1
    assert summary([2.0, 1.0]) == 1.5


def test_the_spread_is_the_largest_over_the_smallest() -> None:
    assert stats.spread([2.0, 3.0, 1.5]) == 2.0
    assert stats.spread([2.0]) == 1.0
