"""The oracles are torch's layers, and the layers keep their symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.kernels.neural_layers import (
    EPSILON,
    attended,
    attention,
    attention_inputs,
    attention_reference,
    conv2d,
    conv2d_flops,
    conv2d_inputs,
    conv2d_reference,
    layer_norm,
    layer_norm_inputs,
    layer_norm_reference,
    softmax_reference,
)

EPS = np.finfo(np.float64).eps


@pytest.fixture
def functional():
    return pytest.importorskip("torch").nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tensors(*arrays):
    import torch

    return [torch.tensor(array) for array in arrays]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("softmax", lambda f, x: f.softmax(x, dim=1)),
        ("layer_norm", lambda f, x, g, b: f.layer_norm(x, g.shape, g, b, eps=EPSILON)),
        ("attention", lambda f, *a: f.scaled_dot_product_attention(*a, is_causal=True)),
        ("conv2d", lambda f, x, w: f.conv2d(x, w, padding=1)),
    ],
)
@pytest.mark.parametrize("preset", ["small", "medium"])
def test_torchs_own_layer_agrees_with_the_oracle(draw, functional, name, call, preset):
    for dtype in ("float32", "float64"):
        trial = draw(name, dtype, preset=preset)
        found = trial.judge([call(functional, *tensors(*trial.inputs)).numpy()])
        assert found.agrees, found.reason


def test_the_softmax_of_the_oracle_is_that_of_fifty_digits():
    mpmath = pytest.importorskip("mpmath")
    x = np.asarray([[1000.0, 999.5, 970.0], [-30.0, 0.0, 1e-8]])
    with mpmath.workdps(50):
        for row, found in zip(x, softmax_reference(x)[0], strict=True):
            e = [mpmath.exp(float(entry)) for entry in row]
            right = np.asarray([float(term / mpmath.fsum(e)) for term in e])
            # The logarithm, which the oracle takes, is some tens and rounded twice.
            np.testing.assert_allclose(found, right, rtol=2 * 32 * EPS)


@given(st.integers(0, 999), st.sampled_from([-512.0, 0.25, 64.0, 8192.0]))
@settings(max_examples=20)
def test_layer_norm_does_not_see_a_shift_of_all_features(seed, shift):
    x, gain, bias = layer_norm_inputs(np.random.default_rng(seed), n=4, d=9)
    x = np.round(x * 2**20) / 2**20  # so that the shift is exact
    plain, moved = (layer_norm_reference(each, gain, bias)[0] for each in (x, x + shift))
    scale = np.sqrt(np.var(x, axis=1) + EPSILON)
    bound = 20 * EPS * (abs(shift) + np.max(np.abs(x))) / np.min(scale)
    np.testing.assert_allclose(moved, plain, rtol=0, atol=bound)


def test_rows_of_layer_norm_have_mean_zero_and_a_variance_short_of_one_by_epsilon(xp, rng):
    x, gain, bias = layer_norm_inputs(rng, n=50, d=40)
    y = layer_norm(xp, x, np.ones_like(gain), np.zeros_like(bias))
    variance = np.var(x, axis=1)
    np.testing.assert_allclose(np.mean(y, axis=1), 0, atol=200 * EPS)
    np.testing.assert_allclose(np.var(y, axis=1), variance / (variance + EPSILON), rtol=40 * EPS)
    assert np.min(variance) < 10 * EPSILON  # else epsilon would leave no trace


def test_attention_is_causal_to_the_last_bit_of_what_lies_ahead(xp, rng):
    q, k, v = attention_inputs(rng, b=1, h=2, n=12, d=4)
    before = attention(xp, q, k, v)
    k[:, :, 8:], v[:, :, 8:] = 1e6, -1e6
    after = attention(xp, q, k, v)
    np.testing.assert_allclose(after[:, :, :8], before[:, :, :8], rtol=0, atol=20 * EPS)
    assert np.all(np.abs(after[:, :, 8:]) > 0)
    assert np.max(np.abs(after - before)) > 1


def test_a_query_of_zero_attends_to_all_keys_before_it_evenly(rng):
    q, k, v = attention_inputs(rng, b=2, h=1, n=10, d=3)
    (y,) = attention_reference(0 * q, k, v)
    means = np.cumsum(v, axis=2) / np.arange(1, 11)[:, None]
    np.testing.assert_allclose(y, means, rtol=0, atol=20 * EPS * np.max(np.abs(v)))


def test_sampled_queries_are_the_oracles(draw):
    q, k, v = draw("attention", "float64", preset="medium").data.exact_inputs
    (right,) = draw("attention", "float64", preset="medium").data.reference
    rows = np.asarray([0, 1, 100, 255])
    y, scale = attended(rows, q[0, 1], k[0, 1], v[0, 1])
    assert np.all(np.abs(y - right[0, 1, rows]) <= 6 * EPS * math.sqrt(2) * scale)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_conv2d_is_scipys_correlation_for_filters_of_any_side(xp, rng, k):
    from scipy.signal import correlate

    size = {"batch": 2, "channels": 3, "filters": 4, "side": 7, "k": k}
    x, w = conv2d_inputs(rng, **size)
    r = k // 2
    padded = np.pad(x, ((0, 0), (0, 0), (r, r), (r, r)))
    right = [[correlate(image, w1, mode="valid", method="direct")[0] for w1 in w] for image in padded]
    for found in (conv2d(xp, x, w), conv2d_reference(x, w)[0]):
        np.testing.assert_allclose(found, right, rtol=0, atol=8 * 3 * k**2 * EPS)
    assert conv2d_flops(**size) == 2 * 3 * k**2 * np.size(right)


def test_an_image_of_one_point_answers_with_the_filter_turned_about(xp, rng):
    _, w = conv2d_inputs(rng, batch=1, channels=1, filters=1, side=3, k=3)
    point = np.zeros((1, 1, 3, 3))
    point[..., 1, 1] = 1
    np.testing.assert_array_equal(conv2d(xp, point, w), w[..., ::-1, ::-1])
