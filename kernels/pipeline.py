"""How fast, and how exactly, does a whole chain from raw data to a score run in one library?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, real_data, widened
from xpbench.bench.kernel import Array, Errors

MISSING = 0.05
"""The share of entries that are missing."""


def pipeline(
    xp: Array,
    x: Array,
    y: Array,
    permutation: Array,
    left: Array,
    right: Array,
    penalty: Array,
    *,
    train: int,
    classes: int,
) -> tuple[Array, Array, Array, Array]:
    """Split, impute, scale, expand, fit and score: from raw data to the accuracy of a classifier.

        split    rows permutation[:train] of X and y to train on, the others to test
        impute   NaN of column j by the mean of its other entries
        scale    z_ij = (x_ij - m_j) / s_j,  s_j = 1 where a column has no spread
        expand   f_i = (z_i1 ... z_id, z_{i, left_1} z_{i, right_1}, ..., z_{i, left_q} z_{i, right_q})
        fit      (Fc'Fc + penalty 1) W = Fc'Tc,    b = t - f W              on the training rows
        score    S = F W + b,    accuracy = mean_i (argmax_c S_ic = y_i)    on the test rows

    The fill of a column, its mean m and its standard deviation s (over ``train``, not train - 1) are
    those of the training rows, and serve the test rows too. T (train, classes) is 1 where a row is of
    the class and -1 elsewhere; f and t are the means of the columns of F and T, Fc = F - 1 f' and
    Tc = T - 1 t'. It is ridge regression on the classes, one against the rest, by a Cholesky
    decomposition; of equal decisions the first is the label.

    x (n, d) with NaN where missing, y (n,) integers from 0, permutation (n,), left (q,) and right (q,)
    columns to multiply, penalty () -> W (p, classes), b (classes,), S (n - train, classes),
    accuracy (); with p = d + q about 2 train p^2 + p^3 / 3 + 2 n p classes flops.
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, sections 3.4.1, 4.2, 7.10.2 and
    9.6; scikit-learn's SimpleImputer, StandardScaler, PolynomialFeatures and RidgeClassifier.
    """
    x, y = xp.gather(x, permutation), xp.gather(y, permutation)
    fill = fills(xp, x[:train, :])
    x = imputed(xp, x, fill)
    mean, scale = moments(xp, x[:train, :])
    f = expanded(xp, (x - mean) / scale, left, right)
    w, b = fitted(xp, f[:train, :], signs(xp, y[:train], classes, x.dtype), penalty)
    decisions = f[train:, :] @ w + b
    return w, b, decisions, accuracy(xp, decisions, y[train:])


def fills(xp: Array, x: Array) -> Array:
    """The means (d,) of what is not missing in the columns of x (n, d)."""
    missing = xp.isnan(x)
    observed = x.shape[0] - xp.sum(xp.astype(missing, x.dtype), axis=0)
    return xp.sum(xp.where(missing, xp.zeros((), dtype=x.dtype), x), axis=0) / observed


def imputed(xp: Array, x: Array, fill: Array) -> Array:
    """x (n, d) with fill (d,) where it is NaN."""
    return xp.where(xp.isnan(x), fill, x)


def moments(xp: Array, x: Array) -> tuple[Array, Array]:
    """The means (d,) of the columns of x (n, d), and their standard deviations or 1 for 0 (d,)."""
    spread = xp.std(x, axis=0)
    return xp.mean(x, axis=0), xp.where(spread > 0, spread, xp.ones_like(spread))


def expanded(xp: Array, z: Array, left: Array, right: Array) -> Array:
    """z (n, d) and the products of its columns left (q,) and right (q,) beside it: (n, d + q)."""
    # Columns are copied two to four times faster where they are contiguous.
    z = xp.contiguous(z.T)
    return xp.concat([z, xp.gather(z, left) * xp.gather(z, right)]).T


def signs(xp: Array, y: Array, classes: int, dtype: Array) -> Array:
    """1 in the column of the class, -1 in the others: (n, classes)."""
    return 2 * xp.astype(y[:, None] == xp.arange(classes, dtype=y.dtype)[None, :], dtype) - 1


def fitted(xp: Array, f: Array, targets: Array, penalty: Array) -> tuple[Array, Array]:
    """Coefficients (p, classes) and intercepts (classes,) of a ridge regression of targets on f."""
    centre, level = xp.mean(f, axis=0), xp.mean(targets, axis=0)
    f = f - centre
    lower = xp.linalg.cholesky(f.T @ f + penalty * xp.eye(f.shape[1], dtype=f.dtype))
    w = xp.solve_triangular(lower, f.T @ (targets - level), lower=True)
    w = xp.solve_triangular(lower.T, w, lower=False)
    return w, level - centre @ w


def accuracy(xp: Array, decisions: Array, y: Array) -> Array:
    """The share of rows whose largest decision (n, classes) is that of its class (n,)."""
    return xp.mean(xp.astype(xp.argmax(decisions, axis=1) == y, decisions.dtype))


def inputs(
    rng: np.random.Generator,
    n: int,
    d: int,
    crossed: int,
    classes: int,
    train: int,
    breast_cancer: int = 0,
    digits: int = 0,
) -> tuple[np.ndarray, ...]:
    """Measurements of d properties of n cases, of which one in twenty is missing.

    Either features that share a factor, away from the origin and of units that differ by powers of
    ten, with classes by a random function of them and of products of two; or scikit-learn's copy of
    the Wisconsin breast cancer data or of the handwritten digits. ``crossed`` columns are multiplied,
    each with each and with itself: the first ones, of the digits those of the most spread. The penalty
    is train / 100.
    """
    if classes < 2 or not 2 <= train < n:
        raise Unsupported(
            f"a classifier takes 2 classes, 2 rows to train on and 1 to test: "
            f"n={n},train={train},classes={classes}"
        )
    if crossed > d:
        raise Unsupported(f"of d={d} columns no more can be multiplied: crossed={crossed}")
    columns = np.arange(crossed)
    if breast_cancer or digits:
        x, y = real_data("digits" if digits else "breast_cancer", n=n, d=d, classes=classes)
        if digits:
            columns = np.sort(np.argsort(-x.std(axis=0), kind="stable")[:crossed])
    else:
        z = (rng.standard_normal((n, d)) + rng.standard_normal((n, 1))) / math.sqrt(2)
        signal = z @ rng.standard_normal((d, classes)) / math.sqrt(d)
        signal += z[:, columns] ** 2 @ rng.standard_normal((crossed, classes)) / math.sqrt(crossed)
        y = np.argmax(signal + 0.3 * rng.standard_normal((n, classes)), axis=1)
        x = (z + 2 * rng.standard_normal(d)) * 10 ** rng.uniform(-2, 2, d)
    i, j = np.triu_indices(crossed)
    permutation = rng.permutation(n)
    if np.unique(y[permutation[:train]]).size < 2:
        raise Unsupported(f"all rows to train on are of one class: train={train} is too small here")
    missing = rng.random((n, d)) < MISSING
    missing[permutation[0]] = False  # no column without any entry
    return (
        np.where(missing, np.nan, x),
        y.astype(np.int64),
        permutation,
        columns[i],
        columns[j],
        np.asarray(train / 100),
    )


def stages(
    x: np.ndarray, permutation: np.ndarray, left: np.ndarray, right: np.ndarray, train: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All features (n, p) in the order of the permutation; means and deviations (d,) of x, in float64.

    The mean of a column is its fill, because imputing does not move it, and what was missing is 0 once
    it is scaled. Columns are contiguous, so that NumPy sums them by halves, with next to no error.
    """
    x = np.asfortranarray(x[permutation])
    observed = x[:train]
    mean = np.nanmean(observed, axis=0)
    spread = np.sqrt(np.nansum((observed - mean) ** 2, axis=0) / train)
    scale = np.where(spread == 0, 1.0, spread)
    z = np.nan_to_num((x - mean) / scale)
    f = np.empty((len(x), z.shape[1] + left.size), order="F")
    f[:, : z.shape[1]] = z
    for place, (i, j) in enumerate(zip(left, right, strict=True), start=z.shape[1]):
        np.multiply(z[:, i], z[:, j], out=f[:, place])
    return f, mean, scale


def reference(
    x: np.ndarray,
    y: np.ndarray,
    permutation: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    penalty: np.ndarray,
    train: int,
    classes: int,
) -> tuple[np.ndarray, ...]:
    """In float64: W = V (s / (s^2 + penalty)) U'Tc from the singular values of Fc, not from its square.

    A correction from the residual takes away what the decomposition's own rounding leaves.
    """
    import scipy.linalg

    f, _, _ = stages(x, permutation, left, right, train)
    y = y[permutation]
    targets = np.where(y[:train, np.newaxis] == np.arange(classes), 1.0, -1.0)
    centre, level = f[:train].mean(axis=0), targets.mean(axis=0)
    fc = f[:train] - centre
    u, s, vt = scipy.linalg.svd(fc, full_matrices=False)
    w = vt.T @ ((s / (s**2 + penalty))[:, np.newaxis] * (u.T @ (targets - level)))
    gradient = fc.T @ (targets - level - fc @ w) - penalty * w
    w += vt.T @ (1 / (s**2 + penalty)[:, np.newaxis] * (vt @ gradient))
    decisions = level + (f[train:] - centre) @ w
    return w, level - centre @ w, decisions, np.asarray(np.mean(decisions.argmax(axis=1) == y[train:]))


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    permutation: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    penalty: np.ndarray,
    train: int,
    classes: int,
) -> Errors:
    """The coefficients, and every later output at those before it; features in float64.

    Rounding errors are taken for independent, and a limit is four times their root mean square. With
    n training rows, in eps: a sum of l terms errs by sqrt(l) / 6 of its value, and by sqrt(l) / 4 of
    the norm of its terms (Higham & Mary, SIAM J. Sci. Comput. 42, 2020); one operation by sqrt(1/12) of
    its result. Equal terms are rounded alike: where an entry of a column has r_i equals on average,
    itself among them, both grow by sqrt(r_i), and by sqrt(r_i + k_i^2 / n) once k_i fills are among
    them; nothing is lost to adding 0. The fill and the mean m_i move z_i, v_i = |m_i| / s_i, in all rows
    alike, and the deviation s_i enlarges it, by the root mean squares

        h_i^2 = ((2 r_i + k_i^2 / n) n / 36 + 1/4) v_i^2 + 1/8,
        e_i^2 = r_i n / 144 + v_i^2 / (12 n) + 1/12

    the latter times z_i, with v_i because deviations may be from a mean that is rounded row by row. Of
    the decision of row k and class c, f_k'W_c, the derivative by z_ki is D_ki = W_ic + the sum of
    W_jc z_kl over products j of i and l, twice for its square. With A = Fc'Fc + penalty 1 = L L' and
    R = Fc'Tc the equations A W = R of class c are off by

        g_jc^2 = sum_i (h_i^2 (Fc'D)_ji^2 + e_i^2 (Fc'(z D))_ji^2)
                 + n / 36 (sum_l A_jl^2 W_lc^2 + R_jc^2)
                 + sum_k (n / 16 Fc_kj^2 + F_kj^2 / 2) (1 + sum_l Fc_kl^2 W_lc^2)
                 + sum_kl Fc_kj^2 F_kl^2 W_lc^2 / 2
                 + p / 8 sum_lm L_jl^2 L_ml^2 W_mc^2

    for what D passes on, sums of one sign, others, entries of F, and the decomposition and its solutions
    (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 10.4, with sqrt(p) for p).

    ``normal`` is ||A W - R|| / ||R|| in the Frobenius norm, that of g being ||g|| / ||R||.
    ``forward`` is ||W - W64|| / ||W64||; of A^-1 g it is the root of sum_ij (A^-1)_ij^2 g_jc^2. Without
    the oracle W64 is W less A^-1 (A W - R).
    ``intercept`` is the largest |b - (t - f W)| over its error: the means of D and z D as for g, the
    sums in f, sqrt(n) / 6 f_j and sqrt(r_j) / 4 of the root mean square, sqrt(p + 4) / 4 of the terms of
    f W, and t / 2 and b / 2; the r_j of a product is the lesser of its columns'.
    ``decisions`` is the largest |S - (F W + b)| over its error: what D passes on, with the two roundings
    of z itself, sqrt(p + 4) / 4 of the terms, and S / 2 and b / 2. Limit 5, for the largest of many.
    ``labels`` counts test rows whose largest decision is of another class than in float64 with W64,
    but for those where two lie closer than ten times the error of a decision and of what A^-1 g makes
    of it. Limit 0.
    ``accuracy`` is that of the decisions returned, relative, a quotient of integers: limit 2 roundings.
    """
    n, p = train, x.shape[1] + left.size
    w, b, s, share = widened(outputs, (p, classes), (classes,), (len(x) - n, classes), ())
    eps = epsilon(outputs)
    f, mean, scale = stages(x, permutation, left, right, n)
    y = y[permutation]
    targets = np.where(y[:n, np.newaxis] == np.arange(classes), 1.0, -1.0)
    tests, centre, level = f[n:], f[:n].mean(axis=0), targets.mean(axis=0)
    fc = f[:n] - centre
    a, sums = fc.T @ fc + penalty * np.eye(p), fc.T @ (targets - level)
    inverse, residual = np.linalg.inv(a), a @ w - sums
    w64 = w - inverse @ residual if exact is None else exact[0]
    g2, level2, decision2 = variances((w, b, s), f, (mean / scale) ** 2, a, sums, level, left, right)

    intercept = np.abs(b - (level - centre @ w)) / eps
    decided = np.abs(s - (tests @ w + b)) / eps
    s64 = level + (tests - centre) @ w64
    spread = np.sqrt(np.max(((tests - centre) @ inverse) ** 2 @ g2 + decision2 + level2, axis=1))
    ordered = np.sort(s64, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 10 * eps * spread
    differ = clear & (s.argmax(axis=1) != s64.argmax(axis=1))
    right_share = float(np.mean(s.argmax(axis=1) == y[n:]))
    distance, size = float(np.linalg.norm(w - w64)), float(np.linalg.norm(w64))
    return {
        "normal": (
            largest_ratio(np.linalg.norm(residual), np.linalg.norm(sums)) / eps,
            4 * math.sqrt(g2.sum()) / float(np.linalg.norm(sums)),
        ),
        "forward": (
            largest_ratio(distance, size) / eps,
            4 * math.sqrt((inverse**2 @ g2).sum()) / size,
        ),
        "intercept": (largest_ratio(intercept, np.sqrt(level2)), 4.0),
        "decisions": (largest_ratio(decided, np.sqrt(decision2)), 5.0),
        "labels": (float(np.count_nonzero(differ)), 0.0),
        "accuracy": (largest_ratio(share - right_share, right_share) / eps, 2.0),
    }


def variances(
    outputs: Sequence[np.ndarray],
    f: np.ndarray,
    shares: np.ndarray,
    a: np.ndarray,
    sums: np.ndarray,
    level: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The squares that ``errors`` derives, in eps^2: g^2 (p, classes), of b (classes,) and of S.

    ``outputs`` are W, b and S, ``f`` all features, ``shares`` v^2 (d,), ``a`` A, ``sums`` R and
    ``level`` t.
    """
    (w, b, s), d = outputs, shares.size
    p, n = len(a), len(f) - len(s)
    centre, tests, z, t = f[:n].mean(axis=0), f[n:], f[:n, :d], f[n:, :d]
    fc = f[:n] - centre
    w2, squares, entries, lower = w**2, fc**2, f[:n] ** 2, np.linalg.cholesky(a) ** 2
    repeats = np.array([repetition(column) for column in z.T])
    filled = np.count_nonzero(z == 0, axis=0) ** 2 / n
    shifts = ((2 * repeats + filled) * n / 36 + 1 / 4) * shares + 1 / 8
    scales = repeats * n / 144 + shares / (12 * n) + 1 / 12
    repeats = np.append(repeats, np.minimum(repeats[left], repeats[right]))

    g2 = n / 36 * (a**2 @ w2 + sums**2)
    g2 += (n / 16 * squares + entries / 2).T @ (1 + squares @ w2) + squares.T @ (entries @ w2) / 2
    g2 += p / 8 * (lower @ (lower.T @ w2))
    means2 = n / 36 * centre**2 + repeats / 16 * np.mean(entries, axis=0)
    level2 = (means2 + (p + 4) / 16 * centre**2) @ w2 + (level**2 + b**2) / 4
    decision2 = (p + 4) / 16 * (tests**2 @ w2) + (s**2 + b**2) / 4
    for c in range(b.size):
        curvature = np.zeros((d, d))
        np.add.at(curvature, (left, right), w[d:, c])
        curvature += curvature.T
        slopes, test_slopes = z @ curvature + w[:d, c], t @ curvature + w[:d, c]
        g2[:, c] += (fc.T @ slopes) ** 2 @ shifts + (fc.T @ (z * slopes)) ** 2 @ scales
        level2[c] += np.mean(slopes, axis=0) ** 2 @ shifts
        level2[c] += np.mean(z * slopes, axis=0) ** 2 @ scales
        decision2[:, c] += np.sum((shifts + (scales + 1 / 6) * t**2) * test_slopes**2, axis=1)
    return g2, level2, decision2


def repetition(column: np.ndarray) -> float:
    """The number of entries that equal an entry, averaged over the entries (n,); for 0 there is none."""
    _, counts = np.unique(column[column != 0], return_counts=True)
    return max(1.0, float(np.sum(counts.astype(np.float64) ** 2)) / len(column))


def flops(
    n: int,
    d: int,
    crossed: int,
    classes: int,
    train: int,
    breast_cancer: int = 0,
    digits: int = 0,
) -> float:
    products = crossed * (crossed + 1) // 2
    p = d + products
    entries = 5 * train * d + 2 * n * d + n * products + 2 * train * (p + classes)
    fit = 2 * train * p * (p + classes) + p**3 / 3 + 2 * p * p * classes + 2 * p * classes
    return entries + fit + (n - train) * classes * (2 * p + 2)


def traffic(
    itemsize: int,
    n: int,
    d: int,
    crossed: int,
    classes: int,
    train: int,
    breast_cancer: int = 0,
    digits: int = 0,
) -> float:
    products = crossed * (crossed + 1) // 2
    outputs = (d + products) * classes + classes + (n - train) * classes + 1
    return itemsize * (n * d + 1 + outputs) + 8 * (2 * n + 2 * products)


Kernel(
    compute=pipeline,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=flops,
    traffic=traffic,
    sizes={
        "small": {"n": 83, "d": 6, "crossed": 2, "classes": 2, "train": 64},
        "medium": {"n": 5000, "d": 24, "crossed": 6, "classes": 3, "train": 4000},
        "large": {"n": 80000, "d": 64, "crossed": 16, "classes": 5, "train": 64000},
        "huge": {"n": 262144, "d": 64, "crossed": 20, "classes": 5, "train": 200000},
        "breast_cancer": {
            "n": 569,
            "d": 30,
            "crossed": 10,
            "classes": 2,
            "train": 455,
            "breast_cancer": 1,
        },
        "digits": {"n": 1797, "d": 64, "crossed": 16, "classes": 10, "train": 1437, "digits": 1},
    },
    static=("train", "classes"),
    oracle_flops=1e10,
    chapter="pipeline",
)
