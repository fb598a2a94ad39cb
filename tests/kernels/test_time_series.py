"""Autoregressive models find the process that made a series, and agree where theory says they must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from planted.time_series import models
from xpbench.kernels.time_series import (
    autocovariances,
    autoregression,
    coefficients,
    inputs,
    reference,
)

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("size", ["small", "medium"])
def test_least_squares_are_those_of_scikit_learn(draw, size):
    linear_model = pytest.importorskip("sklearn.linear_model")
    trial = draw("autoregression", "float64", preset=size)
    (x,), p = trial.data.exact_inputs, trial.static["p"]
    past = np.stack([x[p - j : len(x) - j] for j in range(1, p + 1)], axis=1)
    model = linear_model.LinearRegression(fit_intercept=False).fit(past, x[p:])
    np.testing.assert_allclose(model.coef_, trial.data.reference[0], rtol=0, atol=1e-11)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_yule_walker_are_the_least_squares_of_the_series_between_zeros(xp, seed, p):
    """Among n + p equations, zeros before and after: then the normal equations are Toeplitz."""
    (x,) = inputs(np.random.default_rng(seed), n=60, p=p)
    _, g = autoregression(xp, x, p=p)
    zeros = np.zeros(p)
    padded = np.concatenate([zeros, x, zeros])
    past = np.stack([padded[p - j : len(padded) - j] for j in range(1, p + 1)], axis=1)
    theirs = np.linalg.lstsq(past, padded[p:], rcond=None)[0]
    np.testing.assert_allclose(g, theirs, rtol=0, atol=1e-11)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_yule_walker_give_a_stationary_model_of_any_series(xp, seed, p):
    """Brockwell & Davis, section 8.1: all roots of 1 - g_1 z - ... - g_p z^p lie outside the circle."""
    x = np.cumsum(np.random.default_rng(seed).standard_normal(40))
    _, g = autoregression(xp, x - x.mean(), p=p)
    assert np.max(np.abs(np.roots(np.append(1.0, -g)))) < 1


@pytest.mark.parametrize("p", [1, 2, 5])
def test_a_recursion_without_noise_is_found_exactly(xp, p):
    """Its values obey the equations without a residual, from any first values."""
    f = coefficients(np.array([0.7, -0.3, 0.25, 0.2, -0.3])[:p])
    zi = signal.lfiltic([1.0], np.append(1.0, -f), np.random.default_rng(p).standard_normal(p))
    x, _ = signal.lfilter([1.0], np.append(1.0, -f), np.zeros(40), zi=zi)
    found, _ = autoregression(xp, x, p=p)
    np.testing.assert_allclose(found, f, rtol=1e-6, atol=1e-6)


def test_both_come_nearer_to_the_process_with_the_root_of_n():
    """Each is off by about (diag(R^-1) s^2 / n)^1/2: Brockwell & Davis, theorem 8.1.1."""
    f, distances = coefficients(np.array([0.7, -0.3, 0.3])), []
    for n in (1000, 100000):
        rng = np.random.default_rng(n)
        some = []
        for _ in range(5):
            x = signal.lfilter([1.0], np.append(1.0, -f), rng.standard_normal(n + 200))[200:]
            some.append([np.linalg.norm(found - f) for found in reference(x, p=3)])
        distances.append(np.sqrt(np.mean(np.square(some), axis=0)))
    ratio = distances[0] / distances[1]
    # A root mean square of 5 draws of 3 coefficients is known to a fifth; the ratio is 10.
    assert np.all(ratio > 4)
    assert np.all(ratio < 25)


def test_partial_autocorrelations_are_the_last_coefficients_of_every_order():
    """Solved order by order from the autocovariances of the process itself."""
    partial = np.array([0.7, -0.35, 0.2, 0.3])
    f = coefficients(partial)
    impulse = signal.lfilter([1.0], np.append(1.0, -f), np.eye(1, 4000)[0])
    r = autocovariances(impulse, 4)
    for order in range(1, 5):
        toeplitz = r[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        assert np.linalg.solve(toeplitz, r[1 : order + 1])[-1] == pytest.approx(partial[order - 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_models_that_faults_are_planted_in_agree_without_one(draw, xp, dtype, size):
    trial = draw("autoregression", dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=models()))
    assert found.agrees, found.reason
