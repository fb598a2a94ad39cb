"""How fast, and how exactly, are the layers computed that networks are built of?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import (
    Kernel,
    accumulation,
    epsilon,
    evenly_spaced,
    largest_ratio,
    summation_error,
    widened,
)
from xpbench.bench.kernel import Array, Errors

EPSILON = 1e-5
"""What ``layer_norm`` adds to a variance: the default of torch.nn.functional.layer_norm."""

UNIT = 2.0**-52
"""The eps of the oracles."""

SAMPLED_QUERIES = 16
SAMPLED_IMAGES = 2
PROBES = 4


def softmax(xp: Array, x: Array) -> Array:
    """The softmax of every row of a matrix.

        y_ij = exp(x_ij - m_i) / sum_l exp(x_il - m_i),    m_i = max_l x_il

    The shift by the largest entry changes nothing in exact arithmetic, and keeps exp from overflow.

    x (n, k) -> y (n, k); 5 n k flops, with exp and a comparison for one.
    Blanchard, Higham & Higham, IMA J. Numer. Anal. 41, 2021, section 4; Bishop, Pattern
    Recognition and Machine Learning, section 4.3.4.
    """
    return xp.softmax(x, axis=-1)


def softmax_inputs(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, ...]:
    """Logits of standard deviation 4, shifted by 1000 in every fourth row: exp(1000) overflows."""
    return (4 * rng.standard_normal((n, k)) + 1000.0 * (np.arange(n)[:, None] % 4 == 0),)


def softmax_reference(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Without a division: the exponential of SciPy's logarithm of it."""
    from scipy.special import log_softmax

    y = log_softmax(x, axis=1)
    return (np.exp(y, out=y),)


def softmax_errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], x: np.ndarray) -> Errors:
    """Every entry relative to itself, over what rounding makes of it, and every row's sum against 1.

    An error of the exponent, which is rounded once, is a relative error of y, so that an entry t below
    the largest of its row errs by u t: this dominates the bounds of Blanchard, Higham & Higham, section
    4. Single operations err by 0.3 eps of their result in the root mean square, exp by 0.5 eps, and a
    sum of k positive terms, one after the other, by sqrt(k) / 6 eps (Higham & Mary, SIAM J. Sci.
    Comput. 41, 2019). Errors that are independent add in the mean square.

    ``entries``: the largest |y - y64| / (y64 v), v^2 = 0.09 t^2 + k / 36 + 0.43 with exp and the
    division in the constant. Limit 6, for the largest of millions. ``sums``: the largest
    |sum_j y_ij - 1| over sqrt(k / 36 + 0.09), limit 6: what exp does cancels.

    In half precision sums are of float32, so that k / 36 is as good as nothing. The smallest numbers of
    float16 are 2^-24 apart, and half of that is lost where exp and where the division fall below 2^-14.
    """
    (y,) = widened(outputs, x.shape)
    eps = epsilon(outputs)
    terms = x.shape[1] / 36 * accumulation(eps) ** 2
    below = np.max(x, axis=1, keepdims=True) - x
    scale = exact[0] * np.sqrt(0.09 * below**2 + terms + 0.43) + spacing(outputs) / (6 * eps)
    sums = np.sum(y, axis=1)
    return {
        "entries": (largest_ratio(y - exact[0], scale) / eps, 6.0),
        "sums": (largest_ratio(sums - 1, math.sqrt(terms + 0.09)) / eps, 6.0),
    }


Kernel(
    compute=softmax,
    inputs=softmax_inputs,
    reference=softmax_reference,
    errors=softmax_errors,
    flops=lambda n, k: 5 * n * k,
    traffic=lambda itemsize, n, k: 2 * itemsize * n * k,
    sizes={
        "small": {"n": 32, "k": 64},
        "medium": {"n": 512, "k": 1024},
        "large": {"n": 4096, "k": 8192},
        "huge": {"n": 16384, "k": 8192},
    },
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="models",
)


def spacing(outputs: Sequence[np.ndarray]) -> float:
    """Between the numbers next to 0, where that is more than nothing: in float16, 2^-24."""
    return 2.0**-24 if outputs[0].dtype == np.float16 else 0.0


def layer_norm(xp: Array, x: Array, gain: Array, bias: Array) -> Array:
    """Layer normalization: every row with mean 0 and variance 1, then a gain and a bias per feature.

        y_ij = g_j (x_ij - mu_i) / sqrt(v_i + epsilon) + b_j
        mu_i = (1 / d) sum_j x_ij,    v_i = (1 / d) sum_j (x_ij - mu_i)^2

    with epsilon = 1e-5, as torch.nn.functional.layer_norm states it: the variance is divided by d.

    x (n, d), gain g (d,), bias b (d,) -> y (n, d); n (7 d + 5) flops.
    Ba, Kiros & Hinton, "Layer normalization", 2016, section 3.
    """
    return xp.layer_norm(x, gain, bias, epsilon=EPSILON)


def layer_norm_inputs(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Rows of standard deviations between 2^-8 and 4, and of means that are some of these.

    The smallest variances, 1.5e-5, are of the size of epsilon. Gains are about 1, biases about 0.
    """
    scales = 2.0 ** rng.uniform(-8, 2, (n, 1))
    x = scales * (rng.standard_normal((n, d)) + 2 * rng.standard_normal((n, 1)))
    return x, 1 + 0.1 * rng.standard_normal(d), 0.1 * rng.standard_normal(d)


def layer_norm_reference(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, ...]:
    """With the length of what is left of a row off the projection on 1, in sums that call no BLAS."""
    d = x.shape[1]
    one = np.full(d, 1 / math.sqrt(d))
    rest = x
    for _ in range(2):  # the second projection takes what rounding has left of the mean
        rest = rest - np.einsum("ij,j->i", rest, one)[:, None] * one
    length = np.sqrt(np.einsum("ij,ij->i", rest, rest) + d * EPSILON)
    return (rest * (math.sqrt(d) * gain) / length[:, None] + bias,)


def layer_norm_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    gain: np.ndarray,
    bias: np.ndarray,
) -> Errors:
    """Every entry over what rounding makes of it.

    With s = sqrt(v + epsilon) and z = (x - mu) / s: the mean, a sum of d terms one after the other,
    errs by sqrt(d) / 6 eps, and in the last operations by 0.5 eps, of the root mean square of its row,
    and an error of mu comes to y as g / s times it. That of v is of second order, but the sum of
    squares errs by sqrt(d) / 6 eps itself, of which the root halves the relative error. Seven single
    operations err by 0.3 eps each in the root mean square: six of g z, one of y. All add in the mean
    square (Higham & Mary, SIAM J. Sci. Comput. 41, 2019), to

        w^2 = g^2 ((d / 36 + 0.25) mean(x_i^2) / s^2 + (d / 144 + 0.54) z^2) + 0.09 y^2

    ``entries``: the largest |y - y64| / w. Limit 6, for the largest of millions. In half precision sums
    are of float32, so that d / 36 and d / 144 are as good as nothing.
    """
    (y,) = widened(outputs, x.shape)
    d = x.shape[1] * accumulation(epsilon(outputs)) ** 2
    power = np.mean(x**2, axis=1, keepdims=True) / (np.var(x, axis=1, keepdims=True) + EPSILON)
    of_z = ((exact[0] - bias) / gain) ** 2
    scale = gain**2 * ((d / 36 + 0.25) * power + (d / 144 + 0.54) * of_z) + 0.09 * exact[0] ** 2
    return {"entries": (largest_ratio(y - exact[0], np.sqrt(scale)) / epsilon(outputs), 6.0)}


Kernel(
    compute=layer_norm,
    inputs=layer_norm_inputs,
    reference=layer_norm_reference,
    errors=layer_norm_errors,
    flops=lambda n, d: n * (7 * d + 5),
    traffic=lambda itemsize, n, d: itemsize * (2 * n * d + 2 * d),
    sizes={
        "small": {"n": 32, "d": 64},
        "medium": {"n": 1024, "d": 768},
        "large": {"n": 16384, "d": 2048},
        "huge": {"n": 32768, "d": 4096},
    },
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="models",
)


def attention(xp: Array, q: Array, k: Array, v: Array) -> Array:
    """Causal scaled dot-product attention, of many heads in a batch of sequences.

        y_i = sum_j p_ij v_j,    p_i = softmax(s_i),    s_ij = q_i'k_j / sqrt(d) where j <= i, else -inf

    for every head of every sequence: query i sees the keys up to its own place, always. No dropout.

    q (b, h, n, d), k (b, h, n, d), v (b, h, n, d) -> y (b, h, n, d); b h n^2 (4 d + 6) flops, with exp
    and a choice for one: scores that the mask hides are computed too.
    Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.1.
    """
    return xp.causal_attention(q, k, v)


def attention_inputs(rng: np.random.Generator, b: int, h: int, n: int, d: int) -> tuple[np.ndarray, ...]:
    """Standard normal keys and values, and queries of twice that: scores of standard deviation 2."""
    q, k, v = rng.standard_normal((3, b, h, n, d))
    return 2 * q, k, v


def attention_reference(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """Key by key, without a matrix of scores: numerators and denominators of all later queries."""
    n, d = q.shape[-2:]
    above, below = np.zeros_like(v), np.zeros(q.shape[:-1])
    for j in range(n):
        weights = np.exp(np.einsum("bhnd,bhd->bhn", q[:, :, j:], k[:, :, j]) / math.sqrt(d))
        below[:, :, j:] += weights
        above[:, :, j:] += weights[..., None] * v[:, :, j, None]
    return (above / below[..., None],)


def attention_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
) -> Errors:
    """Every entry over what rounding makes of it, see ``attended``.

    ``entries``: the largest |y - y64| over that, with the oracle's own errors, in its own eps, added in
    the mean square: they count as much where the dtype is float64. Limit 6, for the largest of millions.
    Without the oracle, of the first and the last query and ``SAMPLED_QUERIES`` others of every head.
    """
    b, h, n, _ = q.shape
    (y,) = widened(outputs, q.shape)
    rng, eps, worst = np.random.default_rng(n), epsilon(outputs), 0.0
    for head in np.ndindex(b, h):
        rows = np.arange(n)
        if exact is None:
            rows = np.unique([0, n - 1, *rng.integers(n, size=SAMPLED_QUERIES)])
        right, scale = attended(rows, q[head], k[head], v[head], accumulation(eps))
        if exact is not None:
            right = exact[0][head]
        worst = max(worst, largest_ratio(y[head][rows] - right, scale))
    return {"entries": (worst / math.hypot(eps, UNIT), 6.0)}


def attended(
    rows: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, summed: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The outputs of some queries of one head, and what rounding makes of each, over eps.

    Roundings err by 0.3 eps of their result in the root mean square, exp by 0.5 eps (Higham & Mary, SIAM
    J. Sci. Comput. 41, 2019). A sum of l products, one after the other, rounds its partial sums. When
    products are independent and their total is known, partial sum r is r / l of the total, and about
    that has the variance r (1 - r / l) of one product: the squares of all add up to l / 3 of the total
    squared and l / 6 of the sum of squared products. A score that is t below the largest of its row has
    the error

        e_ij^2 = 0.09 (sum_l q_il^2 k_jl^2 / 6 + (d / 3 + 2) s_ij^2 + t_ij^2) + 0.34

    of its exponential, relative, with the scaling and the division that follows. To first order it
    changes y_i by p_ij (v_j - y_i) e_ij. With the sum over i keys, and its denominator, which errs by
    sqrt(i) / 6 eps:

        w_i^2 = sum_j p_ij^2 e_ij^2 (v_j - y_i)^2 + 0.09 (i / 6 + 1) sum_j p_ij^2 v_j^2 + (i / 17) y_i^2

    ``summed`` is the eps that sums are taken with, over eps. Where it is below 1, the roundings within a
    sum, whose number grows with d or i, are ``summed`` times as large, and there is one more at its end,
    to the dtype of the scores and of the outputs: 0.09 s_ij^2 and 0.09 y_i^2.
    """
    of_sums, once = summed**2, 0.0 if summed == 1 else 1.0
    (n, d), i = k.shape, rows[:, None] + 1
    s = q[rows] @ k.T / math.sqrt(d)
    s[np.arange(n) >= i] = -math.inf
    t = np.max(s, axis=1, keepdims=True) - s
    p = np.exp(-t)
    p /= np.sum(p, axis=1, keepdims=True)
    s, t = np.where(p > 0, s, 0), np.where(p > 0, t, 0)
    products = q[rows] ** 2 @ (k**2).T / d
    of_products = of_sums * (d / 6 * products + d / 3 * s**2)
    of_scores = p**2 * (0.09 * (of_products + (2 + once) * s**2 + t**2) + 0.34)
    y = p @ v
    moved = of_scores @ v**2 - 2 * y * (of_scores @ v) + y**2 * np.sum(of_scores, axis=1, keepdims=True)
    of_values = 0.09 * (of_sums * i / 6 + 1) * (p**2 @ v**2) + (of_sums * i / 17 + 0.09 * once) * y**2
    return y, np.sqrt(np.maximum(moved, 0) + of_values)


Kernel(
    compute=attention,
    inputs=attention_inputs,
    reference=attention_reference,
    errors=attention_errors,
    flops=lambda b, h, n, d: b * h * n**2 * (4 * d + 6),
    traffic=lambda itemsize, b, h, n, d: 4 * itemsize * b * h * n * d,
    sizes={
        "small": {"b": 1, "h": 2, "n": 32, "d": 16},
        "medium": {"b": 1, "h": 4, "n": 256, "d": 64},
        "large": {"b": 2, "h": 8, "n": 1024, "d": 64},
        "huge": {"b": 16, "h": 16, "n": 2048, "d": 64},
    },
    oracle_flops=1e10,
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="models",
)


def conv2d(xp: Array, x: Array, w: Array) -> Array:
    """Convolution of images with filters as deep learning has it: a cross-correlation, in NCHW.

        y_noij = sum_c sum_a sum_b x_nc,i+a-r,j+b-r w_ocab,    r = floor(k / 2),    a, b = 0 ... k - 1

    with x zero outside of its image and a stride of 1: for an odd k images keep their size.

    x (n, c, s, s), w (o, c, k, k) -> y (n, o, t, t), t = s + 2 r - k + 1; 2 n o c k^2 t^2 flops, those
    with the zeros around images among them.
    Goodfellow, Bengio & Courville, Deep Learning, section 9.1, equation 9.6; Dumoulin & Visin, "A guide
    to convolution arithmetic for deep learning", 2016, section 2.3.
    """
    return xp.conv2d(x, w, stride=1, padding=w.shape[-1] // 2)


def conv2d_inputs(
    rng: np.random.Generator, batch: int, channels: int, filters: int, side: int, k: int
) -> tuple[np.ndarray, ...]:
    """Standard normal images, and filters of variance 1 / (c k^2), which keep signals of one size."""
    x = rng.standard_normal((batch, channels, side, side))
    return x, rng.standard_normal((filters, channels, k, k)) / (k * math.sqrt(channels))


def conv2d_reference(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """Tap by tap: of every filter one entry times the whole of the images that it meets."""
    n, c, side, _ = x.shape
    o, _, k, _ = w.shape
    out = side + 2 * (k // 2) - k + 1
    y = np.zeros((n, o, out, out))
    for a, b in np.ndindex(k, k):
        rows, columns = (met(place - k // 2, side, out) for place in (a, b))
        seen = x[:, :, rows[0], columns[0]]
        product = w[:, :, a, b] @ seen.reshape(n, c, -1)
        y[:, :, rows[1], columns[1]] += product.reshape(n, o, *seen.shape[2:])
    return (y,)


def met(shift: int, side: int, out: int) -> tuple[slice, slice]:
    """Where an image is read, and where an output is written, for ``y_i`` of ``x_i+shift``."""
    first, last = max(0, -shift), min(out, side - shift)
    return slice(first + shift, last + shift), slice(first, last)


def conv2d_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray, w: np.ndarray
) -> Errors:
    """Every entry against its own bound, and every image against its norm, as for ``matmul``.

    With l = c k^2 the length of a sum. ``entries`` is the largest |y - y64| / conv(|x|, |w|), limit
    sqrt(l) eps: sums of l products err by at most lambda sqrt(l) u of the sum of their magnitudes
    (Higham & Mary, SIAM J. Sci. Comput. 41, 2019, section 3), and by far less where these have mean
    zero (42, 2020), so that lambda = 2 suffices. Without the oracle, of ``SAMPLED_IMAGES``.

    ``norm`` is the largest ||y_n - y64_n|| over the root of the sum of conv(x_n^2, w^2), the size of
    y_n to be expected, limit sqrt(l) eps: sums one after the other err by 0.3 sqrt(l / 2) eps in the
    root mean square. Without the oracle the distances are estimated from combinations of the filters
    with random signs, whose mean square they are (Freivalds).

    In half precision both hold of sums in float32, rounded once at the end: see ``summation_error``.
    """
    n, c, side, _ = x.shape
    o, _, k, _ = w.shape
    out = side + 2 * (k // 2) - k + 1
    (y,) = widened(outputs, (n, o, out, out))
    eps, limit = epsilon(outputs), k * math.sqrt(c)
    sample = np.arange(n)
    if exact is None:
        sample = evenly_spaced(n, SAMPLED_IMAGES)
        signs = np.random.default_rng(n).choice([-1.0, 1.0], (PROBES, o)) / math.sqrt(PROBES)
        (probed,) = conv2d_reference(x, np.einsum("po,ocab->pcab", signs, w))
        distances = [
            np.linalg.norm(signs @ y[i].reshape(o, -1) - probed[i].reshape(PROBES, -1)) for i in range(n)
        ]
        (right,) = conv2d_reference(x[sample], w)
    else:
        (right,) = exact
        distances = [np.linalg.norm(y[i] - right[i]) for i in range(n)]
    (bound,) = conv2d_reference(np.abs(x[sample]), np.abs(w))
    (squares,) = conv2d_reference(x**2, np.sum(w**2, axis=0, keepdims=True))
    sizes, found = np.sqrt(np.sum(squares, axis=(1, 2, 3))), np.sqrt(np.sum(y**2, axis=(1, 2, 3)))
    return {
        "entries": summation_error(y[sample] - right, bound, right, eps, limit),
        "norm": summation_error(distances, sizes, found, eps, limit),
    }


def conv2d_flops(batch: int, channels: int, filters: int, side: int, k: int) -> float:
    return 2 * batch * filters * channels * k**2 * (side + 2 * (k // 2) - k + 1) ** 2


def conv2d_traffic(itemsize: int, batch: int, channels: int, filters: int, side: int, k: int) -> float:
    out = side + 2 * (k // 2) - k + 1
    read = batch * channels * side**2 + filters * channels * k**2
    return itemsize * (read + batch * filters * out**2)


Kernel(
    compute=conv2d,
    inputs=conv2d_inputs,
    reference=conv2d_reference,
    errors=conv2d_errors,
    flops=conv2d_flops,
    traffic=conv2d_traffic,
    sizes={
        "small": {"batch": 1, "channels": 3, "filters": 8, "side": 16, "k": 3},
        "medium": {"batch": 4, "channels": 32, "filters": 32, "side": 32, "k": 3},
        "large": {"batch": 32, "channels": 64, "filters": 64, "side": 56, "k": 3},
        "huge": {"batch": 256, "channels": 64, "filters": 64, "side": 112, "k": 3},
    },
    oracle_flops=1e10,
    dtypes=("float32", "float64", "float16", "bfloat16"),
    chapter="models",
)
