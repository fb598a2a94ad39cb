"""Factors are those of the theorems: unique up to signs, blind to scales, exact as far as is known."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.bench.agreement import judge
from xpbench.kernels.factorizations import (
    cholesky_errors,
    cholesky_inputs,
    cholesky_reference,
    gram_schmidt_reference,
    qr_reference,
    scaled_condition,
)

DTYPES = ("float32", "float64")
BACKENDS = ("numpy", "torch", "jax")


def graded(rng, m, n, condition):
    """A matrix (m, n) with singular values from 1 to 1 / condition, in steps of one ratio."""
    u = np.linalg.qr(rng.standard_normal((m, n))).Q
    v = np.linalg.qr(rng.standard_normal((n, n))).Q
    return u * np.geomspace(1, 1 / condition, n) @ v.T


def laeuchli(n, dtype):
    """A row of ones over a small multiple of the identity, whose square is lost beside 1."""
    small = math.sqrt(np.finfo(dtype).eps) / 4
    return np.vstack([np.ones(n), small * np.eye(n)]).astype(dtype)


def classical(a):
    q = np.zeros_like(a)
    for k in range(a.shape[1]):
        rest = a[:, k] - q[:, :k] @ (q[:, :k].T @ a[:, k])
        q[:, k] = rest / np.linalg.norm(rest)
    return q


def loss(q):
    wide = q.astype(np.float64)
    return np.linalg.norm(wide.T @ wide - np.eye(q.shape[1]), 2)


# Cholesky


def test_the_oracle_of_cholesky_is_exact_elimination():
    """L D L' in fractions, whose pivots have the roots that the factor has on its diagonal."""
    n = 8
    a = np.round(4 * cholesky_inputs(np.random.default_rng(0), n)[0])
    a = np.triu(a) + np.triu(a, 1).T
    rest = [[Fraction(int(entry)) for entry in row] for row in a]
    expected = np.zeros((n, n))
    for k in range(n):
        pivot = rest[k][k]
        for i in range(k, n):
            expected[i, k] = float(rest[i][k] / pivot) * math.sqrt(pivot)
        for i in range(k + 1, n):
            ratio = rest[i][k] / pivot
            rest[i] = [mine - ratio * theirs for mine, theirs in zip(rest[i], rest[k], strict=True)]
    (factor,) = cholesky_reference(a)
    np.testing.assert_allclose(factor, expected, rtol=0, atol=n * np.finfo(float).eps * np.max(expected))


@pytest.mark.parametrize("shift", [-1e-3, -1.0, math.nan])
def test_a_matrix_that_is_not_positive_definite_is_refused_by_the_oracle(shift):
    (a,) = cholesky_inputs(np.random.default_rng(0), 16)
    smallest = np.linalg.eigvalsh(a)[0]
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        cholesky_reference(a + (shift - smallest) * np.eye(16))


def test_a_matrix_with_two_equal_rows_is_refused_although_rounding_may_leave_its_pivot_positive():
    for seed in range(20):
        (a,) = cholesky_inputs(np.random.default_rng(seed), 16)
        a[-1, :] = a[0, :]
        a[:, -1] = a[:, 0]
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            cholesky_reference(a)


@given(powers=st.lists(st.integers(-20, 20), min_size=12, max_size=12))
@settings(max_examples=25)
def test_no_scaling_of_rows_and_columns_changes_what_is_measured(powers):
    """Multiplication by powers of 2 is exact, and Cholesky of D A D is D L."""
    (a,) = cholesky_inputs(np.random.default_rng(3), 12)
    (exact,) = cholesky_reference(a)
    factor = exact.astype(np.float32)
    scales = np.ldexp(1.0, powers)
    scaled = scales[:, None] * a * scales
    np.testing.assert_array_equal(cholesky_reference(scaled)[0], scales[:, None] * exact)
    before = cholesky_errors([factor], [exact], a)
    after = cholesky_errors(
        [scales[:, None].astype(np.float32) * factor], [scales[:, None] * exact], scaled
    )
    for name, (value, limit) in before.items():
        assert after[name] == pytest.approx((value, limit), rel=1e-6), name


@pytest.mark.parametrize("n", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("seed", range(5))
def test_the_inputs_of_cholesky_are_positive_definite_and_well_conditioned(n, seed):
    (a,) = cholesky_inputs(np.random.default_rng(seed), n)
    assert np.array_equal(a, a.T)
    w = np.linalg.eigvalsh(a)
    assert 0 < w[-1] < 8 * w[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_thin_fault_and_one_in_the_last_row_are_seen_where_rows_are_sampled(draw, xp, dtype):
    trial = draw("cholesky", dtype, n=2100)
    (factor,) = trial.compute(xp)
    honest = trial.judge([factor], oracle=False)
    assert honest.agrees, honest.reason
    eps = np.finfo(dtype).eps
    thin = trial.judge([factor * factor.dtype.type(1 + 200 * eps)], oracle=False).errors
    assert thin["norm"][0] > thin["norm"][1]
    factor[-1, 7] += 200 * eps * factor[-1, -1]
    last = trial.judge([factor], oracle=False)
    assert last.worst == "entries" and not last.agrees


# Reflections


@pytest.mark.parametrize("condition", [1e1, 1e6, 1e12])
def test_the_oracles_of_qr_and_gram_schmidt_are_one_factorisation(condition):
    """R moves by sqrt(2) times the backward error times the condition number at most."""
    m, n = 48, 24
    a = graded(np.random.default_rng(0), m, n, condition)
    (q, r), (q64, r64) = qr_reference(a), gram_schmidt_reference(a)
    eps = np.finfo(float).eps
    assert loss(q) < n * eps
    moved = np.linalg.norm((r - r64) @ np.linalg.inv(r64))
    assert moved < 10 * math.sqrt(n) * eps * scaled_condition(r64, a)
    assert np.linalg.norm(q - q64) < 10 * n * eps * condition


@pytest.mark.parametrize("oracle", [qr_reference, gram_schmidt_reference])
@pytest.mark.parametrize("factor", [0.0, 1.0, 0.3])
def test_dependent_columns_are_refused_by_the_oracle(oracle, factor):
    a = np.random.default_rng(0).standard_normal((20, 10))
    a[:, 6] = factor * a[:, 2]
    with pytest.raises(np.linalg.LinAlgError, match="dependent"):
        oracle(a)


@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_of_a_column_and_a_row_that_change_together_agree(draw, xp, dtype):
    trial = draw("qr", dtype, m=40, n=20)
    q, r = trial.compute(xp)
    q[:, ::3] *= -1
    r[::3, :] *= -1
    found = trial.judge([q, r])
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_qr_is_held_to_an_orthogonality_that_gram_schmidt_does_not_reach(draw, dtype):
    m, n = 64, 32
    a = graded(np.random.default_rng(0), m, n, 1e4).astype(dtype)
    exact = a.astype(np.float64)
    kernel = draw("qr", dtype, m=m, n=n).kernel
    oracle = kernel.reference(exact)
    reflected = judge(kernel, draw("qr", dtype, m=m, n=n).on("torch", [a]), oracle, [exact], {}, dtype)
    assert reflected.agrees, reflected.reason
    subtracted = draw("gram_schmidt", dtype, m=m, n=n).on("torch", [a])
    found = judge(kernel, subtracted, oracle, [exact], {}, dtype).errors
    assert [name for name, (value, limit) in found.items() if value > limit] == ["orthogonality"]


# Gram-Schmidt


@pytest.mark.parametrize(
    ("backend", "dtype"), [("numpy", "float32"), ("torch", "float64"), ("jax", "float32")]
)
def test_modified_gram_schmidt_loses_eps_times_the_condition_on_laeuchlis_matrix(draw, backend, dtype):
    """Higham, section 19.8: where the classical algorithm has columns at 60 degrees."""
    n = 6
    a = laeuchli(n, dtype)
    trial = draw("gram_schmidt", dtype, m=n + 1, n=n)
    q, r = trial.on(backend, [a])
    exact = a.astype(np.float64)
    found = judge(trial.kernel, [q, r], trial.kernel.reference(exact), [exact], {}, dtype)
    assert found.agrees, found.reason
    eps = np.finfo(dtype).eps
    assert loss(q) < n * eps * np.linalg.cond(exact)
    assert loss(q) > eps * np.linalg.cond(exact) / 100
    assert loss(classical(a)) > 0.4


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_lost_of_orthogonality_grows_with_the_condition_and_not_with_its_square(draw, backend):
    m, n = 64, 32
    eps = np.finfo(float).eps
    trial = draw("gram_schmidt", "float64", m=m, n=n)
    for condition in (1e3, 1e6, 1e9, 1e12):
        a = graded(np.random.default_rng(1), m, n, condition)
        assert eps * condition / 30 < loss(trial.on(backend, [a])[0]) < 30 * eps * condition
        assert loss(classical(a)) > 30 * eps * condition


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_of_any_length_are_measured_alike(draw, xp, dtype):
    """Powers of 2 on the columns change no rounding, and so neither Q nor what is measured."""
    trial = draw("gram_schmidt", dtype, m=40, n=20)
    (a,) = trial.inputs
    scales = np.ldexp(1.0, np.arange(-10, 10)).astype(dtype)
    q, r = trial.compute(xp, [a * scales])
    honest = trial.compute(xp)
    np.testing.assert_array_equal(q, honest[0])
    np.testing.assert_array_equal(r, honest[1] * scales)
    exact = (a * scales).astype(np.float64)
    found = judge(trial.kernel, [q, r], trial.kernel.reference(exact), [exact], {}, dtype).errors
    expected = trial.judge(honest).errors
    for name, (value, limit) in expected.items():
        assert found[name] == pytest.approx((value, limit), rel=1e-3, abs=0.1), name


@pytest.mark.parametrize(
    ("backend", "n"), [("jax", 5), *(("array-api-strict", n) for n in range(1, 10))]
)
def test_any_number_of_columns_is_divided_into_parts(draw, backend, n):
    for m in (n, 3 * n):
        trial = draw("gram_schmidt", "float64", m=m, n=n)
        found = trial.judge(trial.on(backend))
        assert found.agrees, found.reason


def test_at_most_a_quarter_more_is_subtracted_than_the_formula_asks_for(draw, xp):
    """Rows of the products and of the differences, of m entries each, that n steps go over."""
    n, rows = 64, []

    class Watched(type(xp)):
        def gather(self, x, indices, *, axis=0):
            rows.append(x.shape[0])
            return super().gather(x, indices, axis=axis)

    watched = copy.copy(xp)
    watched.__class__ = Watched
    draw("gram_schmidt", m=70, n=n).compute(watched)
    assert len(rows) == n
    assert n**2 / 2 < sum(rows) <= 1.25 * n**2 / 2 + n
