"""Kernels and their components are scikit-learn's, and what the theory of kernels says of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.kernels.kernel_methods import (
    centred_kernel,
    kernel_pca,
    pca_inputs,
    pca_reference,
    rbf_kernel,
)

EPS = np.finfo(np.float64).eps
SIZES = [{"n": 24, "d": 6, "k": 2}, {"n": 4, "d": 3, "k": 3}, {"n": 200, "d": 8, "k": 3}]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gaussian_kernel_of_scikit_learn_agrees(draw, dtype):
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    trial = draw("rbf_kernel", dtype, n=60, m=40, d=5)
    x, y, gamma = trial.data.exact_inputs
    found = trial.judge([pairwise.rbf_kernel(x, y, gamma=float(gamma)).astype(dtype)])
    # It leaves distances below zero as they are.
    assert found.errors["entries"][0] <= found.errors["entries"][1]
    np.testing.assert_allclose(
        trial.data.reference[0], pairwise.rbf_kernel(x, y, gamma=float(gamma)), rtol=20 * EPS
    )


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("offset", [1e2, 1e3])
def test_digits_cancel_by_the_square_of_the_distance_from_the_origin(load, backend, offset):
    """An exponent errs by eps g |x|^2, which centring the data avoids."""
    library = load(backend, "float64")
    rng = np.random.default_rng(0)
    x, gamma = rng.standard_normal((40, 6)), np.asarray(1 / 6)

    def kernel(x):
        return library.fetch(rbf_kernel(library.xp, *map(library.put, (x, x, gamma))))

    lost = np.max(np.abs(np.log(kernel(x + offset)) - np.log(kernel(x))))
    scale = EPS * offset**2
    assert scale / 20 < lost < 20 * scale


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(0.01, 10))
def test_a_gaussian_kernel_is_symmetric_positive_and_bounded(xp, n, d, seed, gamma):
    """With all eigenvalues at zero or above: Schoelkopf & Smola, theorem 2.18."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    kernel = rbf_kernel(xp, x, x, np.asarray(gamma))
    assert np.max(kernel) <= 1
    assert np.min(kernel) > 0
    scale = 1 + gamma * np.max(np.sum(x**2, axis=1))
    np.testing.assert_allclose(np.diagonal(kernel), 1, atol=8 * d * EPS * scale)
    np.testing.assert_allclose(kernel, kernel.T, atol=8 * d * EPS * scale)
    assert np.linalg.eigvalsh(kernel)[0] > -8 * n * d * EPS * scale


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_oracle_is_scikit_learns_kernel_pca(size):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x, gamma = pca_inputs(np.random.default_rng(0), **size)
    values, t = pca_reference(x, gamma, size["k"])
    theirs = decomposition.KernelPCA(
        n_components=size["k"], kernel="rbf", gamma=float(gamma), eigen_solver="dense"
    ).fit(x)
    signs = np.sign(np.sum(t * (theirs.eigenvectors_ * np.sqrt(theirs.eigenvalues_)), axis=0))
    # A vector turns by the backward error of the decomposition over its gap (Davis & Kahan).
    backward = 10 * np.sqrt(size["n"]) * EPS * values[0]
    every = np.append(values, 0 if size["n"] == size["k"] + 1 else np.min(values) / 2)
    turn = backward / np.min(-np.diff(every))
    assert turn < 1e-10
    np.testing.assert_allclose(values, theirs.eigenvalues_, rtol=0, atol=backward)
    np.testing.assert_allclose(t, theirs.fit_transform(x) * signs, atol=turn * np.sqrt(values[0]))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scikit_learns_components_agree_in_the_kernels_measure(draw, dtype, size):
    decomposition = pytest.importorskip("sklearn.decomposition")
    trial = draw("kernel_pca", dtype, **size)
    x, gamma = trial.data.exact_inputs
    theirs = decomposition.KernelPCA(
        n_components=size["k"], kernel="rbf", gamma=float(gamma), eigen_solver="dense"
    )
    t = theirs.fit_transform(x)
    found = trial.judge([theirs.eigenvalues_.astype(dtype), t.astype(dtype)])
    assert found.agrees, found.reason


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_the_last_component_stands_clear_of_the_next(seed, size):
    x, gamma = pca_inputs(np.random.default_rng(seed), **size)
    values, k = np.linalg.eigvalsh(centred_kernel(x, gamma))[::-1], size["k"]
    assert values[k - 1] - values[k] > values[0] / 8


def test_projections_keep_the_distances_of_the_kernels_space(xp):
    """All n - 1 of them: |t_i - t_j|^2 = K_ii + K_jj - 2 K_ij (Schoelkopf & Smola, section 14.2)."""
    x, gamma = pca_inputs(np.random.default_rng(3), n=12, d=4, k=11)
    _, t = kernel_pca(xp, x, gamma, k=11)
    distances = np.sum((t[:, None, :] - t) ** 2, axis=2)
    kernel = np.exp(-gamma * np.sum((x[:, None, :] - x) ** 2, axis=2))
    np.testing.assert_allclose(distances, 2 - 2 * kernel, atol=200 * EPS)


def test_projections_that_change_their_sign_agree(draw, xp):
    trial = draw("kernel_pca", "float64", **SIZES[0])
    values, t = trial.compute(xp)
    t[:, 1] *= -1
    found = trial.judge([values, t])
    assert found.agrees, found.reason
