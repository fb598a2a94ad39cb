"""Faults in batch gradient descent."""

import numpy as np

from planted import Fault, algorithm, entry


def descended(xp, x, y, eta, steps, *, sign=1, labels=1, rows=0, columns=0):
    x = xp.roll(x, columns, axis=1)
    y = xp.roll(y, rows)
    w = xp.zeros_like(x[0, :])
    for _ in range(steps):
        p = 1 / (1 + xp.exp(-(x @ w)))
        w = w - sign * eta / x.shape[0] * (x.T @ (p - labels * y))
    return w


def varied(**changes):
    return lambda xp, *arrays, steps: descended(xp, *arrays, steps, **changes)


def later(count):
    return lambda xp, *arrays, steps: descended(xp, *arrays, steps + count)


def norm(outputs, *inputs, **static):
    return np.linalg.norm(outputs[0])


FAULTS: dict[str, list[Fault]] = {
    "gradient_descent": [
        algorithm("term", "labels dropped", varied(labels=0)),
        algorithm("term", "uphill", varied(sign=-1)),
        algorithm("index", "labels off by one", varied(rows=1)),
        algorithm("index", "weights off by one", varied(columns=1)),
        algorithm("index", "one step too few", later(-1)),
        algorithm("index", "one step too many", later(1)),
        entry("weights", norm),
    ],
}
PRODUCTS = ("gradient_descent",)
LOOSE: dict[tuple[str, str, str], str] = {}
