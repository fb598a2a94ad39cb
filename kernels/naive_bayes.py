"""How fast, and how exactly, is a naive Bayes classifier of normal distributions fitted, and asked?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, entry_errors, epsilon, evenly_spaced, widened
from xpbench.bench.kernel import Array, Errors

SMOOTHING = 1e-9
"""What variances get, of the largest of all features: ``var_smoothing`` in scikit-learn's GaussianNB."""

MEMBERS = 4
"""Samples without which a class has no variance to speak of."""

SAMPLED = 256
"""Rows of a batch that are computed again beyond the oracle's size."""


def gaussian_nb(xp: Array, x: Array, y: Array, t: Array, *, classes: int) -> tuple[Array, Array, Array]:
    """Gaussian naive Bayes: fitted to labelled samples, and the likelihood of others in every class.

        m_kj = 1/n_k sum_(y_i = k) x_ij,    v_kj = 1/n_k sum_(y_i = k) (x_ij - m_kj)^2 + e
        e = 1e-9 max_j s_j,    s_j = sum_k n_k / n (v_kj - e + (m_kj - c_j)^2)
        J_ik = log(n_k / n) - 1/2 sum_j (log(2 pi v_kj) + (t_ij - m_kj)^2 / v_kj)

    with n_k the samples of class k, c the mean of all and s their variances. J is the logarithm of the
    joint probability of t_i and class k. Sums over classes are products with the matrix that is 1 where
    y_i = k. Squares are expanded, about c in place of 0, so that two more products make J:

        (t - m)^2 / v = (t - c)^2 (1 / v) - 2 (t - c) ((m - c) / v) + (m - c)^2 / v

    What cancels is then of the size of the distance between classes, not from the origin.

    x (n, d), y (n,) integers from 0 to classes - 1, of which none is missing, t (m, d) ->
    means (classes, d), variances (classes, d), J (m, classes); (4 n + 4 m) d classes + (5 n + 2 m) d
    flops and some for every class.
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, section 6.6.3; Murphy,
    Probabilistic Machine Learning: An Introduction, section 9.3.
    """
    n = x.shape[0]
    centre = xp.mean(x, axis=0)
    x, t = x - centre, t - centre
    members = xp.astype(y[:, None] == xp.arange(classes, dtype=y.dtype)[None, :], x.dtype)
    counts = xp.sum(members, axis=0)
    mean = members.T @ x / counts[:, None]
    r = x - xp.gather(mean, y)
    variance = members.T @ (r * r) / counts[:, None]
    variance = variance + SMOOTHING * xp.max((counts / n) @ (variance + mean * mean))

    precision = 1 / variance
    weighted = mean * precision
    level = xp.log(counts / n) - xp.sum(xp.log(2 * math.pi * variance) + mean * weighted, axis=1) / 2
    joint = level + t @ weighted.T - (t * t) @ (precision.T / 2)
    return centre + mean, variance, joint


def inputs(rng: np.random.Generator, n: int, m: int, d: int, classes: int) -> tuple[np.ndarray, ...]:
    """Classes of unlike sizes and spreads that overlap, in units that differ by up to ten thousand.

    The smallest unit is that of the first feature, whose variance the smoothing enlarges by a tenth.
    Features stand some of their spreads away from the origin, and the means of classes 2 / sqrt(d) of
    them apart from each other.
    """
    if classes < 2 or n < MEMBERS * classes:
        raise Unsupported(
            f"a classifier takes 2 classes of {MEMBERS} samples or more: n={n},classes={classes}"
        )
    means = 1.5 / math.sqrt(d) * rng.standard_normal((classes, d))
    spreads = rng.uniform(0.5, 1.5, (classes, d))
    units, origin = 10 ** np.linspace(-2, 2, d), 2 * rng.standard_normal(d)

    def samples(y: np.ndarray) -> np.ndarray:
        z: np.ndarray = means[y] + spreads[y] * rng.standard_normal((y.size, d))
        return units * (z + origin)

    prior = rng.dirichlet(np.full(classes, 5.0))
    y, theirs = (rng.choice(classes, size=size, p=prior) for size in (n, m))
    y[: MEMBERS * classes] = np.repeat(np.arange(classes), MEMBERS)
    y = rng.permutation(y).astype(np.int64)
    return samples(y), y, samples(theirs)


def fit(x: np.ndarray, y: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (classes,), means and variances (classes, d), class by class, in float64.

    Means get what is missing from the sum of differences, so that one rounding is left in them.
    """
    smoothing = SMOOTHING * np.max(np.var(x, axis=0))
    of = [np.asfortranarray(x[y == k]) for k in range(classes)]
    shares = np.array([len(one) for one in of]) / len(x)
    means = np.stack([np.mean(one, axis=0) for one in of])
    means += np.stack([np.mean(one - mean, axis=0) for one, mean in zip(of, means, strict=True)])
    return shares, means, np.stack([np.var(one, axis=0) for one in of]) + smoothing


def log_joint(shares: np.ndarray, means: np.ndarray, variances: np.ndarray, t: np.ndarray) -> np.ndarray:
    joint = np.empty((len(t), len(shares)))
    for k, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        distance = np.einsum("ij,ij->i", t - mean, (t - mean) / variance)
        level = math.log(shares[k]) - 0.5 * np.sum(np.log(2 * math.pi * variance))
        joint[:, k] = level - 0.5 * distance
    return joint


def reference(x: np.ndarray, y: np.ndarray, t: np.ndarray, classes: int) -> tuple[np.ndarray, ...]:
    """Class by class, from differences of which nothing cancels."""
    fitted = fit(x, y, classes)
    return fitted[1], fitted[2], log_joint(*fitted, t)


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    t: np.ndarray,
    classes: int,
) -> Errors:
    """Every mean, variance and likelihood against its own error; without the oracle 256 rows of J.

    The errors are those of ``rounding_deviations``, root mean square. Each limit is 6 of them, for the
    largest of many.
    """
    d = x.shape[1]
    means, variances, joint = widened(outputs, (classes, d), (classes, d), (len(t), classes))
    rows = np.arange(len(t))
    if exact is None:
        rows = evenly_spaced(len(t), SAMPLED)
        exact = reference(x, y, t[rows], classes)
    found, names = (means, variances, joint[rows]), ("means", "variances", "joint")
    deviations = rounding_deviations(exact, x, y, t[rows])
    return entry_errors(names, found, exact, deviations, epsilon(outputs), limit=6.0)


def rounding_deviations(
    exact: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What rounding adds up to in means, variances and J, root mean square, in eps: their shapes.

    Rounding errors are taken for independent: that of one operation is sqrt(1/12) of its result, that
    of a sum of l terms sqrt(l) / 6 of its value and sqrt(l) / 4 of the norm of its terms' deviations
    (Higham & Mary, SIAM J. Sci. Comput. 42, 2020). The error of c moves x, t and m alike, and so counts
    for nothing. Centred means m, with w the variances before smoothing, e what it adds, and q^2 =
    w + m^2, err by the squares

        a^2 = n_k m^2 / 36 + w / 16 + m^2 / 6 + q^2 / (12 n_k),       and m + c by (m + c)^2 / 6 more,

    the oracle's last rounding included, which to first order leave the variances alone. Those err by

        b^2 = w^2 (n_k / 36 + 1/8 + 1/6 + (q^2 / w + 3) / (3 n_k)) + e^2 (n / 36 + 1/2) + v^2 / 12

    where 1/8 is for squares, whose norm is sqrt(2) w. With z^2 = (t - m)^2 / v and centred t and m the
    likelihood errs by the sum over features of

        z^2 a^2 / v + (z^2 - 1)^2 b^2 / (4 v^2) + z^2 t^2 / (12 v)
        + (d / 16 + 1/4) (t m / v)^2 + (t^4 + m^4) / (16 v^2)
        + (d / 16 + 1/6) log(2 pi v)^2 / 4 + 1/48

    and by d / 36 of the squares of the four sums themselves (of t^2 / v, m^2 / v and the logarithm,
    halved, and of t m / v), by a third of the squares of the partial sums, and of log(n_k / n) + 1.
    """
    means, variances, joint = exact
    n, d = x.shape
    centre = np.mean(x, axis=0)
    smoothing = SMOOTHING * np.max(np.var(x, axis=0))
    counts = np.bincount(y, minlength=len(means))[:, np.newaxis].astype(np.float64)
    m, w = means - centre, np.maximum(variances - smoothing, 0.0)
    q2 = w + m**2
    a2 = counts * m**2 / 36 + w / 16 + m**2 / 6 + q2 / (12 * counts)
    b2 = w**2 * (counts / 36 + 1 / 8 + 1 / 6) + w * (q2 + 3 * w) / (3 * counts)
    b2 += smoothing**2 * (n / 36 + 1 / 2) + variances**2 / 12

    t, deviation = t - centre, np.empty_like(joint)
    for k, (mean, v, share) in enumerate(zip(m, variances, counts[:, 0] / n, strict=True)):
        z2, log = (t - mean) ** 2 / v, np.log(2 * math.pi * v)
        squares, products, level = t**2 / v, t * mean / v, mean**2 / v
        each = z2 * a2[k] / v + (z2 - 1) ** 2 * b2[k] / (4 * v**2) + z2 * squares / 12
        each += (d / 16 + 1 / 4) * products**2 + (squares**2 + level**2) / 16
        each += (d / 16 + 1 / 6) * log**2 / 4 + 1 / 48
        sums = [np.sum(squares, axis=1) / 2, np.sum(level) / 2, np.sum(log) / 2]
        product, total = np.sum(products, axis=1), np.sum(each, axis=1)
        total += d / 36 * (sum(one**2 for one in sums) + product**2)
        base = math.log(share) - sums[1] - sums[2]
        total += (base**2 + (base + product) ** 2 + joint[:, k] ** 2 + math.log(share) ** 2 + 1) / 3
        deviation[:, k] = np.sqrt(total)
    return np.sqrt(a2 + means**2 / 6), np.sqrt(b2), deviation


Kernel(
    compute=gaussian_nb,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, m, d, classes: 4 * (n + m) * d * classes + (5 * n + 2 * m) * d,
    traffic=lambda itemsize, n, m, d, classes: (
        itemsize * (n * d + m * d + 2 * classes * d + m * classes) + 8 * n
    ),
    sizes={
        "small": {"n": 128, "m": 64, "d": 6, "classes": 3},
        "medium": {"n": 8192, "m": 8192, "d": 32, "classes": 8},
        "large": {"n": 65536, "m": 65536, "d": 64, "classes": 10},
        "huge": {"n": 1048576, "m": 1048576, "d": 64, "classes": 10},
    },
    static=("classes",),
    oracle_flops=5e9,
    chapter="models",
)
