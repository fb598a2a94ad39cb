"""How fast, and how exactly, are constrained problems solved together with their multipliers?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, spectral_norm, widened
from xpbench.bench.kernel import Array, Errors

REFLECTED = 64
"""Directions, at most, along which the eigenvectors of a random matrix leave the axes."""

PROBES = 64
"""Random vectors that stand for all, where a norm is estimated that a single direction may decide."""

REPLICAS = 4
"""Trajectories whose rounding is drawn at random, from which a limit is found."""


def equality_qp(xp: Array, q: Array, c: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """A quadratic programme with linear equations as constraints, through its KKT system.

        minimise x'Q x / 2 - c'x subject to A x = b:

        [ Q, A'; A, 0 ] [ x; -l ] = [ c; b ]

    The multipliers l are Lagrange's, Q x - c = A'l: the gradient of the minimum with respect to b. The
    system is symmetric and indefinite, and is solved by elimination with partial pivoting.

    Q (n, n) symmetric, and positive definite where A x = 0; c (n,); A (m, n) of rank m; and
    b (m,) -> x (n,), l (m,); 2/3 (n + m)^3 + 2 (n + m)^2 flops.
    Nocedal & Wright, Numerical Optimization, 2nd ed., section 16.1; Boyd & Vandenberghe, Convex
    Optimization, section 10.1.1.
    """
    m, n = a.shape
    corner = xp.zeros((m, m), dtype=a.dtype)
    above, below = xp.concat([q, a.T], axis=1), xp.concat([a, corner], axis=1)
    solution = xp.linalg.solve(xp.concat([above, below], axis=0), xp.concat([c, b]))
    return solution[:n], -solution[n:]


def svm_dual(
    xp: Array, x: Array, y: Array, penalty: Array, eta: Array, *, steps: int
) -> tuple[Array, Array, Array]:
    """The dual of the linear support vector machine, by accelerated projected gradient ascent.

        primal:  minimise  w'w / 2 + C sum_i max(0, 1 - y_i x_i'w)
        dual:    maximise  sum_i a_i - w'w / 2 over 0 <= a_i <= C,    w = sum_i a_i y_i x_i

        p_t = a_t-1 + (t - 2) / (t + 1) (a_t-1 - a_t-2),
        a_t = P(p_t + eta (1 - Z Z'p_t)),    P(v) = min(max(v, 0), C),    t = 1 ... T

    from a_0 = a_-1 = 0, with row i of Z being y_i x_i. There is no intercept, so that the constraints
    are a box. It returns a_T and both objectives at it, with w = Z'a_T. The primal is never below the
    dual, and their gap bounds how far either is from the optimum.

    x (n, d), y (n,) of -1 and 1, C (), eta () -> a (n,), primal (), dual ();
    T (4 n d + 8 n) + 5 n d + 4 n flops.
    Shalev-Shwartz & Ben-David, Understanding Machine Learning, section 15.4; Beck, First-Order Methods
    in Optimization, section 10.7; Hsieh, Chang, Lin, Keerthi & Sundararajan, ICML 2008.
    """
    z = y[:, None] * x
    zero = xp.zeros_like(y)
    t = xp.arange(1, steps + 1, dtype=x.dtype)

    def step(state: tuple[Array, Array], momentum: Array) -> tuple[tuple[Array, Array], None]:
        a, before = state
        p = a + momentum * (a - before)
        uphill = 1 - z @ (p @ z)
        return (xp.minimum(xp.maximum(p + eta * uphill, zero), penalty), a), None

    (a, _), _ = xp.scan(step, (zero, zero), (t - 2) / (t + 1))
    w = a @ z
    slack = xp.maximum(1 - z @ w, zero)
    half = (w @ w) / 2
    return a, half + penalty * xp.sum(slack), xp.sum(a) - half


def equality_qp_inputs(rng: np.random.Generator, n: int, m: int, decades: int) -> tuple[np.ndarray, ...]:
    """A matrix Q of condition number 10^decades, and a solution and multipliers of normal entries.

    The eigenvalues of Q fall from 1 by equal factors, and its eigenvectors are the axes, reflected in a
    random subspace. A is normal, of a norm between 1 and 2.

    Raises
    ------
    Unsupported
        If there are more constraints than unknowns.
    """
    if m > n:
        raise Unsupported(f"at most n constraints on n unknowns are independent: n={n}, m={m}")
    v = np.linalg.qr(rng.standard_normal((n, min(n // 2, REFLECTED)))).Q
    values = np.logspace(0, -decades, n)
    mixed = v * 2
    moved = values[:, None] * v
    core = v.T @ moved
    q = np.diag(values) - mixed @ moved.T - moved @ mixed.T + mixed @ core @ mixed.T
    a = rng.standard_normal((m, n)) / math.sqrt(n)
    x, multipliers = rng.standard_normal(n), rng.standard_normal(m)
    return (q + q.T) / 2, q @ x - a.T @ multipliers, a, a @ x


def svm_dual_inputs(rng: np.random.Generator, n: int, d: int, steps: int) -> tuple[np.ndarray, ...]:
    """Two classes apart in a random direction but for noise of half the margin's size, and C = 1/4.

    The step is 1 / L with L = ||Z||^2, the curvature of the dual.
    """
    x = rng.standard_normal((n, d)) / math.sqrt(d)
    direction = rng.standard_normal(d)
    margins = x @ (direction / np.linalg.norm(direction)) * math.sqrt(d)
    y = np.where(margins + 0.5 * rng.standard_normal(n) > 0, 1.0, -1.0)
    return x, y, np.asarray(0.25), np.asarray(1 / np.linalg.eigvalsh(x.T @ x)[-1])


def equality_qp_reference(
    q: np.ndarray, c: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The null-space method in float64 (Nocedal & Wright, section 16.2), refined three times.

    With A' = Y R and Z orthonormal to Y, x = Y R^-T b + Z w, where Z'Q Z w = Z'(c - Q Y R^-T b).
    Residuals of the whole system are summed in long double: of 64 bits on x86, and elsewhere of 53 at
    least.
    """
    import scipy.linalg

    m, n = a.shape
    basis, r = scipy.linalg.qr(a.T)
    y, z, r = basis[:, :m], basis[:, m:], r[:m]
    factors = scipy.linalg.lu_factor(z.T @ q @ z) if m < n else None

    def solved(c: np.ndarray, b: np.ndarray) -> np.ndarray:
        """x and -l, in one vector (n + m,)."""
        x = y @ scipy.linalg.solve_triangular(r, b, trans="T")
        if factors is not None:
            x = x + z @ scipy.linalg.lu_solve(factors, z.T @ (c - q @ x))
        return np.append(x, scipy.linalg.solve_triangular(r, y.T @ (c - q @ x)))

    wide_q, wide_a = q.astype(np.longdouble), a.astype(np.longdouble)
    solution = solved(c, b).astype(np.longdouble)
    for _ in range(3):
        x, negative = np.split(solution, [n])
        slope, gap = c - wide_q @ x - negative @ wide_a, b - wide_a @ x
        solution = solution + solved(slope.astype(np.float64), gap.astype(np.float64))
    exact = solution.astype(np.float64)
    return exact[:n], -exact[n:]


def svm_dual_reference(
    x: np.ndarray, y: np.ndarray, penalty: np.ndarray, eta: np.ndarray, steps: int
) -> tuple[np.ndarray, ...]:
    """The same trajectory in float64, on which margins are extrapolated instead of multipliers.

    The objectives come from the margins y_i x_i'w too: w'w is their sum, weighted by the multipliers.
    """
    a = before = margins = margins_before = np.zeros(len(y))
    for t in range(steps):
        momentum = (t - 1) / (t + 2)
        margin = margins + momentum * (margins - margins_before)
        ascended = a + momentum * (a - before) + eta * (1 - margin)
        a, before = np.clip(ascended, 0, penalty), a
        w = np.einsum("ij,i->j", x, a * y)
        margins, margins_before = y * np.einsum("ij,j->i", x, w), margins
    primal = a @ margins / 2 + penalty * np.sum(np.maximum(1 - margins, 0))
    return a, np.asarray(primal), np.asarray(np.sum(a) - a @ margins / 2)


def equality_qp_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray] | None,
    q: np.ndarray,
    c: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
) -> Errors:
    """The backward errors of the system and of its constraints, and forward errors with an oracle.

    With K, s = (x, -l) and r = (c, b) of the system, ``kkt`` is ``|K s - r| / (||K|| |s| + |r|)``, the
    relative size of the smallest change of K and r to which s is the exact solution, whatever the
    condition of Q (Rigal & Gaches, J. ACM 14, 1967; Higham, Accuracy and Stability of Numerical
    Algorithms, 2nd ed., theorem 7.1). ``constraints`` is ``|A x - b| / (||A|| |x| + |b|)``.

    With P K = L U, elimination and both substitutions sum products of entries of L, U and s, at most
    N = n + m at a time, each with an error of sqrt(N) / 4 eps times the norm of its terms (Higham &
    Mary, SIAM J. Sci. Comput. 42, 2020). Independent, they leave row i a residual of

        e_i^2 = 3 N / 16 sum over k of l_ik^2 sum over j of u_kj^2 s_j^2

    eps in the mean square, which knows how far pivoting lets U grow. The limits are four times the norms
    of e, and of its rows of A, over the same scales: four, because a norm of few numbers may be some
    times its root mean square. ``solution`` and ``multipliers`` are ``|x - x64| / |x64|`` and
    ``|l - l64| / |l64|``, limit four times what K^-1 makes of e with random signs over the same.
    """
    import scipy.linalg

    (m, n), eps = a.shape, epsilon(outputs)
    x, multipliers = widened(outputs, (n,), (m,))
    k, r, s = np.block([[q, a.T], [a, np.zeros((m, m))]]), np.append(c, b), np.append(x, -multipliers)
    order, lower, upper = scipy.linalg.lu(k, p_indices=True)
    squares = np.square(lower)[order] @ (np.square(upper) @ s**2)
    e = 4 * np.sqrt(3 * (n + m) / 16 * squares)

    scale = spectral_norm(k) * np.linalg.norm(s) + np.linalg.norm(r)
    feasible = spectral_norm(a) * np.linalg.norm(x) + np.linalg.norm(b)
    pairs = {
        "kkt": (
            largest_ratio(np.linalg.norm(k @ s - r), scale) / eps,
            float(np.linalg.norm(e) / scale),
        ),
        "constraints": (
            largest_ratio(np.linalg.norm(a @ x - b), feasible) / eps,
            float(np.linalg.norm(e[n:]) / feasible),
        ),
    }
    if exact is not None:
        signs = np.random.default_rng(n).choice([-1.0, 1.0], (n + m, PROBES))
        moved = np.split(np.linalg.solve(k, e[:, None] * signs), [n])
        parts = zip(("solution", "multipliers"), (x, multipliers), exact, moved, strict=True)
        for name, found, true, probed in parts:
            size = float(np.linalg.norm(true))
            error = largest_ratio(np.linalg.norm(found - true), size) / eps
            pairs[name] = (error, float(np.linalg.norm(probed)) / math.sqrt(PROBES) / size)
    return pairs


def svm_dual_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
    eta: np.ndarray,
    steps: int,
) -> Errors:
    """The multipliers against the oracle's, both objectives against those of the same multipliers.

    ``multipliers`` is ``|a - a64| / |a64|``, limit four times the ``spread`` of rounding, and ``box`` by
    how much an entry lies outside of [0, C], limit 0.

    ``primal`` and ``gap`` are, over the primal objective, the distances of it and of the gap from what
    float64 finds for the a returned. There the gap is the sum of C max(0, 1 - z_i w) - a_i (1 - z_i w),
    of which no term is negative in the box: weak duality. Sums of n numbers err by up to sqrt(n) / 4 eps
    of the norm of their terms where these have mean zero (Higham & Mary, SIAM J. Sci. Comput. 42, 2020),
    and where they have one sign by sqrt(n) / 6 of the sum. An entry of w is charged both, as e_j, and
    moves an objective by its derivative: w - C Z'h for the primal, with h marking the samples whose
    slack is positive, and w more for the gap. A positive slack 1 - z_i w errs by sqrt(d) / 4 of the norm
    of the terms of z_i w, and by 0.3 of itself, and counts C times. The sums err by sqrt(n) / 6 of the
    slacks' and of that of a, and by sqrt(d) / 6 of w'w, which the primal holds half and the gap whole.
    The last operations err by half an eps of the primal and, for the dual, by 0.3 of the sum of a. The
    limit is four times the root of the squares of these.
    """
    n, d = x.shape
    a, primal, dual = widened(outputs, (n,), (), ())
    eps, z, cost = epsilon(outputs), y[:, None] * x, float(penalty)
    w = z.T @ a
    slack = 1 - z @ w
    positive = cost * np.maximum(slack, 0)
    value, gap = float(w @ w / 2 + np.sum(positive)), float(np.sum(positive - a * slack))

    e = math.sqrt(n) * np.hypot(np.sqrt(np.einsum("ij,ij,i->j", x, x, a**2)) / 4, w / 6)
    derivative = w - cost * (z.T @ (slack > 0))
    products = math.sqrt(d) / 4 * np.sqrt(np.square(z) @ w**2)
    slacks = cost * np.linalg.norm((slack > 0) * np.hypot(products, 0.3 * slack))
    common = math.hypot(slacks, math.sqrt(n) / 6 * np.sum(positive), value / 2)
    square, total = math.sqrt(d) / 6 * (w @ w), np.sum(np.abs(a))
    primal_limit = 4 * math.hypot(np.linalg.norm(derivative * e), common, square / 2)
    gap_limit = 4 * math.hypot(
        np.linalg.norm((derivative + w) * e), common, square, math.sqrt(n) / 6 * total, 0.3 * total
    )
    size = float(np.linalg.norm(exact[0]))
    outside = largest_ratio(a - np.clip(a, 0, cost), 1.0)
    return {
        "multipliers": (
            largest_ratio(np.linalg.norm(a - exact[0]), size) / eps,
            4 * spread(z, cost, float(eta), steps) / size,
        ),
        "primal": (largest_ratio(primal - value, value) / eps, primal_limit / value),
        "gap": (largest_ratio((primal - dual) - gap, value) / eps, gap_limit / value),
        "box": (outside / eps, 0.0),
    }


def spread(z: np.ndarray, cost: float, eta: float, steps: int) -> float:
    """How far rounding carries the last multipliers of ``svm_dual``, in the root mean square, over eps.

    Steps with momentum are no contraction: without the box, errors along directions of no curvature
    would grow with every step; cut multipliers have none. So errors are carried along: REPLICAS
    trajectories are computed in float64 with random errors in place of rounding, of 2^-36 for eps, and
    compared with one that has none (Monte Carlo arithmetic: Parker, Pierce & Eggert, Computing in
    Science & Engineering 2, 2000). A step errs by 0.3 eps of the result of every operation on a
    multiplier, and by sqrt(l) / 4 eps of the norm of the terms of a sum of l products, one of w = Z'p by
    sqrt(n) / 6 of its value too, as the terms have a mean.
    """
    rng = np.random.default_rng(0)
    n, d = z.shape
    unit = np.append(0.0, np.full(REPLICAS, 2.0**-36))
    squares = np.square(z)
    a = before = np.zeros((n, REPLICAS + 1))
    for t in range(steps):
        momentum = (t - 1) / (t + 2)
        move = momentum * (a - before)
        p = a + move
        w = z.T @ p
        sums = np.sqrt(n * (squares.T @ p[:, 0] ** 2 / 16 + w[:, 0] ** 2 / 36))
        w += unit * sums[:, None] * rng.standard_normal(w.shape)
        uphill = eta * (1 - z @ w)
        sums = d / 16 * eta**2 * (squares @ w[:, 0] ** 2)
        single = 0.09 * (2 * p[:, 0] ** 2 + 2 * move[:, 0] ** 2 + 2 * uphill[:, 0] ** 2)
        noise = np.sqrt(sums + single)[:, None] * unit * rng.standard_normal(p.shape)
        a, before = np.clip(p + uphill + noise, 0, cost), a
    return float(np.linalg.norm(a[:, 1:] - a[:, :1])) / math.sqrt(REPLICAS) / 2.0**-36


Kernel(
    compute=equality_qp,
    inputs=equality_qp_inputs,
    reference=equality_qp_reference,
    errors=equality_qp_errors,
    flops=lambda n, m, decades: 2 / 3 * (n + m) ** 3 + 2 * (n + m) ** 2,
    traffic=lambda itemsize, n, m, decades: itemsize * (n**2 + n * m + 2 * n + 2 * m),
    sizes={
        "small": {"n": 12, "m": 4, "decades": 3},
        "medium": {"n": 192, "m": 64, "decades": 4},
        "large": {"n": 1536, "m": 512, "decades": 4},
        "huge": {"n": 6144, "m": 2048, "decades": 4},
    },
    oracle_flops=2048**3,
    chapter="optimization",
)

Kernel(
    compute=svm_dual,
    inputs=svm_dual_inputs,
    reference=svm_dual_reference,
    errors=svm_dual_errors,
    flops=lambda n, d, steps: steps * (4 * n * d + 8 * n) + 5 * n * d + 4 * n,
    traffic=lambda itemsize, n, d, steps: itemsize * (n * d + 2 * n + 4),
    sizes={
        "small": {"n": 32, "d": 4, "steps": 5},
        "medium": {"n": 1024, "d": 64, "steps": 50},
        "large": {"n": 32768, "d": 128, "steps": 100},
        "huge": {"n": 262144, "d": 128, "steps": 100},
    },
    static=("steps",),
    chapter="optimization",
)
