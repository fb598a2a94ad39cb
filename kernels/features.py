"""How fast, and how exactly, are features made of columns, and the best of them chosen?"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from xpbench import (
    Kernel,
    Unsupported,
    epsilon,
    largest_ratio,
    mean_bound,
    squares_lost,
    widened,
)
from xpbench.bench.kernel import Array, Errors

MARGIN = 1.25
"""The least quotient of the score of the last feature chosen and of the next."""
DRAWS = 100


def polynomial_features(xp: Array, x: Array) -> Array:
    """All products of at most two columns, one itself.

        f_i = (1, x_i1, ..., x_id, x_i1 x_i1, x_i1 x_i2, ..., x_i1 x_id, x_i2 x_i2, ..., x_id x_id)

    in the order of scikit-learn: the constant, the columns, then the products of columns j <= k, by j
    and then by k. What is multiplied by column j stands side by side in x, from column j on.

    x (n, d) -> f (n, p) with p = 1 + d + d (d + 1) / 2; n d (d + 1) / 2 flops.
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., section 5.1;
    scikit-learn's PolynomialFeatures of degree 2.
    """
    n, d = x.shape
    products = [x[:, j : j + 1] * x[:, j:] for j in range(d)]
    return xp.concat([xp.ones((n, 1), dtype=x.dtype), x, *products], axis=1)


def select_k_best(xp: Array, x: Array, y: Array, *, classes: int, k: int) -> tuple[Array, Array, Array]:
    """The k features whose means differ most between classes, by the F test of analysis of variance.

        F_j = (B_j / (C - 1)) / (W_j / (n - C))
        B_j = sum_c n_c (m_cj - m_j)^2,    W_j = sum_i (x_ij - m_{y_i, j})^2

    with C classes, n_c rows and the mean m_c of class c, and the mean m of all rows. A feature that is
    constant has F_j = 0 (scikit-learn says NaN, and ranks it last); one that is constant in every class
    alone has no W_j, and F_j is infinite or as large as rounding lets it be. As in ``standardize``
    everything is taken from the first row; then it is centred, so that m is 0.

    x (n, d), y (n,) integers of 0 ... C - 1, all of which occur -> F (d,), the k largest of F (k,) and
    their columns (k,), in the order of the columns; 2 n d C + 6 n d flops.
    Fisher, Statistical Methods for Research Workers, 1925, section 40; Guyon & Elisseeff, J. Mach.
    Learn. Res. 3, 2003; scikit-learn's f_classif and SelectKBest.
    """
    n = x.shape[0]
    d = x - x[:1, :]
    d = d - xp.mean(d, axis=0)
    member = xp.astype(y[:, None] == xp.arange(classes, dtype=y.dtype)[None, :], x.dtype)
    counts = xp.sum(member, axis=0)[:, None]
    means = member.T @ d / counts
    rest = d - xp.gather(means, y)
    between = xp.sum(counts * means * means, axis=0) / (classes - 1)
    within = xp.sum(rest * rest, axis=0) / (n - classes)
    scores = between / xp.where(between > 0, within, xp.ones_like(within))
    best = xp.sort(xp.argsort(scores, descending=True)[:k])
    return scores, xp.gather(scores, best), best


def normal_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Normal draws."""
    return (rng.standard_normal((n, d)),)


def labelled_inputs(
    rng: np.random.Generator, n: int, d: int, classes: int, k: int
) -> tuple[np.ndarray, ...]:
    """Features in any unit, k of which depend on the class, drawn until the k best stand out.

    The means of classes deviate by one to two deviations of a feature that depends on them and by a
    tenth at most of one that does not. Of more than k + 2 features the last is constant.
    """
    if classes < 2 or n <= classes:
        raise Unsupported(
            f"scores compare 2 classes or more, in more rows than classes: n={n},classes={classes}"
        )
    if k > d:
        raise Unsupported(f"of d={d} features no more can be chosen: k={k}")
    units = 10 ** rng.uniform(-2, 2, d)
    for _ in range(DRAWS):
        y = rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)]))
        effects = rng.standard_normal((classes, d))
        effects -= effects.mean(axis=0)
        effects /= effects.std(axis=0)
        effects *= np.where(rng.permutation(d) < k, rng.uniform(1, 2, d), rng.uniform(0, 0.1, d))
        x = rng.standard_normal((n, d)) + effects[y] + rng.uniform(-3, 3, d)
        if d > k + 2:
            x[:, -1] = x[0, -1]
        x *= units
        ordered = np.sort(scores_of(x, y, classes))
        if k == d or ordered[d - k] >= MARGIN * ordered[d - k - 1]:
            return x, y
    raise Unsupported(f"n={n} rows are too few: in {DRAWS} draws the k={k} best never stood out")


def polynomial_features_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """From the list of the multisets of two of 1, x_1, ..., x_d, in float64."""
    columns = np.column_stack([np.ones(len(x)), x])
    pairs = np.array(list(combinations_with_replacement(range(columns.shape[1]), 2)))
    return (columns[:, pairs[:, 0]] * columns[:, pairs[:, 1]],)


def select_k_best_reference(
    x: np.ndarray, y: np.ndarray, classes: int, k: int
) -> tuple[np.ndarray, ...]:
    """From ``scores_of``; the columns of the k largest by a stable sort."""
    scores = scores_of(x, y, classes)
    best = np.sort(np.argsort(-scores, kind="stable")[:k])
    return scores, scores[best], best


def scores_of(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """F (d,) in float64, class by class, on columns in one piece, which NumPy sums by halves."""
    rows = np.ascontiguousarray(x.T)
    constant = np.ptp(rows, axis=1) == 0
    rows -= rows.mean(axis=1, keepdims=True)
    centre = rows.mean(axis=1)
    between, within = np.zeros(len(rows)), np.zeros(len(rows))
    for c in range(classes):
        members = rows[:, y == c]
        mean = members.mean(axis=1)
        between += members.shape[1] * (mean - centre) ** 2
        within += np.linalg.norm(members - mean[:, np.newaxis], axis=1) ** 2
    quotient = np.divide(between, within, out=np.zeros_like(between), where=~constant)
    return quotient * ((len(x) - classes) / (classes - 1))


def polynomial_features_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray
) -> Errors:
    """``entries`` counts those that differ from the product, rounded once to the dtype. Limit 0.

    The oracle's products of two float32 are exact; those of two float64 are rounded as the kernel's.
    """
    (f,) = widened(outputs, exact[0].shape)
    rounded = exact[0].astype(outputs[0].dtype)
    return {"entries": (float(np.count_nonzero(f != rounded)), 0.0)}


def select_k_best_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    classes: int,
    k: int,
) -> Errors:
    """The scores, and what is chosen by them.

    ``scores`` is the largest error over ``score_bounds``. Limit 1.
    ``values`` counts the k scores that are not those of the columns returned with them. Limit 0.
    ``columns`` counts those that differ from the oracle's: inputs leave a margin. Limit 0.
    """
    scores, values, best = widened(outputs, (x.shape[1],), (k,), (k,))
    eps = epsilon(outputs)
    bounds = score_bounds(x, y, classes, eps)
    chosen = np.take(scores, best, mode="clip")
    return {
        "scores": (largest_ratio(scores - exact[0], bounds) / eps, 1.0),
        "values": (float(np.count_nonzero(values != chosen)), 0.0),
        "columns": (float(np.count_nonzero(best != exact[2])), 0.0),
    }


def score_bounds(x: np.ndarray, y: np.ndarray, classes: int, eps: float) -> np.ndarray:
    """What rounding may add up to in F (d,), in units of ``eps``; 0 for a constant feature.

    A mean of n terms of mean mu and mean square q errs by t(n, mu, q) (``xpbench.mean_bound``). With
    d = x - x_1, q its mean square and c = x - m, the mean of d errs by e_0, that of c in class k by e_k
    with the roundings of d and c:

        e_0 = t(n, mean of d, q) + 1.2 sqrt(q / n)
        e_k = t(n_k, mean of c, mean of c^2) + 1.2 sqrt(mean of (c^2 + d^2) / n_k)

    in which the means of e_k are over class k. e_0 moves all classes alike, and B in the second order
    only, as sum_k n_k (m_k - m) = 0; e_k moves B by 2 n_k |m_k - m| e_k, independently, and W in the
    second order. With r = x - m_y, w its mean square and its own roundings counted as those of c:

        |dB| <= 2 (sum_k n_k^2 (m_k - m)^2 e_k^2)^1/2 + eps (n e_0^2 + sum_k n_k e_k^2) + 2 B
        |dW| <= n t(n, w, mean of r^4) + 2.4 (sum_i r^2 (r^2 + c^2 + d^2))^1/2 + eps sum_k n_k e_k^2
                + l W

    where l is what squares lose (``xpbench.squares_lost``), and F errs by |dB| / B + |dW| / W + 2 of
    itself, for divisions and the oracle's own.
    """
    n, d = len(x), x - x[0]
    c, q = d - d.mean(axis=0), np.mean(d**2, axis=0)
    e0 = mean_bound(n, d.mean(axis=0), q) + 1.2 * np.sqrt(q / n)
    r = c.copy()
    between, first, second = (np.zeros(x.shape[1]) for _ in range(3))
    for label in range(classes):
        members = y == label
        ours = c[members]
        size = len(ours)
        mean, square = ours.mean(axis=0), np.mean(ours**2, axis=0)
        terms = square + np.mean(d[members] ** 2, axis=0)
        e = mean_bound(size, mean, square) + 1.2 * np.sqrt(terms / size)
        r[members] -= mean
        between += size * mean**2
        first += (size * mean * e) ** 2
        second += size * e**2
    squares = r * r
    within, fourth = squares.sum(axis=0), np.einsum("ij,ij->j", squares, squares)
    roundings = fourth + np.einsum("ij,ij->j", squares, c * c) + np.einsum("ij,ij->j", squares, d * d)
    moved = 2 * np.sqrt(first) + eps * (n * e0**2 + second) + 2 * between
    shrunk = n * mean_bound(n, within / n, fourth / n) + 2.4 * np.sqrt(roundings) + eps * second
    shrunk += squares_lost(n, eps) * within
    constant = np.ptp(x, axis=0) == 0
    within = np.where(constant, 1.0, within)
    bounds = (moved + between * (shrunk / within + 2)) / within * ((n - classes) / (classes - 1))
    return np.where(constant, 0.0, bounds)


Kernel(
    compute=polynomial_features,
    inputs=normal_inputs,
    reference=polynomial_features_reference,
    errors=polynomial_features_errors,
    flops=lambda n, d: n * d * (d + 1) / 2,
    traffic=lambda itemsize, n, d: itemsize * n * (1 + 2 * d + d * (d + 1) / 2),
    sizes={
        "small": {"n": 64, "d": 4},
        "medium": {"n": 8192, "d": 16},
        "large": {"n": 65536, "d": 32},
        "huge": {"n": 524288, "d": 32},
    },
    chapter="pipeline",
)

Kernel(
    compute=select_k_best,
    inputs=labelled_inputs,
    reference=select_k_best_reference,
    errors=select_k_best_errors,
    flops=lambda n, d, classes, k: 2 * n * d * classes + 6 * n * d,
    traffic=lambda itemsize, n, d, classes, k: itemsize * (n * d + d + k) + 8 * (n + k),
    sizes={
        "small": {"n": 64, "d": 8, "classes": 3, "k": 3},
        "medium": {"n": 16384, "d": 64, "classes": 4, "k": 16},
        "large": {"n": 65536, "d": 256, "classes": 8, "k": 32},
        "huge": {"n": 262144, "d": 512, "classes": 10, "k": 64},
    },
    static=("classes", "k"),
    chapter="pipeline",
)
