"""Arrays on their way to a library and back, and the names that kernels find in its namespace."""

import importlib

import numpy as np
import pytest

from xpbench.bench import floating
from xpbench.bench.backend import Setting
from xpbench.bench.exceptions import Unsupported


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize("kind", ["float", "int64", "uint32", "bool"])
def test_an_array_comes_back_as_it_went(loaded, shape, kind):
    backend = loaded.backend
    array = np.ones(shape, loaded.dtype if kind == "float" else kind)
    fetched = backend.fetch(backend.put(array))
    np.testing.assert_array_equal(fetched, array)
    assert fetched.shape == shape
    # JAX without x64 has no integers of 64 bits.
    assert fetched.dtype == array.dtype or (backend.library == "jax" and fetched.dtype == np.int32)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize("dtype", floating.HALF)
def test_an_array_of_half_precision_comes_back_as_it_went_or_is_declined_in_words(loaded, dtype, shape):
    backend = loaded.backend
    if reason := backend.declines(dtype):
        assert dtype in reason
        return
    array = np.full(shape, 1.5, dtype)
    for there in (backend.put(array), backend.borrow(array)):
        fetched = backend.fetch(there)
        assert (fetched.dtype, fetched.shape) == (array.dtype, shape)
        np.testing.assert_array_equal(fetched, array)
    if shape == (2, 3):
        transposed = backend.fetch(backend.put(array).T)
        assert (transposed.dtype, transposed.shape) == (array.dtype, (3, 2))


def test_an_array_is_laid_out_row_by_row_whatever_it_was(loaded):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3), dtype=loaded.dtype)
    fetched = loaded.backend.fetch(loaded.backend.put(array))
    np.testing.assert_array_equal(fetched, array)
    assert fetched.flags.c_contiguous


def test_the_host_array_may_change_after_it_was_put(loaded):
    # Large and aligned, as a library wants it that takes over memory instead of copying it.
    memory = np.zeros(2**16 + 64, np.uint8)
    start = -memory.ctypes.data % 64
    array = memory[start : start + 2**16].view(loaded.dtype)
    there = loaded.backend.put(array)
    array[:] = 1
    assert not loaded.backend.fetch(there).any()


def test_a_memory_mapped_array_is_copied_without_a_warning(loaded, tmp_path):
    np.save(tmp_path / "array.npy", np.arange(100, dtype=loaded.dtype))
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    fetched = loaded.backend.fetch(loaded.backend.put(mapped))
    np.testing.assert_array_equal(fetched, np.arange(100))


def test_new_arrays_are_on_the_device_of_the_case(loaded):
    xp, x = loaded.backend.xp, loaded.backend.put(np.ones(2, loaded.dtype))
    made = [xp.zeros(2), xp.ones(2), xp.empty(2), xp.full(2, 1.0), xp.asarray([1.0, 2.0])]
    made += [xp.eye(2), xp.arange(2), xp.linspace(0.0, 1.0, 2)]
    assert {str(array.device) for array in made} == {str(x.device)}


@pytest.mark.parametrize("name", ["matmul", "sum", "where"])
def test_a_function_of_the_standard_is_the_librarys_own(loaded, name):
    xp = loaded.backend.xp
    namespace = importlib.import_module(xp._namespace.__name__)
    assert vars(xp)[name] is getattr(namespace, name)


def test_a_name_that_is_not_there_is_an_attribute_error_with_a_suggestion(loaded):
    with pytest.raises(AttributeError, match=r"has no 'soft_max'.*did you mean softmax"):
        loaded.backend.xp.soft_max  # noqa: B018
    assert not hasattr(loaded.backend.xp, "no_such_name")


def test_a_device_that_is_not_there_is_unsupported(loaded):
    with pytest.raises(Unsupported, match=r"has no device abacus here; it has \w+"):
        loaded.backend.load(Setting(device="abacus"))


@pytest.mark.parametrize("tf32", [False, True])
def test_precision_is_read_back(loaded, tf32):
    backend = loaded.backend
    backend.load(Setting(device=backend.home, precision="tf32" if tf32 else "ieee"))
    told = backend.in_force().get("matmul_precision")
    backend.load(Setting(device=backend.home))
    if told is None:
        pytest.skip(f"{backend.name} has no reduced precision")
    high = told.lower() in ("high", "tensorfloat32", "compute_type_tf32")
    assert high is tf32
