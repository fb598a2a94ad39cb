"""How fast, and how exactly, does a descent run that knows, or learns, the curvature of its way?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, spectral_norm, widened
from xpbench.bench.kernel import Array, Errors

ARRIVED = 1e-4
"""Of the first gradient: with less of it left, rounding leaves bfgs little to learn from in float32."""

REPLICAS = 8
"""Trajectories whose rounding is drawn at random, from which the limit of bfgs is found."""


def newton(xp: Array, x: Array, y: Array, penalty: Array, *, steps: int) -> Array:
    """Logistic regression with an L2 penalty by Newton's method, and every iterate on the way.

        f(w) = 1/n sum_i (log(1 + exp(x_i'w)) - y_i x_i'w) + lambda/2 |w|^2
        w_t = w_t-1 - H^-1 g,    t = 1 ... T,    from w_0 = 0
        g = X'(p - y) / n + lambda w,    H = X' diag(c) X / n + lambda 1,    all at w = w_t-1
        p = 1 / (1 + exp(-X w)),    c = p (1 - p)

    The gradient g and the Hessian H are found by differentiating f; the third and fourth lines are
    what a library that does not differentiate computes. H s = g is solved by elimination.

    x (n, d) with rows x_i, y (n,) of 0 and 1, lambda () -> w_1 ... w_T in rows (T, d);
    T (2 n d^2 + 2/3 d^3 + 7 n d) flops by hand.
    Bishop, Pattern Recognition and Machine Learning, section 4.3.3; Nocedal & Wright, Numerical
    Optimization, 2nd ed., section 3.3.
    """
    n, d = x.shape
    identity = xp.eye(d, dtype=x.dtype)

    def objective(w: Array) -> Array:
        z = w @ x.T
        return xp.sum(xp.softplus(z) - y * z) / n + penalty / 2 * xp.sum(w * w)

    def gradient(w: Array) -> Array:
        p = xp.sigmoid(x @ w)
        return (p - y) @ x / n + penalty * w

    def curvature(w: Array) -> Array:
        e = xp.exp(-xp.abs(x @ w))
        rows = x * (xp.sqrt(e / n) / (1 + e))[:, None]
        return rows.T @ rows + penalty * identity

    slope = xp.grad(objective, by_hand=gradient)
    hessian = xp.hessian(objective, by_hand=curvature)

    def step(w: Array, _: Array) -> tuple[Array, Array]:
        w = w - xp.linalg.solve(hessian(w), slope(w))
        return w, w

    _, iterates = xp.scan(step, xp.zeros_like(x[0, :]), xp.arange(steps))
    return iterates


def bfgs(xp: Array, x: Array, y: Array, penalty: Array, *, steps: int) -> tuple[Array, Array]:
    """Logistic regression with an L2 penalty by the quasi-Newton method BFGS.

        f(w) = 1/n sum_i (log(1 + exp(x_i'w)) - y_i x_i'w) + lambda/2 |w|^2
        p = -B g,    a = -g'p / (p'H p),    s = a p,    w <- w + s
        q = g(w) - g(w - s),    r = 1 / (q's),    B <- (1 - r s q') B (1 - r q s') + r s s'

    T times from w = 0 and B = 1, where g and H are the gradient and the Hessian of f at w. B tends to
    H^-1. The step length a minimises the second-order model of f along p, which needs the curvature
    p'H p = 1/n sum_i c_i (x_i'p)^2 + lambda |p|^2, c_i = exp(x_i'w) / (1 + exp(x_i'w))^2, and not H.
    As f is strictly convex, q's > 0 and B stays positive definite. At the minimum, where rounding may
    leave neither, nothing moves: a = 0 unless p'H p > 0, and r = 0 unless q's > 0.

    x (n, d) with rows x_i, y (n,) of 0 and 1, lambda () -> w (d,), B (d, d);
    (T + 1) 2 n d + T (2 n d + 12 n + 11 d^2) flops.
    Nocedal & Wright, Numerical Optimization, 2nd ed., section 6.1, equation 6.17 for B.
    """
    n, d = x.shape

    def gradient(z: Array, w: Array) -> tuple[Array, Array]:
        p = xp.sigmoid(z)
        return (p - y) @ x / n + penalty * w, p * (1 - p)

    def quotient(dividend: Array, divisor: Array) -> Array:
        positive = divisor > 0
        safe = xp.where(positive, divisor, xp.ones_like(divisor))
        return xp.where(positive, dividend, xp.zeros_like(dividend)) / safe

    def step(_: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        w, b, z, g, c = state
        direction = -(b @ g)
        along = x @ direction
        curvature = xp.sum(c * along * along) / n + penalty * xp.sum(direction * direction)
        a = quotient(-xp.sum(g * direction), curvature)
        s = a * direction
        w, z = w + s, z + a * along
        before = g
        g, c = gradient(z, w)
        q = g - before
        qs = xp.sum(q * s)
        r = quotient(xp.ones_like(qs), qs)
        bq = b @ q
        cross = s[:, None] * bq[None, :]
        b = b - r * (cross + cross.T) + (r + r * r * xp.sum(q * bq)) * (s[:, None] * s[None, :])
        return w, b, z, g, c

    w, z = xp.zeros_like(x[0, :]), xp.zeros_like(y)
    g, c = gradient(z, w)
    w, b, _, _, _ = xp.fori_loop(steps, step, (w, xp.eye(d, dtype=x.dtype), z, g, c))
    return w, b


def inputs(rng: np.random.Generator, n: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """Features of different scales, labels drawn from a logistic model of slope 2, and lambda = 0.01.

    But for a ten-thousandth, a feature is plus or minus one scale. Where products take factors in eleven
    bits, as on tensor cores, its entries are thus off by much the same share, which no sum over samples
    averages away in the first Hessian. Terms quite equal would all round alike in any precision.
    """
    scales = rng.uniform(0.5, 1.0, d)
    x = rng.choice([-1.0, 1.0], (n, d)) * scales * rng.uniform(0.9999, 1.0001, (n, d))
    logits = x @ (rng.standard_normal(d) / scales) * (2 / math.sqrt(d))
    y = rng.random(n) < 1 / (1 + np.exp(-logits))
    return x, y.astype(np.float64), np.asarray(0.01)


def newton_reference(
    x: np.ndarray, y: np.ndarray, penalty: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """The same iterates as least-squares solutions, of working responses with weights (IRLS).

    A step of Newton's minimises sum_i c_i (x_i'w - v_i)^2 + n lambda |w|^2 with c = p (1 - p) and
    v = z - (p - y) / c (Bishop, section 4.3.3): solved by QR, and neither g nor H is formed. The
    residuals are far larger than z, hence one step of refinement, by the corrected seminormal equations
    (Bjorck, Numerical Methods for Least Squares Problems, section 6.6.5).
    """
    import scipy.linalg
    from scipy.special import expit

    n, d = x.shape
    w = np.zeros(d)
    iterates = []
    for _ in range(steps):
        z = x @ w
        root = np.sqrt(expit(z) * expit(-z))
        stacked = np.vstack([root[:, np.newaxis] * x, math.sqrt(n * float(penalty)) * np.eye(d)])
        response = np.append(root * z - (expit(z) - y) / root, np.zeros(d))
        q, r = scipy.linalg.qr(stacked, mode="economic")
        w = scipy.linalg.solve_triangular(r, q.T @ response)
        w += scipy.linalg.cho_solve((r, False), stacked.T @ (response - stacked @ w))
        iterates.append(w)
    return (np.stack(iterates),)


def newton_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> Errors:
    """Every step against the equation it solves, and every iterate against the oracle's.

    Both pairs count in root mean squares of what rounding does, and have a limit of 4. Roundings are
    independent and add in the mean square; a sum of l terms of mean zero errs by sqrt(l) / 4 eps of the
    norm of its terms, one of one sign by sqrt(l) / 6 eps of itself (Higham & Mary, SIAM J. Sci. Comput.
    42, 2020).

    ``steps`` is the largest ``|H s + g|``, with the step s from one iterate to the next as they were
    returned, and g and H at the former in float64: two products with X give H s. With c = p (1 - p)
    and its slope c', z is off by dz = sqrt(d) / 4 |x_i * w| eps, which moves g by X'(c * dz) / n and H s
    by X'(c' * Xs * dz) / n; p and c err by one eps of themselves, the sums of n in g and H as said,
    elimination by sqrt(d) / 4 ||H|| |s| eps (see ``solve``), the subtraction by ||H|| |w| / 3 eps.

    ``iterates``, where there is an oracle, is the largest ``|w_t - w64_t|``. An error of w_t-1 goes on
    as N = H^-1 X' diag(c' * Xs) X / n, the derivative of the method's map, and to it comes H^-1 times
    that of the step; over random directions both enlarge by their Frobenius norm over sqrt(d).
    """
    d = x.shape[1]
    (iterates,) = widened(outputs, (steps, d))
    eps = epsilon(outputs)
    of_steps, of_iterates = [], []
    before, carried = np.zeros(d), 0.0
    for t, after in enumerate(iterates):
        residual, deviation = newton_step(x, y, float(penalty), before, after)
        of_steps.append(residual / (eps * deviation))
        if exact is not None:
            amplified, inverse = newton_map(x, float(penalty), before, after - before)
            carried = math.hypot(amplified * carried, inverse * deviation)
            of_iterates.append(float(np.linalg.norm(after - exact[0][t])) / (eps * carried))
        before = after
    pairs = {"steps": (max(of_steps), 4.0)}
    return pairs if exact is None else {**pairs, "iterates": (max(of_iterates), 4.0)}


def curvatures(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p = sigma(z), c = p (1 - p), and c' = dc/dz."""
    from scipy.special import expit

    p = expit(z)
    c = p * expit(-z)
    return p, c, c * (1 - 2 * p)


def newton_step(
    x: np.ndarray, y: np.ndarray, penalty: float, before: np.ndarray, after: np.ndarray
) -> tuple[float, float]:
    """``|H s + g|``, and its root mean square from rounding, in eps: see ``newton_errors``."""
    n, d = x.shape
    s = after - before
    p, c, slope = curvatures(x @ before)
    xs, rows = x @ s, np.sum(x**2, axis=1)
    residual = x.T @ (c * xs + p - y) / n + penalty * after
    norm = spectral_norm(np.sqrt(c / n)[:, np.newaxis] * x) ** 2 + penalty
    dz = math.sqrt(d) / 4 * np.sqrt(x**2 @ before**2)
    diagonal = c @ x**2 / n
    sources = (
        np.linalg.norm(np.sqrt(rows) * dz * np.hypot(c, slope * xs)) / n,
        np.linalg.norm(np.sqrt(rows) * np.hypot(p, c * xs)) / n,
        math.sqrt(n) / 4 * math.sqrt(float(rows @ (p - y) ** 2)) / n,
        math.sqrt(n) / 4 * math.sqrt(float((rows * c**2) @ (x**2 @ s**2))) / n,
        math.sqrt(n) / 6 * np.linalg.norm(diagonal * s),
        math.sqrt(d) / 4 * norm * np.linalg.norm(s),
        norm * np.linalg.norm(after) / 3,
    )
    return float(np.linalg.norm(residual)), float(np.linalg.norm(sources))


def newton_map(
    x: np.ndarray, penalty: float, before: np.ndarray, step: np.ndarray
) -> tuple[float, float]:
    """How much a step enlarges an error of its start, and one of its equation, root mean square."""
    n, d = x.shape
    _, c, slope = curvatures(x @ before)
    hessian = (x.T * (c / n)) @ x + penalty * np.eye(d)
    inverse = np.linalg.inv(hessian)
    derivative = inverse @ ((x.T * (slope * (x @ step) / n)) @ x)
    start, equation = (float(np.linalg.norm(matrix)) for matrix in (derivative, inverse))
    return start / math.sqrt(d), equation / math.sqrt(d)


def bfgs_reference(
    x: np.ndarray, y: np.ndarray, penalty: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """The same steps in float64, with B updated by products of whole matrices as the formula stands.

    Raises
    ------
    Unsupported
        If the minimum is all but reached before the last step (see ``ARRIVED``).
    """
    from scipy.special import expit

    d, signs = x.shape[1], 2 * y - 1

    def gradient(w: np.ndarray) -> np.ndarray:
        slopes = signs * expit(-signs * (x @ w))
        g: np.ndarray = float(penalty) * w - np.mean(slopes[:, np.newaxis] * x, axis=0)
        return g

    w, b = np.zeros(d), np.eye(d)
    first = np.linalg.norm(gradient(w))
    for _ in range(steps):
        g = gradient(w)
        if not np.linalg.norm(g) > ARRIVED * first:
            raise Unsupported("the minimum is reached before the last step: take fewer steps")
        direction = -np.einsum("ij,j->i", b, g)
        weights = expit(x @ w) * expit(-(x @ w))
        curvature = np.mean(weights * (x @ direction) ** 2) + penalty * np.dot(direction, direction)
        s = -np.dot(g, direction) / curvature * direction
        w, q = w + s, gradient(w + s) - g
        projector = np.eye(d) - np.outer(s, q) / np.dot(q, s)
        b = projector @ b @ projector.T + np.outer(s, s) / np.dot(q, s)
    return w, b


def bfgs_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
    steps: int,
) -> Errors:
    """``|w - w64| / |w64|`` and ``||B - B64|| / ||B64||`` (Frobenius) after the last step.

    The limits are four times what rounding adds up to in the root mean square: see ``bfgs_spread``.
    """
    d = x.shape[1]
    found, eps, pairs = widened(outputs, (d,), (d, d)), epsilon(outputs), {}
    spreads = bfgs_spread(x, y, float(penalty), steps)
    parts = zip(("weights", "inverse"), found, exact, spreads, strict=True)
    for name, value, value64, spread in parts:
        size = float(np.linalg.norm(value64))
        pairs[name] = (largest_ratio(np.linalg.norm(value - value64), size) / eps, 4 * spread / size)
    return pairs


def bfgs_spread(x: np.ndarray, y: np.ndarray, penalty: float, steps: int) -> tuple[float, float]:
    """How far rounding carries the last w and B, in the root mean square, over eps.

    No bound follows errors through quotients of differences that shrink, so they are carried along, as
    for ``adam``: REPLICAS trajectories with random errors of 2^-36 in place of eps are compared with one
    that has none (Monte Carlo arithmetic: Parker, Pierce & Eggert, Computing in Science & Engineering
    2, 2000). Single operations err by 0.3 eps of their result, probabilities by one eps, sums of l
    terms by sqrt(l) / 4 of the norm of the terms if these have mean zero, and by sqrt(l) / 6 of the sum
    of their magnitudes if they may be of one sign (Higham & Mary, SIAM J. Sci. Comput. 42, 2020).
    """
    rng = np.random.default_rng(0)
    n, d = x.shape
    unit = np.append(0.0, np.full(REPLICAS, 2.0**-36))
    squares = x**2

    def noisy(exact: np.ndarray, *sizes: np.ndarray | float) -> np.ndarray:
        """``exact`` (REPLICAS + 1, ...), every replica but the first with errors of these sizes."""
        size = np.sqrt(sum(np.square(part) for part in sizes))
        scale = unit.reshape(-1, *[1] * (exact.ndim - 1))
        noisy: np.ndarray = exact + scale * size * rng.standard_normal(exact.shape)
        return noisy

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Inner products (R,) of a, b (R, l)."""
        return noisy(np.sum(a * b, axis=1), math.sqrt(a.shape[1]) / 6 * np.sum(np.abs(a[0] * b[0])))

    def gradient(z: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p, c, _ = curvatures(z)
        p, c = noisy(p, p[0]), noisy(c, c[0])
        residual = p - y
        terms = np.sqrt(residual[0] ** 2 @ squares) / n
        data = noisy(residual @ x / n, math.sqrt(n) / 4 * terms)
        return noisy(data + penalty * w, 0.3 * data[0], 0.6 * penalty * w[0]), c

    def times(b: np.ndarray, v: np.ndarray) -> np.ndarray:
        terms = np.sqrt(b[0] ** 2 @ v[0] ** 2)
        return noisy(np.einsum("rij,rj->ri", b, v), math.sqrt(d) / 4 * terms)

    w, z = np.zeros((REPLICAS + 1, d)), np.zeros((REPLICAS + 1, n))
    b = np.tile(np.eye(d), (REPLICAS + 1, 1, 1))
    g, c = gradient(z, w)
    for _ in range(steps):
        direction = -times(b, g)
        along = direction @ x.T
        along = noisy(along, math.sqrt(d) / 4 * np.sqrt(squares @ direction[0] ** 2))
        curvature = product(c / n, along**2) + penalty * product(direction, direction)
        a = -product(g, direction) / curvature
        a = noisy(a, a[0])[:, np.newaxis]
        s = noisy(a * direction, 0.3 * a[0] * direction[0])
        w = noisy(w + s, 0.3 * (w + s)[0])
        z = noisy(z + a * along, 0.3 * a[0] * along[0], 0.3 * (z + a * along)[0])
        before = g
        g, c = gradient(z, w)
        q = noisy(g - before, 0.3 * (g - before)[0])
        r = 1 / product(q, s)
        r = noisy(r, 0.3 * r[0])[:, np.newaxis, np.newaxis]
        bq = times(b, q)
        cross = r * (s[:, :, np.newaxis] * bq[:, np.newaxis, :])
        outer = r * (s[:, :, np.newaxis] * s[:, np.newaxis, :])
        factor = 1 + r * product(q, bq)[:, np.newaxis, np.newaxis]
        updated = b - cross - np.swapaxes(cross, 1, 2) + factor * outer
        sizes = (b[0], cross[0], cross[0].T, (factor * outer)[0], updated[0])
        b = noisy(updated, *(0.5 * size for size in sizes))
    scale = math.sqrt(REPLICAS) * 2.0**-36
    return float(np.linalg.norm(w[1:] - w[0])) / scale, float(np.linalg.norm(b[1:] - b[0])) / scale


Kernel(
    compute=newton,
    inputs=inputs,
    reference=newton_reference,
    errors=newton_errors,
    flops=lambda n, d, steps: steps * (2 * n * d**2 + 2 * d**3 / 3 + 7 * n * d),
    traffic=lambda itemsize, n, d, steps: itemsize * (n * d + n + 1 + steps * d),
    sizes={
        "small": {"n": 64, "d": 4, "steps": 3},
        "medium": {"n": 1024, "d": 64, "steps": 5},
        "large": {"n": 16384, "d": 256, "steps": 6},
        "huge": {"n": 131072, "d": 1024, "steps": 6},
    },
    static=("steps",),
    oracle_flops=2e10,
    chapter="optimization",
)

Kernel(
    compute=bfgs,
    inputs=inputs,
    reference=bfgs_reference,
    errors=bfgs_errors,
    flops=lambda n, d, steps: (steps + 1) * 2 * n * d + steps * (2 * n * d + 12 * n + 11 * d**2),
    traffic=lambda itemsize, n, d, steps: itemsize * (n * d + n + 1 + d + d**2),
    sizes={
        "small": {"n": 64, "d": 4, "steps": 3},
        "medium": {"n": 2048, "d": 128, "steps": 8},
        "large": {"n": 32768, "d": 512, "steps": 12},
        "huge": {"n": 131072, "d": 1024, "steps": 12},
    },
    static=("steps",),
    chapter="optimization",
)
