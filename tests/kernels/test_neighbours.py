"""Clusters and neighbours are scikit-learn's, and what Lloyd's algorithm promises it keeps."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted.neighbours import lloyd, nearest
from xpbench.kernels.neighbours import (
    MARGIN,
    kmeans,
    kmeans_inputs,
    kmeans_reference,
    knn,
    knn_inputs,
    trajectory,
)

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clusters_are_those_of_scikit_learn(draw, size, dtype):
    cluster = pytest.importorskip("sklearn.cluster")
    trial = draw("kmeans", dtype, preset=size)
    x, centres = trial.data.exact_inputs
    steps = trial.static["steps"]
    # It would move a centre without samples to the farthest sample, and so is not given that one.
    model = cluster.KMeans(
        len(centres) - 1, init=centres[:-1], n_init=1, max_iter=steps, tol=0, algorithm="lloyd"
    ).fit(x)
    c, labels, inertia = trial.data.reference
    assert model.n_iter_ == steps
    assert np.array_equal(model.labels_, labels)
    tolerance = 10 * EPS * len(x) ** 0.5
    np.testing.assert_allclose(
        model.cluster_centers_, c[:-1], rtol=0, atol=tolerance * np.max(np.abs(x))
    )
    np.testing.assert_allclose(model.inertia_, inertia, rtol=tolerance)
    assert np.array_equal(c[-1], centres[-1])


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(3))
def test_no_sample_stands_near_a_boundary_in_any_step(draw, size, dtype, seed):
    """With the inputs as rounded, in float64; and every step still changes labels."""
    trial = draw("kmeans", dtype, seed, preset=size)
    x, centres = trial.data.exact_inputs
    found = list(trajectory(x, centres, trial.static["steps"]))
    assert min(np.min(gap) for *_, gap in found) > 0.9 * MARGIN
    for (_, before, *_), (_, after, *_) in pairwise(found):
        assert np.any(before != after)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 4), st.integers(1, 6))
def test_no_step_raises_the_inertia(seed, clusters, d, steps):
    x, centres = kmeans_inputs(np.random.default_rng(seed), n=40, d=d, clusters=clusters, steps=steps)
    inertias = [float(kmeans_reference(x, centres, count)[2]) for count in range(steps + 1)]
    assert all(np.diff(inertias) <= 40 * EPS * inertias[0])


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
def test_a_centre_without_samples_stays(load, backend):
    library = load(backend, "float64")
    x = np.array([[0.0], [1.0], [2.0], [10.0]])
    centres = np.array([[1.0], [50.0], [9.0]])
    arrays = [library.put(array) for array in (x, centres)]
    c, labels, inertia = map(library.fetch, kmeans(library.xp, *arrays, steps=4))
    assert c.tolist() == [[1.0], [50.0], [10.0]]
    assert labels.tolist() == [0, 0, 0, 2]
    assert inertia == 2


@pytest.mark.parametrize("size", ["small", "medium"])
def test_neighbours_are_those_of_scikit_learn(draw, size):
    neighbors = pytest.importorskip("sklearn.neighbors")
    trial = draw("knn", "float64", preset=size)
    x, y, t = trial.data.exact_inputs
    model = neighbors.KNeighborsClassifier(trial.static["k"], algorithm="kd_tree").fit(x, y)
    distances, neighbours = model.kneighbors(t)
    classes, indices, squared = trial.data.reference
    assert np.array_equal(neighbours, indices)
    assert np.array_equal(model.predict(t), classes)
    np.testing.assert_allclose(distances**2, squared, rtol=20 * EPS)
    assert trial.judge([model.predict(t), neighbours, distances**2]).agrees


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5), st.integers(5, 30))
def test_every_sample_is_its_own_nearest_neighbour(xp, seed, d, k, n):
    x, y, _ = knn_inputs(np.random.default_rng(seed), n=n, m=1, d=d, k=k, classes=3)
    _, neighbours, squared = knn(xp, x, y, x, k=k, classes=3)
    assert np.array_equal(neighbours[:, 0], np.arange(n))
    assert np.all(np.diff(squared, axis=1) >= 0)
    assert all(len(set(row)) == k for row in neighbours.tolist())


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "array-api-strict"])
def test_of_equal_distances_and_equal_votes_the_first_counts(load, backend):
    library = load(backend, "float32")
    x = np.array([[1.0], [-1.0], [1.0], [3.0], [-3.0]], np.float32)
    y, t = np.array([2, 0, 1, 0, 1]), np.zeros((1, 1), np.float32)
    arrays = [library.put(array) for array in (x, y, t)]
    classes, neighbours, squared = map(library.fetch, knn(library.xp, *arrays, k=3, classes=3))
    assert neighbours.tolist() == [[0, 1, 2]]
    assert classes.tolist() == [0]
    assert squared.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize(("kernel", "unspoilt"), [("kmeans", lloyd()), ("knn", nearest())])
def test_what_faults_are_planted_in_agrees_without_one(draw, xp, kernel, unspoilt, dtype, size):
    trial = draw(kernel, dtype, preset=size)
    found = trial.judge(trial.compute(xp, compute=unspoilt))
    assert found.agrees, found.reason
