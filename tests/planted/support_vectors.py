"""Faults in the training of support vector machines on a kernel matrix."""

import numpy as np

from planted import Fault, algorithm, entry, largest, result
from xpbench.kernels.support_vectors import fractions, gaussian, product, svm_rbf


def trained(
    momentum=lambda t: (t - 2) / (t + 1),
    *,
    step=1.0,
    high=1.0,
    low=0.0,
    intercept=1.0,
    decided=1.0,
    features=None,
    dual=lambda b, y, gb: np.sum(b * (y - gb / 2)),
):
    """Projected gradient ascent with another momentum, step, box, intercept, kernel or objective."""

    def compute(xp, x, y, queries, gamma, penalty, *, steps):
        dtype = x.dtype
        g = (gaussian(x[:, :features], x[:, :features], gamma) + intercept).astype(dtype)
        eta = dtype.type(step) / np.max(np.sum(g, axis=1))
        low_, high_ = (dtype.type(bound) * penalty for bound in (low, high))
        a = before = np.zeros_like(y)
        for t in range(1, steps + 1):
            p = a + dtype.type(momentum(t)) * (a - before)
            a, before = np.clip(p + eta * (1 - y * (g @ (y * p))), low_, high_), a
        b = y * a
        decisions = (gaussian(queries, x, gamma) + decided).astype(dtype) @ b
        return b, decisions, np.asarray(dual(b, y, g @ b), dtype=dtype)

    return compute


def last_decision_left_out(outputs):
    outputs[1][-1] = 0


def without_last_sample(xp, x, y, queries, gamma, penalty, *, steps):
    """In the decisions only."""
    b, _, dual = svm_rbf(xp, x, y, queries, gamma, penalty, steps=steps)
    return b, (1 + gaussian(queries, x[:-1], gamma)).astype(x.dtype) @ b[:-1], dual


def beyond_the_box(trial, xp):
    """A multiplier at its bound, one rounding beyond."""
    b, decisions, dual = trial.compute(xp)
    penalty = trial.inputs[4]
    i = np.argmax(b == penalty)
    assert b[i] == penalty
    b[i] = np.nextafter(b[i], 1, dtype=b.dtype)
    return [b, decisions, dual]


def unsigned(outputs):
    outputs[0] = np.abs(outputs[0])


def of_the_middle_decision(outputs, x, y, queries, gamma, penalty, steps):
    (of_samples, v), of_queries = fractions(x, float(gamma)), fractions(queries, float(gamma))[0]
    kernel = 1 + gaussian(queries, x, gamma)
    return product(kernel, outputs[0], of_queries, of_samples, v)[1][len(queries) // 2]


FAULTS: dict[str, list[Fault]] = {
    "svm_rbf": [
        algorithm("term", "no momentum", trained(lambda t: 0.0)),
        algorithm("term", "momentum a step ahead", trained(lambda t: (t - 1) / (t + 2))),
        algorithm("term", "steps too long by a ten-thousandth", trained(step=1.0001)),
        algorithm("term", "no upper bound", trained(high=1e6), size="medium"),
        algorithm("term", "no lower bound", trained(low=-1e6), size="medium"),
        algorithm("term", "trained without intercept", trained(intercept=0.0)),
        algorithm("term", "decided without intercept", trained(decided=0.0)),
        algorithm(
            "term", "objective without a half", trained(dual=lambda b, y, gb: np.sum(b * (y - gb)))
        ),
        algorithm(
            "term",
            "objective without squares",
            trained(dual=lambda b, y, gb: np.sum(np.abs(b)) / 2),
            size="medium",
        ),
        result("term", "multipliers without signs", unsigned),
        algorithm("index", "last feature left out of the kernel", trained(features=-1)),
        algorithm("index", "last sample left out of the decisions", without_last_sample),
        result("index", "last query left out", last_decision_left_out),
        algorithm(
            "index",
            "labels off by one",
            lambda xp, x, y, *rest, **static: svm_rbf(xp, x, np.roll(y, 1), *rest, **static),
        ),
        algorithm(
            "index",
            "a step too few",
            lambda xp, *arrays, steps: svm_rbf(xp, *arrays, steps=steps - 1),
            size="medium",
        ),
        Fault("entry", "an entry outside of the box by one rounding", beyond_the_box, size="medium"),
        entry("multipliers", lambda outputs, *_, **__: np.linalg.norm(outputs[0])),
        entry("decisions", of_the_middle_decision, output=1),
        entry("dual", largest(2), output=2, place=()),
    ],
}
PRODUCTS = ("svm_rbf",)
LOOSE: dict[tuple[str, str, str], str] = {}
