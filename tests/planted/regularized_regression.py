"""Faults in ridge regression, the lasso and the elastic net."""

import numpy as np

from planted import Fault, algorithm, entry, tf32
from planted.linear_systems import lstsq_distance, lstsq_normal
from xpbench.kernels.regularized_regression import elastic_net, lasso, ridge


class OnTensorCores(np.ndarray):
    """An array of which products with a matrix, and no others, take their factors as TF32."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [np.asarray(a) if isinstance(a, OnTensorCores) else a for a in inputs]
        if ufunc is np.matmul and min(map(np.ndim, plain)) >= 2:
            plain = [tf32(a) for a in plain]
        if out is not None:
            options["out"] = tuple(map(np.asarray, out))
        return np.asarray(getattr(ufunc, method)(*plain, **options)).view(OnTensorCores)


def products_in_tf32():
    """As a card computes that multiplies matrices on tensor cores, and vectors elsewhere."""

    def plant(trial, xp):
        return trial.compute(xp, [array.view(OnTensorCores) for array in trial.inputs])

    return [
        Fault("term", f"products of matrices in TF32, {size}", plant, size, ("float32",))
        for size in ("small", "medium")
    ]


def augmented(x, penalty):
    return np.concatenate([x, np.sqrt(penalty) * np.eye(x.shape[1])])


def stacked(unit):
    """``unit`` of the least squares problem that ridge regression is."""

    def of(outputs, x, y, penalty):
        return unit(outputs, augmented(x, penalty), np.append(y, np.zeros(x.shape[1])))

    return of


def penalised(root=1.0):
    """By QR, with the stacked rows scaled by ``root``: a number, or one for every coefficient."""

    def compute(xp, x, y, penalty):
        rows = np.sqrt(penalty) * np.eye(x.shape[1]) * root
        return xp.lstsq(
            np.concatenate([x, rows.astype(x.dtype)]), np.concatenate([y, np.zeros_like(x[0])])
        )

    return compute


def normal_equations(xp, x, y, penalty):
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1], dtype=x.dtype), x.T @ y)


def last_free(xp, x, y, penalty):
    return penalised(np.arange(x.shape[1]) < x.shape[1] - 1)(xp, x, y, penalty)


def squared(xp, x, y, penalty):
    return penalised(np.sqrt(penalty))(xp, x, y, penalty)


def of_the_other_sign(xp, x, y, penalty):
    matrix = x.T @ x - penalty * np.eye(x.shape[1], dtype=x.dtype)
    return np.linalg.solve(matrix, x.T @ y)


def descent(
    *,
    momentum=lambda beta: beta,
    rate=1.0,
    threshold=1.0,
    soft=True,
    squares=1.0,
    outer=True,
    rows=None,
    objective=(0.5, 1.0, 0.5),
):
    """FISTA for the elastic net with terms scaled or replaced; for the lasso where l2 is not given."""

    def compute(xp, x, y, l1, *rest):
        l2, eta, beta = rest if len(rest) == 3 else (x.dtype.type(0), *rest)
        samples, labels = x[:rows], y[:rows]
        eta = eta * x.dtype.type(rate)
        k = threshold * l1 * eta
        w = before = np.zeros_like(x[0])
        for b in momentum(beta):
            z = w + b * (w - before)
            slope = samples.T @ (samples @ z - labels)
            v = z - eta * (slope if outer else slope + l2 * z)
            kept = np.sign(v) * np.maximum(np.abs(v) - k, 0) if soft else np.where(np.abs(v) > k, v, 0)
            w, before = kept / (1 + squares * eta * l2 if outer else 1), w
        r = x @ w - y
        half, one, two = objective
        value = half * (r @ r) + one * l1 * np.sum(np.abs(w)) + two * l2 * (w @ w)
        return w.astype(x.dtype), np.asarray(value, dtype=x.dtype)

    return compute


def nearly_zero(trial, xp):
    """A coefficient that the threshold leaves zero, with a value far below rounding."""
    w, objective = trial.compute(xp)
    w[np.argmin(np.abs(w))] = 1e-30
    return [w, objective]


def length(outputs, *inputs):
    return np.linalg.norm(outputs[0])


def value(outputs, *inputs):
    return outputs[1]


def of_both(kernel):
    """The faults that the lasso and the elastic net have in common."""
    return [
        algorithm("term", "no momentum", descent(momentum=lambda beta: 0 * beta)),
        algorithm("term", "Nesterov's other momentum", descent(momentum=other_momentum)),
        algorithm("term", "steps too long by a ten-thousandth", descent(rate=1.0001)),
        algorithm("term", "threshold of twice the size", descent(threshold=2)),
        algorithm("term", "hard threshold", descent(soft=False)),
        algorithm("term", "no penalty", descent(threshold=0)),
        algorithm("term", "objective without a half", descent(objective=(1.0, 1.0, 0.5))),
        algorithm("term", "objective without absolute values", descent(objective=(0.5, 0.0, 0.5))),
        algorithm("index", "momentum a step ahead", descent(momentum=lambda beta: np.roll(beta, -1))),
        algorithm("index", "a step too few", descent(momentum=lambda beta: beta[:-1])),
        algorithm("index", "last sample left out", descent(rows=-1)),
        algorithm(
            "index",
            "targets off by one",
            lambda xp, x, y, *rest: kernel(xp, x, np.roll(y, 1), *rest),
        ),
        *products_in_tf32(),
        Fault("entry", "a coefficient nearly zero", nearly_zero, "medium"),
        entry("weights", length),
        entry("objective", value, output=1, place=()),
    ]


def other_momentum(beta):
    k = np.arange(1, len(beta) + 1, dtype=beta.dtype)
    return np.maximum(k - 2, 0) / (k + 1)


FAULTS: dict[str, list[Fault]] = {
    "ridge": [
        algorithm("term", "no penalty", penalised(0)),
        algorithm("term", "penalty squared", squared),
        algorithm("term", "penalty of the other sign", of_the_other_sign),
        algorithm("term", "penalty off by a thousandth", penalised(np.sqrt(1.001))),
        algorithm("term", "normal equations", normal_equations, size="medium"),
        algorithm(
            "term",
            "features centred",
            lambda xp, x, y, penalty: ridge(xp, x - np.mean(x, axis=0), y, penalty),
        ),
        algorithm("index", "last coefficient not penalised", last_free),
        algorithm(
            "index",
            "last sample left out",
            lambda xp, x, y, penalty: ridge(xp, x[:-1], y[:-1], penalty),
        ),
        algorithm(
            "index",
            "targets off by one",
            lambda xp, x, y, penalty: ridge(xp, x, np.roll(y, 1), penalty),
        ),
        entry("normal", stacked(lstsq_normal)),
        entry("forward", stacked(lstsq_distance)),
    ],
    "lasso": of_both(lasso),
    "elastic_net": [
        *of_both(elastic_net),
        algorithm("term", "no penalty on squares", descent(squares=0)),
        algorithm("term", "penalty on squares doubled", descent(squares=2)),
        algorithm("term", "squares in the gradient", descent(outer=False)),
        algorithm("term", "objective without squares", descent(objective=(0.5, 1.0, 0.0))),
    ],
}
PRODUCTS = ("ridge", "lasso", "elastic_net")
LOOSE: dict[tuple[str, str, str], str] = {}
