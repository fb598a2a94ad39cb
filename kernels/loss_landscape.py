"""How fast, and how exactly, is the loss of a network seen from above, on a plane of parameters?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

SAMPLED_POINTS = 16


def loss_landscape(
    xp: Array, x: Array, y: Array, w: Array, b: Array, v: Array, alpha: Array, beta: Array
) -> Array:
    """The loss of a network of one hidden layer on a grid in a plane of its parameters.

        L_ij = 1/n sum_l log(1 + exp(-y_l z_l)),    z = tanh(X W + 1 b') v
        (W, b, v) = (W, b, v)_0 + alpha_i (W, b, v)_1 + beta_j (W, b, v)_2

    the point in the middle of the grid and the two directions that span the plane, along the first axis
    of w (3, d, p), b (3, p), v (3, p). Samples x (n, d), labels y (n,) of -1 and 1, coordinates
    alpha (k,) and beta (k,) -> L (k, k); k^2 (2 n p (d + 1) + 2 n p) flops of products, sums with b and
    tanh. One step of a loop takes all of beta at once, so that k n p numbers are held, not k^2 n p.
    Li, Xu, Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets", NeurIPS 2018.
    """

    def along_beta(parameter: Array, a: Array) -> Array:
        start = parameter[0, ...] + a * parameter[1, ...]
        return start + xp.reshape(beta, (-1,) + (1,) * start.ndim) * parameter[2, ...]

    def row(state: tuple[()], a: Array) -> tuple[tuple[()], Array]:
        h = xp.tanh(x @ along_beta(w, a) + along_beta(b, a)[:, None, :])
        margins = y * (h @ along_beta(v, a)[:, :, None])[:, :, 0]
        return state, -xp.mean(xp.log_sigmoid(margins), axis=1)

    _, losses = xp.scan(row, (), alpha)
    return losses


def inputs(rng: np.random.Generator, n: int, d: int, p: int, k: int) -> tuple[np.ndarray, ...]:
    """A network near one that drew the labels, and two random directions, on [-1, 1] along both.

    Weights have variance 1 / inputs, and those of the output twice the deviation. A direction has in
    the weights of every unit, in the biases and in the output the norm that the network has there
    ("filter normalisation", Li et al. 2018, section 4).
    """
    x = rng.standard_normal((n, d))
    truth = (
        rng.standard_normal((d, p)) / math.sqrt(d),
        rng.standard_normal(p) / 4,
        rng.standard_normal(p) * (2 / math.sqrt(p)),
    )
    logits = np.tanh(x @ truth[0] + truth[1]) @ truth[2]
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)
    planes = []
    for parameter in truth:
        scale = np.linalg.norm(parameter, axis=0)
        point = parameter + 0.3 * directed(rng, parameter.shape, scale)
        scale = np.linalg.norm(point, axis=0)
        planes.append(np.stack([point, *(directed(rng, point.shape, scale) for _ in range(2))]))
    grid = np.linspace(-1, 1, k)
    return x, y, *planes, grid, grid.copy()


def directed(rng: np.random.Generator, shape: tuple[int, ...], norms: np.ndarray) -> np.ndarray:
    """A random array with these norms along its first axis."""
    direction = rng.standard_normal(shape)
    direction *= norms / np.linalg.norm(direction, axis=0)
    return direction


def reference(
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    v: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Point by point, with sums that call no BLAS: pre-activations are linear in the coordinates."""
    first = np.einsum("nd,kpd->knp", x, np.ascontiguousarray(np.moveaxis(w, 1, 2))) + b[:, np.newaxis]
    losses = np.empty((alpha.size, beta.size))
    for i, j in np.ndindex(losses.shape):
        hidden = np.tanh(first[0] + alpha[i] * first[1] + beta[j] * first[2])
        z = np.einsum("np,p->n", hidden, v[0] + alpha[i] * v[1] + beta[j] * v[2])
        losses[i, j] = np.mean(np.logaddexp(0, -y * z))
    return (losses,)


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    v: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
) -> Errors:
    """Every loss against what rounding may add up to in it: see ``loss_and_bound``.

    Without the oracle it reads 16 points, spread over all rows and columns.
    """
    k = alpha.size
    (losses,) = widened(outputs, (k, k))
    points = list(np.ndindex(k, k))
    if exact is None:
        rows = evenly_spaced(k, SAMPLED_POINTS)
        points = [(int(i), int(j)) for i, j in zip(rows, np.roll(rows[::-1], 5), strict=True)]
    worst = 0.0
    for i, j in points:
        place = (part[0] + alpha[i] * part[1] + beta[j] * part[2] for part in (w, b, v))
        size = (
            np.abs(part[0]) + np.abs(alpha[i] * part[1]) + np.abs(beta[j] * part[2])
            for part in (w, b, v)
        )
        loss, bound = loss_and_bound(x, y, tuple(place), tuple(size))
        loss64 = loss if exact is None else exact[0][i, j]
        worst = max(worst, largest_ratio(losses[i, j] - loss64, bound))
    return {"losses": (worst / epsilon(outputs), 1.0)}


def loss_and_bound(
    x: np.ndarray,
    y: np.ndarray,
    parameters: tuple[np.ndarray, ...],
    sizes: tuple[np.ndarray, ...],
) -> tuple[float, float]:
    """The loss at parameters (W, b, v), and what rounding may add up to in it, in eps.

    Roundings have 0.3 eps of their result in the root mean square and are independent. A parameter is
    rounded four times, by no more than the sum of the magnitudes of its three parts, ``sizes``: 0.6 eps
    of that, which all samples share, so that it reaches the loss times its own entry of the gradient.

    In a sample the pre-activations have d + 1 partial sums, of about the norms of the terms (Higham &
    Mary, SIAM J. Sci. Comput. 42, 2020), and reach z times v at most; tanh is charged one eps and the p
    partial sums of z 0.3 each, of v at most: with entrywise squares

        delta_l^2 = 0.09 (d + 1) x_l^2' W^2 v^2 + 0.09 (d + 1) b^2' v^2 + (1 + 0.09 p) |v|^2

    which, as the slope of the loss is at most 1, means out over sqrt(n). The sum of n losses of one
    sign leaves 0.3 sqrt(n / 3) eps of it. Four times all in the mean square, and 2 eps of the loss.
    """
    n, d = x.shape
    w, b, v = parameters
    h = np.tanh(x @ w + b)
    margins = y * (h @ v)
    loss = float(np.mean(np.logaddexp(0, -margins)))
    slopes = -y / (1 + np.exp(margins)) / n
    back = np.outer(slopes, v) * (1 - h * h)
    gradient = (x.T @ back, back.sum(axis=0), h.T @ slopes)
    shared = sum(float(np.sum((g * size) ** 2)) for g, size in zip(gradient, sizes, strict=True))
    norms = (d + 1) * (x**2 @ (w**2 @ v**2) + b**2 @ v**2) + (1 / 0.09 + v.size) * (v @ v)
    squares = 0.36 * shared + 0.09 * float(np.mean(norms)) / n + 0.03 * n * loss**2
    return loss, 4 * math.sqrt(squares) + 2 * loss


Kernel(
    compute=loss_landscape,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, d, p, k: k**2 * n * p * (2 * d + 4),
    traffic=lambda itemsize, n, d, p, k: itemsize * (n * d + n + 3 * d * p + 6 * p + 2 * k + k**2),
    sizes={
        "small": {"n": 32, "d": 8, "p": 8, "k": 3},
        "medium": {"n": 128, "d": 32, "p": 32, "k": 15},
        "large": {"n": 1024, "d": 64, "p": 64, "k": 31},
        "huge": {"n": 16384, "d": 256, "p": 256, "k": 64},
    },
    oracle_flops=1e11,
    chapter="calculus",
)
