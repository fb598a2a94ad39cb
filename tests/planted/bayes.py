"""Faults in conditional probabilities."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.bayes import evidence_bounds


def conditioned(*, last=None, offset=0.0, axes=(1, 0)):
    """Sums without the last entry, or with a small number added, or along other axes."""

    def compute(xp, p):
        rows, columns = p[:, :last], p[:last, :]
        parts = [rows if axis == 1 else columns for axis in axes]
        sums = [np.sum(part, axis=axis, keepdims=True) for part, axis in zip(parts, axes, strict=True)]
        return tuple(p / (total + p.dtype.type(offset)) for total in sums)

    return compute


def updated(*, prior=1.0, unseen=1.0, shift=0, normalised=True):
    def compute(xp, x, log_prior, log_true, log_false):
        x = np.roll(x, shift, axis=1)
        s = prior * log_prior + x @ log_true + unseen * (1 - x) @ log_false
        evidence = xp.logsumexp(s, axis=1)
        return (s - evidence[:, None] if normalised else s), evidence

    return compute


def without_logarithms(xp, x, log_prior, log_true, log_false):
    """Products of probabilities, which underflow."""
    odds = np.exp(log_prior + x @ log_true + (1 - x) @ log_false)
    evidence = np.sum(odds, axis=1)
    return np.log(odds / evidence[:, None]), np.log(evidence)


def roll(outputs):
    outputs[0] = np.roll(outputs[0], 1, axis=1)


def exchange(outputs):
    outputs.reverse()


def probability(output):
    return lambda outputs, p: outputs[output][p.shape[0] // 2, p.shape[1] // 2]


def logarithm(output):
    def unit(outputs, *inputs):
        bounds = evidence_bounds(outputs, *inputs)[output]
        return bounds[tuple(axis // 2 for axis in bounds.shape)]

    return unit


FAULTS: dict[str, list[Fault]] = {
    "conditional_probability": [
        algorithm("term", "not normalised", lambda xp, p: (p, p)),
        algorithm("term", "a small number added", conditioned(offset=1e-5)),
        algorithm("term", "one condition for the other", conditioned(axes=(0, 1))),
        algorithm("index", "last entry left out of sums", conditioned(last=-1)),
        result("index", "columns off by one", roll),
        result("index", "outputs exchanged", exchange),
        entry("given a", probability(0)),
        entry("given b", probability(1), output=1),
    ],
    "bayes_posterior": [
        algorithm("term", "prior left out", updated(prior=0.0)),
        algorithm("term", "what was not seen left out", updated(unseen=0.0)),
        algorithm("term", "not normalised", updated(normalised=False)),
        algorithm("term", "without logarithms", without_logarithms, size="medium", dtypes=("float32",)),
        algorithm("index", "evidence off by one", updated(shift=1)),
        result("index", "hypotheses off by one", roll),
        entry("posterior", logarithm(0)),
        entry("evidence", logarithm(1), output=1),
    ],
}
PRODUCTS = ("bayes_posterior",)
LOOSE: dict[tuple[str, str, str], str] = {}
