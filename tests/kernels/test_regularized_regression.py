"""Penalised regressions are scikit-learn's, and their iterations keep to the rate of their theorem."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted.regularized_regression import descent, penalised
from xpbench.bench.agreement import judge
from xpbench.kernels.regularized_regression import (
    elastic_net_inputs,
    elastic_net_reference,
    lasso_reference,
    momenta,
    ridge_inputs,
    ridge_reference,
)

EPS = np.finfo(np.float64).eps
STEPS = 60
CONVERGED = momenta(3000)


@pytest.fixture
def regression():
    return elastic_net_inputs(np.random.default_rng(1), n=80, d=24, steps=STEPS)


def objective(w, x, y, l1, l2):
    return np.sum((x @ w - y) ** 2) / 2 + l1 * np.sum(np.abs(w)) + l2 * np.sum(w**2) / 2


def of_scikit_learn(x, y, l1, l2):
    """The minimiser, by coordinate descent: scikit-learn divides the sum of squares by n."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    alpha, n = float(l1 + l2) / len(y), len(y)
    options = {"fit_intercept": False, "tol": 1e-14, "max_iter": 10**5}
    model = (
        linear_model.ElasticNet(alpha=alpha, l1_ratio=float(l1) / n / alpha, **options)
        if l2
        else linear_model.Lasso(alpha=alpha, **options)
    )
    return model.fit(x, y).coef_


@pytest.mark.parametrize("solver", ["cholesky", "svd"])
def test_ridge_is_that_of_scikit_learn(draw, xp, solver):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y, penalty = ridge_inputs(np.random.default_rng(0), n=100, d=20)
    model = linear_model.Ridge(float(penalty), fit_intercept=False, solver=solver).fit(x, y)
    compute = draw("ridge", preset="small").kernel.compute
    curvature = np.linalg.norm(x, 2) ** 2 + penalty
    tolerance = 100 * EPS * curvature / penalty * np.linalg.norm(model.coef_)
    for ours in (compute(xp, x, y, penalty), *ridge_reference(x, y, penalty)):
        np.testing.assert_allclose(ours, model.coef_, rtol=0, atol=tolerance)


@pytest.mark.parametrize("n", [3, 6, 40])
def test_the_oracle_of_ridge_has_the_digits_of_fifty_digit_arithmetic(n):
    """All of float64, as far as residuals in long double know them."""
    mpmath = pytest.importorskip("mpmath")
    x, y, penalty = ridge_inputs(np.random.default_rng(n), n=n, d=6)
    penalty = 100 * penalty
    with mpmath.workdps(50):
        columns = mpmath.matrix(x.tolist())
        gram = columns.T * columns + float(penalty) * mpmath.eye(6)
        exact = mpmath.lu_solve(gram, columns.T * mpmath.matrix(y.tolist()))
    exact = np.array([float(entry) for entry in exact])
    condition = np.linalg.cond(x.T @ x + penalty * np.eye(6))
    unknown = 4 * float(np.finfo(np.longdouble).eps) * condition
    (w,) = ridge_reference(x, y, penalty)
    assert np.linalg.norm(w - exact) <= (EPS + unknown) * np.linalg.norm(exact)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
@pytest.mark.parametrize(
    ("dtype", "condition", "root"), [("float32", 1e4, 1e-4), ("float64", 1e12, 1e-11)]
)
def test_ridge_solves_what_the_normal_equations_cannot(draw, backend, dtype, condition, root):
    trial = draw("ridge", dtype, preset="small")
    rng = np.random.default_rng(3)
    x, y, _ = trial.inputs
    n, d = x.shape
    u, v = np.linalg.qr(rng.standard_normal((n, d))).Q, np.linalg.qr(rng.standard_normal((d, d))).Q
    ill = (u * np.geomspace(1, 1 / condition, d) @ v.T).astype(dtype)
    inputs = [ill, y, np.asarray(root**2, dtype=dtype)]
    exact = [array.astype(np.float64) for array in inputs]
    reference = ridge_reference(*exact)

    found = judge(trial.kernel, trial.on(backend, inputs), reference, exact, {}, dtype)
    assert found.agrees, found.reason
    gram = ill.T @ ill + inputs[2] * np.eye(d, dtype=dtype)
    normal = np.linalg.solve(gram, ill.T @ y)
    assert not judge(trial.kernel, [normal], reference, exact, {}, dtype).agrees


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    penalties=st.lists(st.floats(-3, 3), min_size=2, max_size=2, unique=True),
)
def test_a_larger_penalty_shrinks_coefficients_and_fits_less(seed, penalties):
    """Hoerl & Kennard, 1970: with shares lambda / (s^2 + lambda) both are monotone."""
    x, y, _ = ridge_inputs(np.random.default_rng(seed), n=40, d=6)
    less, more = (ridge_reference(x, y, np.asarray(10.0**power))[0] for power in sorted(penalties))
    assert np.linalg.norm(more) <= np.linalg.norm(less) * (1 + 100 * EPS)
    assert np.linalg.norm(y - x @ more) >= np.linalg.norm(y - x @ less) * (1 - 100 * EPS)


@pytest.mark.parametrize("squares", [0.0, 0.05, 1.0])
def test_the_objective_falls_to_scikit_learns_at_the_rate_of_the_theorem(regression, squares):
    """Beck & Teboulle, theorem 4.4: F(w_k) - F* <= 2 L |w*|^2 / (k + 1)^2 from zero."""
    x, y, l1, _, eta, beta = regression
    l2 = np.asarray(squares)
    minimum = of_scikit_learn(x, y, l1, squares)
    least = objective(minimum, x, y, l1, l2)
    gaps = []
    for k in range(1, STEPS):
        w, value = elastic_net_reference(x, y, l1, l2, eta, beta[:k])
        np.testing.assert_allclose(value, objective(w, x, y, l1, l2), rtol=100 * EPS)
        gaps.append(value - least)
        assert -1e-12 * least <= gaps[-1] <= 2 / eta * np.sum(minimum**2) / (k + 1) ** 2
    assert gaps[-1] < 0.01 * gaps[0]


@pytest.mark.parametrize("kernel", ["lasso", "elastic_net"])
def test_steps_without_end_meet_the_conditions_of_optimality(regression, draw, xp, kernel):
    x, y, l1, l2, eta, _ = regression
    penalties = (l1, l2) if kernel == "elastic_net" else (l1,)
    l2 = l2 if kernel == "elastic_net" else np.asarray(0.0)
    compute = draw(kernel, preset="small").kernel.compute
    w, value = compute(xp, x, y, *penalties, eta, CONVERGED)
    rounding = 100 * EPS * (np.linalg.norm(x, 2) ** 2 * np.linalg.norm(w) + np.linalg.norm(x.T @ y))
    slope = x.T @ (y - x @ w) - l2 * w
    assert 0 < np.count_nonzero(w) < len(w)
    assert np.max(np.abs(slope)) <= l1 + rounding
    np.testing.assert_allclose(slope[w != 0], l1 * np.sign(w[w != 0]), rtol=0, atol=rounding)

    theirs = of_scikit_learn(x, y, l1, l2)
    # F rises from its minimum by the least curvature times half the squared distance, and their
    # duality gap is at most tol |y|^2 (and 1e-14 is near what rounding lets it reach).
    curvature = np.linalg.eigvalsh(x.T @ x)[0] + l2
    distance = np.sqrt(2 * 100 * EPS * (y @ y) / curvature)
    np.testing.assert_allclose(w, theirs, rtol=0, atol=distance)
    np.testing.assert_allclose(value, objective(theirs, x, y, l1, l2), rtol=1e-12)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), squares=st.floats(0.05, 2), share=st.floats(0.2, 3))
def test_the_elastic_net_is_a_lasso_of_stacked_samples(seed, squares, share):
    """Zou & Hastie, lemma 1: with rows sqrt(lambda_2) 1 and targets 0 more, both have one minimum."""
    x, y, l1, _, eta, beta = elastic_net_inputs(np.random.default_rng(seed), n=30, d=6, steps=1000)
    l1, l2 = share * l1, np.asarray(squares)
    net, _ = elastic_net_reference(x, y, l1, l2, eta, beta)
    stacked = np.concatenate([x, np.sqrt(squares) * np.eye(6)])
    step = 1 / (1 / eta + squares)
    alone, _ = lasso_reference(stacked, np.append(y, np.zeros(6)), l1, step, beta)
    np.testing.assert_allclose(net, alone, rtol=0, atol=1e-8 * np.linalg.norm(y))


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_the_largest_penalty_leaves_no_coefficient(draw, backend):
    trial = draw("lasso", preset="small")
    x, y, l1, *rest = trial.inputs
    largest = np.max(np.abs(x.T @ y))
    w, value = trial.on(backend, [x, y, np.asarray(1.001 * largest, l1.dtype), *rest])
    assert np.all(w == 0)
    np.testing.assert_allclose(value, y @ y / 2, rtol=len(y) * np.finfo(y.dtype).eps)
    w, _ = trial.on(backend, [x, y, np.asarray(0.9 * largest, l1.dtype), *rest])
    assert np.any(w != 0)


def test_momenta_are_those_of_the_recurrence():
    """t_k+1^2 - t_k+1 = t_k^2, which is what the theorem needs; t is found back from the ratios."""
    beta = momenta(50)
    assert beta[0] == beta[1] == 0
    t = (1 + np.sqrt(5)) / 2
    for before, factor in pairwise(beta[1:]):
        following = (t - 1) / factor
        np.testing.assert_allclose(following**2 - following, t**2, rtol=1e-13 * len(beta))
        assert before < factor < 1
        t = following


@pytest.mark.parametrize("kernel", ["lasso", "elastic_net"])
@pytest.mark.parametrize("name", ["small", "medium", "large"])
def test_no_size_asks_for_steps_after_the_end(draw, kernel, name):
    """A step that moves nothing would hide a step too many, or a wrong one."""
    chosen = draw(kernel, preset="small").kernel
    size = {**chosen.sizes[name]}
    if name == "large":
        size["n"] //= 16
    *arrays, beta = chosen.inputs(np.random.default_rng(0), **size)
    last, previous = chosen.reference(*arrays, beta)[0], chosen.reference(*arrays, beta[:-1])[0]
    assert np.linalg.norm(last - previous) > 1e-4 * np.linalg.norm(last)
    assert 0 < np.count_nonzero(last) < len(last)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kernel", "unspoilt"), [("ridge", penalised()), ("lasso", descent()), ("elastic_net", descent())]
)
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, kernel, unspoilt, dtype, size):
    trial = draw(kernel, dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=unspoilt))
    assert found.agrees, found.reason
