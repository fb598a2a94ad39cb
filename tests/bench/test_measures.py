"""What measures are written with, against arithmetic done otherwise."""

import math

import numpy as np
import pytest

from xpbench.bench import measures


def test_no_error_over_no_scale_is_none():
    assert measures.largest_ratio(np.zeros(3), np.zeros(3)) == 0
    assert measures.largest_ratio(np.array([0.0, 1e-300]), np.zeros(2)) == math.inf
    assert measures.largest_ratio(np.array([-3.0, 1.0]), 2.0) == 1.5
    assert measures.largest_ratio(np.zeros(0), 1.0) == 0
    assert math.isnan(measures.largest_ratio(np.array([np.nan, 1.0]), 1.0))


def test_entries_are_held_against_bounds_of_their_own():
    found = np.array([1.0, 2.0, 3.0]), np.array(5.0)
    exact = np.array([1.0, 2.0 + 2.0**-20, 3.0]), np.array(5.0 - 2.0**-21)
    bounds = np.array([1.0, 4.0, 0.0]), 2.0
    eps = 2.0**-23
    pairs = measures.entry_errors(("vector", "number"), found, exact, bounds, eps, limit=3.0)
    assert pairs == {"vector": (2.0, 3.0), "number": (2.0, 3.0)}
    with pytest.raises(ValueError, match="shorter"):
        measures.entry_errors(("vector", "number"), found, exact, bounds[:1], eps)


def test_the_roundings_of_an_oracle_widen_bounds_in_its_own_precision():
    found, exact = [np.array([2.0**-20])], [np.zeros(1)]
    for eps, wider in ((2.0**-52, 2.0), (2.0**-23, 1 + 2.0**-29)):
        alone, both = (
            measures.entry_errors(["x"], found, exact, [1.0], eps, oracle=oracle)["x"][0]
            for oracle in (False, True)
        )
        assert alone == wider * both


@pytest.mark.parametrize("mu", [0.0, 1.0])
@pytest.mark.parametrize("n", [30, 3000, 100_000])
def test_means_one_by_one_stay_within_their_bound_and_come_near_it(n, mu):
    rng = np.random.default_rng(n)
    x = (mu + rng.standard_normal((n, 40))).astype(np.float32)
    exact = np.array([math.fsum(column) for column in x.T.astype(float)]) / n
    mean = np.cumsum(x, axis=0)[-1] / np.float32(n)
    bound = measures.mean_bound(n, np.full(40, mu), np.full(40, mu**2 + 1)) * 2.0**-23
    assert 0.1 < np.max(np.abs(mean - exact) / bound) < 1


def test_squares_one_by_one_lose_no_more_than_is_said_and_not_much_less():
    n = 300_000
    x = np.random.default_rng(0).standard_normal((n, 20)).astype(np.float32)
    squares = np.cumsum(x * x, axis=0)[-1]
    exact = np.sum((x * x).astype(float), axis=0)
    lost = np.mean((exact - squares) / exact) / 2.0**-23
    assert 0.3 < lost / measures.squares_lost(n, 2.0**-23) < 1


@pytest.mark.parametrize(("n", "count"), [(1, 16), (5, 16), (16, 16), (17, 16), (100_000, 16)])
def test_sampled_places_are_distinct_and_reach_from_the_first_to_the_last(n, count):
    places = measures.evenly_spaced(n, count)
    assert len(places) == min(n, count)
    assert places[0] == 0
    assert places[-1] == n - 1
    assert np.all(np.diff(places) > 0)


def test_orthogonality_is_the_largest_entry_of_the_deviation():
    q = np.eye(4, 3)
    assert measures.orthogonality(q) == 0
    q[0, 1] = 1e-3
    assert measures.orthogonality(q) == 1e-3


def test_epsilon_is_that_of_the_first_floating_output():
    arrays = [np.arange(3), np.ones(3, np.float32), np.ones(3)]
    assert measures.epsilon(arrays) == 2.0**-23
    with pytest.raises(ValueError, match="floating"):
        measures.epsilon(arrays[:1])


@pytest.mark.parametrize("shape", [(4, 4), (64, 64), (300, 20), (20, 300)])
def test_the_spectral_norm_is_found_from_below_to_some_percent(shape):
    for seed in range(5):
        a = np.random.default_rng(seed).standard_normal(shape)
        exact = np.linalg.norm(a, 2)
        assert 0.9 * exact <= measures.spectral_norm(a) <= exact * (1 + 1e-12)


def test_the_spectral_norm_of_nothing_is_zero():
    assert measures.spectral_norm(np.zeros((3, 2))) == 0


@pytest.mark.parametrize("eps", [2.0**-52, 2.0**-23])
def test_a_sum_in_its_own_dtype_is_held_against_its_own_bound(eps):
    error, bound = np.array([1.0, 3.0]), np.array([1.0, 2.0])
    assert measures.summation_error(error, bound, 1e9 * bound, eps, 5.0) == (1.5 / eps, 5.0)
    assert measures.accumulation(eps) == 1


@pytest.mark.parametrize("eps", [2.0**-10, 2.0**-7])
def test_a_sum_in_float32_may_err_by_half_an_eps_of_it_and_by_its_own_bound(eps):
    limit, bound, exact = 5.0, 30.0, np.array([-4.0, 0.0])
    allowed = eps / 2 * np.abs(exact) + limit * 2.0**-23 * bound
    for factor in (0.99, 1.01):
        value, half = measures.summation_error(factor * allowed, bound, exact, eps, limit)
        assert value / half == pytest.approx(factor)
    assert measures.accumulation(eps) == 2.0**-23 / eps
