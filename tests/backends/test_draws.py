"""Random draws: the same for the same key, others for others, and from the right distribution."""

import numpy as np
import pytest

from xpbench.bench.draws import DISTRIBUTIONS, Draws
from xpbench.bench.exceptions import Unsupported

KEY = np.array([3, 1], np.uint32)
SHAPE = (40, 50)

DRAW = {
    "uniform": lambda xp, key, x: xp.random.uniform(key, SHAPE, x.dtype),
    "normal": lambda xp, key, x: xp.random.normal(key, SHAPE, x.dtype),
    "exponential": lambda xp, key, x: xp.random.exponential(key, SHAPE, x.dtype),
    "bernoulli": lambda xp, key, x: xp.random.bernoulli(key, 0.3, SHAPE),
    "poisson": lambda xp, key, x: xp.random.poisson(key, 3.5, SHAPE),
    "binomial": lambda xp, key, x: xp.random.binomial(key, 20, 0.3, SHAPE),
}
MEAN_AND_VARIANCE = {
    "uniform": (1 / 2, 1 / 12),
    "normal": (0, 1),
    "exponential": (1, 1),
    "bernoulli": (0.3, 0.3 * 0.7),
    "poisson": (3.5, 3.5),
    "binomial": (20 * 0.3, 20 * 0.3 * 0.7),
}
FOURTH_MOMENT = {
    "uniform": 1 / 80,
    "normal": 3,
    "exponential": 9,
    "bernoulli": 0.3 * 0.7 * (1 - 3 * 0.3 * 0.7),
    "poisson": 3.5 * (1 + 3 * 3.5),
    "binomial": 20 * 0.3 * 0.7 * (1 + (3 * 20 - 6) * 0.3 * 0.7),
}
"""About the mean: Johnson, Kotz and Kemp, "Univariate Discrete Distributions", 1992, for the counts."""


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(request):
    return request.param


def drawn(loaded, distribution, key):
    return loaded(DRAW[distribution], key, np.ones(1))


def test_draws_have_the_shape_and_the_kind_asked_for(loaded, distribution):
    found = drawn(loaded, distribution, KEY)
    kind = {"bernoulli": "b", "poisson": "i", "binomial": "i"}.get(distribution, "f")
    assert found.shape == SHAPE
    assert found.dtype.kind == kind
    assert kind != "f" or found.dtype == loaded.dtype


def test_mean_and_variance_are_within_five_standard_errors(loaded, distribution):
    found = drawn(loaded, distribution, KEY).astype(np.float64)
    mean, variance = MEAN_AND_VARIANCE[distribution]
    assert abs(found.mean() - mean) <= 5 * np.sqrt(variance / found.size)
    spread = FOURTH_MOMENT[distribution] - variance**2
    assert abs(((found - mean) ** 2).mean() - variance) <= 5 * np.sqrt(spread / found.size)


def test_the_same_key_gives_the_same_draws(loaded, distribution):
    first, again = (drawn(loaded, distribution, KEY) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("other", [[3, 2], [4, 1], [1, 3]])
def test_a_key_that_differs_in_either_word_gives_other_draws(loaded, distribution, other):
    first, second = (
        drawn(loaded, distribution, KEY),
        drawn(loaded, distribution, np.array(other, np.uint32)),
    )
    correlation = np.corrcoef(first.reshape(-1).astype(float), second.reshape(-1).astype(float))[0, 1]
    assert abs(correlation) <= 5 / np.sqrt(first.size)


def test_a_signed_key_is_as_good_as_an_unsigned_one(loaded):
    first = drawn(loaded, "normal", KEY)
    np.testing.assert_array_equal(drawn(loaded, "normal", KEY.astype(np.int64)), first)


def test_uniform_draws_lie_in_the_half_open_unit_interval(loaded):
    found = drawn(loaded, "uniform", KEY)
    assert found.min() >= 0
    assert found.max() < 1


@pytest.mark.slow
def test_parameters_broadcast_to_the_shape(loaded):
    p = np.array([0.0, 1.0, 0.5])

    def several(xp, key, p):
        shape = (200, 3)
        counts = xp.random.binomial(key, 8, p, shape)
        return xp.random.bernoulli(key, p, shape), xp.random.poisson(key, 4 * p, shape), counts

    for found, last in zip(loaded(several, KEY, p), (0.5, 2, 4), strict=True):
        assert found.shape == (200, 3)
        assert not found[:, 0].any()
        # The variance of each is at most its mean.
        assert abs(found[:, 2].mean() - last) <= 5 * np.sqrt(last / 200)
    bernoulli, _, counts = loaded(several, KEY, p)
    assert bernoulli[:, 1].all()
    assert (counts[:, 1] == 8).all()


def test_a_library_without_a_distribution_says_so(distribution):
    with pytest.raises(Unsupported, match=f"abacus does not draw from the {distribution} distribution"):
        getattr(Draws("abacus"), distribution)(
            KEY, 0.5, (2,), *([1] if distribution == "binomial" else [])
        )
