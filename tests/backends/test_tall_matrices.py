"""The verbs for matrices of many rows: on every backend, and over all devices of JAX."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xpbench.bench import registry

SHAPES = [(400, 6), (6, 6), (1, 1), (3, 6), (403, 6)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_gram_matrix_is_that_of_its_columns(loaded, rng, shape):
    x = loaded.cast(rng.standard_normal(shape))
    found = loaded(lambda xp, x: xp.gram(x), x)
    wide = x.astype(np.float64)
    # Sums of n products: n u of the sum of their sizes, at most (Higham, Accuracy and Stability, (3.5)).
    assert (
        np.abs(found - wide.T @ wide) <= shape[0] * loaded.eps * (np.abs(wide).T @ np.abs(wide))
    ).all()
    assert found.dtype == loaded.dtype


@pytest.mark.parametrize("shape", SHAPES)
def test_a_triangular_factor_is_a_triangle_with_the_gram_matrix_of_the_rows(loaded, rng, shape):
    x = loaded.cast(rng.standard_normal(shape))
    r = loaded(lambda xp, x: xp.triangular_factor(x), x)
    n, d = shape
    assert r.shape == (min(n, d), d)
    assert r.dtype == loaded.dtype
    np.testing.assert_array_equal(r, np.triu(r))
    wide = x.astype(np.float64)
    # R'R = (X + E)'(X + E), where a column of E is off by d reflections of n rows: n d u of its length
    # at most (Higham, theorem 19.4, with a constant of 1).
    lengths = np.linalg.norm(wide, axis=0)
    limit = 2 * max(shape) * d * loaded.eps * np.outer(lengths, lengths)
    assert (np.abs(r.T.astype(np.float64) @ r - wide.T @ wide) <= limit).all()


SEVERAL = """
import json, sys
import numpy as np
from xpbench.bench import registry
from xpbench.bench.backend import Setting
backend = registry.find().backends[sys.argv[1]]
backend.load(Setting(wide=True))
import jax
told = {"devices": len(jax.local_devices()), "compiled": {}, "values": {}}
x = np.random.default_rng(0).standard_normal((1001, 5))
for name in ("gram", "triangular_factor"):
    verb = getattr(backend.xp, name)
    text = jax.jit(verb).lower(backend.put(x)).compile().as_text()
    told["compiled"][name] = [word for word in ("all-reduce", "all-gather") if word in text]
    told["values"][name] = backend.fetch(backend.compile(verb)(backend.put(x))).tolist()
print(json.dumps(told))
"""


@pytest.mark.parametrize("name", ["jax", pytest.param("jax-eager", marks=pytest.mark.slow)])
def test_jax_divides_the_rows_over_all_its_devices(name):
    """1001 rows, which four devices do not share evenly: the answer is that of one."""
    if reason := registry.find().backends[name].unusable():
        pytest.skip(reason)
    flags = "--xla_force_host_platform_device_count=4"
    answer = subprocess.run(
        [sys.executable, "-c", SEVERAL, name],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["devices"] == 4
    assert "all-reduce" in told["compiled"]["gram"]
    assert "all-gather" in told["compiled"]["triangular_factor"]
    x = np.random.default_rng(0).standard_normal((1001, 5))
    exact, r = x.T @ x, np.array(told["values"]["triangular_factor"])
    assert r.shape == (5, 5)
    # As above, with n d eps for both.
    limit = 2 * 1001 * 5 * np.finfo(np.float64).eps * np.max(exact)
    assert np.abs(np.array(told["values"]["gram"]) - exact).max() <= limit
    assert np.abs(r.T @ r - exact).max() <= limit
