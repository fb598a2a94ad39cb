"""Many cases at once: against SciPy, enumeration and simulation."""

import math
import random

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench import stats
from xpbench.bench.multiple_comparisons import (
    benjamini_hochberg,
    binomial_interval,
    forks_needed,
    overall_ratio,
)

P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=12)


@given(P_VALUES)
def test_the_false_discovery_rate_is_held_as_scipy_holds_it(p_values: dict[str, float]) -> None:
    names = list(p_values)
    adjusted = scipy.stats.false_discovery_control(list(p_values.values())) if names else []
    margin = 1e-12  # between comparing p with k rate / m and p m / k with the rate
    found = benjamini_hochberg(p_values)
    assert found >= {name for name, p in zip(names, adjusted, strict=True) if p <= 0.05 - margin}
    assert found <= {name for name, p in zip(names, adjusted, strict=True) if p <= 0.05 + margin}


def test_a_p_value_that_is_too_large_alone_is_kept_with_smaller_ones_after_it() -> None:
    assert benjamini_hochberg({"a": 0.03, "b": 0.04}) == {"a", "b"}
    assert benjamini_hochberg({"a": 0.03, "b": 0.06}) == set()


@pytest.mark.parametrize(
    ("comparisons", "forks"), [(1, 4), (2, 5), (6, 5), (7, 6), (21, 6), (24, 7), (312, 8)]
)
def test_the_forks_needed_are_the_fewest_with_which_one_case_can_be_reported(
    comparisons: int, forks: int
) -> None:
    assert forks_needed(comparisons) == forks
    slow, base = [float(2 + i) for i in range(forks)], [1 + i / 100 for i in range(forks)]
    p_values = {"slow": stats.rank_sum_p_value(slow, base)}
    p_values |= {f"unchanged {i}": 1.0 for i in range(comparisons - 1)}
    assert benjamini_hochberg(p_values) == {"slow"}
    if forks > stats.MIN_FORKS:
        p_values["slow"] = stats.rank_sum_p_value(slow[:-1], base[:-1])
        assert benjamini_hochberg(p_values) == set()


def test_the_overall_ratio_is_students_interval_of_the_blocks() -> None:
    blocks = [0.1, 0.2, 0.15, 0.3, 0.12]
    found = overall_ratio(blocks)
    assert found is not None
    expected = scipy.stats.ttest_1samp(blocks, 0.0).confidence_interval(0.95)
    assert math.log(found.value) == pytest.approx(sum(blocks) / 5)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((expected.low, expected.high))


def test_three_blocks_have_no_overall_ratio() -> None:
    assert overall_ratio([0.1, 0.2, 0.3]) is None


def test_the_overall_interval_covers_as_often_as_it_says() -> None:
    draw = random.Random(5)
    repeats, covered = 1000, 0
    for _ in range(repeats):
        # Ten cases a block, each with modes of its own.
        blocks = [
            sum(draw.choice([0.0, 0.4]) + draw.gauss(0, 0.05) - 0.2 for _ in range(10)) / 10
            for _ in range(5)
        ]
        found = overall_ratio(blocks)
        assert found is not None
        covered += found.low <= 1 <= found.high
    assert abs(covered / repeats - 0.95) <= 3 * math.sqrt(0.05 * 0.95 / repeats)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (3, 200), (7, 200), (180, 200)])
def test_the_binomial_interval_is_scipys_exact_one(successes: int, trials: int) -> None:
    expected = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert binomial_interval(successes, trials) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_a_share_of_nothing_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        binomial_interval(successes, trials)
