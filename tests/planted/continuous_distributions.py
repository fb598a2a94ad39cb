"""Faults in continuous distributions."""

import math

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.continuous_distributions import exponential, exponential_bounds, normal_bounds


def gaussian(*, scale=True, constant=0.5, square=0.5, root=0.5, sign=-1.0, shift=0):
    """The normal distribution with terms scaled or left out."""

    def compute(xp, x, mu, sigma):
        import scipy.special

        z = (x - xp.roll(mu, shift)) / sigma
        density = -square * z * z - constant * math.log(2 * math.pi)
        below = scipy.special.erfc(sign * z * math.sqrt(root)) / 2
        logs = scipy.special.log_ndtr(-sign * z * math.sqrt(2 * root))
        parts = (density - np.log(sigma) if scale else density, below, logs)
        return tuple(part.astype(x.dtype) for part in parts)

    return compute


def naive_logarithm(xp, x, mu, sigma):
    """The logarithm of what has underflowed, or is next to 1."""
    z = (x - mu) / sigma
    below = xp.special.ndtr(z)
    log_density = -z * z / 2 - (xp.log(sigma) + math.log(2 * math.pi) / 2)
    return log_density, below, np.log(np.maximum(below, np.finfo(x.dtype).tiny))


def by_difference(xp, x, rate):
    """1 - exp, which cancels where F is small."""
    return xp.log(rate) - rate * x, 1 - xp.exp(-rate * x)


def exchanged(outputs):
    outputs[0], outputs[1] = outputs[1], outputs[0]


def normal_unit(output):
    def unit(outputs, x, mu, sigma):
        return normal_bounds(outputs, x, mu, sigma, 0.0)[output][x.size // 2]

    return unit


def exponential_unit(output):
    return lambda outputs, x, rate: exponential_bounds(outputs, x, rate)[output][x.size // 2]


FAULTS: dict[str, list[Fault]] = {
    "normal": [
        algorithm("term", "scale left out of the density", gaussian(scale=False)),
        algorithm("term", "constant left out", gaussian(constant=0.0)),
        algorithm("term", "square not halved", gaussian(square=1.0)),
        algorithm("term", "the upper tail", gaussian(sign=1.0)),
        algorithm("term", "an error function of z itself", gaussian(root=1.0)),
        algorithm("term", "the logarithm of F", naive_logarithm),
        algorithm("index", "means off by one", gaussian(shift=1)),
        result("index", "density and distribution exchanged", exchanged),
        entry("log density", normal_unit(0)),
        entry("distribution", normal_unit(1), output=1),
        entry("log distribution", normal_unit(2), output=2),
    ],
    "exponential": [
        algorithm("term", "the scale for the rate", lambda xp, x, rate: exponential(xp, x, 1 / rate)),
        algorithm(
            "term",
            "log rate left out",
            lambda xp, x, rate: (-rate * x, exponential(xp, x, rate)[1]),
        ),
        algorithm(
            "term",
            "survival for F",
            lambda xp, x, rate: (exponential(xp, x, rate)[0], xp.exp(-rate * x)),
        ),
        algorithm("term", "1 - exp", by_difference),
        algorithm("index", "rates off by one", lambda xp, x, rate: exponential(xp, x, xp.roll(rate, 1))),
        result("index", "outputs exchanged", exchanged),
        entry("log density", exponential_unit(0)),
        entry("distribution", exponential_unit(1), output=1),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
