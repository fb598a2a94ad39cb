"""Tests of equal means: exact p-values of small samples, and how often they alarm."""

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.stats

from xpbench.kernels.hypothesis_tests import (
    MARGIN,
    pairs_of_samples,
    permutation_reference,
    permutation_test,
    permuted_samples,
    t_reference,
    t_test,
)

EPS = np.finfo(np.float64).eps


def all_splits(n, k):
    rows = [np.isin(np.arange(n), chosen) for chosen in combinations(range(n), k)]
    return np.array(rows, dtype=float)


def test_with_every_split_the_p_value_is_that_of_the_exact_test(xp):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 5)) + np.outer(np.arange(8) < 3, [0, 0.5, 1, 2, 3])
    _, p = permutation_test(xp, x, all_splits(8, 3))
    for column, found in zip(x.T, p, strict=True):
        exact = scipy.stats.permutation_test(
            (column[:3], column[3:]), lambda a, b: abs(a.mean() - b.mean()), alternative="greater"
        )
        assert exact.null_distribution.size == math.comb(8, 3)
        assert found == pytest.approx(exact.pvalue, rel=4 * EPS)


def test_the_oracle_of_permutations_agrees_with_means_of_either_sample():
    x, members = permuted_samples(np.random.default_rng(1), 12, 4, 50)
    differences, p = permutation_reference(x, members)
    np.testing.assert_allclose(differences, x[:6].mean(axis=0) - x[6:].mean(axis=0), rtol=1e-12)
    loop = [[x[g == 1, j].mean() - x[g == 0, j].mean() for g in members] for j in range(4)]
    counts = [sum(abs(d) >= abs(row[0]) * (1 - 1e-12) for d in row) for row in loop]
    np.testing.assert_allclose(p, np.array(counts) / 51, rtol=EPS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_permuted_difference_is_within_rounding_of_the_observed_one(draw, dtype):
    x, members = draw("permutation_test", dtype, preset="medium").data.exact_inputs
    k = members[0].sum()
    d = np.abs(members @ x / k - (1 - members) @ x / (len(x) - k))
    apart = np.sort(np.abs(d[1:] - d[0]), axis=0)
    # Data rounded to float32 move a difference by an eps of one or so, an eighth of the margin or less.
    assert apart[apart > 8 * np.finfo(np.float32).eps].min() > MARGIN / 2
    assert x.shape[1] == 64


def test_equal_means_are_rejected_as_often_as_the_level_says(xp):
    """With no difference p is uniform, and so is its distance from it by Kolmogorov and Smirnov."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((20000, 10)), 3 * rng.standard_normal((20000, 15))
    p = t_test(xp, a, b)[2]
    # Welch's p is uniform to about a thousandth at these sizes; 0.0127 is the quantile at 1 - 1e-3.
    assert scipy.stats.kstest(p, "uniform").statistic < 1.95 / math.sqrt(p.size)


def test_a_pooled_variance_would_alarm_too_often(xp):
    """The reason for Welch's form: small samples of the larger variance."""
    rng = np.random.default_rng(3)
    a, b = 4 * rng.standard_normal((4000, 5)), rng.standard_normal((4000, 40))
    welch = np.mean(t_test(xp, a, b)[2] < 0.05)
    pooled = np.mean(scipy.stats.ttest_ind(a, b, axis=1).pvalue < 0.05)
    assert pooled > 0.2
    assert 0.03 < welch < 0.07


def test_samples_far_apart_have_small_p_values_with_all_their_digits(xp):
    a, b = pairs_of_samples(np.random.default_rng(4), 2000, 16, 12)
    a[:, :] += 6 * a.std(axis=1, keepdims=True)
    exact = t_reference(a, b)
    found = t_test(xp, a, b)
    assert exact[2].min() < 1e-12
    np.testing.assert_allclose(found[2], exact[2], rtol=1e-9)
