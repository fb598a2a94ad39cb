"""How fast, and how exactly, is the curvature of a function of many variables found?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

PROBES = 4
SAMPLED_ROWS = 16


def hessian(xp: Array, x: Array, y: Array, w: Array) -> Array:
    """The Hessian of the loss of logistic regression, by differentiating its gradient.

        z = X w,    loss = 1/n sum_i (log(1 + exp(z_i)) - y_i z_i)
        d2loss/dw2 = X' diag(c) X / n,    c = p (1 - p) = e / (1 + e)^2,    e = exp(-|z|)

    with p = 1 / (1 + exp(-z)). The second line, in which the labels have dropped out, is what a library
    that does not differentiate computes: R'R, with the rows of X times sqrt(c_i / n).
    x (n, d), y (n,) of 0 and 1, w (d,) -> d2loss/dw2 (d, d); 2 n d (d + 1) flops in products by hand.
    Bishop, Pattern Recognition and Machine Learning, section 4.3.3.
    """
    n = x.shape[0]

    # Over d directions at once w X' is one matrix product; torch makes d separate ones of X w.
    def loss(w: Array) -> Array:
        z = w @ x.T
        return xp.sum(xp.softplus(z) - y * z) / n

    def by_hand(w: Array) -> Array:
        e = xp.exp(-xp.abs(x @ w))
        rows = x * (xp.sqrt(e / n) / (1 + e))[:, None]
        return rows.T @ rows

    return xp.hessian(loss, by_hand=by_hand)(w)


def hessian_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Standard normal features, weights whose logits have a deviation of 2, and labels drawn by them."""
    x = rng.standard_normal((n, d))
    w = rng.standard_normal(d) * (2 / math.sqrt(d))
    y = rng.random(n) < 1 / (1 + np.exp(-(x @ w)))
    return x, y.astype(np.float64), w


def curvatures(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The second derivative of log(1 + exp(z)) in its even form, 1 / (2 cosh(z / 2))^2."""
    of: np.ndarray = (2 * np.cosh(np.einsum("nd,d->n", x, w) / 2)) ** -2.0
    return of


def hessian_reference(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """The Gram matrix of the features scaled with the roots of curvatures, which calls no BLAS."""
    rows = np.ascontiguousarray((x * np.sqrt(curvatures(x, w) / len(x))[:, np.newaxis]).T)
    return (np.einsum("in,jn->ij", rows, rows),)


def hessian_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
) -> Errors:
    """Every entry against its own bound, and the whole Hessian against its norm.

    ``norm`` is ``||H - H64|| / ||H||`` in the Frobenius norm. The sums of n and of d products err by
    about sqrt(n / 2) u and sqrt(d / 2) u of their norm (Higham & Mary, SIAM J. Sci. Comput. 42, 2020).
    The latter move a curvature by at most |z| times that, relative, as |s'| <= s; they are independent
    of one another and mean out in the n terms, all but a share that is at most the whole. Three times
    both, in the mean square, and 4 for the sigmoid: sqrt(n + d mean(z^2)) + 4 eps. Without the oracle
    the norm is estimated from products with random vectors of signs v, whose mean square it is
    (Freivalds): the imaginary part of the gradient at w + i h v, over h, is H v without cancellation
    (Squire & Trapp, SIAM Review 40, 1998).

    ``entries`` is the largest ``|H - H64| / (|X|' S |X|)`` with S the curvatures over n, same limit.
    Without the oracle it reads 16 rows.
    """
    n, d = x.shape
    (h,) = widened(outputs, (d, d))
    z = x @ w
    weighted = np.abs(x) * (curvatures(x, w) / n)[:, np.newaxis]
    if exact is None:
        rows = evenly_spaced(d, SAMPLED_ROWS)
        h64 = x[:, rows].T @ (x * (curvatures(x, w) / n)[:, np.newaxis])
        signs = np.random.default_rng(n).choice([-1.0, 1.0], (d, PROBES))
        p = 1 / (1 + np.exp(-(z[:, np.newaxis] + 1e-100j * (x @ signs))))
        products = x.T @ p.imag / (1e-100 * n)
        distance = np.linalg.norm(h @ signs - products) / math.sqrt(PROBES)
    else:
        rows = np.arange(d)
        h64 = exact[0]
        distance = np.linalg.norm(h - h64)
    eps = epsilon(outputs)
    limit = math.sqrt(n + d * float(np.mean(z**2))) + 4
    return {
        "norm": (largest_ratio(distance, np.linalg.norm(h)) / eps, limit),
        "entries": (largest_ratio(h[rows] - h64, np.abs(x[:, rows]).T @ weighted) / eps, limit),
    }


Kernel(
    compute=hessian,
    inputs=hessian_inputs,
    reference=hessian_reference,
    errors=hessian_errors,
    flops=lambda n, d: 2 * n * d**2 + 2 * n * d,
    traffic=lambda itemsize, n, d: itemsize * (n * d + n + d + d * d),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 1024, "d": 192},
        "large": {"n": 8192, "d": 512},
        "huge": {"n": 65536, "d": 2048},
    },
    oracle_flops=1e10,
    chapter="calculus",
)


def hessian_vector_product(xp: Array, x: Array, y: Array, w: Array, v: Array) -> Array:
    """The Hessian of softmax regression's cross-entropy times a vector, without forming it.

        Z = X W,    loss = 1/n sum_i (log sum_k exp(z_ik) - sum_k y_ik z_ik)
        P = exp(Z) / row sums of exp(Z),    R = X V
        H V = X'T / n,    t_ik = p_ik (r_ik - sum_l p_il r_il)

    Libraries that differentiate take the derivative of the loss's gradient at W along V; the others
    compute the last two lines, in which the labels have dropped out.

    x (n, d), y (n, k) with a single 1 in every row, w (d, k), v (d, k) -> H V (d, k); 6 n d k flops in
    the products by hand.
    Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994.
    """
    n = x.shape[0]

    def loss(w: Array) -> Array:
        z = x @ w
        return xp.sum(xp.logsumexp(z, axis=1) - xp.sum(y * z, axis=1)) / n

    def by_hand(w: Array, v: Array) -> Array:
        p, r = xp.softmax(x @ w, axis=1), x @ v
        return x.T @ (p * (r - xp.sum(p * r, axis=1, keepdims=True)) / n)

    return xp.hessian_vector_product(loss, by_hand=by_hand)(w, v)


def product_inputs(rng: np.random.Generator, n: int, d: int, k: int) -> tuple[np.ndarray, ...]:
    """Features, labels, weights and a direction, all normal but the labels; logits of deviation 1."""
    if k < 2:
        raise Unsupported(f"of {k} class there is nothing to tell apart: k must be 2 or more")
    w, v = rng.standard_normal((2, d, k)) / math.sqrt(d)
    labels = rng.integers(k, size=n)
    return rng.standard_normal((n, d)), np.eye(k)[labels], w, v


def product_parts(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """Logits, probabilities, and the change of each along v, each (n, k).

    The last is the sum over pairs of classes of p_ik p_il (r_ik - r_il).
    """
    import scipy.special

    z, r = (np.einsum("nd,kd->nk", x, np.ascontiguousarray(part.T)) for part in (w, v))
    p = scipy.special.softmax(z, axis=1)
    t = np.stack([p[:, k] * (p * (r[:, [k]] - r)).sum(axis=1) for k in range(p.shape[1])], axis=1)
    return z, p, r, t


def product_reference(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Flows of probability between pairs of classes, summed over samples without BLAS."""
    t = product_parts(x, w, v)[-1]
    return (np.einsum("kn,nd->dk", np.ascontiguousarray(t.T), x) / len(x),)


def product_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    v: np.ndarray,
) -> Errors:
    """``||HV - HV64|| / ||HV64||`` in the Frobenius norm, against what the roundings add up to.

    The sums of d products in a row of z or r err by about sqrt(d / 2) u of its norm, those of n by
    sqrt(n / 2) u (Higham & Mary, SIAM J. Sci. Comput. 42, 2020); three times that is taken. Row t is
    J r with J = diag(p) - p p', at most 1/2 in norm; an error of z moves it by a third cumulant of p,
    at most 1/2 of it times the range of r (Cauchy & Schwarz). With 4 eps of p * r for exp and its sums,
    sample i is off by the root of (sqrt(d) |r_i| / 2)^2 + (sqrt(d) |z_i| range(r_i) / 2)^2, and by
    4 |p_i * r_i|.
    Errors of samples are independent, so that they add in the mean square, weighted with |x_i| / n, and
    so do those of the last product.
    """
    n, d = x.shape
    (hv,) = widened(outputs, w.shape)
    z, p, r, _ = product_parts(x, w, v)
    size = np.linalg.norm(exact[0])
    spread = np.max(r, axis=1) - np.min(r, axis=1)
    logits, changes = (math.sqrt(d) * np.linalg.norm(part, axis=1) for part in (z, r))
    samples = np.hypot(changes, spread * logits) / 2 + 4 * np.linalg.norm(p * r, axis=1)
    carried = np.linalg.norm(np.linalg.norm(x, axis=1) * samples) / (n * size)
    error = largest_ratio(np.linalg.norm(hv - exact[0]), size) / epsilon(outputs)
    return {"product": (error, math.hypot(math.sqrt(n), float(carried)))}


Kernel(
    compute=hessian_vector_product,
    inputs=product_inputs,
    reference=product_reference,
    errors=product_errors,
    flops=lambda n, d, k: 6 * n * d * k,
    traffic=lambda itemsize, n, d, k: itemsize * (n * d + n * k + 3 * d * k),
    sizes={
        "small": {"n": 32, "d": 8, "k": 4},
        "medium": {"n": 2048, "d": 256, "k": 10},
        "large": {"n": 65536, "d": 512, "k": 10},
        "huge": {"n": 262144, "d": 512, "k": 20},
    },
    chapter="calculus",
)


def taylor(xp: Array, a: Array, b: Array, x: Array, h: Array) -> Array:
    """The Taylor polynomial of second degree of a log-sum-exp, at many displacements.

        f(x) = log sum_i exp(a_i'x + b_i),    T(h) = f(x) + g'h + h'H h / 2
        g = A'p,    H = A' diag(p) A - g g',    p_i = exp(a_i'x + b_i - f(x))

    g by reverse-mode differentiation, and H by differentiating it; the second line is what a library
    that does not differentiate computes. a (n, d) of rows a_i, b (n,), x (d,), displacements in
    the rows of h (m, d) -> T (m,); 2 n d^2 + 2 m d^2 flops in the products of matrices by hand.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 5.8.
    """

    # x A' and not A x, for the reason that the Hessian of the logistic loss has.
    def f(x: Array) -> Array:
        return xp.logsumexp(x @ a.T + b, axis=0)

    def value_and_gradient(x: Array) -> tuple[Array, Array]:
        z = a @ x + b
        value = xp.logsumexp(z, axis=0)
        return value, xp.exp(z - value) @ a

    def curvature(x: Array) -> Array:
        p = xp.softmax(a @ x + b, axis=0)
        g, rows = p @ a, a * xp.sqrt(p)[:, None]
        return rows.T @ rows - g[:, None] * g[None, :]

    value, g = xp.value_and_grad(f, by_hand=value_and_gradient)(x)
    hessian = xp.hessian(f, by_hand=curvature)(x)
    return value + h @ g + xp.sum((h @ hessian) * h, axis=1) / 2


def taylor_inputs(rng: np.random.Generator, n: int, d: int, m: int) -> tuple[np.ndarray, ...]:
    """Exponents of deviation sqrt(2), and displacements that change each by a deviation of 1.

    The three terms of the polynomial are of one size, but for the logarithm of n in the first.
    """
    a = rng.standard_normal((n, d)) / math.sqrt(d)
    return a, rng.standard_normal(n), rng.standard_normal(d), rng.standard_normal((m, d))


def taylor_reference(
    a: np.ndarray, b: np.ndarray, x: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The cumulants of the changes a_i'h under p: their mean, and half their variance."""
    z = np.einsum("nd,d->n", a, x) + b
    p = np.exp(z - z.max())
    total = p.sum()
    changes = np.einsum("md,nd->mn", h, a)
    mean = np.einsum("mn,n->m", changes, p / total)
    variance = np.einsum("mn,n->m", (changes - mean[:, np.newaxis]) ** 2, p / total)
    return (z.max() + np.log(total) + mean + variance / 2,)


def taylor_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    a: np.ndarray,
    b: np.ndarray,
    x: np.ndarray,
    h: np.ndarray,
) -> Errors:
    """Every value of the polynomial against its own bound; without the oracle against one from g and H.

    The sums of n, for g and H, and those of d, for z, g'h and h'H h, err by about the root of half
    their length, in u, of their norm (Higham & Mary, SIAM J. Sci. Comput. 42, 2020); three times that
    is taken. In an entry of g or H the errors of p, of sqrt(d) |z_i| eps, are independent, and move it
    by at most the mean of their squares under p; those of the entries are weighted with h. Together

        sqrt(n + d (1 + E z^2)) (||g * h|| + ||h * H h|| / 2)

    eps, with entrywise products and E under p. All of p shares an error of 4 + |f| eps, of exp and of
    the rounded f: that times |g'h| + h'H h / 2. The value f is rounded with z, log and the shift, 2 |f|;
    its sum of n terms of one sign has a standard deviation of sqrt(n) / 6, three times that; the
    errors of z mean out, sqrt(d) ||p * z||. A value from g and H in float64 has such errors of its own,
    hence the limit is twice that without the oracle.
    """
    (model,) = widened(outputs, (len(h),))
    values, bounds = taylor_bounds(a, b, x, h)
    t64, limit = (values, 2.0) if exact is None else (exact[0], 1.0)
    return {"model": (largest_ratio(model - t64, bounds) / epsilon(outputs), limit)}


def taylor_bounds(
    a: np.ndarray, b: np.ndarray, x: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """T, and what rounding may add up to in it, in eps: both (m,), see ``taylor_errors``."""
    n, d = a.shape
    z = a @ x + b
    f = np.logaddexp.reduce(z)
    p = np.exp(z - f)
    g = p @ a
    hessian = (a * p[:, np.newaxis]).T @ a - np.outer(g, g)
    slopes, bends = h * g, h * (h @ hessian) / 2
    first, second = slopes.sum(axis=1), bends.sum(axis=1)
    sums = np.linalg.norm(slopes, axis=1) + np.linalg.norm(bends, axis=1)
    value = 2 * abs(f) + math.sqrt(n) / 2 + math.sqrt(d) * np.linalg.norm(p * z)
    shared = (4 + abs(f)) * (np.abs(first) + np.abs(second))
    return f + first + second, value + math.sqrt(n + d * (1 + p @ z**2)) * sums + shared


Kernel(
    compute=taylor,
    inputs=taylor_inputs,
    reference=taylor_reference,
    errors=taylor_errors,
    flops=lambda n, d, m: 2 * n * d**2 + 2 * m * d**2,
    traffic=lambda itemsize, n, d, m: itemsize * (n * d + n + d + m * d + m),
    sizes={
        "small": {"n": 32, "d": 8, "m": 16},
        "medium": {"n": 1024, "d": 128, "m": 1024},
        "large": {"n": 8192, "d": 512, "m": 8192},
        "huge": {"n": 65536, "d": 2048, "m": 65536},
    },
    oracle_flops=5e9,
    chapter="calculus",
)
