"""Faults in the scores of classifiers."""

import numpy as np

from planted import Fault, algorithm, entry, largest, result
from xpbench.kernels.classification_metrics import classification_metrics, confusion_matrix, roc_auc


def one_moved(outputs):
    """A sample in the next cell."""
    outputs[0][0, 0] -= 1
    outputs[0][0, 1] += 1


def last_lost(outputs):
    outputs[0][np.nonzero(outputs[0])[0][-1], np.nonzero(outputs[0])[1][-1]] -= 1


def scored(*, exchanged=False, weighted=True, beta=1.0):
    """Scores with truth and prediction exchanged, without weights, or with another F."""

    def compute(xp, truth, predicted, weights, *, k):
        pair = (predicted, truth) if exchanged else (truth, predicted)
        given = weights if weighted else np.ones_like(weights)
        accuracy, precision, recall, _ = classification_metrics(xp, *pair, given, k=k)
        squares = beta**2
        total = squares * precision + recall
        f = (1 + squares) * precision * recall / np.where(total > 0, total, 1)
        return accuracy, precision, recall, f.astype(weights.dtype)

    return compute


def exchange(outputs):
    outputs[1], outputs[2] = outputs[2], outputs[1]


def accuracy_of_classes(outputs):
    """The mean of recalls."""
    outputs[0] = np.mean(outputs[2])


def rolled(outputs):
    outputs[1:] = [np.roll(output, 1) for output in outputs[1:]]


def area(*, ties=0.5, last=None):
    """Ties counted in another way, or the last samples left out."""

    def compute(xp, scores, labels):
        scores, positive = scores[:last], labels[:last] == 1
        a, b = scores[positive][:, None], scores[~positive]
        return np.mean((a > b) + ties * (a == b)).astype(scores.dtype)

    return compute


FAULTS: dict[str, list[Fault]] = {
    "confusion_matrix": [
        algorithm("term", "transposed", lambda xp, t, p, *, k: confusion_matrix(xp, p, t, k=k)),
        algorithm(
            "index",
            "last sample left out",
            lambda xp, t, p, *, k: confusion_matrix(xp, t[:-1], p[:-1], k=k),
        ),
        algorithm(
            "index",
            "predictions off by one",
            lambda xp, t, p, *, k: confusion_matrix(xp, t, np.roll(p, 1), k=k),
        ),
        result("entry", "a sample in the next cell", one_moved),
        result("entry", "a sample lost", last_lost),
    ],
    "classification_metrics": [
        algorithm("term", "precision for recall", scored(exchanged=True)),
        algorithm("term", "weights left out", scored(weighted=False)),
        algorithm("term", "F2", scored(beta=2.0)),
        result("term", "precision and recall exchanged", exchange),
        result("term", "balanced accuracy", accuracy_of_classes),
        algorithm(
            "index",
            "weights off by one",
            lambda xp, t, p, w, *, k: classification_metrics(xp, t, p, np.roll(w, 1), k=k),
        ),
        result("index", "classes off by one", rolled),
        entry("accuracy", largest(0)),
        entry("precision", lambda outputs, *inputs, k: outputs[1][k // 2], output=1),
        entry("recall", lambda outputs, *inputs, k: outputs[2][k // 2], output=2),
        entry("F1", lambda outputs, *inputs, k: outputs[3][k // 2], output=3),
    ],
    "roc_auc": [
        algorithm("term", "ties count for nothing", area(ties=0.0)),
        algorithm("term", "ties count in full", area(ties=1.0)),
        algorithm("term", "the other way round", lambda xp, s, y: roc_auc(xp, -s, y)),
        algorithm("term", "labels exchanged", lambda xp, s, y: roc_auc(xp, s, 1 - y)),
        algorithm("index", "last sample left out", area(last=-1)),
        algorithm("index", "labels off by one", lambda xp, s, y: roc_auc(xp, s, np.roll(y, 1))),
        entry("area", largest(0)),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
