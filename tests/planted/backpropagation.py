"""Faults in the chain rule over the layers of a network."""

import numpy as np

from planted import Fault, algorithm
from xpbench.kernels.backpropagation import NAMES, backprop


def propagated(
    xp, x, y, w1, b1, w2, b2, w3, b3, *, slope=1.0, transposed=True, mean=1.0, last=0, shift=0
):
    if last:
        x, y = x[:-last, :], y[:-last, :]
    m = x.shape[0]
    h1 = xp.tanh(x @ w1 + b1)
    h2 = xp.tanh(h1 @ w2 + b2)
    e = h2 @ w3 + b3 - y
    d3 = mean * e / m
    d2 = (d3 @ w3.T) * (1 - slope * xp.roll(h2 * h2, shift, axis=1))
    d1 = (d2 @ (w2.T if transposed else w2)) * (1 - h1 * h1)
    gradients = [g for d, h in ((d1, x), (d2, h1), (d3, h2)) for g in (h.T @ d, xp.sum(d, axis=0))]
    return (xp.sum(e * e) / (2 * m), *gradients)


def varied(**changes):
    return lambda xp, *arrays: propagated(xp, *arrays, **changes)


def entry(pair, output):
    """One entry off by ten limits of the norm of its gradient; NumPy has these by hand alone."""

    def plant(trial, xp):
        outputs = trial.compute(xp, compute=backprop)
        _, limit = trial.judge(outputs).errors[pair]
        place = tuple(axis // 2 for axis in outputs[output].shape)
        size = np.linalg.norm(outputs[output])
        outputs[output][place] += 10 * limit * np.finfo(trial.dtype).eps * size
        return outputs

    return Fault("entry", f"an entry of {pair} off by ten limits", plant)


SEEN: list[Fault] = [
    algorithm("term", "slope of tanh dropped", varied(slope=0.0)),
    algorithm("term", "slope of the other sign", varied(slope=-1.0)),
    algorithm("term", "factor of two", varied(mean=2.0)),
    algorithm("index", "weights not transposed", varied(transposed=False)),
    algorithm("index", "slopes off by one", varied(shift=1)),
    algorithm("index", "last sample dropped", varied(last=1)),
    *(entry(pair, output) for output, pair in enumerate(("loss", *NAMES))),
]
FAULTS: dict[str, list[Fault]] = {"backprop": SEEN, "autodiff_backprop": SEEN}
PRODUCTS = ("backprop", "autodiff_backprop")
LOOSE: dict[tuple[str, str, str], str] = {
    ("autodiff_backprop", "medium", "loss"): (
        "a single number, which may be right to the last bit by chance; and the limit admits sums one "
        "term after the other, where libraries sum by halves or in several lanes"
    ),
}
