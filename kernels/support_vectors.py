"""How fast, and how exactly, is a support vector machine trained on a kernel matrix?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

REPLICAS = 8
"""Trajectories whose rounding is drawn at random, from which a limit is found."""

PERTURBATION = 2.0**-36
"""What stands for eps in the replicas."""

UNIT = 2.0**-52
"""The eps of the oracle."""


def svm_rbf(
    xp: Array, x: Array, y: Array, queries: Array, gamma: Array, penalty: Array, *, steps: int
) -> tuple[Array, Array, Array]:
    """A support vector machine with a Gaussian kernel, by accelerated projected gradient ascent.

        G_ij = 1 + exp(-g |x_i - x_j|^2)
        maximise y'b - b'G b / 2 over 0 <= y_i b_i <= C

        p_t = b_t-1 + (t - 2) / (t + 1) (b_t-1 - b_t-2)
        b_t = P(p_t + eta (y - G p_t)),    t = 1 ... T,    1 / eta = max_i sum_j G_ij
        f(q) = sum_j (1 + exp(-g |q - x_j|^2)) b_j

    from b_0 = b_-1 = 0, with P setting b_i to the nearest number between 0 and C y_i. It is the dual of

        minimise |w|^2 / 2 + v^2 / 2 + C sum_i max(0, 1 - y_i f(x_i)),    f(x) = w'phi(x) + v

    whose intercept v = sum_j b_j is penalised as a weight of the constant feature 1. So the constraints
    are a box, where the intercept of libsvm would bring sum_j b_j = 0 with it. b_j = y_j a_j are the
    multipliers with the signs of their samples. The step is no longer than 1 / ||G||, as no entry of G
    is negative. Distances come from a matrix product, negative ones being set to 0.

    x (n, d), y (n,) of -1 and 1, queries (m, d), g (), C () -> b_T (n,), decisions f (m,), dual
    objective (); 2 (T + 1) n^2 + (n + m) n (2 d + 5) + 8 T n + 2 m n flops, with exp for one.
    Mangasarian & Musicant, IEEE Trans. Neural Networks 10, 1999 (intercept); Beck, First-Order Methods
    in Optimization, section 10.7; Schoelkopf & Smola, Learning with Kernels, section 7.4.
    """
    zero = xp.zeros_like(y)
    of_x = gamma * xp.sum(x * x, axis=1)

    def similarities(z: Array) -> Array:
        exponent = (2 * gamma * z) @ x.T - (gamma * xp.sum(z * z, axis=1))[:, None] - of_x
        return 1 + xp.exp(xp.minimum(exponent, zero))

    g = similarities(x)
    eta = 1 / xp.max(xp.sum(g, axis=1))
    low, high = xp.minimum(penalty * y, zero), xp.maximum(penalty * y, zero)
    t = xp.arange(1, steps + 1, dtype=x.dtype)

    def step(state: tuple[Array, Array], momentum: Array) -> tuple[tuple[Array, Array], None]:
        b, before = state
        p = b + momentum * (b - before)
        return (xp.minimum(xp.maximum(p + eta * (y - g @ p), low), high), b), None

    (b, _), _ = xp.scan(step, (zero, zero), (t - 2) / (t + 1))
    return b, similarities(queries) @ b, xp.sum(b * (y - (g @ b) / 2))


def inputs(rng: np.random.Generator, n: int, m: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """Two classes, one about the other, with noise where they meet; g = 1 / d, C = 2 / sqrt(n).

    Standard normal samples are of a class by how far they are from the origin, which no plane divides.
    At the optimum, samples of all three kinds are there: without weight, free, and at C.
    """
    if n < 2:
        raise Unsupported("two classes need two samples: n must be 2 or more")
    x = rng.standard_normal((n, d))
    radius = np.sum(x**2, axis=1) + 0.3 * math.sqrt(2 * d) * rng.standard_normal(n)
    y = np.where(radius > np.median(radius), 1.0, -1.0)
    queries = rng.standard_normal((m, d))
    return x, y, queries, np.asarray(1 / d), np.asarray(2 / math.sqrt(n))


def reference(
    x: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    gamma: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, in multipliers without signs and with the intercept by itself.

    Decisions are extrapolated instead of multipliers, and distances come from differences.
    """
    kernel = gaussian(x, x, gamma)
    eta = 1 / (len(x) + np.max(np.sum(kernel, axis=0)))
    a = before = decisions = decisions_before = np.zeros(len(y))
    for t in range(steps):
        momentum = (t - 1) / (t + 2)
        expected = decisions + momentum * (decisions - decisions_before)
        ascended = a + momentum * (a - before) + eta * (1 - y * expected)
        a, before = np.clip(ascended, 0, penalty), a
        decisions, decisions_before = kernel @ (a * y) + np.sum(a * y), decisions
    found = gaussian(queries, x, gamma) @ (a * y) + np.sum(a * y)
    return a * y, found, np.asarray(np.sum(a) - (a * y) @ decisions / 2)


def gaussian(x: np.ndarray, y: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """The kernel from the differences of the features."""
    from scipy.spatial.distance import cdist

    kernel = cdist(x, y, "sqeuclidean")
    kernel *= -gamma
    return np.exp(kernel, out=kernel)


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    gamma: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> Errors:
    """Multipliers against the oracle's, decisions and objective against those of the same multipliers.

    ``multipliers`` is ``|b - b64| / |b64|``, limit four times the ``spread`` of rounding, and ``box`` by
    how much an entry lies outside of the box, limit 0.

    ``decisions`` is the largest |f - f64| / e with f64 from the b returned, limit 5 for the largest of
    many. The root mean square e, in eps, is of sums of n terms, which err by sqrt(n) / 4 of the norm of
    their terms and by sqrt(n) / 6 of their value, whichever sign they have (Higham & Mary, SIAM J. Sci.
    Comput. 42, 2020), and of the entries of the kernel: of fractions s_i + s_j, one for each of the two
    samples, and v, independent (see ``fractions``). With K = G - 1 it is

        e_i^2 = n / 16 sum_j G_ij^2 b_j^2 + (n / 36 + 1/4) f_i^2 + 0.1 sum_j G_ij^2 b_j^2
              + s_i^2 (K b)_i^2 + sum_j (s_j^2 + v^2) K_ij^2 b_j^2

    ``dual`` is |D - D64| / |D64|, again with D64 from the b returned, limit four times the root mean
    square h of the sum of n terms b_i (y_i - (G b)_i / 2), most of them positive, and of the products:

        h^2 = n / 36 (sum_i |term_i|)^2 + sum_i (b_i e_i / 2)^2 + sum_i (b_i s_i (K b)_i)^2

    where the last counts what the row and the column of a sample have in common.

    In float64 the oracle errs as much, and the squares are doubled.
    """
    n, g = len(x), float(gamma)
    b, found, dual = widened(outputs, (n,), (len(queries),), ())
    eps, cost = epsilon(outputs), float(penalty)
    own, (of_samples, v), of_queries = gaussian(x, x, gamma), fractions(x, g), fractions(queries, g)[0]
    own += 1
    doubled = 1 + (UNIT / eps) ** 2

    value, e, moved = product(own, b, of_samples, of_samples, v)
    terms = b * (y - value / 2)
    objective = float(np.sum(terms))
    h = math.hypot(
        math.sqrt(n) / 6 * np.sum(np.abs(terms)), np.linalg.norm(b * e / 2), np.linalg.norm(b * moved)
    )
    dual_error = largest_ratio(dual - objective, objective) / eps
    dual_limit = 4 * h * math.sqrt(doubled) / objective

    right, e, _ = product(1 + gaussian(queries, x, gamma), b, of_queries, of_samples, v)
    length = float(np.linalg.norm(exact[0]))
    limit = 4 * spread(own, y, cost, of_samples, v, steps)
    outside = b - np.clip(b, np.minimum(cost * y, 0), np.maximum(cost * y, 0))
    return {
        "multipliers": (largest_ratio(np.linalg.norm(b - exact[0]), length) / eps, limit / length),
        "decisions": (largest_ratio(found - right, e * math.sqrt(doubled)) / eps, 5.0),
        "dual": (dual_error, dual_limit),
        "box": (largest_ratio(outside, 1.0) / eps, 0.0),
    }


def fractions(x: np.ndarray, gamma: float) -> tuple[np.ndarray, float]:
    """The fractions that entries of a kernel err by, root mean square, in eps: of samples s (n,), and v.

    The exponent has errors of g (sqrt(d) / 6 + 1/2) |x_i|^2 from the sum of d squares of every sample,
    of which all entries of its row or column share one. What is independent is one eps of the
    exponential and, for d products of mean zero, g sqrt(d) / 2 of the norm of their terms; this and the
    operations on the exponent, by 0.3 of their result each, are taken in the mean over all pairs.
    """
    d = x.shape[1]
    squares = np.mean(np.square(x), axis=0)
    alone = 1 + gamma**2 * ((d / 4 + 1) * np.sum(squares**2) + 2 * np.sum(squares) ** 2)
    return gamma * (math.sqrt(d) / 6 + 1 / 2) * np.sum(np.square(x), axis=1), math.sqrt(alone)


def product(
    g: np.ndarray, b: np.ndarray, of_rows: np.ndarray, of_columns: np.ndarray, v: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """G b, its error e in the root mean square over eps, and the part of it that its row shares."""
    n = len(b)
    value = g @ b
    squares = np.square(g)
    of_terms = squares @ b**2
    shared = of_rows * (value - np.sum(b))
    np.square(np.subtract(g, 1, out=squares), out=squares)
    of_entries = squares @ ((of_columns**2 + v**2) * b**2)
    error = (n / 16 + 0.1) * of_terms + (n / 36 + 1 / 4) * value**2 + shared**2 + of_entries
    return value, np.sqrt(error), shared


def spread(
    g: np.ndarray, y: np.ndarray, cost: float, of_samples: np.ndarray, v: float, steps: int
) -> float:
    """How far rounding carries the last multipliers, in the root mean square, over eps.

    Steps with momentum are no contraction: without the box, errors along directions of no curvature
    would grow with every step; cut multipliers have none. So errors are carried along: REPLICAS
    trajectories are computed in float64 with random errors in place of rounding, of 2^-36 for eps, and
    compared with one that has none (Monte Carlo arithmetic: Parker, Pierce & Eggert, Computing in
    Science & Engineering 2, 2000). Those of eta, of its sum sqrt(n) / 6 up or down, and of the kernel
    are the same in all steps. Those of sums of n products, of single operations, by 0.3 of their
    result, and of the momentum are drawn at every step.
    """
    rng = np.random.default_rng(0)
    n = len(y)
    unit = np.append(0.0, np.full(REPLICAS, PERTURBATION))
    sign = np.append(0.0, np.resize([1.0, -1.0], REPLICAS))
    rows = 1 + unit * of_samples[:, np.newaxis] * rng.standard_normal((n, REPLICAS + 1))
    entries = unit * rng.standard_normal((n, REPLICAS + 1))
    eta = 1 / np.max(np.sum(g, axis=1))
    eta = eta * (1 + unit * sign * math.sqrt(n / 36 + v**2))
    low, high = np.minimum(cost * y, 0)[:, np.newaxis], np.maximum(cost * y, 0)[:, np.newaxis]
    squares = np.square(g)
    b = before = np.zeros((n, REPLICAS + 1))
    for t in range(steps):
        momentum = (t - 1) / (t + 2)
        move = momentum * (b - before)
        p = b + move
        squared = p[:, :1] ** 2
        product = g @ np.concatenate([rows * p, squared], axis=1)
        value, linear = product[:, :-1] - np.sum(rows * p, axis=0), product[:, -1:]
        value = rows * value + np.sum(p, axis=0)
        of_terms, total = squares @ squared, np.sum(squared)
        of_entries = v**2 * (of_terms - 2 * linear + total) + 0.1 * of_terms
        value += np.sqrt(np.maximum(of_entries, 0)) * entries
        of_sums = n / 16 * of_terms + (n / 36 + 0.1) * value[:, :1] ** 2
        uphill = eta * (y[:, np.newaxis] - value)
        single = 0.1 * (squared + 3 * move[:, :1] ** 2 + 2 * uphill[:, :1] ** 2)
        noise = np.sqrt(single + eta[0] ** 2 * of_sums) * unit * rng.standard_normal(p.shape)
        b, before = np.clip(p + uphill + noise, low, high), b
    return float(np.linalg.norm(b[:, 1:] - b[:, :1])) / math.sqrt(REPLICAS) / PERTURBATION


Kernel(
    compute=svm_rbf,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, m, d, steps: (
        2 * (steps + 1) * n**2 + (n + m) * n * (2 * d + 5) + 8 * steps * n + 2 * m * n
    ),
    traffic=lambda itemsize, n, m, d, steps: itemsize * (n * d + 2 * n + m * d + m + 3),
    sizes={
        "small": {"n": 32, "m": 16, "d": 4, "steps": 8},
        "medium": {"n": 512, "m": 128, "d": 8, "steps": 60},
        "large": {"n": 2048, "m": 512, "d": 8, "steps": 100},
        "huge": {"n": 8192, "m": 2048, "d": 8, "steps": 100},
    },
    static=("steps",),
    chapter="models",
)
