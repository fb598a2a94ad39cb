"""Stationary distributions against eigenvectors and closed forms; transitions against their chances."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from xpbench.kernels.markov_chains import (
    UNIT,
    markov_simulation,
    markov_stationary,
    simulation_inputs,
    stationary_reference,
    transitions,
)

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("n", [2, 16, 60])
def test_the_oracle_is_the_left_eigenvector_of_one(n):
    p = transitions(np.random.default_rng(n), n)
    values, vectors = scipy.linalg.eig(p, left=True, right=False)
    exact = vectors[:, np.argmin(abs(values - 1))].real
    np.testing.assert_allclose(stationary_reference(p)[0], exact / exact.sum(), rtol=1e-10)


def test_the_oracle_knows_exact_fractions_of_a_chain_that_hardly_moves():
    """Two states with chances of 2^-20 and 3 2^-20 to leave: 3/4 and 1/4, to the last digit."""
    p = np.array([[1 - UNIT, UNIT], [3 * UNIT, 1 - 3 * UNIT]])
    exact = Fraction(3, 4), Fraction(1, 4)
    np.testing.assert_allclose(stationary_reference(p)[0], list(map(float, exact)), rtol=2 * EPS)


@pytest.mark.parametrize("n", [2, 100])
def test_probabilities_and_their_sums_are_exact_in_float32(n):
    p = transitions(np.random.default_rng(1), n)
    narrow = p.astype(np.float32)
    np.testing.assert_array_equal(narrow, p)
    np.testing.assert_array_equal(np.cumsum(narrow, axis=1), np.cumsum(p, axis=1))
    np.testing.assert_array_equal(p.sum(axis=1), 1)


def test_a_reversible_walk_stays_as_its_degrees(xp):
    """A random walk on a graph is where it is in proportion to the number of edges there."""
    edges = np.array([[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 0]], dtype=float)
    degrees = edges.sum(axis=1)
    pi = markov_stationary(xp, edges / degrees[:, None])
    np.testing.assert_allclose(pi, degrees / degrees.sum(), rtol=20 * EPS)


def test_transitions_have_the_chances_of_their_rows(xp):
    """Anderson & Goodman's chi-square, row by row; visits would not be independent."""
    p, start, uniforms = simulation_inputs(np.random.default_rng(2), 6, 500, 60)
    counts, last = markov_simulation(xp, p, start, uniforms)
    assert counts.sum() == uniforms.size
    assert last.shape == start.shape
    for row, chances in zip(counts, p, strict=True):
        assert (chances * row.sum()).min() > 5
        # Six rows, and one false alarm in a thousand.
        assert scipy.stats.chisquare(row, chances * row.sum()).pvalue > 1e-3 / 6


def test_long_runs_visit_states_as_the_stationary_distribution_says(xp):
    p, start, uniforms = simulation_inputs(np.random.default_rng(3), 5, 4000, 80)
    _, last = markov_simulation(xp, p, start, uniforms)
    pi = markov_stationary(xp, p)
    # Last states of runs are independent.
    seen = np.bincount(last, minlength=5)
    assert scipy.stats.chisquare(seen, pi * len(last)).pvalue > 1e-3
