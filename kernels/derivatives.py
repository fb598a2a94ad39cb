"""How fast, and how exactly, are first derivatives found, from samples or from a program?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

PROBES = 4
SAMPLED_ROWS = 16


def finite_difference(xp: Array, f: Array, dx: Array, dy: Array) -> tuple[Array, Array]:
    """The gradient of a field sampled on a grid, by differences of second order.

        df/dx at row i = (f[i+1] - f[i-1]) / (2 dx),    first row: (-3 f[0] + 4 f[1] - f[2]) / (2 dx)
        last row: (3 f[-1] - 4 f[-2] + f[-3]) / (2 dx);    df/dy the same along columns, with dy

    f (n, n) with x along the rows' index, dx () and dy () the distances of neighbours -> df/dx (n, n),
    df/dy (n, n); 4 n^2 + 12 n flops.
    LeVeque, Finite Difference Methods for Ordinary and Partial Differential Equations, chapter 1.
    """

    def along(axis: int, h: Array) -> Array:
        def rows(start: int | None, stop: int | None) -> Array:
            return f[start:stop, :] if axis == 0 else f[:, start:stop]

        first = 4 * rows(1, 2) - 3 * rows(0, 1) - rows(2, 3)
        inner = rows(2, None) - rows(None, -2)
        last = 3 * rows(-1, None) - 4 * rows(-2, -1) + rows(-3, -2)
        return xp.concat([first, inner, last], axis=axis) / (2 * h)

    return along(0, dx), along(1, dy)


def field_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Eight plane waves of random direction and phase, for x from 0 to 2 and y from 0 to 1."""
    if n < 3:
        raise Unsupported(f"a difference of second order at a border takes 3 samples, and there are {n}")
    a, b, phase, weight = rng.standard_normal((4, 8))
    # sin(u + v), with u of the rows and v of the columns.
    u = np.outer(np.linspace(0, 2, n), 6 * a) + phase
    v = np.outer(6 * b, np.linspace(0, 1, n))
    f = (weight * np.sin(u)) @ np.cos(v) + (weight * np.cos(u)) @ np.sin(v)
    return f, np.asarray(2 / (n - 1)), np.asarray(1 / (n - 1))


def field_reference(f: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, ...]:
    """NumPy's gradient with borders of second order, in float64."""
    return tuple(np.gradient(f, float(dx), float(dy), edge_order=2))


def field_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    f: np.ndarray,
    dx: np.ndarray,
    dy: np.ndarray,
) -> Errors:
    """Every entry against the worst that its own few roundings can do.

    ``interior`` is the largest ``|g - g64| / |g64|``: a difference of two samples, however much they
    cancel, is off by one rounding, its division by 2 h (exact but for h) by another, or by two where a
    compiler multiplies by the reciprocal: 3 u. The oracle, in float64, does 2 u of the same, which
    counts in float64 alone: 5 u = 2.5 eps.

    ``border`` is the largest error over ``(3 |f0| + 4 |f1| + |f2|) / (2 h)``: a product, two sums and
    the division make at most 5 u, and the oracle's rounded weights, products and sums 4 u: 4.5 eps.
    Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.
    """
    eps = epsilon(outputs)
    n = f.shape[0]
    inner = border = 0.0
    gradients = widened(outputs, (n, n), (n, n))
    for axis, (g, g64, h) in enumerate(zip(gradients, exact, (dx, dy), strict=True)):
        inside = (slice(1, -1), slice(None)) if axis == 0 else (slice(None), slice(1, -1))
        error = g - g64
        inner = max(inner, largest_ratio(error[inside], np.abs(g64[inside])))
        rows, samples = np.moveaxis(error, axis, 0), np.moveaxis(f, axis, 0)
        for edge, places in ((0, (0, 1, 2)), (-1, (-1, -2, -3))):
            f0, f1, f2 = (np.abs(samples[place]) for place in places)
            border = max(border, largest_ratio(rows[edge], (3 * f0 + 4 * f1 + f2) / (2 * h)))
    return {"interior": (inner / eps, 2.5), "border": (border / eps, 4.5)}


Kernel(
    compute=finite_difference,
    inputs=field_inputs,
    reference=field_reference,
    errors=field_errors,
    flops=lambda n: 4 * n**2 + 12 * n,
    traffic=lambda itemsize, n: itemsize * (3 * n**2 + 2),
    sizes={"small": {"n": 32}, "medium": {"n": 768}, "large": {"n": 4096}, "huge": {"n": 8192}},
    chapter="calculus",
)


def gradient(xp: Array, x: Array, y: Array, w: Array) -> tuple[Array, Array]:
    """The cross-entropy of softmax regression and its gradient, by reverse-mode differentiation.

        Z = X W,    loss = 1/n sum_i (log sum_k exp(z_ik) - sum_k y_ik z_ik)
        dloss/dW = X'(P - Y) / n,    p_ik = exp(z_ik) / sum_l exp(z_il)

    The second line is what a library that does not differentiate computes.
    x (n, d), y (n, k) with a single 1 in every row, w (d, k) -> loss (), dloss/dW (d, k); 4 n d k flops
    in the products. Bishop, Pattern Recognition and Machine Learning, section 4.3.4.
    """
    n = x.shape[0]

    def loss(w: Array) -> Array:
        z = x @ w
        return xp.sum(xp.logsumexp(z, axis=1) - xp.sum(y * z, axis=1)) / n

    def by_hand(w: Array) -> tuple[Array, Array]:
        z = x @ w
        z -= xp.max(z, axis=1, keepdims=True)
        p = xp.exp(z)
        sums = xp.sum(p, axis=1, keepdims=True)
        value = (xp.sum(xp.log(sums)) - xp.sum(y * z)) / n
        p /= sums
        p -= y
        p /= n
        return value, x.T @ p

    value, slope = xp.value_and_grad(loss, by_hand=by_hand)(w)
    return value, slope


def require_classes(k: int) -> None:
    if k < 2:
        raise Unsupported(f"of {k} class there is nothing to tell apart: k must be 2 or more")


def softmax_inputs(rng: np.random.Generator, n: int, d: int, k: int) -> tuple[np.ndarray, ...]:
    """Standard normal features, labels drawn from a softmax model, and weights half-way to its own.

    The logits have a standard deviation of about 1.
    """
    require_classes(k)
    x = rng.standard_normal((n, d))
    truth = rng.standard_normal((d, k)) * (2 / math.sqrt(d))
    # The largest logit with Gumbel noise is a draw from their softmax.
    labels = np.argmax(x @ truth + rng.gumbel(size=(n, k)), axis=1)
    w = truth / 2 + rng.standard_normal((d, k)) * (0.3 / math.sqrt(d))
    return x, np.eye(k)[labels], w


def softmax_probabilities(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, k) in sums that call no BLAS, and 1 / p_ik = sum_l exp(z_il - z_ik)."""
    z = np.einsum("nd,kd->nk", x, np.ascontiguousarray(w.T))
    inverse = np.stack([np.exp(z - z[:, [k]]).sum(axis=1) for k in range(z.shape[1])], axis=1)
    return z, inverse


def gradient_reference(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """Minus the mean log-probability of the labels; classes push their samples, and labels pull them."""
    _, inverse = softmax_probabilities(x, w)
    labels = np.argmax(y, axis=1)
    loss = np.mean(np.log(inverse[np.arange(labels.size), labels]))
    pushed = np.einsum("kn,nd->dk", np.ascontiguousarray((1 / inverse).T), x)
    pulled = np.stack([x[labels == k].sum(axis=0) for k in range(y.shape[1])], axis=1)
    return np.asarray(loss), (pushed - pulled) / labels.size


def gradient_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
) -> Errors:
    """The loss, relative, and the gradient against the oracle's in the Frobenius norm, relative.

    The sums of d products in a row of logits z err by about sqrt(d / 2) u of its norm, in any of them
    (Higham & Mary, SIAM J. Sci. Comput. 42, 2020); three times that is sqrt(d) eps. The Jacobian of
    softmax, diag(p) - p p', is at most 1/2 in norm, and exp, log and two sums cost at most 4 eps of p:
    sample i is off by sqrt(d) |z_i| / 2 + 4 |p_i|. Errors of samples are independent, so that they add
    in the mean square, weighted with |x_i| / n, and so do those of the sums of n, of sqrt(n) eps.

    The loss sums n terms of one sign, which leaves a standard deviation of sqrt(n) / 6 eps of it; those
    of the terms mean out. Three times both, and 2 for the rest.
    """
    n, d = x.shape
    loss, slope = widened(outputs, (), w.shape)
    loss64, slope64 = exact
    z, inverse = softmax_probabilities(x, w)
    size = np.linalg.norm(slope64)
    logits = math.sqrt(d) * np.linalg.norm(z, axis=1)
    samples = logits / 2 + 4 * np.linalg.norm(1 / inverse, axis=1)
    carried = np.linalg.norm(np.linalg.norm(x, axis=1) * samples) / (n * size)
    terms = np.linalg.norm(logits) / (n * float(loss64))
    eps = epsilon(outputs)
    return {
        "loss": (largest_ratio(loss - loss64, loss64) / eps, math.sqrt(n) / 2 + float(terms) + 2),
        "gradient": (
            largest_ratio(np.linalg.norm(slope - slope64), size) / eps,
            math.hypot(math.sqrt(n), float(carried)),
        ),
    }


Kernel(
    compute=gradient,
    inputs=softmax_inputs,
    reference=gradient_reference,
    errors=gradient_errors,
    flops=lambda n, d, k: 4 * n * d * k,
    traffic=lambda itemsize, n, d, k: itemsize * (n * d + n * k + 2 * d * k + 1),
    sizes={
        "small": {"n": 32, "d": 8, "k": 4},
        "medium": {"n": 2048, "d": 256, "k": 10},
        "large": {"n": 65536, "d": 512, "k": 10},
        "huge": {"n": 262144, "d": 512, "k": 20},
    },
    chapter="calculus",
)


def jacobian(xp: Array, x: Array, w1: Array, b: Array, w2: Array) -> Array:
    """The Jacobian of two layers of a network, by reverse-mode differentiation, a pass for every output.

        f(x) = W2 tanh(W1 x + b),    df/dx = W2 diag(1 - h^2) W1,    h = tanh(W1 x + b)

    The product of matrices is what a library that does not differentiate computes.
    x (n,), w1 (p, n), b (p,), w2 (q, p) -> df/dx (q, n); 2 n p (q + 1) flops in the products by hand.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 5.3.
    """

    def layers(x: Array) -> Array:
        return w2 @ xp.tanh(w1 @ x + b)

    def by_hand(x: Array) -> Array:
        h = xp.tanh(w1 @ x + b)
        return (w2 * (1 - h * h)) @ w1

    return xp.jacobian(layers, by_hand=by_hand)(x)


def jacobian_inputs(rng: np.random.Generator, n: int, p: int, q: int) -> tuple[np.ndarray, ...]:
    """A standard normal point, and weights of variance 1 / columns, which keep signals of one size."""
    return (
        rng.standard_normal(n),
        rng.standard_normal((p, n)) / math.sqrt(n),
        rng.standard_normal(p) * 0.1,
        rng.standard_normal((q, p)) / math.sqrt(p),
    )


def slopes(x: np.ndarray, w1: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The derivative of tanh in its other form, 1 / cosh^2."""
    of: np.ndarray = np.cosh(np.einsum("pn,n->p", w1, x) + b) ** -2
    return of


def jacobian_reference(
    x: np.ndarray, w1: np.ndarray, b: np.ndarray, w2: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Paths through every hidden unit, summed by NumPy's own loop, which calls no BLAS."""
    paths = np.ascontiguousarray((w1 * slopes(x, w1, b)[:, np.newaxis]).T)
    return (np.einsum("qp,np->qn", w2, paths),)


def jacobian_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    w1: np.ndarray,
    b: np.ndarray,
    w2: np.ndarray,
) -> Errors:
    """Every entry against its own bound, and the whole Jacobian against its norm.

    ``norm`` is ``||J - J64||`` in the Frobenius norm, over the root of sum_k |w2_k|^2 |w1_k|^2: what the
    paths through hidden units k come to where no slope is below 1. The sums of p and of n products err
    by about sqrt(p / 2) u and sqrt(n / 2) u of their norm (Higham & Mary, SIAM J. Sci. Comput. 42,
    2020); the latter reach J undiminished at most, as |tanh''| < 0.77. Three times both, in the mean
    square, and 2 for the slope, whose 1 - h^2 may cancel: sqrt(n + p) + 2 eps. Without the oracle the
    norm is estimated from products with random vectors of signs v, whose mean square it is (Freivalds):
    the imaginary part of f(x + i h v) / h is J v without cancellation (Squire & Trapp, SIAM Review 40,
    1998).

    ``entries`` is the largest ``|J - J64| / (|W2| |W1|)``, slopes being at most 1, with the same limit:
    no partial sum is larger than the whole of these. Without the oracle it reads 16 rows.
    """
    n, p, q = x.size, b.size, w2.shape[0]
    (j,) = widened(outputs, (q, n))
    if exact is None:
        rows = evenly_spaced(q, SAMPLED_ROWS)
        j64 = jacobian_reference(x, w1, b, w2[rows])[0]
        signs = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
        moved = np.tanh((w1 @ x + b)[:, np.newaxis] + 1e-100j * (w1 @ signs))
        distance = np.linalg.norm(j @ signs - (w2 @ moved).imag / 1e-100) / math.sqrt(PROBES)
    else:
        rows = np.arange(q)
        j64 = exact[0]
        distance = np.linalg.norm(j - j64)
    eps = epsilon(outputs)
    limit = math.sqrt(n + p) + 2
    return {
        "norm": (largest_ratio(distance, paths_norm(w1, w2)) / eps, limit),
        "entries": (largest_ratio(j[rows] - j64, np.abs(w2[rows]) @ np.abs(w1)) / eps, limit),
    }


def paths_norm(w1: np.ndarray, w2: np.ndarray) -> float:
    return float(np.linalg.norm(np.linalg.norm(w2, axis=0) * np.linalg.norm(w1, axis=1)))


Kernel(
    compute=jacobian,
    inputs=jacobian_inputs,
    reference=jacobian_reference,
    errors=jacobian_errors,
    flops=lambda n, p, q: 2 * n * p * q + 2 * n * p,
    traffic=lambda itemsize, n, p, q: itemsize * (n + p * n + p + q * p + q * n),
    sizes={
        "small": {"n": 32, "p": 32, "q": 16},
        "medium": {"n": 512, "p": 512, "q": 256},
        "large": {"n": 2048, "p": 2048, "q": 1024},
        "huge": {"n": 8192, "p": 8192, "q": 4096},
    },
    oracle_flops=1e10,
    chapter="calculus",
)
