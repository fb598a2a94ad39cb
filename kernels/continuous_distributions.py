"""How fast, and how exactly, are continuous distributions evaluated, far into their tails?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, entry_errors, epsilon, widened
from xpbench.bench.kernel import Array, Errors

FRACTIONS = 80
"""Of the continued fraction of Mills' ratio: enough for 1e-17 from 5 sigmas on."""
FAR = 5.0


def normal(xp: Array, x: Array, mu: Array, sigma: Array) -> tuple[Array, Array, Array]:
    """The log-density of normal distributions, their distribution function and its logarithm.

        log f = -z^2 / 2 - log sigma - log(2 pi) / 2,    z = (x - mu) / sigma
        F = erfc(-z / sqrt(2)) / 2,    log F

    The library's own log F is accurate where F has underflowed: at 30 sigmas F is 5e-198.

    x (n,), mu (n,), sigma (n,) > 0 -> log f (n,), F (n,), log F (n,).
    Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions, volume 1, chapter 13; NIST Digital
    Library of Mathematical Functions, section 7.2.
    """
    z = (x - mu) / sigma
    log_density = -z * z / 2 - (xp.log(sigma) + math.log(2 * math.pi) / 2)
    return log_density, xp.special.ndtr(z), xp.special.log_ndtr(z)


def exponential(xp: Array, x: Array, rate: Array) -> tuple[Array, Array]:
    """The log-density of exponential distributions, and their distribution function.

        log f = log rate - rate x
        F = 1 - exp(-rate x)

    by expm1, which keeps its digits where F is small.

    x (n,) >= 0, rate (n,) > 0 -> log f (n,), F (n,).
    Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions, volume 1, chapter 19; Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., section 1.14.1, on expm1.
    """
    y = rate * x
    return xp.log(rate) - y, -xp.expm1(-y)


def normal_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Draws of distributions of any mean and scale; one in four lies anywhere from -30 to 30 sigmas."""
    z = np.where(rng.random(n) < 0.25, rng.uniform(-30, 30, n), rng.standard_normal(n))
    mu, sigma = 10 * rng.standard_normal(n), np.exp(rng.standard_normal(n))
    return mu + sigma * z, mu, sigma


def exponential_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Draws of distributions of any rate; one in four of a size anywhere from 1e-9 to 80 means."""
    rate = np.exp(rng.standard_normal(n))
    tails = np.exp(rng.uniform(math.log(1e-9), math.log(80), n))
    return np.where(rng.random(n) < 0.25, tails, rng.standard_exponential(n)) / rate, rate


def normal_reference(x: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, ...]:
    """By the scaled complementary error function, and in the lower tail by a continued fraction.

    (1 - F(t)) / f(t) = 1 / (t + 1 / (t + 2 / (t + 3 / ...))), NIST Digital Library, 7.9.2.
    """
    import scipy.special

    z = (x - mu) / sigma
    density = -(z**2) / 2 - math.log(2 * math.pi) / 2
    tail = scipy.special.erfcx(np.abs(z) / math.sqrt(2)) * np.exp(-(z**2) / 2) / 2
    t = np.maximum(-z, FAR)
    fraction = t
    for k in range(FRACTIONS, 0, -1):
        fraction = t + k / fraction
    with np.errstate(divide="ignore"):
        near = np.where(z < 0, np.log(tail), np.log1p(-tail))
    far = density - np.log(fraction)
    return density - np.log(sigma), np.where(z < 0, tail, 1 - tail), np.where(z < -FAR, far, near)


def exponential_reference(x: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, ...]:
    """By expm1."""
    return np.log(rate) - x * rate, -np.expm1(-x * rate)


def normal_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    mu: np.ndarray,
    sigma: np.ndarray,
) -> Errors:
    """Every value against what its own few roundings can do, one pair an output: ``normal_bounds``.

    Bounds are of the first order, and some of many values nearly attain them: limit 3/2.
    """
    n = x.shape[0]
    found = widened(outputs, (n,), (n,), (n,))
    eps = epsilon(outputs)
    least = float(np.finfo(outputs[0].dtype).tiny) / eps
    names = ("log density", "distribution", "log distribution")
    bounds = normal_bounds(exact, x, mu, sigma, least)
    return entry_errors(names, found, exact, bounds, eps, limit=1.5, oracle=True)


def normal_bounds(
    exact: Sequence[np.ndarray], x: np.ndarray, mu: np.ndarray, sigma: np.ndarray, least: float
) -> tuple[np.ndarray, ...]:
    """How far roundings may move every value, in eps; ``least`` is the smallest normal number, in eps.

    A rounding is half an eps. z has two of them, and its square five: 5/4 z^2 eps in log f. Logarithms
    are taken to be good to 4 units in the last place, which is what NumPy's own in float32 are; the
    constant and two sums are rounded once each.

    F moves by |z| f(z) times the relative change of z: two roundings, two of its product with sqrt(1/2)
    and one of the square in an exponential. The function itself is taken to be good to 4 eps, and what
    a dtype does not hold in full is off by no more than the smallest number that it does.

    log F moves by as much over F. Libraries add -z^2 / 2 to the logarithm of a scaled function for z
    below 1, which leaves two roundings of z^2 / 2; 4 eps of the result.
    """
    z = (x - mu) / sigma
    half, constant = z**2 / 2, math.log(2 * math.pi) / 2
    scale = np.abs(np.log(sigma))
    density = 5 / 2 * half + 4 * scale + constant / 2 + (half + 2 * (scale + constant)) / 2
    # f / F is about -z far below, where both underflow.
    moved = 5 / 2 * np.abs(z) * np.exp(-half - constant - exact[2])
    return (
        density,
        (moved + 4) * exact[1] + least,
        moved + np.where(z < 1, half, 0.0) + 4 * np.abs(exact[2]) + least,
    )


def exponential_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray, rate: np.ndarray
) -> Errors:
    """Every value against what its own few roundings can do, one pair an output.

    log f has one rounding of y = rate x, which is half an eps, one of the sum, and those of a logarithm
    that is good to 4 units in the last place (NumPy's own in float32). F moves by y exp(-y) for a
    relative change of y, which one rounding makes; expm1 is taken to be good to 3 eps, as that of JAX is
    and a quotient of tanh, which a backend may have in its place. Limit 3/2, as for ``normal``.
    """
    n = x.shape[0]
    found = widened(outputs, (n,), (n,))
    bounds, names = exponential_bounds(exact, x, rate), ("log density", "distribution")
    return entry_errors(names, found, exact, bounds, epsilon(outputs), limit=1.5, oracle=True)


def exponential_bounds(
    exact: Sequence[np.ndarray], x: np.ndarray, rate: np.ndarray
) -> tuple[np.ndarray, ...]:
    """What is derived in ``exponential_errors``, for every value, in eps."""
    y = rate * x
    density = y / 2 + 4 * np.abs(np.log(rate)) + np.abs(exact[0]) / 2
    return density, y * np.exp(-y) / 2 + 3 * exact[1]


Kernel(
    compute=normal,
    inputs=normal_inputs,
    reference=normal_reference,
    errors=normal_errors,
    traffic=lambda itemsize, n: 6 * itemsize * n,
    sizes={
        "small": {"n": 256},
        "medium": {"n": 32768},
        "large": {"n": 4194304},
        "huge": {"n": 33554432},
    },
    chapter="probability",
)

Kernel(
    compute=exponential,
    inputs=exponential_inputs,
    reference=exponential_reference,
    errors=exponential_errors,
    traffic=lambda itemsize, n: 4 * itemsize * n,
    sizes={
        "small": {"n": 2048},
        "medium": {"n": 262144},
        "large": {"n": 8388608},
        "huge": {"n": 67108864},
    },
    chapter="probability",
)
