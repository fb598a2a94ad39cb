"""How fast, and how exactly, is a fitted model asked which features its predictions rest on?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

SAMPLED = 16
"""Pairs of a feature and a repeat, or samples, that are computed again beyond the oracle's size."""


def permutation_importance(
    xp: Array, x: Array, y: Array, w1: Array, b1: Array, w2: Array, b2: Array, permutations: Array
) -> tuple[Array, Array]:
    """How much the loss of a fitted model rises when the values of one feature are permuted.

        f(x) = tanh(x W1 + b1) w2 + b2,    loss(X) = mean_i log(1 + exp(-y_i f(x_i)))

        importance_jr = loss(X with x_ij replaced by x_pj, p = permutations_ri) - loss(X)

    A permuted column j moves the signals X W1 of row i by (x_pj - x_ij) W1_j, so that they are found
    without a product with the data; all repeats of a feature at once. Every feature is permuted in the
    same ways.

    x (n, d), y (n,) of -1 and 1, w1 (d, h), b1 (h,), w2 (h,), b2 (), permutations (repeats, n) ->
    importances (d, repeats), loss (); d repeats n (5 h + 7) + n (2 d h + 4 h + 6) flops, with tanh, exp
    and log1p for one each.
    Breiman, Machine Learning 45, 2001, section 10; Fisher, Rudin & Dominici, JMLR 20, 2019, section 3.
    """
    signals = x @ w1 + b1

    def loss(signals: Array) -> Array:
        return xp.mean(xp.softplus(-y * (xp.tanh(signals) @ w2 + b2)), axis=-1)

    def permuted(before: Array, feature: tuple[Array, Array]) -> tuple[Array, Array]:
        column, weights = feature
        moved = xp.gather(column, permutations) - column
        return before, loss(signals + moved[..., None] * weights) - before

    before, importances = xp.scan(permuted, loss(signals), (xp.contiguous(x.T), w1))
    return importances, before


def shapley_sampling(
    xp: Array, x: Array, background: Array, orders: Array, w1: Array, b1: Array, w2: Array
) -> Array:
    """Shapley values of the features of several samples, by walks from the background to the sample.

        f(x) = tanh(x W1 + b1) w2

        value_ij = mean_p (f(x_i on S + {j}, z_p elsewhere) - f(x_i on S, z_p elsewhere))

    where S are the features before j in the ordering o_p, one of P, and z_p is row p of the background.
    A walk starts at z_p and takes over the features of x_i in the order o_p1 ... o_pd; a feature k moves
    the signals x W1 + b1 by (x_ik - z_pk) W1_k, and the change of f that it makes is its contribution to
    the mean. Those of one ordering sum to f(x_i) - f(z_p), the values to f(x_i) - mean_p f(z_p).

    x (m, d), background (P, d), orders (P, d) permutations of the features, w1 (d, h), b1 (h,),
    w2 (h,) -> values (m, d); P d m (5 h + 3) + P h (2 d + 4) + m d flops, with tanh for one.
    Strumbelj & Kononenko, Knowledge and Information Systems 41, 2014, section 3; Castro, Gomez &
    Tejada, Computers & Operations Research 36, 2009.
    """
    (m, d), (count, h) = x.shape, (orders.shape[0], w1.shape[1])
    samples = xp.contiguous(x.T)
    places = orders + d * xp.arange(count, dtype=orders.dtype)[:, None]
    starts = xp.gather(xp.reshape(background, (-1,)), places)

    def step(
        state: tuple[Array, Array], feature: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        (signals, before), (index, start) = state, feature
        moved = xp.gather(samples, index) - start[:, None]
        signals = signals + moved[..., None] * xp.gather(w1, index)[:, None, :]
        after = xp.tanh(signals) @ w2
        return (signals, after), after - before

    signals = xp.broadcast_to((background @ w1 + b1)[:, None, :], (count, m, h))
    features = (xp.contiguous(orders.T), xp.contiguous(starts.T))
    _, gains = xp.scan(step, (signals, xp.tanh(signals) @ w2), features)
    indices, gains = xp.reshape(features[0], (-1,)), xp.reshape(gains, (d * count, m))
    return xp.scatter_add(xp.zeros_like(samples), indices, gains).T / count


def network(rng: np.random.Generator, d: int, h: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of which the features matter more and less, down to a tenth; signals of about 1."""
    w1 = rng.standard_normal((d, h)) * np.geomspace(1, 0.1, d)[:, np.newaxis]
    w1 *= math.sqrt(h / np.sum(w1**2))
    return w1, 0.3 * rng.standard_normal(h), 2 * rng.standard_normal(h) / math.sqrt(h)


def importance_inputs(
    rng: np.random.Generator, n: int, d: int, h: int, repeats: int
) -> tuple[np.ndarray, ...]:
    """Standard normal features, and classes drawn with the probabilities that the model gives them."""
    if n < 2:
        raise Unsupported("a single row has but one order: n must be 2 or more")
    x, (w1, b1, w2), b2 = rng.standard_normal((n, d)), network(rng, d, h), rng.standard_normal()
    logits = np.tanh(x @ w1 + b1) @ w2 + b2
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)
    permutations = rng.permuted(np.tile(np.arange(n), (repeats, 1)), axis=1)
    return x, y, w1, b1, w2, np.asarray(b2), permutations


def shapley_inputs(
    rng: np.random.Generator, samples: int, d: int, h: int, orders: int
) -> tuple[np.ndarray, ...]:
    """Standard normal samples and rows of the background, one for each of the random orders."""
    x, background = rng.standard_normal((samples, d)), rng.standard_normal((orders, d))
    ways = rng.permuted(np.tile(np.arange(d), (orders, 1)), axis=1)
    return x, background, ways, *network(rng, d, h)


def loss_of(
    x: np.ndarray, y: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray
) -> float:
    return float(np.mean(np.logaddexp(0, -y * (np.tanh(x @ w1 + b1) @ w2 + b2))))


def importance_reference(
    x: np.ndarray,
    y: np.ndarray,
    w1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
    b2: np.ndarray,
    permutations: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Every permuted matrix through the whole model, in float64."""
    before = loss_of(x, y, w1, b1, w2, b2)
    places = np.ndindex(x.shape[1], len(permutations))
    rises = [rise(x, y, w1, b1, w2, b2, permutations, place, before) for place in places]
    return np.reshape(rises, (x.shape[1], len(permutations))), np.asarray(before)


def rise(
    x: np.ndarray,
    y: np.ndarray,
    w1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
    b2: np.ndarray,
    permutations: np.ndarray,
    place: tuple[int, ...],
    before: float,
) -> float:
    """The importance at ``place``, a feature and a repeat."""
    j, r = place
    other = x.copy()
    other[:, j] = x[permutations[r], j]
    return loss_of(other, y, w1, b1, w2, b2) - before


def importance_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    w1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
    b2: np.ndarray,
    permutations: np.ndarray,
) -> Errors:
    """Every importance and the loss, over the error that independent roundings make of them.

    In the root mean square and in eps, a sum of l terms errs by sqrt(l) / 4 of the norm of its terms,
    where they are of one sign by sqrt(l) / 6 of its value (Higham & Mary, SIAM J. Sci. Comput. 42,
    2020), and a single operation by less than a half. With signals a = x W1 + b1 and t = tanh(a) a
    row's f is off by

        e^2 = sum_k w2_k^2 ((h / 16 + 1) t_k^2 + (1 - t_k^2)^2 ((d / 16 + 1) sum_j x_j^2 W1_jk^2
              + a_k^2 / 2 + b1_k^2 / 4)) + f^2 / 2

    its term of the loss by e / (1 + exp(y f)) and half of itself, and the mean L of the n terms by

        g^2 = (n / 36 + 1/4) L^2 + mean(e^2 / (1 + exp(y f))^2 + term^2 / 4) / n

    which permuting a feature changes little but for L.

    ``loss``: |L - L64| / g, limit 4. ``importances``: the largest |I - I64| over the root of g^2 and the
    g^2 of the loss after the permutation, limit 5, for the largest of many. Without the oracle it is
    that of ``SAMPLED`` entries, drawn at random.
    """
    shape = (x.shape[1], len(permutations))
    found, loss = widened(outputs, shape, ())
    eps, n = epsilon(outputs), len(x)
    before = loss_of(x, y, w1, b1, w2, b2)
    places = list(np.ndindex(*shape))
    if exact is None:
        drawn = np.random.default_rng(n).choice(len(places), min(SAMPLED, len(places)), replace=False)
        places = [places[i] for i in drawn]
        right = np.array([rise(x, y, w1, b1, w2, b2, permutations, at, before) for at in places])
    else:
        right = np.array([exact[0][place] for place in places])
    seen = np.array([found[place] for place in places])

    a = x @ w1 + b1
    t = np.tanh(a)
    f = t @ w2 + b2
    signal2 = (x.shape[1] / 16 + 1) * (x**2 @ w1**2) + a**2 / 2 + b1**2 / 4
    e2 = ((w2.size / 16 + 1) * t**2 + (1 - t**2) ** 2 * signal2) @ w2**2 + f**2 / 2
    terms, slopes = np.logaddexp(0, -y * f), 1 / (1 + np.exp(y * f))
    own = np.mean(e2 * slopes**2 + terms**2 / 4) / n
    before2, after2 = ((n / 36 + 1 / 4) * value**2 + own for value in (before, before + right))
    return {
        "importances": (largest_ratio(seen - right, np.sqrt(before2 + after2)) / eps, 5.0),
        "loss": (float(abs(loss - before) / np.sqrt(before2)) / eps, 4.0),
    }


def walks(
    x: np.ndarray,
    background: np.ndarray,
    orders: np.ndarray,
    w1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The values (m, d) in float64, from f at every row that is part sample and part background.

    And the mean square (d,) of the contributions of every feature.
    """
    m, d = x.shape
    values, squares = np.zeros((d, m)), np.zeros(d)
    for start, order in zip(background, orders, strict=True):
        taken = np.argsort(order)[np.newaxis, :] < np.arange(d + 1)[:, np.newaxis]
        rows = np.where(taken[:, np.newaxis, :], x, start)
        gains = np.diff(np.tanh(rows @ w1 + b1) @ w2, axis=0)
        values[order] += gains
        squares[order] += np.mean(gains**2, axis=1)
    return values.T / len(orders), squares / len(orders)


def shapley_reference(
    x: np.ndarray,
    background: np.ndarray,
    orders: np.ndarray,
    w1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """As ``walks``."""
    return (walks(x, background, orders, w1, b1, w2)[0],)


def shapley_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    background: np.ndarray,
    orders: np.ndarray,
    w1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
) -> Errors:
    """Every value, and the sum of the values of every sample, over the error of independent roundings.

    As for ``permutation_importance``, an f on the walk is off by e, where its signals a are off by d
    additions and as many products, which the rows of both ends bound on average:

        e^2 = sum_k w2_k^2 ((h / 16 + 1) t_k^2 + (1 - t_k^2)^2 ((d / 16 + 1) sum_j x_j^2 W1_jk^2
              + (d / 12 + 1/4) a_k^2 + b1_k^2 / 4))

    The mean over P orderings of the difference of two is off by g_i, whose square is that of e at the
    sample and on average at the rows of the background, over P. Adding P contributions errs by
    sqrt(P) / 6 of the value and by 1/4 of their root mean square. And where walks end, at x_i, all have
    the same t, and the same error of its product with w2, which no mean makes less:

        s_ij^2 = P / 36 v_ij^2 + mean square of contributions of j / 16 + c_j^2 l_i^2,
        l_i^2 = sum_k w2_k^2 (h / 16 + 1) t_k^2,    c_j = the share of orderings in which j is last

    ``values``: the largest |v_ij - v64_ij| over the root of g_i^2 + s_ij^2. Limit 7, which is 5 for the
    largest of many, times sqrt(2) because in float64 the oracle errs as much. Without the oracle it is
    that of ``SAMPLED`` samples, drawn at random; on those the mean squares are taken in any case.
    ``efficiency``: the largest |sum_j v_ij - (f(x_i) - mean f(z))| over the root of g_i^2 + l_i^2 and
    the sum of s_ij^2. Limit 7.
    """
    m, d = x.shape
    (values,) = widened(outputs, (m, d))
    eps, count = epsilon(outputs), len(orders)

    def model(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        a = rows @ w1 + b1
        t = np.tanh(a)
        signal2 = (d / 16 + 1) * (rows**2 @ w1**2) + (d / 12 + 1 / 4) * a**2 + b1**2 / 4
        return t @ w2, (w2.size / 16 + 1) * t**2 @ w2**2, (1 - t**2) ** 2 * signal2 @ w2**2

    (f, last, passed), (start, first, entered) = model(x), model(background)
    own = (last + passed + np.mean(first + entered)) / count
    drawn = np.random.default_rng(m).choice(m, min(SAMPLED, m), replace=False)
    some, squares = walks(x[drawn], background, orders, w1, b1, w2)
    rows, right = (drawn, some) if exact is None else (np.arange(m), exact[0])
    shares = np.bincount(orders[:, -1], minlength=d) / count
    summed = count / 36 * values**2 + squares / 16 + shares**2 * last[:, np.newaxis]
    rest = values.sum(axis=1) - (f - np.mean(start))
    together = np.sqrt(own + last + np.sum(summed, axis=1))
    each = np.sqrt(own[:, np.newaxis] + summed)[rows]
    return {
        "values": (largest_ratio(values[rows] - right, each) / eps, 7.0),
        "efficiency": (largest_ratio(rest, together) / eps, 7.0),
    }


Kernel(
    compute=permutation_importance,
    inputs=importance_inputs,
    reference=importance_reference,
    errors=importance_errors,
    flops=lambda n, d, h, repeats: d * repeats * n * (5 * h + 7) + n * (2 * d * h + 4 * h + 6),
    traffic=lambda itemsize, n, d, h, repeats: (
        itemsize * (n * d + n + d * h + 2 * h + 1 + d * repeats + 1) + 8 * repeats * n
    ),
    sizes={
        "small": {"n": 32, "d": 4, "h": 8, "repeats": 2},
        "medium": {"n": 500, "d": 10, "h": 16, "repeats": 5},
        "large": {"n": 5000, "d": 32, "h": 32, "repeats": 10},
        "huge": {"n": 131072, "d": 64, "h": 64, "repeats": 8},
    },
    oracle_flops=5e9,
    chapter="pipeline",
)
Kernel(
    compute=shapley_sampling,
    inputs=shapley_inputs,
    reference=shapley_reference,
    errors=shapley_errors,
    flops=lambda samples, d, h, orders: (
        orders * d * samples * (5 * h + 3) + orders * h * (2 * d + 4) + samples * d
    ),
    traffic=lambda itemsize, samples, d, h, orders: (
        itemsize * (2 * samples * d + orders * d + d * h + 2 * h) + 8 * orders * d
    ),
    sizes={
        "small": {"samples": 4, "d": 4, "h": 8, "orders": 4},
        "medium": {"samples": 50, "d": 10, "h": 16, "orders": 20},
        "large": {"samples": 400, "d": 32, "h": 64, "orders": 64},
        "huge": {"samples": 4096, "d": 64, "h": 64, "orders": 256},
    },
    oracle_flops=5e9,
    chapter="pipeline",
)
