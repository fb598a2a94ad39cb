"""Gathering, scattering and counting against NumPy."""

import numpy as np
import pytest


@pytest.mark.parametrize("shape", [(4,), (2, 3), (0,)])
def test_gather_puts_the_shape_of_the_indices_in_place_of_the_axis(loaded, shape):
    x = np.arange(24.0).reshape(2, 3, 4)
    indices = np.arange(np.prod(shape)).reshape(shape) % 2
    axes = (0, 1, -1)
    found = loaded(lambda xp, x, i: tuple(xp.gather(x, i, axis=axis) for axis in axes), x, indices)
    for entries, axis in zip(found, axes, strict=True):
        np.testing.assert_array_equal(entries, np.take(x, indices, axis=axis))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_gather_takes_rows_unless_told_otherwise(loaded, dtype):
    x = np.arange(12.0).reshape(4, 3)
    found = loaded(lambda xp, x, i: xp.gather(x, i), x, np.array([3, 0, 3], dtype))
    np.testing.assert_array_equal(found, x[[3, 0, 3]])


@pytest.mark.parametrize("row", [(), (3,), (2, 2)])
@pytest.mark.parametrize("indices", [[2, 0, 2, 2, 1, 0], [4, 3, 1], []])
def test_scatter_add_sums_what_falls_on_the_same_row(loaded, row, indices):
    indices = np.array(indices, np.int64)
    x = np.arange(5.0 * np.prod(row)).reshape(5, *row)
    values = 1 + np.arange(float(len(indices) * np.prod(row))).reshape(len(indices), *row)
    expected = x.copy()
    for index, value in zip(indices, values, strict=True):
        expected[index] += value
    found = loaded(lambda xp, x, i, v: xp.scatter_add(x, i, v), x, indices, values)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == loaded.dtype


def test_scatter_add_counts_in_integers(loaded):
    x, indices = np.zeros(3, np.int64), np.array([1, 1, 2], np.int32)
    found = loaded(lambda xp, x, i: xp.scatter_add(x, i, xp.asarray([1, 2, -5])), x, indices)
    np.testing.assert_array_equal(found, [0, 3, -5])


def test_scatter_add_leaves_its_argument_alone(loaded):
    def both(xp, x, i, v):
        return xp.scatter_add(x, i, v), x

    _, x = loaded(both, np.ones((2, 2)), np.array([0]), np.ones((1, 2)))
    np.testing.assert_array_equal(x, np.ones((2, 2)))


@pytest.mark.parametrize("entries", [[0, 3, 3, 1, 3], []])
def test_bincount_has_the_length_asked_for(loaded, entries):
    entries = np.array(entries, np.int64)
    found = loaded(lambda xp, x: xp.bincount(x, length=6), entries)
    np.testing.assert_array_equal(found, np.bincount(entries, minlength=6))
    assert found.dtype.kind == "i"


def test_bincount_sums_weights_in_their_dtype(loaded):
    x, weights = np.array([0, 3, 3, 1]), np.array([0.5, 1.0, 2.0, -1.0])
    found = loaded(lambda xp, x, w: xp.bincount(x, w, length=5), x, weights)
    np.testing.assert_array_equal(found, [0.5, -1, 0, 3, 0])
    assert found.dtype == loaded.dtype


def test_contiguous_lays_a_transpose_out_row_by_row(loaded):
    x = np.arange(6.0).reshape(2, 3)
    found = loaded(lambda xp, x: xp.contiguous(x.T), x)
    np.testing.assert_array_equal(found, x.T)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("shape", [(), (0, 3), (4,)])
def test_contiguous_keeps_every_shape(loaded, shape):
    found = loaded(lambda xp, x: xp.contiguous(x), np.ones(shape))
    np.testing.assert_array_equal(found, np.ones(shape), strict=False)
    assert found.shape == shape
