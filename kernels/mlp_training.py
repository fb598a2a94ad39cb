"""How fast, and how exactly, is a neural network trained from mini-batches?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

REPLICAS = 2
"""Trajectories whose rounding is drawn at random, from which a limit is found."""

UNIT = 2.0**-36
"""The eps of their rounding: far above that of float64, and small enough to be carried linearly."""


def mlp_train(
    xp: Array,
    x: Array,
    y: Array,
    w1: Array,
    b1: Array,
    w2: Array,
    b2: Array,
    eta: Array,
    beta1: Array,
    beta2: Array,
    epsilon: Array,
) -> tuple[Array, ...]:
    """A perceptron with a hidden layer that learns to classify by Adam, one batch a step.

        h = tanh(x W1 + b1),  p = softmax(h W2 + b2),  loss = -(1 / m) sum_ij y_ij log p_ij
        d2 = (p - y) / m,  d1 = (d2 W2') (1 - h^2),  g = (x'd1, 1'd1, h'd2, 1'd2)
        m_t = beta1 m_t-1 + (1 - beta1) g_t,    v_t = beta2 v_t-1 + (1 - beta2) g_t^2,
        theta_t = theta_t-1 - eta (m_t / (1 - beta1^t)) / (sqrt(v_t / (1 - beta2^t)) + epsilon)

    entry by entry for t = 1 ... T from m_0 = v_0 = 0, with g_t the gradient of the loss of the m samples
    of batch t in theta = (W1, b1, W2, b2), which are one vector here, at theta_t-1. With the sums
    M_t = m_t / (1 - beta1), V_t = v_t / (1 - beta2) and S_t = 1 + beta + ... + beta^(t-1) the step is

        theta_t = theta_t-1 - eta (sqrt(S2_t) / S1_t) M_t / (sqrt(V_t) + epsilon sqrt(S2_t))

    x (T, m, p), y (T, m, q) with one 1 a row and else 0, w1 (p, h), b1 (h,), w2 (h, q), b2 (q,), eta (),
    beta1 (), beta2 (), epsilon () -> the four parameters after T steps, of their shapes;
    T (2 m h (2 p + 3 q) + 10 N) flops in the products and in the steps of N = (p + 1) h + (h + 1) q
    parameters.
    Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1; Bishop, Pattern
    Recognition and Machine Learning, section 5.3.
    """
    shapes = [w1.shape, b1.shape, w2.shape, b2.shape]

    def joined(arrays: Sequence[Array]) -> Array:
        return xp.concat([xp.reshape(array, (-1,)) for array in arrays])

    def split(theta: Array) -> tuple[Array, ...]:
        ends = [sum(map(math.prod, shapes[: i + 1])) for i in range(4)]
        return tuple(
            xp.reshape(theta[end - math.prod(shape) : end], shape)
            for end, shape in zip(ends, shapes, strict=True)
        )

    # S is a sum because (1 - beta^t) / (1 - beta) cancels where beta is near 1.
    powers = xp.arange(x.shape[0], dtype=x.dtype)
    sums1, sums2 = xp.cumulative_sum(beta1**powers), xp.cumulative_sum(beta2**powers)
    roots = xp.sqrt(sums2)

    def step(state: tuple[Array, ...], batch: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        theta, m, v = state
        rows, targets, rate, least = batch
        w1, b1, w2, b2 = split(theta)
        h = xp.tanh(rows @ w1 + b1)
        d2 = (xp.softmax(h @ w2 + b2, axis=-1) - targets) / rows.shape[0]
        d1 = (d2 @ w2.T) * (1 - h * h)
        g = joined((rows.T @ d1, xp.sum(d1, axis=0), h.T @ d2, xp.sum(d2, axis=0)))
        m = beta1 * m + g
        v = beta2 * v + g * g
        return (theta - rate * m / (xp.sqrt(v) + least), m, v), None

    theta = joined((w1, b1, w2, b2))
    zero = xp.zeros_like(theta)
    batches = (x, y, eta * roots / sums1, epsilon * roots)
    (theta, _, _), _ = xp.scan(step, (theta, zero, zero), batches)
    return split(theta)


def inputs(
    rng: np.random.Generator, steps: int, batch: int, features: int, hidden: int, classes: int
) -> tuple[np.ndarray, ...]:
    """Standard normal samples, classes drawn from a softmax model, weights of variance 1 / p and 1 / h.

    Steps of 0.01, and near the decays 0.9 and 0.999 of Adam's authors two whose first powers are exact:
    an implementation that computes 1 - beta^t as it is written loses few digits with them. An epsilon of
    1e-4 stands between the gradients, of some 1e-2 to 1e-3, and what rounding makes of the smallest:
    with 1e-8 the first step goes by the sign of entries that are zero but for rounding.
    """
    if classes < 2:
        raise Unsupported("with one class p is 1 and every gradient 0: classes must be 2 or more")
    x = rng.standard_normal((steps, batch, features))
    logits = 4 * x @ (rng.standard_normal((features, classes)) / math.sqrt(features))
    # The largest logit with Gumbel noise is a draw from their softmax.
    labels = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
    return (
        x,
        np.eye(classes)[labels],
        rng.standard_normal((features, hidden)) / math.sqrt(features),
        0.1 * rng.standard_normal(hidden),
        rng.standard_normal((hidden, classes)) / math.sqrt(hidden),
        0.1 * rng.standard_normal(classes),
        *map(np.asarray, (0.01, 1 - 2.0**-3, 1 - 2.0**-10, 1e-4)),
    )


def reference(x: np.ndarray, y: np.ndarray, *parameters: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, with Adam's means as averages over all gradients so far.

    The powers of beta from 0 to t - 1 sum to (1 - beta^t) / (1 - beta), so that averages by them have
    no bias to correct. A bias is a row of its weights, whose input is 1, and p is the derivative of
    SciPy's logsumexp.
    """
    from scipy.special import logsumexp

    w1, b1, w2, b2 = parameters[:4]
    eta, beta1, beta2, small = map(float, parameters[4:])
    layers = [np.vstack([w1, b1]), np.vstack([w2, b2])]
    gradients = [np.empty((len(x), *layer.shape)) for layer in layers]
    squares = [np.empty_like(each) for each in gradients]
    for t in range(len(x)):
        signals = [with_one(x[t])]
        signals.append(with_one(np.tanh(signals[0] @ layers[0])))
        scores = signals[1] @ layers[1]
        delta = np.exp(scores - logsumexp(scores, axis=1, keepdims=True)) - y[t]
        deltas = [(1 - signals[1] ** 2)[:, :-1] * (delta @ layers[1][:-1].T), delta]
        ages = np.arange(t, -1, -1)
        shares = [beta**ages / np.sum(beta**ages) for beta in (beta1, beta2)]
        for i, (signal, delta) in enumerate(zip(signals, deltas, strict=True)):
            gradients[i][t] = signal.T @ delta / len(delta)
            squares[i][t] = gradients[i][t] ** 2
            mean = np.tensordot(shares[0], gradients[i][: t + 1], 1)
            square = np.tensordot(shares[1], squares[i][: t + 1], 1)
            layers[i] -= eta * mean / (np.sqrt(square) + small)
    (w1, b1), (w2, b2) = ((layer[:-1], layer[-1]) for layer in layers)
    return w1, b1, w2, b2


def with_one(signal: np.ndarray) -> np.ndarray:
    return np.hstack([signal, np.ones((len(signal), 1))])


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    *parameters: np.ndarray,
) -> Errors:
    """Both layers, a bias as a row of its weights: the distance to the oracle's, in its norm.

    ``hidden`` and ``output`` are ``||W - W64|| / ||W64||`` after the last step, against four times what
    rounding makes of it in the root mean square, see ``spread``.
    """
    found = widened(outputs, *(parameter.shape for parameter in parameters[:4]))
    eps = epsilon(outputs)
    right = [np.vstack(exact[:2]), np.vstack(exact[2:])]
    spreads = spread(x, y, *parameters)
    pairs = {}
    for i, name in enumerate(("hidden", "output")):
        size = float(np.linalg.norm(right[i]))
        distance = np.linalg.norm(np.vstack(found[2 * i : 2 * i + 2]) - right[i])
        pairs[name] = (largest_ratio(distance, size) / eps, 4 * spreads[i] / size)
    return pairs


def spread(x: np.ndarray, y: np.ndarray, *parameters: np.ndarray) -> list[float]:
    """How far rounding carries the last parameters of each layer, in the root mean square, over eps.

    No contraction bounds what Adam makes of an error: the metric of its steps changes with the
    gradients, and entries whose gradients are small are enlarged by up to eta / epsilon. So errors are
    carried along: REPLICAS trajectories are computed in float64 with random errors in place of rounding,
    of UNIT for eps, and compared with one that has none (Monte Carlo arithmetic: Parker, Pierce &
    Eggert, Computing in Science & Engineering 2, 2000). To first order this is exact whatever the
    curvature and the divisors are. Single operations err by 0.3 eps of their result in the root mean
    square, tanh and exp by 0.5 eps, several in a row by the root of the sum of squares. A sum of l
    products of mean zero errs by 0.3 sqrt(l / 2) eps times the norm of its terms (Higham & Mary, SIAM J.
    Sci. Comput. 42, 2020), which is about |a| |b| / sqrt(l) for the product of the vectors a and b.
    """
    rng = np.random.default_rng(0)
    exact = trajectory(rng, 0.0, x, y, *parameters)
    squares = np.zeros(2)
    for _ in range(REPLICAS):
        found = trajectory(rng, UNIT, x, y, *parameters)
        squares += [np.sum((layer - right) ** 2) for layer, right in zip(found, exact, strict=True)]
    return [math.sqrt(square / REPLICAS) / UNIT for square in squares]


def trajectory(
    rng: np.random.Generator, unit: float, x: np.ndarray, y: np.ndarray, *parameters: np.ndarray
) -> list[np.ndarray]:
    """The last layers, a bias as a row of its weights, where operations err at random by ``unit``."""
    w1, b1, w2, b2 = parameters[:4]
    eta, beta1, beta2, small = parameters[4:]

    def r(result: np.ndarray, size: float = 0.3) -> np.ndarray:
        errors = size * unit * rng.standard_normal(np.shape(result)) if unit else 0.0
        rounded: np.ndarray = result * (1 + errors)
        return rounded

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        c: np.ndarray = a @ b
        if unit:
            terms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=0)
            c += 0.3 / math.sqrt(2) * unit * terms * rng.standard_normal(c.shape)
        return c

    layers = [np.vstack([w1, b1]), np.vstack([w2, b2])]
    means, powers = [0 * layer for layer in layers], [0 * layer for layer in layers]
    sum1, sum2 = np.zeros(1), np.zeros(1)
    for t, (rows, targets) in enumerate(zip(map(with_one, x), y, strict=True)):
        h = r(np.tanh(product(rows, layers[0])), 0.6)
        scores = r(product(with_one(h), layers[1]))
        p = np.exp(r(scores - np.max(scores, axis=1, keepdims=True)))
        p = r(p / np.sum(p, axis=1, keepdims=True), 0.7)
        d2 = r((p - targets) / len(rows), 0.42)
        d1 = r(product(d2, layers[1][:-1].T) * (1 - h * h), 0.5)
        sum1, sum2 = (r(s + r(b**t, 1)) for s, b in ((sum1, beta1), (sum2, beta2)))
        root = r(np.sqrt(sum2))
        rate, least = r(eta * root / sum1, 0.42), r(small * root)
        for i, (signal, delta) in enumerate(((rows, d1), (with_one(h), d2))):
            g = product(signal.T, delta)
            means[i] = r(beta1 * means[i] + g, 0.42)
            powers[i] = r(beta2 * powers[i] + g * g, 0.5)
            layers[i] = r(layers[i] - r(rate * means[i] / (np.sqrt(powers[i]) + least), 0.6))
    return layers


def parameter_count(features: int, hidden: int, classes: int) -> int:
    return (features + 1) * hidden + (hidden + 1) * classes


def flops(steps: int, batch: int, features: int, hidden: int, classes: int) -> float:
    products = 2 * batch * hidden * (2 * features + 3 * classes)
    return steps * (products + 10 * parameter_count(features, hidden, classes))


def traffic(itemsize: int, steps: int, batch: int, features: int, hidden: int, classes: int) -> float:
    samples = steps * batch * (features + classes)
    return itemsize * (samples + 2 * parameter_count(features, hidden, classes) + 4)


Kernel(
    compute=mlp_train,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=flops,
    traffic=traffic,
    sizes={
        "small": {"steps": 4, "batch": 8, "features": 8, "hidden": 8, "classes": 4},
        "medium": {"steps": 16, "batch": 64, "features": 64, "hidden": 128, "classes": 10},
        "large": {"steps": 50, "batch": 256, "features": 256, "hidden": 512, "classes": 10},
        "huge": {"steps": 50, "batch": 1024, "features": 512, "hidden": 768, "classes": 10},
    },
    chapter="models",
)
