"""How fast, and how exactly, does a descent run that learns from the gradients it has seen?"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

EPSILON = 1e-8
"""What rmsprop and adam add to a root before they divide by it: the default of torch.optim."""

REPLICAS = 16
"""Trajectories whose rounding is drawn at random, from which a limit is found."""

SIZES: Mapping[str, Mapping[str, int]] = {
    "small": {"steps": 4, "m": 16, "d": 8},
    "medium": {"steps": 50, "m": 128, "d": 128},
    "large": {"steps": 100, "m": 1024, "d": 256},
    "huge": {"steps": 200, "m": 4096, "d": 256},
}

Rounding = Callable[..., np.ndarray]
State = tuple[np.ndarray, ...]
Update = Callable[[Rounding, int, State, np.ndarray], tuple[State, np.ndarray]]


def gradient(xp: Array, w: Array, rows: Array, labels: Array) -> Array:
    """Of the mean of ``log(1 + exp(-y x'w))`` over a batch: rows (m, d), labels (m,) -> (d,)."""
    # A row times a matrix: XLA writes a loop of its own for a transpose times a column, which is slower.
    return (labels / (1 + xp.exp(labels * (rows @ w)))) @ rows / -labels.shape[0]


def momentum(xp: Array, x: Array, y: Array, eta: Array, mu: Array) -> Array:
    """Logistic regression by gradient descent with momentum, one batch a step.

        b_t = mu b_t-1 + g_t,    w_t = w_t-1 - eta b_t,    t = 1 ... T

    from w_0 = b_0 = 0, as in torch.optim.SGD without dampening. The gradient at w = w_t-1 over the m
    samples of batch t is

        g_t = -(1 / m) sum_i y_i x_i / (1 + exp(y_i x_i'w)).

    x (T, m, d), y (T, m) of -1 and 1, eta (), mu () -> w_T (d,); T (m (4 d + 4) + 5 d) flops.
    Polyak, USSR Comput. Math. Math. Phys. 4, 1964; Sutskever, Martens, Dahl & Hinton, ICML 2013,
    section 2; Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 7.1.2.
    """

    def step(state: tuple[Array, ...], batch: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        w, b = state
        b = mu * b + gradient(xp, w, *batch)
        return (w - eta * b, b), None

    zero = xp.zeros_like(x[0, 0, :])
    (w, _), _ = xp.scan(step, (zero, zero), (x, y))
    return w


def rmsprop(xp: Array, x: Array, y: Array, eta: Array, alpha: Array) -> Array:
    """Logistic regression by RMSprop, one batch a step.

        v_t = alpha v_t-1 + (1 - alpha) g_t^2,    w_t = w_t-1 - eta g_t / (sqrt(v_t) + epsilon)

    entry by entry for t = 1 ... T from w_0 = v_0 = 0, epsilon = 1e-8, as in torch.optim.RMSprop, not
    centered and without momentum. The gradient at w = w_t-1 over the m samples of batch t is

        g_t = -(1 / m) sum_i y_i x_i / (1 + exp(y_i x_i'w)).

    x (T, m, d), y (T, m) of -1 and 1, eta (), alpha () -> w_T (d,); T (m (4 d + 4) + 10 d) flops.
    Tieleman & Hinton, Neural Networks for Machine Learning, lecture 6.5, 2012.
    """
    new = 1 - alpha

    def step(state: tuple[Array, ...], batch: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        w, v = state
        g = gradient(xp, w, *batch)
        v = alpha * v + new * (g * g)
        return (w - eta * g / (xp.sqrt(v) + EPSILON), v), None

    zero = xp.zeros_like(x[0, 0, :])
    (w, _), _ = xp.scan(step, (zero, zero), (x, y))
    return w


def adam(xp: Array, x: Array, y: Array, eta: Array, beta1: Array, beta2: Array) -> Array:
    """Logistic regression by Adam, one batch a step.

        m_t = beta1 m_t-1 + (1 - beta1) g_t,    v_t = beta2 v_t-1 + (1 - beta2) g_t^2,
        w_t = w_t-1 - eta (m_t / (1 - beta1^t)) / (sqrt(v_t / (1 - beta2^t)) + epsilon)

    entry by entry for t = 1 ... T from w_0 = m_0 = v_0 = 0, epsilon = 1e-8, as in torch.optim.Adam.
    The gradient at w = w_t-1 over the samples of batch t, n in number, is

        g_t = -(1 / n) sum_i y_i x_i / (1 + exp(y_i x_i'w)).

    x (T, n, d), y (T, n) of -1 and 1, eta (), beta1 (), beta2 () -> w_T (d,);
    T (n (4 d + 4) + 14 d) flops.
    Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    """
    new1, new2 = 1 - beta1, 1 - beta2
    # 1 - beta^t cancels where beta is near 1; (1 - beta) (1 + beta + ... + beta^(t-1)) does not.
    powers = xp.arange(x.shape[0], dtype=x.dtype)
    rates = eta / (new1 * xp.cumulative_sum(beta1**powers))
    roots = xp.sqrt(new2 * xp.cumulative_sum(beta2**powers))

    def step(state: tuple[Array, ...], batch: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        w, m, v = state
        rows, labels, rate, root = batch
        g = gradient(xp, w, rows, labels)
        m = beta1 * m + new1 * g
        v = beta2 * v + new2 * (g * g)
        return (w - rate * m / (xp.sqrt(v) / root + EPSILON), m, v), None

    zero = xp.zeros_like(x[0, 0, :])
    (w, _, _), _ = xp.scan(step, (zero, zero, zero), (x, y, rates, roots))
    return w


def batches(rng: np.random.Generator, steps: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Batches of features of different scales, with labels -1 and 1 of a logistic model of slope 2.

    The first batch is shifted by a tenth of a standard deviation along the sums of its features times
    labels, so that no entry of the first gradient is near zero: it is divided by its own magnitude.
    """
    scales = np.linspace(1.0, 0.25, d)
    x = rng.standard_normal((steps, m, d)) * scales
    direction = rng.standard_normal(d) / scales
    logits = x @ (direction * (2 / np.linalg.norm(direction * scales)))
    y = np.where(rng.random((steps, m)) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)
    x[0] += 0.1 * scales * np.sign(y[0] @ x[0]) * y[0][:, None]
    return x, y


def momentum_inputs(rng: np.random.Generator, steps: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    """A step of 1 / 4 over the curvature of standard normal batches, and a momentum of 0.9."""
    eta = 1 / (1 + math.sqrt(d / m)) ** 2
    return *batches(rng, steps, m, d), np.asarray(eta), np.asarray(0.9)


def rmsprop_inputs(rng: np.random.Generator, steps: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    """Steps of 0.01 and a decay of 0.99, torch's defaults."""
    return *batches(rng, steps, m, d), np.asarray(0.01), np.asarray(0.99)


def adam_inputs(rng: np.random.Generator, steps: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    """Steps of 0.01, and near the decays 0.9 and 0.999 of its authors two whose first powers are exact.

    An implementation that computes 1 - beta^t as it is written loses few digits with them.
    """
    beta1, beta2 = 1 - 2.0**-3, 1 - 2.0**-10
    return *batches(rng, steps, m, d), np.asarray(0.01), np.asarray(beta1), np.asarray(beta2)


def trajectory(
    x: np.ndarray, y: np.ndarray, direction: Callable[[np.ndarray], np.ndarray], eta: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Steps along ``direction`` of all gradients so far, (t, d) -> (d,), of single samples' means."""
    from scipy.special import expit

    steps, _, d = x.shape
    w = np.zeros(d)
    history = np.empty((steps, d))
    for t in range(steps):
        residuals = expit(np.einsum("ij,j->i", x[t], w)) - (y[t] > 0)
        history[t] = np.mean(residuals[:, None] * x[t], axis=0)
        w = w - eta * direction(history[: t + 1])
    return (w,)


def decay(rate: np.ndarray, steps: int) -> np.ndarray:
    """What gradients 1 ... t count for: the last one fully, each earlier one by ``rate`` less."""
    return rate ** np.arange(steps)[::-1]


def momentum_reference(
    x: np.ndarray, y: np.ndarray, eta: np.ndarray, mu: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, with the sum over all gradients written out."""
    return trajectory(x, y, lambda g: decay(mu, len(g)) @ g, eta)


def rmsprop_reference(
    x: np.ndarray, y: np.ndarray, eta: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, with the mean over all squared gradients written out."""
    return trajectory(
        x, y, lambda g: g[-1] / (np.sqrt((1 - alpha) * (decay(alpha, len(g)) @ g**2)) + EPSILON), eta
    )


def adam_reference(
    x: np.ndarray, y: np.ndarray, eta: np.ndarray, beta1: np.ndarray, beta2: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, with both means as averages over all gradients so far.

    The powers of beta from 0 to t - 1 sum to (1 - beta^t) / (1 - beta), so that averages by them have
    no bias to correct.
    """

    def direction(g: np.ndarray) -> np.ndarray:
        mean = np.average(g, axis=0, weights=decay(beta1, len(g)))
        square = np.average(g**2, axis=0, weights=decay(beta2, len(g)))
        result: np.ndarray = mean / (np.sqrt(square) + EPSILON)
        return result

    return trajectory(x, y, direction, eta)


def momentum_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    eta: np.ndarray,
    mu: np.ndarray,
) -> Errors:
    """``||w - w64|| / ||w64||`` after the last step, against four times the ``spread`` of rounding."""

    def update(r: Rounding, t: int, state: State, g: np.ndarray) -> tuple[State, np.ndarray]:
        b = r(r(mu * state[0]) + g)
        return (b,), r(eta * b)

    return distance(outputs, exact, x, y, update, 1)


def rmsprop_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    eta: np.ndarray,
    alpha: np.ndarray,
) -> Errors:
    """As ``momentum_errors``. Where v is small the spread knows how much the division enlarges."""

    def update(r: Rounding, t: int, state: State, g: np.ndarray) -> tuple[State, np.ndarray]:
        v = r(r(alpha * state[0]) + r((1 - alpha) * r(g * g)))
        return (v,), r(r(eta * g) / r(r(np.sqrt(v)) + EPSILON))

    return distance(outputs, exact, x, y, update, 1)


def adam_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    eta: np.ndarray,
    beta1: np.ndarray,
    beta2: np.ndarray,
) -> Errors:
    """As ``rmsprop_errors``. The corrections of the bias are charged their powers and sums too."""

    def update(r: Rounding, t: int, state: State, g: np.ndarray) -> tuple[State, np.ndarray]:
        m = r(r(beta1 * state[0]) + r((1 - beta1) * g))
        v = r(r(beta2 * state[1]) + r((1 - beta2) * r(g * g)))
        sum1, sum2 = (
            r(sums[:1] + r(np.full_like(sums[:1], beta ** (t - 1)), 1))
            for sums, beta in zip(state[2:], (beta1, beta2), strict=True)
        )
        rate, root = r(eta / r((1 - beta1) * sum1)), r(np.sqrt(r((1 - beta2) * sum2)))
        return (m, v, sum1, sum2), r(r(rate * m) / r(r(r(np.sqrt(v)) / root) + EPSILON))

    return distance(outputs, exact, x, y, update, 4)


def distance(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    update: Update,
    averages: int,
) -> Errors:
    (w,) = widened(outputs, (x.shape[2],))
    size = float(np.linalg.norm(exact[0]))
    error = largest_ratio(np.linalg.norm(w - exact[0]), size) / epsilon(outputs)
    return {"weights": (error, 4 * spread(x, y, update, averages) / size)}


def spread(x: np.ndarray, y: np.ndarray, update: Update, averages: int) -> float:
    """How far rounding carries the last weights, in the root mean square, over eps.

    No contraction bounds what these steps make of an error: their metric changes from step to step, and
    a product of norms would grow as (1 + eta ||H|| / sqrt(v))^T. So errors are carried along: REPLICAS
    trajectories are computed in float64 with random errors in place of rounding, of 2^-36 for eps, and
    compared with one that has none (Monte Carlo arithmetic: Parker, Pierce & Eggert, Computing in
    Science & Engineering 2, 2000). To first order this is exact whatever the curvature and the
    divisors are. Single operations err by 0.3 eps of their result in the root mean square, slopes by
    one eps, and a sum of l products by sqrt(l) / 4 eps times the norm of its terms, which have mean
    zero (Higham & Mary, SIAM J. Sci. Comput. 42, 2020).

    ``update(r, t, state, g)`` gives the new state, ``averages`` arrays that start from zero, and the
    step at the gradient g (d, REPLICAS + 1); it passes the result of every operation through ``r``.
    """
    rng = np.random.default_rng(0)
    _, m, d = x.shape
    unit = np.append(0.0, np.full(REPLICAS, 2.0**-36))

    def r(exact: np.ndarray, size: float | np.ndarray = 0.3) -> np.ndarray:
        return exact * (1 + size * unit * rng.standard_normal(exact.shape))

    w = np.zeros((d, REPLICAS + 1))
    state: State = (w,) * averages
    for t, (rows, labels) in enumerate(zip(x, y, strict=True), start=1):
        z = rows @ w
        terms = np.sqrt(np.square(rows) @ w[:, 0] ** 2)
        z += math.sqrt(d) / 4 * unit * terms[:, None] * rng.standard_normal(z.shape)
        slopes = r(labels[:, None] / (1 + np.exp(labels[:, None] * z)), 1)
        g = rows.T @ slopes
        terms = np.sqrt(slopes[:, 0] ** 2 @ np.square(rows))
        g += math.sqrt(m) / 4 * unit * terms[:, None] * rng.standard_normal(g.shape)
        state, step = update(r, t, state, r(g / -m))
        w = r(w - step)
    return float(np.linalg.norm(w[:, 1:] - w[:, :1])) / math.sqrt(REPLICAS) / 2.0**-36


Kernel(
    compute=momentum,
    inputs=momentum_inputs,
    reference=momentum_reference,
    errors=momentum_errors,
    flops=lambda steps, m, d: steps * (m * (4 * d + 4) + 5 * d),
    traffic=lambda itemsize, steps, m, d: itemsize * (steps * m * (d + 1) + 2 + d),
    sizes=SIZES,
    chapter="optimization",
)

Kernel(
    compute=rmsprop,
    inputs=rmsprop_inputs,
    reference=rmsprop_reference,
    errors=rmsprop_errors,
    flops=lambda steps, m, d: steps * (m * (4 * d + 4) + 10 * d),
    traffic=lambda itemsize, steps, m, d: itemsize * (steps * m * (d + 1) + 2 + d),
    sizes=SIZES,
    chapter="optimization",
)

Kernel(
    compute=adam,
    inputs=adam_inputs,
    reference=adam_reference,
    errors=adam_errors,
    flops=lambda steps, m, d: steps * (m * (4 * d + 4) + 14 * d),
    traffic=lambda itemsize, steps, m, d: itemsize * (steps * m * (d + 1) + 3 + d),
    sizes=SIZES,
    chapter="optimization",
)
