"""Oracles against exact arithmetic and closed forms; measures that see what a user would mind."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.bench.agreement import judge
from xpbench.kernels import linear_systems, pseudoinverse

DTYPES = ("float32", "float64")
SMALL_INTEGERS = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(-9, 9), min_size=n, max_size=n), min_size=n, max_size=n)
)


def exact_determinant(rows):
    """By elimination over the rational numbers."""
    rows, value = [[Fraction(entry) for entry in row] for row in rows], Fraction(1)
    while rows:
        pivot = next((row for row in rows if row[0]), None)
        if pivot is None:
            return Fraction(0)
        value *= pivot[0] * (-1) ** rows.index(pivot)
        rows = [
            [entry - row[0] / pivot[0] * top for entry, top in zip(row[1:], pivot[1:], strict=True)]
            for row in rows
            if row is not pivot
        ]
    return value


@given(SMALL_INTEGERS)
@settings(max_examples=200)
def test_the_oracle_of_slogdet_knows_exact_determinants_and_refuses_singular_matrices(rows):
    a, exact = np.array(rows, dtype=float), exact_determinant(rows)
    try:
        sign, logdet = linear_systems.slogdet_reference(a)
    except np.linalg.LinAlgError as refusal:
        assert "singular to working precision" in str(refusal)
        assert exact == 0
        return
    assert sign == np.sign(exact)
    if exact == 0:
        assert logdet == -np.inf
        return
    # A backward error of 4 n eps, through the trace of A^-1 E.
    n = len(a)
    condition = np.linalg.norm(a) * np.linalg.norm(np.linalg.inv(a))
    assert abs(logdet - math.log(abs(exact))) <= 4 * n * np.finfo(float).eps * condition


@pytest.mark.parametrize("n", [2, 6, 10])
def test_the_oracle_inverts_the_hilbert_matrix_as_the_closed_form_does(n):
    a, exact = scipy.linalg.hilbert(n), scipy.linalg.invhilbert(n)
    (x,) = linear_systems.inv_reference(a)
    # The rounding of the entries of A alone moves the inverse by up to eps / 2 times the condition.
    limit = n * np.finfo(float).eps * np.linalg.cond(a)
    assert np.linalg.norm(x - exact) <= limit * np.linalg.norm(exact)


@pytest.mark.parametrize(
    "matrix", ["repeated row", "repeated column", "row of zeros", "zeros", "rank 1"]
)
@pytest.mark.parametrize("n", [2, 16, 100])
def test_oracles_refuse_singular_matrices(draw, matrix, n):
    a = draw("inv", "float64", n=n).data.exact_inputs[0].copy()
    if matrix == "repeated row":
        a[-1] = a[0]
    elif matrix == "repeated column":
        a[:, -1] = a[:, 0]
    elif matrix == "rank 1":
        a[:] = np.outer(a[0], a[:, 1])
    else:
        a[: 1 if matrix == "row of zeros" else None] = 0
    for oracle in (linear_systems.inv_reference, lambda a: linear_systems.lstsq_reference(a, a[:, 0])):
        with pytest.raises(np.linalg.LinAlgError, match="singular to working precision"):
            oracle(a)


def test_the_oracle_of_lstsq_fits_a_line_as_the_closed_form_does():
    rng = np.random.default_rng(0)
    t, y = rng.standard_normal((2, 50))
    (found,) = linear_systems.lstsq_reference(np.stack([np.ones(50), t], axis=1), y)
    slope = np.cov(t, y)[0, 1] / np.var(t, ddof=1)
    np.testing.assert_allclose(found, [y.mean() - slope * t.mean(), slope], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_oracle_of_pinv_knows_matrices_of_lower_rank(rank):
    """The pseudoinverse of sum s_i u_i v_i' over orthonormal vectors is sum v_i u_i' / s_i."""
    rng = np.random.default_rng(rank)
    u = np.linalg.qr(rng.standard_normal((12, rank))).Q
    v = np.linalg.qr(rng.standard_normal((5, rank))).Q
    s = np.linspace(1, 3, rank)
    (x,) = pseudoinverse.reference(u * s @ v.T)
    np.testing.assert_allclose(x, v / s @ u.T, rtol=0, atol=1e-14)


def test_random_signs_find_the_norm_of_the_inverse(draw):
    """Eight squares of mean 1, of standard deviation sqrt(2 / 8) at most: within half, that is."""
    for n in (16, 64, 256):
        a = draw("inv", "float64", n=n).data.exact_inputs[0]
        exact = np.linalg.norm(np.linalg.inv(a))
        assert linear_systems.inverse_norm(a) == pytest.approx(exact, rel=0.5)


@pytest.mark.parametrize("kernel", ["slogdet", "inv", "solve", "lstsq", "pinv"])
@pytest.mark.parametrize("size", ["small", "medium"])
def test_a_relative_error_of_a_ten_thousandth_is_seen_in_float32(draw, xp, kernel, size):
    trial = draw(kernel, preset=size)
    outputs = trial.compute(xp)
    outputs[-1] = outputs[-1] * np.float32(1 + 1e-4)
    assert not trial.judge(outputs).agrees
    if not all(map(trial.kernel.oracle_applies, trial.kernel.sizes.values())):
        assert not trial.judge(outputs, oracle=False).agrees


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_determinant_of_the_other_sign_does_not_agree(draw, xp, dtype):
    trial = draw("slogdet", dtype, n=64)
    sign, logdet = trial.compute(xp)
    found = trial.judge([-sign, logdet])
    assert [name for name, (value, limit) in found.errors.items() if value > limit] == ["sign"]


def spoiled(a, condition):
    """An X that breaks only some of Penrose's conditions, for A (m, n) of full column rank."""
    x, rng = np.linalg.pinv(a), np.random.default_rng(0)
    (m, n) = a.shape
    if condition == "AX":  # any other left inverse
        return x + 0.01 * rng.standard_normal((n, m)) @ (np.eye(m) - a @ x)
    if condition == "AXA":  # the pseudoinverse of a matrix of lower rank
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return vh[:-1].T / s[:-1] @ u[:, :-1].T
    # The pseudoinverse times a projector along another direction than that on which it projects.
    w = rng.standard_normal(n)
    skew = np.eye(n) - np.outer(rng.standard_normal(n), w) / n
    return skew @ x


@pytest.mark.parametrize(
    ("condition", "broken"),
    [("AX", {"AX"}), ("AXA", {"AXA"}), ("XA", {"AXA", "XAX", "XA", "AX"})],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_condition_of_penrose_says_what_it_should(draw, condition, broken, dtype):
    trial = draw("pinv", dtype, m=40, n=10)
    (a,) = trial.data.exact_inputs
    found = trial.judge([spoiled(a, condition).astype(dtype)], oracle=False)
    assert {name for name, (value, limit) in found.errors.items() if value > limit} == broken


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
@pytest.mark.parametrize(("share", "rank"), [(0.5, 9), (2.0, 10)])
def test_every_backend_counts_the_same_singular_values_as_zero(draw, backend, share, rank):
    """One of ``share`` times max(m, n) eps; left to themselves, JAX counts ten times that as zero."""
    m, n = 40, 10
    trial = draw("pinv", "float64", m=m, n=n)
    rng = np.random.default_rng(1)
    u, v = np.linalg.qr(rng.standard_normal((m, n))).Q, np.linalg.qr(rng.standard_normal((n, n))).Q
    s = np.ones(n)
    s[-1] = share * m * np.finfo(float).eps
    (x,) = trial.on(backend, [u * s @ v.T])
    values = np.linalg.svd(x, compute_uv=False)
    assert np.count_nonzero(values > 0.5) == rank


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_overdetermined_system_that_has_a_solution_is_judged_without_a_residual(draw, xp, dtype):
    trial = draw("lstsq", dtype, m=64, n=8)
    a = trial.inputs[0]
    b = a @ np.arange(1, 9, dtype=dtype)
    outputs = trial.compute(xp, [a, b])
    exact = [a.astype(float), b.astype(float)]
    reference = trial.kernel.reference(*exact)
    assert judge(trial.kernel, outputs, reference, exact, {}, dtype).agrees
    outputs[0] *= 1 + np.asarray(1e-4, dtype)
    assert not judge(trial.kernel, outputs, reference, exact, {}, dtype).agrees
