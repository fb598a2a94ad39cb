"""A fault planted in one of the five named kernels, or in its precision, is seen at every size."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from planted import tf32

DIMENSIONS = (64, 512, 1024)

Outputs = list[np.ndarray]


def size_of(kernel: str, n: int) -> dict[str, int]:
    """A size whose largest axis is n."""
    return {
        "matmul": {"n": n},
        "svd": {"n": n},
        "pca": {"n": n, "d": n // 4, "k": 4},
        "gradient_descent": {"n": n, "d": n // 8, "steps": 20},
        "backprop": {"batch": n, "width": n // 2, "outputs": 10},
    }[kernel]


# Faults in a result: functions of the outputs and a random generator.


def scaled(outputs: Outputs, rng: np.random.Generator) -> None:
    outputs[0] *= np.float32(1 + 1e-4)


def perturbed(outputs: Outputs, rng: np.random.Generator) -> None:
    outputs[0] *= (1 + 1e-4 * rng.standard_normal(outputs[0].shape)).astype(np.float32)


def transposed(outputs: Outputs, rng: np.random.Generator) -> None:
    outputs[0] = outputs[0].T.copy()


def flipped(output: int, *place: Any) -> Callable[..., None]:
    def flip(outputs: Outputs, rng: np.random.Generator) -> None:
        outputs[output][place] *= -1

    return flip


def replaced(output: int, *place: Any) -> Callable[..., None]:
    def replace(outputs: Outputs, rng: np.random.Generator) -> None:
        vector = rng.standard_normal(outputs[output][place].shape)
        outputs[output][place] = vector / np.linalg.norm(vector)

    return replace


def swapped(axis: int, first: int, second: int, *which: int) -> Callable[..., None]:
    """Two entries along the axis, of the outputs named."""

    def swap(outputs: Outputs, rng: np.random.Generator) -> None:
        for output in which:
            along = min(axis, outputs[output].ndim - 1)
            order = np.arange(outputs[output].shape[along])
            order[[first, second]] = order[[second, first]]
            outputs[output] = np.take(outputs[output], order, axis=along)

    return swap


def whole(output: int, factor: float) -> Callable[..., None]:
    def scale(outputs: Outputs, rng: np.random.Generator) -> None:
        outputs[output] = (outputs[output] * factor).astype(outputs[output].dtype)

    return scale


ALL = slice(None)
IN_RESULTS: dict[str, dict[str, Callable[..., None]]] = {
    "matmul": {"scaled": scaled, "perturbed": perturbed, "transposed": transposed},
    "svd": {
        "first u flipped": flipped(0, ALL, 0),
        "last u flipped": flipped(0, ALL, -1),
        "last v flipped": flipped(2, -1),
        "last value negative, its u flipped": lambda o, rng: (
            flipped(0, ALL, -1)(o, rng),
            flipped(1, -1)(o, rng),
        ),
        "first u replaced": replaced(0, ALL, 0),
        "last u replaced": replaced(0, ALL, -1),
        "last v replaced": replaced(2, -1),
        "neighbours among u swapped": swapped(1, 20, 21, 0),
        "neighbours among v swapped": swapped(0, 20, 21, 2),
        "first and last u swapped": swapped(1, 0, -1, 0),
        "two values swapped": swapped(0, 20, 21, 1),
        "v for its transpose": lambda o, rng: o.__setitem__(2, o[2].T.copy()),
        "values scaled": whole(1, 1 + 1e-4),
    },
    "pca": {
        "first component flipped": flipped(0, 0),
        "last scores flipped": flipped(2, ALL, -1),
        "last component replaced": replaced(0, -1),
        "two components swapped": swapped(0, 0, 1, 0),
        "two components and their scores swapped": lambda o, rng: (
            swapped(0, 0, 1, 0)(o, rng),
            swapped(1, 0, 1, 2)(o, rng),
        ),
        "two variances swapped": swapped(0, 0, 1, 1),
        "variances over n": lambda o, rng: whole(1, 1 - 1 / len(o[2]))(o, rng),
        "components scaled": whole(0, 1 + 1e-4),
        "scores scaled": whole(2, 1 + 1e-4),
        "scores shifted": lambda o, rng: o.__setitem__(2, o[2] + np.float32(0.1)),
    },
    "gradient_descent": {
        "scaled": scaled,
        "one sign": flipped(0, 0),
        "reversed": lambda o, rng: o.__setitem__(0, o[0][::-1].copy()),
    },
    "backprop": {
        **{f"output {i} scaled": whole(i, 1 + 1e-4) for i in range(7)},
        **{f"output {i} of the other sign": whole(i, -1) for i in range(7)},
        "w2 transposed": lambda o, rng: o.__setitem__(3, o[3].T.copy()),
        "w1 and w2 swapped": lambda o, rng: o.__setitem__(slice(1, 4), [o[3], o[2], o[1]]),
    },
}


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize(
    ("kernel", "fault"), [(kernel, fault) for kernel, faults in IN_RESULTS.items() for fault in faults]
)
def test_a_fault_in_a_result_is_seen(draw, honest, kernel, fault, n):
    outputs = [output.copy() for output in honest(kernel, n)]
    IN_RESULTS[kernel][fault](outputs, np.random.default_rng(n))
    assert not draw(kernel, **size_of(kernel, n)).judge(outputs).agrees


# Faults in an algorithm: the kernel's function with one thing changed.


def matmul_without_last_term(xp, a, b):
    return a[:, :-1] @ b[:-1, :]


def matmul_with_one_sign(xp, a, b):
    return a @ b - 2 * a[:, :1] @ b[:1, :]


def matmul_of_shifted_rows(xp, a, b):
    return xp.roll(a, 1, axis=0) @ b


def svd_without_smallest(xp, a):
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return u, xp.where(s > s[-1], s, 0 * s), vh


def svd_shifted_by_one(xp, a):
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return u, xp.roll(s, 1), vh


def svd_of_transpose(xp, a):
    u, s, vh = xp.linalg.svd(a.T, full_matrices=False)
    return u, s, vh


def principal(xp, x, k, *, centred=True, divisor=-1, first=0, scored=True):
    n = x.shape[0]
    centre = x - xp.mean(x, axis=0)
    _, s, vh = xp.linalg.svd(centre if centred else x, full_matrices=False)
    w = vh[first : k + first, :]
    return w, s[first : k + first] ** 2 / (n + divisor), (centre if scored else x) @ w.T


def descended(xp, x, y, eta, steps, *, sign=1, dropped=0, first=0, share=1.0, inside=-1):
    x, y = x[first:, :], y[first:]
    w = xp.zeros_like(x[0, :])
    for _ in range(steps):
        p = 1 / (1 + xp.exp(xp.clip(inside * (x @ w), max=80.0)))
        w = w - sign * share * eta / x.shape[0] * (x.T @ (p - (0 if dropped else y)))
    return w


def propagated(xp, x, y, w1, b1, w2, b2, w3, b3, *, slope=1.0, cross=False, mean=1.0, last=0):
    if last:
        x, y = x[:-last, :], y[:-last, :]
    m = x.shape[0]
    h1 = xp.tanh(x @ w1 + b1)
    h2 = xp.tanh(h1 @ w2 + b2)
    e = h2 @ w3 + b3 - y
    d3 = mean * e / m
    d2 = (d3 @ w3.T) * (1 - slope * h2 * h2)
    d1 = (d2 @ (w2 if cross else w2.T)) * (1 - h1 * h1)
    gradients = [g for d, h in ((d1, x), (d2, h1), (d3, h2)) for g in (h.T @ d, xp.sum(d, axis=0))]
    return (xp.sum(e * e) / (2 * m), *gradients)


def varied(function: Callable[..., Any], **changes: Any) -> Callable[..., Any]:
    return lambda xp, *arrays, **static: function(xp, *arrays, **static, **changes)


IN_ALGORITHMS: dict[str, dict[str, Callable[..., Any]]] = {
    "matmul": {
        "last term dropped": matmul_without_last_term,
        "one term of the other sign": matmul_with_one_sign,
        "rows off by one": matmul_of_shifted_rows,
    },
    "svd": {
        "smallest value dropped": svd_without_smallest,
        "values off by one": svd_shifted_by_one,
        "of the transpose": svd_of_transpose,
    },
    "pca": {
        "not centred": varied(principal, centred=False),
        "variances over n": varied(principal, divisor=0),
        "components off by one": varied(principal, first=1),
        "scores not centred": varied(principal, scored=False),
    },
    "gradient_descent": {
        "labels dropped": varied(descended, dropped=1),
        "uphill": varied(descended, sign=-1),
        "first sample dropped": varied(descended, first=1),
        "step off by a thousandth": varied(descended, share=1.001),
        "sigmoid of the other sign": varied(descended, inside=1),
        "one step too few": lambda xp, x, y, eta, steps: descended(xp, x, y, eta, steps - 1),
        "one step too many": lambda xp, x, y, eta, steps: descended(xp, x, y, eta, steps + 1),
    },
    "backprop": {
        "slope of tanh dropped": varied(propagated, slope=0.0),
        "slope of the other sign": varied(propagated, slope=-1.0),
        "weights not transposed": varied(propagated, cross=True),
        "factor of two": varied(propagated, mean=2.0),
        "last sample dropped": varied(propagated, last=1),
    },
}
RIGHT = {"pca": principal, "gradient_descent": descended, "backprop": propagated}
BEYOND_THE_ORACLE = ("matmul", "svd", "pca", "backprop")


@pytest.mark.parametrize("kernel", RIGHT)
def test_the_algorithms_below_are_right_before_a_fault_is_planted(draw, xp, kernel):
    trial = draw(kernel, **size_of(kernel, 64))
    assert trial.judge(trial.compute(xp, compute=RIGHT[kernel])).agrees


@pytest.mark.parametrize("n", DIMENSIONS[:2])
@pytest.mark.parametrize(
    ("kernel", "fault"),
    [(kernel, fault) for kernel, faults in IN_ALGORITHMS.items() for fault in faults],
)
def test_a_fault_in_an_algorithm_is_seen(draw, xp, kernel, fault, n):
    trial = draw(kernel, **size_of(kernel, n))
    outputs = trial.compute(xp, compute=IN_ALGORITHMS[kernel][fault])
    assert not trial.judge(outputs).agrees
    if kernel in BEYOND_THE_ORACLE:
        assert not trial.judge(outputs, oracle=False).agrees


# Every pair of a measure has a fault that it, whatever the others see, must see.

WITNESSES = {
    ("matmul", "entries"): "transposed",
    ("matmul", "norm"): "scaled",
    ("svd", "residual"): "last u flipped",
    ("svd", "left"): "first u replaced",
    ("svd", "right"): "last v replaced",
    ("svd", "values"): "values scaled",
    ("svd", "order"): "two values swapped",
    ("pca", "subspace"): "last component replaced",
    ("pca", "variances"): "variances over n",
    ("pca", "orthogonality"): "components scaled",
    ("pca", "residual"): "two components and their scores swapped",
    ("pca", "scores"): "scores scaled",
    ("pca", "centre"): "scores shifted",
    ("gradient_descent", "weights"): "scaled",
    **{
        ("backprop", name): f"output {index} scaled"
        for index, name in enumerate(("loss", "w1", "b1", "w2", "b2", "w3", "b3"))
    },
}


def test_every_pair_has_a_witness(draw, honest):
    pairs = {
        (kernel, name)
        for kernel in IN_RESULTS
        for name in draw(kernel, **size_of(kernel, 64)).judge(honest(kernel, 64)).errors
    }
    assert pairs == set(WITNESSES)


@pytest.mark.parametrize("n", DIMENSIONS[:2])
@pytest.mark.parametrize(("kernel", "pair"), WITNESSES)
def test_a_pair_sees_the_fault_it_is_there_for(draw, honest, kernel, pair, n):
    outputs = [output.copy() for output in honest(kernel, n)]
    IN_RESULTS[kernel][WITNESSES[kernel, pair]](outputs, np.random.default_rng(n))
    value, limit = draw(kernel, **size_of(kernel, n)).judge(outputs).errors[pair]
    assert value > limit


# One entry off by ten limits: the limits of the outputs, in units of the entries they bound.


def entry_limits(trial: Any, outputs: Outputs) -> list[np.ndarray]:
    """For every output the change of one entry that its own limit allows, broadcast to its shape."""
    eps = np.finfo(np.float32).eps
    limits = {name: limit * eps for name, (_, limit) in trial.judge(outputs).errors.items()}
    name = trial.kernel.name
    if name == "matmul":
        a, b = trial.data.exact_inputs
        return [limits["entries"] * (np.abs(a) @ np.abs(b))]
    if name == "svd":
        s = outputs[1]
        return [limits["left"], limits["residual"] * s[0], limits["right"]]
    if name == "pca":
        x = trial.data.exact_inputs[0]
        scale = np.abs(x - x.mean(axis=0)) @ np.abs(outputs[0].T)
        return [limits["orthogonality"], limits["variances"] * outputs[1][0], limits["scores"] * scale]
    if name == "gradient_descent":
        return [limits["weights"] * np.linalg.norm(outputs[0])]
    names = ("loss", "w1", "b1", "w2", "b2", "w3", "b3")
    return [limits[n] * np.linalg.norm(output) for n, output in zip(names, outputs, strict=True)]


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("kernel", IN_RESULTS)
def test_one_entry_off_by_ten_limits_is_seen(draw, honest, kernel, n):
    trial = draw(kernel, **size_of(kernel, n))
    right = honest(kernel, n)
    for index, limit in enumerate(entry_limits(trial, right)):
        outputs = [output.copy() for output in right]
        shape = outputs[index].shape
        # The last row or column: of vectors, the last one.
        place = tuple(axis - 1 for axis in shape)
        outputs[index][place] += 10 * np.broadcast_to(limit, shape)[place]
        assert not trial.judge(outputs).agrees, f"output {index}"


# TF32: ten explicit bits of mantissa, rounded to nearest, in float32 registers.


class TensorCore(np.ndarray):
    """An array whose matrix products round their factors to TF32 first, as ``@`` too."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(array) if isinstance(array, TensorCore) else array for array in inputs]
        if ufunc is np.matmul:
            plain = [tf32(array) for array in plain]
        out = options.pop("out", None)
        if out is not None:
            options["out"] = tuple(np.asarray(array) for array in out)
        return np.asarray(getattr(ufunc, method)(*plain, **options)).view(TensorCore)


PRODUCTS = ("matmul", "pca", "gradient_descent", "backprop")


def test_tf32_keeps_ten_bits_and_rounds_to_nearest():
    one = np.float32(1)
    spacing = np.float32(2.0**-10)
    seen = tf32(
        np.asarray(
            [one, one + spacing, one + spacing * 0.49, one + spacing * 0.51, -one - spacing * 0.51]
        )
    )
    np.testing.assert_array_equal(seen, [1, 1 + spacing, 1, 1 + spacing, -1 - spacing])


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("kernel", PRODUCTS)
def test_products_in_tf32_are_seen(draw, xp, kernel, n):
    trial = draw(kernel, **size_of(kernel, n))
    outputs = trial.compute(xp, [array.view(TensorCore) for array in trial.inputs])
    assert not trial.judge(outputs).agrees
    if kernel in BEYOND_THE_ORACLE:
        assert not trial.judge(outputs, oracle=False).agrees


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("kernel", PRODUCTS)
def test_inputs_in_tf32_are_seen(draw, xp, kernel, n):
    trial = draw(kernel, **size_of(kernel, n))
    outputs = trial.compute(xp, [tf32(array) for array in trial.inputs])
    assert not trial.judge(outputs).agrees


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("kernel", PRODUCTS)
def test_results_of_float32_rounded_to_half_the_digits_are_seen(draw, honest, kernel, n):
    trial = draw(kernel, **size_of(kernel, n))
    assert not trial.judge([tf32(output) for output in honest(kernel, n)]).agrees


@pytest.fixture(scope="module")
def honest(draw, xp) -> Callable[[str, int], Sequence[np.ndarray]]:
    """The outputs of the kernel on NumPy at ``size_of``, which agree; computed once."""
    kept: dict[tuple[str, int], Outputs] = {}

    def of(kernel: str, n: int) -> Outputs:
        if (kernel, n) not in kept:
            trial = draw(kernel, **size_of(kernel, n))
            kept[kernel, n] = trial.compute(xp)
            found = trial.judge(kept[kernel, n])
            assert found.agrees, found.reason
            assert all(math.isfinite(limit) for _, limit in found.errors.values())
        return kept[kernel, n]

    return of
