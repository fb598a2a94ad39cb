"""`xpbench verify` passes honest backends and names each planted fault by its error and limit."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

HONEST = """
import numpy as np
import array_api_compat.numpy as standard
from xpbench import Backend, Vocabulary


def tf32(x):
    "x with 10 explicit bits of mantissa, to nearest: what a TF32 unit makes of its inputs."
    if x.dtype != np.float32:
        return x
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & 0xFFFFE000).astype(np.uint32).view(np.float32)


class Linalg:
    def __getattr__(self, name):
        return getattr(standard.linalg, name)

    def svd(self, x, full_matrices=True):
        u, s, vh = standard.linalg.svd(x, full_matrices=full_matrices)
        {svd}
        return u, s, vh


class Words(Vocabulary):
    linalg = Linalg()

    def fori_loop(self, n, body, state):
        for i in range(n):
            state = body(i, state)
        return state


class Planted(np.ndarray):
    "An array whose products go through the fault, whether written a @ b or xp.matmul(a, b)."

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        inputs = [np.asarray(x) for x in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(x) for x in options["out"])
        if ufunc is not np.matmul:
            return getattr(ufunc, method)(*inputs, **options).view(Planted)
        a, b = inputs
        {inputs}
        c = np.matmul(a, b)
        {product}
        return c.view(Planted)


class PlantedBackend(Backend):
    name = "planted"
    library = "numpy"

    def load(self, setting):
        self.xp = Words(standard)

    def put(self, array):
        return np.array(array).view(Planted)
"""


@pytest.fixture
def plant(tmp_path: Path):
    def plant(svd: str = "pass", inputs: str = "pass", product: str = "pass") -> Path:
        path = tmp_path / "planted.py"
        text = HONEST
        for name, body in (("svd", svd), ("inputs", inputs), ("product", product)):
            text = text.replace("{" + name + "}", body)
        path.write_text(text)
        return path

    return plant


SIZES = ("64", "512", "1024")

PRODUCT_FAULTS = {
    "a relative error of 1e-4": {"product": "c = c * np.float32(1 + 1e-4)"},
    "a transposed result": {"product": "c = c.T"},
    "inputs rounded to TF32": {"inputs": "a, b = tf32(a), tf32(b)"},
    "one entry off": {"product": "c = c.copy(); c[-1, -1] *= 1.01"},
}

VECTOR_FAULTS = {
    "the sign of one vector": "u = u.copy(); u[:, 0] = -u[:, 0]",
    "one vector replaced by another": "u = u.copy(); u[:, -1] = u[:, 0]",
    "one vector turned by 1e-3": "u = u.copy(); u[:, 1] += np.float32(1e-3) * u[:, 2]",
    "a transposed result": "u = u.T",
    "two values exchanged": "s = s.copy(); s[[0, 1]] = s[[1, 0]]",
}


def assert_named(answer, kernel: str) -> None:
    assert answer.returncode == 1, answer.stdout + answer.stderr
    for size in SIZES:
        case = f"disagrees: {kernel}[n={size}]/planted@cpu/float32: "
        line = next(line for line in answer.stderr.splitlines() if line.startswith(case))
        assert re.search(r"\w+ is [0-9.e+]+ eps, over its limit of [0-9.e+]+", line), line
    assert "WRONG" in answer.stdout


def one_always(faults: Iterable[str], always: str) -> list[Any]:
    """All faults, of which the quick tests see one."""
    return [pytest.param(f, marks=() if f == always else pytest.mark.slow) for f in faults]


@pytest.mark.parametrize("fault", one_always(PRODUCT_FAULTS, "one entry off"))
def test_a_fault_planted_in_the_product_is_named_at_every_size(fault: str, plant, xpbench) -> None:
    path = plant(**PRODUCT_FAULTS[fault])
    sizes = [word for size in SIZES for word in ("--size", f"n={size}")]
    assert_named(xpbench("verify", "matmul", "--backend", path, "--dtype", "float32", *sizes), "matmul")


@pytest.mark.slow
@pytest.mark.parametrize("fault", one_always(VECTOR_FAULTS, "the sign of one vector"))
def test_a_wrong_singular_vector_is_named_at_every_size(fault: str, plant, xpbench) -> None:
    path = plant(svd=VECTOR_FAULTS[fault])
    sizes = [word for size in SIZES for word in ("--size", f"n={size}")]
    assert_named(xpbench("verify", "svd", "--backend", path, "--dtype", "float32", *sizes), "svd")


def test_the_honest_backend_beside_the_planted_ones_passes(plant, xpbench) -> None:
    sizes = [word for size in SIZES for word in ("--size", f"n={size}")]
    answer = xpbench("verify", "matmul", "svd", "--backend", plant(), "--dtype", "float32", *sizes)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["gradient_descent", "backprop", "pca"])
def test_products_rounded_to_tf32_are_wrong_in_every_kernel_made_of_them(
    kernel: str, plant, xpbench
) -> None:
    path = plant(inputs="a, b = tf32(a), tf32(b)")
    answer = xpbench("verify", kernel, "--backend", path, "--dtype", "float32", "--size", "medium")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert f"{kernel}[" in answer.stderr


@pytest.mark.slow
def test_honest_backends_agree_with_the_oracle_and_with_each_other(xpbench) -> None:
    backends = [
        word for name in ("numpy", "torch", "jax", "array-api-strict") for word in ("--backend", name)
    ]
    answer = xpbench("verify", *backends, "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    records = json.loads(answer.stdout)
    assert {record["agrees"] for record in records} == {True}
    assert {record["dtype"] for record in records} == {"float32", "float64"}
    assert {record["kernel"] for record in records} == {
        "matmul",
        "svd",
        "pca",
        "gradient_descent",
        "backprop",
    }
    for record in records:
        assert all(0 <= error["value"] <= error["limit"] for error in record["errors"].values())


APART = """
import math
from xpbench import Kernel


def shifted(xp, x):
    "An answer that depends on the library, at a size that no oracle judges."
    return x + ({shift} if "numpy" in type(x).__module__ else 0.0)


def errors(outputs, reference, x):
    return {"shift": (0.0 if reference is None else float(abs(outputs[0] - reference[0]).max()), 1e-6)}


Kernel(
    compute=shifted,
    inputs=lambda rng, n: (rng.random(n),),
    reference=lambda x: x,
    errors=errors,
    flops=lambda n: n,
    oracle_flops=0.0,
    sizes={"small": {"n": 4}},
)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "code"), [("0.0", 0), ("1e-3", 1)])
def test_two_backends_that_differ_where_no_oracle_looks_disagree(
    shift: str, code: int, xpbench, tmp_path: Path
) -> None:
    path = tmp_path / "shifted.py"
    path.write_text(APART.replace("{shift}", shift))
    answer = xpbench("verify", path, "--backend", "numpy", "--backend", "torch", "--dtype", "float64")
    assert answer.returncode == code, answer.stdout + answer.stderr
    if code:
        assert "shifted[n=4]/numpy@cpu/float64 and shifted[n=4]/torch@cpu/float64" in answer.stderr
        assert "limit" in answer.stderr


def test_a_verification_of_nothing_is_no_agreement(xpbench, write_kernel) -> None:
    answer = xpbench("verify", write_kernel("broken", "raise ValueError('nope')"), "--backend", "numpy")
    assert answer.returncode == 3
    assert "nope" in answer.stderr
    assert "all agree" not in answer.stdout


def test_a_kernel_that_writes_to_its_inputs_is_named(xpbench, write_kernel) -> None:
    """It would pass by its first result, and a run would call it wrong."""
    answer = xpbench("verify", write_kernel("overwrites", "x *= 2; return x"), "--backend", "numpy")
    assert answer.returncode == 1
    assert "overwrites" in answer.stderr
    assert "changed its input 0" in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_judged_in_its_own_eps_and_declined_in_words(dtype: str, xpbench) -> None:
    backends = [word for name in ("numpy", "torch", "jax") for word in ("--backend", name)]
    answer = xpbench("verify", "matmul", "softmax", *backends, "--dtype", dtype, "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for record in json.loads(answer.stdout):
        if record["backend"] == "numpy":
            assert record["status"] == "unsupported"
            assert dtype in record["reason"]
        else:
            assert record["agrees"]
            assert all(0 < error["value"] <= error["limit"] for error in record["errors"].values())
