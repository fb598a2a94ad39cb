"""How fast, and how exactly, does an iteration of matrix-vector products descend to a minimum?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors


def gradient_descent(xp: Array, x: Array, y: Array, eta: Array, *, steps: int) -> Array:
    """Logistic regression by batch gradient descent, from zero, with a constant step.

        w <- w - (eta / n) X'(sigma(X w) - y),    sigma(z) = 1 / (1 + exp(-z))

    x (n, d), y (n,) of 0 and 1, eta () -> w (d,); steps (4 n d + 5 n + 2 d) flops.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 7.1; Bishop, Pattern
    Recognition and Machine Learning, section 4.3.2.
    """
    rate = eta / x.shape[0]

    def step(_: Array, w: Array) -> Array:
        # A row times a matrix: XLA writes a loop of its own for X' times a column, many times slower.
        return w - rate * ((xp.sigmoid(x @ w) - y) @ x)

    return xp.fori_loop(steps, step, xp.zeros_like(x[0, :]))


def inputs(rng: np.random.Generator, n: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """Features of different scales, labels drawn from a logistic model, and the step 1 / L.

    L = ||X||^2 / (4 n) is the Lipschitz constant of the gradient.
    """
    scales = np.linspace(1.0, 0.25, d)
    x = rng.standard_normal((n, d)) * scales
    logits = x @ (rng.standard_normal(d) / scales) * (2 / math.sqrt(d))
    y = rng.random(n) < 1 / (1 + np.exp(-logits))
    eta = 4 * n / np.linalg.eigvalsh(x.T @ x)[-1]
    return x, y.astype(np.float64), np.asarray(eta)


def reference(x: np.ndarray, y: np.ndarray, eta: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64: each step along the mean of the gradients of single samples."""
    from scipy.special import expit

    w = np.zeros(x.shape[1])
    for _ in range(steps):
        slopes = expit(np.einsum("ij,j->i", x, w)) - y
        w -= eta * np.einsum("ij,i->j", x, slopes) / y.size
    return (w,)


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    eta: np.ndarray,
    steps: int,
) -> Errors:
    """``||w - w64|| / ||w64||`` after the last step, against what rounding may add up to.

    A step rounds sums of n and of d products of mean zero, each by about the square root of its length
    in eps, times the norm of its terms (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), then a sigmoid
    and an update. With residuals of 1/2 as at the start and |sigma'| <= 1/4 that is at most

        delta = (eta / n) ||X|| (sqrt(n) / 2 + sqrt(d / n) ||X diag(w)|| / 4 + 1) + ||w||

    eps in Frobenius norms. A step of 1 / L contracts earlier errors by rho = 1 - eta mu, with mu the
    smallest curvature at w64, where it is smallest on the path from zero (Nesterov, Introductory
    Lectures on Convex Optimization, section 2.1.5). Steps move the iterate by far more than eps, so
    their errors are independent and add in the mean square: the limit is delta / ||w64|| times the
    root of the sum of rho^(2 t) over the steps.
    """
    n, d = x.shape
    (w,) = widened(outputs, (d,))
    w64 = exact[0]
    size = np.linalg.norm(w64)
    p = 1 / (1 + np.exp(-(x @ w64)))
    mu = np.linalg.eigvalsh((x.T * (p * (1 - p))) @ x / n)[0]
    growth = math.sqrt(sum((1 - float(eta * mu)) ** (2 * t) for t in range(steps)))
    sums = math.sqrt(n) / 2 + math.sqrt(d / n) * np.linalg.norm(x * w64) / 4 + 1
    delta = eta / n * np.linalg.norm(x) * sums + size
    error = largest_ratio(np.linalg.norm(w - w64), size) / epsilon(outputs)
    return {"weights": (error, growth * float(delta / size))}


Kernel(
    compute=gradient_descent,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, d, steps: steps * (4 * n * d + 5 * n + 2 * d),
    traffic=lambda itemsize, n, d, steps: itemsize * (n * d + n + 1 + d),
    sizes={
        "small": {"n": 64, "d": 4, "steps": 5},
        "medium": {"n": 2048, "d": 128, "steps": 50},
        "large": {"n": 32768, "d": 256, "steps": 100},
        "huge": {"n": 524288, "d": 256, "steps": 100},
    },
    static=("steps",),
    chapter="optimization",
)
