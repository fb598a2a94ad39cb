"""What the mathematics leaves free is no error, and powers converge as fast as the theorem says."""

import numpy as np
import pytest

from xpbench.bench.agreement import judge
from xpbench.kernels.eigenvalues import power_inputs, power_reference

DTYPES = ("float32", "float64")
BACKENDS = ("numpy", "torch", "jax")


@pytest.mark.parametrize("dtype", DTYPES)
def test_eigenvectors_of_any_sign_agree(draw, xp, dtype):
    trial = draw("eigh", dtype, n=64)
    w, v = trial.compute(xp)
    v[:, ::3] *= -1
    found = trial.judge([w, v])
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_basis_of_equal_eigenvalues_agrees(draw, dtype):
    n = 32
    kernel = draw("eigh", dtype, n=n).kernel
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n))).Q.astype(dtype)
    a = np.eye(n)
    found = judge(kernel, [np.ones(n, dtype), q], kernel.reference(a), [a], {}, dtype)
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_fall_do_not_agree_even_where_the_product_does(draw, xp, dtype):
    trial = draw("eigh", dtype, n=64)
    w, v = trial.compute(xp)
    found = trial.judge([w[::-1], v[:, ::-1]], oracle=False)
    assert [name for name, (value, limit) in found.errors.items() if value > limit] == ["order"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n", [1, 2, 8])
def test_eigenvalues_of_small_matrices_agree(draw, backend, n):
    for dtype in DTYPES:
        for seed in range(10):
            trial = draw("eigh", dtype, seed, n=n)
            found = trial.judge(trial.on(backend))
            assert found.agrees, found.reason


@pytest.mark.parametrize("driver", ["ev", "evd", "evx"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_other_algorithms_agree_in_the_same_measure(draw, dtype, driver):
    import scipy.linalg

    trial = draw("eigh", dtype, n=256)
    found = trial.judge(scipy.linalg.eigh(trial.inputs[0], driver=driver))
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_eigenvalues_are_those_that_are_known_in_closed_form(draw, backend, dtype):
    """Second differences with fixed ends: 2 - 2 cos(k pi / (n + 1))."""
    n = 24
    kernel = draw("eigh", dtype, n=n).kernel
    a = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    closed_form = 2 - 2 * np.cos(np.arange(1, n + 1) * np.pi / (n + 1))
    outputs = draw("eigh", dtype, n=n).on(backend, [a.astype(dtype)])
    found = judge(kernel, outputs, [closed_form, np.eye(n)], [a], {}, dtype)
    assert found.agrees, found.reason


@pytest.mark.parametrize("steps", [0, 1, 7, 10, 40])
@pytest.mark.parametrize("n", [1, 2, 64])
def test_the_oracle_of_powers_is_the_power_of_the_eigenvalues(n, steps):
    a, x = power_inputs(np.random.default_rng(1), n, steps)
    w, v = np.linalg.eigh(a)
    parts = (w / np.max(np.abs(w))) ** steps * (v.T @ x)
    value, vector = power_reference(a, x, steps)
    expected = v @ parts / np.linalg.norm(parts)
    # A power multiplies the errors of a few n eps in v'x by |x| over the length of what it leaves.
    slack = 10 * n * np.finfo(float).eps * np.linalg.norm(x) / np.linalg.norm(parts)
    assert slack < 1e-9
    np.testing.assert_allclose(vector, expected, rtol=0, atol=slack)
    np.testing.assert_allclose(value, np.sum(w * parts**2) / np.sum(parts**2), rtol=2 * slack)


@pytest.mark.parametrize("backend", BACKENDS)
def test_powers_converge_by_the_ratio_of_the_eigenvalues_and_the_value_by_its_square(draw, backend):
    """Golub & Van Loan, theorem 8.2.1: tan(angle_k) <= (l_2 / l_1)^k tan(angle_0)."""
    trial = draw("power_iteration", "float64", n=96, steps=1)
    a, x = trial.inputs
    w, v = np.linalg.eigh(a)
    leading, modulus = v[:, -1], np.sort(np.abs(w))
    ratio = modulus[-2] / modulus[-1]

    def tangent(y):
        along = leading @ y
        return np.linalg.norm(y - along * leading) / abs(along)

    start = tangent(x)
    for steps in (2, 5, 10, 20):
        value, vector = draw("power_iteration", "float64", n=96, steps=steps).on(backend, [a, x])
        bound = ratio**steps * start
        assert bound / 50 < tangent(vector) <= bound
        assert 0 <= w[-1] - value <= 2 * w[-1] * bound**2


@pytest.mark.parametrize("n", [64, 256, 1024])
@pytest.mark.parametrize("seed", range(5))
def test_the_inputs_of_power_iteration_have_the_gap_they_state(n, seed):
    a, x = power_inputs(np.random.default_rng(seed), n, 10)
    assert np.array_equal(a, a.T)
    w = np.linalg.eigvalsh(a)
    # Both edges wander by a few n^(-2/3), the leading eigenvalue by a few n^(-1/2).
    assert abs(w[-1] - 10 / 3) < 6 / np.sqrt(n)
    assert abs(max(-w[0], w[-2]) - 2) < 3 * n ** (-2 / 3)
    value, vector = power_reference(a, x, 10)
    residual = np.linalg.norm(a @ vector - value * vector) / value
    assert 1e-3 < residual < 0.2


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_vector_of_the_other_sign_is_not_the_one_asked_for(draw, xp, dtype):
    trial = draw("power_iteration", dtype, n=64, steps=10)
    value, vector = trial.compute(xp)
    found = trial.judge([value, -vector])
    assert [name for name, (error, limit) in found.errors.items() if error > limit] == ["vector"]
