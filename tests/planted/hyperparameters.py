"""Faults in cross-validation over a grid."""

import numpy as np

from planted import Fault, algorithm, entry, result
from planted.regularized_regression import products_in_tf32
from xpbench.kernels.hyperparameters import grid_search


def fitted(xp, x, y, rates, penalties, folds, steps, *, penalised=1.0, sign=1, leak=False, shift=0):
    """The search fit by fit: ``leak`` trains on all rows, ``shift`` judges by another fold's rows."""
    n, d = x.shape
    fold = np.repeat(np.arange(folds), n // folds)
    weights = np.zeros((d, folds, len(rates), len(penalties)), dtype=x.dtype)
    losses = np.zeros((len(rates), len(penalties)), dtype=x.dtype)
    for f, i, j in np.ndindex(weights.shape[1:]):
        trains = np.ones(n, dtype=bool) if leak else fold != f
        rows, labels = x[trains], y[trains]
        w = weights[:, f, i, j]
        for _ in range(steps):
            slopes = labels / (1 + np.exp(labels * (rows @ w)))
            w += rates[i] * (
                sign * (rows.T @ slopes) / len(rows) - x.dtype.type(penalised) * penalties[j] * w
            )
        judged = fold == (f + shift) % folds
        losses[i, j] += np.mean(np.log1p(np.exp(-y[judged] * (x[judged] @ w)))) / folds
    return losses, np.argmin(losses), weights


def planted(**fault):
    return lambda xp, *arrays, **static: fitted(xp, *arrays, **static, **fault)


def judged_by_hits(xp, x, y, rates, penalties, folds, steps):
    """The share of rows on the wrong side in place of the loss."""
    losses, _, weights = fitted(xp, x, y, rates, penalties, folds, steps)
    margins = y[:, None] * np.concatenate(
        [rows @ weights[:, f].reshape(len(weights), -1) for f, rows in enumerate(np.split(x, folds))]
    )
    wrong = np.mean(margins < 0, axis=0, dtype=x.dtype).reshape(losses.shape)
    return wrong, np.argmin(wrong), weights


def grid_transposed(xp, x, y, rates, penalties, folds, steps):
    losses, _, weights = grid_search(xp, x, y, rates, penalties, folds=folds, steps=steps)
    return losses.T, np.argmin(losses.T), weights


def a_step_too_few(xp, *arrays, folds, steps):
    return grid_search(xp, *arrays, folds=folds, steps=steps - 1)


def next_best(outputs):
    outputs[1] = np.asarray((outputs[1] + 1) % outputs[0].size)


def second_best(outputs):
    outputs[1] = np.argsort(outputs[0], axis=None)[1]


def worst(outputs):
    outputs[1] = np.argmax(outputs[0])


def fits_rolled(outputs):
    outputs[2] = np.roll(outputs[2], 1, axis=1)


def middle_loss(outputs, *inputs, **static):
    r, p = outputs[0].shape
    return outputs[0][r // 2, p // 2]


def middle_fit(outputs, *inputs, **static):
    _, k, r, p = outputs[2].shape
    return np.linalg.norm(outputs[2][:, k // 2, r // 2, p // 2])


FAULTS: dict[str, list[Fault]] = {
    "grid_search": [
        algorithm("term", "no penalty", planted(penalised=0.0)),
        algorithm("term", "twice the penalty", planted(penalised=2.0)),
        algorithm("term", "uphill", planted(sign=-1)),
        algorithm("term", "wrong rows counted for the loss", judged_by_hits),
        algorithm("index", "trained on what it holds out", planted(leak=True)),
        algorithm("index", "judged by the next fold", planted(shift=1)),
        algorithm("index", "a step too few", a_step_too_few),
        algorithm("index", "the grid transposed", grid_transposed),
        result("index", "the fits of another fold", fits_rolled),
        result("index", "the index off by one", next_best),
        result("index", "the second best", second_best, size="medium"),
        result("index", "the worst", worst),
        *products_in_tf32(),
        entry("losses", middle_loss),
        entry("weights", middle_fit, output=2),
    ],
}
PRODUCTS = ("grid_search",)
LOOSE: dict[tuple[str, str, str], str] = {}
