"""Faults in integrals."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench.kernels.integrals import (
    cubature_bounds,
    cumulative_bounds,
    gauss_bounds,
    monte_carlo_bounds,
    simpson_reference,
)


def rule_of_samples(xp, f, h, *, odd=4.0, even=2.0, ends=(1.0, 1.0), shift=0, divisor=3):
    f = xp.roll(f, shift, axis=1)
    inner = odd * xp.sum(f[:, 1::2], axis=1) + even * xp.sum(f[:, 2:-1:2], axis=1)
    return (h / divisor) * (ends[0] * f[:, 0] + inner + ends[1] * f[:, -1])


def oscillations(xp, t, w, s, a, b, *, half=2, sign=-1.0, damped=True, phase=1.0, shift=0, last=0):
    n = t.shape[0] - last
    x = (s / half)[:, None] * (phase + t[:n])
    f = xp.cos(b[:, None] * x)
    if damped:
        f = f * xp.exp(sign * a[:, None] * x)
    return (s / 2) * (f @ xp.roll(w, shift)[:n])


def running(xp, f, h, *, left=1.0, right=1.0, half=2, shift=0):
    return (h / half) * xp.roll(xp.cumulative_sum(left * f[:, :-1] + right * f[:, 1:], axis=1), shift, 1)


def waves_on_grid(xp, x, w, a, c, *, axes=(0, 1, 2), phase=1.0, last=0, shift=0):
    n = x.shape[0] - last
    i, j, k = (a[:, axis, None] * x for axis in axes)
    grid = i[:, :, None, None] + j[:, None, :, None] + k[:, None, None, :n]
    f = xp.cos(phase * c[:, None, None, None] + grid)
    return ((f @ xp.roll(w, shift)[:n]) @ w) @ w


def draws(xp, x, a, c, *, phase=1.0, sign=1.0, last=0, correction=1, root=True, shift=0):
    x = x[: x.shape[0] - last, :]
    f = xp.cos(sign * (xp.roll(a, shift, axis=1) @ x.T) + phase * c[:, None])
    n = x.shape[0]
    return xp.mean(f, axis=1), xp.std(f, axis=1, correction=correction) / (n**0.5 if root else n)


def in_one_pass(xp, x, a, c):
    """The mean of squares less the square of the mean, which cancel."""
    f = xp.cos(a @ x.T + c[:, None])
    n, mean = x.shape[0], xp.mean(f, axis=1)
    return mean, xp.sqrt(np.maximum(xp.mean(f * f, axis=1) - mean**2, 0) / x.dtype.type(n - 1))


def varied(function, **changes):
    return lambda xp, *arrays: function(xp, *arrays, **changes)


def roll(outputs):
    outputs[:] = [np.roll(output, 1) for output in outputs]


def exchange(outputs):
    outputs.reverse()


def middle(bounds):
    def unit(outputs, *inputs):
        found = bounds(*inputs)
        return found[tuple(axis // 2 for axis in found.shape)]

    return unit


FAULTS: dict[str, list[Fault]] = {
    "simpson": [
        algorithm("term", "weights exchanged", varied(rule_of_samples, odd=2.0, even=4.0)),
        algorithm("term", "the trapezoidal rule", varied(rule_of_samples, odd=2.0, even=2.0, divisor=2)),
        algorithm("term", "first sample dropped", varied(rule_of_samples, ends=(0.0, 1.0))),
        algorithm("term", "last of the other sign", varied(rule_of_samples, ends=(1.0, -1.0))),
        algorithm("index", "samples off by one", varied(rule_of_samples, shift=1)),
        result("index", "rows off by one", roll),
        entry("integrals", middle(lambda f, h: simpson_reference(np.abs(f), h)[0])),
    ],
    "gauss_legendre": [
        algorithm("term", "interval not halved", varied(oscillations, half=1)),
        algorithm("term", "nodes not moved to the interval", varied(oscillations, phase=0.0)),
        algorithm("term", "growing for damped", varied(oscillations, sign=1.0)),
        algorithm("term", "not damped", varied(oscillations, damped=False)),
        algorithm("index", "weights off by one", varied(oscillations, shift=1)),
        algorithm("index", "last node dropped", varied(oscillations, last=1)),
        result("index", "integrands off by one", roll),
        entry("integrals", middle(gauss_bounds)),
    ],
    "cumulative_integral": [
        algorithm("term", "left samples only", varied(running, right=0.0, half=1)),
        algorithm("term", "right samples only", varied(running, left=0.0, half=1)),
        algorithm("term", "not halved", varied(running, half=1)),
        algorithm("index", "entries off by one", varied(running, shift=1)),
        result("index", "rows off by one", lambda outputs: outputs.append(np.roll(outputs.pop(), 1, 0))),
        entry("integrals", middle(cumulative_bounds)),
    ],
    "cubature": [
        algorithm("term", "phase dropped", varied(waves_on_grid, phase=0.0)),
        algorithm("term", "phase of the other sign", varied(waves_on_grid, phase=-1.0)),
        algorithm("index", "an axis twice", varied(waves_on_grid, axes=(0, 1, 1))),
        algorithm("index", "last node of an axis dropped", varied(waves_on_grid, last=1)),
        algorithm("index", "weights off by one", varied(waves_on_grid, shift=1)),
        entry("integrals", middle(cubature_bounds)),
    ],
    "monte_carlo_integral": [
        algorithm("term", "phase dropped", varied(draws, phase=0.0)),
        algorithm("term", "wave of the other sign", varied(draws, sign=-1.0)),
        algorithm("term", "in one pass", in_one_pass),
        algorithm("term", "variance over n", varied(draws, correction=0), size="medium"),
        algorithm("term", "deviation over n", varied(draws, root=False)),
        algorithm("index", "last point dropped", varied(draws, last=1)),
        algorithm("index", "coordinates off by one", varied(draws, shift=1)),
        result("index", "outputs exchanged", exchange),
        entry("mean", lambda outputs, *inputs: 1.0),
        entry("standard error", lambda *given: monte_carlo_bounds(*given)[1][2], output=1),
    ],
}
PRODUCTS = ("cubature", "monte_carlo_integral")
LOOSE: dict[tuple[str, str, str], str] = {}
