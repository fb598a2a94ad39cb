"""What people use otherwise, as backends: scikit-learn, SciPy, torch.nn, torch.optim and optax.

A file of backends like any user's. Each takes the inputs of a kernel as its package wants them, and
returns the kernel's outputs, so that the same oracle judges both.
"""

import functools
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from xpbench import Unsupported
from xpbench.bench import registry
from xpbench.bench.backend import Backend, Setting

Versions = dict[str, Callable[..., Any]]

KERNELS = (
    "pca_fit",
    "ridge_fit",
    "gaussian_nb_fit",
    "gmm_fit",
    "knn",
    "t_test",
    "momentum",
    "adam",
    "attention",
    "conv2d",
    "layer_norm",
    "lasso_fit",
    "logistic_fit",
    "svm_fit",
    "kmeans_fit",
    "bootstrap_fit",
)
"""Those of the suite, and those of ``to_optimum``, which a package solves."""


def scikit_learn() -> Versions:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso, LogisticRegression, Ridge
    from sklearn.mixture import GaussianMixture
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    # What is given a number of steps warns that it has not converged.
    warnings.simplefilter("ignore", ConvergenceWarning)

    def pca(x: Any, *, k: int) -> Any:
        # By default it takes X'X - n m m' for the covariance, of which float32 leaves three digits here.
        model = PCA(n_components=k, svd_solver="full")
        scores = model.fit_transform(x)
        return model.components_, model.explained_variance_, scores

    def gaussian_nb(x: Any, y: Any, t: Any, *, classes: int) -> Any:
        model = GaussianNB().fit(x, y)
        return model.theta_, model.var_, model.predict_joint_log_proba(t)

    def gmm(x: Any, means: Any, *, steps: int) -> Any:
        clusters, d = means.shape
        model = GaussianMixture(
            n_components=clusters,
            max_iter=steps,
            tol=0.0,
            random_state=0,
            weights_init=np.full(clusters, 1 / clusters, dtype=x.dtype),
            means_init=means,
            precisions_init=np.broadcast_to(np.eye(d, dtype=x.dtype), (clusters, d, d)),
        ).fit(x)
        bounds = np.asarray(model.lower_bounds_, dtype=x.dtype)
        return model.weights_, model.means_, model.covariances_, bounds

    def knn(x: Any, y: Any, t: Any, *, k: int, classes: int) -> Any:
        model = KNeighborsClassifier(n_neighbors=k, algorithm="brute").fit(x, y)
        distances, neighbours = model.kneighbors(t)
        votes = np.apply_along_axis(np.bincount, 1, y[neighbours], minlength=classes)
        return np.argmax(votes, axis=1), neighbours, (distances**2).astype(x.dtype)

    def ridge(x: Any, y: Any, penalty: Any) -> Any:
        return Ridge(alpha=float(penalty), fit_intercept=False).fit(x, y).coef_

    def lasso(x: Any, y: Any, l1: Any, eta: Any, *, steps: int) -> Any:
        # Its tolerance is a share of |y|^2, ours of the objective.
        model = Lasso(
            alpha=float(l1) / len(x), fit_intercept=False, precompute=True, tol=1e-5, random_state=0
        )
        return model.fit(x, y).coef_

    def logistic(x: Any, y: Any, penalty: Any, *, steps: int) -> Any:
        strength = 1 / (len(x) * float(penalty))
        model = LogisticRegression(C=strength, fit_intercept=False, random_state=0)
        return model.fit(x, y).coef_[0].astype(x.dtype)

    def svm(x: Any, y: Any, queries: Any, gamma: Any, penalty: Any, *, steps: int) -> Any:
        model = SVC(C=float(penalty), gamma=float(gamma), random_state=0).fit(x, y)
        b = np.zeros_like(y)
        b[model.support_] = model.dual_coef_[0]
        decisions = model.decision_function(queries).astype(x.dtype)
        return b, decisions, np.asarray(model.intercept_[0], dtype=x.dtype)

    def kmeans(x: Any, centres: Any, tolerance: Any) -> Any:
        model = KMeans(len(centres), init=centres, n_init=1, random_state=0).fit(x)
        labels = model.labels_.astype(np.int64)
        return model.cluster_centers_, labels, np.asarray(model.inertia_, dtype=x.dtype)

    return {
        "pca_fit": pca,
        "ridge_fit": ridge,
        "gaussian_nb_fit": gaussian_nb,
        "gmm_fit": gmm,
        "knn": knn,
        "lasso_fit": lasso,
        "logistic_fit": logistic,
        "svm_fit": svm,
        "kmeans_fit": kmeans,
    }


def scipy() -> Versions:
    from scipy import stats

    def t_test(a: Any, b: Any) -> Any:
        found = stats.ttest_ind(a, b, axis=1, equal_var=False)
        return found.statistic, found.df, found.pvalue

    def bootstrap(x: Any, key: Any, *, r: int) -> Any:
        found = stats.bootstrap(
            (x,),
            np.mean,
            n_resamples=r,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(key),
        )
        interval = found.confidence_interval
        return interval.low.astype(x.dtype), interval.high.astype(x.dtype)

    return {"t_test": t_test, "bootstrap_fit": bootstrap}


def torch_nn() -> Versions:
    from torch.nn import functional

    return {
        "attention": lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        "conv2d": lambda x, w: functional.conv2d(x, w, padding=w.shape[-1] // 2),
        "layer_norm": lambda x, gain, bias: functional.layer_norm(x, gain.shape, gain, bias, 1e-5),
    }


def torch_optim() -> Versions:
    import torch
    from torch.nn import functional

    def descend(make: Callable[..., Any], x: Any, y: Any) -> Any:
        w = torch.zeros(x.shape[2], dtype=x.dtype, requires_grad=True)
        optimizer = make([w])
        with torch.enable_grad():
            for rows, labels in zip(x, y, strict=True):
                optimizer.zero_grad()
                functional.soft_margin_loss(rows @ w, labels).backward()
                optimizer.step()
        return w.detach()

    def momentum(x: Any, y: Any, eta: Any, mu: Any) -> Any:
        return descend(lambda w: torch.optim.SGD(w, lr=eta.item(), momentum=mu.item()), x, y)

    def adam(x: Any, y: Any, eta: Any, beta1: Any, beta2: Any) -> Any:
        betas = (beta1.item(), beta2.item())
        return descend(lambda w: torch.optim.Adam(w, lr=eta.item(), betas=betas), x, y)

    return {"momentum": momentum, "adam": adam}


def optax() -> Versions:
    import importlib

    import jax
    from jax import lax, nn
    from jax import numpy as jnp

    package: Any = importlib.import_module("optax")

    def loss(w: Any, x: Any, y: Any) -> Any:
        return jnp.mean(nn.softplus(-y * (x @ w)))

    def descend(optimizer: Any, x: Any, y: Any) -> Any:
        def step(state: Any, batch: Any) -> Any:
            w, memory = state
            updates, memory = optimizer.update(jax.grad(loss)(w, *batch), memory, w)
            return (package.apply_updates(w, updates), memory), None

        w = jnp.zeros_like(x[0, 0])
        return lax.scan(step, (w, optimizer.init(w)), (x, y))[0][0]

    def momentum(x: Any, y: Any, eta: Any, mu: Any) -> Any:
        return descend(package.sgd(eta, momentum=mu), x, y)

    def adam(x: Any, y: Any, eta: Any, beta1: Any, beta2: Any) -> Any:
        return descend(package.adam(eta, beta1, beta2), x, y)

    return {"momentum": momentum, "adam": adam}


def rival(
    base: type[Backend], called: str, versions: Callable[[], Versions], package: str, *installed: str
) -> type[Backend]:
    """A backend on the arrays of ``base`` that calls another package in the place of our kernels."""
    found = functools.cache(versions)

    class Rival(base):  # type: ignore[misc, valid-type]
        name: ClassVar[str] = called
        default: ClassVar[bool] = False
        distributions: ClassVar[tuple[str, ...]] = (*installed, *base.distributions)

        def unusable(self) -> str | None:
            if importlib.util.find_spec(package) is None:
                return f'{called} is not installed: python -m pip install "xpbench[rivals]"'
            reason: str | None = super().unusable()
            return reason

        def load(self, setting: Setting) -> None:
            super().load(setting)
            # Packages draw random numbers as they are imported, which would be a fault of a case.
            found()

        def compile(self, function: Any) -> Callable[..., Any]:
            kernel = function.func.__name__
            if kernel not in found():
                raise Unsupported(f"{called} has nothing that does {kernel}")
            compiled: Callable[..., Any] = super().compile(
                functools.partial(found()[kernel], **function.keywords)
            )
            return compiled

    # The registry takes a class for a file's own by its module.
    Rival.__module__ = __name__
    return Rival


_numpy, _torch, _jax = (type(registry.find().backends[name]) for name in ("numpy", "torch", "jax"))
ScikitLearn = rival(_numpy, "scikit-learn", scikit_learn, "sklearn", "scikit-learn")
SciPy = rival(_numpy, "scipy", scipy, "scipy", "scipy")
TorchNN = rival(_torch, "torch.nn", torch_nn, "torch")
TorchOptim = rival(_torch, "torch.optim", torch_optim, "torch")
Optax = rival(_jax, "optax", optax, "optax", "optax")
