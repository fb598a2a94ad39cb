"""How fast, and how exactly, are many small models fitted at once to choose between them?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Disagreement, Kernel, Unsupported, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors


def grid_search(
    xp: Array, x: Array, y: Array, rates: Array, penalties: Array, *, folds: int, steps: int
) -> tuple[Array, Array, Array]:
    """The learning rate and the penalty of a logistic regression, by cross-validation over a grid.

        w <- w + rate (mean over training rows of y_i x_i / (1 + exp(y_i x_i'w)) - penalty w)
        loss(rate, penalty) = mean over all rows i of log(1 + exp(-y_i x_i'w_i))

    Steps of gradient descent from w = 0 on the mean logistic loss and penalty / 2 |w|^2, for every
    fold, rate and penalty. Fold f holds out the f-th of ``folds`` equal runs of rows, and trains on all
    others; w_i is the fit that held row i out. All fits are the columns of one matrix, so that a step
    is two products with the data; what a fit holds out weighs nothing in them.

    x (n, d), y (n,) of -1 and 1, rates (r,), penalties (p,) -> losses (r, p), the index of the least of
    them in row order (), weights (d, folds, r, p); n is a multiple of ``folds``. With F = folds r p fits
    steps F (4 n d + 3 n + 4 d) flops, and 2 n d r p + 5 n r p for the losses.
    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, section 7.10.1; Bergstra &
    Bengio, JMLR 13, 2012.
    """
    n, d = x.shape
    grid = (rates.shape[0], penalties.shape[0])
    held, fits = n // folds, folds * grid[0] * grid[1]
    signed = y[:, None] * x
    fold = xp.arange(folds)
    trains = xp.astype((xp.arange(n) // held)[:, None] != fold[None, :], x.dtype) / (n - held)
    share = xp.reshape(xp.broadcast_to(trains[:, :, None], (n, folds, grid[0] * grid[1])), (n, fits))
    rate = xp.reshape(xp.broadcast_to(rates[None, :, None], (folds, *grid)), (fits,))
    penalty = xp.reshape(xp.broadcast_to(penalties[None, None, :], (folds, *grid)), (fits,))

    def step(_: Array, w: Array) -> Array:
        return w + rate * (signed.T @ (share / (1 + xp.exp(signed @ w))) - penalty * w)

    w = xp.fori_loop(steps, step, xp.zeros((d, fits), dtype=x.dtype))
    of_fold = xp.permute_dims(xp.reshape(w, (d, folds, -1)), (1, 0, 2))
    margins = xp.reshape(signed, (folds, held, d)) @ of_fold
    losses = xp.mean(xp.softplus(-margins), axis=(0, 1))
    return xp.reshape(losses, grid), xp.argmin(losses), xp.reshape(w, (d, folds, *grid))


def inputs(
    rng: np.random.Generator, n: int, d: int, folds: int, rates: int, penalties: int, steps: int
) -> tuple[np.ndarray, ...]:
    """Standard normal features, labels of a logistic model of slope 1, penalties to 0.3, rates to 1 / L.

    L = ||X||^2 / (4 n_train) + 0.3 bounds the curvature of every fit.
    """
    if folds < 2 or n < folds:
        raise Unsupported(
            f"cross-validation takes 2 folds or more, none of them empty: n={n}, folds={folds}"
        )
    n = n // folds * folds
    x = rng.standard_normal((n, d))
    direction = rng.standard_normal(d)
    logits = x @ (direction / np.linalg.norm(direction))
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)
    curvature = np.linalg.eigvalsh(x.T @ x)[-1] / (4 * (n - n // folds)) + 0.3
    return x, y, np.geomspace(0.05, 1.0, rates) / curvature, np.geomspace(1e-3, 0.3, penalties)


def single_fit(x: np.ndarray, y: np.ndarray, rate: float, penalty: float, steps: int) -> np.ndarray:
    """The weights (d,) that one training set (m, d) leads to."""
    from scipy.special import expit

    w = np.zeros(x.shape[1])
    for _ in range(steps):
        residuals = expit(x @ w) - (y > 0)
        w -= rate * (x.T @ residuals / len(x) + penalty * w)
    return w


def reference(
    x: np.ndarray, y: np.ndarray, rates: np.ndarray, penalties: np.ndarray, folds: int, steps: int
) -> tuple[np.ndarray, ...]:
    """A loop in float64 over single fits, each to the rows it trains on."""
    weights = np.empty((x.shape[1], folds, rates.size, penalties.size))
    losses = np.zeros((folds, rates.size, penalties.size))
    rows = np.arange(len(x))
    for f, held in enumerate(np.split(rows, folds)):
        trained = np.setdiff1d(rows, held)
        x_train, y_train = x[trained], y[trained]
        for place in np.ndindex(rates.size, penalties.size):
            rate, penalty = float(rates[place[0]]), float(penalties[place[1]])
            w = single_fit(x_train, y_train, rate, penalty, steps)
            weights[:, f, *place] = w
            losses[f, *place] = np.mean(np.logaddexp(0, -y[held] * (x[held] @ w)))
    mean = losses.mean(axis=0)
    return mean, np.asarray(mean.argmin()), weights


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    rates: np.ndarray,
    penalties: np.ndarray,
    folds: int,
    steps: int,
) -> Errors:
    """The weights of every fit, the losses at the weights returned, and the choice among these losses.

    ``weights`` is ``||w - w64|| / ||w64||`` of the fit nearest its limit, or furthest over it; without
    the oracle, of five fits drawn at random. A rounding errs by 0.3 eps of its result in the root mean
    square, and a sum of l products of mean zero by less than sqrt(l) / 4 eps times the norm of its
    terms (Higham & Mary, SIAM J. Sci. Comput. 42, 2020). With slopes of 1/2 as at the start, whose
    derivative is at most 1/4 and which are charged one eps of their own, a step errs by

        delta^2 = (1/3 + rate^2 penalty^2) ||w||^2 / 4
                  + (rate ||X|| / n)^2 (n / 64 + d / n (||X diag(w)|| / 16)^2 + 1)

    eps in Frobenius norms. A step of at most 1 / L shrinks an error by 1 - rate penalty at least, and
    rounds like the step before once w moves little, so that errors add: the limit is four times the sum
    of what remains of delta, over ||w64||. Four, because it is the largest of many fits.

    ``losses`` is the largest error relative to the loss that float64 finds at the weights returned. It
    sums n terms of one sign, which leaves a standard deviation of sqrt(n) / 6 eps when they are added
    one by one. The limit is five times that, for the largest over a grid, and 3 for what terms have in
    common: 5 sqrt(n) / 6 + 3.

    ``best`` is how far the loss chosen is above the least of the losses returned, in eps. It must be 0:
    the choice hangs on the losses by no rounding of its own, so that no margin between them is asked.
    """
    n, d = x.shape
    grid = (rates.size, penalties.size)
    losses, best, weights = widened(outputs, grid, (), (d, folds, *grid))
    eps = epsilon(outputs)
    index = int(best)
    if not 0 <= index < losses.size:
        raise Disagreement(f"the index is {index}, expected 0 to {losses.size - 1}")
    least = float(np.min(losses))
    chosen = (float(losses.flat[index]) - least) / least / eps
    loss64 = held_out_losses(x, y, weights)
    loss_error = largest_ratio(losses - loss64, loss64) / eps
    places = list(np.ndindex(folds, *grid))
    if exact is None:
        drawn = np.random.default_rng(n).choice(len(places), min(5, len(places)), replace=False)
        places = [places[i] for i in drawn]
    fits = (
        [fit(x, y, rates, penalties, place, folds, steps) for place in places]
        if exact is None
        else [exact[2][:, *place] for place in places]
    )
    columns = np.einsum("ij,ij->j", x, x)
    pairs = []
    for (f, i, j), w64 in zip(places, fits, strict=True):
        rate, penalty, size = rates[i], penalties[j], float(np.linalg.norm(w64))
        sums = n / 64 + d / n * float(columns @ w64**2) / 256 + 1
        delta = (1 / 3 + (rate * penalty) ** 2) * size**2 / 4 + (rate / n) ** 2 * np.sum(columns) * sums
        remains = float(np.sum((1 - rate * penalty) ** np.arange(steps)))
        error = largest_ratio(np.linalg.norm(weights[:, f, i, j] - w64), size) / eps
        pairs.append((error, 4 * math.sqrt(delta) * remains / size))
    return {
        "losses": (loss_error, 5 * math.sqrt(n) / 6 + 3),
        "best": (chosen, 0.0),
        "weights": max(pairs, key=lambda pair: pair[0] / pair[1]),
    }


def held_out_losses(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean loss of every point of the grid (r, p), each row at the weights of its fold's fit."""
    held = zip(np.split(x, folds := weights.shape[1]), np.split(y, folds), range(folds), strict=True)
    total = sum(
        np.logaddexp(0, -labels * np.einsum("md,drp->rpm", rows, weights[:, f], optimize=True)).sum(
            axis=2
        )
        for rows, labels, f in held
    )
    return np.asarray(total / len(x))


def fit(
    x: np.ndarray,
    y: np.ndarray,
    rates: np.ndarray,
    penalties: np.ndarray,
    place: tuple[int, ...],
    folds: int,
    steps: int,
) -> np.ndarray:
    """The weights (d,) of the fold, rate and penalty at ``place``."""
    f, i, j = place
    trains = np.repeat(np.arange(folds), len(x) // folds) != f
    return single_fit(x[trains], y[trains], float(rates[i]), float(penalties[j]), steps)


def flops(n: int, d: int, folds: int, rates: int, penalties: int, steps: int) -> float:
    n, grid = n // folds * folds, rates * penalties
    return steps * folds * grid * (4 * n * d + 3 * n + 4 * d) + 2 * n * d * grid + 5 * n * grid


def traffic(itemsize: int, n: int, d: int, folds: int, rates: int, penalties: int, steps: int) -> float:
    rows, grid = n // folds * folds, rates * penalties
    return itemsize * (rows * (d + 1) + rates + penalties + grid * (1 + folds * d)) + 8


Kernel(
    compute=grid_search,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=flops,
    traffic=traffic,
    sizes={
        "small": {"n": 24, "d": 4, "folds": 3, "rates": 2, "penalties": 2, "steps": 4},
        "medium": {"n": 500, "d": 16, "folds": 5, "rates": 4, "penalties": 4, "steps": 20},
        "large": {"n": 2000, "d": 64, "folds": 5, "rates": 6, "penalties": 8, "steps": 50},
        "huge": {"n": 65536, "d": 128, "folds": 4, "rates": 8, "penalties": 8, "steps": 50},
    },
    oracle_flops=5e10,
    static=("folds", "steps"),
    chapter="optimization",
)
