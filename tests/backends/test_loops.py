"""Loops against the same loop in plain Python."""

import numpy as np
import pytest


@pytest.mark.parametrize("n", [0, 1, 10])
def test_fori_loop_carries_the_state_through_every_index(loaded, n):
    def polynomial(xp, x):
        return xp.fori_loop(n, lambda i, total: total * x + i, xp.zeros_like(x))

    expected = np.zeros(3)
    for i in range(n):
        expected = expected * np.array([0.0, 1.0, 2.0]) + i
    # Integers below 2**24: exact in either dtype.
    np.testing.assert_array_equal(loaded(polynomial, [0.0, 1.0, 2.0]), expected)


def test_fori_loop_indexes_by_its_counter_and_keeps_a_nested_state(loaded):
    def running(xp, x):
        def body(i, state):
            total, (least, count) = state
            return total + x[i], (xp.minimum(least, x[i]), count + 1)

        start = (xp.zeros_like(x[0]), (x[0], xp.asarray(0)))
        return xp.fori_loop(x.shape[0], body, start)

    total, (least, count) = loaded(running, [3.0, 1.0, 2.0])
    assert (total, least, count) == (6, 1, 3)
    assert total.dtype == loaded.dtype


def test_fori_loop_computes_powers_of_its_counter_in_the_dtype_of_the_case(loaded):
    def bias_correction(xp, m):
        return xp.fori_loop(50, lambda i, total: total + m / (1 - 0.9 ** (i + 1)), xp.zeros_like(m))

    expected = sum(1 / (1 - 0.9**i) for i in range(1, 51))
    # 50 additions, and a power good to eps, which the difference 1 - 0.9**i >= 0.1 magnifies by 9.
    np.testing.assert_allclose(loaded(bias_correction, [1.0]), [expected], rtol=(50 + 9) * loaded.eps)


def test_scan_returns_the_last_state_and_every_output(loaded):
    def cumulative(xp, x):
        def step(total, row):
            total = total + row
            return total, 2 * total

        return xp.scan(step, xp.zeros_like(x[0, :]), x)

    x = np.arange(12.0).reshape(4, 3)
    total, doubled = loaded(cumulative, x)
    np.testing.assert_array_equal(total, x.sum(axis=0))
    np.testing.assert_array_equal(doubled, 2 * x.cumsum(axis=0))
    assert total.dtype == doubled.dtype == loaded.dtype


def test_scan_takes_and_gives_tuples(loaded):
    def pairs(xp, x, y):
        def step(state, entry):
            a, b = entry
            return (state[0] + a, state[1]), (a * b, (a - b,))

        return xp.scan(step, (xp.zeros_like(x[0]), x[0]), (x, y))

    x, y = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    state, (products, (differences,)) = loaded(pairs, x, y)
    assert tuple(map(float, state)) == (6, 1)
    np.testing.assert_array_equal(products, x * y)
    np.testing.assert_array_equal(differences, x - y)


def test_scan_without_outputs_gives_none(loaded):
    total, nothing = loaded(
        lambda xp, x: xp.scan(lambda s, e: (s + e, None), xp.zeros_like(x[0]), x), [1.0, 2.0]
    )
    assert total == 3
    assert nothing is None


def test_while_loop_stops_when_its_condition_fails(loaded):
    def collatz(xp, start):
        def body(state):
            n, steps = state
            return xp.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

        return xp.while_loop(lambda state: state[0] != 1, body, (start, xp.zeros_like(start)))

    n, steps = loaded(collatz, np.int64(27))
    assert (n, steps) == (1, 111)


def test_while_loop_may_not_run_at_all(loaded):
    assert loaded(lambda xp, x: xp.while_loop(lambda s: s > 5, lambda s: s - 1, x), 3.0) == 3


def test_vmap_maps_the_named_axes_and_passes_the_others_whole(loaded):
    x, w = np.arange(12.0).reshape(3, 4), np.arange(15.0).reshape(3, 5)

    def products(xp, x, w):
        return xp.vmap(lambda x, column: (xp.matmul(column, x), xp.sum(column)), in_axes=(None, 1))(x, w)

    rows, sums = loaded(products, x, w)
    np.testing.assert_array_equal(rows, w.T @ x)
    np.testing.assert_array_equal(sums, w.sum(axis=0))


def test_vmap_over_all_arguments_by_one_integer(loaded):
    x, y = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    found = loaded(lambda xp, x, y: xp.vmap(lambda a, b: xp.sum(a * b))(x, y), x, y)
    np.testing.assert_array_equal(found, (x * y).sum(axis=1))
