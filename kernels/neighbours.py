"""How fast, and how exactly, are samples put to the nearest of some centres, or of all others?"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from xpbench import Disagreement, Kernel, Unsupported, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

MARGIN = 3e-5
"""How much nearer a centre is than the next, in squared distances over the squares that make them."""

ROUNDS = 20
SAMPLED = 64
BLOCK = 2**22
"""Entries of a block of distances in an oracle."""


def kmeans(xp: Array, x: Array, centres: Array, *, steps: int) -> tuple[Array, Array, Array]:
    """Clusters by Lloyd's algorithm, a fixed number of steps from given centres.

        steps times:    l_i = argmin_k |x_i - c_k|^2,    c_k <- mean of the x_i with l_i = k
        l_i = argmin_k |x_i - c_k|^2,    inertia = sum_i |x_i - c_{l_i}|^2

    A centre without any sample stays where it is; of equal distances the first counts. Which centre is
    nearest is read from |c_k|^2 - 2 x_i'c_k, and sums over clusters are products with the matrix that
    is 1 where l_i = k. The inertia comes from differences.

    x (n, d), centres (K, d) -> centres c (K, d), labels l (n,), inertia ();
    (4 steps + 2) n d K + (4 steps + 2) n K + 3 n d flops, with a comparison for one.
    Lloyd, IEEE Transactions on Information Theory 28, 1982; Hastie, Tibshirani & Friedman, The Elements
    of Statistical Learning, section 14.3.6.
    """
    clusters = xp.arange(centres.shape[0])

    def nearest(c: Array) -> Array:
        return xp.argmin(xp.sum(c * c, axis=1) - x @ (2 * c).T, axis=1)

    def step(_: Array, c: Array) -> Array:
        members = xp.astype(nearest(c)[:, None] == clusters[None, :], x.dtype)
        counts = xp.sum(members, axis=0)[:, None]
        return xp.where(counts > 0, members.T @ x / xp.maximum(counts, xp.ones_like(counts)), c)

    c = xp.fori_loop(steps, step, centres)
    labels = nearest(c)
    r = x - xp.gather(c, labels)
    return c, labels, xp.sum(r * r)


def knn(xp: Array, x: Array, y: Array, t: Array, *, k: int, classes: int) -> tuple[Array, Array, Array]:
    """The k nearest neighbours of every query, and the class that most of them have.

        D_ij = |t_i|^2 + |x_j|^2 - 2 t_i'x_j = |t_i - x_j|^2
        j_i1 ... j_ik with the smallest D_ij, the nearest first
        class_i = argmax_c #{l: y_{j_il} = c}

    Of equal distances or counts the first counts. Neighbours are found one after another, each as the
    minimum of what the others leave, which for few takes less time than to sort. Squares that cancel
    leave in D an error of the size of eps (|t|^2 + |x|^2), which samples about the origin keep small.

    x (n, d), y (n,) integers from 0 to classes - 1, queries t (m, d) -> classes (m,), neighbours
    (m, k), squared distances (m, k); n m (2 d + 1 + 3 k) + 2 (n + m) d flops, with a comparison for one.
    Cover & Hart, IEEE Transactions on Information Theory 13, 1967; Hastie, Tibshirani & Friedman, The
    Elements of Statistical Learning, section 13.3.
    """
    places = xp.arange(x.shape[0])
    far = xp.full((), math.inf, dtype=x.dtype)

    def step(distances: Array, _: Array) -> tuple[Array, tuple[Array, Array]]:
        j = xp.argmin(distances, axis=1)
        found = xp.min(distances, axis=1)
        return xp.where(places[None, :] == j[:, None], far, distances), (j, found)

    # |t|^2 is the same for all neighbours of a query, and comes in at the end.
    distances = xp.sum(x * x, axis=1) - (2 * t) @ x.T
    _, (neighbours, nearest) = xp.scan(step, distances, xp.arange(k))
    squared = nearest.T + xp.sum(t * t, axis=1)[:, None]
    votes = xp.gather(y, neighbours)[:, :, None] == xp.arange(classes, dtype=y.dtype)
    counts = xp.sum(xp.astype(votes, y.dtype), axis=0)
    return xp.argmax(counts, axis=1), neighbours.T, squared


def kmeans_inputs(
    rng: np.random.Generator, n: int, d: int, clusters: int, steps: int
) -> tuple[np.ndarray, ...]:
    """Clouds that overlap, with samples of them to begin at, and a last centre too far away for any.

    No step finds a sample near a boundary between clusters: where one stands nearer than the margin,
    it is moved away from it, by some times the margin, and the steps are taken anew. By how many is
    drawn, because a boundary that comes to rest passes the same place more than once.
    """
    if clusters < 2 or n < clusters:
        raise Unsupported(
            f"a centre with samples, one without and a sample for each: n={n},clusters={clusters}"
        )
    middles = rng.standard_normal((clusters - 1, d)) / d**0.25
    x = middles[rng.integers(clusters - 1, size=n)] + rng.standard_normal((n, d))
    centres = np.append(x[rng.choice(n, clusters - 1, replace=False)], np.full((1, d), 20.0), axis=0)
    for _ in range(ROUNDS):
        moves, closest = np.zeros_like(x), np.inf
        for c, first, second, gap in trajectory(x, centres, steps):
            closest = min(closest, float(np.min(gap)))
            near = np.flatnonzero(gap < 2 * MARGIN)
            apart = c[first[near]] - c[second[near]]
            size = np.sum(x[near] ** 2, axis=1) + np.max(np.sum(c[:-1] ** 2, axis=1))
            length = MARGIN * size / np.maximum(np.sum(apart**2, axis=1), MARGIN * size)
            moves[near] = apart * (length * rng.uniform(2, 10, near.size))[:, np.newaxis]
        if closest > MARGIN:
            return x, centres
        x = x + moves
    raise Unsupported(
        f"in {ROUNDS} rounds samples still stand on boundaries: take more or fewer of them"
    )


def trajectory(x: np.ndarray, c: np.ndarray, steps: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The centres (K, d) before every step and after the last, with what ``two_nearest`` finds."""
    for step in range(steps + 1):
        found = two_nearest(x, c)
        yield c, *found
        if step < steps:
            c = means(x, found[0], c)


def two_nearest(x: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest centre (n,) of all, the second nearest, and how much nearer the first is.

    That is the difference of squared distances over |x|^2 + max |c|^2, where the last centre, which
    stands too far away to be near, is left out of the maximum.
    """
    squares = np.sum(c**2, axis=1)
    distances = squares - 2 * x @ c.T
    rows = np.arange(len(x))
    first = np.argmin(distances, axis=1)
    least = distances[rows, first]
    distances[rows, first] = np.inf
    second = np.argmin(distances, axis=1)
    size = np.sum(x**2, axis=1) + np.max(squares[:-1])
    return first, second, (distances[rows, second] - least) / size


def means(x: np.ndarray, labels: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The means (K, d) of the samples of every cluster; of none, the centre it had."""
    found = c.copy()
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(c)))
    for k, members in enumerate(np.split(order, ends[:-1])):
        if members.size:
            found[k] = np.mean(np.asfortranarray(x[members]), axis=0)
    return found


def nearest_of(x: np.ndarray, c: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest (n, k) of the rows of c, and squared distances (n, k), from differences."""
    from scipy.spatial.distance import cdist

    found, squared = np.empty((len(x), k), np.int64), np.empty((len(x), k))
    step = max(1, BLOCK // len(c))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        distances = cdist(x[rows], c, "sqeuclidean")
        some = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
        values = np.take_along_axis(distances, some, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        found[rows] = np.take_along_axis(some, order, axis=1)
        squared[rows] = np.take_along_axis(values, order, axis=1)
    return found, squared


def kmeans_reference(x: np.ndarray, centres: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
    """With distances from differences, and a mean for every cluster."""
    c = centres
    for _ in range(steps):
        c = means(x, nearest_of(x, c, 1)[0][:, 0], c)
    labels, squared = nearest_of(x, c, 1)
    return c, labels[:, 0], np.asarray(np.sum(squared))


def kmeans_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    centres: np.ndarray,
    steps: int,
) -> Errors:
    """Labels have to be the oracle's, and so clusters are; centres and inertia err as sums do.

    A distance errs by some sqrt(d) eps of |x|^2 + |c|^2, and the next centre is farther by 250 eps of
    it in float32: labels are the same at every step, no error outlives its step, and the centres are
    means of samples that are known. Rounding errors are taken for independent: that of one operation is
    sqrt(1/12) of its result, that of a sum of l terms sqrt(l) / 6 of its value and sqrt(l) / 4 of the
    norm of its terms' deviations (Higham & Mary, SIAM J. Sci. Comput. 42, 2020).

    ``labels`` counts those that differ. Limit 0.
    ``centres`` is the largest |c - c64| over a, with a^2 = n_k c^2 / 36 + w / 16 + c^2 / 3 for n_k
    samples of variance w: the sum, the quotient, and the oracle's last roundings. Limit 6, for the
    largest of many. A centre without samples is the one given, exactly.
    ``inertia`` is |I - I64| / I64, of n d squares in 8 partial sums or more, the lanes of a vector
    register, each of which errs by sqrt(n d / 8) / 6 of itself and all by sqrt(n d) / 48: its root mean
    square is sqrt(n d / 2304 + 1), 1 for the operations on single terms and the last ones. Limit 4.
    """
    n, d = x.shape
    c, labels, inertia = widened(outputs, centres.shape, (n,), ())
    c64, labels64, inertia64 = exact
    eps = epsilon(outputs)
    counts = np.bincount(labels64, minlength=len(c))[:, np.newaxis].astype(np.float64)
    spread = means((x - c64[labels64]) ** 2, labels64, np.zeros_like(c64))
    a = np.sqrt(counts * c64**2 / 36 + spread / 16 + c64**2 / 3)
    return {
        "labels": (float(np.count_nonzero(labels != labels64)), 0.0),
        "centres": (largest_ratio(c - c64, np.where(counts > 0, a, 0.0)) / eps, 6.0),
        "inertia": (
            largest_ratio(inertia - inertia64, inertia64) / eps,
            4 * math.sqrt(n * d / 2304 + 1),
        ),
    }


def knn_inputs(
    rng: np.random.Generator, n: int, m: int, d: int, k: int, classes: int
) -> tuple[np.ndarray, ...]:
    """Clouds about the origin that overlap, a class each, and queries from the same."""
    if n < k:
        raise Unsupported(f"{n} samples have no k={k} nearest: n must be k or more")
    middles = rng.standard_normal((classes, d))
    y, theirs = rng.integers(classes, size=n), rng.integers(classes, size=m)
    x, t = (middles[of] + rng.standard_normal((of.size, d)) for of in (y, theirs))
    return x, y, t


def knn_reference(
    x: np.ndarray, y: np.ndarray, t: np.ndarray, k: int, classes: int
) -> tuple[np.ndarray, ...]:
    """From the differences of the features, of which nothing cancels."""
    neighbours, squared = nearest_of(t, x, k)
    return majority(y[neighbours], classes), neighbours, squared


def majority(y: np.ndarray, classes: int) -> np.ndarray:
    """The most frequent class (m,) of every row of y (m, k), the first of equally many."""
    counts = np.zeros((len(y), classes), np.int64)
    np.add.at(counts, (np.arange(len(y))[:, np.newaxis], y), 1)
    most: np.ndarray = np.argmax(counts, axis=1)
    return most


def knn_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    t: np.ndarray,
    k: int,
    classes: int,
) -> Errors:
    """Distances against the oracle's, in order, and against those of the neighbours returned.

    Where two samples are equally far to within rounding either may come first, so that neighbours are
    compared by their distances and classes with what the neighbours returned say. A distance errs, in
    eps and the root mean square, by

        a^2 = (d / 4 + 1) p^2 + (d / 36 + 1/2) (|t|^4 + |x|^4) + ((|x|^2 - 2 t'x)^2 + D^2) / 12

    with p^2 = sum_k t_k^2 x_k^2: a sum of d terms errs by sqrt(d) / 4 of the norm of its terms where
    these have mean zero, and by sqrt(d) / 6 of its value where they have one sign (Higham & Mary, SIAM
    J. Sci. Comput. 42, 2020), a single operation by sqrt(1/12) of its result.

    ``distances`` is the largest |D - |t_i - x_j|^2| / a for the neighbours j returned.
    ``neighbours`` is the largest |D - D64| / a: the l-th smallest of many numbers moves by no more than
    the largest error of any of them. Limit of both 6, for the largest of many.
    ``classes`` counts those that are not the most frequent among the neighbours, the first of equally
    many. Limit 0.

    Without the oracle ``neighbours`` reads 64 queries.
    """
    found, neighbours, squared = widened(outputs, (len(t),), (len(t), k), (len(t), k))
    if neighbours.min() < 0 or neighbours.max() >= len(x):
        raise Disagreement(f"a neighbour is none of the {len(x)} samples")
    rows, eps = np.arange(len(t)), epsilon(outputs)
    if exact is None:
        rows = evenly_spaced(len(t), SAMPLED)
        nearest = nearest_of(t[rows], x, k)[1]
    else:
        nearest = exact[2]
    distances = np.stack([np.sum((t - x[j]) ** 2, axis=1) for j in neighbours.T], axis=1)
    a = distance_deviation(x, t, neighbours)
    return {
        "distances": (largest_ratio(squared - distances, a) / eps, 6.0),
        "neighbours": (largest_ratio(squared[rows] - nearest, a[rows]) / eps, 6.0),
        "classes": (float(np.count_nonzero(found != majority(y[neighbours], classes))), 0.0),
    }


def distance_deviation(x: np.ndarray, t: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """The a (m, k) that ``errors`` derives for the distances between queries and their neighbours."""
    d = x.shape[1]
    of_x, of_t = np.sum(x**2, axis=1), np.sum(t**2, axis=1)
    columns = []
    for j in neighbours.T:
        product, p2 = np.einsum("ij,ij->i", t, x[j]), np.einsum("ij,ij->i", t**2, x[j] ** 2)
        partial = of_x[j] - 2 * product
        squares = (d / 4 + 1) * p2 + (d / 36 + 1 / 2) * (of_t**2 + of_x[j] ** 2)
        columns.append(np.sqrt(squares + (partial**2 + (partial + of_t) ** 2) / 12))
    return np.stack(columns, axis=1)


Kernel(
    compute=kmeans,
    inputs=kmeans_inputs,
    reference=kmeans_reference,
    errors=kmeans_errors,
    flops=lambda n, d, clusters, steps: (
        (4 * steps + 2) * n * d * clusters + (4 * steps + 2) * n * clusters + 3 * n * d
    ),
    traffic=lambda itemsize, n, d, clusters, steps: itemsize * (n * d + 2 * clusters * d + 1) + 8 * n,
    sizes={
        "small": {"n": 128, "d": 4, "clusters": 4, "steps": 3},
        "medium": {"n": 4096, "d": 16, "clusters": 8, "steps": 8},
        "large": {"n": 65536, "d": 32, "clusters": 24, "steps": 10},
        "huge": {"n": 262144, "d": 64, "clusters": 48, "steps": 10},
    },
    static=("steps",),
    chapter="models",
)

Kernel(
    compute=knn,
    inputs=knn_inputs,
    reference=knn_reference,
    errors=knn_errors,
    flops=lambda n, m, d, k, classes: n * m * (2 * d + 1 + 3 * k) + 2 * (n + m) * d,
    traffic=lambda itemsize, n, m, d, k, classes: (
        itemsize * (n * d + m * d + m * k) + 8 * (n + m + m * k)
    ),
    sizes={
        "small": {"n": 128, "m": 32, "d": 4, "k": 3, "classes": 3},
        "medium": {"n": 2048, "m": 256, "d": 16, "k": 5, "classes": 5},
        "large": {"n": 16384, "m": 1024, "d": 32, "k": 5, "classes": 10},
        "huge": {"n": 131072, "m": 8192, "d": 64, "k": 5, "classes": 10},
    },
    static=("k", "classes"),
    oracle_flops=1e10,
    chapter="models",
)
