"""Faults in gradient descent by single samples and by mini-batches."""

import numpy as np

from planted import Fault, algorithm, entry
from xpbench.kernels.stochastic_gradients import minibatch_sgd, sgd


def norm(outputs, *inputs):
    return np.linalg.norm(outputs[0])


def by_samples(gradient):
    """Gradient descent whose step from ``w`` is ``gradient(w, y_i x_i)`` times the rate."""

    def compute(xp, x, y, order, eta):
        w = xp.zeros_like(x[0, :])
        for index, rate in zip(order, eta, strict=True):
            w = w + rate * gradient(w, y[index] * x[index, :])
        return w

    return compute


def by_batches(gradient):
    """Gradient descent whose step is the sum of the rows of ``gradient(w, y_B x_B)`` times eta / m."""

    def compute(xp, x, y, order, eta):
        w = xp.zeros_like(x[0, :])
        for batch in order:
            rows = gradient(w, y[batch][:, None] * x[batch, :])
            w = w + eta / order.shape[1] * rows.sum(axis=0)
        return w

    return compute


def at_zero(w, row):
    return row / 2


def uphill(w, row):
    return -row / (1 + np.exp(row @ w))


def of_the_perceptron(w, row):
    return row * np.float32(row @ w <= 0)


def rows_downhill(w, rows):
    return rows / (1 + np.exp(rows @ w))[:, None]


FAULTS: dict[str, list[Fault]] = {
    "sgd": [
        algorithm("term", "uphill", by_samples(uphill)),
        algorithm("term", "every gradient taken at zero", by_samples(at_zero)),
        algorithm("term", "a step function for the sigmoid", by_samples(of_the_perceptron)),
        algorithm("index", "last sample left out", lambda xp, x, y, o, e: sgd(xp, x, y, o[:-1], e[:-1])),
        algorithm("index", "order ignored", lambda xp, x, y, o, e: sgd(xp, x, y, np.sort(o), e)),
        algorithm("index", "steps off by one", lambda xp, x, y, o, e: sgd(xp, x, y, o, np.roll(e, 1))),
        algorithm(
            "index", "labels out of order", lambda xp, x, y, o, e: sgd(xp, x, np.roll(y, 1), o, e)
        ),
        entry("weights", norm),
    ],
    "minibatch_sgd": [
        algorithm("term", "every gradient taken at zero", by_batches(lambda w, rows: rows / 2)),
        algorithm(
            "term", "first sample left out", by_batches(lambda w, rows: rows_downhill(w, rows)[1:])
        ),
        algorithm(
            "index", "last batch left out", lambda xp, x, y, o, e: minibatch_sgd(xp, x, y, o[:-1], e)
        ),
        algorithm(
            "index",
            "batches in the other order",
            lambda xp, x, y, o, e: minibatch_sgd(xp, x, y, np.flip(o, axis=0), e),
        ),
        algorithm(
            "index",
            "batches begin one sample late",
            lambda xp, x, y, o, e: minibatch_sgd(xp, x, y, np.roll(o, -1).reshape(o.shape), e),
        ),
        entry("weights", norm),
    ],
}
PRODUCTS = ("sgd", "minibatch_sgd")
LOOSE: dict[tuple[str, str, str], str] = {}
