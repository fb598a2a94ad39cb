"""Faults in entropies and divergences."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.information import (
    divergence_bounds,
    entropy,
    joint_bounds,
    kl_divergence,
    mutual_information,
    sum_bounds,
    terms,
)


def in_bits(kernel):
    return lambda xp, *arrays: kernel(xp, *arrays) / arrays[0].dtype.type(np.log(2))


def without_last(kernel):
    return lambda xp, *arrays: kernel(xp, *(array[..., :-1] for array in arrays))


def smoothed(xp, p):
    """A small number against log 0."""
    return -xp.sum(p * xp.log(p + p.dtype.type(1e-6)), axis=1)


def smoothed_divergence(xp, p, q):
    small = p.dtype.type(1e-6)
    return xp.sum(p * xp.log((p + small) / (q + small)), axis=1)


def generalised(xp, p, q):
    """Without the logarithm's terms: half the squared distance of Pearson."""
    return xp.sum((p - q) ** 2 / xp.where(q > 0, q, xp.ones_like(q)), axis=1) / 2


def difference_of_entropies(xp, p):
    """The same in exact arithmetic; with a table as long as a row."""
    flat = xp.reshape(p, (p.shape[0], -1))
    return entropy(xp, xp.sum(p, axis=2)) + entropy(xp, xp.sum(p, axis=1)) - entropy(xp, flat)


def against_rows_alone(xp, p):
    ratio = p / xp.where(p > 0, xp.sum(p, axis=2, keepdims=True), xp.ones_like(p))
    return xp.sum(xp.special.xlogy(p, ratio), axis=(1, 2))


def roll(outputs):
    outputs[0] = np.roll(outputs[0], 1)


def middle(bounds):
    return lambda outputs, *inputs: bounds(*inputs)[len(outputs[0]) // 2]


FAULTS: dict[str, list[Fault]] = {
    "entropy": [
        algorithm("term", "of the other sign", lambda xp, p: -entropy(xp, p)),
        algorithm("term", "in bits", in_bits(entropy)),
        algorithm("term", "a small number added", smoothed),
        algorithm("index", "last value left out", without_last(entropy)),
        algorithm(
            "index",
            "logarithms off by one",
            lambda xp, p: -xp.sum(p * np.log(np.roll(p, 1, 1) + (p == 0)), axis=1),
        ),
        result("index", "rows off by one", roll),
        entry("entropies", middle(lambda p: sum_bounds(terms(p, p), 0 * p))),
    ],
    "kl_divergence": [
        algorithm(
            "term",
            "the other way round",
            lambda xp, p, q: kl_divergence(xp, q, np.where(q > 0, p + (p == 0), p).astype(p.dtype)),
        ),
        algorithm("term", "in bits", in_bits(kl_divergence)),
        algorithm("term", "small numbers added", smoothed_divergence),
        algorithm("term", "the squared distance", generalised),
        algorithm("index", "last value left out", without_last(kl_divergence)),
        result("index", "rows off by one", roll),
        entry("divergences", middle(divergence_bounds)),
    ],
    "mutual_information": [
        algorithm("term", "in bits", in_bits(mutual_information)),
        algorithm("term", "one marginal left out", against_rows_alone),
        algorithm(
            "term",
            "the difference of entropies",
            difference_of_entropies,
            size={"m": 8, "r": 64, "c": 64},
        ),
        algorithm("index", "last column left out", without_last(mutual_information)),
        result("index", "tables off by one", roll),
        entry("informations", middle(joint_bounds)),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
