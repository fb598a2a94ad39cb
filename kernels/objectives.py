"""How fast, and how exactly, are objective functions evaluated, and their convexity along chords?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, entry_errors, epsilon, evenly_spaced, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

SAMPLED_ROWS = 16


def logistic_loss(xp: Array, x: Array, y: Array, w: Array) -> Array:
    """The mean loss of logistic regression at many weights, for margins of any size.

        L_j = 1/n sum_i log(1 + exp(-m_ji)),    m_ji = y_i x_i'w_j
        log(1 + exp(-m)) = max(-m, 0) + log(1 + exp(-|m|))

    Samples in the rows of x (n, d), labels y (n,) of -1 and 1, weights in the rows of
    w (p, d) -> L (p,); n p (2 d + 9) flops, functions counted as one.
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., section 10.6; Maechler,
    "Accurately computing log(1 - exp(-|a|))", 2012, for the second line.
    """
    return -xp.mean(xp.log_sigmoid(y * (w @ x.T)), axis=1)


def loss_inputs(rng: np.random.Generator, n: int, d: int, p: int) -> tuple[np.ndarray, ...]:
    """Separable samples, and weights that tell them apart ever more surely or get all of them wrong.

    Margins of a direction of length 1 are at least 1, and weights near its multiples, from 0.1 to 50:
    the loss falls to about exp(-50). Every second one is the other way round and eight times as long,
    with margins down to -1000 and below, whose exponentials overflow in float64 too.
    """
    direction = rng.standard_normal(d)
    direction /= np.linalg.norm(direction)
    x = rng.standard_normal((n, d))
    y = np.where(x @ direction > 0, 1.0, -1.0)
    x += np.outer(y, direction)
    w = direction + rng.standard_normal((p, d)) * (0.05 / math.sqrt(d))
    lengths = np.geomspace(0.1, 50, p)
    lengths[::2] *= -8
    return x, y, w * lengths[::-1, np.newaxis]


def loss_reference(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """NumPy's logaddexp of the margins of one weight after the other, in sums that call no BLAS."""
    margins = (y * np.einsum("nd,d->n", x, row) for row in w)
    return (np.stack([np.mean(np.logaddexp(0, -m)) for m in margins]),)


def loss_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
) -> Errors:
    """Every loss, however small, against what rounding may add up to in it: see ``loss_bounds``.

    Without the oracle it reads 16 of them.
    """
    p = w.shape[0]
    (losses,) = widened(outputs, (p,))
    rows = np.arange(p)
    if exact is None:
        rows = evenly_spaced(p, SAMPLED_ROWS)
    loss64 = loss_reference(x, y, w[rows])[0] if exact is None else exact[0]
    bounds = loss_bounds(x, y, w[rows])
    # What is below the smallest normal number may be lost.
    least = np.finfo(outputs[0].dtype).smallest_normal / epsilon(outputs)
    return {"losses": (largest_ratio(losses[rows] - loss64, bounds + least) / epsilon(outputs), 1.0)}


def loss_bounds(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """What rounding may add up to in every loss (p,), in eps.

    Roundings have 0.3 eps of their result in the root mean square. A margin has d partial sums of at
    most the norm of its terms and |m|; its error moves the loss of its sample l by its slope
    1 / (1 + exp(m)). With one eps of l for exp and log, in the mean square, sample i is off by

        delta_i^2 = d (0.3 (|x_i w| + |m_i|) / (1 + exp(m_i)))^2 + l_i^2

    with the norm of the entrywise product x_i w: independent of others, which means out over n. The sum
    of n losses of one sign leaves at most 0.3 sqrt(n) eps of it, as a few may be nearly all of it
    (Higham & Mary, SIAM J. Sci. Comput. 41, 2019, has independent roundings). Four times both, in the
    mean square, and 1 eps of the loss.
    """
    n, d = x.shape
    squares, bounds = x**2, np.empty(len(w))
    for j, row in enumerate(w):
        margins = y * (x @ row)
        losses = np.logaddexp(0, -margins)
        loss = np.mean(losses)
        slopes = np.exp(-np.logaddexp(0, margins))
        moved = 0.3 * math.sqrt(d) * (np.sqrt(squares @ row**2) + np.abs(margins)) * slopes
        off = (moved @ moved + losses @ losses) / n**2
        bounds[j] = 4 * math.sqrt(off + 0.09 * n * loss**2) + loss
    return bounds


Kernel(
    compute=logistic_loss,
    inputs=loss_inputs,
    reference=loss_reference,
    errors=loss_errors,
    flops=lambda n, d, p: n * p * (2 * d + 9),
    traffic=lambda itemsize, n, d, p: itemsize * (n * d + n + p * d + p),
    sizes={
        "small": {"n": 64, "d": 8, "p": 8},
        "medium": {"n": 4096, "d": 64, "p": 64},
        "large": {"n": 65536, "d": 128, "p": 256},
        "huge": {"n": 262144, "d": 512, "p": 1024},
    },
    oracle_flops=1e10,
    chapter="optimization",
)


def convexity_check(xp: Array, x: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """How far two objectives lie below their chords: a convex one nowhere above, another on either side.

        gap_j = (f(a_j) + f(b_j)) / 2 - f((a_j + b_j) / 2)
        f(w) = 1/n sum_i l(y_i x_i'w),    l(m) = log(1 + exp(-m))  or  l(m) = (1 / (1 + exp(m)))^2

    The logistic loss is convex, the squared error of the same probabilities is not. Margins y_i x_i'w
    are linear in w: those in the middle of a chord are the means of those at its ends, and the gap is
    taken sample by sample, before the sum. Samples in the rows of x (n, d), labels y (n,) of -1 and 1,
    ends of chords in the rows of a (m, d) and b (m, d) -> the gaps of the logistic loss (m,), those of
    the squared error (m,); m n (4 d + 43) flops, functions counted as one.
    Boyd & Vandenberghe, Convex Optimization, sections 3.1.1 and 3.1.5.
    """
    rows = y[:, None] * x
    at_a, at_b = a @ rows.T, b @ rows.T
    middle = (at_a + at_b) / 2

    def squared_error(margins: Array) -> Array:
        p = xp.sigmoid(-margins)
        return p * p

    logistic = xp.log_sigmoid(middle) - (xp.log_sigmoid(at_a) + xp.log_sigmoid(at_b)) / 2
    squared = (squared_error(at_a) + squared_error(at_b)) / 2 - squared_error(middle)
    return xp.mean(logistic, axis=1), xp.mean(squared, axis=1)


def chord_inputs(rng: np.random.Generator, n: int, d: int, m: int) -> tuple[np.ndarray, ...]:
    """Labels drawn from a logistic model, random weights, and chords from there of lengths 0.5 to 8.

    Logits at the first end of a chord have a deviation of 2.
    """
    x = rng.standard_normal((n, d))
    truth = rng.standard_normal(d) * (2 / math.sqrt(d))
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-(x @ truth))), 1.0, -1.0)
    a = rng.standard_normal((m, d)) * (2 / math.sqrt(d))
    directions = rng.standard_normal((m, d))
    directions *= (np.geomspace(0.5, 8, m) / np.linalg.norm(directions, axis=1))[:, np.newaxis]
    return x, y, a, a + directions


def chord_reference(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Gaps in closed form from the margins in the middle and half their change, without BLAS.

    With m in the middle and m + h, m - h at the ends the gap of the logistic loss is

        log(1 + (sinh(h / 2) / cosh(m / 2))^2) / 2

    as 1 + exp(-z) = 2 exp(-z / 2) cosh(z / 2) and 2 cosh(u) cosh(v) = cosh(u + v) + cosh(u - v). That of
    the squared error is taken as a difference, of logistic functions by SciPy.
    """
    from scipy.special import expit

    gaps = np.empty((2, len(a)))
    for j, (middle, half) in enumerate(zip((a + b) / 2, (b - a) / 2, strict=True)):
        m, h = (y * np.einsum("nd,d->n", x, part) for part in (middle, half))
        gaps[0, j] = np.mean(np.log1p((np.sinh(h / 2) / np.cosh(m / 2)) ** 2)) / 2
        p = expit(-m)
        up, down = expit(-m - h) - p, expit(h - m) - p
        gaps[1, j] = np.mean(up * (up + 2 * p) + down * (down + 2 * p)) / 2
    return gaps[0], gaps[1]


def chord_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
) -> Errors:
    """Every gap of both objectives against what rounding may add up to in it: see ``chord_bounds``.

    Without the oracle it reads 16 chords.
    """
    m = len(a)
    gaps = widened(outputs, (m,), (m,))
    rows = np.arange(m)
    if exact is None:
        rows = evenly_spaced(m, SAMPLED_ROWS)
    gaps64 = chord_reference(x, y, a[rows], b[rows]) if exact is None else exact
    bounds = chord_bounds(x, y, a[rows], b[rows])
    found = [gap[rows] for gap in gaps]
    return entry_errors(("logistic", "squared"), found, gaps64, bounds, epsilon(outputs))


def chord_bounds(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What rounding may add up to in the gaps (m,) of the logistic loss and the squared error, in eps.

    Roundings have 0.3 eps of their result in the root mean square. A margin has d partial sums of at
    most the norm of its terms and |z|: 0.3 sqrt(d) (|x_i a| + |z|) with an entrywise product. At an end
    it moves the gap by half the difference of the slopes l' there and in the middle, where the mean of
    two margins is rounded too. Of the values of l one eps is charged, and 2 for squares, half of them
    at the ends. All are independent of other samples and mean out over n. The sum of n gaps leaves at
    most 0.3 sqrt(n) eps of their magnitudes. Four times both, in the mean square, and 1 eps of the gap.
    """
    n, d = x.shape
    shares = np.asarray([[0.5], [0.5], [1.0]])
    bounds = np.empty((2, len(a)))
    for j, ends in enumerate(np.stack([a, b], axis=1)):
        z = y * (np.append(ends, [ends.mean(axis=0)], axis=0) @ x.T)
        moved = 0.3 * np.abs(z)
        moved[:2] = 0.3 * math.sqrt(d) * (np.sqrt(ends**2 @ (x**2).T) + np.abs(z[:2]))
        p = 1 / (1 + np.exp(z))
        logistic, squared = (1.0, np.logaddexp(0, -z), p), (2.0, p**2, 2 * p**2 * (1 - p))
        for k, (unit, values, slopes) in enumerate((logistic, squared)):
            reach = np.stack([*(slopes[:2] - slopes[2]) / 2, slopes[2]])
            off = np.sum((moved * reach) ** 2 + (unit * shares * values) ** 2) / n**2
            gaps = values[0] / 2 + values[1] / 2 - values[2]
            summed = 0.09 * n * np.mean(np.abs(gaps)) ** 2
            bounds[k, j] = 4 * math.sqrt(off + summed) + abs(np.mean(gaps))
    return bounds[0], bounds[1]


Kernel(
    compute=convexity_check,
    inputs=chord_inputs,
    reference=chord_reference,
    errors=chord_errors,
    flops=lambda n, d, m: m * n * (4 * d + 43),
    traffic=lambda itemsize, n, d, m: itemsize * (n * d + n + 2 * m * d + 2 * m),
    sizes={
        "small": {"n": 32, "d": 8, "m": 16},
        "medium": {"n": 512, "d": 32, "m": 256},
        "large": {"n": 4096, "d": 64, "m": 1024},
        "huge": {"n": 32768, "d": 256, "m": 8192},
    },
    oracle_flops=1e10,
    chapter="optimization",
)
