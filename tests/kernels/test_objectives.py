"""Objective functions: losses of any size, chords above a convex one, and curvature as they shrink."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

import planted
from xpbench.kernels import objectives

EPS = np.finfo(np.float64).eps
BACKENDS = ("numpy", "torch", "jax")


# The logistic loss


@given(st.floats(-1e300, 1e300), st.sampled_from([-1.0, 1.0]))
def test_the_loss_of_a_margin_and_of_its_opposite_differ_by_the_margin(xp, margin, label):
    x, y, w = np.asarray([[1.0]]), np.asarray([label]), np.asarray([[margin], [-margin]])
    one, other = objectives.logistic_loss(xp, x, y, w)
    # log(1 + exp(m)) - log(1 + exp(-m)) = m, and each is rounded three times.
    assert abs((other - one) - label * margin) <= 4 * EPS * max(one, other)
    assert 0 <= min(one, other) <= math.log(2) * (1 + 2 * EPS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dtype", "margin"), [("float32", 80.0), ("float64", 700.0)])
def test_a_small_loss_is_the_exponential_of_its_margin(draw, backend, dtype, margin):
    trial = draw("logistic_loss", dtype, preset="small")
    one = np.ones((1, 1), dtype=dtype)
    (loss,) = trial.on(backend, [one, one[0], margin * one])
    eps = np.finfo(dtype).eps
    # An exponential of an exact argument, within two units in the last place.
    assert abs(float(loss[0]) / math.exp(-margin) - 1) <= 4 * eps


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_separable_samples_are_told_apart_ever_more_surely(draw, backend, dtype):
    trial = draw("logistic_loss", dtype, preset="small")
    x, y, w = trial.data.exact_inputs
    (losses,) = trial.on(backend)
    lengths = np.linalg.norm(w, axis=1)
    margins = y * (w @ x.T)
    right = np.all(margins > 0, axis=1)
    assert np.all(right | np.all(margins < 0, axis=1))
    assert margins.min() < -math.log(np.finfo(np.float64).max)
    falling, rising = (losses[rows][np.argsort(lengths[rows])] for rows in (right, ~right))
    assert np.all(np.diff(falling) < 0)
    assert np.all(np.diff(rising) > 0)
    assert 0 < falling[-1] < 1e-15


def test_the_loss_of_zero_weights_is_the_logarithm_of_two(xp):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), np.ones(8)
    np.testing.assert_array_equal(objectives.logistic_loss(xp, x, y, np.zeros((2, 3))), np.log(2))


def test_the_oracle_of_the_logistic_loss_is_sklearns_log_loss(draw):
    metrics = pytest.importorskip("sklearn.metrics")
    x, y, w = draw("logistic_loss", "float64", preset="small").data.exact_inputs
    w = w / 400
    (seen,) = objectives.loss_reference(x, y, w)
    # Logits are at most 6: of 1 - p, whose logarithm sklearn takes, 400 eps are lost.
    assert np.max(np.abs(w @ x.T)) < 6
    expected = [metrics.log_loss(y, expit(x @ row)) for row in w]
    np.testing.assert_allclose(seen, expected, rtol=1000 * EPS)


# Chords


def values(x, y, w):
    margins = y * (w @ x.T)
    return np.logaddexp(0, -margins).mean(axis=1), (expit(-margins) ** 2).mean(axis=1)


def test_the_oracle_of_the_convexity_check_is_the_definition(draw):
    x, y, a, b = draw("convexity_check", "float64", preset="small").data.exact_inputs
    seen = objectives.chord_reference(x, y, a, b)
    for gaps, at_a, at_b, middle in zip(
        seen, *(values(x, y, w) for w in (a, b, (a + b) / 2)), strict=True
    ):
        # Three values of order 10 and sums of 32 samples.
        np.testing.assert_allclose(gaps, (at_a + at_b) / 2 - middle, rtol=0, atol=100 * EPS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_logistic_loss_is_convex_and_the_squared_error_is_not(draw, backend, dtype):
    trial = draw("convexity_check", dtype, preset="medium")
    logistic, squared = trial.on(backend)
    assert np.all(logistic > 0)
    assert 0.05 < np.mean(squared < 0) < 0.95


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gap_of_a_short_chord_is_its_curvature(draw, backend):
    trial = draw("convexity_check", "float64", n=64, d=4, m=8)
    x, y, a, b = trial.data.exact_inputs
    v = (b - a) / np.linalg.norm(b - a, axis=1)[:, np.newaxis]
    along, p = v @ x.T, expit(-y * (a @ x.T))
    curvatures = (
        np.mean(along**2 * p * (1 - p), axis=1),
        np.mean(along**2 * 2 * p**2 * (1 - p) * (2 - 3 * p), axis=1),
    )
    for t, tolerance in ((1e-2, 1e-3), (1e-3, 1e-5)):
        gaps = trial.on(backend, [x, y, a - t * v, a + t * v])
        for gap, curvature in zip(gaps, curvatures, strict=True):
            # f(a + t v) + f(a - t v) - 2 f(a) = t^2 f'' + O(t^4), and rounding of eps / t^2.
            assert np.all(np.abs(2 * gap / t**2 - curvature) <= tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_chord_has_no_direction_and_one_of_no_length_no_gap(draw, backend):
    trial = draw("convexity_check", "float64", preset="small")
    x, y, a, b = trial.data.exact_inputs
    for gap, back in zip(trial.on(backend), trial.on(backend, [x, y, b, a]), strict=True):
        np.testing.assert_allclose(back, gap, rtol=0, atol=4 * EPS)
    for gap in trial.on(backend, [x, y, a, a]):
        np.testing.assert_array_equal(gap, 0)


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [
        pytest.param(kernel, fault, id=f"{kernel}-{fault.name}")
        for kernel in ("logistic_loss", "convexity_check", "loss_landscape")
        for fault in planted.faults()[kernel]
        if fault.kind != "entry"
    ],
)
def test_a_fault_is_seen_without_the_oracle(draw, xp, kernel, fault):
    trial = draw(kernel, preset="medium")
    assert math.isfinite(trial.kernel.oracle_flops)
    with np.errstate(all="ignore"):
        outputs = fault.plant(trial, xp)
    assert not trial.judge(outputs, oracle=False).agrees
