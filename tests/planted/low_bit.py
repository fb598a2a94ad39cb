"""Faults in layers whose weights and activations have a few bits each."""

import numpy as np

from planted import Fault, algorithm, entry, largest, result
from xpbench.kernels.low_bit import bitnet_linear


def layer(
    *,
    levels=7,
    rounded=np.round,
    clipped=True,
    mean=lambda w: np.mean(np.abs(w)),
    ternarised=None,
    scale=lambda x: np.max(np.abs(x), axis=1, keepdims=True),
    scaled=True,
):
    """The layer with other bits, roundings, scales or weights."""

    def compute(xp, x, w):
        s, largest = mean(w).astype(w.dtype), scale(x)
        t = rounded(w / s) if ternarised is None else ternarised(w / s).astype(w.dtype)
        t = np.clip(t, -1, 1) if clipped else t
        y = rounded(x * (levels / largest)) @ t.T * (largest / levels)
        s = np.mean(np.abs(w))
        return (y * s if scaled else y), s

    return compute


def one_integer_off(xp, x, w):
    """An activation of the first row that is rounded up to the next integer but one."""
    x = x.copy()
    largest = np.max(np.abs(x[0]))
    x[0, np.argmin(np.abs(x[0]))] = largest / 7
    return bitnet_linear(xp, x, w)


def without_last_feature(xp, x, w):
    """In the product; scales are of all."""
    s, largest = np.mean(np.abs(w)), np.max(np.abs(x), axis=1, keepdims=True)
    t, q = np.clip(np.round(w / s), -1, 1), np.round(x * (7 / largest))
    return q[:, :-1] @ t[:, :-1].T * (largest * s / 7), s


def thin(outputs):
    outputs[0] *= outputs[0].dtype.type(1 + 1e-5)


FAULTS: dict[str, list[Fault]] = {
    "bitnet_linear": [
        algorithm("term", "eight levels", layer(levels=8)),
        algorithm("term", "eight bits", layer(levels=127)),
        algorithm("term", "rounded down", layer(rounded=np.floor)),
        algorithm("term", "rounded towards zero", layer(rounded=np.trunc)),
        algorithm("term", "weights not clipped", layer(clipped=False)),
        algorithm("term", "weights of two values", layer(ternarised=np.sign)),
        algorithm("term", "weights not ternarised", layer(ternarised=lambda t: t)),
        algorithm("term", "weights not scaled", layer(scaled=False)),
        algorithm("term", "thresholds from the median", layer(mean=lambda w: np.median(np.abs(w)))),
        algorithm("term", "one integer off by one", one_integer_off),
        algorithm(
            "index",
            "a scale for every row of weights",
            layer(mean=lambda w: np.mean(np.abs(w), axis=1, keepdims=True)),
        ),
        algorithm("index", "one scale for all rows", layer(scale=lambda x: np.max(np.abs(x)))),
        algorithm(
            "index",
            "scales of rows off by one",
            layer(scale=lambda x: np.roll(np.max(np.abs(x), axis=1, keepdims=True), 1, axis=0)),
        ),
        algorithm(
            "index",
            "outputs off by one",
            lambda xp, x, w: bitnet_linear(xp, x, np.roll(w, 1, axis=0)),
        ),
        algorithm("index", "last feature left out", without_last_feature),
        result("term", "scaled by 1.00001", thin),
        entry("scale", largest(1), output=1, place=()),
        entry("entries", lambda outputs, *_, **__: np.abs(outputs[0][3, 7]), place=(3, 7)),
    ],
}
PRODUCTS = ("bitnet_linear",)
LOOSE: dict[tuple[str, str, str], str] = {}
