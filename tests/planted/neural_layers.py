"""Faults in the layers of networks."""

import numpy as np

from planted import Fault, algorithm, entry, itself, result
from xpbench.kernels.neural_layers import EPSILON, attended, conv2d_reference


def unshifted(xp, x):
    e = xp.exp(x)
    return e / xp.sum(e, axis=1, keepdims=True)


def no_exponent_below_minus_16(xp, x):
    e = xp.exp(xp.maximum(x - xp.max(x, axis=1, keepdims=True), -16.0 + 0 * x))
    return e / xp.sum(e, axis=1, keepdims=True)


def first_left_out_of_the_sum(xp, x):
    e = xp.exp(x - xp.max(x, axis=1, keepdims=True))
    return e / xp.sum(e[:, 1:], axis=1, keepdims=True)


def scaled(outputs):
    outputs[0] *= outputs[0].dtype.type(1 + 1e-4)


def exchange_last_rows(outputs):
    outputs[0][[-1, -2]] = outputs[0][[-2, -1]]


def exchange_first_columns(outputs):
    outputs[0][:, [0, 1]] = outputs[0][:, [1, 0]]


def middle_of(outputs):
    return tuple(axis // 2 for axis in outputs[0].shape)


def softmax_unit(outputs, x):
    y, t, k = outputs[0], np.max(x, axis=1, keepdims=True) - x, x.shape[1]
    return (y * np.sqrt(0.09 * t**2 + k / 36 + 0.43))[middle_of(outputs)]


def normed(xp, x, gain, bias, *, less=0, inside=EPSILON, outside=0.0, left_out=0, axis=-1):
    d = x.shape[1]
    mean = xp.sum(x[:, left_out:], axis=-1, keepdims=True) / (d - left_out)
    if axis == 0:
        mean = xp.mean(x, axis=0, keepdims=True)
    centred = x - mean
    squares = xp.sum(centred * centred, axis=axis, keepdims=True)
    variance = squares / (x.shape[axis] - less)
    return centred / (xp.sqrt(variance + inside) + outside) * gain + bias


def layer_norm_unit(outputs, x, gain, bias):
    _, column = middle_of(outputs)
    return abs(gain[column]) * np.sqrt(x.shape[1] / 36 + 0.25)


def attending(
    xp, q, k, v, *, power=0.5, ahead=0, masked=True, over=-1, rolled=0, heads=0, shown=-np.inf
):
    n, d = q.shape[-2:]
    k, v = xp.roll(k, heads, axis=1), xp.roll(v, rolled, axis=-2)
    scores = q @ xp.matrix_transpose(k) / d**power
    if masked:
        places = xp.arange(n)
        scores = xp.where(places > places[:, None] + ahead, shown, scores)
    return xp.softmax(scores, axis=over) @ v


def masked_after_softmax(xp, q, k, v):
    weights = xp.softmax(q @ xp.matrix_transpose(k) / q.shape[-1] ** 0.5, axis=-1)
    return xp.tril(weights) @ v


def attention_unit(outputs, q, k, v):
    b, h, i, j = middle_of(outputs)
    _, scale = attended(np.asarray([i]), q[b, h], k[b, h], v[b, h])
    return scale[0, j]


def without(place):
    def compute(xp, x, w):
        w = w.copy()
        w[(..., *place)] = 0
        return xp.conv2d(x, w, stride=1, padding=w.shape[-1] // 2)

    return compute


def padded_by_the_edge(xp, x, w):
    r = w.shape[-1] // 2
    return xp.conv2d(np.pad(x, ((0, 0), (0, 0), (r, r), (r, r)), mode="edge"), w)


def convolved(change):
    def compute(xp, x, w):
        return xp.conv2d(*change(x, w), stride=1, padding=w.shape[-1] // 2)

    return compute


def conv2d_bound(outputs, x, w):
    (bound,) = conv2d_reference(np.abs(x), np.abs(w))
    return bound[middle_of(outputs)]


def conv2d_norm(outputs, x, w):
    image = len(x) // 2
    (squares,) = conv2d_reference(x[image : image + 1] ** 2, w**2)
    return np.sqrt(np.sum(squares))


def image_norm(output, place):
    return np.linalg.norm(output[place[0]])


FAULTS: dict[str, list[Fault]] = {
    "softmax": [
        algorithm("term", "not shifted", unshifted),
        algorithm("term", "exponents no lower than -16", no_exponent_below_minus_16),
        algorithm("term", "first entry left out of the sum", first_left_out_of_the_sum),
        result("term", "scaled by 1.0001", scaled, half=()),
        algorithm("index", "down the columns", lambda xp, x: xp.softmax(x, axis=0)),
        result("index", "last two rows exchanged", exchange_last_rows),
        result("index", "first two columns exchanged", exchange_first_columns),
        entry("entries", softmax_unit),
        entry("sums", lambda outputs, x: np.sqrt(x.shape[1] / 36 + 0.09)),
    ],
    "layer_norm": [
        algorithm(
            "term",
            "variance over d - 1",
            lambda xp, *a: normed(xp, *a, less=1),
            half=("float16",),  # an eps of bfloat16
        ),
        algorithm("term", "no epsilon", lambda xp, *a: normed(xp, *a, inside=0.0)),
        algorithm("term", "epsilon of 1e-6", lambda xp, *a: normed(xp, *a, inside=1e-6)),
        algorithm(
            "term", "epsilon after the root", lambda xp, *a: normed(xp, *a, inside=0, outside=EPSILON)
        ),
        algorithm("term", "no gain", lambda xp, x, gain, bias: normed(xp, x, 1 + 0 * gain, bias)),
        algorithm("term", "bias of the other sign", lambda xp, x, g, b: normed(xp, x, g, -b)),
        result("term", "scaled by 1.0001", scaled, half=()),
        algorithm("index", "down the columns", lambda xp, *a: normed(xp, *a, axis=0)),
        algorithm("index", "first feature left out", lambda xp, *a: normed(xp, *a, left_out=1)),
        algorithm("index", "gains off by one", lambda xp, x, g, b: normed(xp, x, np.roll(g, 1), b)),
        entry("entries", layer_norm_unit),
    ],
    "attention": [
        algorithm("term", "scores not scaled", lambda xp, *a: attending(xp, *a, power=0)),
        algorithm("term", "scores over d", lambda xp, *a: attending(xp, *a, power=1)),
        algorithm("term", "not masked", lambda xp, *a: attending(xp, *a, masked=False)),
        algorithm(
            "term",
            "masked by -10",
            lambda xp, *a: attending(xp, *a, shown=-10.0),
            half=("float16",),  # exp(-10) is less than what bfloat16 loses of the others
        ),
        algorithm("term", "masked after the softmax", masked_after_softmax),
        result("term", "scaled by 1.0001", scaled, half=()),
        algorithm("index", "one key ahead", lambda xp, *a: attending(xp, *a, ahead=1)),
        algorithm("index", "softmax over queries", lambda xp, *a: attending(xp, *a, over=-2)),
        algorithm("index", "values off by one", lambda xp, *a: attending(xp, *a, rolled=1)),
        algorithm("index", "keys of another head", lambda xp, *a: attending(xp, *a, heads=1)),
        entry("entries", attention_unit),
    ],
    "conv2d": [
        algorithm("term", "a corner of the filters dropped", without((0, 0))),
        algorithm("term", "the edge repeated for zeros", padded_by_the_edge),
        algorithm("term", "last channel dropped", convolved(lambda x, w: (x[:, :-1], w[:, :-1]))),
        result("term", "scaled by 1.0001", scaled, size="medium", half=()),
        algorithm("index", "convolved", convolved(lambda x, w: (x, w[..., ::-1, ::-1]))),
        algorithm("index", "filters transposed", convolved(lambda x, w: (x, np.swapaxes(w, 2, 3)))),
        algorithm("index", "channels off by one", convolved(lambda x, w: (np.roll(x, 1, 1), w))),
        algorithm("index", "rows off by one", convolved(lambda x, w: (np.roll(x, 1, 2), w))),
        algorithm(
            "index", "images off by one", convolved(lambda x, w: (np.roll(x, 1, 0), w)), size="medium"
        ),
        entry("entries", conv2d_bound, summed=itself),
        entry("norm", conv2d_norm, summed=image_norm),
    ],
}
PRODUCTS = ("attention", "conv2d")
LOOSE: dict[tuple[str, str, str], str] = {}
