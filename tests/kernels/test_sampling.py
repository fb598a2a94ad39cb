"""Goodness of fit alarms as rarely as it says, and sees what generators have got wrong."""

import numpy as np
import pytest
import scipy.stats
from scipy.special import ndtr, ndtri

from xpbench.kernels.sampling import (
    FALSE_ALARMS,
    bernoulli_laws,
    binomial_laws,
    exponential_laws,
    normal_laws,
    poisson_laws,
    surprises,
)

CASES = {
    "bernoulli": (bernoulli_laws, (0.3,)),
    "binomial": (binomial_laws, (0.3, 100)),
    "poisson": (poisson_laws, (12.5,)),
    "normal": (normal_laws, (1.5, 2.5)),
    "exponential": (exponential_laws, (1.5,)),
}


@pytest.mark.parametrize("name", CASES)
def test_surprises_of_honest_samples_are_those_of_a_normal_variable(name):
    """Of 300 samples; discrete statistics may be less surprising, and not more."""
    n, seen = 1000, {}
    laws, parameters = CASES[name]
    law, total = laws(n, *parameters)
    rng = np.random.default_rng(5)
    for _ in range(300):
        sample = law.rvs(n, random_state=rng)
        for pair, (value, limit) in surprises([sample], n, law, total).items():
            assert limit == pytest.approx(-ndtri(FALSE_ALARMS / 2))
            seen.setdefault(pair, []).append(2 * ndtr(-value))
    for pair, chances in seen.items():
        below = np.mean(np.array(chances) < 0.05)
        assert scipy.stats.binomtest(int(below * 300), 300, 0.05, "greater").pvalue > 1e-4, pair
        if name in ("normal", "exponential"):
            assert scipy.stats.kstest(chances, "uniform").pvalue > 1e-4, pair


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
def test_a_sample_is_a_function_of_its_key(draw, load, name, backend):
    kernel = draw(f"sample_{name}", preset="small").kernel
    library = load(backend, "float64")
    size = {key: kernel.sizes["small"][key] for key in kernel.static}

    def sample(seed):
        key, *parameters = kernel.inputs(np.random.default_rng(seed), **kernel.sizes["small"])
        return library.fetch(kernel.compute(library.xp, *map(library.put, (key, *parameters)), **size))

    np.testing.assert_array_equal(sample(1), sample(1))
    assert (sample(1) != sample(2)).any()


def test_a_normal_sample_from_twelve_uniforms_is_seen():
    """The sum of twelve uniforms less 6, an old way, has no tails."""
    rng = np.random.default_rng(0)
    n = 4_000_000
    sample = sum(rng.random(n) for _ in range(12)) - 6
    seen = surprises([sample], n, *normal_laws(n, 0.0, 1.0))
    assert any(value > limit for value, limit in seen.values())
