"""Bootstrap intervals against scipy.stats, and how often they cover."""

import numpy as np
import scipy.stats

from xpbench.kernels.resampling import bootstrap_ci, inputs, reference

EPS = np.finfo(np.float64).eps


def test_the_oracle_is_scipys_bootstrap_on_the_same_draws():
    """SciPy draws resamples as integers below n, in one array: the same seed gives the same."""
    x, _ = inputs(np.random.default_rng(0), 40, 2)
    draws = np.random.default_rng(7).integers(0, 40, (500, 40))
    rng = np.random.default_rng(7)
    found = scipy.stats.bootstrap(
        (x,), np.mean, n_resamples=500, method="percentile", rng=rng, vectorized=True
    )
    lower, upper, error = reference(x, draws)
    np.testing.assert_allclose(found.confidence_interval, (lower, upper), rtol=40 * EPS)
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-12)


def test_nineteen_intervals_of_twenty_cover_the_mean(xp):
    """Percentiles cover about 94 %, of 400 samples here, a share with a deviation of 1.2 %."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        lower, upper, _ = bootstrap_ci(xp, rng.standard_normal(60), rng.integers(60, size=(300, 60)))
        covered += bool(lower < 0 < upper)
    assert 0.89 < covered / 400 < 0.98


def test_the_standard_error_is_that_of_the_mean(xp):
    """s / sqrt(n), with the deviation over n, but for the 1 / sqrt(2 R) that R resamples leave."""
    rng = np.random.default_rng(2)
    x, draws = rng.standard_normal(200), rng.integers(200, size=(5000, 200))
    error = bootstrap_ci(xp, x, draws)[2]
    assert abs(error / (np.std(x) / np.sqrt(200)) - 1) < 5 / np.sqrt(2 * 5000)
