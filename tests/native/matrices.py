"""Linear systems, factorisations, eigenvalues, singular values and principal components."""

import functools
from collections.abc import Callable
from typing import Any

Versions = dict[str, Callable[..., Any]]


def numpy() -> Versions:
    import numpy as np
    from scipy import linalg

    def power_iteration(a, x, *, steps):
        for _ in range(steps):
            x = a @ x
            x /= np.sqrt(x @ x)
        return x @ (a @ x), x

    def pca(x, *, k):
        n = len(x)
        x = x - x.mean(axis=0)
        _, s, vh = np.linalg.svd(x, full_matrices=False)
        return vh[:k], s[:k] ** 2 / (n - 1), x @ vh[:k].T

    def pca_eigh(x, *, k):
        n = len(x)
        x = x - x.mean(axis=0)
        v, vectors = np.linalg.eigh(x.T @ x / (n - 1))
        w = vectors[:, : -k - 1 : -1]
        return w.T, v[: -k - 1 : -1], x @ w

    def truncated_svd(a, omega, *, k, steps):
        q = np.linalg.qr(a @ omega)[0]
        for _ in range(steps):
            q = np.linalg.qr(a.T @ q)[0]
            q = np.linalg.qr(a @ q)[0]
        w, s, vh = np.linalg.svd(q.T @ a, full_matrices=False)
        return q @ w[:, :k], s[:k], vh[:k]

    def markov_stationary(p):
        n = len(p)
        a = np.eye(n, dtype=p.dtype) - p + 1 / n
        return np.linalg.solve(a.T, np.full(n, 1 / n, dtype=p.dtype))

    def equality_qp(q, c, a, b):
        m, n = a.shape
        kkt = np.zeros((n + m, n + m), dtype=a.dtype)
        kkt[:n, :n], kkt[:n, n:], kkt[n:, :n] = q, a.T, a
        solution = np.linalg.solve(kkt, np.concatenate([c, b]))
        return solution[:n], -solution[n:]

    def least_squares(a, b):
        # scipy.linalg.lstsq pivots, to find a rank that is known.
        return linalg.lapack.get_lapack_funcs(("gels",), (a,))[0](a, b)[1][: a.shape[1]]

    return {
        "solve": np.linalg.solve,
        "inv": np.linalg.inv,
        "slogdet": lambda a: tuple(np.linalg.slogdet(a)),
        "lstsq": least_squares,
        "cholesky": np.linalg.cholesky,
        "qr": lambda a: tuple(np.linalg.qr(a)),
        "eigh": lambda a: tuple(np.linalg.eigh(a)),
        "svd": lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
        "pinv": lambda a: np.linalg.pinv(a, rtol=None),
        "power_iteration": power_iteration,
        "pca": pca,
        "pca_eigh": pca_eigh,
        "truncated_svd": truncated_svd,
        "markov_stationary": markov_stationary,
        "equality_qp": equality_qp,
    }


def torch() -> Versions:
    import torch

    def power_iteration(a, x, *, steps):
        for _ in range(steps):
            x = a.mv(x)
            x = x / torch.linalg.vector_norm(x)
        return x.dot(a.mv(x)), x

    def pca(x, *, k):
        n = len(x)
        x = x - x.mean(dim=0)
        _, s, vh = torch.linalg.svd(x, full_matrices=False)
        return vh[:k], s[:k].square() / (n - 1), x @ vh[:k].T

    def pca_eigh(x, *, k):
        n, d = x.shape
        x = x - x.mean(dim=0)
        v, vectors = torch.linalg.eigh(x.T @ x / (n - 1))
        w = vectors[:, d - k :].flip(1)
        return w.T, v[d - k :].flip(0), x @ w

    def truncated_svd(a, omega, *, k, steps):
        q = torch.linalg.qr(a @ omega)[0]
        for _ in range(steps):
            q = torch.linalg.qr(a.T @ q)[0]
            q = torch.linalg.qr(a @ q)[0]
        w, s, vh = torch.linalg.svd(q.T @ a, full_matrices=False)
        return q @ w[:, :k], s[:k], vh[:k]

    def markov_stationary(p):
        n = len(p)
        a = torch.eye(n, dtype=p.dtype) - p + 1 / n
        return torch.linalg.solve(a.T, torch.full((n,), 1 / n, dtype=p.dtype))

    def equality_qp(q, c, a, b):
        m, n = a.shape
        kkt = a.new_zeros((n + m, n + m))
        kkt[:n, :n], kkt[:n, n:], kkt[n:, :n] = q, a.T, a
        solution = torch.linalg.solve(kkt, torch.cat([c, b]))
        return solution[:n], -solution[n:]

    return {
        "solve": torch.linalg.solve,
        "inv": torch.linalg.inv,
        "slogdet": lambda a: tuple(torch.linalg.slogdet(a)),
        "lstsq": lambda a, b: torch.linalg.lstsq(a, b[:, None]).solution[:, 0],
        "cholesky": torch.linalg.cholesky,
        "qr": lambda a: tuple(torch.linalg.qr(a)),
        "eigh": lambda a: tuple(torch.linalg.eigh(a)),
        "svd": lambda a: tuple(torch.linalg.svd(a, full_matrices=False)),
        "pinv": torch.linalg.pinv,
        "power_iteration": power_iteration,
        "pca": pca,
        "pca_eigh": pca_eigh,
        "truncated_svd": truncated_svd,
        "markov_stationary": markov_stationary,
        "equality_qp": equality_qp,
    }


def jax() -> Versions:
    from jax import lax
    from jax import numpy as jnp

    def power_iteration(a, x, *, steps):
        def step(_, x):
            y = a @ x
            return y / jnp.linalg.norm(y)

        x = lax.fori_loop(0, steps, step, x)
        return x @ (a @ x), x

    def pca(x, *, k):
        x = x - x.mean(axis=0)
        _, s, vh = jnp.linalg.svd(x, full_matrices=False)
        return vh[:k], s[:k] ** 2 / (len(x) - 1), x @ vh[:k].T

    def pca_eigh(x, *, k):
        n, d = x.shape
        x = x - x.mean(axis=0)
        v, vectors = jnp.linalg.eigh(x.T @ x / (n - 1))
        w = vectors[:, d - k :][:, ::-1]
        return w.T, v[d - k :][::-1], x @ w

    def truncated_svd(a, omega, *, k, steps):
        def step(_, q):
            q = jnp.linalg.qr(a.T @ q)[0]
            return jnp.linalg.qr(a @ q)[0]

        q = lax.fori_loop(0, steps, step, jnp.linalg.qr(a @ omega)[0])
        w, s, vh = jnp.linalg.svd(q.T @ a, full_matrices=False)
        return q @ w[:, :k], s[:k], vh[:k]

    def markov_stationary(p):
        n = len(p)
        a = jnp.eye(n, dtype=p.dtype) - p + 1 / n
        return jnp.linalg.solve(a.T, jnp.full(n, 1 / n, dtype=p.dtype))

    def equality_qp(q, c, a, b):
        m, n = a.shape
        kkt = jnp.block([[q, a.T], [a, jnp.zeros((m, m), dtype=a.dtype)]])
        solution = jnp.linalg.solve(kkt, jnp.concatenate([c, b]))
        return solution[:n], -solution[n:]

    def least_squares(a, b):
        # Of (a | b) the last column of R is Q'b: Q is never formed.
        n = a.shape[1]
        r = jnp.linalg.qr(jnp.column_stack([a, b]), mode="r")
        return jax_solve_triangular(r[:n, :n], r[:n, n])

    from jax.scipy.linalg import solve_triangular as jax_solve_triangular

    return {
        "solve": jnp.linalg.solve,
        "inv": jnp.linalg.inv,
        "slogdet": lambda a: tuple(jnp.linalg.slogdet(a)),
        "lstsq": least_squares,
        "cholesky": jnp.linalg.cholesky,
        "qr": lambda a: tuple(jnp.linalg.qr(a)),
        "eigh": lambda a: tuple(jnp.linalg.eigh(a)),
        "svd": functools.partial(jnp.linalg.svd, full_matrices=False),
        "pinv": jnp.linalg.pinv,
        "power_iteration": power_iteration,
        "pca": pca,
        "pca_eigh": pca_eigh,
        "truncated_svd": truncated_svd,
        "markov_stationary": markov_stationary,
        "equality_qp": equality_qp,
    }
