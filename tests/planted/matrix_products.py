"""Faults in products and transposes of matrices."""

import numpy as np

from planted import Fault, algorithm, entry, itself, result


def bound(outputs, a, b):
    i, j = a.shape[0] // 2, b.shape[1] // 2
    return np.abs(a[i]) @ np.abs(b[:, j])


def batched_bound(outputs, a, b):
    m, i, j = (axis // 2 for axis in a.shape)
    return np.abs(a[m, i]) @ np.abs(b[m, :, j])


def batched_norm(outputs, a, b):
    m = a.shape[0] // 2
    return np.linalg.norm(a[m]) * np.linalg.norm(b[m]) / np.sqrt(a.shape[1])


def matrix_norm(output, place):
    return np.linalg.norm(output[place[0]])


def thin(outputs):
    outputs[0] *= outputs[0].dtype.type(1 + 1e-4)


def one_thin(outputs):
    outputs[0][3] *= outputs[0].dtype.type(1 + 1e-4)


def shift_last_row(outputs):
    outputs[0][-1] = np.roll(outputs[0][-1], 1)


def one_bit(outputs):
    y = outputs[0]
    bits = y.view(f"u{y.itemsize}")
    bits[3, 5] += 1


def as_float32(outputs):
    outputs[0] = outputs[0].astype(np.float32).astype(outputs[0].dtype)


FAULTS: dict[str, list[Fault]] = {
    "matmul": [
        algorithm("term", "last term dropped", lambda xp, a, b: a[:, :-1] @ b[:-1, :]),
        algorithm(
            "term", "one term of the other sign", lambda xp, a, b: a @ b - 2 * a[:, :1] @ b[:1, :]
        ),
        algorithm("index", "rows off by one", lambda xp, a, b: xp.roll(a, 1, axis=0) @ b),
        entry("entries", bound, summed=itself),
    ],
    "batched_matmul": [
        algorithm("term", "last term dropped", lambda xp, a, b: a[..., :-1] @ b[:, :-1, :]),
        algorithm(
            "term", "one term of the other sign", lambda xp, a, b: a @ b - 2 * a[..., :1] @ b[:, :1, :]
        ),
        algorithm("term", "entry by entry", lambda xp, a, b: a * b),
        result("term", "scaled by 1.0001", thin, size="medium", half=()),
        result("term", "one matrix scaled by 1.0001", one_thin, size="medium", half=()),
        algorithm("index", "batch off by one", lambda xp, a, b: xp.roll(a, 1, axis=0) @ b),
        algorithm("index", "first matrix for all", lambda xp, a, b: a @ b[:1, ...]),
        algorithm("index", "transposed", lambda xp, a, b: a @ xp.matrix_transpose(b)),
        algorithm("index", "factors exchanged", lambda xp, a, b: b @ a),
        entry("entries", batched_bound, summed=itself),
        entry("norm", batched_norm, summed=matrix_norm),
    ],
    "transpose": [
        result("term", "rounded to float32 on its way", as_float32, dtypes=("float64",), half=()),
        algorithm("term", "of the other sign", lambda xp, x: -x.T),
        algorithm("index", "not transposed", lambda xp, x: xp.reshape(x, x.shape[::-1])),
        algorithm("index", "rows off by one", lambda xp, x: xp.roll(x.T, 1, axis=0)),
        algorithm("index", "about the other diagonal", lambda xp, x: x[::-1, ::-1].T),
        result("index", "last row shifted by one", shift_last_row),
        result("entry", "one entry off by its last bit", one_bit),
    ],
}
PRODUCTS = ("matmul", "batched_matmul")
LOOSE: dict[tuple[str, str, str], str] = {}
