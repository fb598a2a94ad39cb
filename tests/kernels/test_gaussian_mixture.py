"""Mixtures are scikit-learn's, and what the theory of maximum likelihood says of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted.gaussian_mixture import mixture
from xpbench.kernels.gaussian_mixture import (
    REGULARIZATION,
    gmm_em,
    inputs,
    reference,
    rounding_deviations,
)

EPS = np.finfo(np.float64).eps


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
    after = reference(x, means, steps + 1)[3][-1]
    assert model.score(x) == pytest.approx(after, rel=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3))
def test_the_likelihood_of_a_mixture_never_falls(xp, seed, clusters, d):
    x, means = inputs(np.random.default_rng(seed), n=80, d=d, clusters=clusters, steps=12)
    w, m, s, likelihoods = gmm_em(xp, x, means, steps=12)
    # What is added to the diagonal costs at most its share of the smallest variance, in every step.
    least = min(np.min(np.linalg.eigvalsh(one)) for one in s)
    assert np.all(np.diff(likelihoods) >= -d * (REGULARIZATION / least) ** 2 - 100 * EPS)
    assert np.sum(w) == pytest.approx(1, abs=100 * EPS)
    np.testing.assert_allclose(w @ m, np.mean(x, axis=0), rtol=0, atol=1e-12)


def test_a_mixture_of_one_component_is_a_mean_and_a_covariance(xp):
    x, means = inputs(np.random.default_rng(3), n=50, d=3, clusters=1, steps=1)
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
    last, before = (reference(x, means, count) for count in (steps, steps - 1))
    limits = [4 * np.linalg.norm(one) for one in rounding_deviations(x, means, steps)]
    for one, other, limit in zip(last[:3], before[:3], limits, strict=False):
        assert np.linalg.norm(one - other) > 3 * limit * np.finfo(np.float32).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", ["small", "medium"])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, dtype, size):
    trial = draw("gmm_em", dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=mixture()))
    assert found.agrees, found.reason
