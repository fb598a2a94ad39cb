"""How fast, and how exactly, is a linear regression with penalised coefficients solved?"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, least_squares_errors, widened
from xpbench.bench.kernel import Array, Errors

REPLICAS = 8
"""Trajectories whose rounding is drawn at random, from which a limit is found."""

SIZES: Mapping[str, Mapping[str, int]] = {
    "small": {"n": 64, "d": 16, "steps": 6},
    "medium": {"n": 4096, "d": 128, "steps": 50},
    "large": {"n": 32768, "d": 512, "steps": 100},
    "huge": {"n": 262144, "d": 512, "steps": 200},
}


def ridge(xp: Array, x: Array, y: Array, penalty: Array) -> Array:
    """Linear regression with a penalty on the squares of the coefficients.

        minimise |X w - y|^2 + lambda |w|^2  =  | [ X; sqrt(lambda) 1 ] w - [ y; 0 ] |^2

    by a QR decomposition of the stacked matrix, without an intercept. The normal equations,
    (X'X + lambda 1) w = X'y, take fewer operations, but have the square of its condition number.

    x (n, d), y (n,), lambda () > 0 -> w (d,); 2 d^2 (n + 2/3 d) + 4 (n + d) d flops.
    Hoerl & Kennard, Technometrics 12, 1970; Golub & Van Loan, Matrix Computations, 4th ed., sections
    5.3 and 6.1.
    """
    d = x.shape[1]
    stacked = xp.concat([x, xp.sqrt(penalty) * xp.eye(d, dtype=x.dtype)], axis=0)
    return xp.lstsq(stacked, xp.concat([y, xp.zeros_like(x[0, :])]))


def lasso(xp: Array, x: Array, y: Array, l1: Array, eta: Array, beta: Array) -> tuple[Array, Array]:
    """Linear regression with a penalty on the absolute coefficients, by accelerated proximal gradients.

        F(w) = |X w - y|^2 / 2 + lambda |w|_1

        z_k = w_k-1 + beta_k (w_k-1 - w_k-2),    v_k = z_k - eta (X'X z_k - X'y),
        w_k = S(v_k; eta lambda),    S(v; k) = sign(v) max(|v| - k, 0),    k = 1 ... T

    from w_0 = w_-1 = 0 with the step eta = 1 / L, L = ||X||^2, and beta_k = (t_k-1 - 1) / t_k where
    t_1 = 1, t_k+1 = (1 + sqrt(1 + 4 t_k^2)) / 2, and beta_1 = 0. Both are inputs. It returns w_T and
    F(w_T). X'X and X'y are formed once, because samples are many and coefficients few.
    S is computed as v - min(max(v, -k), k).

    x (n, d), y (n,), lambda (), eta (), beta (T,) -> w (d,), objective ();
    2 n d^2 + 2 n d + T (2 d^2 + 9 d) + 2 n d + 3 n + 2 d flops.
    Beck & Teboulle, SIAM J. Imaging Sciences 2, 2009, section 4 (FISTA).
    """
    threshold = eta * l1
    below = -threshold

    def shrink(v: Array) -> Array:
        return v - xp.minimum(xp.maximum(v, below), threshold)

    w = fista(xp, x, y, shrink, eta, beta)
    r = x @ w - y
    return w, (r @ r) / 2 + l1 * xp.sum(xp.abs(w))


def elastic_net(
    xp: Array, x: Array, y: Array, l1: Array, l2: Array, eta: Array, beta: Array
) -> tuple[Array, Array]:
    """Linear regression with penalties on absolute and squared coefficients, by proximal gradients.

        F(w) = |X w - y|^2 / 2 + lambda_1 |w|_1 + lambda_2 |w|^2 / 2

        z_k = w_k-1 + beta_k (w_k-1 - w_k-2),    v_k = z_k - eta (X'X z_k - X'y),
        w_k = S(v_k; eta lambda_1) / (1 + eta lambda_2),    S(v; k) = sign(v) max(|v| - k, 0)

    for k = 1 ... T. Both penalties are in the proximal map, none in the gradient. Start, step eta,
    momentum beta and what is formed once are those of ``lasso``. It returns w_T and F(w_T).

    x (n, d), y (n,), lambda_1 (), lambda_2 (), eta (), beta (T,) -> w (d,), objective ();
    2 n d^2 + 2 n d + T (2 d^2 + 10 d) + 2 n d + 3 n + 4 d flops.
    Zou & Hastie, J. R. Statist. Soc. B 67, 2005; Beck & Teboulle, SIAM J. Imaging Sciences 2, 2009,
    section 4 (FISTA); Parikh & Boyd, Foundations and Trends in Optimization 1, 2014, section 6.5.
    """
    threshold, shrinkage = eta * l1, 1 / (1 + eta * l2)
    below = -threshold

    def shrink(v: Array) -> Array:
        return shrinkage * (v - xp.minimum(xp.maximum(v, below), threshold))

    w = fista(xp, x, y, shrink, eta, beta)
    r = x @ w - y
    return w, (r @ r) / 2 + l1 * xp.sum(xp.abs(w)) + l2 * (w @ w) / 2


def fista(
    xp: Array, x: Array, y: Array, proximal: Callable[[Array], Array], eta: Array, beta: Array
) -> Array:
    """The last coefficients (d,) of the iteration that ``lasso`` states, with another proximal map."""
    gram, right, down = x.T @ x, x.T @ y, -eta

    def step(state: tuple[Array, Array], momentum: Array) -> tuple[tuple[Array, Array], None]:
        w, before = state
        z = xp.multiply_add(momentum, w - before, w)
        return (proximal(xp.multiply_add(down, gram @ z - right, z)), w), None

    zero = xp.zeros_like(right)
    (w, _), _ = xp.scan(step, (zero, zero), beta)
    return w


def ridge_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Mixtures of factors, whose sizes fall from 1 to 1/100, noise of a hundredth of the signal's size.

    lambda = n / 10^4 is about the least eigenvalue of X'X: along its direction it is the penalty that
    determines the coefficients. With a condition number of about 100 the normal equations lose twice as
    many digits as a QR decomposition, and the noise is too small to hide that.
    """
    mixture = np.linalg.qr(rng.standard_normal((d, d))).Q
    x = (rng.standard_normal((n, d)) * np.geomspace(1, 0.01, d)) @ mixture
    signal = x @ rng.standard_normal(d)
    return x, signal + 0.01 * np.std(signal) * rng.standard_normal(n), np.asarray(n / 1e4)


def lasso_inputs(rng: np.random.Generator, n: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """Features that share a factor, half of each; three in four of their coefficients are zero.

    The noise has three tenths of the signal's size, and lambda is a tenth of that which leaves no
    feature. The factor makes L about d / 2 and most other curvatures 1/2, so that no step is the last.

    But for a ten-thousandth, a feature is plus or minus one scale. Where products take factors in eleven
    bits, as on tensor cores, its entries are thus off by much the same share, which no sum over samples
    averages away in X'X. Terms quite equal would all round alike in any precision.
    """
    factor, own = rng.choice([-1.0, 1.0], (n, 1)), rng.choice([-1.0, 1.0], (n, d))
    x = np.where(rng.random((n, d)) < math.sqrt(0.5), factor, own)
    x *= rng.uniform(0.75, 1.25, d) * rng.uniform(0.9999, 1.0001, (n, d)) / math.sqrt(n)
    signal = x @ np.where(np.arange(d) % 4 == 0, rng.standard_normal(d), 0.0)
    y = signal + 0.3 * np.std(signal) * rng.standard_normal(n)
    l1, eta = 0.1 * np.max(np.abs(x.T @ y)), 1 / np.linalg.eigvalsh(x.T @ x)[-1]
    return x, y, np.asarray(l1), np.asarray(eta), momenta(steps)


def elastic_net_inputs(rng: np.random.Generator, n: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """As for ``lasso``, with lambda_2 a tenth of the curvature that most directions have."""
    x, y, l1, eta, beta = lasso_inputs(rng, n, d, steps)
    return x, y, l1, np.asarray(0.05), eta, beta


def momenta(steps: int) -> np.ndarray:
    """The factors beta_1 ... beta_T of ``lasso``."""
    t = [1.0]
    for _ in range(steps - 1):
        t.append((1 + math.sqrt(1 + 4 * t[-1] ** 2)) / 2)
    return np.asarray([0.0, *((before - 1) / after for before, after in pairwise(t))])


def ridge_reference(x: np.ndarray, y: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, ...]:
    """V (s / (s^2 + lambda)) U'y from the singular value decomposition of X alone, refined twice.

    A refinement solves for the gradient X'(y - X w) - lambda w, which is summed in long double: of 64
    bits on x86, and elsewhere of 53 at least. What is orthogonal to the rows of V' is divided by lambda.
    """
    import scipy.linalg

    u, s, vt = scipy.linalg.svd(x, full_matrices=False)
    w = vt.T @ (s / (s**2 + penalty) * (u.T @ y))
    wide, targets = x.astype(np.longdouble), y.astype(np.longdouble)
    for _ in range(2):
        gradient = ((targets - wide @ w) @ wide - np.longdouble(penalty) * w).astype(np.float64)
        inside = vt @ gradient
        w = w + vt.T @ (inside / (s**2 + penalty)) + (gradient - vt.T @ inside) / penalty
    return (w,)


def lasso_reference(
    x: np.ndarray, y: np.ndarray, l1: np.ndarray, eta: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, ...]:
    """As ``elastic_net_reference``."""
    return elastic_net_reference(x, y, l1, np.asarray(0.0), eta, beta)


def elastic_net_reference(
    x: np.ndarray, y: np.ndarray, l1: np.ndarray, l2: np.ndarray, eta: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, from a QR decomposition of (X, y), without a Gram matrix.

    With its triangle ((R, c), (0, rho)) the gradient is R'(R w - c), and |X w - y|^2 is
    |R w - c|^2 + rho^2. Residuals are extrapolated in place of coefficients.
    """
    d = x.shape[1]
    triangle = np.asarray(np.linalg.qr(np.column_stack([x, y]), mode="r"))
    r, c, rho = triangle[:d, :d], triangle[:d, d], triangle[d:, d]
    w = before = np.zeros(d)
    residual = residual_before = -c
    for momentum in beta:
        extrapolated = residual + momentum * (residual - residual_before)
        v = w + momentum * (w - before) - eta * (extrapolated @ r)
        w, before = np.sign(v) * np.maximum(np.abs(v) - eta * l1, 0) / (1 + eta * l2), w
        residual, residual_before = r @ w - c, residual
    squares = (residual @ residual + rho @ rho + l2 * (w @ w)) / 2
    return w, np.asarray(squares + l1 * np.linalg.norm(w, 1))


def ridge_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
) -> Errors:
    """Those of the least squares problem that the stacked system is (``xpbench.least_squares_errors``).

    With A for X over sqrt(lambda) 1, A'r is X'(y - X w) - lambda w.
    """
    d = x.shape[1]
    stacked = np.concatenate([x, math.sqrt(penalty) * np.eye(d)])
    return least_squares_errors(outputs, exact, stacked, np.append(y, np.zeros(d)))


def lasso_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    l1: np.ndarray,
    eta: np.ndarray,
    beta: np.ndarray,
) -> Errors:
    """As ``elastic_net_errors``."""
    return elastic_net_errors(outputs, exact, x, y, l1, np.asarray(0.0), eta, beta)


def elastic_net_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    eta: np.ndarray,
    beta: np.ndarray,
) -> Errors:
    """The coefficients against the oracle's, which of them are zero, and the objective.

    ``weights`` is ``|w - w64| / |w64|``, limit four times the ``spread`` of rounding.

    ``zeros`` counts coefficients that are zero here and not in the oracle, or the other way round, but
    for those of which |v_T| is nearer to the threshold than four times the rounding of v_T: limit 0.

    ``objective`` is the distance, over F, from what float64 finds for the w returned. Entry i of
    r = X w - y is a sum of d products of mean zero, which errs by e_i, sqrt(d) / 4 eps times the norm
    of its terms (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), and by one eps of itself, and moves F by
    r_i times as much. A sum of l numbers of one sign errs by sqrt(l) / 6 eps of its value. The limit is
    four times the root of the squares of these, and of one eps of F for its last operations.
    """
    n, d = x.shape
    w, objective = widened(outputs, (d,), ())
    eps, size = epsilon(outputs), float(np.linalg.norm(exact[0]))
    moved, margins = spread(x, y, l1, l2, eta, beta)
    differ = (margins > 4 * eps) & ((w == 0) != (exact[0] == 0))

    r = x @ w - y
    half, absolute, square = r @ r / 2, l1 * np.sum(np.abs(w)), l2 * (w @ w) / 2
    value = float(half + absolute + square)
    e = np.sqrt(d / 16 * np.einsum("ij,ij,j->i", x, x, w**2) + r**2)
    sums = np.sqrt([n, d, d]) / 6 * [half, absolute, square]
    rounding = 4 * math.hypot(np.linalg.norm(r * e), *sums, value)
    return {
        "weights": (
            largest_ratio(np.linalg.norm(w - exact[0]), size) / eps,
            4 * moved / size,
        ),
        "zeros": (float(np.count_nonzero(differ)), 0.0),
        "objective": (largest_ratio(objective - value, value) / eps, rounding / value),
    }


def spread(
    x: np.ndarray, y: np.ndarray, l1: np.ndarray, l2: np.ndarray, eta: np.ndarray, beta: np.ndarray
) -> tuple[float, np.ndarray]:
    """How far rounding carries the last coefficients of FISTA, in the root mean square, over eps.

    And, (d,), how far the entries of v_T are from the threshold, over what rounding moves v_T by, times
    eps. Steps with momentum are no contraction, and coefficients that the threshold leaves zero lose
    their errors. So errors are carried along: REPLICAS trajectories are computed in float64 with random
    errors in place of rounding, of 2^-36 for eps, and compared with one that has none (Monte Carlo
    arithmetic: Parker, Pierce & Eggert, Computing in Science & Engineering 2, 2000).

    A sum of l products errs by sqrt(l) / 4 eps of the norm of its terms, and by sqrt(l) / 6 of its
    value where these have a mean (Higham & Mary, SIAM J. Sci. Comput. 42, 2020); every other operation
    by 0.3 eps of its result. X'X, X'y, the threshold and the divisor err once, for all steps.
    """
    rng = np.random.default_rng(0)
    n, d = x.shape
    unit = np.append(0.0, np.full(REPLICAS, 2.0**-36))

    def noise(size: np.ndarray | float, *shape: int) -> np.ndarray:
        """Errors (replicas, *shape) of the root mean square ``size``."""
        errors: np.ndarray = rng.standard_normal((REPLICAS + 1, *shape))
        return (unit * (errors * size).T).T

    squares = np.square(x)
    gram, right = x.T @ x, x.T @ y
    single = np.sqrt(n * (squares.T @ squares / 16 + gram**2 / 36))
    grams = gram + noise(single, d, d)
    single = np.sqrt(n * (squares.T @ y**2 / 16 + right**2 / 36))
    rights = right + noise(single, d)
    thresholds = eta * l1 * (1 + noise(0.3, 1))
    shrinkages = 1 / (1 + eta * l2) * (1 + noise(0.5, 1) * float(l2 > 0))

    gram_squares = np.square(gram)
    w = before = v = np.zeros((REPLICAS + 1, d))
    for momentum in beta:
        move = momentum * (w - before)
        z = w + move
        slope = eta * (np.matmul(grams, z[:, :, None])[:, :, 0] - rights)
        v = z - slope
        sums = d / 16 * eta**2 * (gram_squares @ z[0] ** 2)
        operations = 0.09 * (2 * move[0] ** 2 + z[0] ** 2 + 2 * slope[0] ** 2 + v[0] ** 2)
        v = v + noise(np.sqrt(sums + operations), d)
        kept = shrinkages * np.sign(v) * np.maximum(np.abs(v) - thresholds, 0)
        w, before = kept * (1 + noise(0.4, d)), w
    moved, moved_v = (
        float(np.linalg.norm(array[1:] - array[:1])) / math.sqrt(REPLICAS) / 2.0**-36 for array in (w, v)
    )
    return moved, np.abs(np.abs(v[0]) - eta * l1) / moved_v


Kernel(
    compute=ridge,
    inputs=ridge_inputs,
    reference=ridge_reference,
    errors=ridge_errors,
    flops=lambda n, d: 2 * d**2 * (n + 2 * d / 3) + 4 * (n + d) * d,
    traffic=lambda itemsize, n, d: itemsize * (n * d + n + 1 + d),
    sizes={
        "small": {"n": 64, "d": 8},
        "medium": {"n": 2048, "d": 64},
        "large": {"n": 16384, "d": 256},
        "huge": {"n": 131072, "d": 512},
    },
    oracle_flops=3 * 16384 * 256**2,
    chapter="optimization",
)

Kernel(
    compute=lasso,
    inputs=lasso_inputs,
    reference=lasso_reference,
    errors=lasso_errors,
    flops=lambda n, d, steps: 2 * n * d**2 + 4 * n * d + 3 * n + 2 * d + steps * (2 * d**2 + 9 * d),
    traffic=lambda itemsize, n, d, steps: itemsize * (n * d + n + 2 + steps + d + 1),
    sizes=SIZES,
    chapter="optimization",
)

Kernel(
    compute=elastic_net,
    inputs=elastic_net_inputs,
    reference=elastic_net_reference,
    errors=elastic_net_errors,
    flops=lambda n, d, steps: 2 * n * d**2 + 4 * n * d + 3 * n + 4 * d + steps * (2 * d**2 + 10 * d),
    traffic=lambda itemsize, n, d, steps: itemsize * (n * d + n + 3 + steps + d + 1),
    sizes=SIZES,
    chapter="optimization",
)
