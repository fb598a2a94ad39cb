"""How fast are problems solved to an accuracy, by ours and by what people use otherwise?

A kernel of the suite takes a number of steps, a package stops at a tolerance. Here both go on until the
objective is as near its optimum as the error says, which is proved by duality or convexity from what was
returned, or, where neither holds, measured against another solver.
"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, widened
from xpbench.bench.kernel import Array, Errors
from xpbench.kernels import (
    curvature,
    gaussian_mixture,
    naive_bayes,
    neighbours,
    principal_components,
    regularized_regression,
    support_vectors,
)

GAP = "relative gap"
MOST_STEPS = 300
"""Steps after which Lloyd's algorithm ends in scikit-learn, too."""


def lasso_fit(xp: Array, x: Array, y: Array, l1: Array, eta: Array, *, steps: int) -> Array:
    """The lasso to a gap of 1e-4: as scikit-learn's Lasso.

        minimise F(w) = |X w - y|^2 / 2 + lambda |w|_1

    by the iteration of ``lasso``, whose momentum starts anew wherever it points uphill, so that it
    converges linearly: where (z_k - w_k)'(w_k - w_k-1) > 0, t_k = 1.

    x (n, d), y (n,), lambda (), eta () -> w (d,).
    O'Donoghue & Candes, Found. Comput. Math. 15, 2015, section 3.2.
    """
    gram, right, threshold = x.T @ x, x.T @ y, eta * l1
    zero, one = xp.zeros_like(right), xp.ones_like(eta)

    def step(_: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        w, before, t_before, t = state
        z = w + ((t_before - 1) / t) * (w - before)
        v = z - eta * (gram @ z - right)
        new = v - xp.minimum(xp.maximum(v, -threshold), threshold)
        uphill = (z - new) @ (new - w) > 0
        longer = (1 + xp.sqrt(1 + 4 * t * t)) / 2
        return new, w, xp.where(uphill, one, t), xp.where(uphill, one, longer)

    return xp.fori_loop(steps, step, (zero, zero, one, one))[0]


def lasso_inputs(rng: np.random.Generator, n: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """Those of ``lasso``, without the factors of its momentum."""
    return regularized_regression.lasso_inputs(rng, n, d, steps)[:4]


def lasso_gap(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    l1: np.ndarray,
    eta: np.ndarray,
    steps: int,
) -> Errors:
    """``gap``: how far F(w) may be above its minimum, over F(w); limit 1e-4, scikit-learn's tolerance.

    With r = y - X w and t = min(1, lambda / max |X'r|), t r is feasible in the dual problem, maximise
    |y|^2 / 2 - |y - theta|^2 / 2 over |X'theta|_j <= lambda, whose value bounds the minimum from below.
    Boyd & Vandenberghe, Convex Optimization, section 5.5.1; Kim et al., IEEE J. Sel. Top. Signal
    Process. 1, 2007, section III.
    """
    (w,) = widened(outputs, (x.shape[1],))
    r = y - x @ w
    theta = r * min(1.0, float(l1) / float(np.max(np.abs(x.T @ r))))
    primal = r @ r / 2 + float(l1) * np.sum(np.abs(w))
    dual = y @ y / 2 - (y - theta) @ (y - theta) / 2
    return {"gap": (max(0.0, float((primal - dual) / primal)), 1e-4)}


def lasso_optimum(
    x: np.ndarray, y: np.ndarray, l1: np.ndarray, eta: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """By coordinate descent."""
    from sklearn.linear_model import Lasso

    fitted = Lasso(alpha=float(l1) / len(x), fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y)
    return (fitted.coef_,)


def logistic_fit(xp: Array, x: Array, y: Array, penalty: Array, *, steps: int) -> Array:
    """Logistic regression with an L2 penalty to a gap of 1e-6: as scikit-learn's LogisticRegression.

        minimise f(w) = 1/n sum_i (log(1 + exp(x_i'w)) - y_i x_i'w) + lambda/2 |w|^2

    by the iteration of ``newton``.

    x (n, d), y (n,) of 0 and 1, lambda () -> w (d,).
    """
    return curvature.newton(xp, x, y, penalty, steps=steps)[-1, :]


def logistic_gap(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> Errors:
    """``gap``: how far f(w) may be above its minimum, over f(w); limit 1e-6.

    f is strongly convex with lambda: f(w) - min f <= |grad f(w)|^2 / (2 lambda). Boyd & Vandenberghe,
    Convex Optimization, section 9.1.2.
    """
    (w,) = widened(outputs, (x.shape[1],))
    z = x @ w
    value = np.mean(np.logaddexp(0, z) - y * z) + float(penalty) / 2 * (w @ w)
    p = 1 / (1 + np.exp(-z))
    slope = x.T @ (p - y) / len(x) + float(penalty) * w
    return {"gap": (float(slope @ slope / (2 * float(penalty)) / value), 1e-6)}


def logistic_optimum(
    x: np.ndarray, y: np.ndarray, penalty: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """By scikit-learn's Newton method."""
    from sklearn.linear_model import LogisticRegression

    strength = 1 / (len(x) * float(penalty))
    model = LogisticRegression(C=strength, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    return (model.fit(x, y).coef_[0],)


def svm_fit(
    xp: Array, x: Array, y: Array, queries: Array, gamma: Array, penalty: Array, *, steps: int
) -> tuple[Array, Array, Array]:
    """A support vector machine with a Gaussian kernel to a gap of 1e-3: as scikit-learn's SVC.

        f(q) = sum_j exp(-g |q - x_j|^2) b_j + v

    by the iteration of ``svm_rbf``, with as many steps as that takes.

    x (n, d), y (n,), queries (m, d), g (), C () -> b (n,), decisions f (m,), intercept v ().
    """
    b, found, _ = support_vectors.svm_rbf(xp, x, y, queries, gamma, penalty, steps=steps)
    return b, found, xp.sum(b)


def svm_gap(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    gamma: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> Errors:
    """``gap``: the duality gap over the primal objective; limit 1e-3, the tolerance of libsvm.

    The intercept is penalised by ours and is not by libsvm, so each is held to its own problem, that of
    which its gap is smaller; and each multiplier to its box.
    """
    b, _, intercept = widened(outputs, (len(x),), (len(queries),), ())
    cost, of_kernel = float(penalty), support_vectors.gaussian(x, x, gamma) @ b
    slack = cost * np.sum(np.maximum(0, 1 - y * (of_kernel + intercept)))
    square, total, v = b @ of_kernel / 2, float(y @ b), float(intercept) ** 2 / 2
    primal = [square + slack, square + v + slack]
    dual = [total - square, total - square - float(np.sum(b)) ** 2 / 2]
    gaps = [abs(p - d) / p for p, d in zip(primal, dual, strict=True)]
    outside = np.max(np.abs(b - np.clip(b, np.minimum(cost * y, 0), np.maximum(cost * y, 0))))
    return {"gap": (float(min(gaps)), 1e-3), "box": (float(outside) / cost, 1e-6)}


def svm_optimum(
    x: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    gamma: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, ...]:
    """By libsvm, whose intercept is not penalised."""
    from sklearn.svm import SVC

    model = SVC(C=float(penalty), gamma=float(gamma), tol=1e-8).fit(x, y)
    b = np.zeros(len(x))
    b[model.support_] = model.dual_coef_[0]
    return b, model.decision_function(queries), np.asarray(model.intercept_[0])


def kmeans_fit(xp: Array, x: Array, centres: Array, tolerance: Array) -> tuple[Array, Array, Array]:
    """Clusters by Lloyd's algorithm until the centres rest: as scikit-learn's KMeans.

        repeat    l_i = argmin_k |x_i - c_k|^2,    c_k <- mean of the x_i with l_i = k
        until     sum_k |c_k - c_k before|^2 <= tolerance

    x (n, d), centres (K, d), tolerance () -> centres (K, d), labels (n,), inertia ().
    """

    clusters = xp.arange(centres.shape[0])

    def moving(state: tuple[Array, Array, Array]) -> Array:
        _, shift, step = state
        return (shift > tolerance) & (step < MOST_STEPS)

    def move(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        before, _, step = state
        nearest = xp.argmin(xp.sum(before * before, axis=1) - x @ (2 * before).T, axis=1)
        members = xp.astype(nearest[:, None] == clusters[None, :], x.dtype)
        counts = xp.sum(members, axis=0)[:, None]
        means = members.T @ x / xp.maximum(counts, xp.ones_like(counts))
        c = xp.where(counts > 0, means, before)
        return c, xp.sum((c - before) ** 2), step + 1

    unsettled = xp.full((), math.inf, dtype=x.dtype)
    c, _, _ = xp.while_loop(moving, move, (centres, unsettled, xp.zeros((), dtype=xp.int32)))
    return neighbours.kmeans(xp, x, c, steps=0)


def kmeans_fit_inputs(rng: np.random.Generator, n: int, d: int, clusters: int) -> tuple[np.ndarray, ...]:
    """Clouds that overlap, samples of them to begin at, and scikit-learn's default tolerance."""
    middles = 2 * rng.standard_normal((clusters, d))
    x = middles[rng.integers(clusters, size=n)] + rng.standard_normal((n, d))
    centres = x[rng.choice(n, clusters, replace=False)]
    return x, centres, np.asarray(1e-4 * np.mean(np.var(x, axis=0)))


def kmeans_optimum(x: np.ndarray, centres: np.ndarray, tolerance: np.ndarray) -> tuple[np.ndarray, ...]:
    """By Lloyd's algorithm in float64, to the end."""
    return neighbours.kmeans_reference(x, centres, MOST_STEPS)


def kmeans_gap(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    centres: np.ndarray,
    tolerance: np.ndarray,
) -> Errors:
    """``gap``: by how much the inertia of the centres returned is above that where they rest; limit
    1e-3 of it. ``inertia``: how far off the one returned is; limit 1e-5 of it."""
    c, _, inertia = widened(outputs, centres.shape, (len(x),), ())
    found = float(np.sum(neighbours.nearest_of(x, c, 1)[1]))
    best = float(exact[2])
    return {
        "gap": (max(0.0, (found - best) / best), 1e-3),
        "inertia": (abs(float(inertia) - found) / found, 1e-5),
    }


def pca_fit(xp: Array, x: Array, *, k: int) -> tuple[Array, Array, Array]:
    """Principal components to 1e-4 of the variance that they hold: as scikit-learn's PCA.

        C = (X - 1 m')'(X - 1 m') / (n - 1) = V diag(l) V',    W = V'[:k],    T = (X - 1 m') W'

    by ``pca_eigh``. x (n, d) -> components W (k, d), variances (k,), scores T (n, k).
    """
    return principal_components.pca_eigh(xp, x, k=k)


def pca_gap(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray, k: int) -> Errors:
    """``gap``: the share of the variance within reach that the span of the components returned misses;
    limit 1e-4. ``variances``: the largest error of one, over the first; limit 1e-3. ``scores``: how far
    they are from the projections on the components returned, in the norm; limit 1e-3."""
    w, variances, scores = widened(outputs, (k, x.shape[1]), (k,), (len(x), k))
    centred = x - x.mean(axis=0)
    basis = np.linalg.qr(w.T).Q
    held, most = np.linalg.norm(centred @ basis) ** 2 / (len(x) - 1), np.sum(exact[1])
    apart = np.linalg.norm(scores - centred @ w.T) / np.linalg.norm(scores)
    return {
        "gap": (max(0.0, float((most - held) / most)), 1e-4),
        "variances": (float(np.max(np.abs(variances - exact[1])) / exact[1][0]), 1e-3),
        "scores": (float(apart), 1e-3),
    }


def ridge_fit(xp: Array, x: Array, y: Array, penalty: Array) -> Array:
    """Linear regression with a penalty on the squares of the coefficients: as scikit-learn's Ridge.

        (X'X + lambda 1) w = X'y

    by elimination: these equations have the square of the condition number of ``ridge``, and the
    objective is as good as at its minimum all the same.

    x (n, d), y (n,), lambda () > 0 -> w (d,).
    """
    ridge = penalty * xp.eye(x.shape[1], dtype=x.dtype)
    return xp.linalg.solve(x.T @ x + ridge, x.T @ y)


def ridge_gap(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
) -> Errors:
    """``gap``: how far |X w - y|^2 + lambda |w|^2 is above its minimum, over that: a quadratic form in
    the error of w. Limit 1e-4."""
    (w,) = widened(outputs, (x.shape[1],))
    best, e, strength = exact[0], w - exact[0], float(penalty)
    minimum = np.sum((x @ best - y) ** 2) + strength * best @ best
    return {"gap": (float((np.sum((x @ e) ** 2) + strength * e @ e) / minimum), 1e-4)}


def gaussian_nb_fit(
    xp: Array, x: Array, y: Array, t: Array, *, classes: int
) -> tuple[Array, Array, Array]:
    """Gaussian naive Bayes, fitted and asked, by ``gaussian_nb``: as scikit-learn's GaussianNB.

    x (n, d), y (n,), t (m, d) -> means (classes, d), variances (classes, d), joint (m, classes).
    """
    return naive_bayes.gaussian_nb(xp, x, y, t, classes=classes)


def gaussian_nb_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    t: np.ndarray,
    classes: int,
) -> Errors:
    """``joint``: the largest error of a log joint probability, over the largest of them; limit 1e-4."""
    _, _, joint = widened(outputs, *(array.shape for array in exact))
    apart = np.max(np.abs(joint - exact[2])) / np.max(np.abs(exact[2]))
    return {"joint": (float(apart), 1e-4)}


def gmm_fit(xp: Array, x: Array, means: Array, *, steps: int) -> tuple[Array, Array, Array, Array]:
    """So many steps of expectation and maximisation, by ``gmm_em``: as scikit-learn's GaussianMixture.

    x (n, d), means (K, d) -> w (K,), m (K, d), S (K, d, d), likelihoods (steps,).
    """
    return gaussian_mixture.gmm_em(xp, x, means, steps=steps)


def gmm_gap(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    means: np.ndarray,
    steps: int,
) -> Errors:
    """``likelihood``: the mean log-likelihood of the parameters returned against that of the oracle's,
    over it, from both sides: so many steps lead to one place. Limit 1e-4."""
    w, m, s, _ = widened(outputs, *(array.shape for array in exact))
    found, right = _likelihood(x, w, m, s), _likelihood(x, *exact[:3])
    return {"likelihood": (abs(found - right) / abs(right), 1e-4)}


def _likelihood(x: np.ndarray, w: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    joint = [
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(x)
        for weight, mean, covariance in zip(w, m, s, strict=True)
    ]
    return float(np.mean(logsumexp(joint, axis=0)))


def bootstrap_fit(xp: Array, x: Array, key: Array, *, r: int) -> tuple[Array, Array]:
    """The bootstrap's 95 % interval of a mean, with its own draws: as scipy.stats.bootstrap.

        m_r = 1/n sum_i x[draws_ri],    interval = (Q(0.025), Q(0.975)) of m_1 ... m_R

    x (n,), key (2,) -> lower end (), upper end ().
    """
    (n,) = x.shape
    draws = xp.astype(xp.random.uniform(key, (r, n), x.dtype) * n, xp.int32)
    # A uniform number next to 1 may be rounded to n by the product.
    means = xp.mean(xp.gather(x, xp.minimum(draws, xp.full_like(draws, n - 1))), axis=1)
    ends = xp.quantile(means, (0.025, 0.975))
    return ends[0], ends[1]


def bootstrap_inputs(rng: np.random.Generator, n: int, r: int) -> tuple[np.ndarray, ...]:
    """A skewed sample, lognormal, and a key."""
    return np.exp(rng.standard_normal(n)), rng.integers(2**32, size=2, dtype=np.uint32)


def bootstrap_law(x: np.ndarray, key: np.ndarray, r: int) -> tuple[np.ndarray, ...]:
    """The quantiles of a million resampled means, of the multinomial law of how often entries occur."""
    rng, means = np.random.default_rng(0), []
    for _ in range(100):
        counts = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=10_000)
        means.append(counts @ x / len(x))
    ends = np.quantile(np.concatenate(means), (0.025, 0.975))
    return np.asarray(ends[0]), np.asarray(ends[1])


def bootstrap_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    key: np.ndarray,
    r: int,
) -> Errors:
    """Both ends in their own standard errors, sqrt(p (1 - p) / R) over the density of means there, taken
    from a normal law; limit 5 (David & Nagaraja, Order Statistics, 3rd ed., section 10.2)."""
    found = widened(outputs, (), ())
    deviation = float(np.std(x)) / math.sqrt(len(x))
    density = math.exp(-(1.96**2) / 2) / math.sqrt(2 * math.pi) / deviation
    standard_error = math.sqrt(0.025 * 0.975 / r) / density
    return {
        name: (abs(float(end - right)) / standard_error, 5.0)
        for name, end, right in zip(("lower end", "upper end"), found, exact, strict=True)
    }


Kernel(
    compute=lasso_fit,
    inputs=lasso_inputs,
    reference=lasso_optimum,
    errors=lasso_gap,
    error_unit=GAP,
    sizes={
        "small": {"n": 64, "d": 16, "steps": 80},
        "medium": {"n": 4096, "d": 128, "steps": 250},
        "large": {"n": 32768, "d": 512, "steps": 500},
    },
    static=("steps",),
    chapter="rivals",
)
Kernel(
    compute=logistic_fit,
    inputs=curvature.inputs,
    reference=logistic_optimum,
    errors=logistic_gap,
    error_unit=GAP,
    sizes={
        "small": {"n": 64, "d": 4, "steps": 6},
        "medium": {"n": 1024, "d": 64, "steps": 6},
        "large": {"n": 16384, "d": 256, "steps": 6},
    },
    static=("steps",),
    chapter="rivals",
)
Kernel(
    compute=svm_fit,
    inputs=support_vectors.inputs,
    reference=svm_optimum,
    errors=svm_gap,
    error_unit=GAP,
    sizes={
        "small": {"n": 32, "m": 16, "d": 4, "steps": 100},
        "medium": {"n": 512, "m": 128, "d": 8, "steps": 200},
        "large": {"n": 2048, "m": 512, "d": 8, "steps": 400},
    },
    static=("steps",),
    chapter="rivals",
)
Kernel(
    compute=kmeans_fit,
    inputs=kmeans_fit_inputs,
    reference=kmeans_optimum,
    errors=kmeans_gap,
    error_unit=GAP,
    sizes={
        "small": {"n": 128, "d": 4, "clusters": 4},
        "medium": {"n": 4096, "d": 16, "clusters": 8},
        "large": {"n": 65536, "d": 32, "clusters": 16},
    },
    chapter="rivals",
)
Kernel(
    compute=bootstrap_fit,
    inputs=bootstrap_inputs,
    reference=bootstrap_law,
    errors=bootstrap_errors,
    error_unit="standard errors",
    sizes={
        "small": {"n": 32, "r": 100},
        "medium": {"n": 512, "r": 2000},
        "large": {"n": 4096, "r": 8000},
    },
    static=("r",),
    chapter="rivals",
)
Kernel(
    compute=pca_fit,
    inputs=principal_components.inputs,
    reference=principal_components.reference,
    errors=pca_gap,
    error_unit=GAP,
    sizes={
        "small": {"n": 128, "d": 8, "k": 2},
        "medium": {"n": 4096, "d": 64, "k": 8},
        "large": {"n": 32768, "d": 256, "k": 16},
    },
    static=("k",),
    chapter="rivals",
)
Kernel(
    compute=ridge_fit,
    inputs=regularized_regression.ridge_inputs,
    reference=regularized_regression.ridge_reference,
    errors=ridge_gap,
    error_unit=GAP,
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 2048, "d": 64},
        "large": {"n": 32768, "d": 256},
    },
    chapter="rivals",
)
Kernel(
    compute=gaussian_nb_fit,
    inputs=naive_bayes.inputs,
    reference=naive_bayes.reference,
    errors=gaussian_nb_errors,
    error_unit="relative error",
    sizes={
        "small": {"n": 128, "m": 64, "d": 6, "classes": 3},
        "medium": {"n": 8192, "m": 8192, "d": 32, "classes": 8},
        "large": {"n": 65536, "m": 65536, "d": 64, "classes": 10},
    },
    static=("classes",),
    chapter="rivals",
)
Kernel(
    compute=gmm_fit,
    inputs=gaussian_mixture.inputs,
    reference=gaussian_mixture.reference,
    errors=gmm_gap,
    error_unit="relative error",
    sizes={
        "small": {"n": 128, "d": 2, "clusters": 2, "steps": 3},
        "medium": {"n": 2048, "d": 8, "clusters": 4, "steps": 10},
        "large": {"n": 16384, "d": 16, "clusters": 8, "steps": 20},
    },
    static=("steps",),
    chapter="rivals",
)
