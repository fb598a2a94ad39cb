"""Components, variances and scores are those of scikit-learn, up to signs."""

import sys

import numpy as np
import pytest

from xpbench import Unsupported
from xpbench.kernels.principal_components import inputs, pca, pca_eigh

SIZES = [
    {"n": 64, "d": 8, "k": 2},
    {"n": 40, "d": 60, "k": 3},
    {"n": 1797, "d": 64, "k": 10, "digits": 1},
]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_oracle_is_scikit_learns(draw, size):
    decomposition = pytest.importorskip("sklearn.decomposition")
    trial = draw("pca", "float64", **size)
    x, k = trial.data.exact_inputs[0], size["k"]
    components, variances, scores = trial.kernel.reference(x, k)
    theirs = decomposition.PCA(n_components=k, svd_solver="full").fit(x)
    signs = np.sign(np.sum(components * theirs.components_, axis=1))

    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    # A vector turns by the backward error of the decomposition over its gap (Wedin).
    backward = 50 * np.finfo(np.float64).eps * s[0] * np.sqrt(max(x.shape))
    turn = backward / np.min(s[:k] - s[1 : k + 1])
    assert turn < 1e-10
    np.testing.assert_allclose(variances, theirs.explained_variance_, rtol=2 * backward / s[k - 1])
    np.testing.assert_allclose(components, theirs.components_ * signs[:, np.newaxis], atol=turn)
    np.testing.assert_allclose(scores, theirs.transform(x) * signs, atol=turn * s[0])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scikit_learns_results_agree_in_the_kernels_measure(draw, dtype, size):
    decomposition = pytest.importorskip("sklearn.decomposition")
    trial = draw("pca", dtype, **size)
    x = trial.inputs[0]
    theirs = decomposition.PCA(n_components=size["k"], svd_solver="full").fit(x)
    # Its transform takes the product with the mean off that with the data: a hundred deviations from
    # the origin that costs two digits.
    scores = (x - theirs.mean_) @ theirs.components_.T
    outputs = [theirs.components_, theirs.explained_variance_, scores]
    found = trial.judge([output.astype(dtype) for output in outputs])
    assert found.agrees, found.reason


@pytest.mark.parametrize("kernel", ["pca", "pca_eigh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_components_and_scores_that_change_signs_together_agree(draw, xp, dtype, kernel):
    trial = draw(kernel, dtype, n=64, d=8, k=3)
    w, v, t = trial.compute(xp)
    w[1, :] *= -1
    t[:, 1] *= -1
    found = trial.judge([w, v, t])
    assert found.agrees, found.reason


@pytest.mark.parametrize("n, d, k", [(64, 8, 2), (1024, 64, 8), (512, 128, 8), (1024, 256, 4)])
@pytest.mark.parametrize("seed", range(5))
def test_the_inputs_have_a_clear_gap_after_the_last_component(n, d, k, seed):
    (x,) = inputs(np.random.default_rng(seed), n, d, k)
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert s[k - 1] - s[k] > s[0] / 8


def test_without_scikit_learn_the_digits_say_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(Unsupported, match="pip install scikit-learn"):
        inputs(np.random.default_rng(0), n=1797, d=64, k=10, digits=1)


def test_digits_of_another_size_are_refused_by_name():
    pytest.importorskip("sklearn")
    with pytest.raises(Unsupported, match="n=1797,d=64, not n=100,d=64"):
        inputs(np.random.default_rng(0), n=100, d=64, k=10, digits=1)


@pytest.mark.parametrize("size", [SIZES[0], SIZES[2]], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scikit_learns_covariance_solver_agrees_in_the_measure_of_pca_eigh(draw, dtype, size):
    decomposition = pytest.importorskip("sklearn.decomposition")
    trial = draw("pca_eigh", dtype, **size)
    x = trial.inputs[0]
    theirs = decomposition.PCA(n_components=size["k"], svd_solver="covariance_eigh").fit(x)
    outputs = [theirs.components_, theirs.explained_variance_, theirs.transform(x)]
    # It multiplies first and subtracts the mean's square, which loses digits that centring keeps.
    centred = x - x.mean(axis=0)
    lost = np.linalg.norm(x.mean(axis=0)) ** 2 * len(x) / np.linalg.norm(centred, 2) ** 2
    found = trial.judge([output.astype(dtype) for output in outputs])
    for pair in ("subspace", "variances", "orthogonality", "residual"):
        value, limit = found.errors[pair]
        assert value <= limit * (1 + lost), pair


@pytest.mark.parametrize("ratio", [1e3, 1e4, 1e5])
def test_the_covariance_loses_small_variances_to_the_square_of_what_the_svd_does(xp, ratio):
    """Relative to themselves they err by eps (s_1 / s_k)^2 (Golub & Van Loan, section 8.6.3)."""
    rng = np.random.default_rng(0)
    n, d, eps = 500, 4, np.finfo(np.float64).eps
    left = rng.standard_normal((n, d))
    left = np.linalg.qr(left - left.mean(axis=0)).Q
    s = np.geomspace(1, 1 / ratio, d)
    x = (left * s) @ np.linalg.qr(rng.standard_normal((d, d))).Q
    exact = s**2 / (n - 1)
    loss = {kernel: np.abs(kernel(xp, x, k=d)[1] / exact - 1)[-1] for kernel in (pca, pca_eigh)}
    assert loss[pca] < 20 * eps * ratio
    assert eps * ratio**2 / 100 < loss[pca_eigh] < 20 * eps * ratio**2


def test_both_ways_to_the_components_agree_with_each_other(draw, xp):
    trial = draw("pca_eigh", "float64", n=300, d=20, k=4)
    found = trial.judge(trial.compute(xp, compute=pca))
    assert found.agrees, found.reason
