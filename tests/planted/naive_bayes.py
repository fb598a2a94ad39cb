"""Faults in Gaussian naive Bayes."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.naive_bayes import SMOOTHING, gaussian_nb, rounding_deviations


def classifier(
    *,
    prior=True,
    smoothing=SMOOTHING,
    constant=True,
    logarithm=1.0,
    distance=1.0,
    freedom=0,
    pooled=False,
    centred=True,
):
    """Naive Bayes with terms left out or replaced, class by class; as it should be by default."""

    def compute(xp, x, y, t, classes):
        one = x.dtype.type
        origin = np.mean(x, axis=0) if centred else one(0)
        x, t = x - origin, t - origin
        of = [x[y == k] for k in range(classes)]
        mean = np.stack([np.mean(rows, axis=0) for rows in of])
        variance = np.stack([np.var(rows, axis=0, ddof=freedom) for rows in of])
        if pooled:
            variance[:] = np.mean(variance, axis=0)
        variance += one(smoothing) * np.max(np.var(x, axis=0))
        joint = np.empty((len(t), classes), x.dtype)
        for k in range(classes):
            if centred:
                z2 = np.sum((t - mean[k]) ** 2 / variance[k], axis=1)
            else:
                z2 = (t * t) @ (1 / variance[k]) - 2 * t @ (mean[k] / variance[k])
                z2 += np.sum(mean[k] ** 2 / variance[k])
            log = one(logarithm) * np.sum(np.log(variance[k] * one(2 * np.pi if constant else 1)))
            joint[:, k] = -(log + one(distance) * z2) / 2
            joint[:, k] += np.log(one(len(of[k]) / len(x))) if prior else one(0)
        return origin + mean, variance, joint

    return compute


def labels_off_by_one(xp, x, y, t, classes):
    return gaussian_nb(xp, x, np.roll(y, 1), t, classes=classes)


def last_left_out(xp, x, y, t, classes):
    return gaussian_nb(xp, x[:-1], y[:-1], t, classes=classes)


def one_rarer(xp, x, y, t, classes):
    mean, variance, joint = gaussian_nb(xp, x, y, t, classes=classes)
    return mean, variance, joint - np.log1p(np.asarray(1 / len(x), x.dtype))


def classes_off_by_one(outputs):
    outputs[2] = np.roll(outputs[2], 1, axis=1)


def tests_off_by_one(outputs):
    outputs[2] = np.roll(outputs[2], 1, axis=0)


def features_off_by_one(outputs):
    outputs[1] = np.roll(outputs[1], 1, axis=1)


def nb_unit(output):
    def unit(outputs, x, y, t, classes):
        deviation = rounding_deviations(outputs, x, y, t)[output]
        return deviation[tuple(axis // 2 for axis in deviation.shape)]

    return unit


FAULTS: dict[str, list[Fault]] = {
    "gaussian_nb": [
        algorithm("term", "equal priors", classifier(prior=False)),
        algorithm("term", "no smoothing", classifier(smoothing=0)),
        algorithm("term", "smoothing ten times as much", classifier(smoothing=10 * SMOOTHING)),
        algorithm("term", "no constant", classifier(constant=False)),
        algorithm("term", "logarithm of the other sign", classifier(logarithm=-1)),
        algorithm("term", "distances doubled", classifier(distance=2)),
        algorithm("term", "variances over n - 1", classifier(freedom=1), size="medium"),
        algorithm("term", "one variance for all classes", classifier(pooled=True)),
        algorithm("term", "squares expanded about 0", classifier(centred=False), size="medium"),
        algorithm("term", "shares of n + 1", one_rarer),
        algorithm("index", "labels off by one", labels_off_by_one),
        algorithm("index", "last sample left out", last_left_out),
        result("index", "classes off by one", classes_off_by_one),
        result("index", "tests off by one", tests_off_by_one),
        result("index", "variances of other features", features_off_by_one),
        entry("means", nb_unit(0)),
        entry("variances", nb_unit(1), output=1),
        entry("joint", nb_unit(2), output=2),
    ],
}
PRODUCTS = ("gaussian_nb",)
LOOSE: dict[tuple[str, str, str], str] = {}
