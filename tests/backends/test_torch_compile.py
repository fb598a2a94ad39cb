"""torch.compile: loops compile once, random draws stay outside, and compilation is counted."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xpbench.bench import registry
from xpbench.bench.backend import Setting

SCRIPT = """
import functools, json
import numpy as np
import torch._dynamo
from xpbench.bench import registry
from xpbench.bench.backend import Setting

backend = registry.find().backends["torch-compile"]
backend.load(Setting(wide=True))


def adam(xp, a, x):
    def step(i, state):
        x, m, v = state
        g = a.T @ (a @ x - 1)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        correction = xp.sqrt(v / (1 - 0.99 ** (i + 1)))
        return x - 0.01 * m / (1 - 0.9 ** (i + 1)) / (correction + 1e-3), m, v

    return xp.fori_loop(100, step, (x, xp.zeros_like(x), xp.zeros_like(x)))[0]


def newton(xp, c, key):
    gradient = xp.value_and_grad(lambda x, c: xp.sum(x * x * x / 3 - c * x))
    x, values = xp.scan(lambda x, c: (x - gradient(x, c)[1] / (2 * x), x), xp.ones_like(c[0]), c)
    return x, values, xp.random.uniform(key, (3,), c.dtype) + c[:3]


def measure(function, *calls):
    before = backend.compile_seconds()
    compiled = backend.compile(functools.partial(function, backend.xp))
    outputs, graphs = [], []
    for arrays in calls:
        found = compiled(*map(backend.put, arrays))
        found = found if isinstance(found, tuple) else (found,)
        outputs.append([backend.fetch(array).tolist() for array in found])
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    return {
        "outputs": outputs,
        "graphs": graphs,
        "operations": torch._dynamo.utils.counters["stats"]["calls_captured"],
        "compiled": backend.compile_seconds() > before,
    }


def near_zero(xp, x):
    return xp.expm1(x)


a = np.random.default_rng(5).standard_normal((6, 3))
x = np.concatenate([-np.logspace(-12, 2.5, 40), np.logspace(-12, 2.5, 40)])
keys = [np.array(key, np.uint32) for key in ([1, 2], [3, 4], [2**32 - 1, 6])]
found = [measure(adam, (a, np.zeros(3))), measure(newton, *((np.full(8, 2.0), key) for key in keys))]
found.append(measure(near_zero, (x,)))
print(json.dumps(found))
"""
KEYS = ([1, 2], [3, 4], [2**32 - 1, 6])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    backend = registry.find().backends["torch-compile"]
    if reason := backend.unusable():
        pytest.skip(reason)
    environment = backend.environment(Setting(cache=str(tmp_path_factory.mktemp("inductor"))))
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "recompile_limit" not in process.stderr
    return json.loads(process.stdout)


def _adam(a: np.ndarray) -> np.ndarray:
    x = m = v = np.zeros(3)
    for i in range(1, 101):
        g = a.T @ (a @ x - 1)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        x = x - 0.01 * m / (1 - 0.9**i) / (np.sqrt(v / (1 - 0.99**i)) + 1e-3)
    return x


@pytest.mark.slow
def test_a_hundred_steps_compile_a_handful_of_graphs_and_agree(found):
    adam = found[0]
    a = np.random.default_rng(5).standard_normal((6, 3))
    # A hundred steps of some thirty operations each, on numbers of order one.
    np.testing.assert_allclose(adam["outputs"][0][0], _adam(a), rtol=0, atol=100 * 30 * 2.3e-16)
    # The first index, any other index, and what stands around the loop; not a hundred bodies.
    assert adam["graphs"][-1] <= 4
    assert adam["operations"] <= 4 * 30
    assert adam["compiled"]


@pytest.mark.slow
def test_scan_and_gradient_agree_with_the_loop_in_python(found):
    x, values = found[1]["outputs"][0][:2]
    expected = [1.0]
    for _ in range(8):
        expected.append(expected[-1] - (expected[-1] ** 2 - 2) / (2 * expected[-1]))
    np.testing.assert_allclose([*values, x], expected, rtol=4 * 2.3e-16)


@pytest.mark.slow
def test_an_exponential_less_one_keeps_its_digits_next_to_zero(found):
    x = np.concatenate([-np.logspace(-12, 2.5, 40), np.logspace(-12, 2.5, 40)])
    # tanh to 2 eps, a difference that does not cancel below 1, and a quotient.
    np.testing.assert_allclose(found[2]["outputs"][0][0], np.expm1(x), rtol=6 * 2.3e-16)


@pytest.mark.slow
def test_draws_are_those_of_eager_torch_and_a_new_key_compiles_nothing(found):
    backend = registry.find().backends["torch"]
    backend.load(Setting(wide=True))
    for key, outputs in zip(KEYS, found[1]["outputs"], strict=True):
        there = backend.put(np.array(key, np.uint32))
        expected = backend.xp.random.uniform(there, (3,), backend.xp.float64) + 2
        np.testing.assert_array_equal(outputs[2], backend.fetch(expected))
    assert len(set(found[1]["graphs"])) == 1
