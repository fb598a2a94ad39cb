"""Posteriors against quadrature, scikit-learn and the closed form that a chain must find."""

import math

import mpmath
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from xpbench.kernels.bayesian_inference import (
    MARGIN,
    beta_binomial,
    chain_inputs,
    counted_reference,
    log_posterior,
    metropolis,
    regression_inputs,
    regression_reference,
)


def test_the_oracle_of_beta_binomial_knows_fifty_digits():
    k, n = np.array([0.0, 0, 3, 200, 77]), np.array([0.0, 9, 10, 200, 180])
    mean, deviation, evidence = counted_reference(k, n, np.asarray(2.0), np.asarray(3.0))
    with mpmath.workdps(50):
        exact = [
            mpmath.log(mpmath.beta(2 + a, 3 + b - a) / mpmath.beta(2, 3))
            for a, b in zip(k, n, strict=True)
        ]
    np.testing.assert_allclose(evidence, [float(value) for value in exact], rtol=1e-13, atol=1e-15)
    law = scipy.stats.beta(2 + k, 3 + n - k)
    np.testing.assert_allclose(mean, law.mean())
    np.testing.assert_allclose(deviation, law.std())


def test_the_evidence_of_successes_in_order_sums_to_one(xp):
    """Over all sequences of n trials: there are C(n, k) with k successes."""
    n = 12
    k = np.arange(n + 1.0)
    _, _, evidence = beta_binomial(xp, k, np.full(n + 1, float(n)), np.asarray(2.0), np.asarray(3.0))
    total = sum(math.comb(n, int(j)) * math.exp(log) for j, log in zip(k, evidence, strict=True))
    assert total == pytest.approx(1, rel=1e-12)


def test_the_oracle_of_linear_regression_is_a_gaussian_process_with_a_linear_kernel():
    x, y, query, prior, noise = regression_inputs(np.random.default_rng(0), 40, 5, 7)
    process = GaussianProcessRegressor(
        DotProduct(sigma_0=0.0, sigma_0_bounds="fixed"), alpha=1.0, optimizer=None
    )
    means, deviations = process.fit(x, y).predict(query, return_std=True)
    _, found, spread = regression_reference(x, y, query, prior, noise)
    np.testing.assert_allclose(found, means, rtol=1e-9)
    # The process predicts the function, we a further observation of it.
    np.testing.assert_allclose(spread, np.sqrt(deviations**2 + 1), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_decision_of_a_chain_is_near(draw, dtype):
    x, y, w, moves, logs = draw("metropolis", dtype, preset="medium").data.exact_inputs
    density, nearest, taken = log_posterior(w, x, y), np.inf, 0.0
    for move, log in zip(moves, logs, strict=True):
        new = log_posterior(w + move, x, y)
        nearest = min(nearest, np.min(np.abs(log - (new - density))))
        accepted = log < new - density
        taken += np.mean(accepted) / len(logs)
        w, density = np.where(accepted[:, None], w + move, w), np.where(accepted, new, density)
    # Inputs rounded to float32 move the log-density by an eps of a sum of some hundreds.
    assert nearest > 0.9 * MARGIN
    assert 0.15 < taken < 0.6


def test_chains_find_the_posterior_mean(xp):
    """Of one coefficient, by quadrature; 64 chains of 400 steps are worth some thousand draws."""
    x, y, start, moves, logs = chain_inputs(np.random.default_rng(2), 10, 1, 64, 400)
    _, means, _ = metropolis(xp, x, y, start, moves, logs)

    def density(w):
        return math.exp(log_posterior(np.array([[w]]), x, y)[0])

    total = scipy.integrate.quad(density, -8, 8)[0]
    exact = scipy.integrate.quad(lambda w: w * density(w), -8, 8)[0] / total
    assert abs(np.mean(means) - exact) < 5 * np.std(means) / math.sqrt(len(means)) + 0.02
