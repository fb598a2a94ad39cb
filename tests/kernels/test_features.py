"""Features are those of scikit-learn, in its order, and the best are those its F test chooses."""

import numpy as np
import pytest
import scipy.stats
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.preprocessing import PolynomialFeatures

from xpbench import Unsupported
from xpbench.kernels.features import (
    MARGIN,
    labelled_inputs,
    polynomial_features,
    scores_of,
    select_k_best,
)

BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
DTYPES = ("float32", "float64")


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_are_those_of_scikit_learn_in_its_order(draw, name, dtype):
    trial = draw("polynomial_features", dtype, preset="small")
    (x,) = trial.inputs
    (f,) = trial.on(name)
    theirs = PolynomialFeatures(degree=2).fit_transform(x.astype(np.float64))
    np.testing.assert_array_equal(f, theirs.astype(dtype))
    np.testing.assert_array_equal(trial.data.reference[0], theirs)


def test_products_of_powers_of_two_tell_their_columns(xp):
    """A feature is 2 to the sum of the exponents that scikit-learn lists for it."""
    exponents = np.array([1, 10, 100, 1000])
    f = polynomial_features(xp, np.ldexp(np.ones((1, 4)), exponents // 10))
    powers = PolynomialFeatures(degree=2).fit(np.ones((1, 4))).powers_
    np.testing.assert_array_equal(np.log2(f[0]), powers @ (exponents // 10))


@pytest.mark.parametrize("size", ["small", "medium"])
def test_scores_and_choice_are_those_of_scikit_learn(draw, size):
    """Its sums of squares cancel: with means within three deviations some 100 eps of the largest."""
    trial = draw("select_k_best", "float64", preset=size)
    x, y = trial.inputs
    k = trial.static["k"]
    # What is constant is 0 / 0 there, or whatever its sums are rounded to.
    varied = np.ptp(x, axis=0) > 0
    chooser = SelectKBest(f_classif, k=k).fit(x[:, varied], y)
    scores, values, best = trial.data.reference
    assert scores[~varied] == 0
    lost = 1e3 * len(x) ** 0.5 * np.finfo(np.float64).eps
    np.testing.assert_allclose(scores[varied], chooser.scores_, rtol=lost, atol=10 * lost)
    np.testing.assert_array_equal(np.flatnonzero(varied)[chooser.get_support()], best)
    np.testing.assert_array_equal(values, scores[best])


def test_scores_are_those_of_scipys_analysis_of_variance(draw):
    trial = draw("select_k_best", "float64", preset="small")
    x, y = trial.inputs
    varied = np.ptp(x, axis=0) > 0
    classes = trial.static["classes"]
    theirs = scipy.stats.f_oneway(*(x[y == c][:, varied] for c in range(classes))).statistic
    np.testing.assert_allclose(trial.data.reference[0][varied], theirs, rtol=1e-11)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_score_of_two_classes_is_the_square_of_students_t(draw, name):
    trial = draw("select_k_best", "float64", n=60, d=5, classes=2, k=2)
    x, y = trial.inputs
    scores, _, _ = trial.on(name)
    t = scipy.stats.ttest_ind(x[y == 0, :4], x[y == 1, :4]).statistic
    np.testing.assert_allclose(scores[:4], t**2, rtol=1e-10)
    assert scores[4] == 0  # constant


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_features_score_0_and_those_constant_in_every_class_alone_without_end(
    load, name, dtype
):
    y = np.arange(12) % 3
    x = np.stack([np.full(12, 0.1), 2.0**y, np.sin(np.arange(12)), np.full(12, -1e6 / 3)], axis=1)
    x[:, 1] += 8
    backend = load(name, dtype)
    put = [backend.put(x.astype(dtype)), backend.put(y)]
    compute = backend.compile(lambda *given: select_k_best(backend.xp, *given, classes=3, k=2))
    with np.errstate(divide="ignore"):
        scores, values, best = map(backend.fetch, compute(*put))
    np.testing.assert_array_equal(scores[[0, 3]], 0)
    assert scores[1] > 1 / np.finfo(dtype).eps
    np.testing.assert_array_equal(best, [1, 2])
    np.testing.assert_array_equal(values, scores[best])


def test_scores_do_not_depend_on_origin_and_unit(xp):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)), np.arange(50) % 3
    scores, _, best = select_k_best(xp, x, y, classes=3, k=2)
    moved, _, again = select_k_best(xp, 3 - 1e3 * x, y, classes=3, k=2)
    np.testing.assert_allclose(moved, scores, rtol=1e-11)
    np.testing.assert_array_equal(again, best)


@pytest.mark.parametrize("seed", range(5))
def test_inputs_leave_a_margin_between_the_best_and_the_rest(seed):
    x, y = labelled_inputs(np.random.default_rng(seed), 40, 12, 4, 5)
    ordered = np.sort(scores_of(x, y, 4))
    assert ordered[-5] >= MARGIN * ordered[-6] > 0
    assert np.unique(y).size == 4
    assert np.ptp(x[:, -1]) == 0


def test_what_cannot_be_scored_or_told_apart_is_declined():
    rng = np.random.default_rng(0)
    with pytest.raises(Unsupported, match="n=3,classes=3"):
        labelled_inputs(rng, 3, 4, 3, 2)
    with pytest.raises(Unsupported, match="of d=4 features"):
        labelled_inputs(rng, 30, 4, 3, 5)
    with pytest.raises(Unsupported, match="never stood out"):
        labelled_inputs(rng, 12, 400, 2, 200)


def test_p_values_of_features_without_effect_are_uniform():
    """The degrees of freedom are right: 5,000 scores of noise follow F(C - 1, n - C).

    A Kolmogorov-Smirnov test at a fixed seed, of a false-alarm rate of one in ten thousand.
    """
    rng = np.random.default_rng(1)
    n, classes = 30, 4
    law = scipy.stats.f(classes - 1, n - classes).cdf
    scores = scores_of(rng.standard_normal((n, 5000)), np.arange(n) % classes, classes)
    assert scipy.stats.kstest(scores, law).pvalue > 1e-4
    assert scipy.stats.kstest(scores * n / (n - classes), law).pvalue < 1e-4
