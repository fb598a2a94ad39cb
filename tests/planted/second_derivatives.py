"""Faults in second derivatives."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.second_derivatives import taylor_bounds


def logistic_hessian(xp, x, y, w, *, square=1.0, sign=-1, mean=1, shift=0, last=0):
    x = x[: x.shape[0] - last, :]
    p = 1 / (1 + xp.exp(sign * (x @ w)))
    s = xp.roll(p * (1 - square * p), shift)
    return x.T @ (x * s[:, None]) / (x.shape[0] if mean else 1)


def curvature_bound(outputs, x, y, w):
    s = 1 / (2 * np.cosh(x @ w / 2)) ** 2 / len(x)
    middle = np.abs(x[:, x.shape[1] // 2])
    return middle @ (s * middle)


def softmax_product(xp, x, y, w, v, *, centred=1.0, weighted=True, shift=0, last=0):
    x = x[: x.shape[0] - last, :]
    e = xp.exp(x @ w)
    p, r = e / xp.sum(e, axis=1, keepdims=True), xp.roll(x @ v, shift, axis=1)
    mean = xp.sum(p * r if weighted else r, axis=1, keepdims=True)
    return x.T @ (p * (r - centred * mean)) / x.shape[0]


def polynomial(xp, a, b, x, h, *, slope=1.0, half=0.5, outer=1.0, biased=1.0, last=0):
    rows = a.shape[0] - last
    a, b = a[:rows, :], b[:rows]
    e = xp.exp(a @ x + biased * b)
    p = e / xp.sum(e)
    g = p @ a
    hessian = (a * p[:, None]).T @ a - outer * g[:, None] * g[None, :]
    return xp.log(xp.sum(e)) + slope * (h @ g) + half * xp.sum((h @ hessian) * h, axis=1)


def varied(function, **changes):
    return lambda xp, *arrays: function(xp, *arrays, **changes)


def roll(outputs):
    outputs[0] = np.roll(outputs[0], 1)


FAULTS: dict[str, list[Fault]] = {
    "hessian": [
        algorithm("term", "p for p (1 - p)", varied(logistic_hessian, square=0.0)),
        algorithm("term", "p (1 + p)", varied(logistic_hessian, square=-1.0)),
        algorithm("term", "not over n", varied(logistic_hessian, mean=0)),
        algorithm("index", "curvatures off by one", varied(logistic_hessian, shift=1)),
        algorithm("index", "last sample dropped", varied(logistic_hessian, last=1)),
        entry("norm", lambda outputs, *inputs: np.linalg.norm(outputs[0])),
        entry("entries", curvature_bound),
    ],
    "hessian_vector_product": [
        algorithm("term", "mean of the change dropped", varied(softmax_product, centred=0.0)),
        algorithm("term", "mean of the other sign", varied(softmax_product, centred=-1.0)),
        algorithm("term", "mean not weighted", varied(softmax_product, weighted=False)),
        algorithm("index", "classes of the vector off by one", varied(softmax_product, shift=1)),
        algorithm("index", "last sample dropped", varied(softmax_product, last=1)),
        entry("product", lambda outputs, *inputs: np.linalg.norm(outputs[0])),
    ],
    "taylor": [
        algorithm("term", "first degree only", varied(polynomial, half=0.0)),
        algorithm("term", "half dropped", varied(polynomial, half=1.0)),
        algorithm("term", "slope of the other sign", varied(polynomial, slope=-1.0)),
        algorithm("term", "outer product of the gradient dropped", varied(polynomial, outer=0.0)),
        algorithm("term", "constants dropped", varied(polynomial, biased=0.0)),
        algorithm("index", "last exponent dropped", varied(polynomial, last=1)),
        result("index", "displacements off by one", roll),
        entry("model", lambda outputs, *inputs: taylor_bounds(*inputs)[1][len(outputs[0]) // 2]),
    ],
}
PRODUCTS = ("hessian", "hessian_vector_product", "taylor")
LOOSE: dict[tuple[str, str, str], str] = {}
