"""Faults in bootstrap intervals."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.resampling import bootstrap_ci, bounds


def resampled(*, levels=(0.025, 0.975), unbiased=1, centre=np.mean, shift=0, last=None):
    def compute(xp, x, draws):
        means = centre(x[(draws[:last] + shift) % len(x)], axis=1)
        ends = np.quantile(means, levels).astype(x.dtype)
        return ends[0], ends[1], np.std(means, ddof=unbiased)

    return compute


def end(output):
    return lambda outputs, x, draws: bounds(outputs, x, draws)[output]


FAULTS: dict[str, list[Fault]] = {
    "bootstrap_ci": [
        algorithm("term", "90 %", resampled(levels=(0.05, 0.95))),
        algorithm("term", "levels off by a thousandth", resampled(levels=(0.026, 0.976))),
        algorithm("term", "standard error over R", resampled(unbiased=0)),
        algorithm("term", "the median", resampled(centre=np.median)),
        algorithm("index", "draws off by one", resampled(shift=1)),
        algorithm("index", "last resample left out", resampled(last=-1)),
        algorithm(
            "index", "last draw left out", lambda xp, x, draws: bootstrap_ci(xp, x, draws[:, :-1])
        ),
        result("index", "ends exchanged", lambda outputs: outputs.insert(0, outputs.pop(1))),
        entry("lower end", end(0)),
        entry("upper end", end(1), output=1),
        entry("standard error", end(2), output=2),
    ],
}
PRODUCTS = ()
LOOSE: dict[tuple[str, str, str], str] = {}
