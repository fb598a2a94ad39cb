"""Faults in quadratic programmes with equations and in the dual of the support vector machine."""

import numpy as np

from planted import Fault, algorithm, entry
from xpbench import spectral_norm
from xpbench.kernels.duality import equality_qp, svm_dual


def kkt(q, a, *, corner=0.0):
    m = len(a)
    return np.block([[q, a.T], [a, corner * np.eye(m, dtype=a.dtype)]]).astype(a.dtype)


def range_space(xp, q, c, a, b):
    """By the Schur complement: right where Q is well conditioned (Nocedal & Wright, section 16.2)."""
    inverse = np.linalg.inv(q)
    schur = a @ inverse @ a.T
    multipliers = np.linalg.solve(schur, b - a @ (inverse @ c))
    return inverse @ (c + a.T @ multipliers), multipliers


def penalised(xp, q, c, a, b):
    """With the constraints held by springs of stiffness 10^5."""
    n = len(c)
    solution = np.linalg.solve(kkt(q, a, corner=-1e-5), np.concatenate([c, b]))
    return solution[:n], -solution[n:]


def without_exchanges(xp, q, c, a, b):
    """By elimination that takes the pivots as they come."""
    n = len(c)
    u, s = kkt(q, a), np.concatenate([c, b])
    for k in range(len(s)):
        factors = u[k + 1 :, k] / u[k, k]
        u[k + 1 :] -= factors[:, None] * u[k]
        s[k + 1 :] -= factors * s[k]
    solution = np.linalg.solve(np.triu(u), s)
    return solution[:n], -solution[n:]


def other_sign(xp, *arrays):
    x, multipliers = equality_qp(xp, *arrays)
    return x, -multipliers


def ascent(momentum=lambda t: (t - 2) / (t + 1), *, step=1.0, high=1.0, low=0.0, objectives=None):
    """Projected gradient ascent with another momentum, step or box."""

    def compute(xp, x, y, penalty, eta, *, steps):
        dtype = x.dtype
        z = y[:, None] * x
        a = before = np.zeros_like(y)
        for t in range(1, steps + 1):
            p = a + dtype.type(momentum(t)) * (a - before)
            uphill = 1 - z @ (z.T @ p)
            box = (dtype.type(low), dtype.type(high) * penalty)
            a, before = np.clip(p + dtype.type(step) * eta * uphill, *box), a
        w, slack = z.T @ a, np.maximum(1 - z @ (z.T @ a), 0)
        right = (w @ w / 2 + penalty * np.sum(slack), np.sum(a) - w @ w / 2)
        return a, *(objectives(a, w, slack, penalty) if objectives else right)

    return compute


def squared_slack(a, w, slack, penalty):
    return w @ w / 2 + penalty * slack @ slack, np.sum(a) - w @ w / 2


def first_slack_left_out(a, w, slack, penalty):
    return w @ w / 2 + penalty * np.sum(slack[1:]), np.sum(a) - w @ w / 2


def dual_without_a_half(a, w, slack, penalty):
    return w @ w / 2 + penalty * np.sum(slack), np.sum(a) - w @ w


def beyond_the_box(trial, xp):
    """A multiplier at its bound, one rounding beyond."""
    a, primal, dual = trial.compute(xp)
    penalty = trial.inputs[2]
    i = np.argmax(a == penalty)
    assert a[i] == penalty
    a[i] = np.nextafter(a[i], 1, dtype=a.dtype)
    return [a, primal, dual]


def of_the_kkt_system(outputs, q, c, a, b):
    k = kkt(q, a)
    x, multipliers = outputs
    length = np.hypot(np.linalg.norm(x), np.linalg.norm(multipliers))
    scale = spectral_norm(k) * length + np.hypot(np.linalg.norm(c), np.linalg.norm(b))
    return scale / np.linalg.norm(k[:, len(c) // 2])


def of_the_constraints(outputs, q, c, a, b):
    scale = spectral_norm(a) * np.linalg.norm(outputs[0]) + np.linalg.norm(b)
    return scale / np.linalg.norm(a[:, len(c) // 2])


def length(output):
    return lambda outputs, *inputs, **static: np.linalg.norm(outputs[output])


def value(outputs, *inputs, **static):
    return outputs[1]


FAULTS: dict[str, list[Fault]] = {
    "equality_qp": [
        algorithm("term", "constraints held by springs", penalised),
        algorithm("term", "multipliers of the other sign", other_sign),
        algorithm("term", "no exchanges of rows", without_exchanges, size="medium"),
        algorithm("term", "through the inverse of Q", range_space, size="medium", dtypes=("float32",)),
        algorithm(
            "term",
            "through the inverse of a Q near singular",
            range_space,
            size={"n": 48, "m": 16, "decades": 12},
            dtypes=("float64",),
        ),
        algorithm(
            "index",
            "right side of the constraints off by one",
            lambda xp, q, c, a, b: equality_qp(xp, q, c, a, np.roll(b, 1)),
        ),
        algorithm(
            "index",
            "last constraint left out",
            lambda xp, q, c, a, b: (
                equality_qp(xp, q, c, a[:-1], b[:-1])[0],
                equality_qp(xp, q, c, a, b)[1],
            ),
        ),
        entry("kkt", of_the_kkt_system),
        entry("constraints", of_the_constraints),
        entry("solution", length(0)),
        entry("multipliers", length(1), output=1),
    ],
    "svm_dual": [
        algorithm("term", "no momentum", ascent(lambda t: 0.0)),
        algorithm("term", "momentum a step ahead", ascent(lambda t: (t - 1) / (t + 2))),
        algorithm("term", "steps too long by a ten-thousandth", ascent(step=1.0001)),
        algorithm("term", "no upper bound", ascent(high=1e6)),
        algorithm("term", "no lower bound", ascent(low=-1e6)),
        algorithm("term", "slacks squared", ascent(objectives=squared_slack)),
        algorithm("term", "dual without a half", ascent(objectives=dual_without_a_half)),
        algorithm("index", "first slack left out", ascent(objectives=first_slack_left_out)),
        algorithm(
            "index",
            "labels off by one",
            lambda xp, x, y, *rest, **static: svm_dual(xp, x, np.roll(y, 1), *rest, **static),
        ),
        algorithm(
            "index",
            "a step too few",
            lambda xp, *arrays, steps: svm_dual(xp, *arrays, steps=steps - 1),
            size="medium",
        ),
        Fault("entry", "an entry outside of the box by one rounding", beyond_the_box),
        entry("multipliers", length(0)),
        entry("primal", value, output=1, place=()),
        entry("gap", value, output=2, place=()),
    ],
}
PRODUCTS = ("equality_qp", "svm_dual")
LOOSE: dict[tuple[str, str, str], str] = {}
