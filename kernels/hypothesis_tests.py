"""How fast, and how exactly, is it tested whether two samples have the same mean?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, entry_errors, epsilon, largest_ratio, mean_bound, widened
from xpbench.bench.kernel import Array, Errors

MARGIN = 64 * np.finfo(np.float32).eps
"""How near a difference of permuted samples may come to the observed one, in deviations of the data."""


def t_test(xp: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Welch's test of equal means, for many pairs of samples at once.

        t = (m_a - m_b) / sqrt(v_a + v_b),    v = s^2 / n,    s^2 = sum_i (x_i - m)^2 / (n - 1)
        dof = (v_a + v_b)^2 / (v_a^2 / (n - 1) + v_b^2 / (k - 1))
        p = P(|T| >= |t|) = I_x(dof / 2, 1/2) = 1 - I_{1-x}(1/2, dof / 2),    x = dof / (dof + t^2)

    with T of Student's distribution and the regularised incomplete beta function I. The first form of p
    is taken from t^2 = 2 on, the second, which does not cancel in 1 - x = t^2 / (dof + t^2), below.

    a (m, n), b (m, k) with a pair of samples in every row -> t (m,), dof (m,), p (m,);
    4 m (n + k) flops, without what is done once for every row.
    Welch, Biometrika 34, 1947; NIST Digital Library of Mathematical Functions, section 8.17.
    """

    def mean_and_its_variance(x: Array) -> tuple[Array, Array]:
        n = x.shape[1]
        mean = xp.mean(x, axis=1, keepdims=True)
        return mean[:, 0], xp.sum((x - mean) ** 2, axis=1) / (n * (n - 1))

    mean_a, v_a = mean_and_its_variance(a)
    mean_b, v_b = mean_and_its_variance(b)
    v = v_a + v_b
    t = (mean_a - mean_b) / xp.sqrt(v)
    dof = v * v / (v_a * v_a / (a.shape[1] - 1) + v_b * v_b / (b.shape[1] - 1))
    total, half = dof + t * t, xp.ones_like(t) / 2
    # The function is what takes the time: it is asked once, for whichever form is taken.
    near = t * t < 2
    a, b = xp.where(near, half, dof / 2), xp.where(near, dof / 2, half)
    found = xp.special.betainc(a, b, xp.where(near, t * t, dof) / total)
    return t, dof, xp.where(near, 1 - found, found)


def permutation_test(xp: Array, x: Array, members: Array) -> tuple[Array, Array]:
    """The difference of two samples' means, and how often permuted samples differ as much, many at once.

        D_rj = 1/k sum_i g_ri x_ij - 1/(n - k) sum_i (1 - g_ri) x_ij,    r = 0 ... R
        p_j = #{r : |D_rj| >= |D_0j|} / (R + 1)

    Row 0 of g marks the k members of the first sample, the others are permutations of it; the observed
    difference counts as one of them, so that p is a valid p-value.

    x (n, d), members g (R + 1, n) of 0 and 1 with k ones in every row -> D_0 (d,), p (d,);
    2 (R + 1) n d flops.
    Ernst, Statistical Science 19, 2004; Phipson & Smyth, Statistical Applications in Genetics and
    Molecular Biology 9, 2010, for the observed one's part in p.
    """
    n, k = x.shape[0], xp.sum(members[0, :])
    # Of centred data the sums of the two samples cancel, and one says all.
    centred = x - xp.mean(x, axis=0)
    differences = members @ centred * (n / (k * (n - k)))
    observed = differences[0, :]
    as_large = xp.astype(xp.abs(differences) >= xp.abs(observed), x.dtype)
    return observed, xp.mean(as_large, axis=0)


def pairs_of_samples(rng: np.random.Generator, m: int, n: int, k: int) -> tuple[np.ndarray, ...]:
    """Normal samples of any scale; in every second pair with means up to three deviations apart."""
    if min(n, k) < 2:
        raise Unsupported("of a single draw there is no variance: n and k must be 2 or more")
    scales = np.exp(0.5 * rng.standard_normal((2, m, 1)))
    shift = np.where(np.arange(m) % 2, rng.uniform(0, 3, m), 0)[:, np.newaxis]
    location = rng.standard_normal((m, 1))
    a, b = rng.standard_normal((m, n)), rng.standard_normal((m, k))
    return scales[0] * (a + shift + location), scales[1] * b + scales[0] * location


def permuted_samples(rng: np.random.Generator, n: int, d: int, r: int) -> tuple[np.ndarray, ...]:
    """Two equally large samples of normal variables, up to 4 standard errors apart, and r permutations.

    Variables are drawn again where a permuted difference is as large as the observed one but for
    rounding errors: which is larger is not a question of precision.
    """
    if n < 2:
        raise Unsupported("two samples take two members: n must be 2 or more")
    k = n // 2
    first = np.arange(n) < k
    members = np.stack([first, *(rng.permutation(first) for _ in range(r))]).astype(float)
    shift = np.outer(first, rng.uniform(0, 8 / np.sqrt(n), d))
    x = shift + rng.standard_normal((n, d))
    unsure = np.arange(d)
    while unsure.size:
        x[:, unsure] = shift[:, unsure] + rng.standard_normal((n, unsure.size))
        near = _near(x[:, unsure], members)
        unsure = unsure[near]
    return x, members


def _near(x: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Which variables have a permuted difference within a margin of the observed one, and not it."""
    k = members[0].sum()
    d = np.abs(members @ (x - x.mean(axis=0))) * (len(x) / (k * (len(x) - k)))
    apart = np.abs(d - d[0])[~same_split(members)]
    nearest = np.min(apart, axis=0, initial=np.inf)
    near: np.ndarray = nearest <= MARGIN * np.maximum(d[0], 1)
    return near


def t_reference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """SciPy's own test, in float64."""
    import scipy.stats

    found = scipy.stats.ttest_ind(a, b, axis=1, equal_var=False)
    return found.statistic, found.df, found.pvalue


def permutation_reference(x: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means over the members of either sample; the observed ones from sums that are rounded once."""
    n, k = len(x), int(members[0].sum())
    means = members @ x / k, (1 - members) @ x / (n - k)
    sizes = np.abs(means[0] - means[1])
    sizes[same_split(members)] = sizes[0]
    first = members[0] == 1
    observed = [math.fsum(c[first]) / k - math.fsum(c[~first]) / (n - k) for c in x.T]
    return np.array(observed), np.count_nonzero(sizes >= sizes[0], axis=0) / len(members)


def same_split(members: np.ndarray) -> np.ndarray:
    """Which rows make the two samples of row 0, in whatever order."""
    same: np.ndarray = (members == members[0]).all(axis=1) | (members == 1 - members[0]).all(axis=1)
    return same


def t_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], a: np.ndarray, b: np.ndarray
) -> Errors:
    """Every statistic, its degrees of freedom and its p-value against ``t_bounds``."""
    m = len(a)
    found = widened(outputs, (m,), (m,), (m,))
    names = ("statistic", "degrees of freedom", "p-value")
    return entry_errors(names, found, exact, t_bounds(exact, a, b), epsilon(outputs))


def t_bounds(exact: Sequence[np.ndarray], a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """What rounding may add up to in every output (m,), in eps.

    Means and mean squares are off by ``xpbench.mean_bound``; the relative errors of the latter count
    half in t and four times in dof.

    p moves by 2 f(t) for t, where f is Student's density, and by its derivative for dof. The rounding of
    x is as one of (dof + t^2) / t of t, that of 1 - x as one of t. Libraries divide by a beta function
    from logarithms of three gamma functions. By Lanczos's approximation, which is JAX's, each is the
    difference of (z - 1/2) log(z + 6.5) and z + 6.5, of which six roundings are taken: so much of what
    is summed is lost. For t^2 below 3, where the continued fraction of I_x converges slowly, that is the
    other form, 1 - p (NIST Digital Library, 8.17.22).
    """
    import scipy.stats

    t, dof, p = exact
    square = t**2
    means, variances, relative = [], [], []
    for x in (a, b):
        n, d = x.shape[1], x - x.mean(axis=1, keepdims=True)
        mean, second, fourth = x.mean(axis=1), np.mean(d**2, axis=1), np.mean(d**4, axis=1)
        means.append(mean_bound(n, mean, mean**2 + second))
        relative.append(mean_bound(n, second, fourth) / second + 1)
        variances.append(second / (n - 1))
    worst, v = np.maximum(*relative), sum(variances)
    statistic = (means[0] + means[1]) / np.sqrt(v) + np.abs(t) * (worst / 2 + 2)
    degrees = dof * (4 * worst + 4)

    law = scipy.stats.t
    slope = np.abs(law.sf(np.abs(t), dof * 1.001) - law.sf(np.abs(t), dof)) / (0.001 * dof) * 2
    moved = statistic + np.where(square < 2, np.abs(t), (dof + square) / np.maximum(np.abs(t), 1))
    z = np.stack([dof / 2, (dof + 1) / 2, np.full(len(dof), 0.5)])
    gamma = 3 * np.sum(np.abs(z - 0.5) * np.log(z + 6.5) + z + 6.5, axis=0)
    library = gamma * np.where(square < 3, 1 - p, p) + p
    return statistic, degrees, 2 * law.pdf(t, dof) * moved + slope * degrees + library


def permutation_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray, members: np.ndarray
) -> Errors:
    """Every observed difference against ``difference_bounds``, and every p-value to the last place.

    P-values are counts over R + 1, which a division or a product with the reciprocal rounds.
    """
    d = x.shape[1]
    observed, p = widened(outputs, (d,), (d,))
    if exact is None:
        exact = permutation_reference(x, members)
    bounds = difference_bounds(exact[0], x, members)
    eps = epsilon(outputs)
    return {
        "differences": (largest_ratio(observed - exact[0], bounds) / eps, 1.0),
        "p-values": (largest_ratio(p - exact[1], exact[1]) / eps, 2.0),
    }


def difference_bounds(observed: np.ndarray, x: np.ndarray, members: np.ndarray) -> np.ndarray:
    """What rounding may add up to in every observed difference (d,), in eps.

    The mean m of n values is off by 0.3 eps sqrt(n m^2 / 3 + q / 2), in the root mean square, where q is
    their mean square, and moves the difference by n / (n - k) of that. The sum of the k members' centred
    values is a walk of deviation s that drifts to its value: n roundings of its partial sums are
    0.3 eps sqrt(n (k s^2 / 2 + sum^2 / 3)). Five times both, an eps of m and two of the difference.
    """
    n, k = len(x), members[0].sum()
    share = n / (k * (n - k))
    m, q, variance = np.mean(x, axis=0), np.mean(x**2, axis=0), np.var(x, axis=0)
    mean = 1.5 * np.sqrt(n * m**2 / 3 + q / 2) + np.abs(m)
    walk = 1.5 * np.sqrt(n * (k * variance / 2 + (observed / share) ** 2 / 3))
    bounds: np.ndarray = share * (walk + k * mean) + 2 * np.abs(observed)
    return bounds


Kernel(
    compute=t_test,
    inputs=pairs_of_samples,
    reference=t_reference,
    errors=t_errors,
    flops=lambda m, n, k: 4 * m * (n + k),
    traffic=lambda itemsize, m, n, k: itemsize * (m * (n + k) + 3 * m),
    sizes={
        "small": {"m": 16, "n": 16, "k": 12},
        "medium": {"m": 2048, "n": 32, "k": 24},
        "large": {"m": 131072, "n": 32, "k": 24},
        "huge": {"m": 1048576, "n": 64, "k": 48},
    },
    chapter="statistics",
)

Kernel(
    compute=permutation_test,
    inputs=permuted_samples,
    reference=permutation_reference,
    errors=permutation_errors,
    flops=lambda n, d, r: 2 * (r + 1) * n * d,
    traffic=lambda itemsize, n, d, r: itemsize * (n * d + (r + 1) * n + 2 * d),
    sizes={
        "small": {"n": 32, "d": 8, "r": 99},
        "medium": {"n": 128, "d": 64, "r": 999},
        "large": {"n": 512, "d": 512, "r": 9999},
        "huge": {"n": 2048, "d": 4096, "r": 9999},
    },
    chapter="statistics",
)
