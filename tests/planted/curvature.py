"""Faults in the methods of Newton and BFGS."""

import numpy as np

from planted import Fault, algorithm, entry, result
from planted.regularized_regression import products_in_tf32
from xpbench.kernels.curvature import bfgs, newton, newton_map, newton_step


def newtonian(
    xp, x, y, penalty, steps, *, ridge=1.0, shrink=1.0, sign=1.0, labels=0, slope=True, start=0.0
):
    n, d = x.shape
    y = xp.roll(y, labels)
    w, iterates = xp.zeros_like(x[0, :]) + start, []
    for _ in range(steps):
        p = 1 / (1 + xp.exp(-(x @ w)))
        c = p * (1 - p) if slope else p
        g = x.T @ (p - y) / n + shrink * penalty * w
        h = x.T @ (x * (c / n)[:, None]) + ridge * penalty * xp.eye(d, dtype=x.dtype)
        w = w - sign * xp.linalg.solve(h, g)
        iterates.append(w)
    return xp.stack(iterates)


def learned(xp, x, y, penalty, steps, *, outer=1.0, sign=1.0, model=1.0, labels=0, late=False):
    n, d = x.shape
    y = xp.roll(y, labels)
    w, b = xp.zeros_like(x[0, :]), xp.eye(d, dtype=x.dtype)

    def gradient(w):
        p = 1 / (1 + xp.exp(-(x @ w)))
        return x.T @ (p - y) / n + penalty * w, p * (1 - p)

    g, c = gradient(w)
    for _ in range(steps):
        direction = -(b @ g)
        along = x @ direction
        curvature = xp.sum(c * along * along) / n + model * penalty * xp.sum(direction * direction)
        s = -xp.sum(g * direction) / curvature * direction
        w, before = w + s, g
        g, new = gradient(w)
        c = c if late else new
        q = g - before
        r = 1 / xp.sum(q * s)
        left = xp.eye(d, dtype=x.dtype) - sign * r * s[:, None] * q[None, :]
        b = left @ b @ left.T + outer * r * s[:, None] * s[None, :]
    return w, b


def varied(function, **changes):
    return lambda xp, *arrays, steps: function(xp, *arrays, steps, **changes)


def later(function, count):
    return lambda xp, *arrays, steps: function(xp, *arrays, steps=steps + count)


def shifted(outputs):
    outputs[0] = np.vstack([np.zeros_like(outputs[0][:1]), outputs[0][:-1]])


def of_the_first_step(outputs, x, y, penalty, steps):
    """What rounding does to the first step's equation, over the Hessian's column, by eps."""
    zero, after = np.zeros(x.shape[1]), outputs[0][0]
    _, deviation = newton_step(x, y, float(penalty), zero, after)
    column = x.T @ x[:, 0] / (4 * len(x))
    column[0] += penalty
    return deviation / np.linalg.norm(column)


def of_the_first_iterate(outputs, x, y, penalty, steps):
    zero, after = np.zeros(x.shape[1]), outputs[0][0]
    _, deviation = newton_step(x, y, float(penalty), zero, after)
    return newton_map(x, float(penalty), zero, after)[1] * deviation


def whole(output):
    return lambda outputs, *inputs, **static: np.linalg.norm(outputs[output])


FAULTS: dict[str, list[Fault]] = {
    "newton": [
        algorithm("term", "penalty dropped from the Hessian", varied(newtonian, ridge=0.0)),
        algorithm("term", "penalty dropped from the gradient", varied(newtonian, shrink=0.0)),
        algorithm("term", "uphill", varied(newtonian, sign=-1.0)),
        algorithm("term", "slope of the sigmoid dropped", varied(newtonian, slope=False)),
        algorithm("term", "another start", varied(newtonian, start=0.01)),
        algorithm("index", "labels off by one", varied(newtonian, labels=1)),
        algorithm("index", "one step too many", lambda *a, **k: later(newton, 1)(*a, **k)[1:, ...]),
        result("index", "iterates before their step", shifted),
        *products_in_tf32(),
        entry("iterates", of_the_first_iterate, place=(0, 0)),
        entry("steps", of_the_first_step, place=(0, 0)),
    ],
    "bfgs": [
        algorithm("term", "last term of the update dropped", varied(learned, outer=0.0)),
        algorithm("term", "projector of the other sign", varied(learned, sign=-1.0)),
        algorithm("term", "penalty dropped from the step length", varied(learned, model=0.0)),
        algorithm("index", "labels off by one", varied(learned, labels=1)),
        algorithm("index", "curvature of the step before", varied(learned, late=True)),
        algorithm("index", "one step too few", later(bfgs, -1)),
        algorithm("index", "one step too many", later(bfgs, 1)),
        entry("weights", whole(0)),
        entry("inverse", whole(1), output=1),
    ],
}
PRODUCTS = ("newton", "bfgs")
LOOSE: dict[tuple[str, str, str], str] = {}
