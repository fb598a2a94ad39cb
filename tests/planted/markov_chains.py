"""Faults in Markov chains."""

import numpy as np

from planted import Fault, algorithm, entry, result
from xpbench import spectral_norm
from xpbench.kernels.markov_chains import markov_simulation, markov_stationary, system


def powers(steps):
    """The distribution after so many steps from a uniform start."""

    def compute(xp, p):
        pi = np.full(len(p), 1 / len(p), dtype=p.dtype)
        for _ in range(steps):
            pi = pi @ p
        return pi

    return compute


def not_normalised(xp, p):
    pi = markov_stationary(xp, p)
    return pi / np.linalg.norm(pi)


def residual(outputs, p):
    a = system(np.eye(len(p)), p).T
    scale = spectral_norm(a) * np.linalg.norm(outputs[0]) + 1 / np.sqrt(len(p))
    return scale / np.linalg.norm(a[:, len(p) // 2])


def distance(outputs, p):
    a = system(np.eye(len(p)), p).T
    inverse = np.linalg.norm(np.linalg.inv(a)) / np.sqrt(len(p))
    return spectral_norm(a) * inverse * np.linalg.norm(outputs[0])


def another_rule(*, strict=False, transposed=False, first=0):
    """Chains by searches in each row, of the transpose, or from the second state on."""

    def compute(xp, p, start, uniforms):
        p = p.T if transposed else p
        bounds = np.cumsum(p, axis=1)[:, first:-1]
        return walk(bounds, len(p), start, uniforms)

    return compute


def walk(bounds, k, start, uniforms):
    counts, state = np.zeros((k, k), dtype=np.int64), start
    for u in uniforms:
        following = np.sum(u[:, None] >= bounds[state], axis=1)
        np.add.at(counts, (state, following), 1)
        state = following
    return counts, state


def transposed(outputs):
    outputs[0] = outputs[0].T.copy()


def one_moved(outputs):
    outputs[0][0, 0] -= 1
    outputs[0][0, 1] += 1


def one_state(outputs):
    outputs[1][0] = (outputs[1][0] + 1) % 4


FAULTS: dict[str, list[Fault]] = {
    "markov_stationary": [
        algorithm(
            "term", "of the transpose", lambda xp, p: markov_stationary(xp, np.ascontiguousarray(p.T))
        ),
        algorithm("term", "not normalised", not_normalised),
        algorithm("term", "four powers", powers(4)),
        result("index", "states off by one", lambda outputs: outputs.append(np.roll(outputs.pop(), 1))),
        entry("backward", residual),
        entry("forward", distance),
    ],
    "markov_simulation": [
        algorithm("term", "columns for rows", another_rule(transposed=True)),
        algorithm(
            "term",
            "the upper tail for the lower",
            lambda xp, p, start, uniforms: markov_simulation(xp, p, start, 1 - uniforms),
        ),
        algorithm("index", "states from the second on", another_rule(first=1)),
        algorithm(
            "index",
            "last step left out",
            lambda xp, p, start, uniforms: markov_simulation(xp, p, start, uniforms[:-1]),
        ),
        result("index", "to and from exchanged", transposed),
        result("entry", "a transition counted elsewhere", one_moved),
        result("entry", "a last state off by one", one_state),
    ],
}
PRODUCTS = ("markov_stationary",)
LOOSE: dict[tuple[str, str, str], str] = {}
