"""How fast, and how exactly, are integrals found from samples, by Gauss rules and by chance?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, entry_errors, epsilon, largest_ratio, widened
from xpbench.bench.kernel import Array, Errors

WAVES = 8
BLOCK = 2**20


def simpson(xp: Array, f: Array, h: Array) -> Array:
    """The integrals of many sampled functions by Simpson's composite rule.

        I = h/3 (f_0 + 4 (f_1 + f_3 + ... + f_n-1) + 2 (f_2 + f_4 + ... + f_n-2) + f_n)

    f (m, n + 1) of n + 1 equidistant samples in every row, n even, h () their distance -> I (m,);
    m (n + 5) flops. Of fourth order in h, and exact for polynomials of third degree.
    Quarteroni, Sacco & Saleri, Numerical Mathematics, 2nd ed., section 9.2.3.
    """
    odd = xp.sum(f[:, 1::2], axis=1)
    even = xp.sum(f[:, 2:-1:2], axis=1)
    return (h / 3) * (f[:, 0] + 4 * odd + 2 * even + f[:, -1])


def sampled_waves(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """Sums of eight waves with noise, sampled on [0, 2], and the distance of samples.

    Wave j has a random amplitude of deviation 1/j and a random phase; rows have means of deviation 1.
    The noise, of deviation 0.05, is there because a library that adds one sample after the other rounds
    alike where they are alike: errors of a smooth function would not be independent.
    """
    if n % 2:
        raise Unsupported(f"Simpson's rule takes an even number of intervals, and there are {n}")
    x = np.linspace(0, 2, n + 1)
    j = np.arange(1, WAVES + 1)
    basis = np.concatenate([np.ones((1, n + 1)), np.cos(np.outer(j, x)), np.sin(np.outer(j, x))])
    scales = np.concatenate([[1.0], 1 / j, 1 / j])
    f = rng.standard_normal((m, n + 1))
    f *= 0.05
    f += (rng.standard_normal((m, 2 * WAVES + 1)) * scales) @ basis
    return f, np.asarray(2 / n)


def simpson_reference(f: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    """SciPy's composite rule, in float64."""
    from scipy.integrate import simpson

    return (np.asarray(simpson(f, dx=float(h), axis=1)),)


def simpson_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], f: np.ndarray, h: np.ndarray
) -> Errors:
    """Every integral against the integral of ``|f|`` by the same rule.

    A sum of k terms is rounded at most k times, by 0.3 eps in the root mean square, and each time a
    partial sum, which is at most the sum of magnitudes: 0.3 sqrt(k) eps of that, as roundings are
    independent (Higham & Mary, SIAM J. Sci. Comput. 41, 2019). Here two sums have n / 2 terms; that of
    odd samples counts 2/3 and that of even ones 1/3, which leaves sqrt(5) / 3 of it. Four times that,
    as there are many rows, and 3 eps for the ends and the factor.
    """
    m, n = f.shape[0], f.shape[1] - 1
    (integrals,) = widened(outputs, (m,))
    bounds = simpson_reference(np.abs(f), h)[0]
    limit = 1.2 * math.sqrt(5) / 3 * math.sqrt(n / 2) + 3
    return {"integrals": (largest_ratio(integrals - exact[0], bounds) / epsilon(outputs), limit)}


Kernel(
    compute=simpson,
    inputs=sampled_waves,
    reference=simpson_reference,
    errors=simpson_errors,
    flops=lambda m, n: m * (n + 5),
    traffic=lambda itemsize, m, n: itemsize * (m * (n + 1) + 1 + m),
    sizes={
        "small": {"m": 16, "n": 64},
        "medium": {"m": 512, "n": 4096},
        "large": {"m": 8192, "n": 8192},
        "huge": {"m": 16384, "n": 15360},
    },
    chapter="calculus",
)


def gauss_legendre(xp: Array, t: Array, w: Array, s: Array, a: Array, b: Array) -> Array:
    """The integrals of many damped oscillations by a Gauss-Legendre rule.

        I_i = integral_0^{s_i} exp(-a_i x) cos(b_i x) dx
            ~ s_i/2 sum_k w_k exp(-a_i x_ik) cos(b_i x_ik),    x_ik = s_i (1 + t_k) / 2

    Nodes t (n,) and weights w (n,) of the rule on [-1, 1], ends s (m,), rates a (m,), frequencies
    b (m,) -> I (m,); 8 m n flops, of which exponentials and cosines are two. Every integrand is
    evaluated at every node. Quarteroni, Sacco & Saleri, Numerical Mathematics, 2nd ed., section 10.2.
    """
    x = (s / 2)[:, None] * (1 + t)
    return (s / 2) * ((xp.exp(-a[:, None] * x) * xp.cos(b[:, None] * x)) @ w)


def gauss_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """The rule of n nodes, and oscillations with at most n / (4 pi) periods, which it resolves."""
    t, w = np.polynomial.legendre.leggauss(n)
    return t, w, rng.uniform(0.5, 2, m), rng.uniform(0.1, 2, m), rng.uniform(0, n / 4, m)


def gauss_reference(
    t: np.ndarray, w: np.ndarray, s: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same rule in float64: real parts of complex exponentials, summed in pairs, row by row."""
    rates, nodes = 1j * b - a, (1 + t) / 2
    blocks = np.array_split(np.arange(s.size), math.ceil(s.size * t.size / BLOCK))
    waves = (np.exp(rates[rows, np.newaxis] * np.outer(s[rows], nodes)).real for rows in blocks)
    return (s * np.concatenate([np.sum(wave * w, axis=1) for wave in waves]) / 2,)


def gauss_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    t: np.ndarray,
    w: np.ndarray,
    s: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
) -> Errors:
    """Every integral against what rounding may add up to at its nodes: see ``gauss_bounds``."""
    (integrals,) = widened(outputs, s.shape)
    bounds = gauss_bounds(t, w, s, a, b)
    return {"integrals": (largest_ratio(integrals - exact[0], bounds) / epsilon(outputs), 1.0)}


def gauss_bounds(
    t: np.ndarray, w: np.ndarray, s: np.ndarray, a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """What rounding may add up to in every integral (m,), in eps.

    With d_k = exp(-a x_k) a term is rounded with 1 + t, its product with s / 2 and a x or b x, by half
    an eps of these in the root mean square, and with exp, cos and their product, by one:

        e_k = d_k ((a + b) x_k / 2 + 1)

    eps. They are independent and add in the mean square; the sum of n terms leaves 0.3 sqrt(n) eps of
    their magnitudes (see ``simpson_errors``). Four times both, and 1 eps for the factor.
    """
    n = t.size
    x = np.outer(s, (1 + t) / 2)
    damped = np.exp(-a[:, np.newaxis] * x) * w
    terms = damped * ((a + np.abs(b))[:, np.newaxis] * x / 2 + 1)
    total = np.sum(np.abs(damped * np.cos(b[:, np.newaxis] * x)), axis=1)
    off = np.hypot(np.linalg.norm(terms, axis=1), 0.3 * math.sqrt(n) * total)
    bounds: np.ndarray = s / 2 * (4 * off + total)
    return bounds


Kernel(
    compute=gauss_legendre,
    inputs=gauss_inputs,
    reference=gauss_reference,
    errors=gauss_errors,
    flops=lambda m, n: 8 * m * n,
    traffic=lambda itemsize, m, n: itemsize * (2 * n + 4 * m),
    sizes={
        "small": {"m": 16, "n": 16},
        "medium": {"m": 4096, "n": 64},
        "large": {"m": 65536, "n": 128},
        "huge": {"m": 524288, "n": 256},
    },
    chapter="calculus",
)


def cumulative_integral(xp: Array, f: Array, h: Array) -> Array:
    """The indefinite integrals of many sampled functions by the cumulative trapezoidal rule.

        F_k = h/2 sum_(j=1)^k (f_j-1 + f_j),    k = 1 ... n

    f (m, n + 1) of n + 1 equidistant samples in every row, h () their distance -> F (m, n), the
    integrals from the first sample to every later one; 3 m n flops. Of second order in h.
    Quarteroni, Sacco & Saleri, Numerical Mathematics, 2nd ed., section 9.2.2.
    """
    return (h / 2) * xp.cumulative_sum(f[:, :-1] + f[:, 1:], axis=1)


def cumulative_reference(f: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    """Running sums in twice the precision of float64, of what rounding leaves as well.

    Ogita, Rump & Oishi, SIAM J. Sci. Comput. 26, 2005: what a sum loses is found exactly, and added up.
    """
    columns = np.ascontiguousarray(f.T)
    total, lost = np.zeros(len(f)), np.zeros(len(f))
    sums = np.empty((len(columns) - 1, len(f)))
    for k in range(len(sums)):
        for term in (columns[k], columns[k + 1]):
            before, total = total, total + term
            virtual = total - before
            lost += (before - (total - virtual)) + (term - virtual)
        sums[k] = total + lost
    return (np.ascontiguousarray(sums.T) * (float(h) / 2),)


def cumulative_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray], f: np.ndarray, h: np.ndarray
) -> Errors:
    """Every entry against what rounding may add up to in it: see ``cumulative_bounds``."""
    m, n = f.shape[0], f.shape[1] - 1
    (integrals,) = widened(outputs, (m, n))
    bounds = cumulative_bounds(f, h)
    return {"integrals": (largest_ratio(integrals - exact[0], bounds) / epsilon(outputs), 1.0)}


def cumulative_bounds(f: np.ndarray, h: np.ndarray) -> np.ndarray:
    """What rounding may add up to in every entry (m, n), in eps.

    T_k is the sum of the magnitudes of the first k terms. Roundings, of 0.3 eps in the root mean square,
    of partial sums, which are at most T_j, are independent (Higham & Mary, SIAM J. Sci. Comput. 41,
    2019) and leave 0.3 sqrt(T_1^2 + ... + T_k^2). Five times that, as there are very many entries, and
    2 T_k for the sum of neighbours and the factor.
    """
    totals = np.abs(f[:, 1:] + f[:, :-1]) * (float(h) / 2)
    np.cumsum(totals, axis=1, out=totals)
    bounds: np.ndarray = 1.5 * np.sqrt(np.cumsum(totals**2, axis=1)) + 2 * totals
    return bounds


Kernel(
    compute=cumulative_integral,
    inputs=sampled_waves,
    reference=cumulative_reference,
    errors=cumulative_errors,
    flops=lambda m, n: 3 * m * n,
    traffic=lambda itemsize, m, n: itemsize * (m * (n + 1) + 1 + m * n),
    sizes={
        "small": {"m": 16, "n": 64},
        "medium": {"m": 128, "n": 4096},
        "large": {"m": 2048, "n": 8192},
        "huge": {"m": 16384, "n": 8192},
    },
    chapter="calculus",
)


def cubature(xp: Array, x: Array, w: Array, a: Array, c: Array) -> Array:
    """The integrals of many waves over the unit cube by a product of three Gauss-Legendre rules.

        I = integral_{[0, 1]^3} cos(c + a_1 x + a_2 y + a_3 z) dx dy dz
          ~ sum_i w_i sum_j w_j sum_k w_k cos(c + a_1 x_i + a_2 x_j + a_3 x_k)

    Nodes x (n,) and weights w (n,) of the rule on [0, 1], wave vectors in the rows of a (m, 3),
    phases c (m,) -> I (m,); 4 m n^3 flops, of which cosines are one. The integrand is evaluated on
    the whole grid of n^3 nodes; that it factors into sums along the axes is left to the oracle.
    Genz, "Testing multidimensional integration routines", 1984 (the oscillatory family); Quarteroni,
    Sacco & Saleri, Numerical Mathematics, 2nd ed., section 9.9.
    """
    ax = a[:, :, None] * x
    along_x = c[:, None] + ax[:, 0, :]
    along_xy = along_x[:, :, None] + ax[:, 1, None, :]
    f = xp.cos(along_xy[:, :, :, None] + ax[:, 2, None, None, :])
    return ((f @ w) @ w) @ w


def cubature_inputs(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, ...]:
    """The rule of n nodes on [0, 1], waves of up to 4 radians along every axis, and random phases."""
    t, w = np.polynomial.legendre.leggauss(n)
    return (1 + t) / 2, w / 2, rng.uniform(-4, 4, (m, 3)), rng.uniform(-math.pi, math.pi, m)


def cubature_reference(
    x: np.ndarray, w: np.ndarray, a: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same rule in float64: the real part of a product of three sums, exact but for their terms."""
    waves = np.exp(1j * a[:, :, np.newaxis] * x) * w
    sums = [complex(math.fsum(row.real), math.fsum(row.imag)) for row in waves.reshape(-1, x.size)]
    return ((np.exp(1j * c) * np.prod(np.reshape(sums, a.shape), axis=1)).real,)


def cubature_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    w: np.ndarray,
    a: np.ndarray,
    c: np.ndarray,
) -> Errors:
    """Every integral against what rounding may add up to in it: see ``cubature_bounds``."""
    (integrals,) = widened(outputs, c.shape)
    bounds = cubature_bounds(x, w, a, c)
    return {"integrals": (largest_ratio(integrals - exact[0], bounds) / epsilon(outputs), 1.0)}


def cubature_bounds(x: np.ndarray, w: np.ndarray, a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What rounding may add up to in every integral (m,), in eps.

    S_d = sum_k w_k exp(i a_d x_k) is a factor of the wave. Roundings of 0.3 eps in the root mean square
    are independent, and shared by all nodes that use their result. What is off in the phase at x_i
    reaches the integral times w_i |S_2 S_3|, and at x_j and x_k alike; at a pair (x_i, x_j) it is
    w_i w_j |S_3|; at a node, as for its cosine, w_i w_j w_k. Sums of n terms leave 0.3 sqrt(n) eps of
    their magnitudes (see ``simpson_errors``): |S_2 S_3| at most for the last of them, w_i |S_3| for the
    second at every x_i, and w_i w_j for the first at every pair. Four times all of these in the mean
    square, and 1 eps for the products with weights.
    """
    n = x.size
    s1, s2, s3 = np.abs(np.exp(1j * a[:, :, np.newaxis] * x) @ w).T
    weight, edge = np.linalg.norm(w), np.linalg.norm(w * x)
    a1, a2, a3 = np.abs(a).T
    phase = np.abs(c) + a1 + a2 + a3
    squares = (
        (s2 * s3) ** 2 * ((np.abs(c) * weight + 2 * a1 * edge) ** 2 + n)
        + (a2 * edge * s1 * s3) ** 2
        + (a3 * edge * s1 * s2) ** 2
        + (s3 * weight) ** 2 * ((phase * weight) ** 2 + n)
        + weight**4 * (((phase + 1) * weight) ** 2 + n)
    )
    bounds: np.ndarray = 1.2 * np.sqrt(squares) + s1 * s2 * s3
    return bounds


Kernel(
    compute=cubature,
    inputs=cubature_inputs,
    reference=cubature_reference,
    errors=cubature_errors,
    flops=lambda m, n: 4 * m * n**3,
    traffic=lambda itemsize, m, n: itemsize * (2 * n + 5 * m),
    sizes={
        "small": {"m": 4, "n": 8},
        "medium": {"m": 16, "n": 32},
        "large": {"m": 64, "n": 64},
        "huge": {"m": 256, "n": 96},
    },
    chapter="calculus",
)


def monte_carlo_integral(xp: Array, x: Array, a: Array, c: Array) -> tuple[Array, Array]:
    """The integrals of many waves over the unit cube by the Monte Carlo method, and standard errors.

        I_j = integral_{[0, 1]^d} cos(c_j + a_j'x) dx ~ mean_j = 1/n sum_i f_ji
        standard error_j = sqrt(sum_i (f_ji - mean_j)^2 / (n (n - 1))),    f_ji = cos(c_j + a_j'x_i)

    Points in the rows of x (n, d), drawn uniformly from the cube and the same for all, wave vectors in
    the rows of a (p, d), phases c (p,) -> the means (p,), their standard errors (p,);
    n p (2 d + 6) flops, of which cosines are one.
    Robert & Casella, Monte Carlo Statistical Methods, 2nd ed., section 3.2.
    """
    n = x.shape[0]
    f = xp.cos(a @ x.T + c[:, None])
    mean = xp.mean(f, axis=1)
    # torch.std goes entry by entry, and takes sixteen times as long as two passes.
    f -= mean[:, None]
    return mean, xp.linalg.vector_norm(f, axis=1) / math.sqrt(n * (n - 1.0))


def monte_carlo_inputs(rng: np.random.Generator, n: int, d: int, p: int) -> tuple[np.ndarray, ...]:
    """Uniform points, and waves of up to 3 radians along every axis with random phases.

    Every second wave has a hundredth of that, and hardly varies: the mean of its squares less the square
    of its mean would cancel.
    """
    if n < 2:
        raise Unsupported("of a single draw there is no standard error: n must be 2 or more")
    lengths = np.where(np.arange(p) % 2, 3, 0.03)[:, np.newaxis]
    return rng.random((n, d)), lengths * rng.uniform(-1, 1, (p, d)), rng.uniform(-math.pi, math.pi, p)


def monte_carlo_reference(x: np.ndarray, a: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
    """One wave after the other in float64, without BLAS, and sums in pairs."""
    waves = (np.cos(np.einsum("nd,d->n", x, row) + phase) for row, phase in zip(a, c, strict=True))
    pairs = [(np.mean(wave), np.std(wave, ddof=1) / math.sqrt(wave.size)) for wave in waves]
    return tuple(np.transpose(pairs))


def monte_carlo_bounds(
    exact: Sequence[np.ndarray], x: np.ndarray, a: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, ...]:
    """What rounding may add up to in the means and in their standard errors, each (p,) in eps.

    A sum of n draws with mean mu and deviation sigma has a partial sum i of mean i mu and variance
    i sigma^2: n roundings of 0.3 eps of them in the root mean square leave 0.3 eps times
    sqrt(n mu^2 / 3 + sigma^2 / 2) in the mean. Errors of the draws are independent: 0.3 eps of each of
    d + 1 partial sums of the phase, of |a| + |c| at most, and one of the cosine; they mean out, over
    sqrt(n). Four times all in the mean square, and 1 eps of mu.

    The sum of squares has terms of one sign, and n roundings leave sqrt(n) / 6 eps of it, half of that
    in the root; the mean, about which it is least, moves it in the second order only. The errors of the
    draws move sigma by as much as the mean. Four times both, and 2 eps, over sqrt(n).
    """
    n, d = x.shape
    mean, error = (np.asarray(part, dtype=np.float64) for part in exact)
    sigma = error * math.sqrt(n)
    draw = (math.sqrt(d + 1) * (np.linalg.norm(a, axis=1) + np.abs(c)) + 1) / math.sqrt(n)
    means = 1.2 * np.sqrt(n * mean**2 / 3 + sigma**2 / 2 + draw**2) + np.abs(mean)
    return means, ((math.sqrt(n) / 3 + 2) * sigma + 1.2 * draw) / math.sqrt(n)


def monte_carlo_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    a: np.ndarray,
    c: np.ndarray,
) -> Errors:
    """The means and their standard errors, each against its entry of ``monte_carlo_bounds``."""
    found = widened(outputs, c.shape, c.shape)
    bounds = monte_carlo_bounds(exact, x, a, c)
    return entry_errors(("mean", "standard error"), found, exact, bounds, epsilon(outputs))


Kernel(
    compute=monte_carlo_integral,
    inputs=monte_carlo_inputs,
    reference=monte_carlo_reference,
    errors=monte_carlo_errors,
    flops=lambda n, d, p: n * p * (2 * d + 6),
    traffic=lambda itemsize, n, d, p: itemsize * (n * d + d * p + 3 * p),
    sizes={
        "small": {"n": 128, "d": 4, "p": 4},
        "medium": {"n": 8192, "d": 8, "p": 32},
        "large": {"n": 131072, "d": 8, "p": 128},
        "huge": {"n": 4194304, "d": 16, "p": 64},
    },
    chapter="calculus",
)
