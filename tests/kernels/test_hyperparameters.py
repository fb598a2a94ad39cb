"""The search is cross-validation: no fit sees what judges it, and converged fits are scikit-learn's."""

import numpy as np
import pytest

from planted.hyperparameters import fitted
from xpbench.kernels.gradient_descent import reference as gradient_descent
from xpbench.kernels.hyperparameters import grid_search, inputs, reference

EPS = np.finfo(np.float64).eps
SIZE = {"n": 60, "d": 3, "folds": 4, "rates": 3, "penalties": 2}


@pytest.fixture
def data():
    return inputs(np.random.default_rng(0), **SIZE, steps=10)


def test_converged_fits_are_scikit_learns(data):
    """Its objective is C times the sum of the losses and |w|^2 / 2, where ours has the mean."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    x, y, rates, penalties = data
    folds = SIZE["folds"]
    penalties = penalties + 0.05  # the objective is then at least so convex: 0.9^300 < eps
    losses, _, weights = reference(x, y, rates[-1:], penalties, folds=folds, steps=300)
    cuts = selection.KFold(folds)
    for j, penalty in enumerate(penalties):
        strength = 1 / (penalty * (len(x) * (folds - 1) / folds))
        model = linear_model.LogisticRegression(
            C=strength, fit_intercept=False, solver="newton-cholesky", tol=1e-10
        )
        found = selection.cross_validate(
            model, x, y, cv=cuts, scoring="neg_log_loss", return_estimator=True
        )
        # Newton stops at a gradient of 1e-10, of a mean whose curvature is at least the penalty.
        for f, estimator in enumerate(found["estimator"]):
            np.testing.assert_allclose(weights[:, f, 0, j], estimator.coef_[0], atol=1e-10 / 0.05)
        np.testing.assert_allclose(losses[0, j], -np.mean(found["test_score"]), atol=1e-8)


def test_without_penalty_every_fit_is_gradient_descent_on_the_rows_it_trains_on(data):
    x, y, rates, _ = data
    folds, steps = SIZE["folds"], 10
    _, _, weights = reference(x, y, rates, np.zeros(1), folds=folds, steps=steps)
    fold = np.repeat(np.arange(folds), len(x) // folds)
    for f, i in np.ndindex(folds, rates.size):
        rows, labels = x[fold != f], (y[fold != f] + 1) / 2
        (expected,) = gradient_descent(rows, labels, rates[i], steps=steps)
        tolerance = steps * np.sqrt(len(rows)) * EPS * np.linalg.norm(expected)
        np.testing.assert_allclose(weights[:, f, i, 0], expected, rtol=0, atol=tolerance)


def test_no_fit_sees_the_rows_it_holds_out(data, xp):
    x, y, rates, penalties = data
    static = {"folds": SIZE["folds"], "steps": 10}
    _, _, weights = grid_search(xp, x, y, rates, penalties, **static)
    held = len(x) // SIZE["folds"]
    for f in range(SIZE["folds"]):
        other, flipped = x.copy(), y.copy()
        other[f * held : (f + 1) * held] *= -3
        flipped[f * held : (f + 1) * held] *= -1
        _, _, changed = grid_search(xp, other, flipped, rates, penalties, **static)
        same = [np.array_equal(changed[:, g], weights[:, g]) for g in range(SIZE["folds"])]
        assert same == [g == f for g in range(SIZE["folds"])]


def test_every_step_brings_two_fits_closer_by_the_penalty_at_least(data):
    """The limit rests on it: of curvatures from penalty to 1 / rate the first shrinks an error least."""
    x, _, rates, penalties = data
    trained = len(x) - len(x) // SIZE["folds"]
    largest = np.linalg.norm(x, 2) ** 2 / (4 * trained)
    assert np.all(rates[:, None] * (largest + penalties) <= 1)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
def test_the_choice_is_the_oracles_where_it_has_a_margin(draw, size, dtype, backend):
    trial = draw("grid_search", dtype, preset=size)
    losses, best, _ = trial.data.reference
    least, next_least = np.sort(losses, axis=None)[:2]
    assert next_least - least > 20 * np.finfo(dtype).eps * least
    assert trial.on(backend)[1] == best


def test_the_slowest_fits_have_not_converged(draw):
    """Else a step too few would leave no trace."""
    trial = draw("grid_search", "float64", preset="medium")
    _, _, weights = trial.data.reference
    static = {**trial.static, "steps": trial.static["steps"] - 1}
    _, _, before = trial.kernel.reference(*trial.data.exact_inputs, **static)
    moved = np.linalg.norm(weights - before, axis=0) / np.linalg.norm(weights, axis=0)
    assert np.all(moved[:, 0] > 1e-2)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, dtype, size):
    trial = draw("grid_search", dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=fitted))
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(3))
def test_fits_agree_after_the_end_too(draw, xp, dtype, seed):
    """Where every step rounds like the one before, so that errors add and do not average."""
    size = {"n": 24, "d": 4, "folds": 3, "rates": 2, "penalties": 2, "steps": 1000}
    trial = draw("grid_search", dtype, seed, **size)
    found = trial.judge(trial.compute(xp))
    assert found.agrees, found.reason
