"""How fast, and how exactly, is a mixture of normal distributions fitted?"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

REGULARIZATION = 1e-6
"""What variances get in every step: ``reg_covar`` in scikit-learn's GaussianMixture."""

MEMBERS = 4
"""Samples a component takes, times d + 1, for a covariance to speak of."""

PROBED = 2048
"""Samples of a trajectory that is disturbed to see what becomes of rounding errors."""

PROBES = 12
DISTURBANCE = 1e-7


def gmm_em(xp: Array, x: Array, means: Array, *, steps: int) -> tuple[Array, Array, Array, Array]:
    """A mixture of normal distributions by expectation and maximisation, with full covariances.

    From equal weights w_k = 1/K, the means given and unit covariances S_k = 1, as many steps of

        s_ik = log w_k - d/2 log(2 pi) - sum_j log L_k,jj - 1/2 |L_k^-1 (x_i - m_k)|^2,  L_k L_k' = S_k
        l = 1/n sum_i log sum_k exp(s_ik),    r_ik = exp(s_ik - log sum_k exp(s_ik)),   n_k = sum_i r_ik
        w_k <- n_k / n,    m_k <- 1/n_k sum_i r_ik x_i
        S_k <- 1/n_k sum_i r_ik (x_i - m_k)(x_i - m_k)' + 1e-6,    with the new m_k

    where L_k is lower triangular and 1e-6 is added to the diagonal. l is the mean log-likelihood of the
    parameters that a step begins with; it rises from step to step, but for what 1e-6 takes.

    x (n, d), means (K, d) -> w (K,), m (K, d), S (K, d, d), l (steps,);
    steps (n K (4 d^2 + 8 d + 10) + 7/3 K d^3) flops, with functions for one.
    Dempster, Laird & Rubin, J. R. Stat. Soc. B 39, 1977; Bishop, Pattern Recognition and Machine
    Learning, section 9.2.2.
    """
    (n, d), clusters = x.shape, means.shape[0]
    features = xp.contiguous(x.T)
    unit = xp.eye(d, dtype=x.dtype)
    constant = d / 2 * math.log(2 * math.pi)

    def centred(m: Array) -> Array:
        """Features of all samples about every mean: (K, d, n)."""
        return features[None, :, :] - m[:, :, None]

    def step(state: tuple[Array, ...], _: Array) -> tuple[tuple[Array, ...], Array]:
        w, m, s = state
        inverse = xp.linalg.inv(xp.linalg.cholesky(s))
        y = inverse @ centred(m)
        level = xp.log(w) + xp.sum(xp.log(xp.linalg.diagonal(inverse)), axis=1) - constant
        joint = level[:, None] - xp.sum(y * y, axis=1) / 2
        total = xp.logsumexp(joint, axis=0)
        r = xp.exp(joint - total)
        counts = xp.sum(r, axis=1)
        m = r @ x / counts[:, None]
        c = centred(m)
        s = (r[:, None, :] * c) @ xp.matrix_transpose(c) / counts[:, None, None]
        return (counts / n, m, s + REGULARIZATION * unit), xp.mean(total)

    w = xp.full((clusters,), 1 / clusters, dtype=x.dtype)
    s = xp.broadcast_to(unit, (clusters, d, d))
    (w, m, s), likelihoods = xp.scan(step, (w, means, s), xp.arange(steps))
    return w, m, s, likelihoods


def inputs(
    rng: np.random.Generator, n: int, d: int, clusters: int, steps: int
) -> tuple[np.ndarray, ...]:
    """Clouds of unlike sizes and shapes that overlap, and means some way off their own.

    Every shape has standard deviations from 0.6 to 1.6, along axes of its own. The middles are 1.5
    times a normal draw in every feature, over the fourth root of d / 4.
    """
    if n < MEMBERS * clusters * (d + 1):
        raise Unsupported(
            f"of n={n} samples {clusters} covariances of {d} features are not to be had: n must be "
            f"{MEMBERS * clusters * (d + 1)}"
        )
    middles = 1.5 / (d / 4) ** 0.25 * rng.standard_normal((clusters, d))
    prior = np.linspace(2, 1, clusters) / np.sum(np.linspace(2, 1, clusters))
    of = rng.choice(clusters, size=n, p=prior)
    x = np.empty((n, d))
    for k, middle in enumerate(middles):
        axes = np.linalg.qr(rng.standard_normal((d, d))).Q
        rows = np.flatnonzero(of == k)
        x[rows] = middle + rng.standard_normal((rows.size, d)) * np.linspace(0.6, 1.6, d) @ axes
    return x, middles + 0.5 * rng.standard_normal((clusters, d))


def reference(x: np.ndarray, means: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
    """SciPy's densities, which come from eigenvalues, and NumPy's weighted covariances."""
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    (n, d), clusters = x.shape, len(means)
    w, m, s = np.full(clusters, 1 / clusters), means, np.broadcast_to(np.eye(d), (clusters, d, d))
    likelihoods, joint = np.empty(steps), np.empty((clusters, n))
    features = np.ascontiguousarray(x.T)  # whose sums NumPy takes by halves, with next to no error
    for t in range(steps):
        for k in range(clusters):
            joint[k] = np.log(w[k]) + multivariate_normal(m[k], s[k]).logpdf(x)
        total = logsumexp(joint, axis=0)
        r = np.exp(joint - total)
        likelihoods[t] = np.mean(total)
        w = np.mean(r, axis=1)
        m = np.stack([np.average(features, axis=1, weights=one) for one in r])
        every = [np.cov(features, aweights=one, ddof=0) for one in r]
        s = np.reshape(every, (clusters, d, d)) + REGULARIZATION * np.eye(d)
    return w, m, s, likelihoods


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    means: np.ndarray,
    steps: int,
) -> Errors:
    """The norms of errors over what ``rounding_deviations`` finds rounding to make of them.

    ``weights``, ``means`` and ``covariances`` are ||w - w64||, ||m - m64|| and ||S - S64||, Frobenius
    norms, ``likelihoods`` the largest error of an l, each over its root mean square. Limit 4 of these.
    ``falls`` counts the steps from which the likelihood falls by more than its limit: with exact
    arithmetic there is none (Dempster, Laird & Rubin, theorem 1). Limit 0.
    """
    clusters, d = means.shape
    w, m, s, likelihoods = widened(outputs, (clusters,), (clusters, d), (clusters, d, d), (steps,))
    eps = epsilon(outputs)
    deviations = rounding_deviations(x, means, steps)
    pairs = {
        name: (largest_ratio(np.linalg.norm(one - other), np.linalg.norm(deviation)) / eps, 4.0)
        for name, one, other, deviation in zip(
            ("weights", "means", "covariances"), (w, m, s), exact, deviations, strict=False
        )
    }
    falls = likelihoods[:-1] - likelihoods[1:] > 4 * eps * deviations[3][1:]
    return {
        **pairs,
        "likelihoods": (largest_ratio(likelihoods - exact[3], deviations[3]) / eps, 4.0),
        "falls": (float(np.count_nonzero(falls)), 0.0),
    }


def rounding_deviations(x: np.ndarray, means: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
    """The errors of all outputs, root mean square, in eps, as a trajectory in float64 shows them.

    A rounding error of one step goes through all later ones, which enlarge it or let it fade, by factors
    that only the trajectory itself knows (Dempster, Laird & Rubin, 1977, section 3, on its end). So
    twelve trajectories are disturbed in every step by normal errors of the sizes that rounding has, and
    compared with one that is not: a Monte Carlo arithmetic (Parker, Pierce & Eggert, Computing in
    Science and Engineering 2, 2000), with the errors of sums in place of those of single operations.
    Of more than 2048 samples it takes 2048.
    """
    rng = np.random.default_rng(len(x))
    some = x[evenly_spaced(len(x), PROBED)]
    plain = disturbed(some, means, steps, len(x), lambda scale: 0.0 * scale)
    squares = [np.zeros_like(output) for output in plain]
    for _ in range(PROBES):

        def noise(scale: Any) -> Any:
            return DISTURBANCE * scale * rng.standard_normal(np.shape(scale))

        for square, one, other in zip(
            squares, disturbed(some, means, steps, len(x), noise), plain, strict=True
        ):
            square += np.square((one - other) / DISTURBANCE) / PROBES
    return tuple(np.sqrt(square) for square in squares)


def disturbed(
    x: np.ndarray, means: np.ndarray, steps: int, n: int, noise: Callable[[Any], Any]
) -> tuple[np.ndarray, ...]:
    """The steps in float64, with ``noise(scale)`` on whatever errs by ``scale`` eps.

    One operation errs by sqrt(1/12) of its result, a sum of l terms by sqrt(l) / 6 of its value and by
    sqrt(l) / 4 of the norm of its terms' deviations (Higham & Mary, SIAM J. Sci. Comput. 42, 2020).
    Entries (i, j) of S are decomposed as if off by (sqrt(d) / 4 + 1) sqrt(S_ii S_jj), as |L| |L'| is no
    more than that (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 10.3, with
    sqrt(d) for d), and inverted with a residual W L - 1 of (sqrt(d) / 4 + 1) |W| |L| (section 14.2).
    With y = W c and q = |y|^2 the square of the error that an s_ik has on its own is

        (d / 16 + 1/6) sum_j y_j^2 sum_l W_jl^2 c_l^2 + (d / 144 + 1/16) q^2 + (s^2 + l^2) / 6 + 1/4,

    1/4 for exp and log. Sums over all ``n`` samples, of which ``x`` may hold fewer, err by

        n_k           sqrt(n) / 6 n_k
        m_kj          sqrt(n) / 6 |m_kj|, sqrt(n / n_k) / 4 sqrt(S_jj), and |m_kj| / 2
        S_k,ij        sqrt(n) / 6 |S_ij| and (sqrt(3 n / n_k) / 4 + 1/2) sqrt(S_ii S_jj)
        l             sqrt(n) / 6 |l| and 1/4 of the standard deviation of its terms

    and what every sample errs by on its own is averaged over as many.
    """
    (held, d), clusters = x.shape, len(means)
    fewer, sums = math.sqrt(held / n), math.sqrt(n) / 6
    w, m = np.full(clusters, 1 / clusters), means
    s = np.broadcast_to(np.eye(d), (clusters, d, d))
    likelihoods = np.empty(steps)
    for t in range(steps):
        joint, own = np.empty((held, clusters)), np.empty((held, clusters))
        for k in range(clusters):
            sizes = np.sqrt(np.outer(np.diagonal(s[k]), np.diagonal(s[k])))
            error = noise((math.sqrt(d) / 4 + 1) * sizes)
            lower = np.linalg.cholesky(s[k] + (error + error.T) / math.sqrt(2))
            inverse = np.linalg.inv(lower)
            residual = noise((math.sqrt(d) / 4 + 1) * np.abs(inverse) @ np.abs(lower))
            c = x - m[k]
            y = c @ (inverse + residual @ inverse).T
            q = np.sum(y**2, axis=1)
            level = np.log(w[k]) - np.sum(np.log(np.diagonal(lower))) - d / 2 * math.log(2 * math.pi)
            joint[:, k] = level - q / 2
            own[:, k] = (d / 16 + 1 / 6) * np.sum(y**2 * (c**2 @ (inverse**2).T), axis=1)
            own[:, k] += (d / 144 + 1 / 16) * q**2 + joint[:, k] ** 2 / 6 + 1 / 4
        top = np.max(joint, axis=1, keepdims=True)
        total = top + np.log(np.sum(np.exp(joint - top), axis=1, keepdims=True))
        joint = joint + noise(fewer * np.sqrt(own + total**2 / 6))
        total = top + np.log(np.sum(np.exp(joint - top), axis=1, keepdims=True))
        r = np.exp(joint - total)
        mean = np.mean(total)
        likelihoods[t] = mean + noise(sums * mean) + noise(np.std(total) / 4)
        share = np.mean(r, axis=0)
        m = (r.T @ x) / (held * share[:, np.newaxis])
        every = []
        for k in range(clusters):
            c = x - m[k]
            one = (c * r[:, k : k + 1]).T @ c / (held * share[k])
            variances = np.diagonal(one)
            sizes = np.sqrt(np.outer(variances, variances))
            m[k] += noise(sums * m[k]) + noise(m[k] / 2)
            m[k] += noise(np.sqrt(variances / share[k]) / 4)
            error = noise(np.hypot(sums * one, (math.sqrt(3 / share[k]) / 4 + 1 / 2) * sizes))
            every.append(one + np.tril(error) + np.tril(error, -1).T + REGULARIZATION * np.eye(d))
        error = noise(sums * share)
        w, s = share + error, np.stack(every)
        m = m * (1 - np.reshape(error / share, (-1, 1)))
        s = s * (1 - np.reshape(error / share, (-1, 1, 1)))
    return w, m, s, likelihoods


Kernel(
    compute=gmm_em,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, d, clusters, steps: steps * clusters * (n * (4 * d**2 + 8 * d + 10) + 7 * d**3 / 3),
    traffic=lambda itemsize, n, d, clusters, steps: (
        itemsize * (n * d + 2 * clusters * d + clusters + clusters * d**2 + steps)
    ),
    sizes={
        "small": {"n": 128, "d": 2, "clusters": 2, "steps": 3},
        "medium": {"n": 2048, "d": 8, "clusters": 4, "steps": 10},
        "large": {"n": 32768, "d": 16, "clusters": 8, "steps": 10},
        "huge": {"n": 131072, "d": 32, "clusters": 16, "steps": 10},
    },
    static=("steps",),
    chapter="models",
)
