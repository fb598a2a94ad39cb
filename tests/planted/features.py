"""Faults in making features and choosing the best of them."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.features import polynomial_features, score_bounds, select_k_best


def by_the_second_column(xp, x):
    """Products in the order x_1 x_1, x_1 x_2, x_2 x_2, x_1 x_3, ..."""
    d = x.shape[1]
    products = [x[:, : j + 1] * x[:, j : j + 1] for j in range(d)]
    return np.concatenate([np.ones((len(x), 1), x.dtype), x, *products], axis=1)


def with_another_column(xp, x):
    """Every product is with the column after the right one."""
    d = x.shape[1]
    wrong = np.roll(x, -1, axis=1)
    products = [x[:, j : j + 1] * wrong[:, j:] for j in range(d)]
    return np.concatenate([np.ones((len(x), 1), x.dtype), x, *products], axis=1)


def without_squares(xp, x):
    f = polynomial_features(xp, x)
    d, place = x.shape[1], 1 + x.shape[1]
    for j in range(d):
        f[:, place] = x[:, j]
        place += d - j
    return f


def without_a_constant(xp, x):
    f = polynomial_features(xp, x)
    f[:, 0] = 0
    return f


def in_half_precision(xp, x):
    return polynomial_features(xp, x.astype(np.float16)).astype(x.dtype)


def scored(scores_of):
    """The choice by ``scores_of(F, x, y, classes)`` instead of the scores F."""

    def compute(xp, x, y, *, classes, k):
        scores, _, _ = select_k_best(xp, x, y, classes=classes, k=k)
        wrong = scores_of(scores, x, y, classes).astype(x.dtype)
        best = np.sort(np.argsort(-wrong)[:k])
        return wrong, wrong[best], best

    return compute


def between_alone(scores, x, y, classes):
    means = np.stack([x[y == c].mean(axis=0) for c in range(classes)])
    counts = np.bincount(y)[:, np.newaxis]
    return np.sum(counts * (means - x.mean(axis=0)) ** 2, axis=0)


def of_all_variance(scores, x, y, classes):
    return between_alone(scores, x, y, classes) / np.maximum(x.var(axis=0), 1e-30)


def means_of_equal_weight(scores, x, y, classes):
    means = np.stack([x[y == c].mean(axis=0) for c in range(classes)])
    even = len(x) / classes * np.sum((means - x.mean(axis=0)) ** 2, axis=0)
    return scores * even / np.maximum(between_alone(scores, x, y, classes), 1e-30)


def over_all_rows(scores, x, y, classes):
    return scores * (len(x) / (len(x) - classes))


def over_all_classes(scores, x, y, classes):
    return scores * ((classes - 1) / classes)


def labels_off_by_one(xp, x, y, *, classes, k):
    return select_k_best(xp, x, np.roll(y, 1), classes=classes, k=k)


def last_row_left_out(xp, x, y, *, classes, k):
    return select_k_best(xp, x[:-1], y[:-1], classes=classes, k=k)


def the_worst(outputs):
    scores, _, best = outputs
    worst = np.sort(np.argsort(scores)[: len(best)])
    outputs[1:] = [scores[worst], worst]


def the_next_of_the_last(outputs):
    """The feature of rank k + 1 in place of that of rank k."""
    scores, _, best = outputs
    order = np.argsort(-scores)
    k = len(best)
    chosen = np.sort(np.append(order[: k - 1], order[k]))
    outputs[1:] = [scores[chosen], chosen]


def in_reverse(outputs):
    """The right columns, not in their order."""
    outputs[1:] = [outputs[1][::-1].copy(), outputs[2][::-1].copy()]


def values_off_by_one(outputs):
    outputs[1] = np.roll(outputs[1], 1)


def next_number(output, place):
    def spoil(outputs):
        outputs[output][place] = np.nextafter(outputs[output][place], np.inf)

    return spoil


def score_unit(outputs, x, y, classes, k):
    return score_bounds(x, y, classes, np.finfo(np.float32).eps)[x.shape[1] // 2]


FAULTS: dict[str, list[Fault]] = {
    "polynomial_features": [
        algorithm("term", "columns for their squares", without_squares),
        algorithm("term", "0 for the constant", without_a_constant),
        algorithm("term", "in half precision", in_half_precision),
        algorithm("index", "in another order", by_the_second_column),
        algorithm("index", "with the next column", with_another_column),
        result("entry", "the next number for a column", next_number(0, (0, 1))),
        result("entry", "the next number for the last product", next_number(0, (-1, -1))),
    ],
    "select_k_best": [
        algorithm("term", "between classes alone", scored(between_alone)),
        algorithm("term", "over all variance", scored(of_all_variance)),
        algorithm("term", "classes of equal weight", scored(means_of_equal_weight)),
        algorithm("term", "over all rows", scored(over_all_rows)),
        algorithm("term", "over all rows, medium", scored(over_all_rows), size="medium"),
        algorithm("term", "over all classes", scored(over_all_classes), size="medium"),
        algorithm("index", "labels off by one", labels_off_by_one),
        algorithm("index", "last row left out", last_row_left_out, size="medium"),
        result("index", "the worst", the_worst),
        result("index", "the next of the last", the_next_of_the_last),
        result("index", "in reverse order", in_reverse),
        result("index", "values off by one", values_off_by_one),
        entry("scores", score_unit),
        result("entry", "the next number for a value", next_number(1, 0)),
    ],
}
PRODUCTS = ("select_k_best",)
LOOSE: dict[tuple[str, str, str], str] = {}
