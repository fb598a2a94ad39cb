"""Vectors and products of matrices."""

from collections.abc import Callable
from typing import Any

Versions = dict[str, Callable[..., Any]]


def numpy() -> Versions:
    import numpy as np

    def axpy(alpha, x, y):
        z = np.multiply(alpha, x)
        z += y
        return z

    def cosine_similarity(x):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return x @ x.T

    return {
        "axpy": axpy,
        "dot": np.dot,
        "cosine_similarity": cosine_similarity,
        "cross": np.cross,
        "matmul": np.matmul,
        "batched_matmul": np.matmul,
        "transpose": lambda x: np.ascontiguousarray(x.T),
    }


def torch() -> Versions:
    import torch
    from torch.nn import functional

    def cosine_similarity(x):
        x = functional.normalize(x, dim=1)
        return x @ x.T

    return {
        "axpy": lambda alpha, x, y: torch.addcmul(y, alpha, x),
        "dot": torch.dot,
        "cosine_similarity": cosine_similarity,
        "cross": lambda a, b: torch.linalg.cross(a, b, dim=-1),
        "matmul": torch.mm,
        "batched_matmul": torch.bmm,
        "transpose": lambda x: x.T.contiguous(),
    }


def jax() -> Versions:
    from jax import numpy as jnp

    def cosine_similarity(x):
        x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        return x @ x.T

    return {
        "axpy": lambda alpha, x, y: alpha * x + y,
        "dot": jnp.dot,
        "cosine_similarity": cosine_similarity,
        "cross": jnp.cross,
        "matmul": jnp.matmul,
        "batched_matmul": jnp.matmul,
        "transpose": jnp.transpose,
    }
