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
def test_the_smallest_singular_value_of_the_inputs_is_small_and_not_lost(draw, n, seed):
    values = np.linalg.svd(draw("svd", seed=seed, n=n).inputs[0], compute_uv=False)
    assert values[-1] > 3e-4 * values[0]
    assert n == 1 or values[-1] < 1e-2 * values[0]


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


TRUNCATED = {"m": 200, "n": 120, "k": 6, "steps": 2}


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_more_steps_bring_the_truncated_values_nearer_from_below_at_the_known_rate(draw, steps):
    """A value of a subspace is below that of A, and the shortfall falls by (s_k+1 / s_k)^4 a step."""
    trial = draw("truncated_svd", "float64", **TRUNCATED)
    a, omega = trial.data.exact_inputs
    s = np.linalg.svd(a, compute_uv=False)
    few, more = (trial.kernel.reference(a, omega, k=6, steps=i)[1] for i in (steps, steps + 1))
    shortfall = [s[:6] - values for values in (few, more)]
    slack = 100 * np.finfo(np.float64).eps * s[0]
    assert np.all(shortfall[0] > -slack)
    # The slowest of the six; its share of each part of the noise falls by at least that part's rate.
    assert np.max(shortfall[1]) <= (s[6] / s[5]) ** 4 * np.max(shortfall[0]) * (1 + 1e-2) + slack


@pytest.mark.parametrize("seed", range(5))
def test_a_range_finder_leaves_no_more_than_halko_martinsson_and_tropp_expect(draw, seed):
    """Their theorem 10.5 bounds the mean of ||A - QQ'A|| in the Frobenius norm without iteration."""
    size = {**TRUNCATED, "steps": 1}
    a, omega = draw("truncated_svd", "float64", seed, **size).data.exact_inputs
    q = np.linalg.qr(a @ omega).Q
    s = np.linalg.svd(a, compute_uv=False)
    k, p = 6, omega.shape[1] - 6
    bound = np.sqrt(1 + k / (p - 1)) * np.linalg.norm(s[k:])
    # Few of any draws exceed the mean by a fourth.
    assert np.linalg.norm(a - q @ (q.T @ a)) < 1.25 * bound


@pytest.mark.parametrize("m, n, k", [(64, 48, 4), (768, 512, 10), (100, 400, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_the_gap_after_the_last_value_kept_is_more_than_half_of_it(draw, m, n, k, seed):
    a, _ = draw("truncated_svd", "float64", seed, m=m, n=n, k=k, steps=2).data.exact_inputs
    s = np.linalg.svd(a, compute_uv=False)
    assert s[k] < s[k - 1] / 2


def test_a_truncated_decomposition_counts_fewer_operations_than_a_full_one(draw):
    kernel = draw("truncated_svd", **TRUNCATED).kernel
    full = draw("svd", n=16).kernel.flops
    assert 20 * kernel.flops(m=1024, n=1024, k=16, steps=2) < full(n=1024)
