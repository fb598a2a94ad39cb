"""Classes and mixtures are scikit-learn's, and what the theory of normal distributions says of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from planted.gaussian_models import classifier, mixture
from xpbench.kernels.gaussian_models import (
    REGULARIZATION,
    SMOOTHING,
    gaussian_nb,
    gmm_deviations,
    gmm_em,
    gmm_inputs,
    gmm_reference,
    nb_inputs,
    nb_reference,
)

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
    x, y, t = nb_inputs(np.random.default_rng(1), n=60, m=20, d=3, classes=2)
    means, variances, joint = nb_reference(x, y, t, classes=2)
    for k in range(2):
        share = np.mean(y == k)
        log = stats.norm.logpdf(t, means[k], np.sqrt(variances[k])).sum(axis=1)
        np.testing.assert_allclose(joint[:, k], np.log(share) + log, rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_the_distance_from_the_origin_costs_no_digits_beyond_those_of_the_data(load, backend, offset):
    """Squares about 0 would lose offset^2 eps of every likelihood, squares about the mean do not."""
    library = load(backend, "float64")
    x, y, t = nb_inputs(np.random.default_rng(2), n=80, m=40, d=4, classes=2)
    scale = np.std(x, axis=0)
    x, t = (np.round(array / scale * 2**20) / 2**20 for array in (x, t))

    def joint(*shift):
        arrays = map(library.put, (x + sum(shift), y, t + sum(shift)))
        return library.fetch(gaussian_nb(library.xp, *arrays, classes=2)[2])

    lost = np.max(np.abs(joint(offset) - joint()))
    assert lost < 1e3 * EPS * offset
    assert lost < 0.1 * EPS * offset**2 or offset < 1e4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 4), st.floats(0.01, 100))
def test_units_of_a_feature_move_all_likelihoods_alike(xp, seed, classes, d, unit):
    """The density of c t is that of t over c, and of the classes nothing changes."""
    x, y, t = nb_inputs(np.random.default_rng(seed), n=40, m=10, d=d, classes=classes)
    *_, before = gaussian_nb(xp, x, y, t, classes=classes)
    # All features, since the smoothing looks at the largest.
    *_, after = gaussian_nb(xp, unit * x, y, unit * t, classes=classes)
    scale = 1 + np.max(np.abs(before)) + d * abs(np.log(unit))
    np.testing.assert_allclose(after, before - d * np.log(unit), atol=1e-9 * scale, rtol=0)


@pytest.mark.parametrize("size", ["small", "medium"])
def test_mixtures_are_those_of_scikit_learn(draw, size):
    mixtures = pytest.importorskip("sklearn.mixture")
    trial = draw("gmm_em", "float64", preset=size)
    (x, means), steps = trial.data.exact_inputs, trial.static["steps"]
    clusters, d = means.shape
    model = mixtures.GaussianMixture(
        clusters,
        reg_covar=REGULARIZATION,
        tol=0,
        max_iter=1,
        warm_start=True,
        weights_init=np.full(clusters, 1 / clusters),
        means_init=means,
        precisions_init=np.stack([np.eye(d)] * clusters),
    )
    likelihoods = []
    with pytest.warns(UserWarning, match="did not converge"):
        for _ in range(steps):
            model.fit(x)
            likelihoods.append(model.lower_bound_)
    found = [model.weights_, model.means_, model.covariances_, np.array(likelihoods)]
    agreement = trial.judge(found)
    assert agreement.agrees, agreement.reason
    # Its bound is that of the step's beginning too, and its score that of the end.
    after = gmm_reference(x, means, steps + 1)[3][-1]
    assert model.score(x) == pytest.approx(after, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3))
def test_the_likelihood_of_a_mixture_never_falls(xp, seed, clusters, d):
    x, means = gmm_inputs(np.random.default_rng(seed), n=80, d=d, clusters=clusters, steps=12)
    w, m, s, likelihoods = gmm_em(xp, x, means, steps=12)
    # What is added to the diagonal costs at most its share of the smallest variance, in every step.
    least = min(np.min(np.linalg.eigvalsh(one)) for one in s)
    assert np.all(np.diff(likelihoods) >= -d * (REGULARIZATION / least) ** 2 - 100 * EPS)
    assert np.sum(w) == pytest.approx(1, abs=100 * EPS)
    np.testing.assert_allclose(w @ m, np.mean(x, axis=0), rtol=0, atol=1e-12)


def test_a_mixture_of_one_component_is_a_mean_and_a_covariance(xp):
    x, means = gmm_inputs(np.random.default_rng(3), n=50, d=3, clusters=1, steps=1)
    w, m, s, _ = gmm_em(xp, x, means, steps=1)
    assert w == pytest.approx(1)
    np.testing.assert_allclose(m[0], x.mean(axis=0), rtol=0, atol=1e-13)
    expected = np.cov(x, rowvar=False, ddof=0) + REGULARIZATION * np.eye(3)
    np.testing.assert_allclose(s[0], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("seed", range(2))
def test_no_size_asks_for_steps_after_a_mixture_has_come_to_rest(draw, size, seed):
    """A step that moves nothing would hide a step too many, or a wrong one."""
    trial = draw("gmm_em", "float32", seed, preset=size)
    (x, means), steps = trial.data.exact_inputs, trial.static["steps"]
    last, before = (gmm_reference(x, means, count) for count in (steps, steps - 1))
    limits = [4 * np.linalg.norm(one) for one in gmm_deviations(x, means, steps)]
    for one, other, limit in zip(last[:3], before[:3], limits, strict=False):
        assert np.linalg.norm(one - other) > 3 * limit * np.finfo(np.float32).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize(("kernel", "unspoilt"), [("gaussian_nb", classifier()), ("gmm_em", mixture())])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, kernel, unspoilt, dtype, size):
    trial = draw(kernel, dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=unspoilt))
    assert found.agrees, found.reason
