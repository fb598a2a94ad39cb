"""Newton's method converges by squares, BFGS learns the inverse Hessian, both find SciPy's minimum."""

from itertools import pairwise

import numpy as np
import pytest

from planted.curvature import learned, newtonian
from xpbench import Unsupported
from xpbench.kernels.curvature import bfgs, bfgs_reference, newton, newton_reference

SIZE = {"n": 200, "d": 6, "steps": 4}
EPS = np.finfo(np.float64).eps


def objective(w, x, y, penalty):
    z = x @ w
    return float(np.mean(np.logaddexp(0, z) - y * z) + penalty / 2 * w @ w)


def gradient(w, x, y, penalty):
    return x.T @ (1 / (1 + np.exp(-(x @ w))) - y) / len(x) + penalty * w


def hessian(w, x, y, penalty):
    p = 1 / (1 + np.exp(-(x @ w)))
    return (x.T * (p * (1 - p) / len(x))) @ x + penalty * np.eye(x.shape[1])


@pytest.fixture
def data(draw):
    x, y, penalty = draw("newton", "float64", **SIZE).data.exact_inputs
    return x, y, float(penalty)


@pytest.fixture
def minimum(data):
    """Where Newton's steps end: they converge by squares until nothing changes."""
    return newton_reference(*data, steps=12)[0][-1]


@pytest.mark.parametrize("kernel", [newton_reference, bfgs])
def test_both_arrive_at_scipys_minimum(data, xp, kernel):
    optimize = pytest.importorskip("scipy.optimize")
    options = {"gtol": 1e-8}
    start = np.zeros(data[0].shape[1])
    theirs = optimize.minimize(objective, start, data, "trust-exact", gradient, hessian, options=options)
    assert theirs.success
    by_newton = kernel is newton_reference
    ours = kernel(*data, steps=12)[0][-1] if by_newton else kernel(xp, *data, steps=20)[0]
    # The distance from a minimum is at most the gradient over the least curvature.
    least = np.linalg.eigvalsh(hessian(theirs.x, *data))[0]
    assert np.linalg.norm(gradient(ours, *data)) <= 1e-7
    assert np.linalg.norm(ours - theirs.x) <= 2e-7 / least


def test_newtons_error_is_squared_by_every_step(data, minimum):
    """|w_t+1 - w*| <= M / (2 mu) |w_t - w*|^2, M the Lipschitz constant of the Hessian and mu its least
    eigenvalue (Nocedal & Wright, theorem 3.5); the slope of c = p (1 - p) is at most 1 / (6 sqrt(3)).
    """
    rows = np.linalg.norm(data[0], axis=1)
    lipschitz = np.mean(rows**3) / (6 * np.sqrt(3))
    (iterates,) = newton_reference(*data, steps=6)
    path = [np.zeros_like(minimum), *iterates]
    for before, after in pairwise(path):
        least = np.linalg.eigvalsh(hessian(before, *data))[0]
        bound = lipschitz / (2 * least) * np.linalg.norm(before - minimum) ** 2
        assert np.linalg.norm(after - minimum) <= bound + 1e4 * EPS
    distances = [np.linalg.norm(w - minimum) for w in path]
    assert distances[1] > 1e-2 > 1e-8 > distances[-1]


def test_the_oracle_by_least_squares_takes_newtons_steps(data):
    (iterates,) = newton_reference(*data, steps=4)
    w = np.zeros(iterates.shape[1])
    for found in iterates:
        w = w - np.linalg.solve(hessian(w, *data), gradient(w, *data))
        np.testing.assert_allclose(found, w, rtol=0, atol=1e3 * EPS * np.linalg.norm(w))


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_derivatives_of_the_backend_and_by_hand_give_the_same_iterates(draw, xp, backend):
    trial = draw("newton", "float64", **SIZE)
    found = trial.judge(trial.on(backend))
    assert found.agrees, found.reason
    assert set(found.errors) == {"steps", "iterates"}


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_bfgs_fulfils_the_secant_equation_and_stays_positive_definite(data, xp, steps):
    (before, _), (after, b) = (bfgs(xp, *map(np.asarray, data), steps=t) for t in (steps - 1, steps))
    s, q = after - before, gradient(after, *data) - gradient(before, *data)
    size = np.linalg.norm(b) * np.linalg.norm(q)
    # The gradients err by some eps of their terms, far more than of their difference q.
    assert np.linalg.norm(b @ q - s) <= 1e3 * EPS * size * np.linalg.norm(data[0], 2) / np.linalg.norm(q)
    assert np.linalg.eigvalsh((b + b.T) / 2)[0] > 0


def test_bfgs_descends_and_converges_superlinearly(data, minimum, xp):
    """|w_t+1 - w*| / |w_t - w*| tends to zero (Nocedal & Wright, theorem 6.6), d steps at a time."""
    d = len(minimum)
    path = [bfgs(xp, *data, steps=steps)[0] for steps in range(2 * d + 1)]
    assert np.all(np.diff([objective(w, *data) for w in path]) < 0)
    first, middle, last = (np.linalg.norm(path[steps] - minimum) for steps in (0, d, 2 * d))
    assert last / middle < middle / first / 10


def test_newton_and_bfgs_are_blind_to_the_order_of_the_samples(draw, xp):
    rng = np.random.default_rng(0)
    for kernel, function in (("newton", newton), ("bfgs", bfgs)):
        trial = draw(kernel, "float64", **SIZE)
        x, y, penalty = trial.inputs
        order = rng.permutation(len(y))
        outputs = trial.compute(xp, [x[order], y[order], penalty], function)
        assert trial.judge(outputs).agrees


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bfgs_stays_at_the_minimum_where_it_ends(draw, load, backend, dtype):
    """Where steps and their changes of the gradient are rounding, or zero, or of the wrong sign."""
    trial, library = draw("newton", dtype, **SIZE), load(backend, dtype)
    outputs = bfgs(library.xp, *map(library.put, trial.inputs), steps=60)
    w, b = map(library.fetch, outputs)
    assert np.all(np.isfinite(b))
    exact = trial.data.exact_inputs
    minimum = newton_reference(*exact, steps=12)[0][-1]
    # The distance is at most the gradient over the least curvature, and rounding is all that is left.
    least = np.linalg.eigvalsh(hessian(minimum, *exact))[0]
    rounding = np.finfo(dtype).eps * np.linalg.norm(exact[0], 2) / np.sqrt(len(exact[0]))
    assert np.linalg.norm(w - minimum) <= 4 * rounding / least


@pytest.mark.parametrize("samples", [1, 2])
def test_bfgs_of_one_feature_divides_by_nothing_at_the_minimum(draw, xp, samples):
    trial = draw("newton", "float32", n=samples, d=1, steps=1)
    w, b = bfgs(xp, *trial.inputs, steps=40)
    assert np.all(np.isfinite([*w, *b[0]]))


@pytest.mark.parametrize("name", ["small", "medium", "large"])
def test_no_size_of_bfgs_asks_for_steps_after_the_minimum(draw, name):
    kernel = draw("bfgs", preset="small").kernel
    size = dict(kernel.sizes[name])
    if name == "large":
        size |= {"n": size["n"] // 4, "d": size["d"] // 4}
    arrays = kernel.inputs(np.random.default_rng(0), **size)
    w, _ = bfgs_reference(*arrays, steps=size["steps"])
    before, _ = bfgs_reference(*arrays, steps=size["steps"] - 1)
    assert np.linalg.norm(w - before) > 1e-4 * np.linalg.norm(w)


def test_bfgs_refuses_to_go_on_from_the_minimum(data):
    with pytest.raises(Unsupported, match="take fewer steps"):
        bfgs_reference(*data, steps=60)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kernel", "unspoilt"), [("newton", newtonian), ("bfgs", learned)])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, kernel, unspoilt, dtype, size):
    trial = draw(kernel, dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=unspoilt))
    assert found.agrees, found.reason
