"""How fast, and how exactly, are entropies and divergences of discrete distributions found?"""

from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors


def entropy(xp: Array, p: Array) -> Array:
    """Shannon's entropy of many distributions, in nats.

        H_i = - sum_j p_ij log p_ij,    0 log 0 = 0

    p (m, n) with a distribution in every row -> H (m,); 3 m n flops, logarithms counted as one.
    Cover & Thomas, Elements of Information Theory, 2nd ed., section 2.1.
    """
    return -xp.sum(xp.special.xlogy(p, p), axis=1)


def kl_divergence(xp: Array, p: Array, q: Array) -> Array:
    """The relative entropy, or Kullback-Leibler divergence, of pairs of distributions, in nats.

        D_i = sum_j p_ij log(p_ij / q_ij),    0 log(0 / q) = 0

    for every q, 0 too; it is infinite where q is 0 and p is not.

    p (m, n), q (m, n) with a distribution in every row -> D (m,); 4 m n flops, a logarithm for one.
    Cover & Thomas, Elements of Information Theory, 2nd ed., section 2.3.
    """
    ratio = p / xp.where(p > 0, q, xp.ones_like(q))
    return xp.sum(xp.special.xlogy(p, ratio), axis=1)


def mutual_information(xp: Array, p: Array) -> Array:
    """How much one discrete variable tells of another, in nats, from their joint distributions.

        I_i = sum_jk p_ijk log(p_ijk / (a_ij b_ik)),    a_ij = sum_k p_ijk,    b_ik = sum_j p_ijk

    with 0 log 0 = 0. The difference of entropies H(a) + H(b) - H(p) is the same in exact arithmetic, and
    cancels where I is small.

    p (m, r, c) with a joint distribution of r and c values each -> I (m,); 7 m r c flops, logarithms
    counted as one.
    Cover & Thomas, Elements of Information Theory, 2nd ed., section 2.3.
    """
    independent = xp.sum(p, axis=2, keepdims=True) * xp.sum(p, axis=1, keepdims=True)
    ratio = p / xp.where(p > 0, independent, xp.ones_like(p))
    return xp.sum(xp.special.xlogy(p, ratio), axis=(1, 2))


def distributions(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Rows (m, n) of a Dirichlet law of parameter 1/2; about one in eight of their entries is zero."""
    p = rng.standard_gamma(0.5, (m, n)) * (rng.random((m, n)) < 7 / 8)
    p[:, 0] += 1e-3
    rows: np.ndarray = p / p.sum(axis=1, keepdims=True)
    return rows


def entropy_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """See ``distributions``; the first is certain of its first value."""
    p = distributions(rng, m, n)
    p[0] = np.arange(n) == 0
    return (p,)


def divergence_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """See ``distributions``; q is zero where both are, every second q is a small change of p."""
    p = distributions(rng, m, n)
    q = np.where(p > 0, rng.standard_gamma(0.5, (m, n)) + 1e-3, 0) + (p == 0) * rng.integers(
        2, size=(m, n)
    )
    q[::2] = p[::2] * np.exp(0.1 * rng.standard_normal(p[::2].shape))
    return p, q / q.sum(axis=1, keepdims=True)


def joint_inputs(rng: np.random.Generator, m: int, r: int, c: int) -> tuple[np.ndarray, ...]:
    """Products of two distributions times lognormal noise, ever less of it: the last nearly independent.

    One cell in eight or more is zero.
    """
    if min(r, c) < 2:
        raise Unsupported(f"{r} x {c} values: what is certain tells nothing, both need 2 or more")
    noise = np.exp(np.geomspace(1, 1e-2, m)[:, np.newaxis, np.newaxis] * rng.standard_normal((m, r, c)))
    p = distributions(rng, m, r)[:, :, np.newaxis] * distributions(rng, m, c)[:, np.newaxis] * noise
    return (p / p.sum(axis=(1, 2), keepdims=True),)


def entropy_reference(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """SciPy's entr, in float64."""
    import scipy.special

    return (np.sum(scipy.special.entr(p), axis=1),)


def divergence_reference(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, ...]:
    """SciPy's rel_entr, in float64."""
    import scipy.special

    return (np.sum(scipy.special.rel_entr(p, q), axis=1),)


def joint_reference(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """The relative entropy of each joint distribution against the outer product of its marginals."""
    import scipy.special

    tables = (scipy.special.rel_entr(t, np.outer(t.sum(axis=1), t.sum(axis=0))).sum() for t in p)
    return (np.array(list(tables)),)


def entropy_errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], p: np.ndarray) -> Errors:
    """Every entropy against what roundings add up to in its sum: ``sum_bounds``."""
    return judged("entropies", outputs, exact, sum_bounds(terms(p, p), 0 * p))


def divergence_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], p: np.ndarray, q: np.ndarray
) -> Errors:
    """Every divergence against what roundings add up to in its sum: ``divergence_bounds``."""
    return judged("divergences", outputs, exact, divergence_bounds(p, q))


def divergence_bounds(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """``sum_bounds``, with half an eps for the quotient in a logarithm, however small that is."""
    return sum_bounds(terms(p, p / np.where(p > 0, q, 1)), p / 2)


def joint_errors(outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], p: np.ndarray) -> Errors:
    """Every information against ``joint_bounds``."""
    return judged("informations", outputs, exact, joint_bounds(p))


def joint_bounds(p: np.ndarray) -> np.ndarray:
    """``sum_bounds`` of all cells of a table, and what its marginals are off by.

    A quotient and a product of marginals have two roundings, p eps together. A marginal is a sum of c or
    r terms of one sign: 0.3 sqrt(c / 3) eps of it in the mean square, which moves all logarithms of its
    row alike, and so I by as much of it; rows are independent. Four times that, and one eps for
    marginals of few terms.
    """
    m, r, c = p.shape
    rows, columns = p.sum(axis=2), p.sum(axis=1)
    independent = rows[:, :, np.newaxis] * columns[:, np.newaxis]
    cells = sum_bounds(terms(p, p / np.where(p > 0, independent, 1)).reshape(m, -1), p.reshape(m, -1))
    moved = c / 3 * np.sum(rows**2, axis=1) + r / 3 * np.sum(columns**2, axis=1)
    bounds: np.ndarray = cells + 1.2 * np.sqrt(moved) + 1
    return bounds


def terms(p: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The sizes of p log(ratio), 0 where p is."""
    sizes: np.ndarray = p * np.abs(np.log(np.where(p > 0, ratio, 1)))
    return sizes


def sum_bounds(sizes: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """What rounding may add up to in sums over rows of terms of these ``sizes`` (m, n), in eps.

    A term is off by an eps and a half of its size for the logarithm and the product, and by ``moved``.
    Partial sums are at most the sum of sizes S, the i-th of n about i / n of it, and are off by 0.3 eps
    in the root mean square. Errors of terms and of partial sums are independent (Higham & Mary, SIAM J.
    Sci. Comput. 41, 2019): four times them in the mean square, and S / 2 for the last rounding.
    """
    n = sizes.shape[1]
    total = np.sum(sizes, axis=1)
    each = np.sum((1.5 * sizes + moved) ** 2, axis=1)
    bounds: np.ndarray = 4 * np.sqrt(each / 3 + 0.09 * n / 3 * total**2) + total / 2
    return bounds


def judged(
    name: str, outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], bounds: np.ndarray
) -> Errors:
    (found,) = widened(outputs, bounds.shape)
    return {name: (largest_ratio(found - exact[0], bounds) / epsilon(outputs), 1.0)}


Kernel(
    compute=entropy,
    inputs=entropy_inputs,
    reference=entropy_reference,
    errors=entropy_errors,
    flops=lambda m, n: 3 * m * n,
    traffic=lambda itemsize, m, n: itemsize * (m * n + m),
    sizes={
        "small": {"m": 16, "n": 64},
        "medium": {"m": 512, "n": 512},
        "large": {"m": 8192, "n": 2048},
        "huge": {"m": 32768, "n": 8192},
    },
    chapter="probability",
)

Kernel(
    compute=kl_divergence,
    inputs=divergence_inputs,
    reference=divergence_reference,
    errors=divergence_errors,
    flops=lambda m, n: 4 * m * n,
    traffic=lambda itemsize, m, n: itemsize * (2 * m * n + m),
    sizes={
        "small": {"m": 16, "n": 64},
        "medium": {"m": 512, "n": 512},
        "large": {"m": 8192, "n": 2048},
        "huge": {"m": 16384, "n": 8192},
    },
    chapter="probability",
)

Kernel(
    compute=mutual_information,
    inputs=joint_inputs,
    reference=joint_reference,
    errors=joint_errors,
    flops=lambda m, r, c: 7 * m * r * c,
    traffic=lambda itemsize, m, r, c: itemsize * (m * r * c + m),
    sizes={
        "small": {"m": 8, "r": 8, "c": 16},
        "medium": {"m": 256, "r": 16, "c": 32},
        "large": {"m": 4096, "r": 32, "c": 64},
        "huge": {"m": 65536, "r": 32, "c": 64},
    },
    chapter="probability",
)
