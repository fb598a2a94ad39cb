"""Faults in autoregressive models."""

import numpy as np

from planted import Fault, algorithm, entry, result
from planted.linear_systems import lstsq_distance, lstsq_normal
from xpbench.kernels.time_series import autoregression, design, deviation


def models(
    *,
    rows=slice(None),
    edges=False,
    intercept=False,
    first=1,
    divisor=0,
    diagonal=1.0,
    shift=0,
    series=None,
):
    """Both models by NumPy's least squares and solver; as they should be by default."""

    def compute(xp, x, p):
        x = x if series is None else series(x)
        n, one = len(x), x.dtype.type
        padded = np.concatenate([np.zeros(p, x.dtype), x]) if edges else x
        past, following = design(padded, p)
        if first == 0:
            past = past + one(0) * following[:, None]
            past = np.concatenate([following[:, None], past[:, :-1]], axis=1)[:-1]
            following = following[1:]
        if intercept:
            past = past - past.mean(axis=0)
            following = following - following.mean()
        f = xp.lstsq(past[rows], following[rows])
        r = np.array([x[k:] @ x[: n - k] / one(n - divisor * k) for k in range(p + 2)], x.dtype)
        lags = np.abs(np.subtract.outer(np.arange(p), np.arange(p)))
        toeplitz = r[lags] + one(diagonal - 1) * r[0] * np.eye(p, dtype=x.dtype)
        return f, np.linalg.solve(toeplitz, r[1 + shift : p + 1 + shift])

    return compute


def negative(xp, x, p):
    f, g = autoregression(xp, x, p=p)
    return -f, -g


def the_same_twice(outputs):
    outputs[0] = outputs[1].copy()


def the_same_twice_by_least_squares(outputs):
    outputs[1] = outputs[0].copy()


def earliest_first(outputs):
    outputs[:] = [outputs[0][::-1].copy(), outputs[1][::-1].copy()]


def later_by_one(outputs):
    outputs[:] = [np.roll(outputs[0], 1), np.roll(outputs[1], 1)]


def of_the_problem(unit):
    """``unit`` of the least squares problem that past and future values make."""

    def of(outputs, x, p):
        return unit(outputs, *design(x, p))

    return of


def of_g(outputs, x, p):
    return deviation(outputs[1], x, p)


FAULTS: dict[str, list[Fault]] = {
    "autoregression": [
        algorithm("term", "of the other sign", negative),
        algorithm("term", "autocovariances over n - k", models(divisor=1)),
        algorithm("term", "a thousandth more on the diagonal", models(diagonal=1.001)),
        algorithm("term", "columns centred", models(intercept=True)),
        algorithm("term", "of the differences", models(series=np.diff)),
        algorithm("index", "zeros before the series", models(edges=True)),
        algorithm("index", "last equation left out", models(rows=slice(None, -1))),
        algorithm("index", "first value left out", models(series=lambda x: x[1:])),
        algorithm("index", "autocovariances off by one", models(shift=1)),
        result("index", "earliest value first", earliest_first),
        result("index", "coefficients off by one", later_by_one),
        result("index", "Yule-Walker for both", the_same_twice),
        result("index", "least squares for both", the_same_twice_by_least_squares),
        entry("normal", of_the_problem(lstsq_normal)),
        entry("forward", of_the_problem(lstsq_distance)),
        entry("autocovariances", of_g, output=1),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {
    ("autoregression", "medium", "forward"): (
        "the bound is for a norm of 65528 squares summed one after the other, and libraries for wide "
        "vectors sum sixteen or more of them side by side"
    ),
}
