"""Columns are imputed, scaled and split as scikit-learn does it, constant and empty ones too."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split as split
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from xpbench import Unsupported, Vocabulary
from xpbench.kernels.preprocessing import (
    impute,
    impute_errors,
    min_max_scale,
    split_inputs,
    standardize,
    standardize_bounds,
    train_test_split,
    train_test_split_reference,
)

BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
DTYPES = ("float32", "float64")
CONSTANTS = (0.1, -1e6 / 3, 1e-20, 0.0)
"""None but the last is a binary fraction: sums of them are rounded, and so are means."""


def run(load, name, dtype, compute, *arrays):
    backend = load(name, dtype)
    put = [backend.put(array.astype(dtype)) for array in arrays]
    outputs = backend.compile(lambda *given: compute(backend.xp, *given))(*put)
    return [backend.fetch(output) for output in outputs]


@pytest.mark.parametrize("dtype", DTYPES)
def test_imputed_means_are_those_of_scikit_learn(draw, dtype):
    trial = draw("impute", dtype, preset="medium")
    (x,) = trial.data.exact_inputs
    imputer = SimpleImputer(keep_empty_features=True).fit(x)
    theirs = [imputer.transform(x).astype(dtype), imputer.statistics_.astype(dtype)]
    found = trial.judge(theirs)
    assert found.agrees, found.reason
    for exact, output in zip(trial.data.reference, theirs, strict=True):
        np.testing.assert_allclose(output, exact, rtol=4 * math.sqrt(len(x)) * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_column_without_any_entry_is_0_as_scikit_learn_keeps_it(load, name, dtype):
    x = np.array([[np.nan, 1, np.nan], [np.nan, np.nan, 4], [np.nan, 2, np.nan]])
    y, mean = run(load, name, dtype, impute, x)
    np.testing.assert_array_equal(mean, [0, 1.5, 4])
    np.testing.assert_array_equal(y, SimpleImputer(keep_empty_features=True).fit_transform(x))


def test_a_fill_that_is_not_the_mean_returned_is_seen():
    x = np.array([[1.0, np.nan], [3.0, 5.0]])
    exact = [np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([2.0, 5.0])]
    assert impute_errors(exact, exact, x)["filled"] == (0, 0)
    other = [np.array([[1.0, 5.5], [3.0, 5.0]]), exact[1]]
    assert impute_errors(other, exact, x)["filled"] == (1, 0)


def test_scaled_columns_are_those_of_scikit_learn(draw):
    """Its sums err by n eps / 2 of the sizes of their terms at most, in float64; that is its mean and,
    over the deviation, its entries, those of a constant column among them.
    """
    trial = draw("standardize", "float32", preset="medium")
    (x,) = trial.data.exact_inputs
    z, mean, scale = trial.data.reference
    scaler = StandardScaler().fit(x)
    lost = len(x) * np.finfo(np.float64).eps * np.mean(np.abs(x), axis=0)
    assert np.all(np.abs(scaler.mean_ - mean) <= lost)
    np.testing.assert_allclose(scaler.scale_, scale, rtol=1e-10)
    theirs = scaler.transform(x)
    assert np.all(np.abs(theirs - z) <= 2 * lost / scale + 1e-10 * np.abs(z))
    theirs[:, -1] = 0
    found = trial.judge([output.astype(np.float32) for output in (theirs, scaler.mean_, scaler.scale_)])
    assert found.agrees, found.reason


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_constant_columns_become_0_whatever_their_mean_is_rounded_to(load, name, dtype, n):
    x = np.tile(CONSTANTS, (n, 1))
    z, mean, scale = run(load, name, dtype, standardize, x)
    np.testing.assert_array_equal(z, np.zeros_like(x))
    np.testing.assert_array_equal(mean, x[0].astype(dtype))
    np.testing.assert_array_equal(scale, 1)
    np.testing.assert_array_equal(StandardScaler().fit(x).scale_, 1)
    y, low, high = run(load, name, dtype, min_max_scale, x)
    np.testing.assert_array_equal(y, np.zeros_like(x))
    np.testing.assert_array_equal(low, high)
    np.testing.assert_array_equal(MinMaxScaler().fit_transform(x), y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_distant_origin_costs_the_entries_nothing(xp, dtype):
    """Integers near 2^20 differ exactly: no digit is lost to their mean."""
    steps = np.random.default_rng(0).integers(-100, 100, (500, 3))
    near, _, _ = standardize(xp, steps.astype(dtype))
    far, mean, _ = standardize(xp, (steps + 2**20).astype(dtype))
    np.testing.assert_array_equal(far, near)
    np.testing.assert_allclose(mean, 2**20 + steps.mean(axis=0), rtol=np.finfo(dtype).eps)


@given(st.integers(0, 2**32 - 1), st.integers(-20, 20))
def test_the_unit_of_a_column_does_not_matter(seed, power):
    """Powers of two round nothing."""
    x = np.random.default_rng(seed).standard_normal((20, 3)) + 2
    for compute in (standardize, min_max_scale):
        once, *others = compute(Vocabulary(np), x)
        again, *scaled = compute(Vocabulary(np), x * 2.0**power)
        np.testing.assert_array_equal(again, once)
        for one, other in zip(scaled, others, strict=True):
            np.testing.assert_array_equal(one, other * 2.0**power)


def test_small_squares_go_to_0_more_often_than_up_as_derived():
    """A sum one by one loses what ``standardize_bounds`` says of the squares, and its bound holds it."""
    n, rng = 2**17, np.random.default_rng(0)
    squares = rng.standard_normal((n, 24)).astype(np.float32) ** 2
    partial = np.add.accumulate(squares, axis=0)
    exact = squares.sum(axis=0, dtype=np.float64)
    lost = np.mean(exact - partial[-1])
    zeta = -0.2078862249773545
    steps = np.spacing(partial[:-1]).astype(np.float64)
    density = 1 / math.sqrt(2 * math.pi)
    expected = np.mean(np.sum(2 * density * (1 - 2**-0.5) * abs(zeta) * steps**1.5, axis=0))
    spread = math.sqrt(np.mean(np.sum(steps**2, axis=0)) / 12 / 24)
    assert abs(lost - expected) < 4 * spread < expected
    eps = float(np.finfo(np.float32).eps)
    assert expected / n / eps < 0.025 * math.sqrt(eps) * n**1.5 < 4 * expected / n / eps


def test_bounds_of_deviations_grow_with_the_terms_and_vanish_where_nothing_varies():
    z = np.random.default_rng(0).standard_normal((4000, 2)) * [1, 0]
    few, many = (
        standardize_bounds(z[:n], np.zeros(2), np.ones(2), np.zeros(2), 1e-7) for n in (40, 4000)
    )
    assert 5 < many[2][0] / few[2][0] < 20
    assert few[2][1] == many[2][1] == 0
    assert np.all(many[0][:, 1] == 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_mapped_to_the_unit_interval_are_those_of_scikit_learn(draw, dtype):
    """It takes a_j / (b_j - a_j) from x_ij / (b_j - a_j), and errs by two eps of either."""
    trial = draw("min_max_scale", dtype, preset="medium")
    (x,) = trial.data.exact_inputs
    scaler = MinMaxScaler()
    theirs = scaler.fit_transform(x)
    y, low, high = trial.data.reference
    np.testing.assert_array_equal(scaler.data_min_, low)
    np.testing.assert_array_equal(scaler.data_max_, high)
    size = np.maximum(np.abs(low), np.abs(high)) / np.where(high > low, high - low, 1)
    assert np.all(np.abs(theirs - y) <= 4 * np.finfo(np.float64).eps * (size + 1))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_unit_interval_is_filled_from_end_to_end(draw, name, dtype):
    trial = draw("min_max_scale", dtype, preset="small")
    (x,) = trial.inputs
    y, low, high = trial.on(name)
    varied = high > low
    assert varied.sum() == x.shape[1] - 1
    assert np.all(y >= 0)
    assert np.all(y <= 1 + np.finfo(dtype).eps)
    np.testing.assert_array_equal(y[x == low], 0)
    np.testing.assert_allclose(y[(x == high) & varied], 1, rtol=np.finfo(dtype).eps)


@pytest.mark.parametrize("name", BACKENDS)
def test_rows_are_split_as_scikit_learn_splits_them(load, name):
    rng = np.random.default_rng(0)
    n, test = 101, 23
    x, y = rng.standard_normal((n, 4)).astype(np.float32), np.arange(n)
    permutation = np.random.RandomState(5).permutation(n)
    theirs = split(x, y, test_size=test, random_state=5)
    backend = load(name, "float32")
    ours = train_test_split(backend.xp, *map(backend.put, (x, y, permutation)), test=test)
    again = train_test_split_reference(x, y, permutation, test)
    for one, oracle, other in zip(ours, again, theirs, strict=True):
        np.testing.assert_array_equal(backend.fetch(one), other)
        np.testing.assert_array_equal(oracle, other)


def test_a_split_leaves_a_row_to_train_on():
    with pytest.raises(Unsupported, match="test=4 must be below n=4"):
        split_inputs(np.random.default_rng(0), 4, 2, 4)
