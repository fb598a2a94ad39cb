"""Faults in posterior distributions."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.bayesian_inference import (
    bayesian_linear_regression,
    beta_binomial,
    evidence_bounds,
    metropolis,
    regression_bounds,
    state_bound,
)


def posterior(*, prior=1.0, one=1.0, binomial=False):
    """Without the prior's counts, with the variance of another, or with a binomial coefficient."""

    def compute(xp, k, n, alpha, beta):
        import scipy.special

        _, _, evidence = beta_binomial(xp, k, n, alpha, beta)
        a, b = prior * alpha + k, prior * beta + n - k
        total = np.maximum(a + b, k.dtype.type(1e-3))
        if binomial:
            choose = scipy.special.gammaln([n + 1, k + 1, n - k + 1])
            evidence = evidence + (choose[0] - choose[1] - choose[2]).astype(k.dtype)
        return a / total, np.sqrt(a * b / (total + k.dtype.type(one))) / total, evidence

    return compute


def rolled(outputs):
    outputs[:] = [np.roll(output, 1, axis=0) for output in outputs]


def evidence_unit(outputs, *inputs):
    return evidence_bounds(outputs[2], *inputs)[len(outputs[2]) // 2]


def regressed(*, noise=True, penalty=1.0, weight=1.0):
    """Without the noise in predictions, or with another prior or noise."""

    def compute(xp, x, y, query, prior, beta):
        m, means, deviations = bayesian_linear_regression(
            xp, x, y, query, prior * x.dtype.type(penalty), beta * x.dtype.type(weight)
        )
        return m, means, deviations if noise else np.sqrt(deviations**2 - 1 / beta)

    return compute


def predicted(output):
    def unit(outputs, *inputs):
        bounds = regression_bounds(outputs, *inputs)[output]
        return bounds[len(bounds) // 2] if output else bounds

    return unit


def chain(*, prior=1.0, always=False, shift=0):
    """Without the prior, with every move taken, or with decisions of the wrong step."""

    def compute(xp, x, y, start, moves, logs):
        def density(w):
            return -prior * np.sum(w**2, axis=1) / 2 - np.sum(np.logaddexp(0, -(w @ x.T) * y), axis=1)

        w, total, taken = start, 0, 0
        for move, log in zip(moves, np.roll(logs, shift, axis=1), strict=True):
            accepted = (log < density(w + move) - density(w)) | always
            w = np.where(accepted[:, None], w + move, w)
            total, taken = total + w, taken + accepted
        steps = x.dtype.type(len(logs))
        return w, total / steps, (taken / steps).astype(x.dtype)

    return compute


def one_more(outputs):
    """A move more in the count of one chain."""
    outputs[2][0] += outputs[2].dtype.type(1 / 8)


def state_unit(outputs, x, y, start, moves, logs):
    return (1.5 * np.sqrt(len(moves)) + 1) * state_bound(start, moves)


def mean_unit(outputs, x, y, start, moves, logs):
    return (1.5 * np.sqrt(len(moves) * 4 / 3) + 1) * state_bound(start, moves)


FAULTS: dict[str, list[Fault]] = {
    "beta_binomial": [
        algorithm("term", "prior left out", posterior(prior=0.0)),
        algorithm("term", "one left out of the variance", posterior(one=0.0)),
        algorithm("term", "with the binomial coefficient", posterior(binomial=True)),
        algorithm(
            "term", "failures for successes", lambda xp, k, n, a, b: beta_binomial(xp, n - k, n, a, b)
        ),
        algorithm(
            "index", "items off by one", lambda xp, k, n, a, b: beta_binomial(xp, np.roll(k, 1), n, a, b)
        ),
        result("index", "results off by one", rolled),
        entry("mean", lambda outputs, k, *rest: 3 * outputs[0][len(k) // 2]),
        entry("deviation", lambda outputs, k, *rest: 3 * outputs[1][len(k) // 2], output=1),
        entry("evidence", evidence_unit, output=2),
    ],
    "bayesian_linear_regression": [
        algorithm("term", "noise left out of predictions", regressed(noise=False)),
        algorithm("term", "prior of another precision", regressed(penalty=1.001)),
        algorithm("term", "noise of another precision", regressed(weight=1.001)),
        algorithm(
            "index",
            "last sample left out",
            lambda xp, x, y, *rest: bayesian_linear_regression(xp, x[:-1], y[:-1], *rest),
        ),
        result("index", "results off by one", rolled),
        entry("coefficients", predicted(0)),
        entry("means", predicted(1), output=1),
        entry("deviations", predicted(2), output=2),
    ],
    "metropolis": [
        algorithm("term", "prior left out", chain(prior=0.0)),
        algorithm("term", "every move taken", chain(always=True)),
        algorithm(
            "term",
            "moves the other way",
            lambda xp, x, y, start, moves, logs: metropolis(xp, x, y, start, -moves, logs),
        ),
        algorithm("index", "uniforms off by one chain", chain(shift=1)),
        algorithm(
            "index",
            "last step left out",
            lambda xp, x, y, start, moves, logs: metropolis(xp, x, y, start, moves[:-1], logs[:-1]),
        ),
        result("index", "chains off by one", rolled),
        result("entry", "a move more counted", one_more),
        entry("states", state_unit),
        entry("means", mean_unit, output=1),
    ],
}
PRODUCTS = ("bayesian_linear_regression",)
LOOSE: dict[tuple[str, str, str], str] = {}
