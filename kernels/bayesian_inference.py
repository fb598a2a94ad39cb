"""How fast, and how exactly, are posterior distributions found, in closed form or by a chain?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, entry_errors, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

BLOCK = 4096
LONG_PRODUCT = 2**28
"""Products of so many multiplications are made in float64 where shorter ones are made in more."""
MARGIN = 0.01
"""How near the logarithm of a uniform may come to that of the ratio it is compared with."""


def beta_binomial(
    xp: Array, successes: Array, trials: Array, alpha: Array, beta: Array
) -> tuple[Array, Array, Array]:
    """The posterior of many success probabilities with one Beta prior, and the evidence of the data.

        a = alpha + k,    b = beta + n - k,    mean = a / (a + b)
        deviation = sqrt(a b / (a + b + 1)) / (a + b)
        log evidence = log B(a, b) - log B(alpha, beta),    log B(a, b) = lg a + lg b - lg(a + b)

    with k successes of n trials, and lg the logarithm of the gamma function: the evidence is that of the
    successes in their order, and has no binomial coefficient.

    successes (m,), trials (m,), alpha (), beta () -> mean (m,), deviation (m,), log evidence (m,).
    Gelman, Carlin, Stern, Dunson, Vehtari & Rubin, Bayesian Data Analysis, 3rd ed., section 2.4.
    """

    def log_beta(a: Array, b: Array) -> Array:
        return xp.special.lgamma(a) + xp.special.lgamma(b) - xp.special.lgamma(a + b)

    a, b = alpha + successes, beta + (trials - successes)
    total = a + b
    deviation = xp.sqrt(a * b / (total + 1)) / total
    return a / total, deviation, log_beta(a, b) - log_beta(alpha, beta)


def bayesian_linear_regression(
    xp: Array, x: Array, y: Array, query: Array, prior: Array, noise: Array
) -> tuple[Array, Array, Array]:
    """The posterior of a linear regression with a Gaussian prior, and its predictions.

        A = lambda 1 + beta X'X = L L',    m = beta A^-1 X'y
        prediction at q:    mean q'm,    deviation sqrt(1 / beta + |L^-1 q|^2)

    with coefficients of the prior N(0, 1 / lambda) and noise N(0, 1 / beta).

    x (n, d), y (n,), query (t, d) with a point q in every row, prior lambda (), noise beta () -> m (d,),
    means (t,), deviations (t,); 2 n d^2 + d^3 / 3 + t d^2 flops to the leading order.
    Bishop, Pattern Recognition and Machine Learning, section 3.3; Golub & Van Loan, Matrix Computations,
    4th ed., section 4.2.
    """
    a = noise * (x.T @ x) + prior * xp.eye(x.shape[1], dtype=x.dtype)
    factor = xp.linalg.cholesky(a)
    forward = xp.solve_triangular(factor, noise * (x.T @ y), lower=True)
    m = xp.solve_triangular(factor.T, forward, lower=False)
    whitened = xp.solve_triangular(factor, query.T, lower=True)
    return m, query @ m, xp.sqrt(1 / noise + xp.sum(whitened * whitened, axis=0))


def metropolis(
    xp: Array, x: Array, y: Array, start: Array, moves: Array, logs: Array
) -> tuple[Array, Array, Array]:
    """Samples of a logistic regression's posterior, by Metropolis's random walk, many chains at once.

        log p(w) = -|w|^2 / 2 - sum_i log(1 + exp(-y_i x_i'w)) + const
        w' = w + e_t,    w <- w' if log u_t < log p(w') - log p(w), else w <- w,    t = 1 ... T

    with a standard normal prior. Moves e and the logarithms of uniforms u are inputs.

    x (n, d), y (n,) of -1 and 1, start (c, d) with a chain in every row, moves e (T, c, d),
    logs log u (T, c) -> the last states (c, d), their means over the T steps (c, d), the share of moves
    taken (c,); T c (2 n d + 6 n) flops to the leading order, functions counted as one.
    Metropolis, Rosenbluth, Rosenbluth, Teller & Teller, J. Chem. Phys. 21, 1953; Gelman et al., Bayesian
    Data Analysis, 3rd ed., section 11.2.
    """
    rows = (y[:, None] * x).T

    def log_density(w: Array) -> Array:
        return -xp.sum(w * w, axis=1) / 2 - xp.sum(xp.softplus(-(w @ rows)), axis=1)

    def step(state: tuple[Array, ...], drawn: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        w, density, total, taken = state
        move, log = drawn
        proposed = w + move
        new = log_density(proposed)
        accepted = log < new - density
        w = xp.where(accepted[:, None], proposed, w)
        density = xp.where(accepted, new, density)
        return (w, density, total + w, taken + xp.astype(accepted, w.dtype)), None

    steps, zero = logs.shape[0], xp.zeros_like(logs[0, :])
    state = start, log_density(start), xp.zeros_like(start), zero
    (w, _, total, taken), _ = xp.scan(step, state, (moves, logs))
    return w, total / steps, taken / steps


def counted_inputs(rng: np.random.Generator, m: int) -> tuple[np.ndarray, ...]:
    """Successes of up to 200 trials, one in 16 items without any trial, and a prior as from 5 trials."""
    trials = np.floor(rng.exponential(40, m)).clip(0, 200) * (rng.random(m) > 1 / 16)
    successes = rng.binomial(trials.astype(int), rng.beta(2, 3, m)).astype(float)
    return successes, trials, np.asarray(2.0), np.asarray(3.0)


def regression_inputs(rng: np.random.Generator, n: int, d: int, t: int) -> tuple[np.ndarray, ...]:
    """Normal features of which neighbours have correlation 1/2, coefficients of the prior, noise 1."""
    e = rng.standard_normal((n + t, d + 1))
    features = (e[:, 1:] + e[:, :-1]) / math.sqrt(2)
    x, query = features[:n], features[n:]
    y = x @ rng.standard_normal(d) + rng.standard_normal(n)
    return x, y, query, np.asarray(1.0), np.asarray(1.0)


def chain_inputs(rng: np.random.Generator, n: int, d: int, c: int, steps: int) -> tuple[np.ndarray, ...]:
    """Labels of a logistic model, moves of which about a third are taken, uniforms that leave no doubt.

    Where the logarithm of a uniform is within 0.01 of what it is compared with in float64, it is put
    that far away, on its side: rounding decides nothing.
    """
    x = rng.standard_normal((n, d))
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-x @ rng.standard_normal(d))), 1.0, -1.0)
    moves = rng.standard_normal((steps, c, d)) * (4.5 / math.sqrt(d * (n + 10)))
    logs = np.log(rng.random((steps, c)))
    w = start = 0.1 * rng.standard_normal((c, d))
    density = log_posterior(w, x, y)
    for move, log in zip(moves, logs, strict=True):
        new = log_posterior(w + move, x, y)
        apart = log - (new - density)
        log += np.where(np.abs(apart) < MARGIN, np.where(apart < 0, -MARGIN, MARGIN), 0)
        taken = log < new - density
        w, density = np.where(taken[:, np.newaxis], w + move, w), np.where(taken, new, density)
    return x, y, start, moves, logs


def log_posterior(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Up to a constant, for every row of w."""
    density: np.ndarray = -np.sum(w**2, axis=1) / 2 - np.sum(np.logaddexp(0, -(w @ x.T) * y), axis=1)
    return density


def counted_reference(
    successes: np.ndarray, trials: np.ndarray, alpha: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, ...]:
    """SciPy's Beta distribution and its logarithm of the beta function, in float64."""
    import scipy.special
    import scipy.stats

    a, b = alpha + successes, beta + trials - successes
    evidence = scipy.special.betaln(a, b) - scipy.special.betaln(alpha, beta)
    return scipy.stats.beta.mean(a, b), scipy.stats.beta.std(a, b), evidence


def regression_reference(
    x: np.ndarray, y: np.ndarray, query: np.ndarray, prior: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, ...]:
    """By the singular value decomposition of X, without a Gram matrix, and one step of refinement.

    A decomposition errs by some eps, and so would the deviations: with w near A^-1 q and r = q - A w,
    w'(q + r) is q'A^-1 q but for r'A^-1 r, which is of second order.
    """
    import scipy.linalg

    d = x.shape[1]
    padded = np.concatenate([x, np.zeros((max(d - len(x), 0), d))])
    _, s, vt = scipy.linalg.svd(padded, full_matrices=False)
    precision = prior + noise * s**2
    m = vt.T @ (noise / precision * (vt @ (y @ x)))
    m = m + vt.T @ (vt @ downhill(m, x, y, float(prior), float(noise)) / precision)
    w = (query @ vt.T / precision) @ vt
    short = query.size * len(x) > LONG_PRODUCT
    wide = w.astype(np.float64 if short else np.longdouble)
    residual = query - uphill(wide, x, float(prior), float(noise))
    variances = 1 / noise + np.sum(wide * (query + residual), axis=1)
    return m, np.einsum("td,d->t", query, m), np.sqrt(variances).astype(np.float64)


def downhill(m: np.ndarray, x: np.ndarray, y: np.ndarray, prior: float, noise: float) -> np.ndarray:
    """beta X'(y - X m) - lambda m in the longest floats there are, over blocks of samples."""
    wide = m.astype(np.longdouble)
    total = -prior * wide
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK].astype(np.longdouble)
        total += noise * ((y[start : start + BLOCK] - rows @ wide) @ rows)
    gradient: np.ndarray = total.astype(np.float64)
    return gradient


def uphill(w: np.ndarray, x: np.ndarray, prior: float, noise: float) -> np.ndarray:
    """(beta X'X + lambda 1) w for every row w (t, d), in its own precision, over blocks of samples."""
    total = prior * w
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK].astype(w.dtype)
        total = total + noise * (w @ rows.T) @ rows
    return total


def chain_reference(
    x: np.ndarray, y: np.ndarray, start: np.ndarray, moves: np.ndarray, logs: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same chains in float64, by ratios of densities, from a list of all states."""
    states, w, density = [], start, log_posterior(start, x, y)
    changes = np.zeros(len(start))
    for move, log in zip(moves, logs, strict=True):
        new = log_posterior(w + move, x, y)
        taken = np.exp(log) < np.exp(np.minimum(new - density, 0))
        w, density = np.where(taken[:, np.newaxis], w + move, w), np.where(taken, new, density)
        changes += taken
        states.append(w)
    return w, np.mean(states, axis=0), changes / len(logs)


def counted_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    successes: np.ndarray,
    trials: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
) -> Errors:
    """Mean and deviation to the last places, and every evidence against ``evidence_bounds``.

    Six roundings, half an eps each, make the mean, and ten the deviation, for which the sums count half
    or not at all: 3 eps of either.
    """
    m = len(trials)
    found = widened(outputs, (m,), (m,), (m,))
    bounds = 3 * exact[0], 3 * exact[1], evidence_bounds(exact[2], successes, trials, alpha, beta)
    names = ("mean", "deviation", "evidence")
    return entry_errors(names, found, exact, bounds, epsilon(outputs))


def evidence_bounds(
    evidence: np.ndarray,
    successes: np.ndarray,
    trials: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
) -> np.ndarray:
    """How far roundings may move every logarithm of an evidence (m,), in eps.

    An argument z that is rounded moves lg by half an eps of z log(z + 1). By Lanczos's approximation lg
    is the difference of (z - 1/2) log(z + 6.5) and z + 6.5, of which four roundings are taken; three of
    the sums.
    """
    a, b = alpha + successes, beta + trials - successes
    sizes = []
    for z in (a, b, a + b, alpha, beta, alpha + beta):
        lanczos = np.abs(z - 0.5) * np.log(z + 6.5) + z + 6.5
        sizes.append(2 * lanczos + z * np.log1p(z) / 2)
    bounds: np.ndarray = sum(sizes) + 1.5 * np.abs(evidence)
    return bounds


def regression_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    query: np.ndarray,
    prior: np.ndarray,
    noise: np.ndarray,
) -> Errors:
    """Coefficients in their norm, every prediction against its own bound: ``regression_bounds``."""
    t, d = query.shape
    found = widened(outputs, (d,), (t,), (t,))
    coefficients, means, deviations = regression_bounds(exact, x, y, query, prior, noise)
    eps = epsilon(outputs)
    apart = np.linalg.norm(found[0] - exact[0])
    return {
        "coefficients": (largest_ratio(apart, coefficients) / eps, 1.0),
        "means": (largest_ratio(found[1] - exact[1], means) / eps, 1.0),
        "deviations": (largest_ratio(found[2] - exact[2], deviations) / eps, 1.0),
    }


def regression_bounds(
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    query: np.ndarray,
    prior: np.ndarray,
    noise: np.ndarray,
) -> tuple[Array, np.ndarray, np.ndarray]:
    """What rounding may add up to in the coefficients' norm and in every prediction, in eps.

    A sum of n products errs by 0.3 eps sqrt(n / 3) of its value and 0.3 eps sqrt(n / 2) of the root of
    the sum of their squares, in the root mean square. For A's entries, with s_i^2 = a_ii, it is at most
    0.3 eps sqrt(n (c_ij^2 / 3 + s_i^2 s_j^2 / (2 n))), and Cholesky adds 0.3 eps sqrt(d) s_i s_j, as do
    two triangles (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 10.4, for
    independent roundings): E. The right side, X'y, errs likewise: f.

    m moves by A^-1 (f - E m), predictions by q'A^-1 (f - E m) and by sqrt(d) roundings of their own
    terms, and the square of a deviation by w'E w with w = A^-1 q and by 2 eps. Errors are independent:
    four times their mean square, and an eps of each result.
    """
    n, d = x.shape
    m, means, deviations = exact
    a = noise * (x.T @ x) + prior * np.eye(d)
    inverse = np.linalg.inv(a)
    s2 = np.diag(a)
    squares = 0.09 * (n / 3 * a**2 + (1 / 2 + 3 * d) * np.outer(s2, s2))
    right = 0.09 * noise**2 * (n / 3 * (y @ x) ** 2 + n / 2 * (y**2 @ x**2))
    v2 = squares @ m**2 + right
    w = query @ inverse
    coefficients = 4 * math.sqrt(np.sum(inverse**2 @ v2)) + np.linalg.norm(m)
    terms = np.sum((query * m) ** 2, axis=1)
    predicted = 4 * np.sqrt(w**2 @ v2 + 0.09 * d / 2 * terms) + np.abs(means)
    quadratic = np.sqrt(np.einsum("ti,ij,tj->t", w**2, squares, w**2))
    return coefficients, predicted, 4 * quadratic / deviations + 2 * deviations


def chain_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    start: np.ndarray,
    moves: np.ndarray,
    logs: np.ndarray,
) -> Errors:
    """States after the same decisions, which are sums of moves, and how many of these were taken.

    T additions round states of at most M by 0.3 eps sqrt(T) M in the root mean square, with M their
    largest on the way, and their means by 0.3 eps sqrt(T / 3) M more; five times that, as there are
    many, and an eps of M. ``taken`` is in how many chains another number of moves was taken.
    """
    steps, c, d = moves.shape
    found = widened(outputs, (c, d), (c, d), (c,))
    largest = state_bound(start, moves)
    eps = epsilon(outputs)
    last = (1.5 * math.sqrt(steps) + 1) * largest
    mean = (1.5 * math.sqrt(steps * 4 / 3) + 1) * largest
    return {
        "states": (largest_ratio(found[0] - exact[0], last) / eps, 1.0),
        "means": (largest_ratio(found[1] - exact[1], mean) / eps, 1.0),
        "taken": (float(np.count_nonzero(np.rint(steps * (found[2] - exact[2])))), 0.0),
    }


def state_bound(start: np.ndarray, moves: np.ndarray) -> float:
    """The size of entries that a chain is held against: three deviations of half of its moves."""
    return float(np.max(np.abs(start)) + 3 * np.std(moves) * math.sqrt(len(moves) / 2))


Kernel(
    compute=beta_binomial,
    inputs=counted_inputs,
    reference=counted_reference,
    errors=counted_errors,
    traffic=lambda itemsize, m: itemsize * (5 * m + 2),
    sizes={
        "small": {"m": 256},
        "medium": {"m": 16384},
        "large": {"m": 2097152},
        "huge": {"m": 33554432},
    },
    chapter="statistics",
)

Kernel(
    compute=bayesian_linear_regression,
    inputs=regression_inputs,
    reference=regression_reference,
    errors=regression_errors,
    flops=lambda n, d, t: 2 * n * d**2 + d**3 / 3 + t * d**2,
    traffic=lambda itemsize, n, d, t: itemsize * (n * d + n + t * d + 2 + d + 2 * t),
    sizes={
        "small": {"n": 64, "d": 8, "t": 8},
        "medium": {"n": 2048, "d": 128, "t": 64},
        "large": {"n": 32768, "d": 512, "t": 1024},
        "huge": {"n": 131072, "d": 1024, "t": 4096},
    },
    chapter="statistics",
)

Kernel(
    compute=metropolis,
    inputs=chain_inputs,
    reference=chain_reference,
    errors=chain_errors,
    flops=lambda n, d, c, steps: steps * c * (2 * n * d + 6 * n),
    traffic=lambda itemsize, n, d, c, steps: (
        itemsize * (n * d + n + 3 * c * d + steps * c * (d + 1) + c)
    ),
    sizes={
        "small": {"n": 32, "d": 4, "c": 8, "steps": 8},
        "medium": {"n": 128, "d": 8, "c": 32, "steps": 64},
        "large": {"n": 512, "d": 16, "c": 128, "steps": 256},
        "huge": {"n": 4096, "d": 32, "c": 2048, "steps": 512},
    },
    chapter="statistics",
)
