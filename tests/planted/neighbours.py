"""Faults in clusters and nearest neighbours."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.neighbours import distance_deviation, knn


def lloyd(
    *, squares=1.0, fewer=0, absolute=False, empty="kept", stale=False, rows=None, first=True, mean=False
):
    """Lloyd's algorithm with distances from differences; as it should be by default."""

    def compute(xp, x, c, steps):
        def nearest(c):
            if absolute:
                distances = np.abs(x[:, None, :] - c).sum(axis=2)
            else:
                distances = x.dtype.type(squares) * np.sum(c * c, axis=1) - 2 * x @ c.T
            return np.argmin(distances, axis=1)

        of = labels = nearest(c)
        for _ in range(steps - fewer):
            of, before = nearest(c), c
            c = np.zeros_like(c)
            for k in range(len(c)):
                members = x[:rows][of[:rows] == k]
                some = len(members) > 0
                c[k] = members.mean(axis=0) if some else {"kept": before[k]}.get(empty, 0)
        labels = of if stale else nearest(c)
        r = (x - c[labels])[:rows]
        inertia = np.sum(r * r) if first else np.sum(np.sqrt(np.sum(r * r, axis=1)))
        return c, labels, np.asarray(inertia / (len(x) if mean else 1), x.dtype)

    return compute


def centres_off_by_one(outputs):
    outputs[0] = np.roll(outputs[0], 1, axis=0)


def another_label(outputs):
    outputs[1][0] = (outputs[1][0] + 1) % len(outputs[0])


def of_a_centre(outputs, x, centres, steps):
    """What an eps of ``centres`` is worth at the middle of the outputs."""
    c, labels, _ = outputs
    k, j = (axis // 2 for axis in c.shape)
    members = x[labels == k, j]
    return np.sqrt(len(members) * c[k, j] ** 2 / 36 + np.var(members) / 16 + c[k, j] ** 2 / 3)


def of_the_inertia(outputs, *inputs, **static):
    return outputs[2]


def nearest(*, samples=1.0, queries=1.0, product=2.0, power=1.0, skipped=0, last=False, rows=None):
    """Neighbours by a sort of all distances, with terms scaled; as it should be by default."""

    def compute(xp, x, y, t, k, classes):
        x, y, one = x[:rows], y[:rows], x.dtype.type
        of_x = one(samples) * np.sum(x * x, axis=1)
        of_t = one(queries) * np.sum(t * t, axis=1)
        squared = of_x - one(product) * (t @ x.T) + of_t[:, None]
        order = np.argsort(squared, axis=1, kind="stable")[:, skipped : skipped + k]
        found = np.maximum(np.take_along_axis(squared, order, axis=1), 0) ** one(power)
        counts = np.sum(y[order][:, :, None] == np.arange(classes), axis=1)
        most = np.argmax(counts, axis=1)
        if last:
            most = classes - 1 - np.argmax(counts[:, ::-1], axis=1)
        return most, order, found

    return compute


def labels_off_by_one(xp, x, y, t, k, classes):
    return knn(xp, x, np.roll(y, 1), t, k=k, classes=classes)


def nearest_alone(xp, x, y, t, k, classes):
    _, neighbours, squared = knn(xp, x, y, t, k=k, classes=classes)
    return y[neighbours[:, 0]], neighbours, squared


def one_missed(xp, x, y, t, k, classes):
    """Of the last query the k-th neighbour is the one after it, with its distance and its class."""
    found = knn(xp, x, y, t, k=k, classes=classes)
    one = nearest(skipped=1)(xp, x, y, t, k=k, classes=classes)
    neighbours, squared = found[1].copy(), found[2].copy()
    neighbours[-1, -1], squared[-1, -1] = one[1][-1, -1], one[2][-1, -1]
    counts = np.sum(y[neighbours][:, :, None] == np.arange(classes), axis=1)
    return np.argmax(counts, axis=1), neighbours, squared


def farthest_first(outputs):
    outputs[1], outputs[2] = outputs[1][:, ::-1].copy(), outputs[2][:, ::-1].copy()


def neighbours_off_by_one(outputs):
    outputs[1] = np.where(outputs[1] > 0, outputs[1] - 1, 0)


def neighbours_exchanged(outputs):
    outputs[1][:, [0, 1]] = outputs[1][:, [1, 0]]


def of_a_distance(outputs, x, y, t, k, classes):
    a = distance_deviation(x, t, outputs[1].astype(np.int64))
    return a[tuple(axis // 2 for axis in a.shape)]


FAULTS: dict[str, list[Fault]] = {
    "kmeans": [
        algorithm("term", "squares of the centres left out", lloyd(squares=0)),
        algorithm("term", "squares of the centres doubled", lloyd(squares=2)),
        algorithm("term", "absolute distances", lloyd(absolute=True)),
        algorithm("term", "empty clusters at the origin", lloyd(empty="zero")),
        algorithm("term", "inertia of distances", lloyd(first=False)),
        algorithm("term", "inertia over n", lloyd(mean=True)),
        algorithm("index", "a step too few", lloyd(fewer=1)),
        algorithm("index", "a step too many", lloyd(fewer=-1)),
        algorithm("index", "labels of the step before", lloyd(stale=True)),
        algorithm("index", "last sample left out", lloyd(rows=-1)),
        result("index", "centres off by one", centres_off_by_one),
        result("index", "one other label", another_label),
        entry("centres", of_a_centre),
        entry("inertia", of_the_inertia, output=2, place=()),
    ],
    "knn": [
        algorithm("term", "squares of the samples left out", nearest(samples=0)),
        algorithm("term", "squares of the queries left out", nearest(queries=0)),
        algorithm("term", "product not doubled", nearest(product=1)),
        algorithm("term", "distances not squared", nearest(power=0.5)),
        algorithm("term", "the last of equally many", nearest(last=True)),
        algorithm("term", "class of the nearest alone", nearest_alone),
        algorithm("index", "nearest skipped", nearest(skipped=1)),
        algorithm("index", "one neighbour missed", one_missed),
        algorithm("index", "last samples left out", nearest(rows=-16), size="medium"),
        algorithm("index", "labels off by one", labels_off_by_one),
        result("index", "farthest first", farthest_first),
        result("index", "neighbours off by one", neighbours_off_by_one),
        result("index", "neighbours exchanged, not their distances", neighbours_exchanged),
        entry("distances", of_a_distance, output=2),
    ],
}
PRODUCTS = ("kmeans", "knn")
LOOSE: dict[tuple[str, str, str], str] = {}
