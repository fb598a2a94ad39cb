"""The classifier is scikit-learn's, and what the theory of normal distributions says of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from planted.naive_bayes import classifier
from xpbench.kernels.naive_bayes import SMOOTHING, gaussian_nb, inputs, reference

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("size", ["small", "medium"])
def test_naive_bayes_is_that_of_scikit_learn(draw, size):
    naive_bayes = pytest.importorskip("sklearn.naive_bayes")
    trial = draw("gaussian_nb", "float64", preset=size)
    x, y, t = trial.data.exact_inputs
    model = naive_bayes.GaussianNB(var_smoothing=SMOOTHING).fit(x, y)
    means, variances, joint = trial.data.reference
    # It sums about 0, whose distance from the means is some standard deviations.
    sums = 10 * EPS * len(x) ** 0.5
    np.testing.assert_allclose(model.theta_, means, rtol=sums)
    np.testing.assert_allclose(model.var_, variances, rtol=sums)
    np.testing.assert_allclose(model.predict_joint_log_proba(t), joint, rtol=sums, atol=sums)
    assert np.array_equal(model.predict(t), np.argmax(joint, axis=1))


def test_a_joint_probability_is_a_prior_times_normal_densities():
    x, y, t = inputs(np.random.default_rng(1), n=60, m=20, d=3, classes=2)
    means, variances, joint = reference(x, y, t, classes=2)
    for k in range(2):
        share = np.mean(y == k)
        log = stats.norm.logpdf(t, means[k], np.sqrt(variances[k])).sum(axis=1)
        np.testing.assert_allclose(joint[:, k], np.log(share) + log, rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_the_distance_from_the_origin_costs_no_digits_beyond_those_of_the_data(load, backend, offset):
    """Squares about 0 would lose offset^2 eps of every likelihood, squares about the mean do not."""
    library = load(backend, "float64")
    x, y, t = inputs(np.random.default_rng(2), n=80, m=40, d=4, classes=2)
    scale = np.std(x, axis=0)
    x, t = (np.round(array / scale * 2**20) / 2**20 for array in (x, t))

    def joint(*shift):
        arrays = map(library.put, (x + sum(shift), y, t + sum(shift)))
        return library.fetch(gaussian_nb(library.xp, *arrays, classes=2)[2])

    lost = np.max(np.abs(joint(offset) - joint()))
    assert lost < 1e3 * EPS * offset
    assert lost < 0.1 * EPS * offset**2 or offset < 1e4


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 4), st.floats(0.01, 100))
def test_units_of_a_feature_move_all_likelihoods_alike(xp, seed, classes, d, unit):
    """The density of c t is that of t over c, and of the classes nothing changes."""
    x, y, t = inputs(np.random.default_rng(seed), n=40, m=10, d=d, classes=classes)
    *_, before = gaussian_nb(xp, x, y, t, classes=classes)
    # All features, since the smoothing looks at the largest.
    *_, after = gaussian_nb(xp, unit * x, y, unit * t, classes=classes)
    scale = 1 + np.max(np.abs(before)) + d * abs(np.log(unit))
    np.testing.assert_allclose(after, before - d * np.log(unit), atol=1e-9 * scale, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", ["small", "medium"])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, dtype, size):
    trial = draw("gaussian_nb", dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=classifier()))
    assert found.agrees, found.reason
