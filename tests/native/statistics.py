"""Moments, quantiles, tests, resampling, scores of classifiers, and what is done to data before."""

from collections.abc import Callable
from typing import Any

Versions = dict[str, Callable[..., Any]]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def numpy() -> Versions:
    import numpy as np
    from scipy import special

    def covariance(x):
        # np.cov makes a copy more, and a transposed one.
        x = x - x.mean(axis=0)
        return x.T @ x / (len(x) - 1)

    def moments(x):
        n = len(x)
        mean = x.mean(axis=0)
        d = x - mean
        square = d * d
        total = square.sum(axis=0)
        second, variance = total / n, total / (n - 1)
        skewness = np.einsum("ij,ij->j", square, d) / n / second**1.5
        kurtosis = np.einsum("ij,ij->j", square, square) / n / second**2
        return mean, variance, np.sqrt(variance), skewness, kurtosis

    def t_test(a, b):
        n, k = a.shape[1], b.shape[1]
        v_a, v_b = a.var(axis=1, ddof=1) / n, b.var(axis=1, ddof=1) / k
        v = v_a + v_b
        t = (a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(v)
        dof = v**2 / (v_a**2 / (n - 1) + v_b**2 / (k - 1))
        return t, dof, 2 * special.stdtr(dof, -np.abs(t))

    def permutation_test(x, members):
        n, k = len(x), members[0].sum()
        differences = members @ (x - x.mean(axis=0)) * (n / (k * (n - k)))
        observed = differences[0]
        return observed, np.mean(np.abs(differences) >= np.abs(observed), axis=0, dtype=x.dtype)

    def interpolated(x, levels):
        ranks = [divmod(level * (x.shape[-1] - 1), 1) for level in levels]
        lower = [int(k) for k, _ in ranks]
        x = np.sort(x, axis=-1)  # faster than np.partition, which is not vectorised
        pairs = ((x[..., k], x[..., k + 1], rank[1]) for k, rank in zip(lower, ranks, strict=True))
        return np.stack([low + t * (high - low) for low, high, t in pairs])

    def bootstrap_ci(x, draws):
        means = x[draws].mean(axis=1)
        low, high = interpolated(means, (0.025, 0.975))
        return low, high, means.std(ddof=1)

    def confusion_matrix(truth, predicted, *, k):
        return np.bincount(truth * k + predicted, minlength=k * k).reshape(k, k)

    def roc_auc(scores, labels):
        order = np.argsort(scores)
        s, positive = scores[order], labels[order]
        counts = np.concatenate([[0], np.cumsum(1 - positive)])
        below, not_above = (counts[np.searchsorted(s, s, side)] for side in ("left", "right"))
        share = positive @ ((below + not_above) / (2 * counts[-1])) / positive.sum()
        return share.astype(scores.dtype)

    def standardize(x):
        # From the first row, so that constant columns have no spread.
        first = x[0].copy()
        x = x - first
        mean = x.mean(axis=0)
        x -= mean
        scale = np.sqrt(np.einsum("ij,ij->j", x, x) / len(x))
        scale[scale == 0] = 1
        x /= scale
        return x, first + mean, scale

    def min_max_scale(x):
        low, high = x.min(axis=0), x.max(axis=0)
        span = high - low
        return (x - low) / np.where(span > 0, span, 1), low, high

    def impute(x):
        missing = np.isnan(x)
        y = np.where(missing, 0, x)
        mean = y.sum(axis=0) / np.maximum(len(x) - missing.sum(axis=0), 1, dtype=x.dtype)
        np.copyto(y, mean, where=missing)
        return y, mean

    def train_test_split(x, y, permutation, *, test):
        held, kept = permutation[:test], permutation[test:]
        return x[kept], x[held], y[kept], y[held]

    def polynomial_features(x):
        n, d = x.shape
        features = np.empty((n, 1 + d + d * (d + 1) // 2), x.dtype)
        features[:, 0] = 1
        features[:, 1 : d + 1] = x
        place = d + 1
        for i in range(d):
            np.multiply(x[:, i, None], x[:, i:], out=features[:, place : place + d - i])
            place += d - i
        return features

    return {
        "covariance": covariance,
        "moments": moments,
        "median": lambda x: np.sort(x, axis=1)[:, [(x.shape[1] - 1) // 2, x.shape[1] // 2]].mean(axis=1),
        "quantiles": lambda x: interpolated(x, LEVELS),
        "t_test": t_test,
        "permutation_test": permutation_test,
        "bootstrap_ci": bootstrap_ci,
        "confusion_matrix": confusion_matrix,
        "roc_auc": roc_auc,
        "standardize": standardize,
        "min_max_scale": min_max_scale,
        "impute": impute,
        "train_test_split": train_test_split,
        "polynomial_features": polynomial_features,
    }


def torch() -> Versions:
    import torch

    def moments(x):
        n = len(x)
        mean = x.mean(dim=0)
        d = x - mean
        square = d * d
        total = square.sum(dim=0)
        second, variance = total / n, total / (n - 1)
        skewness = (square * d).mean(dim=0) / second**1.5
        return mean, variance, variance.sqrt(), skewness, square.square().mean(dim=0) / second**2

    def permutation_test(x, members):
        n, k = len(x), members[0].sum()
        differences = members @ (x - x.mean(dim=0)) * (n / (k * (n - k)))
        observed = differences[0]
        return observed, (differences.abs() >= observed.abs()).to(x.dtype).mean(dim=0)

    def interpolated(x, levels):
        x = torch.sort(x, dim=-1).values
        ranks = [divmod(level * (x.shape[-1] - 1), 1) for level in levels]
        return torch.stack([torch.lerp(x[..., int(k)], x[..., int(k) + 1], t) for k, t in ranks])

    def bootstrap_ci(x, draws):
        means = x[draws].mean(dim=1)
        low, high = interpolated(means, (0.025, 0.975))
        return low, high, means.std()

    def roc_auc(scores, labels):
        s, order = torch.sort(scores)
        positive = labels[order]
        counts = torch.cat([positive.new_zeros(1), torch.cumsum(1 - positive, 0)])
        below, not_above = (counts[torch.searchsorted(s, s, side=side)] for side in ("left", "right"))
        return positive @ ((below + not_above) / (2 * counts[-1])) / positive.sum()

    def standardize(x):
        # From the first row, so that constant columns have no spread.
        first = x[0]
        x = x - first
        mean = x.mean(dim=0)
        x -= mean
        scale = x.square().mean(dim=0).sqrt_()
        scale = torch.where(scale > 0, scale, 1)
        return x.div_(scale), first + mean, scale

    def min_max_scale(x):
        low, high = torch.aminmax(x, dim=0)
        span = high - low
        return (x - low) / torch.where(span > 0, span, 1), low, high

    def impute(x):
        mean = torch.nanmean(x, dim=0).nan_to_num_()
        return torch.where(torch.isnan(x), mean, x), mean

    def train_test_split(x, y, permutation, *, test):
        held, kept = permutation[:test], permutation[test:]
        return x[kept], x[held], y[kept], y[held]

    def polynomial_features(x):
        n, d = x.shape
        products = [x[:, j : j + 1] * x[:, j:] for j in range(d)]
        return torch.cat([x.new_ones(n, 1), x, *products], dim=1)

    def confusion_matrix(truth, predicted, *, k):
        return torch.bincount(truth * k + predicted, minlength=k * k).view(k, k)

    return {
        "covariance": lambda x: torch.cov(x.T),
        "moments": moments,
        "median": lambda x: torch.quantile(x, 0.5, dim=1),
        "quantiles": lambda x: interpolated(x, LEVELS),
        "permutation_test": permutation_test,
        "bootstrap_ci": bootstrap_ci,
        "confusion_matrix": confusion_matrix,
        "roc_auc": roc_auc,
        "standardize": standardize,
        "min_max_scale": min_max_scale,
        "impute": impute,
        "train_test_split": train_test_split,
        "polynomial_features": polynomial_features,
    }


def jax() -> Versions:
    from jax import numpy as jnp
    from jax.scipy import special

    def moments(x):
        n = len(x)
        mean = x.mean(axis=0)
        d = x - mean
        square = d * d
        total = square.sum(axis=0)
        second, variance = total / n, total / (n - 1)
        skewness = (square * d).mean(axis=0) / second**1.5
        return mean, variance, jnp.sqrt(variance), skewness, (square**2).mean(axis=0) / second**2

    def t_test(a, b):
        n, k = a.shape[1], b.shape[1]
        v_a, v_b = a.var(axis=1, ddof=1) / n, b.var(axis=1, ddof=1) / k
        v = v_a + v_b
        t = (a.mean(axis=1) - b.mean(axis=1)) / jnp.sqrt(v)
        dof = v**2 / (v_a**2 / (n - 1) + v_b**2 / (k - 1))
        square = t * t
        near, half = square < 2, jnp.full_like(t, 0.5)
        first, second = jnp.where(near, half, dof / 2), jnp.where(near, dof / 2, half)
        found = special.betainc(first, second, jnp.where(near, square, dof) / (dof + square))
        return t, dof, jnp.where(near, 1 - found, found)

    def permutation_test(x, members):
        n, k = len(x), members[0].sum()
        differences = members @ (x - x.mean(axis=0)) * (n / (k * (n - k)))
        observed = differences[0]
        return observed, jnp.mean(jnp.abs(differences) >= jnp.abs(observed), axis=0, dtype=x.dtype)

    def interpolated(x, levels):
        x = jnp.sort(x, axis=-1)
        ranks = [divmod(level * (x.shape[-1] - 1), 1) for level in levels]
        pairs = ((x[..., int(k)], x[..., int(k) + 1], t) for k, t in ranks)
        return jnp.stack([low + t * (high - low) for low, high, t in pairs])

    def bootstrap_ci(x, draws):
        means = x[draws].mean(axis=1)
        low, high = interpolated(means, (0.025, 0.975))
        return low, high, means.std(ddof=1)

    def confusion_matrix(truth, predicted, *, k):
        return jnp.bincount(truth * k + predicted, length=k * k).reshape(k, k)

    def roc_auc(scores, labels):
        order = jnp.argsort(scores)
        s, positive = scores[order], labels[order]
        counts = jnp.concatenate([jnp.zeros(1, positive.dtype), jnp.cumsum(1 - positive)])
        below, not_above = (counts[jnp.searchsorted(s, s, side=side)] for side in ("left", "right"))
        return positive @ ((below + not_above) / (2 * counts[-1])) / positive.sum()

    def standardize(x):
        # From the first row, so that constant columns have no spread.
        first = x[0]
        x = x - first
        mean = x.mean(axis=0)
        x = x - mean
        scale = jnp.sqrt((x * x).mean(axis=0))
        scale = jnp.where(scale > 0, scale, 1)
        return x / scale, first + mean, scale

    def min_max_scale(x):
        low, high = x.min(axis=0), x.max(axis=0)
        span = high - low
        return (x - low) / jnp.where(span > 0, span, 1), low, high

    def impute(x):
        mean = jnp.nan_to_num(jnp.nanmean(x, axis=0))
        return jnp.where(jnp.isnan(x), mean, x), mean

    def train_test_split(x, y, permutation, *, test):
        held, kept = permutation[:test], permutation[test:]
        return x[kept], x[held], y[kept], y[held]

    def polynomial_features(x):
        n, d = x.shape
        products = [x[:, j : j + 1] * x[:, j:] for j in range(d)]
        return jnp.concatenate([jnp.ones((n, 1), x.dtype), x, *products], axis=1)

    return {
        "covariance": lambda x: jnp.cov(x, rowvar=False),
        "moments": moments,
        "median": lambda x: jnp.median(x, axis=1),
        "quantiles": lambda x: interpolated(x, LEVELS),
        "t_test": t_test,
        "permutation_test": permutation_test,
        "bootstrap_ci": bootstrap_ci,
        "confusion_matrix": confusion_matrix,
        "roc_auc": roc_auc,
        "standardize": standardize,
        "min_max_scale": min_max_scale,
        "impute": impute,
        "train_test_split": train_test_split,
        "polynomial_features": polynomial_features,
    }
