"""Faults in objective functions."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.objectives import chord_bounds, loss_bounds


def naive(xp, m):
    return xp.log(1 + xp.exp(-m))


def without_log1p(xp, m):
    return xp.maximum(-m, xp.zeros_like(m)) + xp.log(1 + xp.exp(-xp.abs(m)))


def stable(xp, m):
    return xp.maximum(-m, xp.zeros_like(m)) + xp.log1p(xp.exp(-xp.abs(m)))


def clipped(xp, m):
    return stable(xp, xp.clip(m, -80, 30))


def losses(xp, x, y, w, *, loss=stable, sign=1.0, labels=True, last=0, shift=0):
    n = x.shape[0] - last
    y = xp.roll(y if labels else y * y, shift)[:n]
    return xp.mean(loss(xp, sign * y * (w @ x[:n, :].T)), axis=1)


def squared(xp, m):
    return (1 / (1 + xp.exp(m))) ** 2


def gaps(xp, x, y, a, b, *, half=2, middle=0.5, labels=True, other=squared, last=0, shift=0):
    n = x.shape[0] - last
    rows = (y if labels else y * y)[:n, None] * x[:n, :]
    b = xp.roll(b, shift, axis=0)

    def gap(loss):
        f, g, between = (loss(xp, w @ rows.T) for w in (a, b, middle * a + (1 - middle) * b))
        return xp.mean((f + g) / half - between, axis=1)

    return gap(stable), gap(other)


def varied(function, **changes):
    return lambda xp, *arrays: function(xp, *arrays, **changes)


def roll(outputs):
    outputs[:] = [np.roll(output, 1) for output in outputs]


def exchange(outputs):
    outputs.reverse()


def middle_of(bounds, output):
    return lambda outputs, *inputs: bounds(*inputs)[output][outputs[output].size // 2]


FAULTS: dict[str, list[Fault]] = {
    "logistic_loss": [
        algorithm("term", "overflowing for large margins", varied(losses, loss=naive)),
        algorithm("term", "small losses lost", varied(losses, loss=without_log1p)),
        algorithm("term", "large margins clipped", varied(losses, loss=clipped)),
        algorithm("term", "margins of the other sign", varied(losses, sign=-1.0)),
        algorithm("term", "labels dropped", varied(losses, labels=False)),
        algorithm("index", "labels off by one", varied(losses, shift=1)),
        algorithm("index", "last sample dropped", varied(losses, last=1)),
        result("index", "weights off by one", roll),
        entry("losses", lambda outputs, *inputs: loss_bounds(*inputs)[outputs[0].size // 2]),
    ],
    "convexity_check": [
        algorithm("term", "ends not halved", varied(gaps, half=1)),
        algorithm("term", "a point beside the middle", varied(gaps, middle=0.49)),
        algorithm("term", "labels dropped", varied(gaps, labels=False)),
        algorithm("term", "a loss not squared", varied(gaps, other=lambda xp, m: squared(xp, m) ** 0.5)),
        algorithm("index", "chords off by one", varied(gaps, shift=1)),
        algorithm("index", "last sample dropped", varied(gaps, last=1)),
        result("index", "outputs exchanged", exchange),
        entry("logistic", middle_of(chord_bounds, 0)),
        entry("squared", middle_of(chord_bounds, 1), output=1),
    ],
}
PRODUCTS = ("logistic_loss", "convexity_check")
LOOSE: dict[tuple[str, str, str], str] = {}
