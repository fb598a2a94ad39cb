"""Faults in the draws of random numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from planted import Fault, algorithm, result
from xpbench.kernels import sampling

KERNELS = ("bernoulli", "binomial", "poisson", "normal", "exponential")


def kernel(name: str) -> Callable[..., Any]:
    return getattr(sampling, f"sample_{name}")


def scaled(name: str, factor: float) -> Callable[..., Any]:
    """Draws with another chance, rate or deviation: the last parameter times ``factor``."""

    def compute(xp, key, *parameters, **static):
        *others, last = parameters
        return kernel(name)(xp, key, *others, last * last.dtype.type(factor), **static)

    return compute


def halved(name: str) -> Callable[..., Any]:
    """Half of the draws, and then the same again."""

    def compute(xp, key, *parameters, n, **static):
        once = kernel(name)(xp, key, *parameters, n=(n + 1) // 2, **static)
        return np.repeat(once, 2)[:n]

    return compute


def restarted(name: str) -> Callable[..., Any]:
    """A stream that starts anew after a quarter of the draws."""

    def compute(xp, key, *parameters, n, **static):
        once = kernel(name)(xp, key, *parameters, n=(n + 3) // 4, **static)
        return np.tile(once, 4)[:n]

    return compute


def truncated(name: str, share: float, *, above: bool = True) -> Callable[..., Any]:
    """Without what lies beyond a quantile."""

    def compute(xp, key, *parameters, **static):
        x = kernel(name)(xp, key, *parameters, **static)
        end = np.quantile(x, 1 - share if above else share).astype(x.dtype)
        return np.minimum(x, end) if above else np.maximum(x, end)

    return compute


def sorted_draws(outputs):
    outputs[0] = np.sort(outputs[0])


def coarse(name: str) -> Callable[..., Any]:
    """Rounded to few bits, as of a generator that has no more."""

    def compute(xp, key, *parameters, **static):
        x = kernel(name)(xp, key, *parameters, **static)
        return np.round(x * 4) / x.dtype.type(4)

    return compute


def shifted(outputs):
    """Counts from 1 for counts from 0."""
    outputs[0] = outputs[0] + 1


def far(outputs):
    """One entry where none can be."""
    outputs[0][len(outputs[0]) // 2] = 1000


def exchanged(outputs):
    outputs[0] = ~outputs[0]


def stuck(outputs):
    """One entry for many: a run of a thousand draws is its first."""
    middle = len(outputs[0]) // 2
    outputs[0][middle : middle + 1000] = outputs[0][middle]


MEDIUM = "medium"
MILLIONS = {"n": 2**21}
MANY = {"binomial": {**MILLIONS, "trials": 100}}
FAULTS: dict[str, list[Fault]] = {
    f"sample_{name}": [
        algorithm(
            "term", "a parameter off by a hundredth", scaled(name, 1.01), size=MANY.get(name, MILLIONS)
        ),
        algorithm("term", "a parameter off by a twentieth", scaled(name, 1.05), size=MEDIUM),
        algorithm("index", "every draw twice", halved(name)),
        algorithm("index", "a stream that starts anew", restarted(name)),
        result("index", "sorted", sorted_draws),
    ]
    for name in KERNELS
}
FAULTS["sample_bernoulli"] += [
    result("term", "of the other outcome", exchanged),
    result("entry", "one draw a thousand times", stuck, size={"n": 4096}),
]
for name in ("binomial", "poisson"):
    FAULTS[f"sample_{name}"] += [
        algorithm("term", "no tail", truncated(name, 1e-3), size=MEDIUM),
        algorithm("term", "no lower tail", truncated(name, 1e-3, above=False), size=MEDIUM),
        result("index", "counted from one", shifted),
        result("entry", "one draw of a thousand", far),
    ]
for name in ("normal", "exponential"):
    FAULTS[f"sample_{name}"] += [
        algorithm("term", "no tail", truncated(name, 1e-3), size=MEDIUM),
        algorithm("term", "of few bits", coarse(name), size=MEDIUM),
        result("entry", "one draw of a thousand", far),
    ]
FAULTS["sample_normal"] += [
    algorithm("term", "no lower tail", truncated("normal", 1e-3, above=False), size=MEDIUM),
    algorithm("term", "a deviation off by a fiftieth", scaled("normal", 1.02), size=MEDIUM),
]
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
