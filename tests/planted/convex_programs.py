"""Faults in projected gradient descent and in the alternating direction method of multipliers."""

import numpy as np

from planted import Fault, algorithm, entry
from planted.regularized_regression import products_in_tf32
from xpbench.kernels.convex_programs import admm, projected_gradient


def projected(downhill, *, cut=lambda z, lower, upper: np.clip(z, lower, upper), residual=1):
    """Projected gradient descent along another direction, with another projection."""

    def compute(xp, q, c, lower, upper, eta, *, steps):
        def step(x):
            return cut(x + eta * downhill(x, q, c), lower, upper)

        x = (lower + upper) / 2
        for _ in range(steps):
            x = step(x)
        moved = x + residual * (step(x) - x)
        return x, np.linalg.norm(moved - x)

    return compute


def steepest(x, q, c):
    return c - q @ x


def split(primal=1, dual=1, sign=1, over=1.0, rows=None):
    """The method of multipliers, with terms scaled or of the other sign."""

    def compute(xp, a, b, penalty, rho, *, steps):
        a, b = a[:rows], b[:rows]
        system = a.T @ a + rho * np.eye(a.shape[1], dtype=a.dtype)
        z = before = u = x = np.zeros_like(a[0])
        for _ in range(steps):
            x = np.linalg.solve(system, a.T @ b + rho * (z - sign * u))
            v = over * x + (1 - over) * z + u
            before, z = z, np.sign(v) * np.maximum(np.abs(v) - penalty / rho, 0)
            u = v - z
        outputs = (z, u, primal * (x - z), dual * rho * (z - before))
        return tuple(output.astype(a.dtype) for output in outputs)

    return compute


def another_number_of_steps(kernel, more):
    return lambda xp, *arrays, steps: kernel(xp, *arrays, steps=steps + more)


def out_of_the_box(trial, xp):
    """An entry that is cut, one rounding beyond its upper bound."""
    x, residual = trial.compute(xp)
    upper = trial.inputs[3]
    i = np.argmax(x == upper)
    x[i] = np.nextafter(upper[i], 2 * upper[i], dtype=x.dtype)
    return [x, residual]


def of_x(outputs, *inputs, **static):
    return np.linalg.norm(outputs[0])


def of_both(outputs, *inputs, **static):
    return np.hypot(np.linalg.norm(outputs[0]), np.linalg.norm(outputs[1]))


def of_the_gradient(outputs, a, b, penalty, rho, **static):
    x = outputs[0] + outputs[2]
    return (np.linalg.norm(a, 2) ** 2 + rho) * np.linalg.norm(x)


def of_the_threshold(outputs, a, b, penalty, rho, **static):
    return penalty / rho


FAULTS: dict[str, list[Fault]] = {
    "projected_gradient": [
        algorithm("term", "uphill", projected(lambda x, q, c: q @ x - c)),
        algorithm("term", "no linear term", projected(lambda x, q, c: -(q @ x))),
        algorithm("term", "diagonal alone", projected(lambda x, q, c: c - np.diagonal(q) * x)),
        algorithm(
            "term", "no upper bound", projected(steepest, cut=lambda z, low, high: np.maximum(z, low))
        ),
        algorithm("term", "residual of half a step", projected(steepest, residual=0.5)),
        algorithm("term", "a step too few", another_number_of_steps(projected_gradient, -1)),
        algorithm("index", "c off by one", projected(lambda x, q, c: np.roll(c, 1) - q @ x)),
        algorithm(
            "index",
            "bounds off by one",
            projected(steepest, cut=lambda z, *box: np.clip(z, *np.roll(box, 1, axis=1))),
        ),
        algorithm("index", "last row left out", projected(lambda x, q, c: c - q[:, :-1] @ x[:-1])),
        Fault("entry", "an entry outside of the box by one rounding", out_of_the_box),
        entry("point", of_x),
        entry("kkt", of_x, output=1, place=()),
    ],
    "admm": [
        algorithm("term", "multipliers of the other sign", split(sign=-1)),
        algorithm("term", "over-relaxed", split(over=1.001)),
        algorithm("term", "primal residual of the other sign", split(primal=-1)),
        algorithm("term", "dual residual without rho", split(dual=1 / 0.7)),
        algorithm("term", "a step too few", another_number_of_steps(admm, -1)),
        algorithm("index", "last row left out", split(rows=-1)),
        algorithm(
            "index",
            "right side off by one",
            lambda xp, a, b, *r, **s: admm(xp, a, np.roll(b, 1), *r, **s),
        ),
        *products_in_tf32(),
        entry("point", of_both),
        entry("residuals", of_both, output=2),
        entry("stationarity", of_the_gradient, output=3),
        entry("threshold", of_the_threshold, output=1, place=(0,)),
    ],
}
PRODUCTS = ("projected_gradient", "admm")
LOOSE: dict[tuple[str, str, str], str] = {}
