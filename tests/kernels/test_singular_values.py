"""What the mathematics leaves free is not an error: signs, and bases of equal singular values."""

import numpy as np
import pytest

from xpbench.bench.agreement import judge

DTYPES = ("float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_that_change_together_agree(draw, xp, dtype):
    trial = draw("svd", dtype, n=64)
    u, s, vh = trial.compute(xp)
    u[:, ::3] *= -1
    vh[::3, :] *= -1
    found = trial.judge([u, s, vh])
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_basis_of_equal_singular_values_agrees(draw, dtype):
    n = 32
    kernel = draw("svd", dtype, n=n).kernel
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n))).Q.astype(dtype)
    outputs = [q, np.ones(n, dtype), np.eye(n, dtype=dtype)]
    exact = q.astype(np.float64)
    found = judge(kernel, outputs, kernel.reference(exact), [exact], {}, dtype)
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_rise_do_not_agree_even_where_the_product_does(draw, xp, dtype):
    trial = draw("svd", dtype, n=64)
    u, s, vh = trial.compute(xp)
    order = np.roll(np.arange(64), 1)
    found = trial.judge([u[:, order], s[order], vh[order, :]], oracle=False)
    assert [name for name, (value, limit) in found.errors.items() if value > limit] == ["order"]


@pytest.mark.parametrize("n", [1, 2, 16, 64, 256])
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_singular_value_of_the_inputs_stays_away_from_zero(draw, n, seed):
    values = np.linalg.svd(draw("svd", seed=seed, n=n).inputs[0], compute_uv=False)
    assert values[-1] > 0.1 * values[0]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_small_matrix_whose_iteration_stops_early_agrees(draw, backend):
    """In float64 dbdsqr stops at off-diagonals of 49 eps, more than so few roundings add up to."""
    for seed in (93, 120):
        for n in (4, 6):
            trial = draw("svd", "float64", n=n)
            (a,) = trial.kernel.inputs(np.random.default_rng(seed), n=n)
            outputs = trial.on(backend, [a])
            found = judge(trial.kernel, outputs, trial.kernel.reference(a), [a], {}, "float64")
            assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slower_iteration_that_some_cards_use_agrees_too(draw, dtype):
    import scipy.linalg

    trial = draw("svd", dtype, n=256)
    found = trial.judge(scipy.linalg.svd(trial.inputs[0], lapack_driver="gesvd"))
    assert found.agrees, found.reason
