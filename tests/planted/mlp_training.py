"""Faults in training a network by Adam."""

import numpy as np

from planted import Fault, algorithm, entry
from xpbench.kernels.mlp_training import mlp_train


def trained(
    xp,
    x,
    y,
    w1,
    b1,
    w2,
    b2,
    eta,
    beta1,
    beta2,
    epsilon,
    *,
    slope=1.0,
    mean=1.0,
    rolled=0,
    corrected=True,
    early=True,
    late=0,
    root=True,
    averaged=True,
    stale=False,
):
    """Every parameter by itself, in NumPy, with the formula as Kingma & Ba state it."""
    theta = [w1.copy(), b1.copy(), w2.copy(), b2.copy()]
    m, v = ([np.zeros_like(each) for each in theta] for _ in range(2))
    for t, (rows, targets) in enumerate(zip(x, np.roll(y, rolled, axis=2), strict=True), start=1):
        w1, b1, w2, b2 = theta
        h = np.tanh(rows @ w1 + b1)
        d2 = mean * (xp.softmax(h @ w2 + b2, axis=1) - targets) / x.dtype.type(len(rows))
        d1 = (d2 @ w2.T) * (1 - slope * h * h)
        g = (rows.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0))
        c1, c2 = (1 - beta ** x.dtype.type(t + late) for beta in (beta1, beta2))
        if not corrected:
            c1 = c2 = x.dtype.type(1)
        for i in range(4):
            before = v[i]
            m[i] = beta1 * m[i] + (1 - beta1) * g[i]
            v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2
            square = before if stale and t > 1 else v[i]
            below = (
                np.sqrt(square / c2) + epsilon if early else (np.sqrt(square) + epsilon) / np.sqrt(c2)
            )
            if not root:
                below = np.sqrt(square / c2 + epsilon)
            theta[i] = theta[i] - eta * (m[i] if averaged else g[i] * c1) / c1 / below
    return tuple(theta)


def varied(**changes):
    return lambda xp, *arrays: trained(xp, *arrays, **changes)


def weights_decayed(xp, *arrays):
    """Weights decayed by 1e-4, as AdamW does."""
    w1, b1, w2, b2 = mlp_train(xp, *arrays)
    kept = w1.dtype.type((1 - 1e-4 * 0.01) ** len(arrays[0]))
    return w1 * kept, b1, w2 * kept, b2


def without_last_batch(xp, x, y, *arrays):
    return mlp_train(xp, x[:-1], y[:-1], *arrays)


def batches_rolled(xp, x, y, *arrays):
    return mlp_train(xp, np.roll(x, 1, axis=0), np.roll(y, 1, axis=0), *arrays)


def decays_exchanged(xp, *arrays):
    *others, eta, beta1, beta2, epsilon = arrays
    return mlp_train(xp, *others, eta, beta2, beta1, epsilon)


def first_bias_fixed(xp, *arrays):
    w1, _, w2, b2 = mlp_train(xp, *arrays)
    return w1, arrays[3], w2, b2


def last_bias_fixed(xp, *arrays):
    w1, b1, w2, _ = mlp_train(xp, *arrays)
    return w1, b1, w2, arrays[5]


def norm_of(w, b):
    return lambda outputs, *inputs: np.hypot(np.linalg.norm(outputs[w]), np.linalg.norm(outputs[b]))


FAULTS: dict[str, list[Fault]] = {
    "mlp_train": [
        algorithm("term", "slope of tanh dropped", varied(slope=0.0)),
        algorithm("term", "sum of the losses for their mean", varied(mean=8.0)),
        algorithm("term", "bias not corrected", varied(corrected=False)),
        algorithm("term", "epsilon before the correction", varied(early=False)),
        algorithm("term", "epsilon under the root", varied(root=False)),
        algorithm("term", "no average of gradients", varied(averaged=False)),
        algorithm("term", "weights decayed", weights_decayed, dtypes=("float64",)),
        algorithm("term", "first bias fixed", first_bias_fixed),
        algorithm("term", "last bias fixed", last_bias_fixed),
        algorithm("index", "classes off by one", varied(rolled=1)),
        algorithm("index", "steps counted from 2", varied(late=1)),
        algorithm("index", "square of the step before", varied(stale=True)),
        algorithm("index", "decays exchanged", decays_exchanged),
        algorithm("index", "last batch left out", without_last_batch),
        algorithm("index", "batches rolled by one", batches_rolled),
        *(
            entry(pair, norm_of(2 * layer, 2 * layer + 1), output=2 * layer + i)
            for layer, pair in enumerate(("hidden", "output"))
            for i in range(2)
        ),
    ],
}
PRODUCTS = ("mlp_train",)
LOOSE: dict[tuple[str, str, str], str] = {}
