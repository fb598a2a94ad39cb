"""How fast, and how exactly, do layers compute whose weights and activations have a few bits each?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

LEVELS = 7
"""The largest integer of an activation: 4 bits with a sign, of which the lowest, -8, is not used."""

MARGIN = 2.0**-10
"""How far, at least, every number stands from where it would be rounded to another integer."""

SAMPLED = 32
"""Rows and columns that are computed again beyond the oracle's size."""


def bitnet_linear(xp: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """A linear layer with ternary weights and activations of 4 bits.

        s = mean_ij |w_ij|,       T_ij = min(max(round(w_ij / s), -1), 1)      ternary weights
        a_i = max_j |x_ij|,       Q_ij = round(7 x_ij / a_i)                   4 bits a row
        y_ij = (s a_i / 7) sum_k Q_ik T_jk

    The integers Q in [-7, 7] and T in {-1, 0, 1} are held as floating-point numbers: libraries have no
    fast product of 8-bit integers on a CPU, and the standard's would overflow in its own dtype. The sums
    are below 7 d and therefore exact in float32 up to d = 2^24 / 7, in any order of summation, and also
    where the factors are rounded to TF32. Only the scales and the last products are rounded. Weights
    are made ternary in every call, as they are in training; the normalisation that comes before such a
    layer is left out.

    x (m, d), w (k, d) -> y (m, k), s (); 2 m k d + 5 k d + 4 m d + 2 m k flops.
    Ma et al., "The era of 1-bit LLMs", arXiv 2402.17764, 2024, section 2 (weights); Wang, Ma & Wei,
    "BitNet a4.8: 4-bit activations for 1-bit LLMs", arXiv 2411.04965, 2024 (bits of activations).
    """
    one = xp.ones_like(w[0, 0])
    s = xp.mean(xp.mean(xp.abs(w), axis=1))
    largest = xp.max(xp.abs(x), axis=1, keepdims=True)
    ternary = xp.minimum(xp.maximum(xp.round(w / s), -one), one)
    q = xp.round(x * (LEVELS / largest))
    return (q @ ternary.T) * (largest * (s / LEVELS)), s


def inputs(rng: np.random.Generator, m: int, d: int, k: int) -> tuple[np.ndarray, ...]:
    """Standard normal activations and weights, with a margin around all that decides a rounding.

    What lies within twice the margin of a half is moved away to that distance. This changes the mean of
    the weights by less than a half of the margin over s.
    """
    x, w = rng.standard_normal((m, d)), rng.standard_normal((k, d)) / math.sqrt(d)
    s = np.mean(np.abs(w))
    largest = np.max(np.abs(x), axis=1, keepdims=True)
    return apart(x * LEVELS / largest) * largest / LEVELS, apart(w / s) * s


def apart(t: np.ndarray) -> np.ndarray:
    """``t``, with what is nearer than twice the margin to an integer and a half moved that far away."""
    half = np.floor(t) + 0.5
    side = np.where(t < half, -1, 1)
    moved: np.ndarray = np.where(np.abs(t - half) < 2 * MARGIN, half + side * 2 * MARGIN, t)
    return moved


def reference(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """The sums counted bit by bit, in integers; thresholds in place of roundings.

    A weight is 1 above s / 2 and -1 below -s / 2. An activation and 8 has four bits, each counted, 64 of
    a row at once, where the weight is 1 and where it is -1.
    """
    s = math.fsum(np.abs(w).ravel()) / w.size
    largest = np.max(np.abs(x), axis=1)
    thresholds = np.arange(0.5 - LEVELS, LEVELS)
    levels = np.searchsorted(thresholds, x * LEVELS / largest[:, np.newaxis]) - LEVELS
    products = integer_products(levels, w > s / 2, w < -s / 2)
    return products * (s * largest / LEVELS)[:, np.newaxis], np.asarray(s)


def integer_products(levels: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
    """What ``levels (m, d)`` in [-8, 7] sum up to over ``plus (k, d)``, less over ``minus``: (m, k)."""
    plus, minus = packed(plus), packed(minus)
    planes = [packed((levels + 8) >> bit & 1) for bit in range(4)]
    products = np.empty((len(levels), len(plus)), dtype=np.int64)
    ones = np.sum(np.bitwise_count(plus), axis=1, dtype=np.int64)
    ones -= np.sum(np.bitwise_count(minus), axis=1, dtype=np.int64)
    for i in range(len(levels)):
        products[i] = -8 * ones
        for bit, plane in enumerate(planes):
            count = np.sum(np.bitwise_count(plane[i] & plus), axis=1, dtype=np.int64)
            count -= np.sum(np.bitwise_count(plane[i] & minus), axis=1, dtype=np.int64)
            products[i] += count << bit
    return products


def packed(bits: np.ndarray) -> np.ndarray:
    """64 entries of a row in one integer; zeros fill the last."""
    filled = np.zeros((len(bits), -(-bits.shape[1] // 64) * 64), dtype=np.uint8)
    filled[:, : bits.shape[1]] = bits
    return np.packbits(filled, axis=1).view(np.uint64)


def errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray, w: np.ndarray
) -> Errors:
    """The scale of the weights, and every entry relative to itself once the scale is taken out.

    ``scale``: |s - s64| / s64. A sum of l terms of one sign errs by 0.3 sqrt(l / 3) eps in the root mean
    square if it is taken term by term, which is less than sqrt(l) / 5 (Higham & Mary, SIAM J. Sci.
    Comput. 42, 2020), and there are k sums of d and one of k. Those of d have independent errors, that
    a mean over k divides by sqrt(k). Three times their squares' root, and a rounding for each of two
    divisions: 0.6 (d / k + k)^1/2 + 1 eps.

    ``entries``: the largest |y s64 / s - y64| / |y64|, where the integer sums are exact and a 0 is a 0.
    There are three roundings, by a half eps each at most, one more where a library divides by 7 by
    multiplying with a seventh, and in float64 as many of the oracle: limit 4. An integer off by one is
    off by 1 / (7 d) at least, which is above the limit in float32 up to d = 300,000. Without the oracle
    it is that of ``SAMPLED`` rows and as many columns, which together meet every row and column.
    """
    (m, d), k = x.shape, len(w)
    y, s = widened(outputs, (m, k), ())
    eps = epsilon(outputs)
    if exact is None:
        rows, columns = evenly_spaced(m, SAMPLED), evenly_spaced(k, SAMPLED)
        s64 = np.mean(np.abs(w))
        kept = np.where(np.abs(w) > s64 / 2, np.sign(w), 0)
        pairs = [
            (y[rows], sampled(x[rows], kept, s64)),
            (y[:, columns], sampled(x, kept[columns], s64)),
        ]
    else:
        s64 = exact[1]
        pairs = [(y, exact[0])]
    worst = max(largest_ratio(found * (s64 / s) - right, np.abs(right)) for found, right in pairs)
    return {
        "scale": (largest_ratio(s - s64, s64) / eps, 0.6 * math.sqrt(d / k + k) + 1),
        "entries": (worst / eps, 4.0),
    }


def sampled(x: np.ndarray, kept: np.ndarray, s: float) -> np.ndarray:
    """The layer of some rows or columns, with ternary weights ``kept``, in float64, which is exact."""
    largest = np.max(np.abs(x), axis=1, keepdims=True)
    y: np.ndarray = np.rint(x / largest * LEVELS) @ kept.T * (s * largest / LEVELS)
    return y


Kernel(
    compute=bitnet_linear,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda m, d, k: 2 * m * k * d + 5 * k * d + 4 * m * d + 2 * m * k,
    traffic=lambda itemsize, m, d, k: itemsize * (m * d + k * d + m * k + 1),
    sizes={
        "small": {"m": 8, "d": 64, "k": 48},
        "medium": {"m": 64, "d": 768, "k": 512},
        "large": {"m": 256, "d": 4096, "k": 3072},
        "huge": {"m": 8192, "d": 8192, "k": 8192},
    },
    oracle_flops=2e10,
    chapter="models",
)
