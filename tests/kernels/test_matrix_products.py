"""The product is what the definition says, at the cost that is stated."""

from dataclasses import dataclass

import numpy as np
import pytest

from xpbench.kernels import matrix_products
from xpbench.kernels.matrix_products import matmul


@dataclass
class Tally:
    operations: int = 0


@dataclass
class Counted:
    """A number that counts the additions and multiplications it takes part in."""

    value: float
    tally: Tally

    def __add__(self, other: "Counted") -> "Counted":
        self.tally.operations += 1
        return Counted(self.value + other.value, self.tally)

    def __mul__(self, other: "Counted") -> "Counted":
        self.tally.operations += 1
        return Counted(self.value * other.value, self.tally)


def test_the_stated_flops_are_those_of_the_definition(draw):
    n, tally = 5, Tally()
    matrix = np.array([[Counted(1.0, tally) for _ in range(n)] for _ in range(n)])
    matmul(None, matrix, matrix)
    # Each of n^2 sums starts from its first product, which spares one addition.
    assert draw("matmul", n=n).kernel.flops(n=n) == tally.operations + n**2


def test_the_oracle_is_exact_where_every_sum_is():
    a = np.arange(12.0).reshape(3, 4)
    b = np.arange(8.0).reshape(4, 2) - 3
    expected = [[sum(a[i, k] * b[k, j] for k in range(4)) for j in range(2)] for i in range(3)]
    np.testing.assert_array_equal(matrix_products.reference(a, b)[0], expected)


@pytest.mark.parametrize("factor", [1 + 1e-4, 1 - 1e-4])
def test_a_thin_fault_is_seen_by_the_norm_where_single_entries_hide_it(draw, xp, factor):
    trial = draw("matmul", n=4096)
    outputs = [array * np.float32(factor) for array in trial.compute(xp)]
    errors = trial.judge(outputs, oracle=False).errors
    value, limit = errors["norm"]
    assert value > 2 * limit


def test_rows_are_sampled_where_there_are_too_many(draw, xp):
    trial = draw("matmul", n=4096)
    (c,) = trial.compute(xp)
    c[-1, 17] += 100 * np.finfo(np.float32).eps * 4096
    found = trial.judge([c], oracle=False)
    assert found.worst == "entries"
    assert not found.agrees
