"""How fast, and how exactly, are discrete distributions evaluated, far into their tails?"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from xpbench import Kernel, entry_errors, epsilon, widened
from xpbench.bench.kernel import Array, Errors

STIRLING = (
    *(0.0, 1.0, 1.3068528194400546, 1.4959226032237258, 1.6328763858683832, 1.7403021806115442),
    *(1.828694396641771, 1.9037903176782212, 1.9690705693065629, 2.0268062840554952, 2.0785616431350586),
    *(2.12545984509181, 2.168334698205882, 2.207822206123445, 2.244418568125061, 2.2785183673077407),
)
"""log k! - k log k + k for k from 0 to 15."""
BERNOULLI = (1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
"""Of Stirling's series in 1 / k, the coefficients from k^-9 to k^-1; at 16 the next term is 1e-16."""
CENTRE, TERMS = 0.25, 13
"""Where |v| is below 1/4 the series of the deviance ends after 13 terms: 0.25^26 / 29 is 1e-17."""
BASE = 4096.0
"""2^12: products of two digits of this base are whole numbers that float32 holds."""
FAR = 8.0
"""Standard deviations."""
CHUNK = 8192
NAMES = ("log density", "distribution")
ROUGH = {
    "float32": {"log1p": 2, "lgamma": 4, "steps": 200, "least": 2.0**-126 / 2.0**-23},
    "float64": {"log1p": 120, "lgamma": 8, "steps": 600, "least": 2.0**-1022 / 2.0**-52},
}
"""XLA's worst, in eps: log1p (at -0.41 in float64), lgamma (of counts, and of 2 near its zeros), and the
most steps of betainc's continued fraction; the smallest normal number, where it flushes to zero."""


def stirling(xp: Array, k: Array, like: Array) -> Array:
    """``log k! - k log k + k`` of counts ``k (n,)``, in the dtype of ``like``.

    From a table up to 15, and above as log(2 pi k) / 2 + 1 / (12 k) - 1 / (360 k^3) + ...
    (NIST Digital Library of Mathematical Functions, 5.11.1).
    """
    small = xp.gather(xp.asarray(STIRLING, dtype=like.dtype), xp.clip(k, 0, len(STIRLING) - 1))
    x = xp.astype(xp.clip(k, len(STIRLING), None), like.dtype)
    square, series = 1 / (x * x), xp.zeros_like(x)
    for coefficient in BERNOULLI:
        series = series * square + coefficient
    return xp.where(k < len(STIRLING), small, xp.log(2 * math.pi * x) / 2 + series / x)


def deviance(xp: Array, x: Array, m: Array, d: Array) -> Array:
    """``x log(x / m) + m - x`` of ``x (n,) >= 0`` about ``m (n,) > 0``, given ``d = x - m``.

    With v = d / (x + m), log(x / m) = 2 (v + v^3 / 3 + v^5 / 5 + ...), so that near m, where the terms
    cancel, it is v (d + 2 x v^2 (1 / 3 + v^2 / 5 + ...)).
    """
    v = d / (x + m)
    square, series = v * v, xp.zeros_like(v)
    for j in range(TERMS, 0, -1):
        series = series * square + 1 / (2 * j + 1)
    near = v * (d + 2 * x * square * series)
    return xp.where(xp.abs(v) < CENTRE, near, xp.special.xlogy(x, x / m) - d)


def bernoulli(xp: Array, k: Array, p: Array) -> tuple[Array, Array]:
    """The log-probability of Bernoulli distributions, and their distribution function.

        log f(1) = log p,    log f(0) = log(1 - p),    F(0) = 1 - p,    F(1) = 1

    log(1 - p) is log1p(-p) for p below 1/4 only: nothing is lost above, and XLA's log1p is off by 120
    eps at -0.41 in float64.

    k (n,) of 0 and 1, p (n,) in (0, 1) -> log f (n,), F (n,).
    Johnson, Kemp & Kotz, Univariate Discrete Distributions, 3rd ed., section 3.1 with one trial; Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., section 1.14.1, on log(1 + x).
    """
    failure = xp.where(p < 0.25, xp.log1p(-p), xp.log(1 - p))
    return xp.where(k == 1, xp.log(p), failure), xp.where(k == 1, xp.ones_like(p), 1 - p)


def binomial(xp: Array, k: Array, n: Array, p: Array) -> tuple[Array, Array]:
    """The log-probability of binomial distributions, and their distribution function.

        log f = S(n) - S(k) - S(n - k) - D(k, n p) - D(n - k, n (1 - p))
        S(k) = log k! - k log k + k,    D(x, m) = x log(x / m) + m - x,    0 log 0 = 0
        F = I_{1-p}(n - k, k + 1) where k < n, and 1 where k = n

    with the regularised incomplete beta function I. S is small: from a table for k up to 15, above as
    log(2 pi k) / 2 + 1 / (12 k) - 1 / (360 k^3) + ... to k^-9. Nothing cancels but in D near m: where
    v = (x - m) / (x + m) is below 1/4 in size, with j up to 13,

        D = v (x - m + 2 x v^2 sum_j v^(2 j - 2) / (2 j + 1))

    Rounding n p would cost |k - n p| eps: with n = 4096 n1 + n0 and p = p1 / 4096 + p0, where n1, n0 and
    p1 are whole numbers below 4096,

        k - n p = ((k - n1 p1) - n0 p1 / 4096) - n p0

    of which everything is exact in float32 but the last product and the last two differences.

    Counts k (m,), trials n (m,) with 0 <= k <= n < 2^24 and n >= 1, p (m,) in (0, 1) -> log f (m,),
    F (m,).
    Loader, Fast and accurate computation of binomial probabilities, 2000; NIST Digital Library of
    Mathematical Functions, 8.17.5.
    """
    x, trials = xp.astype(k, p.dtype), xp.astype(n, p.dtype)
    rest, q = trials - x, 1 - p
    below = xp.special.betainc(xp.where(k < n, rest, xp.ones_like(x)), x + 1, q)
    n1, p1 = xp.floor(trials / BASE), xp.floor(p * BASE)
    n0, p0 = trials - BASE * n1, p - p1 / BASE
    d = ((x - n1 * p1) - n0 * (p1 / BASE)) - trials * p0
    counts = stirling(xp, n, p) - stirling(xp, k, p) - stirling(xp, n - k, p)
    shares = deviance(xp, x, trials * p, d) + deviance(xp, rest, trials * q, -d)
    return counts - shares, xp.where(k < n, below, xp.ones_like(x))


def poisson(xp: Array, k: Array, rate: Array) -> tuple[Array, Array]:
    """The log-probability of Poisson distributions, and their distribution function.

        log f = -S(k) - D(k, rate)
        S(k) = log k! - k log k + k,    D(x, m) = x log(x / m) + m - x,    0 log 0 = 0
        F = Q(k + 1, rate)

    with the regularised upper incomplete gamma function Q. S is small: from a table for k up to 15,
    above as log(2 pi k) / 2 + 1 / (12 k) - 1 / (360 k^3) + ... to k^-9. Nothing cancels but in D near m:
    where v = (x - m) / (x + m) is below 1/4 in size, with j up to 13,

        D = v (x - m + 2 x v^2 sum_j v^(2 j - 2) / (2 j + 1))

    Counts k (n,) with 0 <= k < 2^24, rate (n,) > 0 -> log f (n,), F (n,).
    Loader, Fast and accurate computation of binomial probabilities, 2000; NIST Digital Library of
    Mathematical Functions, 8.4.10 with 8.2.4.
    """
    x = xp.astype(k, rate.dtype)
    log_density = -stirling(xp, k, rate) - deviance(xp, x, rate, x - rate)
    return log_density, xp.special.gammaincc(x + 1, rate)


def bernoulli_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Outcomes of any chance from 1e-6 to 1 - 1e-6; one in four is drawn with chance 1/2 instead."""
    p = 1 / (1 + np.exp(rng.uniform(-1, 1, n) * math.log(1e6)))
    seen = np.where(rng.random(n) < 0.25, 0.5, p)
    return (rng.random(n) < seen).astype(np.int64), p


def binomial_inputs(rng: np.random.Generator, m: int) -> tuple[np.ndarray, ...]:
    """Draws from 1 to 4096 trials; one in four lies anywhere up to 8 standard deviations off.

    JAX's betainc is off by 1e-3 at 4096 trials in float32, and by all of F at a million.
    """
    n = np.floor(np.exp(rng.uniform(0, math.log(4097), m))).astype(np.int64)
    p = rng.uniform(0.02, 0.98, m)
    far = np.rint(n * p + rng.uniform(-FAR, FAR, m) * np.sqrt(n * p * (1 - p)))
    k = np.where(rng.random(m) < 0.25, np.clip(far, 0, n), rng.binomial(n, p))
    return k.astype(np.int64), n, p


def poisson_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Draws of any rate from 0.1 to 1000; one in four lies anywhere up to 6 standard deviations off."""
    rate = np.exp(rng.uniform(math.log(0.1), math.log(1000), n))
    far = np.rint(rate + rng.uniform(-6, 6, n) * np.sqrt(rate))
    k = np.where(rng.random(n) < 0.25, np.maximum(far, 0), rng.poisson(rate))
    return k.astype(np.int64), rate


def bernoulli_reference(k: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, ...]:
    """By the logarithm of the chance of what was seen, whose rounding error is added to first order.

    1 - p is q + r with q rounded and r = (1 - q) - p exact; log(q + r) = log q + r / q but for r^2.
    """
    q = 1 - p
    rounded = (1 - q) - p
    return np.where(k == 1, np.log(p), np.log(q) + rounded / q), np.where(k == 1, 1.0, q)


def binomial_reference(k: np.ndarray, n: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same form from other functions, ``deviances`` and ``remainders``; F by ``summed``."""
    x, trials, q, odds = k.astype(float), n.astype(float), 1 - p, p / (1 - p)
    log_factorials = remainders(int(n.max()))
    head = p.astype(np.float32).astype(float)

    def logarithm(x: np.ndarray) -> np.ndarray:
        # Products with the head are exact in float64, and the tail is 2^-24 of it.
        d = (x - trials * head) - trials * (p - head)
        counts, rest = x.astype(int), trials - x
        ways = log_factorials[n] - log_factorials[counts] - log_factorials[n - counts]
        shares = deviances(x, trials * p, d) + deviances(rest, trials * q, -d)
        logarithms: np.ndarray = ways - shares
        return logarithms

    def ratio(j: np.ndarray, lower: np.ndarray, i: np.ndarray) -> np.ndarray:
        down = j / ((trials[i] - j + 1) * odds[i])
        ratios: np.ndarray = np.where(lower, down, (trials[i] - j) * odds[i] / (j + 1))
        return ratios

    lower = x <= trials * p
    first = np.where(lower, x, np.minimum(x + 1, trials))
    part = np.exp(logarithm(first)) * summed(first, lower, ratio, trials * p * q)
    return logarithm(x), np.where(lower, part, np.where(k < n, 1 - part, 1.0))


def poisson_reference(k: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same form from other functions, ``deviances`` and ``remainders``; F by ``summed``."""
    x = k.astype(float)
    log_factorials = remainders(int(k.max()) + 1)

    def logarithm(x: np.ndarray) -> np.ndarray:
        sizes: np.ndarray = log_factorials[x.astype(int)] + deviances(x, rate, x - rate)
        return -sizes

    def ratio(j: np.ndarray, lower: np.ndarray, i: np.ndarray) -> np.ndarray:
        ratios: np.ndarray = np.where(lower, j / rate[i], rate[i] / (j + 1))
        return ratios

    lower = x <= rate
    first = np.where(lower, x, x + 1)
    part = np.exp(logarithm(first)) * summed(first, lower, ratio, rate)
    return logarithm(x), np.where(lower, part, 1 - part)


def deviances(x: np.ndarray, m: np.ndarray, d: np.ndarray) -> np.ndarray:
    """x log(x / m) + m - x as d^2 times the integral of u / ((1 - u) x + u m) over [0, 1], d = x - m.

    Nothing cancels in it. Gauss's rule of 20 nodes is off by 3^-40 where x / m is within [1/4, 4], and
    nothing cancels in the definition elsewhere.
    """
    nodes, weights = np.polynomial.legendre.leggauss(20)
    total = np.zeros_like(m)
    for u, w in zip((nodes + 1) / 2, weights / 2, strict=True):
        total += w * u / ((1 - u) * x + u * m)
    logarithm = x * np.log(np.where(x > 0, x, 1) / np.where(x > 0, m, 1))
    sizes: np.ndarray = np.where((4 * x > m) & (x < 4 * m), d**2 * total, logarithm - d)
    return sizes


def remainders(largest: int) -> np.ndarray:
    """log k! - k log k + k for k from 0 to ``largest``: the sum of deviances of j about j + 1, j < k.

    Every rounding error of the sum is found (Knuth, The Art of Computer Programming, volume 2, section
    4.2.2) and added.
    """
    j = np.arange(largest, dtype=float)
    steps = deviances(j, j + 1, -np.ones(largest))
    sums = np.concatenate([[0.0], np.cumsum(steps)])
    before, after = sums[:-1], sums[1:]
    added = after - before
    errors = (before - (after - added)) + (steps - added)
    sums[1:] += np.cumsum(errors)
    return sums


def summed(
    first: np.ndarray, lower: np.ndarray, ratio: Callable[..., np.ndarray], variance: np.ndarray
) -> np.ndarray:
    """The sum of probabilities from ``first`` away from the mean, over that of ``first``.

    ``ratio(j, lower, i)`` is that of the next probability to that of j in the distributions i. A sum of
    the side on which there is more would lose the digits of what is left.
    """
    total = np.ones_like(first)
    order = np.argsort(variance, kind="stable")
    for i in np.array_split(order, math.ceil(order.size / CHUNK)):
        j, side = first[i], lower[i]
        step, term, total_i = np.where(side, -1.0, 1.0), np.ones(i.size), np.ones(i.size)
        while np.any(term > 1e-18 * total_i):
            term = term * ratio(j, side, i)
            total_i += term
            # At 0, and at n trials, the ratio is 0 and so are all terms to come.
            j = np.where(term > 0, j + step, j)
        total[i] = total_i
    return total


def bernoulli_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], k: np.ndarray, p: np.ndarray
) -> Errors:
    """Every value against ``bernoulli_bounds``, one pair an output.

    Bounds are of the first order, and some of many values nearly attain them: limit 3/2.
    """
    n = k.shape[0]
    found, bounds = widened(outputs, (n,), (n,)), bernoulli_bounds(exact, k, p)
    return entry_errors(NAMES, found, exact, bounds, epsilon(outputs), limit=1.5, oracle=True)


def bernoulli_bounds(
    exact: Sequence[np.ndarray], k: np.ndarray, p: np.ndarray
) -> tuple[np.ndarray, ...]:
    """How far roundings may move every value, in eps.

    Logarithms are taken to be good to 4 units in the last place, which is what NumPy's own in float32
    are. 1 - p is rounded once: half an eps of it, and as much of its logarithm where that is not log1p.
    """
    rounded = np.where((k == 0) & (p >= 0.25), 0.5, 0.0)
    return 4 * np.abs(exact[0]) + rounded, np.where(k == 0, exact[1] / 2, 0.0)


def binomial_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    k: np.ndarray,
    n: np.ndarray,
    p: np.ndarray,
) -> Errors:
    """Every value against ``binomial_bounds``, one pair an output. Limit 3/2, as for ``bernoulli``."""
    m = k.shape[0]
    found, bounds = widened(outputs, (m,), (m,)), binomial_bounds(exact, k, n, p, outputs[0].dtype.name)
    return entry_errors(NAMES, found, exact, bounds, epsilon(outputs), limit=1.5, oracle=True)


def binomial_bounds(
    exact: Sequence[np.ndarray], k: np.ndarray, n: np.ndarray, p: np.ndarray, dtype: str
) -> tuple[np.ndarray, ...]:
    """How far roundings may move every value, in eps.

    log f: those of three S and two D, ``stirling_bound`` and ``deviance_bound``; 1 - p and its product
    with n are rounded, which makes two roundings of m. What is left of k - n p, which is at most
    |k - n p| + n / 4096, is rounded twice, and so is the product of n and p0. Partial sums of S are
    rounded, and D1 + D2 and log f, of which the former is at most |log f|.

    F: 1 - p is rounded, and F moves by (n - k) f for a relative change of 1 - p, half an eps. More is
    the library's: I is ``x^a (1 - x)^b / (a B(a, b))`` times a continued fraction for x = 1 - p below
    (a + 1) / (a + b + 2), otherwise 1 less that with a and b, and x and 1 - x exchanged (DLMF 8.17.22).
    XLA takes the factor from its logarithm, so that its functions' errors (``ROUGH``) count in full:

        |a log x| + c |b log1p(-x)| + g (|log Gamma(a)| + |log Gamma(b)| + |log Gamma(a + b)| + 6)

    and as many eps again as it takes steps of the fraction, since the last of them are a multiplication
    by 1 up to rounding until every entry has converged. Boost, which SciPy calls, is nearer.
    """
    x, trials = k.astype(float), n.astype(float)
    rest, q, d = trials - x, 1 - p, np.abs(x - trials * p)
    lost = d + trials / BASE
    of_n, of_k, of_rest = (stirling_size(count) for count in (n, k, n - k))
    sums = np.abs(of_n - of_k) + np.abs(of_n - of_k - of_rest) + 2 * np.abs(exact[0])
    density = sum(map(stirling_bound, (of_n, of_k, of_rest))) + sums / 2
    for count, mean in ((x, trials * p), (rest, trials * q)):
        density = density + deviance_bound(count, mean, lost, 2)
    rough = ROUGH[dtype]
    direct = q * (trials + 3) < rest + 1
    a, b, t = np.where(direct, rest, x + 1), np.where(direct, x + 1, rest), np.where(direct, q, p)
    factor = a * np.abs(np.log(t)) + rough["log1p"] * b * np.abs(np.log1p(-t))
    for count in (x, np.maximum(rest - 1, 0), trials):
        factor = factor + rough["lgamma"] * (np.abs(log_factorial(count)) + 2)
    part = np.where(direct, exact[1], 1 - exact[1])
    library = (factor + rough["steps"]) * part + exact[1] + rough["least"]
    moved = rest * np.exp(exact[0]) / 2
    return density, np.where(k < n, moved + library, 0.0)


def poisson_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], k: np.ndarray, rate: np.ndarray
) -> Errors:
    """Every value against ``poisson_bounds``, one pair an output. Limit 3/2, as for ``bernoulli``."""
    n = k.shape[0]
    found, bounds = widened(outputs, (n,), (n,)), poisson_bounds(exact, k, rate, outputs[0].dtype.name)
    return entry_errors(NAMES, found, exact, bounds, epsilon(outputs), limit=1.5, oracle=True)


def poisson_bounds(
    exact: Sequence[np.ndarray], k: np.ndarray, rate: np.ndarray, dtype: str
) -> tuple[np.ndarray, ...]:
    """How far roundings may move every value, in eps.

    log f: those of S and D, ``stirling_bound`` and ``deviance_bound``, k - rate being rounded once.

    F: the library's. With a = k + 1 and x = rate, Q is ``x^a exp(-x) / Gamma(a)`` times a continued
    fraction for x from a on, otherwise 1 less that times a series (DLMF 8.9.2, 8.11.4). XLA takes the
    factor from its logarithm, so that its functions' errors (``ROUGH``) count in full:

        2 |a log x| + x + g (|log Gamma(a)| + 2)

    in which a product and a sum are rounded, too; series and fraction end where the next step is 1 to
    rounding, each after about sqrt(a) steps of independent roundings, which is less than 8 eps and the
    factor's share. SciPy and PyTorch have expansions without such a factor where a is large.
    """
    x = k.astype(float)
    size = stirling_size(k)
    density = stirling_bound(size) + np.abs(exact[0]) / 2
    density = density + deviance_bound(x, rate, np.abs(x - rate) / 2, 0)
    rough = ROUGH[dtype]
    factor = 2 * (x + 1) * np.abs(np.log(rate)) + rate + rough["lgamma"] * (np.abs(log_factorial(x)) + 2)
    part = np.where(rate < x + 1, 1 - exact[1], exact[1])
    return density, (factor + 8) * part + exact[1] + rough["least"]


def stirling_size(k: np.ndarray) -> np.ndarray:
    """S(k), nearly."""
    size: np.ndarray = np.where(k > 0, np.log(2 * math.pi * np.maximum(k, 1)) / 2, 0.0)
    return size


def stirling_bound(size: np.ndarray) -> np.ndarray:
    """Of S: a logarithm good to 4 eps of twice the size, halved, its argument rounded, and the sum."""
    bound: np.ndarray = 4.5 * size + 0.5
    return bound


def deviance_bound(x: np.ndarray, m: np.ndarray, lost: np.ndarray, rounded: int) -> np.ndarray:
    """Of D, in eps, where d is off by ``lost`` eps and m is ``rounded`` so many times.

    D moves by 2 |v| for a change of d in the series; its sum of x and m, quotient, product and sum and
    those of the second term, which is below a tenth of d, make 3 eps, each rounding of m half an eps. In
    the definition x moves by half an eps for x / m and each rounding of m, the logarithm is good to 4
    eps, and the product, d and the difference are rounded or off.
    """
    d = np.abs(x - m)
    v = d / (x + m)
    logarithm = x * np.abs(np.log(np.maximum(x, 1e-300) / m))
    size = np.abs(np.where(x < m, d - logarithm, logarithm - d))
    near = (3 + rounded / 2) * size + 2 * v * lost
    far = (1 + rounded) / 2 * x + 4.5 * logarithm + lost + size / 2
    bound: np.ndarray = np.where(v < CENTRE, near, far)
    return bound


def log_factorial(k: np.ndarray) -> np.ndarray:
    import scipy.special

    logarithm: np.ndarray = scipy.special.gammaln(k + 1)
    return logarithm


Kernel(
    compute=bernoulli,
    inputs=bernoulli_inputs,
    reference=bernoulli_reference,
    errors=bernoulli_errors,
    traffic=lambda itemsize, n: (8 + 3 * itemsize) * n,
    sizes={
        "small": {"n": 1024},
        "medium": {"n": 131072},
        "large": {"n": 8388608},
        "huge": {"n": 67108864},
    },
    chapter="probability",
)

Kernel(
    compute=binomial,
    inputs=binomial_inputs,
    reference=binomial_reference,
    errors=binomial_errors,
    traffic=lambda itemsize, m: (16 + 3 * itemsize) * m,
    sizes={
        "small": {"m": 64},
        "medium": {"m": 4096},
        "large": {"m": 262144},
        "huge": {"m": 8388608},
    },
    chapter="probability",
)

Kernel(
    compute=poisson,
    inputs=poisson_inputs,
    reference=poisson_reference,
    errors=poisson_errors,
    traffic=lambda itemsize, n: (8 + 3 * itemsize) * n,
    sizes={
        "small": {"n": 128},
        "medium": {"n": 8192},
        "large": {"n": 524288},
        "huge": {"n": 16777216},
    },
    chapter="probability",
)
