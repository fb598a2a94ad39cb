"""How fast, and how exactly, are probabilities conditioned on what was seen?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, entry_errors, epsilon, evenly_spaced, widened
from xpbench.bench.kernel import Array, Errors

DRAWS_PER_CELL = 16
SAMPLED_CASES = 16


def conditional_probability(xp: Array, p: Array) -> tuple[Array, Array]:
    """Both conditional distributions of a joint distribution of two discrete variables.

        p(b_j | a_i) = p_ij / sum_k p_ik,    p(a_i | b_j) = p_ij / sum_k p_kj

    p (m, n), every row and every column of which has an entry above 0 -> p(b | a) (m, n), with a
    distribution in every row, p(a | b) (m, n), with one in every column; 4 m n flops.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 6.2.
    """
    return p / xp.sum(p, axis=1, keepdims=True), p / xp.sum(p, axis=0, keepdims=True)


def bayes_posterior(
    xp: Array, x: Array, log_prior: Array, log_true: Array, log_false: Array
) -> tuple[Array, Array]:
    """Bayes' theorem for many cases of binary evidence, in logarithms.

        log p(h_k | x_i) = s_ik - log p(x_i),    log p(x_i) = log sum_k exp(s_ik)
        s_ik = log p(h_k) + sum_j (x_ij log p(x_j = 1 | h_k) + (1 - x_ij) log p(x_j = 0 | h_k))

    where items of evidence are independent, given the hypothesis. The sum over j is taken as that of the
    second logarithms and one matrix product of x with their differences.

    Evidence x (n, t) of 0 and 1, log-prior (h,), log_true (t, h) and log_false (t, h) -> the posterior's
    logarithm (n, h), the evidence's (n,); 2 n t h + 2 t h + 6 n h flops, functions counted as one.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 6.3; Murphy, Probabilistic
    Machine Learning: An Introduction, section 2.3.
    """
    none = log_prior + xp.sum(log_false, axis=0)
    s = none + x @ (log_true - log_false)
    evidence = xp.logsumexp(s, axis=1, keepdims=True)
    return s - evidence, evidence[:, 0]


def joint_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """The relative frequencies of draws, of which there is a power of 2: 16 a cell and more.

    Such numbers and their sums along rows and columns are exact in float32, in whatever order.
    """
    total = 2 ** math.ceil(math.log2(DRAWS_PER_CELL * m * n))
    p = rng.uniform(0.2, 1, (m, n)) * rng.uniform(0.2, 1, (m, 1))
    counts = rng.multinomial(total - m * n, p.ravel() / p.sum()).reshape(m, n) + 1
    return (counts / total,)


def evidence_inputs(rng: np.random.Generator, n: int, t: int, h: int) -> tuple[np.ndarray, ...]:
    """Cases drawn from the model itself, and probabilities that leave more than one hypothesis.

    The probability of an item differs by about 0.7 / sqrt(t) from one hypothesis to another.
    """
    if h < 2:
        raise Unsupported("a single hypothesis has the posterior 1: h must be 2 or more")
    prior = rng.dirichlet(np.full(h, 2.0))
    logits = rng.standard_normal((t, 1)) + 2 / math.sqrt(t) * rng.standard_normal((t, h))
    truth = rng.choice(h, size=n, p=prior)
    x = rng.random((n, t)) < (1 / (1 + np.exp(-logits.T)))[truth]
    return x.astype(np.float64), np.log(prior), -np.log1p(np.exp(-logits)), -np.log1p(np.exp(logits))


def joint_reference(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """Quotients of integers: p is a multiple of a power of 1/2."""
    unit = 2.0**-52
    while not np.array_equal(np.round(p / unit) * unit, p):
        unit /= 2
    counts = np.round(p / unit)
    return tuple(counts / counts.sum(axis=axis, keepdims=True) for axis in (1, 0))


def evidence_reference(
    x: np.ndarray, log_prior: np.ndarray, log_true: np.ndarray, log_false: np.ndarray
) -> tuple[np.ndarray, ...]:
    """SciPy's logsumexp of sums over what was seen and what was not, which call no BLAS."""
    from scipy.special import logsumexp

    seen = np.einsum("it,ht->ih", x, np.ascontiguousarray(log_true.T))
    unseen = np.einsum("it,ht->ih", 1 - x, np.ascontiguousarray(log_false.T))
    s = log_prior + seen + unseen
    evidence = logsumexp(s, axis=1)
    return s - evidence[:, np.newaxis], evidence


def joint_errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], p: np.ndarray) -> Errors:
    """Every probability to the last place, and none where there is none.

    Sums are exact, so that what remains is a quotient: half an eps of it, one if a compiler multiplies
    by the reciprocal instead; and half an eps of the oracle's, in float64 alone. That is below 2 eps.
    """
    found = widened(outputs, p.shape, p.shape)
    names = ("given a", "given b")
    return entry_errors(names, found, exact, exact, epsilon(outputs), limit=2.0)


def evidence_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    log_prior: np.ndarray,
    log_true: np.ndarray,
    log_false: np.ndarray,
) -> Errors:
    """Every logarithm against ``evidence_bounds``; without the oracle those of 16 cases."""
    n, h = x.shape[0], log_prior.size
    posterior, evidence = widened(outputs, (n, h), (n,))
    cases = np.arange(n)
    if exact is None:
        cases = evenly_spaced(n, SAMPLED_CASES)
        exact = evidence_reference(x[cases], log_prior, log_true, log_false)
    bounds = evidence_bounds(exact, x[cases], log_prior, log_true, log_false)
    found = posterior[cases], evidence[cases]
    return entry_errors(("posterior", "evidence"), found, exact, bounds, epsilon(outputs))


def evidence_bounds(
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    log_prior: np.ndarray,
    log_true: np.ndarray,
    log_false: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """What rounding may add up to in every logarithm of the posterior and of the evidence, in eps.

    Roundings have 0.3 eps of their result in the root mean square. The sum of t logarithms of one sign
    has partial sums up to its value, and that of the product those of a random walk with a drift: with
    d = log_true - log_false and the norm of the entrywise product x_i d_k, in the mean square

        delta_ik^2 = 0.09 (t (sum_j log_false_jk)^2 / 3
                           + t (x_i'd_k)^2 / 3 + t |x_i d_k|^2 / 2 + |x_i d_k|^2).

    Four times that, and one eps of the two sums that make s. The logarithm of the evidence moves by the
    mean of these over the posterior; its own sum of h terms and the functions in it add sqrt(h) / 2 + 2
    eps, and its last rounding half an eps of it. That of the posterior moves by both, and by half an eps
    of itself and of s.
    """
    posterior, evidence = exact
    t, h = log_true.shape
    d, none = log_true - log_false, np.sum(log_false, axis=0)
    norms, sums = x**2 @ d**2, x @ d
    square = t / 3 * none**2 + (t / 2 + 1) * norms + t / 3 * sums**2
    s = posterior + evidence[:, np.newaxis]
    delta = 1.2 * np.sqrt(square) + np.abs(none + log_prior) + np.abs(s)
    moved = np.sum(np.exp(posterior) * delta, axis=1) + math.sqrt(h) / 2 + 2 + np.abs(evidence) / 2
    return delta + moved[:, np.newaxis] + (np.abs(posterior) + np.abs(s)) / 2, moved


Kernel(
    compute=conditional_probability,
    inputs=joint_inputs,
    reference=joint_reference,
    errors=joint_errors,
    flops=lambda m, n: 4 * m * n,
    traffic=lambda itemsize, m, n: 3 * itemsize * m * n,
    sizes={
        "small": {"m": 32, "n": 32},
        "medium": {"m": 1024, "n": 1024},
        "large": {"m": 4096, "n": 4096},
        "huge": {"m": 8192, "n": 8192},
    },
    chapter="probability",
)

Kernel(
    compute=bayes_posterior,
    inputs=evidence_inputs,
    reference=evidence_reference,
    errors=evidence_errors,
    flops=lambda n, t, h: 2 * n * t * h + 2 * t * h + 6 * n * h,
    traffic=lambda itemsize, n, t, h: itemsize * (n * t + h + 2 * t * h + n * h + n),
    sizes={
        "small": {"n": 32, "t": 16, "h": 8},
        "medium": {"n": 2048, "t": 256, "h": 64},
        "large": {"n": 32768, "t": 1024, "h": 256},
        "huge": {"n": 131072, "t": 2048, "h": 1024},
    },
    oracle_flops=1e10,
    chapter="probability",
)
