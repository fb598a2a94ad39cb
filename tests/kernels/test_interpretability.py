"""Importances are scikit-learn's, Shapley values those of their axioms and of all coalitions."""

import itertools
import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance as scikit_learn

from xpbench.kernels.interpretability import (
    importance_inputs,
    permutation_importance,
    shapley_inputs,
    shapley_sampling,
    walks,
)

EPS = np.finfo(np.float64).eps


class Network(ClassifierMixin, BaseEstimator):
    """A fitted model as scikit-learn knows them."""

    def __init__(self, w1, b1, w2, b2):
        self.w1, self.b1, self.w2, self.b2 = w1, b1, w2, b2
        self.classes_ = np.array([-1.0, 1.0])

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        p = 1 / (1 + np.exp(-(np.tanh(x @ self.w1 + self.b1) @ self.w2 + self.b2)))
        return np.stack([1 - p, p], axis=1)


def scikit_learns_permutations(seed, n, repeats):
    """What its ``permutation_importance`` shuffles by: each repeat shuffles the rows of the last."""
    state = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    shuffled, order, found = np.arange(n), np.arange(n), []
    for _ in range(repeats):
        state.shuffle(shuffled)
        order = order[shuffled]
        found.append(order)
    return np.stack(found)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("seed", [0, 7])
def test_importances_are_those_of_scikit_learn(load, backend, seed):
    n, repeats = 200, 4
    x, y, *model, _ = importance_inputs(np.random.default_rng(seed), n, 10, 16, repeats)
    theirs = scikit_learn(
        Network(*model), x, y, scoring="neg_log_loss", n_repeats=repeats, random_state=seed
    )
    permutations = scikit_learns_permutations(seed, n, repeats)
    backend = load(backend, "float64")
    run = backend.compile(lambda *arrays: permutation_importance(backend.xp, *arrays))
    ours, _ = map(backend.fetch, run(*map(backend.put, [x, y, *model, permutations])))
    np.testing.assert_allclose(ours, theirs.importances, rtol=0, atol=n * EPS)
    np.testing.assert_allclose(ours.mean(axis=1), theirs.importances_mean, rtol=0, atol=n * EPS)
    assert np.max(theirs.importances_mean) > 0.02


def test_permuting_nothing_or_a_feature_without_weight_changes_no_loss(xp):
    x, y, w1, *rest, permutations = importance_inputs(np.random.default_rng(0), 50, 4, 8, 3)
    permutations[0] = np.arange(50)
    w1[2] = 0
    importances, _ = permutation_importance(xp, x, y, w1, *rest, permutations)
    assert np.all(importances[:, 0] == 0)
    assert np.all(importances[2] == 0)
    assert np.all(importances[[0, 1, 3], 1:] != 0)


def shapley_by_coalitions(x, z, f):
    """Of one sample and one row of the background: the sum over all subsets, by their weights."""
    d, values = len(x), np.zeros(len(x))
    for j in range(d):
        others = [k for k in range(d) if k != j]
        for size in range(d):
            weight = math.factorial(size) * math.factorial(d - 1 - size) / math.factorial(d)
            for s in map(list, itertools.combinations(others, size)):
                without, including = z.copy(), z.copy()
                without[s], including[[*s, j]] = x[s], x[[*s, j]]
                values[j] += weight * (f(including) - f(without))
    return values


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_all_orderings_give_the_values_of_all_coalitions(load, backend):
    """The definition of Shapley, Contributions to the Theory of Games 2, 1953."""
    d, h = 4, 8
    x, _, _, w1, b1, w2 = shapley_inputs(np.random.default_rng(0), 3, d, h, 1)
    z = np.random.default_rng(1).standard_normal(d)
    orders = np.array(list(itertools.permutations(range(d))))
    exact = [shapley_by_coalitions(row, z, lambda r: np.tanh(r @ w1 + b1) @ w2) for row in x]
    backend = load(backend, "float64")
    run = backend.compile(lambda *arrays: shapley_sampling(backend.xp, *arrays))
    inputs = [x, np.tile(z, (len(orders), 1)), orders, w1, b1, w2]
    values = backend.fetch(run(*map(backend.put, inputs)))
    np.testing.assert_allclose(values, exact, rtol=0, atol=100 * EPS)
    np.testing.assert_allclose(walks(*inputs)[0], exact, rtol=0, atol=100 * EPS)


@pytest.mark.parametrize("seed", range(5))
def test_the_contributions_of_every_ordering_sum_to_the_difference_of_the_ends(xp, seed):
    x, background, orders, w1, b1, w2 = shapley_inputs(np.random.default_rng(seed), 6, 9, 7, 5)

    def f(rows):
        return np.tanh(rows @ w1 + b1) @ w2

    for p in range(5):
        values = shapley_sampling(xp, x, background[p : p + 1], orders[p : p + 1], w1, b1, w2)
        np.testing.assert_allclose(values.sum(axis=1), f(x) - f(background[p]), rtol=0, atol=100 * EPS)


def test_a_feature_without_weight_has_value_zero_and_equal_features_have_equal_values(xp):
    """The axioms of the null player and of symmetry, the latter over an ordering and its exchange."""
    x, background, orders, w1, b1, w2 = shapley_inputs(np.random.default_rng(0), 6, 5, 8, 12)
    w1[3], w1[1] = 0, w1[0]
    x[:, 1], background[:, 1] = x[:, 0], background[:, 0]
    exchanged = np.choose(orders, [1, 0, 2, 3, 4])
    both = np.concatenate([background, background]), np.concatenate([orders, exchanged])
    values = shapley_sampling(xp, x, *both, w1, b1, w2)
    assert np.all(values[:, 3] == 0)
    np.testing.assert_allclose(values[:, 0], values[:, 1], rtol=0, atol=100 * EPS)
    assert np.min(np.abs(values[:, 0])) > 1e-4


def test_of_a_linear_model_the_values_are_the_weights_times_the_distances_from_the_mean(xp):
    """tanh is linear to a third of the cube of its argument (Strumbelj & Kononenko, section 3.1)."""
    x, background, orders, w1, b1, w2 = shapley_inputs(np.random.default_rng(0), 6, 5, 8, 12)
    small = 1e-4
    values = shapley_sampling(xp, x, background, orders, small * w1, 0 * b1, w2)
    linear = (w1 @ w2) * (x - background.mean(axis=0))
    reach = np.max(np.abs(np.concatenate([x, background])) @ np.abs(w1))
    bound = 2 * (small * reach) ** 3 / 3 * np.sum(np.abs(w2)) / small
    np.testing.assert_allclose(values / small, linear, rtol=0, atol=bound)
    assert bound < 1e-4 * np.max(np.abs(linear))
