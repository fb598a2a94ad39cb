"""Triangular systems and least squares: backward errors, on every backend."""

import numpy as np
import pytest

from xpbench.bench.exceptions import is_refusal

N = 40


def triangle(rng, *, lower):
    """Well conditioned, with numbers in the other triangle that nobody may read."""
    full = rng.standard_normal((N, N)) / np.sqrt(N) + 3 * np.eye(N)
    poison = np.triu(np.full((N, N), 1e6), 1)
    return np.tril(full) + poison if lower else np.triu(full) + poison.T


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("columns", [None, 3])
def test_substitution_solves_a_nearby_system_and_reads_one_triangle(loaded, rng, lower, columns):
    a = loaded.cast(triangle(rng, lower=lower))
    b = loaded.cast(rng.standard_normal(N if columns is None else (N, columns)))
    x = loaded(lambda xp, a, b: xp.solve_triangular(a, b, lower=lower), a, b)
    assert x.shape == b.shape
    assert x.dtype == loaded.dtype
    read = (np.tril(a) if lower else np.triu(a)).astype(np.float64)
    residual = np.abs(b - read @ x)
    # Higham, Accuracy and Stability of Numerical Algorithms, theorem 8.5; N u is eps N / 2.
    assert (residual <= N * loaded.eps * (np.abs(read) @ np.abs(x))).all()


@pytest.mark.parametrize("shape", [(60, 5), (5, 5)])
def test_least_squares_leaves_a_residual_orthogonal_to_the_columns(loaded, rng, shape):
    a, b = loaded.cast(rng.standard_normal(shape)), loaded.cast(rng.standard_normal(shape[0]))
    x = loaded(lambda xp, a, b: xp.lstsq(a, b), a, b)
    assert x.shape == (shape[1],)
    assert x.dtype == loaded.dtype
    a, b = a.astype(np.float64), b.astype(np.float64)
    # A backward error of c m n eps in A (Higham, theorem 20.3): c of 1 or so, and both terms it moves.
    scale = np.linalg.norm(a) * (np.linalg.norm(b) + np.linalg.norm(a) * np.linalg.norm(x))
    assert np.linalg.norm(a.T @ (b - a @ x)) <= max(shape) * loaded.eps * scale


def test_a_singular_matrix_is_a_refusal_or_not_finite(loaded):
    """A library raises its own LinAlgError, or goes on: then the check finds what it returned."""
    try:
        x = loaded(lambda xp, a: xp.linalg.inv(a), np.zeros((3, 3)))
    except Exception as error:
        assert is_refusal(error), error
    else:
        assert not np.isfinite(x).any()
