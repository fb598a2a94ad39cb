"""What measures are written with, against arithmetic done otherwise."""

import math

import numpy as np
import pytest

from xpbench.bench import measures


def test_no_error_over_no_scale_is_none():
    assert measures.largest_ratio(np.zeros(3), np.zeros(3)) == 0
    assert measures.largest_ratio(np.array([0.0, 1e-300]), np.zeros(2)) == math.inf
    assert measures.largest_ratio(np.array([-3.0, 1.0]), 2.0) == 1.5
    assert measures.largest_ratio(np.zeros(0), 1.0) == 0
    assert math.isnan(measures.largest_ratio(np.array([np.nan, 1.0]), 1.0))


def test_orthogonality_is_the_largest_entry_of_the_deviation():
    q = np.eye(4, 3)
    assert measures.orthogonality(q) == 0
    q[0, 1] = 1e-3
    assert measures.orthogonality(q) == 1e-3


def test_epsilon_is_that_of_the_first_floating_output():
    arrays = [np.arange(3), np.ones(3, np.float32), np.ones(3)]
    assert measures.epsilon(arrays) == 2.0**-23
    with pytest.raises(ValueError, match="floating"):
        measures.epsilon(arrays[:1])


@pytest.mark.parametrize("shape", [(4, 4), (64, 64), (300, 20), (20, 300)])
def test_the_spectral_norm_is_found_from_below_to_some_percent(shape):
    for seed in range(5):
        a = np.random.default_rng(seed).standard_normal(shape)
        exact = np.linalg.norm(a, 2)
        assert 0.9 * exact <= measures.spectral_norm(a) <= exact * (1 + 1e-12)


def test_the_spectral_norm_of_nothing_is_zero():
    assert measures.spectral_norm(np.zeros((3, 2))) == 0
