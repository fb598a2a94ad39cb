"""Faults in first derivatives."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.derivatives import paths_norm


def differences(
    xp, f, dx, dy, *, width=2.0, first_order=False, forward=False, third=2, last_sign=1, swapped=False
):
    def along(f, h):
        ends = (-3 * f[0] + 4 * f[1] - f[third], 3 * f[-1] - 4 * f[-2] + last_sign * f[-3])
        if first_order:
            ends = (2 * (f[1] - f[0]), 2 * (f[-1] - f[-2]))
        inner = 2 * (f[2:] - f[1:-1]) if forward else f[2:] - f[:-2]
        return xp.concat([ends[0][None, :], inner, ends[1][None, :]]) / (width * h)

    dx, dy = (dy, dx) if swapped else (dx, dy)
    return along(f, dx), along(f.T, dy).T


def border(outputs, f, dx, dy):
    f0, f1, f2 = np.abs(f[:3, f.shape[1] // 2])
    return (3 * f0 + 4 * f1 + f2) / (2 * dx)


def softmax_gradient(xp, x, y, w, *, labels=1.0, weighted=1.0, normalised=True, last=0, shift=0):
    if last:
        x, y = x[:-last, :], y[:-last, :]
    z = x @ w
    e = xp.exp(z)
    p = e / xp.sum(e, axis=1, keepdims=True)
    loss = xp.sum(xp.log(xp.sum(e, axis=1)) - xp.sum(y * z, axis=1))
    residual = (p if normalised else e) - labels * xp.roll(y, shift, axis=0)
    return loss / x.shape[0], x.T @ residual * (weighted / x.shape[0])


def network_jacobian(xp, x, w1, b, w2, *, slope=-1.0, biased=True, shift=0, last=0):
    h = xp.tanh(w1 @ x + b if biased else w1 @ x)
    slopes = xp.roll(1 + slope * h * h, shift)
    units = h.shape[0] - last
    return (w2 * slopes)[:, :units] @ w1[:units, :]


def paths(outputs, x, w1, b, w2):
    return np.abs(w2[w2.shape[0] // 2]) @ np.abs(w1[:, x.size // 2])


def varied(function, **changes):
    return lambda xp, *arrays: function(xp, *arrays, **changes)


def exchange(outputs):
    outputs.reverse()


FAULTS: dict[str, list[Fault]] = {
    "finite_difference": [
        algorithm("term", "not over twice the distance", varied(differences, width=1.0)),
        algorithm("term", "borders of first order", varied(differences, first_order=True)),
        algorithm("term", "sign in the last row", varied(differences, last_sign=-1)),
        algorithm("term", "distances exchanged", varied(differences, swapped=True)),
        algorithm("index", "forward differences", varied(differences, forward=True)),
        algorithm("index", "fourth sample for the third", varied(differences, third=3)),
        result("index", "derivatives exchanged", exchange),
        entry("interior", lambda outputs, f, dx, dy: np.abs(outputs[0][16, 16])),
        entry("border", border, place=(0, 16)),
    ],
    "gradient": [
        algorithm("term", "labels dropped", varied(softmax_gradient, labels=0.0)),
        algorithm("term", "labels of the other sign", varied(softmax_gradient, labels=-1.0)),
        algorithm("term", "not normalised", varied(softmax_gradient, normalised=False)),
        algorithm("term", "factor of two", varied(softmax_gradient, weighted=2.0)),
        algorithm("index", "labels off by one", varied(softmax_gradient, shift=1)),
        algorithm("index", "last sample dropped", varied(softmax_gradient, last=1)),
        entry("loss", lambda outputs, *inputs: outputs[0]),
        entry("gradient", lambda outputs, *inputs: np.linalg.norm(outputs[1]), output=1),
    ],
    "jacobian": [
        algorithm("term", "slope of tanh dropped", varied(network_jacobian, slope=0.0)),
        algorithm("term", "slope of the other sign", varied(network_jacobian, slope=1.0)),
        algorithm("term", "bias dropped", varied(network_jacobian, biased=False)),
        algorithm("index", "slopes off by one", varied(network_jacobian, shift=1)),
        algorithm("index", "last unit dropped", varied(network_jacobian, last=1)),
        entry("norm", lambda outputs, x, w1, b, w2: paths_norm(w1, w2)),
        entry("entries", paths),
    ],
}
PRODUCTS = ("gradient", "jacobian")
LOOSE: dict[tuple[str, str, str], str] = {}
