"""Inputs and oracle depend on kernel, size, dtype and seed alone, and reach the workers unchanged."""

import numpy as np
import pytest

from xpbench import Kernel, Unsupported
from xpbench.bench import data
from xpbench.bench.case import Case


def scale(xp, x, flags):
    return x


def kernel_of(inputs, reference=lambda x, flags: (x, flags), **options) -> Kernel:
    sizes = {"small": {"n": 5}}
    return Kernel(compute=scale, inputs=inputs, reference=reference, sizes=sizes, **options)


KERNEL = kernel_of(lambda rng, n: (rng.standard_normal(n), rng.integers(0, 2, n)))


def case_of(dtype: str = "float32", backend: str = "numpy", n: int = 5) -> Case:
    return Case("scale", (("n", n),), "small", backend, "cpu", dtype, 1)


def test_every_backend_gets_the_same_inputs() -> None:
    first = data.draw(KERNEL, case_of(backend="numpy"), seed=1)
    second = data.draw(KERNEL, case_of(backend="torch"), seed=1)
    for one, other in zip(first.inputs, second.inputs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_or_size_gives_other_inputs() -> None:
    base = data.draw(KERNEL, case_of(), seed=1).inputs[0]
    assert not np.array_equal(base, data.draw(KERNEL, case_of(), seed=2).inputs[0])
    assert not np.array_equal(base, data.draw(KERNEL, case_of(n=6), seed=1).inputs[0][:5])


def test_float32_inputs_are_the_float64_ones_rounded() -> None:
    narrow = data.draw(KERNEL, case_of("float32"), seed=1).inputs
    wide = data.draw(KERNEL, case_of("float64"), seed=1).inputs
    np.testing.assert_array_equal(narrow[0], wide[0].astype(np.float32))
    assert narrow[1].dtype.kind == wide[1].dtype.kind == "i"


def test_the_oracle_sees_the_rounded_inputs_in_float64() -> None:
    drawn = data.draw(KERNEL, case_of("float32"), seed=1)
    assert drawn.reference is not None
    assert drawn.reference[0].dtype == np.float64
    np.testing.assert_array_equal(drawn.reference[0], drawn.inputs[0].astype(np.float64))


def test_beyond_its_flops_the_oracle_is_not_called() -> None:
    def forbidden(x, flags):
        raise AssertionError

    kernel = kernel_of(KERNEL.inputs, forbidden, flops=lambda n: n, oracle_flops=4.0)
    assert data.draw(kernel, case_of(), seed=1).reference is None


def test_what_is_stored_is_what_is_loaded(tmp_path) -> None:
    data.store(tmp_path, case_of(), KERNEL, seed=1)
    drawn, loaded = data.draw(KERNEL, case_of(), seed=1), data.load(tmp_path, case_of(backend="jax"))
    for one, other in zip(drawn.inputs, loaded.inputs, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert loaded.reference is not None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_stored_with_its_dtype_and_widened_for_the_oracle(tmp_path, dtype) -> None:
    data.store(tmp_path, case_of(dtype), KERNEL, seed=1)
    loaded = data.load(tmp_path, case_of(dtype))
    wide = data.draw(KERNEL, case_of("float64"), seed=1).inputs[0]
    assert [str(array.dtype) for array in loaded.inputs] == [dtype, "int64"]
    assert isinstance(loaded.inputs[0], np.memmap)
    np.testing.assert_array_equal(loaded.inputs[0], wide.astype(dtype))
    assert loaded.exact_inputs[0].dtype == np.float64
    assert loaded.reference is not None
    np.testing.assert_array_equal(loaded.reference[0], wide.astype(dtype).astype(np.float64))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_outputs_are_kept_in_their_order_with_their_dtypes(tmp_path, dtype) -> None:
    outputs = [np.arange(i, i + 3).astype(kind) for i, kind in enumerate([dtype, "int64", dtype] * 5)]
    data.keep_outputs(tmp_path, case_of(dtype), outputs)
    kept = data.kept_outputs(tmp_path, case_of(dtype))
    assert [array.dtype for array in kept] == [array.dtype for array in outputs]
    for one, other in zip(kept, outputs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_arrays_without_entries_are_stored_too(tmp_path) -> None:
    kernel = kernel_of(lambda rng, n: (np.zeros((0, 3)), np.zeros(0, int)))
    data.store(tmp_path, case_of(), kernel, seed=1)
    assert data.load(tmp_path, case_of()).inputs[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unsupported("needs more"), "unsupported"),
        (MemoryError("needs more"), "oom"),
        (KeyError("needs more"), "failed"),
        (np.linalg.LinAlgError("needs more"), "refused"),
    ],
)
def test_inputs_that_cannot_be_made_become_the_word_of_their_cells(tmp_path, error, status: str) -> None:
    def inputs(rng, n):
        raise error

    data.store(tmp_path, case_of(), kernel_of(inputs), seed=1)
    with pytest.raises(data.DataFault, match="needs more") as fault:
        data.load(tmp_path, case_of())
    assert fault.value.status == status


def test_data_that_was_never_made_is_a_fault_with_a_reason(tmp_path) -> None:
    with pytest.raises(data.DataFault, match="died"):
        data.load(tmp_path, case_of())
