"""Faults in momentum, RMSprop and Adam."""

import numpy as np

from planted import Fault, algorithm, entry
from xpbench.kernels.adaptive_steps import EPSILON, adam, gradient, momentum, rmsprop


def norm(outputs, *inputs):
    return np.linalg.norm(outputs[0])


def stepping(update):
    """Steps ``update(t, g, *state, *rates)`` from zero, which returns the step and the new state."""

    def compute(xp, x, y, eta, *rates):
        w = xp.zeros_like(x[0, 0, :])
        state = (w, w)
        for t in range(len(x)):
            g = gradient(xp, w, x[t, ...], y[t, ...])
            step, state = update(t + 1, g, *state, *rates)
            w = w - eta * step
        return w

    return compute


def without_last_batch(compute):
    return lambda xp, x, y, *rates: compute(xp, x[:-1, ...], y[:-1, ...], *rates)


def batches_rolled(compute):
    return lambda xp, x, y, *rates: compute(xp, np.roll(x, 1, axis=0), np.roll(y, 1, axis=0), *rates)


def dampened(t, g, b, _, mu):
    b = mu * b + (1 - mu) * g
    return b, (b, _)


def nesterov(t, g, b, _, mu):
    b = mu * b + g
    return g + mu * b, (b, _)


def a_step_late(t, g, b, _, mu):
    return (b if t > 1 else g), (mu * b + g, _)


def without_root(t, g, v, _, alpha):
    v = alpha * v + (1 - alpha) * g * g
    return g / (v + EPSILON), (v, _)


def epsilon_under_the_root(t, g, v, _, alpha):
    v = alpha * v + (1 - alpha) * g * g
    return g / np.sqrt(v + EPSILON), (v, _)


def without_epsilon(t, g, v, _, alpha):
    v = alpha * v + (1 - alpha) * g * g
    return g / np.sqrt(v), (v, _)


def square_of_before(t, g, v, _, alpha):
    new = alpha * v + (1 - alpha) * g * g
    return g / (np.sqrt(v if t > 1 else new) + EPSILON), (new, _)


def centered(t, g, v, mean, alpha):
    v, mean = alpha * v + (1 - alpha) * g * g, alpha * mean + (1 - alpha) * g
    return g / (np.sqrt(v - mean * mean) + EPSILON), (v, mean)


def corrected(correct):
    """Adam with ``correct(t, beta)`` for ``1 - beta^t``."""

    def update(t, g, m, v, beta1, beta2):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        return m / correct(t, beta1) / (np.sqrt(v / correct(t, beta2)) + EPSILON), (m, v)

    return stepping(update)


def epsilon_uncorrected(t, g, m, v, beta1, beta2):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    c1, c2 = (1 - float(beta) ** t for beta in (beta1, beta2))
    return m / g.dtype.type(c1) / ((np.sqrt(v) + EPSILON) / g.dtype.type(np.sqrt(c2))), (m, v)


FAULTS: dict[str, list[Fault]] = {
    "momentum": [
        algorithm("term", "dampened", stepping(dampened)),
        algorithm("term", "Nesterov's", stepping(nesterov)),
        algorithm("index", "velocity of the step before", stepping(a_step_late)),
        algorithm("index", "last batch left out", without_last_batch(momentum)),
        algorithm("index", "batches rolled by one", batches_rolled(momentum)),
        entry("weights", norm),
    ],
    "rmsprop": [
        algorithm("term", "no root", stepping(without_root)),
        algorithm("term", "epsilon under the root", stepping(epsilon_under_the_root)),
        algorithm("term", "no epsilon", stepping(without_epsilon), dtypes=("float64",)),
        algorithm("term", "centered", stepping(centered)),
        algorithm("index", "average of the step before", stepping(square_of_before)),
        algorithm("index", "last batch left out", without_last_batch(rmsprop)),
        algorithm("index", "batches rolled by one", batches_rolled(rmsprop)),
        entry("weights", norm),
    ],
    "adam": [
        algorithm("term", "bias not corrected", corrected(lambda t, beta: 1)),
        algorithm(
            "term", "epsilon before the correction", stepping(epsilon_uncorrected), dtypes=("float64",)
        ),
        algorithm("index", "steps counted from 2", corrected(lambda t, beta: 1 - beta ** (t + 1))),
        algorithm(
            "index", "decays exchanged", lambda xp, x, y, eta, b1, b2: adam(xp, x, y, eta, b2, b1)
        ),
        algorithm("index", "last batch left out", without_last_batch(adam)),
        algorithm("index", "batches rolled by one", batches_rolled(adam)),
        entry("weights", norm),
    ],
}
PRODUCTS = ("momentum", "rmsprop", "adam")
LOOSE: dict[tuple[str, str, str], str] = {}
