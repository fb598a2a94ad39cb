"""How fast, and how exactly, do first-order methods solve convex programmes with a constraint?"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, spectral_norm, widened
from xpbench.bench.kernel import Array, Errors

Step = Callable[[np.ndarray], np.ndarray]

FACTORS = 16
"""Of the covariance matrix of a portfolio, as many as a matrix of that order can have."""

PROBES = 4
"""Random vectors from which a mean over all directions is found."""


def projected_gradient(
    xp: Array, q: Array, c: Array, lower: Array, upper: Array, eta: Array, *, steps: int
) -> tuple[Array, Array]:
    """A convex quadratic programme over a box, by projected gradient descent.

        minimise x'Q x / 2 - c'x subject to l <= x <= u,
        x <- P(x - eta (Q x - c)),    P(z) = min(max(z, l), u) entry by entry

    from the middle of the box, x = (l + u) / 2, with a constant step. Beside the last x it returns the
    length of one step more, |P(x - eta (Q x - c)) - x|, which is zero where the conditions of Karush,
    Kuhn and Tucker hold, and there alone.

    Q (n, n) symmetric and positive semidefinite, c (n,), l (n,), u (n,), eta () -> x (n,), residual ();
    (steps + 1) (2 n^2 + 5 n) + 5 n flops.
    Beck, First-Order Methods in Optimization, sections 10.2 and 10.3; Nocedal & Wright, Numerical
    Optimization, 2nd ed., section 16.7.
    """
    down = -eta

    def step(_: Array, x: Array) -> Array:
        return xp.minimum(xp.maximum(xp.multiply_add(down, q @ x - c, x), lower), upper)

    x = xp.fori_loop(steps, step, (lower + upper) / 2)
    return x, xp.linalg.vector_norm(step(steps, x) - x)


def admm(
    xp: Array, a: Array, b: Array, penalty: Array, rho: Array, *, steps: int
) -> tuple[Array, Array, Array, Array]:
    """The lasso by the alternating direction method of multipliers.

        minimise |A x - b|^2 / 2 + lambda |z|_1 subject to x = z,
        x <- (A'A + rho 1)^-1 (A'b + rho (z - u))
        u <- min(max(x + u, -k), k),    z <- x + u_before - u,    k = lambda / rho

    from z = u = 0. With v = x + u_before the step for z is soft thresholding, sign(v) max(|v| - k, 0),
    and that for the scaled multipliers u is u_before + x - z. Of the last step it returns z, u, the
    primal residual x - z and the dual residual rho (z - z_before); the conditions of Karush, Kuhn and
    Tucker hold where both residuals are zero.

    A'A + rho 1 is factored once, C C' of Cholesky, and inverted as C^-T C^-1, because libraries multiply
    by a matrix many times faster than they solve with two triangles.
    That costs no digits where the condition number is small, and rho makes it so.

    A (m, n), b (m,), lambda (), rho () -> z (n,), u (n,), primal (n,), dual (n,);
    2 m n^2 + 10/3 n^3 + 2 m n + 5 n^2 + steps (2 n^2 + 6 n) + 3 n flops.
    Boyd, Parikh, Chu, Peleato & Eckstein, Foundations and Trends in Machine Learning 3, 2011, sections
    3.3, 4.2 and 6.4; Moreau, Bulletin de la Societe Mathematique de France 93, 1965, for z and u.
    """
    identity = xp.eye(a.shape[1], dtype=a.dtype)
    factor = xp.linalg.cholesky(a.T @ a + rho * identity)
    root = xp.solve_triangular(factor, identity, lower=True)
    inverse = root.T @ root
    start = inverse @ (a.T @ b)
    scaled, k = rho * inverse, penalty / rho

    def step(_: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        z, u, _, _ = state
        x = start + scaled @ (z - u)
        v = x + u
        u = xp.minimum(xp.maximum(v, -k), k)
        return v - u, u, x, z

    zero = xp.zeros_like(a[0, :])
    z, u, x, before = xp.fori_loop(steps, step, (zero, zero, zero, zero))
    return z, u, x - z, rho * (z - before)


def projected_gradient_inputs(rng: np.random.Generator, n: int, steps: int) -> tuple[np.ndarray, ...]:
    """A portfolio of mean and variance: expected returns c, their covariance Q, bounded positions.

    Q = B B' + D, with factors B (n, FACTORS) normal and D diagonal, has eigenvalues from about 1/4 to 9.
    The step is 1 / L with L = ||B||^2 + max D, which is at least the largest of them.
    """
    k = min(FACTORS, n)
    b = rng.standard_normal((n, k)) * (math.sqrt(8) / (math.sqrt(n) + math.sqrt(k)))
    d = rng.uniform(0.25, 1, n)
    c = rng.standard_normal(n)
    lower, upper = -rng.uniform(0.25, 1, n), rng.uniform(0.25, 1, n)
    eta = 1 / (np.linalg.eigvalsh(b.T @ b)[-1] + np.max(d))
    return b @ b.T + np.diag(d), c, lower, upper, np.asarray(eta)


def admm_inputs(rng: np.random.Generator, m: int, n: int, steps: int) -> tuple[np.ndarray, ...]:
    """A regression of which a fifth of the coefficients are not zero, on features of different scales.

    The noise has three tenths of the signal's size, lambda is a tenth of that which leaves no feature,
    and rho = 0.7 lies between the eigenvalues of A'A: the condition number of A'A + rho 1 is about 3.
    """
    a = rng.standard_normal((m, n)) * np.linspace(1, 0.25, n) / math.sqrt(m)
    signal = a @ np.where(np.arange(n) % 5 == 0, rng.standard_normal(n), 0.0)
    b = signal + 0.3 * np.std(signal) * rng.standard_normal(m)
    return a, b, np.asarray(0.1 * np.max(np.abs(a.T @ b))), np.asarray(0.7)


def projected_gradient_reference(
    q: np.ndarray, c: np.ndarray, lower: np.ndarray, upper: np.ndarray, eta: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64 with NumPy's own loop for products, which calls no BLAS."""
    x = (lower + upper) / 2
    for _ in range(steps):
        x = np.clip(x + eta * (c - np.einsum("ij,j->i", q, x)), lower, upper)
    return x, np.asarray(natural_residual(x, c - np.einsum("ij,j->i", q, x), lower, upper, eta))


def natural_residual(
    x: np.ndarray, downhill: np.ndarray, lower: np.ndarray, upper: np.ndarray, eta: np.ndarray
) -> float:
    """The length of the step ``eta * downhill`` from ``x``, cut where it leaves the box."""
    return float(np.linalg.norm(np.clip(eta * downhill, lower - x, upper - x)))


def admm_reference(
    a: np.ndarray, b: np.ndarray, penalty: np.ndarray, rho: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, by a QR decomposition and soft thresholds.

    With A over sqrt(rho) 1 equal to Q R, A'A + rho 1 is R'R without a Gram matrix being formed.
    """
    import scipy.linalg

    n = a.shape[1]
    r = np.linalg.qr(np.vstack([a, math.sqrt(rho) * np.eye(n)]), mode="r")
    z = before = x = u = np.zeros(n)
    for _ in range(steps):
        right = b @ a + rho * (z - u)
        x = scipy.linalg.solve_triangular(r, scipy.linalg.solve_triangular(r, right, trans="T"))
        before, z = z, np.sign(x + u) * np.maximum(np.abs(x + u) - penalty / rho, 0)
        u = u + x - z
    return z, u, x - z, rho * (z - before)


def projected_gradient_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    q: np.ndarray,
    c: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    eta: np.ndarray,
    steps: int,
) -> Errors:
    """The last x against the oracle's, its residual against that of the same x, and the box.

    An entry of a step sums n products of mean zero, with an error of about sqrt(n) / 4 eps times the
    norm of its terms (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), and every other operation errs by
    0.3 eps of its result in the root mean square. With g = Q x - c entry i errs by

        e_i^2 = n eta^2 / 16 sum over j of (q_ij x_j)^2 + 0.09 (x_i^2 + 2 eta^2 g_i^2)

    eps, or not at all where it is cut. ``point`` is ``|x - x64| / |x64|``. A step maps the errors of
    entries that are not cut by their block of 1 - eta Q, which is positive semidefinite, and rounds
    like the step before once x moves little: errors add, by the sum over t < steps of powers of that
    block. Inverses of blocks are at most blocks of the inverse, and so is that sum in the limit. Hence
    the limit is three times |e| / |x64| times the root mean square of the entries of the product of the
    sum of (1 - eta Q)^t with random signs (see ``powers``).

    ``kkt`` is the difference of the residual returned and that of the returned x in float64, over |x|.
    Of the errors e of a step the part along the step v counts, in the root mean square the root of the
    sum of (v_i e_i)^2 / |v|^2, and |e|^2 eps / (2 |v|) of that across, which decides near the minimum;
    but never more than |e|. The limit is four times that, and sqrt(n) / 4 + 1 of |v| for a norm that
    sums n squares, over |x|.

    ``bounds`` is by how much x lies outside of the box, limit 0.
    """
    n = len(c)
    x, residual = widened(outputs, (n,), ())
    size, eps, rate = float(np.linalg.norm(exact[0])), epsilon(outputs), float(eta)
    downhill = c - q @ x
    v = np.clip(rate * downhill, lower - x, upper - x)
    sums = n / 16 * np.einsum("ij,ij,j->i", q, q, x**2)
    e = np.sqrt(rate**2 * sums + 0.09 * (x**2 + 2 * (rate * downhill) ** 2))
    carried = sum(powers(lambda z: z - rate * (q @ z), n, steps))
    length, whole = natural_residual(x, downhill, lower, upper, eta), float(np.linalg.norm(e))
    along = math.hypot(float(np.linalg.norm(v * e)), eps * whole**2 / 2)
    rounding = 4 * (min(whole, along / length) if length else whole) + (math.sqrt(n) / 4 + 1) * length
    outside = largest_ratio(x - np.clip(x, lower, upper), 1.0)
    return {
        "point": (
            largest_ratio(np.linalg.norm(x - exact[0]), size) / eps,
            3 * whole * math.sqrt(np.mean(np.square(carried))) / size,
        ),
        "kkt": (largest_ratio(residual - length, size) / eps, rounding / size),
        "bounds": (outside / eps, 0.0),
    }


def admm_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    a: np.ndarray,
    b: np.ndarray,
    penalty: np.ndarray,
    rho: np.ndarray,
    steps: int,
) -> Errors:
    """z and u against the oracle's, both residuals, and the conditions of Karush, Kuhn and Tucker.

    With G = A'A + rho 1 and x = z + primal, rounding makes a step solve a system of matrix G + E, and
    whose right side is off by f. Sums of m and of n products of mean zero err by sqrt(m) / 4 and
    sqrt(n) / 4 eps times the norms of their terms (Higham & Mary, SIAM J. Sci. Comput. 42, 2020). For
    E x - f that is, over the rows a_k of A, their products a_k x entry by entry, and the diagonal of
    A'A, whose terms have one sign,

        gram^2 = m / 16 (sum over k of |a_k|^2 (|a_k x|^2 + b_k^2) + |diag(A'A) x|^2)

    eps in the mean square. C, C^-1, C^-T C^-1 and its product with a vector err by sqrt(n) / 4 of their
    norms, in all by ``inverse = (sqrt(n) / 2 + 3) kappa ||G|| |x|`` with the condition number kappa of
    G, at most ||G|| / rho (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections
    10.1 and 14.3), with 3 for the operations on single entries, which decide where n is small.

    ``stationarity`` is ``|A'(A x - b) + rho u + dual|``, which is G x less the right side of the last
    step, over ``||G|| |x|``: limit the root of (3 gram)^2 + inverse^2 over the same. Three, because gram
    is a root mean square and inverse a bound.

    ``point`` is the distance of (z, u) from the oracle's over the norm of the latter. A step errs by
    that root over rho, and by one eps of x and u: much the same in every step, for E is. Later steps
    carry an error on by J = D + rho G^-1 (1 - 2 D), where D marks the entries that the threshold leaves
    zero. So it grows by the sum of J^t over t < steps: the limit is the error of a step times the root
    mean square of the entries of that sum's product with random signs. ``residuals`` is the distance
    of (primal, dual / rho) over the same norm. They are the last moves of u and z, and err by the last
    term of that sum: limit the error of a step.

    ``threshold`` is by how much u is not the multiplier of z: at most k, and k sign(z) where z is not
    zero; over k. Half an eps is lost of k in its division, and of z and u where z = v - k sign(v) is
    found before u = v - z: limit 1 + max |z| / (2 k).
    """
    n = a.shape[1]
    z, u, primal, dual = widened(outputs, (n,), (n,), (n,), (n,))
    eps, weight, k = epsilon(outputs), float(rho), float(penalty / rho)
    x, gram = z + primal, a.T @ a
    length, norm = float(np.linalg.norm(x)), spectral_norm(a) ** 2 + weight

    squares = np.einsum("ij,ij->i", a, a) @ (np.einsum("ij,ij,j->i", a, a, x**2) + b**2)
    sums = len(b) / 16 * (squares + np.linalg.norm(np.diagonal(gram) * x) ** 2)
    delta = math.hypot(3 * math.sqrt(sums), (math.sqrt(n) / 2 + 3) * norm**2 / weight * length)
    step = delta / weight + length + float(np.linalg.norm(u))
    carried = step * growth(gram, weight, exact[0] == 0, steps)

    scale = math.hypot(*map(np.linalg.norm, exact[:2]))
    point = math.hypot(np.linalg.norm(z - exact[0]), np.linalg.norm(u - exact[1]))
    residuals = math.hypot(np.linalg.norm(primal - exact[2]), np.linalg.norm(dual - exact[3]) / weight)
    apart = np.linalg.norm(gram @ x - b @ a + weight * u + dual)
    return {
        "stationarity": (largest_ratio(apart, norm * length) / eps, delta / (norm * length)),
        "point": (largest_ratio(point, scale) / eps, carried / scale),
        "residuals": (largest_ratio(residuals, scale) / eps, step / scale),
        "threshold": (
            largest_ratio(u - np.clip(u + z, -k, k), k) / eps,
            1 + float(np.max(np.abs(z))) / (2 * k),
        ),
    }


def growth(gram: np.ndarray, rho: float, zero: np.ndarray, steps: int) -> float:
    """What an error of x in every step has grown to after ``steps``: see ``admm_errors``."""
    import scipy.linalg

    factor = scipy.linalg.cho_factor(gram + rho * np.eye(len(gram)))

    def carried(e: np.ndarray) -> np.ndarray:
        kept = np.where(zero[:, None], e, 0)
        moved: np.ndarray = kept + rho * scipy.linalg.cho_solve(factor, e - 2 * kept)
        return moved

    return math.sqrt(np.mean(sum(powers(carried, len(gram), steps)) ** 2))


def powers(step: Step, n: int, steps: int) -> Iterator[np.ndarray]:
    """Vectors of random signs (n, PROBES) after 0 ... ``steps`` - 1 linear steps.

    The mean square of what a matrix makes of them is that of its rows' norms (Hutchinson,
    Communications in Statistics, Simulation and Computation 19, 1990).
    """
    z = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES))
    for _ in range(steps):
        yield z
        z = step(z)


Kernel(
    compute=projected_gradient,
    inputs=projected_gradient_inputs,
    reference=projected_gradient_reference,
    errors=projected_gradient_errors,
    flops=lambda n, steps: (steps + 1) * (2 * n**2 + 5 * n) + 5 * n,
    traffic=lambda itemsize, n, steps: itemsize * (n**2 + 4 * n + 2),
    sizes={
        "small": {"n": 32, "steps": 5},
        "medium": {"n": 512, "steps": 50},
        "large": {"n": 2048, "steps": 100},
        "huge": {"n": 8192, "steps": 100},
    },
    static=("steps",),
    chapter="optimization",
)

Kernel(
    compute=admm,
    inputs=admm_inputs,
    reference=admm_reference,
    errors=admm_errors,
    flops=lambda m, n, steps: (
        2 * m * n**2 + 10 / 3 * n**3 + 2 * m * n + 5 * n**2 + steps * (2 * n**2 + 6 * n) + 3 * n
    ),
    traffic=lambda itemsize, m, n, steps: itemsize * (m * n + m + 2 + 4 * n),
    sizes={
        "small": {"m": 32, "n": 16, "steps": 5},
        "medium": {"m": 512, "n": 256, "steps": 20},
        "large": {"m": 2048, "n": 1024, "steps": 40},
        "huge": {"m": 8192, "n": 4096, "steps": 40},
    },
    static=("steps",),
    chapter="optimization",
)
