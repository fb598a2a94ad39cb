"""Scores of classifiers against scikit-learn, with classes that never occur, and laws of the curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from xpbench.kernels.classification_metrics import (
    classification_metrics,
    confusion_matrix,
    confusion_reference,
    metrics_inputs,
    metrics_reference,
    roc_auc,
    scored_inputs,
    scored_reference,
)

EPS = np.finfo(np.float64).eps
BACKENDS = ("numpy", "torch", "jax", "array-api-strict")
K = 9


def test_the_oracles_agree_with_scikit_learn():
    truth, predicted, weights = metrics_inputs(np.random.default_rng(0), 500, K)
    classes = np.arange(K)
    assert np.bincount(truth, minlength=K).min() == 0
    assert np.bincount(predicted, minlength=K).min() == 0
    exact = metrics.confusion_matrix(truth, predicted, labels=classes)
    np.testing.assert_array_equal(confusion_reference(truth, predicted, K)[0], exact)
    found = metrics_reference(truth, predicted, weights, K)
    parts = metrics.precision_recall_fscore_support(
        truth, predicted, labels=classes, sample_weight=weights, zero_division=0
    )
    accuracy = metrics.accuracy_score(truth, predicted, sample_weight=weights)
    for one, other in zip(found, (accuracy, *parts[:3]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    scores, labels = scored_inputs(np.random.default_rng(1), 400)
    assert len(np.unique(scores)) < 300, "some are tied"
    assert scored_reference(scores, labels)[0] == pytest.approx(metrics.roc_auc_score(labels, scores))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_classes_that_do_not_occur_score_zero(load, backend, dtype):
    library = load(backend, dtype)
    truth, predicted, weights = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 1]), np.ones(4, dtype)
    put = [library.put(array) for array in (truth, predicted, weights)]
    counts = library.fetch(confusion_matrix(library.xp, *put[:2], k=4))
    np.testing.assert_array_equal(counts, [[1, 0, 1, 0], [0] * 4, [0, 1, 1, 0], [0] * 4])
    found = [library.fetch(x) for x in classification_metrics(library.xp, *put, k=4)]
    assert found[0] == 0.5
    np.testing.assert_array_equal(found[1], [1, 0, 0.5, 0])
    np.testing.assert_array_equal(found[2], [0.5, 0, 0.5, 0])
    np.testing.assert_allclose(found[3], [2 / 3, 0, 0.5, 0], rtol=2 * np.finfo(dtype).eps)


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1)), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(xp, samples):
    scores, labels = (np.array(column, dtype=float) for column in zip(*samples, strict=True))
    if labels.min() == labels.max():
        labels[0] = 1 - labels[0]
    a, b = scores[labels == 1][:, None], scores[labels == 0]
    area = roc_auc(xp, scores, labels)
    np.testing.assert_allclose(area, np.mean((a > b) + (a == b) / 2), rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(roc_auc(xp, -scores, labels), 1 - area, rtol=0, atol=8 * EPS)
    # Only the order of scores counts.
    np.testing.assert_allclose(roc_auc(xp, np.exp(scores), labels), area, rtol=4 * EPS)
