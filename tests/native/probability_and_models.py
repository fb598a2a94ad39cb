"""Distributions, entropies, the layers of networks, clusters and kernels."""

import math
from collections.abc import Callable
from typing import Any

Versions = dict[str, Callable[..., Any]]


def numpy() -> Versions:
    import numpy as np
    from scipy import special

    constant = np.log(2 * np.pi) / 2

    def normal(x, mu, sigma):
        z = (x - mu) / sigma
        return (
            -z * z / 2 - (np.log(sigma) + constant.astype(x.dtype)),
            special.ndtr(z),
            special.log_ndtr(z),
        )

    def exponential(x, rate):
        y = rate * x
        return np.log(rate) - y, -np.expm1(-y)

    def bayes_posterior(x, log_prior, log_true, log_false):
        s = x @ (log_true - log_false)
        s += log_prior + log_false.sum(axis=0)
        top = s.max(axis=1, keepdims=True)
        evidence = np.exp(s - top).sum(axis=1, keepdims=True)
        np.log(evidence, out=evidence)
        evidence += top
        s -= evidence
        return s, evidence[:, 0]

    def mutual_information(p):
        independent = p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True)
        return special.xlogy(p, p / np.where(p > 0, independent, 1)).sum(axis=(1, 2))

    def layer_norm(x, gain, bias):
        mean = x.mean(axis=-1, keepdims=True)
        y = x - mean
        variance = np.einsum("ij,ij->i", y, y)[:, None] / x.shape[-1]
        y /= np.sqrt(variance + 1e-5)
        y *= gain
        y += bias
        return y

    def attention(q, k, v):
        n, d = q.shape[-2:]
        scores = (q / np.sqrt(d).astype(q.dtype)) @ k.swapaxes(-1, -2)
        scores[..., np.triu(np.ones((n, n), dtype=bool), 1)] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return scores @ v

    def conv2d(x, w):
        (n, c, side, _), (o, _, k, _) = x.shape, w.shape
        out, r = side + 2 * (k // 2) - k + 1, k // 2
        padded = np.zeros((n, c, side + 2 * r, side + 2 * r), x.dtype)
        padded[:, :, r : r + side, r : r + side] = x
        windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3))
        patches = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * k * k, out * out)
        return (w.reshape(o, -1) @ patches).reshape(n, o, out, out)

    def softmax(x):
        y = np.exp(x - x.max(axis=-1, keepdims=True))
        y /= y.sum(axis=-1, keepdims=True)
        return y

    def rbf_kernel(x, y, gamma):
        k = x @ y.T
        k *= 2 * gamma
        k -= gamma * np.einsum("ij,ij->i", x, x)[:, None]
        k -= gamma * np.einsum("ij,ij->i", y, y)
        np.minimum(k, 0, out=k)
        return np.exp(k, out=k)

    def kmeans(x, centres, *, steps):
        c, clusters = centres, np.arange(len(centres))

        def nearest(c):
            return np.argmin(np.einsum("ij,ij->i", c, c) - 2 * x @ c.T, axis=1)

        for _ in range(steps):
            members = (nearest(c)[:, None] == clusters).astype(x.dtype)
            counts = members.sum(axis=0)[:, None]
            c = np.where(counts > 0, members.T @ x / np.maximum(counts, 1), c)
        labels = nearest(c)
        r = x - c[labels]
        return c, labels, np.vdot(r, r)

    def markov_simulation(p, start, uniforms):
        k, state = len(p), start
        bounds = np.cumsum(p, axis=1)[:, : k - 1]
        counts = np.zeros(k * k, dtype=start.dtype)
        for u in uniforms:
            new = (u[:, None] >= bounds[state]).sum(axis=1, dtype=start.dtype)
            counts += np.bincount(state * k + new, minlength=k * k)
            state = new
        return counts.reshape(k, k), state

    return {
        "normal": normal,
        "exponential": exponential,
        "bayes_posterior": bayes_posterior,
        "entropy": lambda p: -special.xlogy(p, p).sum(axis=1),
        "kl_divergence": lambda p, q: special.xlogy(p, p / np.where(p > 0, q, 1)).sum(axis=1),
        "mutual_information": mutual_information,
        "softmax": softmax,
        "layer_norm": layer_norm,
        "attention": attention,
        "conv2d": conv2d,
        "rbf_kernel": rbf_kernel,
        "kmeans": kmeans,
        "markov_simulation": markov_simulation,
    }


def torch() -> Versions:
    import torch
    from torch.nn import functional

    constant = math.log(2 * math.pi) / 2

    def normal(x, mu, sigma):
        z = (x - mu) / sigma
        log_density = -z * z / 2 - (sigma.log() + constant)
        # torch.special.ndtr is 1 + erf, and has no digit left in the lower tail.
        return log_density, torch.erfc(z * -(0.5**0.5)) / 2, torch.special.log_ndtr(z)

    def exponential(x, rate):
        y = rate * x
        return rate.log() - y, -torch.expm1(-y)

    def bayes_posterior(x, log_prior, log_true, log_false):
        s = torch.addmm(log_prior + log_false.sum(dim=0), x, log_true - log_false)
        evidence = torch.logsumexp(s, dim=1, keepdim=True)
        return s - evidence, evidence[:, 0]

    def kl_divergence(p, q):
        return torch.special.xlogy(p, p / torch.where(p > 0, q, 1)).sum(dim=1)

    def mutual_information(p):
        independent = p.sum(dim=2, keepdim=True) * p.sum(dim=1, keepdim=True)
        return (torch.special.xlogy(p, p) - torch.special.xlogy(p, independent)).sum(dim=(1, 2))

    def rbf_kernel(x, y, gamma):
        return torch.exp(-gamma * torch.cdist(x, y).square())

    def kmeans(x, centres, *, steps):
        c = centres

        def nearest(c):
            return torch.argmin(torch.addmm(c.square().sum(1), x, c.T, alpha=-2), dim=1)

        for _ in range(steps):
            labels = nearest(c)
            counts = torch.bincount(labels, minlength=len(c))[:, None]
            sums = torch.zeros_like(c).index_add_(0, labels, x)
            c = torch.where(counts > 0, sums / counts.clamp(min=1), c)
        labels = nearest(c)
        return c, labels, (x - c[labels]).square().sum()

    def markov_simulation(p, start, uniforms):
        k, state = len(p), start
        bounds = torch.cumsum(p, dim=1)[:, : k - 1].contiguous()
        counts = torch.zeros(k * k, dtype=start.dtype)
        for u in uniforms:
            new = (u[:, None] >= bounds[state]).sum(dim=1).to(start.dtype)
            counts += torch.bincount(state * k + new, minlength=k * k)
            state = new
        return counts.view(k, k), state

    return {
        "normal": normal,
        "exponential": exponential,
        "bayes_posterior": bayes_posterior,
        "entropy": lambda p: torch.special.entr(p).sum(dim=1),
        "kl_divergence": kl_divergence,
        "mutual_information": mutual_information,
        "softmax": lambda x: torch.softmax(x, dim=-1),
        "layer_norm": lambda x, gain, bias: functional.layer_norm(x, gain.shape, gain, bias, 1e-5),
        "attention": lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        "conv2d": lambda x, w: functional.conv2d(x, w, padding=w.shape[-1] // 2),
        "rbf_kernel": rbf_kernel,
        "kmeans": kmeans,
        "markov_simulation": markov_simulation,
    }


def jax() -> Versions:
    from jax import lax, nn
    from jax import numpy as jnp
    from jax.scipy import special, stats

    def normal(x, mu, sigma):
        z = (x - mu) / sigma
        # log_ndtr has 4e-9 of an error at -20 with the three terms of its default, and none above 1.
        lower = special.log_ndtr(jnp.minimum(z, 1), series_order=8)
        upper = jnp.log1p(-special.ndtr(-jnp.maximum(z, 1)))
        return stats.norm.logpdf(x, mu, sigma), special.ndtr(z), jnp.where(z > 1, upper, lower)

    def exponential(x, rate):
        y = rate * x
        return jnp.log(rate) - y, -jnp.expm1(-y)

    def bayes_posterior(x, log_prior, log_true, log_false):
        s = log_prior + log_false.sum(axis=0) + x @ (log_true - log_false)
        evidence = special.logsumexp(s, axis=1, keepdims=True)
        return s - evidence, evidence[:, 0]

    def mutual_information(p):
        independent = p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True)
        return special.rel_entr(p, independent).sum(axis=(1, 2))

    def layer_norm(x, gain, bias):
        # nn.standardize takes the variance for the mean square without the square of the mean.
        y = x - x.mean(axis=-1, keepdims=True)
        return y * lax.rsqrt((y * y).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias

    def attention(q, k, v):
        # nn.dot_product_attention takes its softmax in float32, whatever the dtype.
        n, d = q.shape[-2:]
        scores = (q / math.sqrt(d)) @ k.swapaxes(-1, -2)
        return nn.softmax(scores, where=jnp.tri(n, dtype=bool), axis=-1) @ v

    def conv2d(x, w):
        reach = w.shape[-1] // 2
        return lax.conv(x, w, (1, 1), [(reach, reach)] * 2)

    def rbf_kernel(x, y, gamma):
        squares = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * x @ y.T
        return jnp.exp(-gamma * jnp.maximum(squares, 0))

    def kmeans(x, centres, *, steps):
        def nearest(c):
            return jnp.argmin((c * c).sum(1) - 2 * x @ c.T, axis=1)

        def step(_, c):
            members = nn.one_hot(nearest(c), len(c), dtype=x.dtype)
            counts = members.sum(axis=0)[:, None]
            return jnp.where(counts > 0, members.T @ x / jnp.maximum(counts, 1), c)

        c = lax.fori_loop(0, steps, step, centres)
        labels = nearest(c)
        return c, labels, ((x - c[labels]) ** 2).sum()

    def markov_simulation(p, start, uniforms):
        k = len(p)
        bounds = jnp.cumsum(p, axis=1)[:, : k - 1]

        def step(state, u):
            new = (u[:, None] >= bounds[state]).sum(axis=1, dtype=state.dtype)
            return new, state * k + new

        last, moves = lax.scan(step, start, uniforms)
        return jnp.bincount(moves.reshape(-1), length=k * k).reshape(k, k), last

    return {
        "normal": normal,
        "exponential": exponential,
        "bayes_posterior": bayes_posterior,
        "entropy": lambda p: special.entr(p).sum(axis=1),
        "kl_divergence": lambda p, q: special.rel_entr(p, q).sum(axis=1),
        "mutual_information": mutual_information,
        "softmax": nn.softmax,
        "layer_norm": layer_norm,
        "attention": attention,
        "conv2d": conv2d,
        "rbf_kernel": rbf_kernel,
        "kmeans": kmeans,
        "markov_simulation": markov_simulation,
    }
