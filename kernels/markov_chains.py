"""How fast, and how exactly, is a Markov chain's stationary distribution found, and the chain run?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, spectral_norm, widened
from xpbench.bench.kernel import Array, Errors

UNIT = 2.0**-20
"""Of which all probabilities are multiples, so that float32 holds them and all of their sums."""


def markov_stationary(xp: Array, p: Array) -> Array:
    """The stationary distribution of a Markov chain, by the solution of one linear system.

        pi'P = pi',    sum_i pi_i = 1    <=>    (1 - P + E / n)'pi = e / n

    with all entries of E and e one: the system's matrix has an inverse where the chain has one recurrent
    class, that of 1 - P has none.

    p (n, n) with a distribution over the next state in every row -> pi (n,); 2/3 n^3 flops.
    Kemeny & Snell, Finite Markov Chains, section 4.3, with E / n in place of the limit of P; Paige,
    Styan & Wachter, Journal of Statistical Computation and Simulation 4, 1975.
    """
    n = p.shape[0]
    return xp.linalg.solve(system(xp.eye(n, dtype=p.dtype), p).T, xp.ones_like(p[0, :]) / n)


def system(identity: Array, p: Array) -> Array:
    """1 - P + E / n."""
    return identity - p + 1 / p.shape[0]


def markov_simulation(xp: Array, p: Array, start: Array, uniforms: Array) -> tuple[Array, Array]:
    """Many runs of a Markov chain at once, and how often it went from each state to each.

        s_t+1 = #{j < k : u_t >= p_s1 + ... + p_sj} of states 0 ... k - 1,    s = s_t
        C_ab = #{runs and steps : s_t = a, s_t+1 = b}

    Uniforms u are inputs: the next state is the quantile at u_t of the distribution in the row of s_t.

    p (k, k) with a distribution in every row, start (c,) of integers, uniforms (T, c) -> counts C (k, k)
    of integers, last states (c,) of integers.
    Ross, Simulation, 5th ed., section 4.1; Anderson & Goodman, Annals of Mathematical Statistics 28,
    1957, for the counts.
    """
    k = p.shape[0]
    bounds = xp.cumulative_sum(p, axis=1)[:, : k - 1]

    def step(state: Array, u: Array) -> tuple[Array, Array]:
        passed = u[:, None] >= xp.gather(bounds, state)
        state = xp.sum(xp.astype(passed, state.dtype), axis=1, dtype=state.dtype)
        return state, state

    last, states = xp.scan(step, start, uniforms)
    before = xp.concat([start[None, :], states[:-1, :]])
    moves = xp.reshape(before * k + states, (-1,))
    return xp.reshape(xp.bincount(moves, length=k * k), (k, k)), last


def transitions(rng: np.random.Generator, n: int) -> np.ndarray:
    """A chain (n, n) that likes to stay near: multiples of 2^-20, and rows that sum to 1 exactly."""
    if n < 2:
        raise Unsupported("a chain takes two states or more")
    apart = np.abs(np.arange(n)[:, np.newaxis] - np.arange(n))
    weights = rng.standard_exponential((n, n)) * (1 / n + np.exp(-4 * apart / n))
    return rng.multinomial(round(1 / UNIT), weights / weights.sum(axis=1, keepdims=True)) * UNIT


def stationary_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """See ``transitions``."""
    return (transitions(rng, n),)


def simulation_inputs(rng: np.random.Generator, k: int, c: int, steps: int) -> tuple[np.ndarray, ...]:
    """See ``transitions``; uniforms half-way between multiples of 2^-20, which no sum of them equals."""
    uniforms = (rng.integers(round(1 / UNIT), size=(steps, c)) + 0.5) * UNIT
    return transitions(rng, k), rng.integers(k, size=c), uniforms


def stationary_reference(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """By elimination without subtractions, from the last state to the first, in float64.

    Every entry comes out to some n eps of itself, whatever the chain (Grassmann, Taksar & Heyman,
    Operations Research 33, 1985; O'Cinneide, Numerische Mathematik 65, 1993).
    """
    p, n = p.copy(), len(p)
    for k in range(n - 1, 0, -1):
        p[:k, k] /= p[k, :k].sum()
        p[:k, :k] += np.outer(p[:k, k], p[k, :k])
    pi = np.ones(n)
    for k in range(1, n):
        pi[k] = pi[:k] @ p[:k, k]
    return (pi / pi.sum(),)


def simulation_reference(
    p: np.ndarray, start: np.ndarray, uniforms: np.ndarray
) -> tuple[np.ndarray, ...]:
    """All rows' distribution functions end to end, and one search in them for a step of all runs."""
    k = len(p)
    ends = (np.cumsum(p, axis=1) + np.arange(k)[:, np.newaxis]).ravel()
    counts, state = np.zeros((k, k), dtype=np.int64), start
    for u in uniforms:
        following = np.searchsorted(ends, u + state, side="right") - state * k
        np.add.at(counts, (state, following), 1)
        state = following
    return counts, state


def stationary_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, p: np.ndarray
) -> Errors:
    """The system's normwise backward error, and where there is an oracle the forward error.

    With A the transpose of 1 - P + E / n and b = e / n, ``backward`` is ``|A pi - b|`` over
    ``||A|| |pi| + |b|``, limit (sqrt(n) + 2) eps: LU errs by about sqrt(n) u where roundings are
    independent (Higham & Mary, SIAM J. Sci. Comput. 41, 2019, section 3), A itself has two of an entry,
    and pi one.

    ``forward`` is ``|pi - pi64| / (||A|| ||A^-1|| |pi64|)`` with ||A^-1|| the Frobenius norm over
    sqrt(n), by which the inverse enlarges a residual of random direction: twice that limit, as |b| is at
    most ||A|| |pi|.
    """
    n = len(p)
    (pi,) = widened(outputs, (n,))
    a = system(np.eye(n), p).T
    size, eps, limit = spectral_norm(a), epsilon(outputs), math.sqrt(n) + 2
    scale = size * np.linalg.norm(pi) + 1 / math.sqrt(n)
    pairs = {"backward": (largest_ratio(np.linalg.norm(a @ pi - 1 / n), scale) / eps, limit)}
    if exact is not None:
        scale = size * np.linalg.norm(np.linalg.inv(a)) / math.sqrt(n) * np.linalg.norm(exact[0])
        distance = np.linalg.norm(pi - exact[0])
        pairs["forward"] = (largest_ratio(distance, scale) / eps, 2 * limit)
    return pairs


def simulation_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    p: np.ndarray,
    start: np.ndarray,
    uniforms: np.ndarray,
) -> Errors:
    """How many counts and states differ; none may, as every comparison is exact."""
    counts, last = widened(outputs, p.shape, start.shape)
    return {
        "counts": (float(np.count_nonzero(counts != exact[0])), 0.0),
        "states": (float(np.count_nonzero(last != exact[1])), 0.0),
    }


Kernel(
    compute=markov_stationary,
    inputs=stationary_inputs,
    reference=stationary_reference,
    errors=stationary_errors,
    flops=lambda n: 2 * n**3 / 3,
    traffic=lambda itemsize, n: itemsize * (n**2 + n),
    sizes={"small": {"n": 16}, "medium": {"n": 512}, "large": {"n": 2048}, "huge": {"n": 8192}},
    oracle_flops=2 * 1024**3,
    chapter="probability",
)

Kernel(
    compute=markov_simulation,
    inputs=simulation_inputs,
    reference=simulation_reference,
    errors=simulation_errors,
    error_unit="entries",
    traffic=lambda itemsize, k, c, steps: itemsize * (k * k + steps * c) + 8 * (2 * c + k * k),
    sizes={
        "small": {"k": 4, "c": 16, "steps": 4},
        "medium": {"k": 16, "c": 1024, "steps": 32},
        "large": {"k": 32, "c": 16384, "steps": 128},
        "huge": {"k": 64, "c": 262144, "steps": 256},
    },
    chapter="probability",
)
