"""Nothing wrong passes for agreement, and every refusal says what was seen and what was expected."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from xpbench import Kernel
from xpbench.bench import agreement
from xpbench.bench.agreement import Agreement, ErrorsFailed, between, judge
from xpbench.bench.measures import widened
from xpbench.bench.precisions import is_reduced

DTYPES = ("float32", "float64")


def triple(xp: Any, x: Any) -> Any:
    return 3 * x


def kernel_of(errors: Callable[..., Any] | None = None, **options: Any) -> Kernel:
    return Kernel(
        compute=triple,
        inputs=lambda rng, n: (rng.standard_normal(n),),
        reference=lambda x: (3 * x,),
        sizes={"small": {"n": 16}},
        errors=errors,
        **options,
    )


X = np.linspace(1, 2, 16)


def judged(
    outputs: Sequence[Any],
    reference: Sequence[Any] | None = (X,),
    dtype: str = "float64",
    kernel: Kernel | None = None,
    inputs: Sequence[np.ndarray] = (X,),
) -> Agreement:
    reference = None if reference is None else [np.asarray(exact) for exact in reference]
    return judge(
        kernel or kernel_of(), [np.asarray(output) for output in outputs], reference, inputs, {}, dtype
    )


def constant(pairs: Any, **options: Any) -> Kernel:
    return kernel_of(lambda outputs, reference, x: pairs, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rounded_oracle_agrees(dtype):
    found = judged([X.astype(dtype)], dtype=dtype)
    assert found.agrees
    assert found.reason == ""
    value, limit = found.errors["output"]
    assert value <= 0.5  # rounding to nearest
    assert limit == 4 * math.sqrt(16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("factor", "agrees"), [(0.9, True), (1.1, False)])
def test_the_default_limit_is_four_roots_of_the_longest_axis(dtype, factor, agrees):
    inputs = [np.zeros((3, 100)), np.zeros(7)]
    exact = np.zeros(5)
    exact[0] = -8.0
    output = exact.astype(dtype)
    output[3] = factor * 40 * np.finfo(dtype).eps * 8
    found = judged([output], [exact], dtype, inputs=inputs)
    assert found.errors["output"][1] == 40
    assert found.agrees is agrees
    assert found.reason.partition(";")[0] == ("" if agrees else "output is 44 eps, over its limit of 40")


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_without_axes_is_judged_too(dtype):
    assert judged([np.asarray(3, dtype)], [np.asarray(3.0)], dtype).agrees
    assert not judged([np.asarray(3.1, dtype)], [np.asarray(3.0)], dtype).agrees


def test_outputs_are_named_by_their_place():
    found = judged([X, X + 1, X], [X, X, X])
    assert list(found.errors) == ["output 1 of 3", "output 2 of 3", "output 3 of 3"]
    assert found.worst == "output 2 of 3"
    assert found.reason.startswith("output 2 of 3 is ")


@pytest.mark.parametrize(
    ("outputs", "reference", "reason"),
    [
        ([], [X], "there is no output, expected at least 1"),
        ([], None, "there is no output, expected at least 1"),
        ([X], [X, X], "the number of outputs is 1, expected 2"),
        ([X, X], [X], "the number of outputs is 2, expected 1"),
        ([X, X.reshape(4, 4)], [X, X], "output 2 of 2 has shape (4, 4), expected (16,)"),
        ([X[:1]], [X], "output has shape (1,), expected (16,)"),
        ([X[0]], [X[:1]], "output has shape (), expected (1,)"),
        ([X.astype(np.float32)], [X], "output has dtype float32, expected float64"),
        ([X.astype(np.float32)], None, "output has dtype float32, expected float64"),
        ([X.astype(int)], [X], "output has dtype int64, expected float64"),
        ([X.astype(complex)], [X], "output has dtype complex128, expected float64"),
        ([X], [X.astype(int)], "output has dtype float64, expected int64"),
        ([X > 1], [X.astype(int)], "output has dtype bool, expected int64"),
        ([X.astype(int)], [X > 1], "output has dtype int64, expected bool"),
        (
            [X.astype(np.complex64)],
            [X.astype(complex)],
            "output has dtype complex64, expected complex128",
        ),
    ],
)
def test_another_number_shape_or_dtype_is_no_agreement(outputs, reference, reason):
    found = judged(outputs, reference)
    assert not found.agrees
    assert found.reason == reason
    assert found.errors == {}
    assert found.worst == ""


def test_nothing_is_broadcast_before_it_is_compared():
    assert not judged([np.ones((1, 16))], [np.ones((16, 16))]).agrees


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_integers_of_any_width_agree_when_they_are_equal(dtype):
    exact = np.arange(16)
    assert judged([exact.astype(dtype)], [exact]).agrees
    off = exact.astype(dtype)
    off[5] += 1
    found = judged([off], [exact])
    assert not found.agrees
    assert found.errors["output"] == (1.0, 0.0)


def test_booleans_must_be_equal():
    assert judged([X > 1.5], [X > 1.5]).agrees
    assert not judged([X >= 1.0], [X > 1.0]).agrees


def test_complex_outputs_are_judged_by_their_modulus():
    exact = X * np.exp(1j * X)
    assert judged([exact.astype(np.complex64)], [exact], "float32").agrees
    assert not judged([exact.conj()], [exact]).agrees


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("reference", [[X], None])
def test_what_is_not_finite_is_no_agreement(value, reference):
    output = X.copy()
    output[3] = value
    always = constant({"nothing": (0.0, 1.0)})
    found = judged([output], reference, kernel=always)
    assert not found.agrees
    assert found.reason.startswith("output has 1 of 16 entries that are not finite as they should be")
    assert f"the first, at (3,), is {value}" in found.reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_infinities_of_the_oracle_must_be_met(value):
    exact = X.copy()
    exact[3] = value
    assert judged([exact.copy()], [exact]).agrees
    assert not judged([X], [exact]).agrees
    assert not judged(
        [np.where(np.isfinite(exact), X, -np.float64(value) if value == value else 1.0)], [exact]
    ).agrees


@pytest.mark.parametrize(
    "pair", [(np.nan, 1.0), (0.5, np.nan), (np.inf, np.inf), (0.5, np.inf), (-1.0, 1.0), (2.0, 1.0)]
)
def test_a_pair_that_is_over_its_limit_or_not_finite_never_agrees(pair):
    found = judged([X], kernel=constant({"good": (0.1, 1.0), "bad": pair}))
    assert not found.agrees
    assert found.worst == "bad"
    assert "bad is " in found.reason
    assert "good" not in found.reason


def test_a_value_at_its_limit_agrees():
    assert judged([X], kernel=constant({"edge": (1.0, 1.0), "exact": (0.0, 0.0)})).agrees


def test_every_pair_over_its_limit_is_told_in_the_unit_of_the_kernel():
    random = constant(
        {"mean": (7.25, 5.0), "variance": (1.0, 5.0), "skew": (6.0, 5.0)}, error_unit="standard errors"
    )
    found = judged([X], kernel=random)
    assert found.reason == (
        "mean is 7.25 standard errors, over its limit of 5; "
        "skew is 6 standard errors, over its limit of 5"
    )


def test_the_worst_pair_is_the_one_nearest_its_limit():
    assert (
        agreement.worst_of({"large": (50.0, 100.0), "near": (0.9, 1.0), "exact": (0.0, 0.0)}) == "near"
    )
    assert agreement.worst_of({"over": (9.0, 1.0), "exact": (1.0, 0.0)}) == "exact"
    assert agreement.worst_of({}) == ""


@pytest.mark.parametrize(
    ("returned", "seen"),
    [
        ({}, "returned {}, expected at least one pair"),
        (None, "returned None, expected at least one pair"),
        ([("a", 1.0)], "returned [('a', 1.0)], expected at least one pair"),
        ({"a": 1.0}, "returned 1.0 for 'a', expected (value, limit)"),
        ({"a": (1.0, 2.0, 3.0)}, "returned (1.0, 2.0, 3.0) for 'a', expected (value, limit)"),
        ({"a": ("x", 2.0)}, "returned ('x', 2.0) for 'a', expected (value, limit)"),
    ],
)
def test_a_measure_that_compares_nothing_is_a_fault_of_the_kernel(returned, seen):
    with pytest.raises(ErrorsFailed) as caught:
        judged([X], kernel=constant(returned))
    assert seen in str(caught.value)
    assert "errors of triple" in str(caught.value)


def test_a_measure_that_raises_is_a_fault_of_the_kernel():
    def broken(outputs: Any, reference: Any, x: Any) -> Any:
        raise KeyError("gap")

    with pytest.raises(ErrorsFailed, match="errors of triple raised KeyError: 'gap'") as caught:
        judged([X], kernel=kernel_of(broken))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_measure_without_memory_says_so():
    def huge(outputs: Any, reference: Any, x: Any) -> Any:
        raise MemoryError("64 GiB")

    with pytest.raises(MemoryError, match="64 GiB"):
        judged([X], kernel=kernel_of(huge))


def test_the_default_measure_needs_an_oracle():
    with pytest.raises(ErrorsFailed, match="give the kernel errors="):
        judged([X], None)


def test_shapes_are_checked_by_the_measure_where_there_is_no_oracle():
    def errors(outputs: Any, reference: Any, x: Any) -> Any:
        (y,) = widened(outputs, x.shape)
        return {"residual": (float(np.max(np.abs(y - 3 * x))), 0.0)}

    kernel = kernel_of(errors)
    assert judged([3 * X], None, kernel=kernel).agrees
    found = judged([3 * X[1:]], None, kernel=kernel)
    assert not found.agrees
    assert found.reason == "output has shape (15,), expected (16,)"


def test_the_measure_gets_inputs_and_integers_as_compute_did():
    def errors(outputs: Any, reference: Any, x: Any, y: Any, *, steps: int) -> Any:
        assert outputs[0].dtype == np.float32
        return {"seen": (float(x[0] + y[0] + steps), 100.0)}

    kernel = kernel_of(errors)
    outputs = [X.astype(np.float32)]
    found = judge(kernel, outputs, [X], [X, 2 * X], {"steps": 5}, "float32")
    assert found.errors == {"seen": (8.0, 100.0)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_backends_within_a_limit_each_are_within_two_of_each_other(dtype):
    eps = np.finfo(dtype).eps
    above = (X * (1 + 10 * eps)).astype(dtype)
    below = (X * (1 - 10 * eps)).astype(dtype)
    assert judged([above], dtype=dtype).agrees
    assert judged([below], dtype=dtype).agrees
    found = between(kernel_of(), [above], [below], [X], {}, dtype)
    assert found.agrees
    value, limit = found.errors["output"]
    assert limit == 2 * 4 * math.sqrt(16)
    assert 19 < value < 21
    far = (X * (1 - 40 * eps)).astype(dtype)
    assert not between(kernel_of(), [above], [far], [X], {}, dtype).agrees


def test_two_backends_that_differ_in_shape_or_finiteness_are_apart():
    found = between(kernel_of(), [X], [X[1:]], [X], {}, "float64")
    assert found.reason == "output has shape (16,), expected (15,)"
    lost = X.copy()
    lost[0] = np.nan
    for first, second in ((X, lost), (lost, X)):
        found = between(kernel_of(), [first], [second], [X], {}, "float64")
        assert not found.agrees
        assert "the other backend" in found.reason


def test_the_inputs_of_a_judgement_are_left_alone():
    output, exact, x = (X.copy() for _ in range(3))
    for array in (output, exact, x):
        array.flags.writeable = False
    assert judged([output], [exact], inputs=[x]).agrees


def measured(error: float, precision: str, dtype: str = "float32", unit: str = "eps") -> Agreement:
    """The judgement of an error of so many eps, whose limit in float32 is 2."""
    kernel = constant({"pair": (error, 2.0)}, error_unit=unit)
    return judge(kernel, [X.astype(dtype)], [X], [X], {}, dtype, precision)


@pytest.mark.parametrize("precision", ["tf32", "native"])
def test_limits_are_in_the_eps_of_tf32_where_that_may_be_used(precision):
    found = measured(16000.0, precision)
    assert found.agrees
    assert found.errors == {"pair": (16000.0, 2 * 8192.0)}
    assert measured(17000.0, precision).reason == "pair is 1.7e+04 eps, over its limit of 1.64e+04"


@pytest.mark.parametrize(
    ("dtype", "unit"), [("float64", "eps"), ("float16", "eps"), ("float32", "standard errors")]
)
def test_limits_of_what_tf32_does_not_touch_stay_as_they_are(dtype, unit):
    assert not measured(3.0, "tf32", dtype, unit).agrees
    assert "TF32" not in measured(3.0, "ieee", dtype, unit).reason


def test_a_float32_result_of_tf32s_errors_is_wrong_and_called_what_it_is():
    found = measured(16000.0, "ieee")
    assert not found.agrees
    assert found.errors == {"pair": (16000.0, 2.0)}
    assert "over its limit of 2; an error of TF32's size and not of float32's" in found.reason
    assert "TF32" not in measured(17000.0, "ieee").reason


@pytest.mark.parametrize(("precision", "error", "agrees"), [("ieee", 3.0, True), ("ieee", 5.0, False)])
def test_between_backends_the_limits_are_twice_those_of_the_precision(precision, error, agrees):
    kernel = constant({"pair": (error, 2.0)})
    assert between(kernel, [X], [X], [X], {}, "float64", precision).agrees is agrees
    narrow = X.astype(np.float32)
    wide = constant({"pair": (error * 8192, 2.0)})
    assert between(wide, [narrow], [narrow], [X], {}, "float32", "tf32").agrees is agrees


def test_a_result_within_tf32s_limit_alone_is_reduced():
    assert is_reduced(3.0, 2 * 8192.0, "float32", "native")
    assert not is_reduced(1.0, 2 * 8192.0, "float32", "native")
    assert not is_reduced(3.0, 2 * 8192.0, "float64", "native")
    assert not is_reduced(3.0, 4.0, "float32", "ieee")
