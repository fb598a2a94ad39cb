"""Trained to its optimum the machine is libsvm's, and on the way there it keeps what theory says."""

from itertools import pairwise

import numpy as np
import pytest

from xpbench.kernels.support_vectors import gaussian, inputs, reference, svm_rbf

EPS = np.finfo(np.float64).eps
SIZE = {"n": 60, "m": 25, "d": 4}


@pytest.fixture(scope="module")
def optimum(xp):
    """Inputs, and the outputs once they stand still."""
    arrays = inputs(np.random.default_rng(0), **SIZE, steps=1)
    return arrays, svm_rbf(xp, *arrays, steps=4000)


def test_the_optimum_is_that_of_scikit_learns_svc(optimum):
    """Which has an intercept without penalty, and finds it 0 where every sample has a mirror image.

    With (phi(x), 1) and its negative, of the other class, at half the price each, the minimum over w
    and v is the kernel's; the products of all these are G and -G.
    """
    svm = pytest.importorskip("sklearn.svm")
    (x, y, queries, gamma, penalty), (b, decisions, dual) = optimum
    g, others = 1 + gaussian(x, x, gamma), 1 + gaussian(queries, x, gamma)
    mirrored, labels = np.block([[g, -g], [-g, g]]), np.append(y, -y)
    machine = svm.SVC(C=float(penalty) / 2, kernel="precomputed", tol=1e-9).fit(mirrored, labels)
    assert abs(machine.intercept_[0]) < 1e-8

    np.testing.assert_allclose(
        decisions, machine.decision_function(np.hstack([others, -others])), rtol=0, atol=1e-7
    )
    theirs = np.zeros(2 * len(y))
    theirs[machine.support_] = machine.dual_coef_[0]
    objective = np.sum(np.abs(theirs)) - theirs @ mirrored @ theirs / 2
    np.testing.assert_allclose(dual, objective, rtol=1e-8)
    # A sample and its mirror image have one direction between them.
    np.testing.assert_allclose(theirs[: len(y)] - theirs[len(y) :], b, rtol=0, atol=1e-6 * penalty)


def test_the_optimum_is_that_of_scikit_learns_linear_machine_on_features_of_the_kernel(optimum):
    """Without intercept, on the rows of a factor of G, whose products are those of the kernel."""
    svm = pytest.importorskip("sklearn.svm")
    (x, y, _, gamma, penalty), (b, _, _) = optimum
    g = 1 + gaussian(x, x, gamma)
    features = np.linalg.cholesky(g + 1e-12 * np.eye(len(y)))
    machine = svm.LinearSVC(
        C=float(penalty), loss="hinge", fit_intercept=False, tol=1e-10, max_iter=100_000, random_state=0
    ).fit(features, y)
    np.testing.assert_allclose(features @ machine.coef_[0], g @ b, rtol=0, atol=1e-6)


def test_at_the_optimum_every_sample_is_on_its_side_of_the_margin(optimum):
    """The conditions of Karush, Kuhn and Tucker: Schoelkopf & Smola, section 7.4."""
    (x, y, _, gamma, penalty), (b, _, _) = optimum
    a, margins = y * b, y * ((1 + gaussian(x, x, gamma)) @ b)
    kinds = (a == 0, a == penalty, (a > 0) & (a < penalty))
    assert all(kind.any() for kind in kinds)
    assert np.all(margins[kinds[0]] >= 1 - 1e-7)
    assert np.all(margins[kinds[1]] <= 1 + 1e-7)
    np.testing.assert_allclose(margins[kinds[2]], 1, atol=1e-7)


def test_the_objective_nears_the_optimum_with_the_square_of_the_steps(optimum, xp):
    """Beck, theorem 10.34: D* - D_t <= 2 L |b*|^2 / (t + 1)^2, here with L = 1 / eta."""
    arrays, (b, _, best) = optimum
    curvature = np.max(np.sum(1 + gaussian(arrays[0], arrays[0], arrays[3]), axis=1))
    gaps = {t: best - svm_rbf(xp, *arrays, steps=t)[2] for t in (1, 4, 16, 64, 256)}
    assert all(0 < gap <= 2 * curvature * (b @ b) / (t + 1) ** 2 for t, gap in gaps.items())
    assert all(more > less for more, less in pairwise(gaps.values()))


@pytest.mark.parametrize("steps", [1, 3, 10, 100])
def test_the_primal_objective_is_never_below_the_dual(xp, steps):
    arrays = inputs(np.random.default_rng(steps), **SIZE, steps=steps)
    x, y, _, gamma, penalty = arrays
    b, _, dual = svm_rbf(xp, *arrays, steps=steps)
    g = 1 + gaussian(x, x, gamma)
    primal = b @ g @ b / 2 + penalty * np.sum(np.maximum(0, 1 - y * (g @ b)))
    assert primal >= dual > 0


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_far_from_all_samples_the_intercept_decides(load, backend):
    library = load(backend, "float64")
    x, y, queries, gamma, penalty = inputs(np.random.default_rng(2), **SIZE, steps=9)
    arrays = map(library.put, (x, y, queries + 100, gamma, penalty))
    b, decisions, _ = map(library.fetch, svm_rbf(library.xp, *arrays, steps=9))
    np.testing.assert_allclose(decisions, np.sum(b), rtol=0, atol=60 * EPS * np.sum(np.abs(b)))


def test_the_oracle_takes_the_kernels_steps_to_the_same_optimum(optimum):
    arrays, outputs = optimum
    for found, right in zip(outputs, reference(*arrays, steps=4000), strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-9)


def test_the_dimension_in_which_classes_differ_is_seen_through_the_kernel(optimum):
    """No plane divides a ball from what is about it; the machine does, but for noise at the border."""
    (x, y, _, gamma, _), (b, _, _) = optimum
    plane = np.linalg.lstsq(np.column_stack([x, np.ones(len(y))]), y)[0]
    right = [np.mean(np.sign(f) == y) for f in ((1 + gaussian(x, x, gamma)) @ b, x @ plane[:-1])]
    assert right[0] > 0.8 > right[1]
