"""Conditional probabilities against exact rational arithmetic and another way to Bayes' theorem."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.naive_bayes import BernoulliNB

from xpbench.kernels.bayes import (
    bayes_posterior,
    conditional_probability,
    evidence_inputs,
    evidence_reference,
    joint_inputs,
    joint_reference,
)

EPS = np.finfo(np.float64).eps


def test_the_oracle_of_conditionals_is_the_nearest_to_the_exact_quotient():
    (p,) = joint_inputs(np.random.default_rng(0), 5, 7)
    given_a, given_b = joint_reference(p)
    exact = [[Fraction(float(entry)) for entry in row] for row in p]
    for i, row in enumerate(exact):
        for j, entry in enumerate(row):
            assert given_a[i, j] == float(entry / sum(row))
            assert given_b[i, j] == float(entry / sum(other[j] for other in exact))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (200, 300)])
def test_the_table_and_its_sums_are_exact_in_float32(shape):
    (p,) = joint_inputs(np.random.default_rng(1), *shape)
    narrow = p.astype(np.float32)
    np.testing.assert_array_equal(narrow, p)
    assert p.min() > 0
    assert p.sum() == 1
    for axis in (0, 1):
        np.testing.assert_array_equal(np.cumsum(narrow, axis=axis), np.cumsum(p, axis=axis))


def test_conditionals_times_marginals_are_the_joint_table(xp):
    """Bayes' theorem itself: p(b | a) p(a) = p(a | b) p(b)."""
    (p,) = joint_inputs(np.random.default_rng(2), 20, 30)
    given_a, given_b = conditional_probability(xp, p)
    one, other = given_a * p.sum(axis=1, keepdims=True), given_b * p.sum(axis=0, keepdims=True)
    np.testing.assert_allclose(one, other, rtol=4 * EPS)


def test_evidence_taken_one_item_at_a_time_gives_the_same_posterior(xp):
    """The posterior after an item is the prior of the next."""
    x, prior, log_true, log_false = evidence_inputs(np.random.default_rng(3), 10, 6, 4)
    whole, _ = bayes_posterior(xp, x, prior, log_true, log_false)
    for case, final in zip(x, whole, strict=True):
        log = prior
        for j, item in enumerate(case):
            step, _ = bayes_posterior(xp, item[None, None], log, log_true[[j]], log_false[[j]])
            log = step[0]
        np.testing.assert_allclose(final, log, rtol=0, atol=100 * EPS)


def test_the_oracle_agrees_with_scikit_learns_naive_bayes():
    x, prior, log_true, log_false = evidence_inputs(np.random.default_rng(4), 50, 8, 3)
    model = BernoulliNB()
    model.classes_, model.n_features_in_ = np.arange(3), 8
    model.class_log_prior_, model.feature_log_prob_ = prior, log_true.T
    posterior, evidence = evidence_reference(x, prior, log_true, log_false)
    np.testing.assert_allclose(posterior, model.predict_log_proba(x), rtol=1e-11)
    joint = model.predict_joint_log_proba(x)
    np.testing.assert_allclose(np.logaddexp.reduce(joint, axis=1), evidence, rtol=1e-12)


def test_cases_are_uncertain_enough_for_every_term_to_count():
    """A posterior of 1 would hide what the other hypotheses contribute."""
    inputs = evidence_inputs(np.random.default_rng(5), 200, 256, 64)
    best = np.exp(evidence_reference(*inputs)[0].max(axis=1))
    assert np.median(best) < 0.9
