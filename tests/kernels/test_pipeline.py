"""The chain from raw data to a score is scikit-learn's, stage by stage, on its own data sets."""

import sys

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from xpbench import Unsupported
from xpbench.kernels import pipeline
from xpbench.kernels.pipeline import inputs

SIZES = ("small", "breast_cancer", "digits")
BACKENDS = ("numpy", "torch", "jax")


def crossed_columns(left, right):
    return left[left == right]


def scikit_learn(left, right, penalty, d):
    """The same chain, from imputing to the classifier."""
    products = PolynomialFeatures(degree=(2, 2), include_bias=False)
    expand = ColumnTransformer(
        [("all", "passthrough", np.arange(d)), ("products", products, crossed_columns(left, right))]
    )
    classifier = RidgeClassifier(alpha=float(penalty), solver="svd")
    return make_pipeline(SimpleImputer(), StandardScaler(), expand, classifier)


def theirs(trial):
    """The fitted chain of scikit-learn, in float64, and its four outputs in the kernel's shapes."""
    x, y, permutation, left, right, penalty = trial.data.exact_inputs
    n = trial.static["train"]
    x, y = x[permutation], y[permutation]
    chain = scikit_learn(left, right, penalty, x.shape[1]).fit(x[:n], y[:n])
    w, b = fit_of(chain)
    s = chain.decision_function(x[n:])
    s = both_signs(s) if s.ndim == 1 else s
    return chain, [w, b, s, np.asarray(chain.score(x[n:], y[n:]))]


def both_signs(column):
    """Of two classes scikit-learn keeps the second only: (..., 2) of (...) or (..., 1)."""
    column = np.squeeze(column)
    return np.stack([-column, column], axis=-1)


def fit_of(chain):
    w, b = chain[-1].coef_.T, np.atleast_1d(chain[-1].intercept_)
    return (both_signs(w), both_signs(b)) if b.size == 1 else (w, b)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_stage_is_that_of_scikit_learn(draw, load, dtype, backend, size):
    """To within what the dtype allows of a stage whose inputs are those of scikit-learn.

    A sum of n terms errs by at most n eps / 2 of the sum of their sizes (Higham, Accuracy and Stability
    of Numerical Algorithms, 2nd ed., section 4.2), a single operation by eps / 2: n + 2 and 2 eps
    admit both and the other's own rounding.
    """
    trial = draw("pipeline", dtype, preset=size)
    backend = load(backend, dtype)
    xp, put, fetch = backend.xp, backend.put, backend.fetch
    x, y, permutation, left, right, penalty = trial.inputs
    n, classes = trial.static["train"], trial.static["classes"]
    chain, (_, _, decisions, _) = theirs(trial)
    impute, scale, expand = chain[0], chain[1], chain[2]
    eps = np.finfo(dtype).eps
    rows = x[permutation].astype(np.float64)

    size_of = np.nanmean(np.abs(rows[:n]), axis=0)
    fill = fetch(pipeline.fills(xp, put(x[permutation][:n])))
    assert fill.dtype == dtype
    assert np.all(np.abs(fill - impute.statistics_) <= (n + 2) * eps * size_of)

    full = impute.transform(rows).astype(dtype)
    filled = fetch(pipeline.imputed(xp, put(x[permutation]), put(impute.statistics_.astype(dtype))))
    np.testing.assert_array_equal(filled, full)

    mean, deviation = map(fetch, pipeline.moments(xp, put(full[:n])))
    again = StandardScaler().fit(full[:n].astype(np.float64))
    assert np.all(np.abs(mean - again.mean_) <= (n + 2) * eps * size_of)
    lost = (n + 2) * eps * (1 + size_of / again.scale_)
    assert np.all(np.abs(deviation / again.scale_ - 1) <= lost)

    z = scale.transform(impute.transform(rows)).astype(dtype)
    f = fetch(pipeline.expanded(xp, put(z), put(left), put(right)))
    np.testing.assert_allclose(f, expand.transform(z.astype(np.float64)), rtol=2 * eps, atol=0)

    f64 = expand.transform(scale.transform(impute.transform(rows)))
    targets = pipeline.signs(xp, put(y[permutation][:n]), classes, put(x).dtype)
    w, b = map(fetch, pipeline.fitted(xp, put(f64[:n].astype(dtype)), targets, put(penalty)))
    centred = f64[:n] - f64[:n].mean(axis=0)
    condition = np.linalg.cond(centred.T @ centred + penalty * np.eye(f64.shape[1]))
    lost = condition * n * eps
    w64, b64 = fit_of(chain)
    error = np.linalg.norm(w - w64)
    assert error <= lost * np.linalg.norm(w64)
    moved = error * np.linalg.norm(f64[:n].mean(axis=0)) + n * eps
    assert np.max(np.abs(b - b64)) <= moved

    share = fetch(pipeline.accuracy(xp, put(decisions.astype(dtype)), put(y[permutation][n:])))
    right_share = chain.score(rows[n:], y[permutation][n:])
    assert abs(share - right_share) <= 2 * eps * right_share
    assert right_share > 0.7


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scikit_learns_outputs_agree_in_the_kernels_measure(draw, dtype, size):
    trial = draw("pipeline", dtype, preset=size)
    _, outputs = theirs(trial)
    found = trial.judge([output.astype(dtype) for output in outputs])
    assert found.agrees, found.reason


@pytest.mark.parametrize("size", SIZES)
def test_the_oracle_is_scikit_learns(draw, size):
    trial = draw("pipeline", "float64", preset=size)
    _, outputs = theirs(trial)
    for exact, output in zip(trial.data.reference, outputs, strict=True):
        np.testing.assert_allclose(exact, output, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", ["breast_cancer", "digits"])
def test_float32_decides_real_data_as_scikit_learn_does_in_float64(draw, backend, size):
    """Coefficients agree to 20,000 eps, decisions to a thousandth, and so does every label."""
    trial = draw("pipeline", "float32", preset=size)
    w, _, s, share = trial.on(backend)
    _, (w64, _, s64, share64) = theirs(trial)
    assert np.linalg.norm(w - w64) <= 2e4 * np.finfo(np.float32).eps * np.linalg.norm(w64)
    np.testing.assert_allclose(s, s64, atol=1e-3)
    np.testing.assert_array_equal(s.argmax(axis=1), s64.argmax(axis=1))
    np.testing.assert_allclose(share, share64, rtol=2 * np.finfo(np.float32).eps)
    assert share > 0.9


def test_test_rows_have_no_part_in_the_fit(draw, xp):
    trial = draw("pipeline", "float64", preset="small")
    x, y, permutation, *rest = trial.inputs
    other = permutation[trial.static["train"] :]
    x_changed, y_changed = x.copy(), y.copy()
    x_changed[other], y_changed[other] = 1e3 * x[other] + 7, 1 - y[other]
    before = trial.compute(xp)
    after = trial.compute(xp, [x_changed, y_changed, permutation, *rest])
    for fitted, again in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(fitted, again)
    assert not np.array_equal(before[2], after[2])


@pytest.mark.parametrize("size", SIZES)
def test_coefficients_of_all_classes_cancel_as_their_targets_do(draw, xp, size):
    """The targets of a row sum to 2 - classes, whatever its class."""
    trial = draw("pipeline", "float64", preset=size)
    w, b, s, _ = trial.compute(xp)
    classes = trial.static["classes"]
    np.testing.assert_allclose(w.sum(axis=1), 0, atol=1e-11 * np.max(np.abs(w)))
    np.testing.assert_allclose(b.sum(), 2 - classes, atol=1e-11)
    np.testing.assert_allclose(s.sum(axis=1), 2 - classes, atol=1e-10)


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_real_data_say_how_to_get_them_and_of_which_size_they_are(draw, monkeypatch, name):
    size = dict(draw("pipeline", preset=name).size)
    with pytest.raises(Unsupported, match=f"the {name} data are n={size['n']}"):
        inputs(np.random.default_rng(0), **{**size, "n": size["n"] + 1})
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(Unsupported, match="pip install scikit-learn"):
        inputs(np.random.default_rng(0), **size)
