"""What holds in float16 and bfloat16, of the kernels that take them: as test_every_kernel.py has it.

Of a rounding at the end the limit is exact, and one of many entries comes near it: unlike there, no
margin is asked for.
"""

import math
from functools import cache

import numpy as np
import pytest

import planted
from xpbench.bench import floating, registry

REGISTRY = registry.find()
TAKEN = [
    (name, dtype)
    for name, kernel in sorted(REGISTRY.kernels.items())
    for dtype in kernel.dtypes
    if dtype in floating.HALF
]
FAULTS = planted.faults()
LISTED = [
    pytest.param(name, dtype, fault, id=f"{name}-{dtype}-{fault.name}")
    for name, dtype in TAKEN
    for fault in FAULTS[name]
    if dtype in fault.half
]
LOOSE = planted.loose()


@pytest.fixture(scope="module")
def seen(draw):
    """Every pair's largest share of its limit over the seeds, of one backend; computed once."""

    @cache
    def of(kernel: str, size: str, dtype: str, backend: str) -> dict[str, float]:
        worst: dict[str, float] = {}
        for seed in range(2):
            trial = draw(kernel, dtype, seed, preset=size)
            found = trial.judge(trial.on(backend))
            assert found.agrees, f"seed {seed}: {found.reason}"
            for name, (value, limit) in found.errors.items():
                worst[name] = max(worst.get(name, 0.0), value / limit if limit else 0.0)
        return worst

    return of


@pytest.mark.parametrize("backend", ["torch", "jax", "jax-eager"])
@pytest.mark.parametrize("size", ["small", pytest.param("medium", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kernel", "dtype"), TAKEN)
def test_honest_results_agree(seen, kernel, dtype, size, backend):
    assert seen(kernel, size, dtype, backend)


@pytest.mark.parametrize("size", ["small", pytest.param("medium", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kernel", "dtype"), TAKEN)
def test_no_limit_is_a_hundred_times_what_honest_results_show(seen, kernel, dtype, size):
    shares = [seen(kernel, size, dtype, backend) for backend in ("torch", "jax")]
    exact = all(not any(share.values()) for share in shares)
    loose = {pair for pair in shares[0] if 100 * max(share[pair] for share in shares) < 1 and not exact}
    assert loose <= {pair for k, s, pair in LOOSE if (k, s) == (kernel, size)}


@pytest.fixture(scope="module")
def judged(draw, xp):
    """The judgement of a kernel's outputs, summed in float32, and of those with a fault."""

    @cache
    def of(kernel: str, fault: planted.Fault, dtype: str):
        trial = draw(kernel, dtype, preset=fault.size)
        with np.errstate(all="ignore"):
            outputs = fault.plant(trial, xp)
        return trial, trial.judge(trial.compute(xp)), trial.judge(outputs), outputs

    return of


@pytest.mark.parametrize(("kernel", "dtype", "fault"), LISTED)
def test_a_planted_fault_is_seen(judged, kernel, dtype, fault):
    trial, right, wrong, outputs = judged(kernel, fault, dtype)
    assert right.agrees, right.reason
    assert not wrong.agrees
    if fault.kind != "entry" and not all(map(trial.kernel.oracle_applies, trial.kernel.sizes.values())):
        assert not trial.judge(outputs, oracle=False).agrees, "without the oracle"


@pytest.mark.parametrize(("kernel", "dtype"), TAKEN)
def test_every_pair_is_exceeded_by_a_fault(judged, kernel, dtype):
    found = [judged(kernel, fault, dtype) for fault in FAULTS[kernel] if dtype in fault.half]
    exceeded = {
        name
        for _, _, wrong, _ in found
        for name, (value, limit) in wrong.errors.items()
        if value > limit
    }
    assert exceeded == set(found[0][1].errors)


@pytest.mark.parametrize(("kernel", "dtype"), TAKEN)
def test_honest_results_pass_without_the_oracle_where_a_size_has_none(draw, kernel, dtype):
    trial = draw(kernel, dtype, preset="medium")
    if all(map(trial.kernel.oracle_applies, trial.kernel.sizes.values())):
        pytest.skip("the oracle is called at every size")
    found = trial.judge(trial.on("torch"), oracle=False)
    assert found.agrees, found.reason


@pytest.mark.parametrize("dtype", floating.HALF)
@pytest.mark.parametrize("kernel", ["matmul", "batched_matmul"])
def test_sums_in_the_dtype_itself_are_seen(draw, kernel, dtype):
    """The fault that limits in the eps of the output alone would let pass."""
    trial = draw(kernel, dtype, preset="medium")
    a, b = (array.astype(np.float32) for array in trial.inputs)
    total = np.zeros(a.shape, np.float32)
    for k in range(a.shape[-1]):
        term = a[..., :, k, None] * b[..., None, k, :]
        total = (total + term).astype(dtype).astype(np.float32)
    found = trial.judge([total.astype(dtype)])
    assert not found.agrees
    value, limit = found.errors["entries"]
    n = a.shape[-1]
    loose = np.abs(a.astype(float)) @ np.abs(b.astype(float)) * math.sqrt(n)
    error = np.abs(total - trial.data.reference[0])
    assert np.max(error / loose) < trial.eps < value / limit
