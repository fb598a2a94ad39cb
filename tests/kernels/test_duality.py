"""Multipliers are what the theory says: exact, slopes of the minimum, and bounds that meet."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted.duality import ascent
from xpbench import Unsupported
from xpbench.kernels.duality import (
    equality_qp_inputs,
    equality_qp_reference,
    svm_dual,
    svm_dual_inputs,
    svm_dual_reference,
)

EPS = np.finfo(np.float64).eps


def kkt(q, a):
    return np.block([[q, a.T], [a, np.zeros((len(a), len(a)))]])


def solved_exactly(matrix, right):
    """By Gauss and Jordan in rational numbers, of which floating-point numbers are some."""
    rows = [[*map(Fraction, row), Fraction(r)] for row, r in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(len(rows)):
            if i != k and rows[i][k] != 0:
                factor = rows[i][k]
                rows[i] = [entry - factor * top for entry, top in zip(rows[i], rows[k], strict=True)]
    return np.array([float(row[-1]) for row in rows])


@pytest.mark.parametrize("decades", [2, 12])
@pytest.mark.parametrize("seed", range(3))
def test_the_oracle_has_the_digits_of_exact_rational_arithmetic(decades, seed):
    """All of float64, as far as residuals in long double know them."""
    q, c, a, b = equality_qp_inputs(np.random.default_rng(seed), n=8, m=3, decades=decades)
    exact = solved_exactly(kkt(q, a), np.append(c, b))
    x, multipliers = equality_qp_reference(q, c, a, b)
    unknown = 8 * float(np.finfo(np.longdouble).eps) * np.linalg.cond(kkt(q, a))
    error = np.linalg.norm(np.append(x, -multipliers) - exact)
    assert error <= (EPS + unknown) * np.linalg.norm(exact)


def test_more_constraints_than_unknowns_are_declined():
    equality_qp_inputs(np.random.default_rng(0), n=3, m=3, decades=1)
    with pytest.raises(Unsupported, match="n=3, m=4"):
        equality_qp_inputs(np.random.default_rng(0), n=3, m=4, decades=1)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize(("dtype", "decades"), [("float32", 4), ("float64", 12)])
@pytest.mark.parametrize("seed", range(5))
def test_an_ill_conditioned_programme_agrees_by_its_backward_errors(draw, backend, dtype, decades, seed):
    trial = draw("equality_qp", dtype, seed, n=60, m=20, decades=decades)
    found = trial.judge(trial.on(backend), oracle=False)
    assert set(found.errors) == {"kkt", "constraints"}
    assert found.agrees, found.reason


@pytest.mark.parametrize("decades", [0, 4, 12])
def test_the_condition_of_the_inputs_is_as_stated_and_their_constraints_have_full_rank(decades):
    q, _, a, _ = equality_qp_inputs(np.random.default_rng(0), n=64, m=24, decades=decades)
    values = np.linalg.eigvalsh(q)
    assert abs(values[-1] - 1) < 64 * EPS
    assert abs(values[0] * 10**decades - 1) < 64 * EPS * 10**decades
    assert np.linalg.cond(a) < 10


def test_multipliers_are_the_slope_of_the_minimum_when_constraints_are_moved():
    """By a central difference, which is exact because the minimum is quadratic in b."""
    q, c, a, b = equality_qp_inputs(np.random.default_rng(1), n=20, m=6, decades=1)

    def minimum(b):
        x, _ = equality_qp_reference(q, c, a, b)
        return x @ q @ x / 2 - c @ x

    _, multipliers = equality_qp_reference(q, c, a, b)
    slopes = [(minimum(b + moved) - minimum(b - moved)) / 2 for moved in np.eye(len(b))]
    tolerance = 20 * EPS * np.linalg.cond(kkt(q, a)) * (abs(minimum(b)) + np.linalg.norm(slopes))
    np.testing.assert_allclose(multipliers, slopes, rtol=0, atol=tolerance)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(-1e3, 1e3))
def test_moving_along_the_constraints_costs_what_the_curvature_says(draw, xp, seed, size):
    """So that no other feasible point is lower: ``f(x + z) - f(x) = z'Q z / 2`` where ``A z = 0``."""
    trial = draw("equality_qp", "float64", n=20, m=6, decades=2)
    q, c, a, _ = trial.data.exact_inputs
    x, _ = trial.compute(xp)
    z = size * np.random.default_rng(seed).standard_normal(len(c))
    z -= np.linalg.pinv(a) @ (a @ z)
    rise = (x + z) @ q @ (x + z) / 2 - c @ (x + z) - (x @ q @ x / 2 - c @ x)
    sizes = np.linalg.norm(x) + np.linalg.norm(z)
    tolerance = 100 * EPS * sizes * (sizes + np.linalg.norm(c))
    assert abs(rise - z @ q @ z / 2) <= tolerance


@pytest.fixture(scope="module")
def classes():
    return svm_dual_inputs(np.random.default_rng(3), n=120, d=6, steps=1)


def test_scikit_learns_machine_lies_between_the_bounds_which_close(classes):
    svm = pytest.importorskip("sklearn.svm")
    x, y, penalty, _ = classes
    tol = 1e-7
    machine = svm.LinearSVC(
        C=float(penalty), loss="hinge", fit_intercept=False, tol=tol, max_iter=10**5, random_state=0
    )
    w = machine.fit(x, y).coef_[0]
    theirs = w @ w / 2 + penalty * np.sum(np.maximum(0, 1 - y * (x @ w)))
    gaps = []
    for steps in (1, 4, 16, 64, 256, 1024, 4096):
        _, primal, dual = svm_dual_reference(*classes, steps=steps)
        assert dual <= theirs * (1 + 100 * EPS)
        # No slope is off by more than tol where they stop, so that their gap is at most n C tol.
        assert theirs <= primal + len(y) * penalty * tol
        gaps.append(primal - dual)
    assert all(after < before for before, after in pairwise(gaps))
    assert gaps[-1] < 1e-8 * theirs < gaps[0]


def test_the_dual_rises_at_the_rate_of_accelerated_methods(classes):
    """Beck, theorem 10.34, for t_k = (k + 2) / 2: D* - D(a_t) <= 2 L |a*|^2 / (t + 1)^2."""
    *_, eta = classes
    best, primal, optimum = svm_dual_reference(*classes, steps=5000)
    assert primal - optimum < 1e-8 * optimum
    for steps in range(1, 120):
        _, _, dual = svm_dual_reference(*classes, steps=steps)
        assert optimum - dual <= 2 * (best @ best) / eta / (steps + 1) ** 2 + 1e-8 * optimum


def test_the_last_multipliers_mark_the_support_vectors(classes):
    x, y, penalty, _ = classes
    a, _, _ = svm_dual_reference(*classes, steps=5000)
    margins = y * (x @ (x.T @ (a * y)))
    at_zero, at_bound = a == 0, a == penalty
    inside = ~(at_zero | at_bound)
    assert min(map(np.count_nonzero, (at_zero, at_bound, inside))) > 0
    assert np.min(margins[at_zero]) > 1 - 1e-6
    assert np.max(margins[at_bound]) < 1 + 1e-6
    np.testing.assert_allclose(margins[inside], 1, atol=1e-6)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    penalty=st.floats(1e-3, 1e3),
    stretch=st.floats(0.01, 3),
    steps=st.integers(1, 30),
)
def test_no_step_of_any_length_brings_the_primal_below_the_dual(xp, seed, penalty, stretch, steps):
    """Weak duality asks for multipliers in the box, and for nothing else."""
    x, y, _, eta = svm_dual_inputs(np.random.default_rng(seed), n=30, d=4, steps=1)
    a, primal, dual = svm_dual(xp, x, y, np.asarray(penalty), stretch * eta, steps=steps)
    assert np.all(a >= 0)
    assert np.all(a <= penalty)
    w = x.T @ (a * y)
    assert primal - dual >= -100 * EPS * (w @ w + np.sum(a))


@pytest.mark.parametrize("name", ["small", "medium", "large"])
def test_no_size_asks_for_steps_after_the_end(draw, name):
    """A step that moves nothing would hide a step too many, and multipliers all free a missing bound."""
    size = dict(draw("svm_dual", preset="small").kernel.sizes[name])
    if name == "large":
        size["n"] //= 16
    arrays = svm_dual_inputs(np.random.default_rng(0), **size)
    a, _, _ = svm_dual_reference(*arrays, steps=size["steps"])
    previous, _, _ = svm_dual_reference(*arrays, steps=size["steps"] - 1)
    assert np.linalg.norm(a - previous) > 1e-4 * np.linalg.norm(a)
    assert np.any(a == 0)
    assert np.any(a == arrays[2])
    assert np.any((a > 0) & (a < arrays[2]))


@pytest.mark.parametrize(("n", "d"), [(32, 4), (300, 20)])
def test_the_step_is_one_over_the_curvature_of_the_dual(n, d):
    x, y, _, eta = svm_dual_inputs(np.random.default_rng(n), n, d, steps=1)
    assert abs(eta * np.linalg.norm(y[:, None] * x, 2) ** 2 - 1) < n * EPS


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, dtype, size):
    trial = draw("svm_dual", dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=ascent()))
    assert found.agrees, found.reason
