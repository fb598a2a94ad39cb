"""How fast, and how exactly, does an iteration descend that looks at a few samples a step?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors


def sgd(xp: Array, x: Array, y: Array, order: Array, eta: Array) -> Array:
    """Logistic regression by stochastic gradient descent, one sample a step, once through the data.

        w <- w + eta_t y_i x_i / (1 + exp(y_i x_i'w)),    i = order_t,    t = 1 ... n

    from w = 0: a step of size eta_t against the gradient of log(1 + exp(-y_i x_i'w)). The order is an
    input, a permutation of 0 ... n - 1, and is followed; the last w is the result.

    x (n, d), y (n,) of -1 and 1, order (n,) of integers, eta (n,) -> w (d,); n (5 d + 3) flops.
    Robbins & Monro, Annals of Mathematical Statistics 22, 1951; Bottou, Curtis & Nocedal, SIAM Review
    60, 2018, section 4; Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 7.1.3.
    """
    rows = xp.gather(y, order)[:, None] * xp.gather(x, order)

    def step(w: Array, drawn: tuple[Array, Array]) -> tuple[Array, None]:
        row, rate = drawn
        return w + (rate / (1 + xp.exp(row @ w))) * row, None

    w, _ = xp.scan(step, xp.zeros_like(x[0, :]), (rows, eta))
    return w


def minibatch_sgd(xp: Array, x: Array, y: Array, order: Array, eta: Array) -> Array:
    """Logistic regression by gradient descent on one mini-batch a step, once through the data.

        w <- w + (eta / m) sum_{i in B_t} y_i x_i / (1 + exp(y_i x_i'w)),    t = 1 ... T

    from w = 0: a step of size eta against the mean gradient of log(1 + exp(-y_i x_i'w)) over the m
    samples of the batch B_t, which are row t of order. The order is an input, distinct numbers from
    0 ... n - 1 of which T = n // m batches can be made, and is followed; the last w is the result.

    x (n, d), y (n,) of -1 and 1, order (T, m) of integers, eta () -> w (d,);
    T (m (4 d + 4) + 2 d) flops.
    Bottou, Curtis & Nocedal, SIAM Review 60, 2018, section 3; Deisenroth, Faisal & Ong, Mathematics
    for Machine Learning, section 7.1.3.
    """
    rate = eta / order.shape[1]

    def step(w: Array, batch: Array) -> tuple[Array, None]:
        rows, labels = xp.gather(x, batch), xp.gather(y, batch)
        slopes = labels / (1 + xp.exp(labels * (rows @ w)))
        return w + rate * (slopes @ rows), None

    w, _ = xp.scan(step, xp.zeros_like(x[0, :]), order)
    return w


def samples(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal features, and labels -1 and 1 drawn from a logistic model of slope 2."""
    x = rng.standard_normal((n, d))
    direction = rng.standard_normal(d)
    logits = x @ (direction * (2 / np.linalg.norm(direction)))
    return x, np.where(rng.random(n) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)


def sgd_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Every sample once in random order, and steps that fall from 1 / L to a fifth of it.

    L = max |x_i|^2 / 4 is the largest Lipschitz constant of the gradient of one sample.
    """
    x, y = samples(rng, n, d)
    longest = np.max(np.einsum("ij,ij->i", x, x))
    return x, y, rng.permutation(n), 4 / longest / (1 + 4 * np.arange(n) / n)


def minibatch_inputs(rng: np.random.Generator, n: int, d: int, m: int) -> tuple[np.ndarray, ...]:
    """Every sample once in random order, and the step 1 / L.

    L = (1 + sqrt(d / m))^2 / 4: the largest squared singular value of an m by d matrix of standard
    normals is about (sqrt(m) + sqrt(d))^2, and the gradient over a batch X_B has the Lipschitz constant
    ||X_B||^2 / (4 m) (Vershynin, High-Dimensional Probability, section 7.3).
    """
    if n < m:
        raise Unsupported(f"n={n} samples make no batch of m={m}: n must be m or more")
    x, y = samples(rng, n, d)
    order = rng.permutation(n)[: n // m * m].reshape(-1, m)
    return x, y, order, np.asarray(4 / (1 + math.sqrt(d / m)) ** 2)


def sgd_reference(
    x: np.ndarray, y: np.ndarray, order: np.ndarray, eta: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, by the probability of the label 1 and its residual."""
    from scipy.special import expit

    w = np.zeros(x.shape[1])
    for rate, index in zip(eta, order, strict=True):
        row = x[index]
        residual = expit(np.dot(row, w)) - (y[index] > 0)
        w -= rate * residual * row
    return (w,)


def minibatch_reference(
    x: np.ndarray, y: np.ndarray, order: np.ndarray, eta: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64: each step along the mean of the gradients of single samples."""
    from scipy.special import expit

    w = np.zeros(x.shape[1])
    for batch in order:
        rows = x[batch]
        residuals = expit(np.einsum("ij,j->i", rows, w)) - (y[batch] > 0)
        w -= eta * np.mean(residuals[:, None] * rows, axis=0)
    return (w,)


def sgd_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    order: np.ndarray,
    eta: np.ndarray,
) -> Errors:
    """``||w - w64|| / ||w64||`` after the last step, against what rounding may add up to.

    A rounding errs by 0.3 eps of its result in the root mean square, and a sum of d products of mean
    zero by less than sqrt(d) / 4 eps times the norm of its terms (Higham & Mary, SIAM J. Sci. Comput.
    42, 2020). The slope, at most 1 and with a derivative of at most 1/4, is charged one eps of its own,
    and the update one rounding of every weight, of which the last are about the largest: a step errs by

        delta_t^2 = (0.3 ||w||)^2 + (eta_t |x_i| (sqrt(d) |x_i w| / 16 + 1))^2

    eps, with the norm of the entrywise product x_i w. The limit is three times the root of what the
    steps leave of these squares (see ``left_over``), over ||w64||.
    """
    d = x.shape[1]
    (w,) = widened(outputs, (d,))
    w64 = exact[0]
    size = float(np.linalg.norm(w64))
    lengths = np.linalg.norm(x, axis=1)[order]
    products = np.sqrt(np.einsum("ij,ij,j->i", x, x, w64**2))[order]
    squares = (0.3 * size) ** 2 + (eta * lengths * (math.sqrt(d) * products / 16 + 1)) ** 2
    error = largest_ratio(np.linalg.norm(w - w64), size) / epsilon(outputs)
    return {"weights": (error, 3 * math.sqrt(left_over(squares, eta, x, w64)) / size)}


def minibatch_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    order: np.ndarray,
    eta: np.ndarray,
) -> Errors:
    """``||w - w64|| / ||w64||`` after the last step, against what rounding may add up to.

    As for ``sgd``, but that a step sums m products too, of slopes that are 1/2 at the start. With one
    eps for each slope and independent errors a step of a batch X_B errs in the mean square by

        delta^2 = (0.3 ||w||)^2 + (eta ||X_B|| / m)^2 (m / 64 + d / m (||X_B diag(w)|| / 16)^2 + 1)

    eps in Frobenius norms, which are taken over all samples and scaled to m of them.
    """
    d = x.shape[1]
    steps, m = order.shape
    (w,) = widened(outputs, (d,))
    w64 = exact[0]
    size = float(np.linalg.norm(w64))
    columns = np.einsum("ij,ij->j", x, x) * (m / len(x))
    sums = m / 64 + d / m * float(columns @ w64**2) / 256 + 1
    square = (0.3 * size) ** 2 + float(eta / m) ** 2 * float(np.sum(columns)) * sums
    left = left_over(np.full(steps, square), np.full(steps, eta), x, w64)
    error = largest_ratio(np.linalg.norm(w - w64), size) / epsilon(outputs)
    return {"weights": (error, 3 * math.sqrt(left) / size)}


def left_over(squares: np.ndarray, eta: np.ndarray, x: np.ndarray, w: np.ndarray) -> float:
    """The mean square of an error that gains ``squares[t]`` at step ``t`` and is then stepped on.

    A step maps an error e to (1 - eta H_B) e, where the curvature H_B is psd, is H on the average over
    random samples and is at most L <= 1 / eta. So the mean of |e|^2 falls by the factor
    1 - 2 eta mu + eta^2 L mu <= 1 - eta mu at least, mu the least eigenvalue of H (Needell, Srebro &
    Ward, Mathematical Programming 155, 2016, section 2). It is taken at the last weights, because the
    slopes of the sigmoid are smallest there, and errors of different steps are independent.
    """
    p = 1 / (1 + np.exp(-(x @ w)))
    mu = max(float(np.linalg.eigvalsh((x.T * (p * (1 - p))) @ x / len(x))[0]), 0.0)
    rates = np.minimum(eta * mu, 0.5)  # with few features a step may pass 1 / L
    shrunk = np.cumsum(np.log1p(-rates)[::-1])[::-1]
    return float(np.sum(squares * np.exp(np.append(shrunk[1:], 0.0))))


Kernel(
    compute=sgd,
    inputs=sgd_inputs,
    reference=sgd_reference,
    errors=sgd_errors,
    flops=lambda n, d: n * (5 * d + 3),
    traffic=lambda itemsize, n, d: itemsize * (n * d + 2 * n + d) + 8 * n,
    sizes={
        "small": {"n": 8, "d": 8},
        "medium": {"n": 512, "d": 128},
        "large": {"n": 32768, "d": 256},
        "huge": {"n": 65536, "d": 1024},
    },
    chapter="optimization",
)

Kernel(
    compute=minibatch_sgd,
    inputs=minibatch_inputs,
    reference=minibatch_reference,
    errors=minibatch_errors,
    flops=lambda n, d, m: n // m * (m * (4 * d + 4) + 2 * d),
    traffic=lambda itemsize, n, d, m: itemsize * (n * d + n + 1 + d) + 8 * (n // m * m),
    sizes={
        "small": {"n": 64, "d": 8, "m": 16},
        "medium": {"n": 4096, "d": 128, "m": 64},
        "large": {"n": 131072, "d": 256, "m": 256},
        "huge": {"n": 786432, "d": 256, "m": 1024},
    },
    chapter="optimization",
)
