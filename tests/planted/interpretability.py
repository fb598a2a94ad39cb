"""Faults in what is asked of a fitted model."""

import numpy as np

from planted import Fault, algorithm, entry, result


def importance(xp, x, y, w1, b1, w2, b2, permutations, *, bias=1, sign=-1, shift=0, last=0, kept=1):
    """The kernel with one fault, feature by feature through the whole model."""

    def loss(x):
        f = xp.tanh(x @ w1 + bias * b1) @ w2 + b2
        n = x.shape[0] - last
        return xp.mean(xp.softplus(sign * (y * f)[:n]))

    before = loss(x)
    columns = []
    for j in range(x.shape[1]):
        rises = []
        for r in range(permutations.shape[0]):
            order = permutations[r, ...]
            column = xp.gather(x[:, j], xp.roll(order, shift))
            place = xp.arange(x.shape[1]) == j
            rises.append(loss(xp.where(place, column[:, None], x)) - kept * before)
        columns.append(xp.stack(rises))
    return xp.stack(columns), before


def importance_varied(**changes):
    return lambda xp, *arrays: importance(xp, *arrays, **changes)


def inverse_permutations(xp, *arrays):
    *first, permutations = arrays
    return importance(xp, *first, xp.argsort(permutations, axis=1))


def shapley(
    xp, x, background, orders, w1, b1, w2, *, bias=1, steps=0, shift=0, rows=0, first=False, count=0
):
    """The kernel with one fault, from rows that are part sample and part background."""
    (m, d), walks = x.shape, orders.shape[0]
    total = xp.zeros_like(x)
    for p in range(walks - count):
        start = background[0 if first else (p + rows) % walks, :]
        now = xp.broadcast_to(start, (m, d))
        before = xp.tanh(now @ w1 + bias * b1) @ w2
        for k in range(d - steps):
            place = xp.arange(d) == orders[p, k]
            now = xp.where(place, x, now)
            after = xp.tanh(now @ w1 + bias * b1) @ w2
            total = total + xp.where(xp.roll(place, shift), (after - before)[:, None], 0 * x)
            before = after
    return total / walks


def shapley_varied(**changes):
    return lambda xp, *arrays: shapley(xp, *arrays, **changes)


def shared_equally(outputs):
    """Values that keep the sum over features, and nothing else."""
    outputs[0][...] = outputs[0].mean(axis=1, keepdims=True)


def one_sample_twice(outputs):
    outputs[0][0] = outputs[0][1]


def loss_error(outputs, x, y, w1, b1, w2, b2, permutations):
    """More than the error that roundings make of a loss of n terms."""
    return outputs[1] * (1 + np.sqrt(len(x)))


def value_error(outputs, x, *rest):
    return 1 + np.max(np.abs(outputs[0]))


FAULTS: dict[str, list[Fault]] = {
    "permutation_importance": [
        algorithm("term", "first bias dropped", importance_varied(bias=0)),
        algorithm("term", "labels of the other sign", importance_varied(sign=1)),
        algorithm("term", "loss before not subtracted", importance_varied(kept=0)),
        algorithm("index", "permutations off by one", importance_varied(shift=1)),
        algorithm("index", "inverse permutations", inverse_permutations),
        algorithm("index", "last row dropped", importance_varied(last=1), size="medium"),
        result("index", "features off by one", lambda o: o.__setitem__(0, np.roll(o[0], 1, axis=0))),
        entry("importances", loss_error),
        entry("loss", loss_error, output=1),
    ],
    "shapley_sampling": [
        algorithm("term", "bias dropped", shapley_varied(bias=0)),
        algorithm("term", "last step of every walk dropped", shapley_varied(steps=1)),
        algorithm("term", "last ordering dropped", shapley_varied(count=1)),
        algorithm("index", "contributions to the next feature", shapley_varied(shift=1)),
        algorithm("index", "background off by one", shapley_varied(rows=1)),
        algorithm("index", "one row of the background for all", shapley_varied(first=True)),
        result("term", "sum shared equally", shared_equally),
        result("index", "values of another sample", one_sample_twice),
        entry("values", value_error),
        entry("efficiency", value_error),
    ],
}
PRODUCTS = ("permutation_importance", "shapley_sampling")
LOOSE: dict[tuple[str, str, str], str] = {}
