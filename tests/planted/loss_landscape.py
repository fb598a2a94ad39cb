"""Faults in the landscape of a loss."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels import loss_landscape


def landscape(
    xp, x, y, w, b, v, alpha, beta, *, label=-1.0, bias=1.0, moves=(1.0, 1.0, 1.0), order=(1, 2), last=0
):
    n = x.shape[0] - last
    x, y = x[:n, :], y[:n]

    def loss(i, j):
        w_, b_, v_ = (
            part[0, ...] + move * (alpha[i] * part[order[0], ...] + beta[j] * part[order[1], ...])
            for part, move in zip((w, b, v), moves, strict=True)
        )
        z = xp.tanh(x @ w_ + bias * b_) @ v_
        return xp.mean(xp.logaddexp(0 * z, label * y * z))

    columns = range(beta.shape[0])
    return xp.stack([xp.stack([loss(i, j) for j in columns]) for i in range(alpha.shape[0])])


def varied(**changes):
    return lambda xp, *arrays: landscape(xp, *arrays, **changes)


def transpose(outputs):
    outputs[0] = outputs[0].T.copy()


def shift(outputs):
    outputs[0] = np.roll(outputs[0], 1, axis=1)


def middle_bound(outputs, x, y, w, b, v, alpha, beta):
    i, j = alpha.size // 2, beta.size // 2
    parts = [(part[0], alpha[i] * part[1], beta[j] * part[2]) for part in (w, b, v)]
    place = tuple(sum(three) for three in parts)
    sizes = tuple(sum(map(np.abs, three)) for three in parts)
    return loss_landscape.loss_and_bound(x, y, place, sizes)[1]


FAULTS: dict[str, list[Fault]] = {
    "loss_landscape": [
        algorithm("term", "labels of the other sign", varied(label=1.0)),
        algorithm("term", "labels dropped", lambda xp, x, y, *rest: landscape(xp, x, y * y, *rest)),
        algorithm("term", "bias dropped", varied(bias=0.0)),
        algorithm("term", "weights do not move", varied(moves=(0.0, 1.0, 1.0))),
        algorithm("term", "biases do not move", varied(moves=(1.0, 0.0, 1.0))),
        algorithm("term", "output does not move", varied(moves=(1.0, 1.0, 0.0))),
        algorithm("index", "directions exchanged", varied(order=(2, 1))),
        algorithm("index", "last sample dropped", varied(last=1)),
        result("index", "coordinates exchanged", transpose),
        result("index", "columns off by one", shift),
        entry("losses", middle_bound),
    ],
}
PRODUCTS = ("loss_landscape",)
LOOSE: dict[tuple[str, str, str], str] = {}
