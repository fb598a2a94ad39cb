"""A product is what the definition says, at the cost that is stated; a transpose is laid out anew."""

from dataclasses import dataclass

import numpy as np
import pytest

from xpbench import Setting
from xpbench.bench import registry
from xpbench.bench.agreement import judge
from xpbench.kernels import matrix_products
from xpbench.kernels.matrix_products import matmul


def loaded(name: str, dtype: str):
    backend = registry.find().backend(name)
    reason = backend.unusable()
    if reason is not None:
        pytest.skip(reason)
    backend.load(Setting(threads=1, wide=dtype == "float64"))
    return backend


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


def test_a_thin_fault_in_one_matrix_nobody_read_is_seen_by_its_norm(draw, xp):
    trial = draw("batched_matmul", batch=200, n=64)
    (c,) = trial.compute(xp)
    c[1] *= np.float32(1 + 1e-4)
    found = trial.judge([c], oracle=False)
    assert [name for name, (value, limit) in found.errors.items() if value > limit] == ["norm"]


def test_the_stated_flops_of_a_batch_are_those_of_its_products(draw):
    batched, single = draw("batched_matmul", batch=3, n=5).kernel, draw("matmul", n=5).kernel
    assert batched.flops(batch=3, n=5) == 3 * single.flops(n=5)


@pytest.mark.parametrize("shape", [(3, 5), (64, 1), (1, 7), (33, 20)])
def test_a_transpose_is_laid_out_row_by_row_and_owns_its_memory(shape):
    m, n = shape
    x = np.random.default_rng(0).standard_normal(shape)
    for name in ("numpy", "torch"):
        backend = loaded(name, "float64")
        placed = backend.put(x)
        y = matrix_products.transpose(backend.xp, placed)
        steps = [step // 8 for step in y.strides] if name == "numpy" else list(y.stride())
        # The step along an axis of one entry means nothing.
        assert [step for step, axis in zip(steps, (n, m), strict=True) if axis > 1] == [
            step for step, axis in zip((m, 1), (n, m), strict=True) if axis > 1
        ]
        if m > 1 and n > 1:
            placed[0, 1] = 100.0
            assert y[1, 0] == x[0, 1], f"{name} returns a view"


def test_zeros_of_either_sign_are_told_apart(draw):
    trial = draw("transpose", m=4, n=3)
    found = {}
    for zero in (0.0, -0.0):
        (y,) = (x.T.copy() for x in trial.inputs)
        x = trial.data.exact_inputs[0].copy()
        x[2, 1], y[1, 2] = -0.0, zero
        reference = trial.kernel.reference(x)
        found[str(zero)] = judge(trial.kernel, [y], reference, [x], {}, "float32").agrees
    assert found == {"0.0": False, "-0.0": True}
