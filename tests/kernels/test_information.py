"""Entropies and divergences: zeros, laws that hold for all distributions, other sources."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from xpbench.kernels.information import (
    divergence_reference,
    entropy,
    entropy_reference,
    joint_inputs,
    joint_reference,
    kl_divergence,
    mutual_information,
)

DTYPES = ("float32", "float64")
BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
COUNTS = st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=2, max_size=5)
EPS = np.finfo(np.float64).eps


def on(load, backend, dtype, compute, *arrays):
    library = load(backend, dtype)
    with np.errstate(divide="ignore"):
        return library.fetch(compute(library.xp, *(library.put(np.asarray(a, dtype)) for a in arrays)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_zeros_count_for_nothing(load, backend, dtype):
    p = [[0.5, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]
    q = [[0.5, 0.25, 0.0, 0.25], [0.0, 0.5, 0.5, 0.0], [0.5, 0.5, 0.0, 0.0]]
    eps = np.finfo(dtype).eps
    exact = np.log(np.array([2.0, 1.0, 4.0]))
    np.testing.assert_allclose(on(load, backend, dtype, entropy, p), exact, rtol=4 * eps, atol=0)
    found = on(load, backend, dtype, kl_divergence, p, q)
    np.testing.assert_allclose(found[:2], [np.log(2) / 2, np.log(2)], rtol=4 * eps)
    assert found[2] == np.inf, "q excludes what p allows"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_copy_tells_everything_and_the_independent_nothing(load, backend, dtype):
    tables = [np.diag([0.5, 0.25, 0.25]), np.outer([0.5, 0.25, 0.25], [0.125, 0.375, 0.5])]
    found = on(load, backend, dtype, mutual_information, tables)
    eps = np.finfo(dtype).eps
    # 1.5 log 2 is the entropy of the diagonal; products of these dyadic numbers are exact.
    np.testing.assert_allclose(found, [1.5 * np.log(2), 0.0], rtol=4 * eps, atol=4 * eps)


@given(COUNTS)
def test_laws_of_entropy_and_divergence_hold(xp, counts):
    p = np.array(counts, dtype=float) + np.array([1, 0, 0, 0])
    p /= p.sum(axis=1, keepdims=True)
    h, d = entropy(xp, p), kl_divergence(xp, p, np.full(p.shape, 1 / 4))
    assert (h >= -4 * EPS).all()
    assert (h <= np.log(4) + 4 * EPS).all()
    # Against the uniform distribution, D = log n - H.
    np.testing.assert_allclose(d, np.log(4) - h, rtol=0, atol=16 * EPS)
    # The information of variables is at most the entropy of either (Cover & Thomas, section 2.4).
    table = p / p.sum()
    (i,) = mutual_information(xp, table[np.newaxis])
    assert -16 * EPS <= i <= min(entropy(xp, np.stack([table.sum(axis=0)]))) + 16 * EPS


def test_the_oracles_agree_with_scipy_and_scikit_learn():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 30, (2, 6, 5))
    p, q = (c / c.sum(axis=1, keepdims=True) for c in counts)
    np.testing.assert_allclose(entropy_reference(p)[0], scipy.stats.entropy(p, axis=1), rtol=1e-13)
    np.testing.assert_allclose(
        divergence_reference(p, q)[0], scipy.stats.entropy(p, q, axis=1), rtol=1e-12
    )
    tables = counts / counts.sum(axis=(1, 2), keepdims=True)
    scores = [mutual_info_score(None, None, contingency=table) for table in counts]
    np.testing.assert_allclose(joint_reference(tables)[0], scores, rtol=1e-10)


def test_informations_fall_to_those_of_nearly_independent_variables():
    (p,) = joint_inputs(np.random.default_rng(0), 8, 16, 16)
    (informations,) = joint_reference(p)
    assert informations[0] > 0.1
    # Lognormal noise of deviation s leaves about s^2 / 2.
    assert informations[-1] < 1e-4
