"""Which dtype NumPy really computes in, and that its namespace is left as it was."""

import numpy as np
import pytest

from xpbench.bench.kernel import Array

WIDENED = {
    "svd": lambda xp, a: xp.linalg.svd(a),
    "solve": lambda xp, a: xp.linalg.solve(a, a[:, 0]),
    "inv": lambda xp, a: xp.linalg.inv(a),
    "eigh": lambda xp, a: xp.linalg.eigh(a + a.T),
    "cholesky": lambda xp, a: xp.linalg.cholesky(a @ a.T),
    "qr": lambda xp, a: xp.linalg.qr(a),
    "slogdet": lambda xp, a: xp.linalg.slogdet(a),
    "pinv": lambda xp, a: xp.linalg.pinv(a),
    "spectral norm": lambda xp, a: xp.linalg.matrix_norm(a, ord=2),
    "inverse power": lambda xp, a: xp.linalg.matrix_power(a, -2),
}
KEPT = {
    "matmul": lambda xp, a: a @ a,
    "vecdot": lambda xp, a: xp.linalg.vecdot(a, a),
    "vector norm": lambda xp, a: xp.linalg.vector_norm(a),
    "Frobenius norm": lambda xp, a: xp.linalg.matrix_norm(a),
    "power": lambda xp, a: xp.linalg.matrix_power(a, 2),
    "svd in float64": lambda xp, a: xp.linalg.svdvals(xp.astype(a, xp.float64)),
}


def regular(loaded) -> Array:
    return loaded.backend.put(np.array([[4, 1, 0], [1, 3, 1], [0, 1, 5]], loaded.dtype))


@pytest.mark.parametrize("name", WIDENED)
def test_numpy_factorises_float32_in_float64(loaded, name):
    library = loaded.backend.library
    expected = "float64" if library == "numpy" else loaded.dtype
    found = loaded.backend.compute_dtype(WIDENED[name], [regular(loaded)], loaded.dtype)
    assert found == expected


@pytest.mark.parametrize("name", KEPT)
def test_everything_else_is_computed_in_the_dtype_asked_for(loaded, name):
    found = loaded.backend.compute_dtype(KEPT[name], [regular(loaded)], loaded.dtype)
    assert found == loaded.dtype


def test_numpy_really_widens(loaded):
    if loaded.backend.library != "numpy" or loaded.dtype != "float32":
        pytest.skip("about NumPy in float32")
    # The largest entry of the residual of a float32 solution by a float32 LU would exceed eps.
    a = np.random.default_rng(1).standard_normal((200, 200)).astype(np.float32)
    b = (a.astype(np.float64) @ np.ones(200)).astype(np.float32)
    x = loaded.backend.xp.linalg.solve(a, b)
    exact = np.linalg.solve(a.astype(np.float64), b.astype(np.float64))
    assert abs(x - exact).max() <= loaded.eps * abs(exact).max()


def test_the_timed_namespace_is_left_without_a_wrapper(loaded):
    linalg = loaded.backend.xp.linalg
    loaded.backend.compute_dtype(WIDENED["svd"], [regular(loaded)], loaded.dtype)
    assert loaded.backend.xp.linalg is linalg
