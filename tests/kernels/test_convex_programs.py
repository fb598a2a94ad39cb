"""Iterations go to the minimum that SciPy and scikit-learn find, no slower than their theorems say."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted.convex_programs import projected, split, steepest
from xpbench.kernels.convex_programs import (
    admm_inputs,
    admm_reference,
    projected_gradient_inputs,
    projected_gradient_reference,
)

EPS = np.finfo(np.float64).eps
STEPS = 60


def objective(x, q, c):
    return float(x @ q @ x / 2 - c @ x)


@pytest.fixture
def programme():
    """A quadratic programme over a box, and its minimiser by SciPy's active-set method.

    With Q = R'R it is the bounded least-squares problem of R and R^-T c.
    """
    optimize = pytest.importorskip("scipy.optimize")
    q, c, lower, upper, eta = projected_gradient_inputs(np.random.default_rng(1), n=32, steps=1)
    r = np.linalg.cholesky(q).T
    found = optimize.lsq_linear(r, np.linalg.solve(r.T, c), (lower, upper), method="bvls", tol=EPS)
    return (q, c, lower, upper, eta), found.x


def test_projected_gradients_converge_to_scipys_minimum_at_the_known_rate(programme):
    arrays, minimum = programme
    q, c, _, _, eta = arrays
    path = [projected_gradient_reference(*arrays, steps=t)[0] for t in range(STEPS)]
    first = np.linalg.norm(path[0] - minimum)
    contraction = 1 - float(eta) * np.linalg.eigvalsh(q)[0]
    accuracy = 100 * EPS * np.linalg.cond(q) * np.linalg.norm(minimum)
    for t, x in enumerate(path):
        # Beck, theorems 10.29 and 10.21.
        assert np.linalg.norm(x - minimum) <= contraction**t * first + accuracy
        gap = objective(x, q, c) - objective(minimum, q, c)
        assert gap <= first**2 / (2 * float(eta) * max(t, 1)) + accuracy
    for before, after in pairwise(path):
        assert objective(after, q, c) < objective(before, q, c)
    assert np.linalg.norm(path[-1] - minimum) < 0.01 * first


def test_the_residual_falls_to_rounding_and_the_conditions_of_optimality_hold(programme, xp, draw):
    arrays, minimum = programme
    q, c, lower, upper, _ = arrays
    x, residual = draw("projected_gradient", preset="small").kernel.compute(xp, *arrays, steps=1500)
    assert residual <= 4 * EPS * np.linalg.norm(x)
    np.testing.assert_allclose(x, minimum, atol=100 * EPS * np.linalg.cond(q))
    slope = q @ x - c
    tolerance = 100 * EPS * np.linalg.norm(q) * np.linalg.norm(x)
    inside = (x > lower) & (x < upper)
    assert 0 < np.count_nonzero(inside) < len(x)
    assert np.max(np.abs(slope[inside])) < tolerance
    assert np.min(slope[x == lower]) > -tolerance
    assert np.max(slope[x == upper]) < tolerance


def test_the_residual_is_the_length_of_the_next_step(programme):
    arrays, _ = programme
    for t in (0, 3, 20):
        x, residual = projected_gradient_reference(*arrays, steps=t)
        after, _ = projected_gradient_reference(*arrays, steps=t + 1)
        np.testing.assert_allclose(residual, np.linalg.norm(after - x), rtol=0, atol=8 * EPS)


def test_the_step_is_at_most_one_over_the_largest_curvature():
    for n in (8, 16, 64, 300):
        q, _, _, _, eta = projected_gradient_inputs(np.random.default_rng(n), n, steps=1)
        values = np.linalg.eigvalsh(q)
        assert values[0] > 0
        assert 0.7 < eta * values[-1] <= 1


@pytest.fixture
def regression():
    return admm_inputs(np.random.default_rng(2), m=64, n=24, steps=1)


def test_multipliers_converge_to_the_lasso_of_scikit_learn(regression):
    linear_model = pytest.importorskip("sklearn.linear_model")
    a, b, penalty, rho = regression
    z, u, primal, dual = admm_reference(*regression, steps=400)
    model = linear_model.Lasso(float(penalty) / len(b), fit_intercept=False, tol=1e-15, max_iter=10**5)
    theirs = model.fit(a, b).coef_
    # Their duality gap is at most tol |b|^2 (and 1e-15 is below what rounding lets it reach), and the
    # objective rises from its minimum by the least curvature times half the squared distance.
    curvature = np.linalg.eigvalsh(a.T @ a)[0]
    distance = np.sqrt(2 * 10 * EPS * (b @ b) / curvature)
    np.testing.assert_allclose(z, theirs, rtol=0, atol=distance)
    assert 0 < np.count_nonzero(z) < len(z)

    rounding = 100 * EPS * np.linalg.norm(z)
    assert np.linalg.norm(primal) < rounding
    assert np.linalg.norm(dual) < rounding
    slope = a.T @ (b - a @ z)
    np.testing.assert_allclose(slope, rho * u, rtol=0, atol=rounding)
    assert np.max(np.abs(slope)) <= penalty + rounding
    np.testing.assert_allclose(slope[z != 0], penalty * np.sign(z[z != 0]), rtol=0, atol=rounding)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    rho=st.floats(0.2, 2),
    share=st.floats(0.05, 0.5),
)
def test_the_distance_to_the_solution_falls_by_the_squares_of_the_residuals(seed, rho, share):
    """Boyd et al., appendix A, inequality A.1: |z - z*|^2 + |u - u*|^2 is a Lyapunov function."""
    a, b, penalty, _ = admm_inputs(np.random.default_rng(seed), m=30, n=10, steps=1)
    arrays = (a, b, 10 * share * penalty, np.asarray(rho))
    z64, u64, primal, dual = admm_reference(*arrays, steps=500)
    scale = np.linalg.norm(z64) + np.linalg.norm(u64)
    # The solution is known to what the last steps move, over one less the rate, at most 0.97 here.
    unknown = (np.linalg.norm(primal) + np.linalg.norm(dual) / rho) / 0.03
    assert unknown < 1e-4 * scale

    potentials, moves = [], []
    for t in range(1, 10):
        z, u, primal, dual = admm_reference(*arrays, steps=t)
        potentials.append(np.sum((z - z64) ** 2) + np.sum((u - u64) ** 2))
        moves.append(np.sum(primal**2) + np.sum(dual**2) / rho**2)
    for before, after, moved in zip(potentials, potentials[1:], moves[1:], strict=False):
        assert after <= before - moved + 4 * unknown * np.sqrt(before) + 10 * EPS * scale**2


@pytest.mark.parametrize("name", ["small", "medium", "large"])
def test_no_size_asks_for_steps_after_the_end(draw, name):
    """A step that moves nothing would hide a step too many, or a wrong one."""
    for kernel, oracle in (
        ("projected_gradient", projected_gradient_reference),
        ("admm", admm_reference),
    ):
        chosen = draw(kernel, preset="small").kernel
        size = dict(chosen.sizes[name])
        steps = size["steps"]
        if name == "large":
            size = {key: value if key == "steps" else value // 4 for key, value in size.items()}
        arrays = chosen.inputs(np.random.default_rng(0), **size)
        last, previous = oracle(*arrays, steps=steps)[0], oracle(*arrays, steps=steps - 1)[0]
        assert np.linalg.norm(last - previous) > 1e-5 * np.linalg.norm(last)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kernel", "unspoilt"), [("admm", split()), ("projected_gradient", projected(steepest))]
)
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, kernel, unspoilt, dtype, size):
    trial = draw(kernel, dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=unspoilt))
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "seed"), [(2, 15), (2, 39), (3, 10), (6, 0)])
def test_projected_gradients_agree_after_the_end_too(draw, xp, dtype, n, seed):
    """Where every step rounds like the one before, so that errors add and do not average."""
    trial = draw("projected_gradient", dtype, seed, n=n, steps=400)
    found = trial.judge(trial.compute(xp))
    assert found.agrees, found.reason
