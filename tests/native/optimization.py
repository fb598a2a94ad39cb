"""Descent and its kin, Newton, coordinate and proximal methods, and the training of networks."""

from collections.abc import Callable
from typing import Any

Versions = dict[str, Callable[..., Any]]


def numpy() -> Versions:
    import numpy as np
    from scipy import linalg, special

    def gradient_descent(x, y, eta, *, steps):
        n, w = len(x), np.zeros_like(x[0])
        for _ in range(steps):
            w -= eta / n * ((special.expit(x @ w) - y) @ x)
        return w

    def slope(w, x, y):
        return (y * special.expit(-y * (x @ w))) @ x / -len(y)

    def momentum(x, y, eta, mu):
        w = np.zeros_like(x[0, 0])
        b = np.zeros_like(w)
        for rows, labels in zip(x, y, strict=True):
            b *= mu
            b += slope(w, rows, labels)
            w -= eta * b
        return w

    def rmsprop(x, y, eta, alpha):
        w = np.zeros_like(x[0, 0])
        v = np.zeros_like(w)
        for rows, labels in zip(x, y, strict=True):
            g = slope(w, rows, labels)
            v = alpha * v + (1 - alpha) * g * g
            w -= eta * g / (np.sqrt(v) + 1e-8)
        return w

    def adam(x, y, eta, beta1, beta2):
        w = np.zeros_like(x[0, 0])
        m, v = np.zeros_like(w), np.zeros_like(w)
        for t, (rows, labels) in enumerate(zip(x, y, strict=True), 1):
            g = slope(w, rows, labels)
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            w -= eta / (1 - beta1**t) * m / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        return w

    def sgd(x, y, order, eta):
        w = np.zeros_like(x[0])
        for row, rate in zip(y[order, None] * x[order], eta, strict=True):
            w += rate / (1 + np.exp(row @ w)) * row
        return w

    def minibatch_sgd(x, y, order, eta):
        w, rate = np.zeros_like(x[0]), eta / order.shape[1]
        for batch in order:
            rows, labels = x[batch], y[batch]
            w += rate * ((labels * special.expit(-labels * (rows @ w))) @ rows)
        return w

    def newton(x, y, penalty, *, steps):
        n, d = x.shape
        w, iterates = np.zeros_like(x[0]), np.empty((steps, d), x.dtype)
        diagonal = np.arange(d)
        for t in range(steps):
            p = special.expit(x @ w)
            # A matrix times its own transpose is half the work.
            rows = x * np.sqrt(p * (1 - p) / n)[:, None]
            h = rows.T @ rows
            h[diagonal, diagonal] += penalty
            g = (p - y) @ x / n + penalty * w
            w = w - np.linalg.solve(h, g)
            iterates[t] = w
        return iterates

    def fista(gram, right, shrink, eta, beta):
        w = before = np.zeros_like(right)
        for momentum in beta:
            z = w + momentum * (w - before)
            before, w = w, shrink(z - eta * (gram @ z - right))
        return w

    def lasso(x, y, l1, eta, beta):
        threshold = eta * l1
        w = fista(x.T @ x, x.T @ y, lambda v: v - np.clip(v, -threshold, threshold), eta, beta)
        r = x @ w - y
        return w, r @ r / 2 + l1 * np.abs(w).sum()

    def ridge(x, y, penalty):
        d = x.shape[1]
        stacked = np.concatenate([x, np.sqrt(penalty) * np.eye(d, dtype=x.dtype)])
        target = np.concatenate([y, np.zeros(d, y.dtype)])
        return linalg.lapack.get_lapack_funcs(("gels",), (stacked,))[0](stacked, target)[1][:d]

    def projected_gradient(q, c, lower, upper, eta, *, steps):
        x = (lower + upper) / 2
        for _ in range(steps):
            x = np.clip(x - eta * (q @ x - c), lower, upper)
        return x, np.linalg.norm(np.clip(x - eta * (q @ x - c), lower, upper) - x)

    def logistic_loss(x, y, w):
        # np.logaddexp goes entry by entry.
        z = w @ x.T
        z *= -y
        e = np.exp(-np.abs(z))
        return np.mean(np.maximum(z, 0) + np.log1p(e, out=e), axis=1)

    return {
        "gradient_descent": gradient_descent,
        "momentum": momentum,
        "rmsprop": rmsprop,
        "adam": adam,
        "sgd": sgd,
        "minibatch_sgd": minibatch_sgd,
        "newton": newton,
        "lasso": lasso,
        "ridge": ridge,
        "projected_gradient": projected_gradient,
        "logistic_loss": logistic_loss,
    }


def torch() -> Versions:
    import torch
    from torch.nn import functional

    def gradient_descent(x, y, eta, *, steps):
        w, rate = x.new_zeros(x.shape[1]), eta / len(x)
        for _ in range(steps):
            w = w - rate * ((torch.sigmoid(x.mv(w)) - y) @ x)
        return w

    def slope(w, x, y):
        return (y * torch.sigmoid(-y * x.mv(w))) @ x / -len(y)

    def momentum(x, y, eta, mu):
        w = x.new_zeros(x.shape[2])
        b = torch.zeros_like(w)
        for rows, labels in zip(x, y, strict=True):
            b = mu * b + slope(w, rows, labels)
            w = w - eta * b
        return w

    def rmsprop(x, y, eta, alpha):
        w = x.new_zeros(x.shape[2])
        v = torch.zeros_like(w)
        for rows, labels in zip(x, y, strict=True):
            g = slope(w, rows, labels)
            v = torch.lerp(g * g, v, alpha)
            w = w - eta * g / (v.sqrt() + 1e-8)
        return w

    def adam(x, y, eta, beta1, beta2):
        w = x.new_zeros(x.shape[2])
        m, v = torch.zeros_like(w), torch.zeros_like(w)
        for t, (rows, labels) in enumerate(zip(x, y, strict=True), 1):
            g = slope(w, rows, labels)
            m = torch.lerp(g, m, beta1)
            v = torch.lerp(g * g, v, beta2)
            w = w - eta / (1 - beta1**t) * m / ((v / (1 - beta2**t)).sqrt() + 1e-8)
        return w

    def sgd(x, y, order, eta):
        w = x.new_zeros(x.shape[1])
        for row, rate in zip(y[order, None] * x[order], eta, strict=True):
            w = w + rate / (1 + row.dot(w).exp()) * row
        return w

    def minibatch_sgd(x, y, order, eta):
        w, rate = x.new_zeros(x.shape[1]), eta / order.shape[1]
        for batch in order:
            rows, labels = x[batch], y[batch]
            w = w + rate * ((labels * torch.sigmoid(-labels * rows.mv(w))) @ rows)
        return w

    def newton(x, y, penalty, *, steps):
        def loss(w):
            # Over all directions at once w X' is one product; of X w there would be one a direction.
            fit = functional.binary_cross_entropy_with_logits(w @ x.T, y)
            return fit + penalty / 2 * w.dot(w)

        # By differentiation, as ours; by hand it would be another algorithm.
        slope, curvature = torch.func.grad(loss), torch.func.hessian(loss)
        w, iterates = x.new_zeros(x.shape[1]), []
        for _ in range(steps):
            w = w - torch.linalg.solve(curvature(w), slope(w))
            iterates.append(w)
        return torch.stack(iterates)

    def lasso(x, y, l1, eta, beta):
        gram, right, threshold = x.T @ x, x.T.mv(y), (eta * l1).item()
        w = before = torch.zeros_like(right)
        for momentum in beta:
            z = w + momentum * (w - before)
            before, w = w, functional.softshrink(z - eta * (gram.mv(z) - right), threshold)
        r = x.mv(w) - y
        return w, r.dot(r) / 2 + l1 * w.abs().sum()

    def ridge(x, y, penalty):
        d = x.shape[1]
        stacked = torch.cat([x, penalty.sqrt() * torch.eye(d, dtype=x.dtype)])
        return torch.linalg.lstsq(stacked, torch.cat([y, y.new_zeros(d)])[:, None]).solution[:, 0]

    def projected_gradient(q, c, lower, upper, eta, *, steps):
        x = (lower + upper) / 2
        for _ in range(steps):
            x = torch.clamp(x - eta * (q.mv(x) - c), lower, upper)
        return x, torch.linalg.vector_norm(torch.clamp(x - eta * (q.mv(x) - c), lower, upper) - x)

    def logistic_loss(x, y, w):
        # Its softplus is the argument itself from 20 on, which is no float64.
        return -functional.logsigmoid(y * (w @ x.T)).mean(dim=1)

    return {
        "gradient_descent": gradient_descent,
        "momentum": momentum,
        "rmsprop": rmsprop,
        "adam": adam,
        "sgd": sgd,
        "minibatch_sgd": minibatch_sgd,
        "newton": newton,
        "lasso": lasso,
        "ridge": ridge,
        "projected_gradient": projected_gradient,
        "logistic_loss": logistic_loss,
    }


def jax() -> Versions:
    import jax
    from jax import lax, nn
    from jax import numpy as jnp

    def gradient_descent(x, y, eta, *, steps):
        def step(_, w):
            return w - eta / len(x) * ((nn.sigmoid(x @ w) - y) @ x)

        return lax.fori_loop(0, steps, step, jnp.zeros_like(x[0]))

    def slope(w, x, y):
        return (y * nn.sigmoid(-y * (x @ w))) @ x / -len(y)

    def momentum(x, y, eta, mu):
        def step(state, batch):
            w, b = state
            b = mu * b + slope(w, *batch)
            return (w - eta * b, b), None

        zero = jnp.zeros_like(x[0, 0])
        return lax.scan(step, (zero, zero), (x, y))[0][0]

    def rmsprop(x, y, eta, alpha):
        def step(state, batch):
            w, v = state
            g = slope(w, *batch)
            v = alpha * v + (1 - alpha) * g * g
            return (w - eta * g / (jnp.sqrt(v) + 1e-8), v), None

        zero = jnp.zeros_like(x[0, 0])
        return lax.scan(step, (zero, zero), (x, y))[0][0]

    def adam(x, y, eta, beta1, beta2):
        def step(state, batch):
            w, m, v, power1, power2 = state
            g = slope(w, *batch)
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            power1, power2 = power1 * beta1, power2 * beta2
            w = w - eta * (m / (1 - power1)) / (jnp.sqrt(v / (1 - power2)) + 1e-8)
            return (w, m, v, power1, power2), None

        zero, one = jnp.zeros_like(x[0, 0]), jnp.ones_like(eta)
        return lax.scan(step, (zero, zero, zero, one, one), (x, y))[0][0]

    def sgd(x, y, order, eta):
        def step(w, drawn):
            row, rate = drawn
            return w + rate * nn.sigmoid(-(row @ w)) * row, None

        return lax.scan(step, jnp.zeros_like(x[0]), (y[order, None] * x[order], eta))[0]

    def minibatch_sgd(x, y, order, eta):
        rate = eta / order.shape[1]

        def step(w, batch):
            rows, labels = x[batch], y[batch]
            return w + rate * ((labels * nn.sigmoid(-labels * (rows @ w))) @ rows), None

        return lax.scan(step, jnp.zeros_like(x[0]), order)[0]

    def newton(x, y, penalty, *, steps):
        def loss(w):
            z = w @ x.T
            return jnp.mean(nn.softplus(z) - y * z) + penalty / 2 * (w @ w)

        gradient, hessian = jax.grad(loss), jax.hessian(loss)

        def step(w, _):
            w = w - jnp.linalg.solve(hessian(w), gradient(w))
            return w, w

        return lax.scan(step, jnp.zeros_like(x[0]), length=steps)[1]

    def lasso(x, y, l1, eta, beta):
        gram, right, threshold = x.T @ x, x.T @ y, eta * l1

        def step(state, momentum):
            w, before = state
            z = w + momentum * (w - before)
            v = z - eta * (gram @ z - right)
            return (v - jnp.clip(v, -threshold, threshold), w), None

        zero = jnp.zeros_like(right)
        w = lax.scan(step, (zero, zero), beta)[0][0]
        r = x @ w - y
        return w, r @ r / 2 + l1 * jnp.abs(w).sum()

    def ridge(x, y, penalty):
        d = x.shape[1]
        stacked = jnp.concatenate([x, jnp.sqrt(penalty) * jnp.eye(d, dtype=x.dtype)])
        # Of (a | b) the last column of R is Q'b: Q is never formed.
        r = jnp.linalg.qr(jnp.column_stack([stacked, jnp.append(y, jnp.zeros(d, y.dtype))]), mode="r")
        return jax.scipy.linalg.solve_triangular(r[:d, :d], r[:d, d])

    def projected_gradient(q, c, lower, upper, eta, *, steps):
        def step(_, x):
            return jnp.clip(x - eta * (q @ x - c), lower, upper)

        x = lax.fori_loop(0, steps, step, (lower + upper) / 2)
        return x, jnp.linalg.norm(step(0, x) - x)

    def logistic_loss(x, y, w):
        return nn.softplus(-y * (w @ x.T)).mean(axis=1)

    return {
        "gradient_descent": gradient_descent,
        "momentum": momentum,
        "rmsprop": rmsprop,
        "adam": adam,
        "sgd": sgd,
        "minibatch_sgd": minibatch_sgd,
        "newton": newton,
        "lasso": lasso,
        "ridge": ridge,
        "projected_gradient": projected_gradient,
        "logistic_loss": logistic_loss,
    }
