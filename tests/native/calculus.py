"""Derivatives by hand and by the library, and quadrature."""

import math
from collections.abc import Callable
from typing import Any

Versions = dict[str, Callable[..., Any]]


def numpy() -> Versions:
    import numpy as np
    from scipy import special

    def gradient(x, y, w):
        n, z = len(x), x @ w
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        sums = p.sum(axis=1, keepdims=True)
        value = (np.log(sums).sum() - np.vdot(y, z)) / n
        p /= sums
        p -= y
        p /= n
        return value, x.T @ p

    def jacobian(x, w1, b, w2):
        h = np.tanh(w1 @ x + b)
        return (w2 * (1 - h * h)) @ w1

    def hessian(x, y, w):
        p = special.expit(x @ w)
        # A matrix times its own transpose is half the work.
        rows = x * np.sqrt(p * (1 - p) / len(x))[:, None]
        return rows.T @ rows

    def hessian_vector_product(x, y, w, v):
        z, r = x @ w, x @ v
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z, out=z)
        p /= p.sum(axis=1, keepdims=True)
        return x.T @ (p * (r - np.einsum("ij,ij->i", p, r)[:, None]) / len(x))

    def backprop(x, y, w1, b1, w2, b2, w3, b3):
        m = len(x)
        h1 = np.tanh(x @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        e = h2 @ w3 + b3 - y
        d3 = e / m
        d2 = d3 @ w3.T * (1 - h2 * h2)
        d1 = d2 @ w2.T * (1 - h1 * h1)
        loss = np.vdot(e, e) / (2 * m)
        return loss, x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)

    def finite_difference(f, dx, dy):
        return tuple(np.gradient(f, dx, dy, edge_order=2))

    # Of scipy.integrate both copy more, and take two to five times as long.
    def simpson(f, h):
        odd, even = f[:, 1::2].sum(axis=1), f[:, 2:-1:2].sum(axis=1)
        return h / 3 * (f[:, 0] + 4 * odd + 2 * even + f[:, -1])

    def cumulative_integral(f, h):
        means = f[:, :-1] + f[:, 1:]
        means *= h / 2
        return np.cumsum(means, axis=1, out=means)

    def gauss_legendre(t, w, s, a, b):
        x = (s / 2)[:, None] * (1 + t)
        return s / 2 * (np.exp(-a[:, None] * x) * np.cos(b[:, None] * x) @ w)

    def monte_carlo_integral(x, a, c):
        f = np.cos(a @ x.T + c[:, None])
        return f.mean(axis=1), f.std(axis=1, ddof=1) / math.sqrt(len(x))

    return {
        "gradient": gradient,
        "jacobian": jacobian,
        "hessian": hessian,
        "hessian_vector_product": hessian_vector_product,
        "backprop": backprop,
        "finite_difference": finite_difference,
        "simpson": simpson,
        "cumulative_integral": cumulative_integral,
        "gauss_legendre": gauss_legendre,
        "monte_carlo_integral": monte_carlo_integral,
    }


def torch() -> Versions:
    import torch
    from torch import func
    from torch.nn import functional

    def cross_entropy(w, x, y):
        return functional.cross_entropy(x @ w, y)

    def logistic(w, x, y):
        # Over all directions at once w X' is one product; of X w there would be one a direction.
        return functional.binary_cross_entropy_with_logits(w @ x.T, y)

    def gradient(x, y, w):
        slope, value = func.grad_and_value(cross_entropy)(w, x, y)
        return value, slope

    def jacobian(x, w1, b, w2):
        return func.jacrev(lambda x: w2 @ torch.tanh(w1 @ x + b))(x)

    def hessian_vector_product(x, y, w, v):
        return func.jvp(lambda w: func.grad(cross_entropy)(w, x, y), (w,), (v,))[1]

    def backprop(x, y, w1, b1, w2, b2, w3, b3):
        m = len(x)
        h1 = torch.tanh(torch.addmm(b1, x, w1))
        h2 = torch.tanh(torch.addmm(b2, h1, w2))
        e = torch.addmm(b3, h2, w3) - y
        d3 = e / m
        d2 = d3 @ w3.T * (1 - h2 * h2)
        d1 = d2 @ w2.T * (1 - h1 * h1)
        loss = e.square().sum() / (2 * m)
        return loss, x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)

    def finite_difference(f, dx, dy):
        return torch.gradient(f, spacing=(dx.item(), dy.item()), edge_order=2)

    def simpson(f, h):
        odd, even = f[:, 1::2].sum(dim=1), f[:, 2:-1:2].sum(dim=1)
        return h / 3 * (f[:, 0] + 4 * odd + 2 * even + f[:, -1])

    def gauss_legendre(t, w, s, a, b):
        x = (s / 2)[:, None] * (1 + t)
        return s / 2 * ((-a[:, None] * x).exp() * (b[:, None] * x).cos()).mv(w)

    def monte_carlo_integral(x, a, c):
        f = torch.addmm(c[:, None], a, x.T).cos()
        mean = f.mean(dim=1)
        # torch.std goes entry by entry, and takes many times as long as two passes.
        deviation = torch.linalg.vector_norm(f.sub_(mean[:, None]), dim=1)
        return mean, deviation / math.sqrt(len(x) * (len(x) - 1))

    return {
        "gradient": gradient,
        "jacobian": jacobian,
        "hessian": lambda x, y, w: func.hessian(logistic)(w, x, y),
        "hessian_vector_product": hessian_vector_product,
        "backprop": backprop,
        "finite_difference": finite_difference,
        "simpson": simpson,
        "cumulative_integral": lambda f, h: torch.cumulative_trapezoid(f, dim=1) * h,
        "gauss_legendre": gauss_legendre,
        "monte_carlo_integral": monte_carlo_integral,
    }


def jax() -> Versions:
    import jax
    from jax import nn
    from jax import numpy as jnp

    def cross_entropy(w, x, y):
        return -(y * nn.log_softmax(x @ w)).sum() / len(x)

    def logistic(w, x, y):
        z = w @ x.T
        return jnp.mean(nn.softplus(z) - y * z)

    def jacobian(x, w1, b, w2):
        return jax.jacrev(lambda x: w2 @ jnp.tanh(w1 @ x + b))(x)

    def hessian_vector_product(x, y, w, v):
        return jax.jvp(lambda w: jax.grad(cross_entropy)(w, x, y), (w,), (v,))[1]

    def backprop(x, y, w1, b1, w2, b2, w3, b3):
        m = len(x)
        h1 = jnp.tanh(x @ w1 + b1)
        h2 = jnp.tanh(h1 @ w2 + b2)
        e = h2 @ w3 + b3 - y
        d3 = e / m
        d2 = d3 @ w3.T * (1 - h2 * h2)
        d1 = d2 @ w2.T * (1 - h1 * h1)
        loss = (e * e).sum() / (2 * m)
        return loss, x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)

    def finite_difference(f, dx, dy):
        first, last = 4 * f[1:2] - 3 * f[:1] - f[2:3], 3 * f[-1:] - 4 * f[-2:-1] + f[-3:-2]
        down = jnp.concatenate([first, f[2:] - f[:-2], last]) / (2 * dx)
        first = 4 * f[:, 1:2] - 3 * f[:, :1] - f[:, 2:3]
        last = 3 * f[:, -1:] - 4 * f[:, -2:-1] + f[:, -3:-2]
        across = jnp.concatenate([first, f[:, 2:] - f[:, :-2], last], axis=1) / (2 * dy)
        return down, across

    def simpson(f, h):
        return h / 3 * (f[:, 0] + 4 * f[:, 1::2].sum(1) + 2 * f[:, 2:-1:2].sum(1) + f[:, -1])

    def gauss_legendre(t, w, s, a, b):
        x = (s / 2)[:, None] * (1 + t)
        return s / 2 * (jnp.exp(-a[:, None] * x) * jnp.cos(b[:, None] * x) @ w)

    def monte_carlo_integral(x, a, c):
        f = jnp.cos(a @ x.T + c[:, None])
        return f.mean(axis=1), f.std(axis=1, ddof=1) / math.sqrt(len(x))

    return {
        "gradient": lambda x, y, w: jax.value_and_grad(cross_entropy)(w, x, y),
        "jacobian": jacobian,
        "hessian": lambda x, y, w: jax.hessian(logistic)(w, x, y),
        "hessian_vector_product": hessian_vector_product,
        "backprop": backprop,
        "finite_difference": finite_difference,
        "simpson": simpson,
        "cumulative_integral": lambda f, h: h / 2 * jnp.cumsum(f[:, :-1] + f[:, 1:], axis=1),
        "gauss_legendre": gauss_legendre,
        "monte_carlo_integral": monte_carlo_integral,
    }
