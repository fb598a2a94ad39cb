"""How fast, and how exactly, are classifiers scored: confusion, precision, recall, ROC?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, entry_errors, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors


def confusion_matrix(xp: Array, truth: Array, predicted: Array, *, k: int) -> Array:
    """How often each class was taken for each.

        C_ab = #{i : truth_i = a, predicted_i = b}

    truth (n,), predicted (n,) of integers from 0 to k - 1 -> C (k, k) of integers; a class that does not
    occur has a row of zeros.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, chapter 12; Sokolova & Lapalme,
    Information Processing and Management 45, 2009.
    """
    return xp.reshape(xp.bincount(truth * k + predicted, length=k * k), (k, k))


def classification_metrics(
    xp: Array, truth: Array, predicted: Array, weights: Array, *, k: int
) -> tuple[Array, ...]:
    """Accuracy, and precision, recall and F1 of every class, of weighted samples.

        C_ab = sum of w_i with truth_i = a, predicted_i = b,    accuracy = sum_a C_aa / sum_ab C_ab
        precision_b = C_bb / sum_a C_ab,    recall_a = C_aa / sum_b C_ab
        F1_a = 2 C_aa / (sum_b C_ab + sum_b C_ba)

    and 0 / 0 = 0, for a class that does not occur or is never predicted.

    truth (n,), predicted (n,) of integers from 0 to k - 1, weights (n,) > 0 -> accuracy (), precision
    (k,), recall (k,), F1 (k,); n + 4 k^2 flops.
    Sokolova & Lapalme, Information Processing and Management 45, 2009.
    """
    c = xp.reshape(xp.bincount(truth * k + predicted, weights, length=k * k), (k, k))
    right, true, guessed = xp.linalg.diagonal(c), xp.sum(c, axis=1), xp.sum(c, axis=0)

    def over(total: Array) -> Array:
        return right / xp.where(total > 0, total, xp.ones_like(total))

    return xp.sum(right) / xp.sum(true), over(guessed), over(true), 2 * over(true + guessed)


def roc_auc(xp: Array, scores: Array, labels: Array) -> Array:
    """The area under the curve of true over false positives, which is how often positives score more.

        AUC = 1/(P N) sum_{i positive, j negative} (1 if s_i > s_j, 1/2 if s_i = s_j, else 0)

    of P positives and N negatives, by one sort, running counts of negatives and two binary searches.

    scores (n,), labels (n,) of 0 and 1 that both occur -> AUC ().
    Hanley & McNeil, Radiology 143, 1982.
    """
    order = xp.argsort(scores, stable=False)
    s, positive = xp.gather(scores, order), xp.gather(labels, order)
    counts = xp.cumulative_sum(1 - positive, include_initial=True)
    below = xp.gather(counts, xp.searchsorted(s, s, side="left"))
    not_above = xp.gather(counts, xp.searchsorted(s, s, side="right"))
    return positive @ ((below + not_above) / (2 * counts[-1])) / xp.sum(positive)


def labelled(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes of a geometric law, of which every fourth never occurs; half the predictions are right.

    Every fifth class is never predicted.
    """
    if k < 2:
        raise Unsupported(f"of {k} class there is nothing to tell apart: k must be 2 or more")
    law = np.where(np.arange(k) % 4 == 3, 0, 0.9 ** np.arange(k))
    truth = rng.choice(k, size=n, p=law / law.sum())
    predicted = np.where(rng.random(n) < 0.5, truth, rng.integers(k, size=n))
    return truth, np.where(predicted % 5 == 4, 0, predicted)


def confusion_inputs(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, ...]:
    """See ``labelled``."""
    return labelled(rng, n, k)


def metrics_inputs(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, ...]:
    """See ``labelled``; weights from 1/2 to 2."""
    return *labelled(rng, n, k), np.exp2(rng.uniform(-1, 1, n))


def scored_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Normal scores, those of positives one deviation higher; one in two is rounded to 1/8, and tied."""
    if n < 2:
        raise Unsupported("a curve takes a positive and a negative: n must be 2 or more")
    labels = (rng.random(n) < 0.3).astype(float)
    labels[:2] = 0, 1
    scores = rng.standard_normal(n) + labels
    return np.where(rng.random(n) < 0.5, np.round(8 * scores) / 8, scores), labels


def confusion_reference(truth: np.ndarray, predicted: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """NumPy's two-dimensional histogram."""
    edges = np.arange(k + 1) - 0.5
    return (np.histogram2d(truth, predicted, bins=(edges, edges))[0].astype(np.int64),)


def metrics_reference(
    truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray, k: int
) -> tuple[np.ndarray, ...]:
    """Class by class, from sums that are rounded once; no matrix is formed."""
    right = truth == predicted
    accuracy = math.fsum(weights[right]) / math.fsum(weights)
    found = []
    for a in range(k):
        hits, true, guessed = (
            math.fsum(weights[chosen]) for chosen in (right & (truth == a), truth == a, predicted == a)
        )
        found.append((hits / (guessed or 1), hits / (true or 1), 2 * hits / ((true + guessed) or 1)))
    return np.asarray(accuracy), *np.array(found).T


def scored_reference(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mann and Whitney's U from the mean ranks of the positives, over P N."""
    import scipy.stats

    positive = labels == 1
    p = np.count_nonzero(positive)
    u = math.fsum(scipy.stats.rankdata(scores)[positive]) - p * (p + 1) / 2
    return (np.asarray(u / (p * (len(labels) - p))),)


def confusion_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    truth: np.ndarray,
    predicted: np.ndarray,
    k: int,
) -> Errors:
    """How many counts differ; none may."""
    (c,) = widened(outputs, (k, k))
    return {"counts": (float(np.count_nonzero(c != exact[0])), 0.0)}


def metrics_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    truth: np.ndarray,
    predicted: np.ndarray,
    weights: np.ndarray,
    k: int,
) -> Errors:
    """Every score, relative to itself, against what rounding adds up to in sums of positive weights.

    A sum of m of them drifts, and its roundings of 0.3 eps in the root mean square leave
    0.3 eps sqrt(m / 3) of it, with m at most the number of samples in a cell, and k cells in a total.
    Four times that for numerator and denominator, and 3 eps for what is rounded once.
    """
    largest = int(np.max(np.bincount(truth * k + predicted)))
    found = widened(outputs, (), (k,), (k,), (k,))
    names = ("accuracy", "precision", "recall", "F1")
    limit = 1.2 * math.sqrt(2 * (largest + k) / 3) + 3
    return entry_errors(names, found, exact, exact, epsilon(outputs), limit=limit)


def scored_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], scores: np.ndarray, labels: np.ndarray
) -> Errors:
    """The area, relative to itself: counts are exact, and a sum of P positive terms drifts.

    That leaves 0.3 eps sqrt(P / 3) of it, in the root mean square; four times that, and 3 eps for what
    is rounded once.
    """
    (area,) = widened(outputs, ())
    limit = 1.2 * math.sqrt(np.count_nonzero(labels) / 3) + 3
    return {"area": (largest_ratio(area - exact[0], exact[0]) / epsilon(outputs), limit)}


Kernel(
    compute=confusion_matrix,
    inputs=confusion_inputs,
    reference=confusion_reference,
    errors=confusion_errors,
    error_unit="counts",
    traffic=lambda itemsize, n, k: 8 * (2 * n + k * k),
    sizes={
        "small": {"n": 256, "k": 4},
        "medium": {"n": 131072, "k": 16},
        "large": {"n": 8388608, "k": 64},
        "huge": {"n": 67108864, "k": 64},
    },
    static=("k",),
    chapter="statistics",
)

Kernel(
    compute=classification_metrics,
    inputs=metrics_inputs,
    reference=metrics_reference,
    errors=metrics_errors,
    flops=lambda n, k: n + 4 * k * k,
    traffic=lambda itemsize, n, k: 16 * n + itemsize * (n + 3 * k + 1),
    sizes={
        "small": {"n": 256, "k": 4},
        "medium": {"n": 131072, "k": 16},
        "large": {"n": 8388608, "k": 64},
        "huge": {"n": 67108864, "k": 64},
    },
    static=("k",),
    chapter="statistics",
)

Kernel(
    compute=roc_auc,
    inputs=scored_inputs,
    reference=scored_reference,
    errors=scored_errors,
    traffic=lambda itemsize, n: itemsize * (2 * n + 1),
    sizes={
        "small": {"n": 128},
        "medium": {"n": 16384},
        "large": {"n": 1048576},
        "huge": {"n": 16777216},
    },
    chapter="statistics",
)
