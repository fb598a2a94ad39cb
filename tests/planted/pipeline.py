"""Faults in the chain from raw data to a score."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.pipeline import (
    accuracy,
    expanded,
    fills,
    fitted,
    imputed,
    moments,
    signs,
    stages,
    variances,
)


def chain(
    xp,
    x,
    y,
    permutation,
    left,
    right,
    penalty,
    train,
    classes,
    *,
    seen=0,
    zero=False,
    unscaled=False,
    sample=False,
    shift=0,
    own=False,
    crossed=True,
    penalised=True,
    scored=slice(None),
    rows=0,
    labels=0,
):
    """The kernel with one fault: ``seen`` more rows in the statistics, fills of zero, and so on."""
    y = xp.gather(y, xp.roll(permutation, labels))
    x = xp.gather(x, permutation)
    fill = fills(xp, x[: train + seen, :])
    x = imputed(xp, x, xp.zeros_like(fill) if zero else xp.roll(fill, shift))
    mean, scale = moments(xp, x[: train + seen, :])
    if sample:
        scale = scale * (train / (train - 1)) ** 0.5
    z = (x - mean) / (xp.ones_like(scale) if unscaled else scale)
    if own:
        mean, scale = moments(xp, x[train:, :])
        z = xp.concat([z[:train, :], (x[train:, :] - mean) / scale])
    f = expanded(xp, z, left, right if crossed else xp.roll(right, 1))
    penalty = penalty if penalised else xp.zeros_like(penalty)
    last = train - rows
    w, b = fitted(xp, f[:last, :], signs(xp, y[:last], classes, x.dtype), penalty)
    decisions = f[train:, :] @ w + b
    return w, b, decisions, accuracy(xp, decisions[scored, ...], y[train:][scored])


def varied(**changes):
    return lambda xp, *arrays, train, classes: chain(xp, *arrays, train, classes, **changes)


def without_intercept(xp, *arrays, train, classes):
    w, b, decisions, share = chain(xp, *arrays, train, classes)
    return w, xp.zeros_like(b), decisions - b, share


def exchange(outputs):
    """The decisions of two classes."""
    outputs[2] = outputs[2][:, ::-1].copy()


def unit(output):
    """The root mean square error that an intercept or a decision is measured by."""

    def of(outputs, x, y, permutation, left, right, penalty, train, classes):
        f, mean, scale = stages(x, permutation, left, right, train)
        labels = y[permutation][:train, np.newaxis]
        targets = np.where(labels == np.arange(classes), 1.0, -1.0)
        level, fc = targets.mean(axis=0), f[:train] - f[:train].mean(axis=0)
        a = fc.T @ fc + penalty * np.eye(f.shape[1])
        found = variances(
            outputs[:3], f, (mean / scale) ** 2, a, fc.T @ (targets - level), level, left, right
        )
        square = found[output]
        return np.sqrt(square[tuple(axis // 2 for axis in square.shape)])

    return of


FAULTS: dict[str, list[Fault]] = {
    "pipeline": [
        algorithm("term", "statistics of all rows", varied(seen=16)),
        algorithm("term", "statistics of all rows, medium", varied(seen=500), size="medium"),
        algorithm("term", "missing for zero", varied(zero=True)),
        algorithm("term", "not scaled", varied(unscaled=True)),
        algorithm("term", "scaled by the deviation of a sample", varied(sample=True), size="medium"),
        algorithm("term", "test rows scaled by their own statistics", varied(own=True)),
        algorithm("term", "penalty dropped", varied(penalised=False)),
        algorithm("term", "penalty dropped, medium", varied(penalised=False), size="medium"),
        algorithm("term", "no intercept", without_intercept),
        algorithm("index", "fills off by one", varied(shift=1)),
        algorithm("index", "products of other columns", varied(crossed=False)),
        algorithm("index", "last training row dropped", varied(rows=1), size="medium"),
        algorithm("index", "one row more in the statistics", varied(seen=1), size="medium"),
        algorithm("index", "labels off by one", varied(labels=1)),
        algorithm("index", "accuracy of all test rows but the first", varied(scored=slice(1, None))),
        result("index", "decisions of the classes exchanged", exchange),
        entry("normal", lambda o, *_, **__: np.linalg.norm(o[0]), place=(0, 0)),
        entry("intercept", unit(1), output=1),
        entry("decisions", unit(2), output=2),
        entry("accuracy", lambda o, *_, **__: 1, output=3),
    ],
}
PRODUCTS = ("pipeline",)
LOOSE: dict[tuple[str, str, str], str] = {
    ("pipeline", "digits", "intercept"): (
        "pixels have 17 values, and equal terms that are added one by one, as NumPy does, are rounded "
        "alike: it comes within 11 of the limit, libraries that add in lanes or by halves do not"
    ),
}
