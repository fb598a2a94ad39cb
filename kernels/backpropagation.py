"""How fast, and how exactly, are the gradients of a neural network found by the chain rule?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

NAMES = ("w1", "b1", "w2", "b2", "w3", "b3")


def backprop(
    xp: Array, x: Array, y: Array, w1: Array, b1: Array, w2: Array, b2: Array, w3: Array, b3: Array
) -> tuple[Array, ...]:
    """The squared loss of a perceptron of three layers and its gradient in every parameter.

        h1 = tanh(x W1 + b1),  h2 = tanh(h1 W2 + b2),  e = h2 W3 + b3 - y,  loss = |e|^2 / (2 m)
        d3 = e / m,  d_l = (d_l+1 W_l+1') (1 - h_l^2),  dloss/dW_l = h_l-1' d_l,  dloss/db_l = 1' d_l

    x (m, p), y (m, q), w1 (p, p), b1 (p,), w2 (p, p), b2 (p,), w3 (p, q), b3 (q,) -> the loss (), then
    gradients of the shapes of the parameters; 2 m (5 p^2 + 3 p q) flops in the products.
    Deisenroth, Faisal & Ong, Mathematics for Machine Learning, section 5.6.1.
    """
    m = x.shape[0]
    h1 = xp.tanh(x @ w1 + b1)
    h2 = xp.tanh(h1 @ w2 + b2)
    e = h2 @ w3 + b3 - y
    loss = xp.sum(e * e) / (2 * m)
    d3 = e / m
    d2 = (d3 @ w3.T) * (1 - h2 * h2)
    d1 = (d2 @ w2.T) * (1 - h1 * h1)
    g1, g2, g3 = x.T @ d1, h1.T @ d2, h2.T @ d3
    return loss, g1, xp.sum(d1, axis=0), g2, xp.sum(d2, axis=0), g3, xp.sum(d3, axis=0)


def autodiff_backprop(xp: Array, x: Array, y: Array, *parameters: Array) -> tuple[Array, ...]:
    """The same loss and gradient, by the reverse mode of the library itself.

        loss(W1, b1, W2, b2, W3, b3) = |tanh(tanh(x W1 + b1) W2 + b2) W3 + b3 - y|^2 / (2 m)

    x (m, p), y (m, q), w1 (p, p), b1 (p,), w2 (p, p), b2 (p,), w3 (p, q), b3 (q,) -> the loss (), then
    gradients of the shapes of the parameters; 2 m (5 p^2 + 3 p q) flops in the products, as by hand.
    Baydin, Pearlmutter, Radul & Siskind, J. Mach. Learn. Res. 18, 2018, section 3.2.
    """
    m = x.shape[0]

    def loss(w1: Array, b1: Array, w2: Array, b2: Array, w3: Array, b3: Array) -> Array:
        h1 = xp.tanh(x @ w1 + b1)
        h2 = xp.tanh(h1 @ w2 + b2)
        e = h2 @ w3 + b3 - y
        return xp.sum(e * e) / (2 * m)

    value, gradients = xp.value_and_grad(loss, argnums=tuple(range(6)))(*parameters)
    return (value, *gradients)


def inputs(rng: np.random.Generator, batch: int, width: int, outputs: int) -> tuple[np.ndarray, ...]:
    """Standard normal data, and weights of variance 1 / width, which keep signals of one size."""
    scale = 1 / math.sqrt(width)
    return (
        rng.standard_normal((batch, width)),
        rng.standard_normal((batch, outputs)),
        rng.standard_normal((width, width)) * scale,
        rng.standard_normal(width) * 0.1,
        rng.standard_normal((width, width)) * scale,
        rng.standard_normal(width) * 0.1,
        rng.standard_normal((width, outputs)) * scale,
        rng.standard_normal(outputs) * 0.1,
    )


def reference(x: np.ndarray, y: np.ndarray, *parameters: np.ndarray) -> tuple[np.ndarray, ...]:
    """The chain rule over a list of layers of any length, in sums that call no BLAS."""
    weights, biases = parameters[::2], parameters[1::2]
    signals = [x]
    for index, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = np.einsum("mi,ij->mj", signals[-1], w) + b
        signals.append(z if index == len(weights) - 1 else np.tanh(z))
    error = signals.pop() - y
    delta = error / len(x)
    gradients: list[np.ndarray] = []
    for w, signal in zip(reversed(weights), reversed(signals), strict=True):
        gradients = [np.einsum("mi,mj->ij", signal, delta), delta.sum(axis=0), *gradients]
        delta = np.einsum("mj,ij->mi", delta, w) * (1 - signal**2)
    return (np.asarray((error**2).sum() / (2 * len(x))), *gradients)


def parameter_count(width: int, outputs: int) -> int:
    return 2 * (width**2 + width) + width * outputs + outputs


def errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    *parameters: np.ndarray,
) -> Errors:
    """The loss, relative, and every gradient against the oracle's in the Frobenius norm, relative.

    The longest path to a gradient, that of W1, goes through six products: three forward, two back and
    its own. The sums of a product, of length l and mean zero, err by about sqrt(l / 2) u of their norm
    (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), and reach the gradient undiminished at most, because
    |tanh'| <= 1 and the weights keep signals of one size. Independent errors add in the mean square:
    the limit is the root of the sum of the lengths, about three times that, and 4 for the operations
    on single entries: sqrt(4 p + q + m) + 4 eps. A bias is a row of its weights, one whose input is 1,
    and is measured against such a row where its own gradient happens to be small.

    The loss sums N = m q squares of one sign, which leaves a standard deviation of sqrt(N) / 6 eps; the
    errors of the N entries of e, of sqrt(3 p) eps each, mean out. Three times both, and 2 for the rest:
    sqrt(N) / 2 + 6 sqrt(3 p / N) + 2 eps.

    Without the oracle ``derivative`` compares the slope of the loss along one direction: random signs,
    over the norm of each gradient. The imaginary part of the loss at parameters displaced by i h times
    it, over h, is that slope without cancellation (Squire & Trapp, SIAM Review 40, 1998). The errors of
    six gradients add in the mean square.
    """
    m, q = y.shape
    p = x.shape[1]
    loss, *gradients = widened(outputs, (), *(parameter.shape for parameter in parameters))
    eps = epsilon(outputs)
    limit = math.sqrt(4 * p + q + m) + 4
    loss_limit = math.sqrt(m * q) / 2 + 6 * math.sqrt(3 * p / (m * q)) + 2
    if exact is None:
        rng = np.random.default_rng(p)
        along = [rng.choice([-1.0, 1.0], g.shape) / (np.linalg.norm(g) or 1.0) for g in gradients]
        loss64, slope64 = loss_and_slope(x, y, parameters, along)
        slope = sum(float(np.sum(g * v)) for g, v in zip(gradients, along, strict=True))
        pairs = {"derivative": (abs(slope - slope64) / eps, math.sqrt(6) * limit)}
    else:
        loss64 = float(exact[0])
        distances = [np.linalg.norm(g - g64) for g, g64 in zip(gradients, exact[1:], strict=True)]
        sizes = [np.linalg.norm(g64) for g64 in exact[1:]]
        for w, b in ((0, 1), (2, 3), (4, 5)):
            sizes[b] = max(sizes[b], sizes[w] / math.sqrt(p))
        pairs = {
            name: (largest_ratio(distance, size) / eps, limit)
            for name, distance, size in zip(NAMES, distances, sizes, strict=True)
        }
    return {"loss": (largest_ratio(loss - loss64, loss64) / eps, loss_limit), **pairs}


def loss_and_slope(
    x: np.ndarray, y: np.ndarray, parameters: Sequence[np.ndarray], along: Sequence[np.ndarray]
) -> tuple[float, float]:
    """The loss, and its derivative as the parameters move ``along`` a direction, by a complex step."""
    h = 1e-100
    w1, b1, w2, b2, w3, b3 = (theta + 1j * h * v for theta, v in zip(parameters, along, strict=True))
    error = np.tanh(np.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3 - y
    loss = complex(np.sum(error * error)) / (2 * len(x))
    return loss.real, loss.imag / h


def flops(batch: int, width: int, outputs: int) -> float:
    return 2 * batch * (5 * width**2 + 3 * width * outputs)


def traffic(itemsize: int, batch: int, width: int, outputs: int) -> float:
    return itemsize * (batch * (width + outputs) + 2 * parameter_count(width, outputs) + 1)


SIZES = {
    "small": {"batch": 16, "width": 16, "outputs": 4},
    "medium": {"batch": 256, "width": 256, "outputs": 10},
    "large": {"batch": 1024, "width": 1024, "outputs": 10},
    "huge": {"batch": 4096, "width": 4096, "outputs": 10},
}

Kernel(
    compute=backprop,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=flops,
    traffic=traffic,
    sizes=SIZES,
    oracle_flops=2e10,
    chapter="calculus",
)
Kernel(
    compute=autodiff_backprop,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=flops,
    traffic=traffic,
    sizes=SIZES,
    oracle_flops=2e10,
    chapter="calculus",
)
