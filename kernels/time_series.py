"""How fast, and how exactly, is the past of a time series fitted to its future?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, Unsupported, epsilon, largest_ratio, least_squares_errors, widened
from xpbench.bench.kernel import Array, Errors


def autoregression(xp: Array, x: Array, *, p: int) -> tuple[Array, Array]:
    """An autoregressive model of a series of mean zero, by least squares and by Yule and Walker.

        x_t = f_1 x_t-1 + ... + f_p x_t-p + e_t

        least squares    f minimises sum_(t=p)^(n-1) (x_t - sum_j f_j x_t-j)^2
        Yule-Walker      sum_j r_|i-j| g_j = r_i,  i = 1 ... p,    r_k = 1/n sum_(t=k)^(n-1) x_t x_t-k

    The first is the conditional likelihood's maximum, by a QR decomposition of the matrix of past
    values: the rows x_t-k of a matrix (p + 1, n) that has 0 where the series has not begun, whose
    product with x is n r. The second belongs to a stationary model whatever the series, because all r_k
    are divided by n, and is the solution of a Toeplitz system, found as that of any other.

    x (n,), its mean subtracted, n >= 2 p + 2 -> f (p,), g (p,); 2 n p^2 + 4 n p + 2 n (p + 1) flops.
    Brockwell & Davis, Time Series: Theory and Methods, 2nd ed., sections 8.1 and 8.7.
    """
    n = x.shape[0]
    before = xp.concat([xp.zeros((p,), dtype=x.dtype), x])
    lagged = xp.stack([before[p - k : p - k + n] for k in range(p + 1)])
    f = xp.lstsq(lagged[1:, p:].T, x[p:])
    r = lagged @ x / n
    lags = xp.arange(p)
    toeplitz = xp.gather(r, xp.abs(lags[:, None] - lags[None, :]))
    return f, xp.linalg.solve(toeplitz, r[1:])


def inputs(rng: np.random.Generator, n: int, p: int) -> tuple[np.ndarray, ...]:
    """A stationary series from drawn partial autocorrelations, its first values from before a long past.

    The first is 0.7 and the others lie between -0.4 and 0.4, the last one away from 0: so every
    coefficient counts, and the condition number of the Toeplitz matrix stays at some hundreds.
    """
    import scipy.signal

    if n < 2 * p + 2:
        raise Unsupported(f"n={n} values do not determine p={p} coefficients: n must be {2 * p + 2}")
    partial = rng.uniform(-0.4, 0.4, p) / np.sqrt(np.arange(1, p + 1))
    partial[-1], partial[0] = math.copysign(0.3, partial[-1]), 0.7
    start = 64 * p
    noise = rng.standard_normal(start + n)
    x = scipy.signal.lfilter([1.0], np.append(1.0, -coefficients(partial)), noise)[start:]
    return (x - np.mean(x),)


def coefficients(partial: np.ndarray) -> np.ndarray:
    """The coefficients (p,) of the process that has these partial autocorrelations (p,).

    Durbin's recursion; within (-1, 1) every choice is stationary (Barndorff-Nielsen & Schou, J.
    Multivariate Anal. 3, 1973).
    """
    f = np.zeros(0)
    for last in partial:
        f = np.append(f - last * f[::-1], last)
    return f


def design(x: np.ndarray, p: int) -> tuple[np.ndarray, np.ndarray]:
    """The past values (n - p, p) of every value but the first p, the latest first, and those values."""
    windows = np.lib.stride_tricks.sliding_window_view(x, p + 1)[:, ::-1]
    return np.ascontiguousarray(windows[:, 1:]), np.ascontiguousarray(windows[:, 0])


def autocovariances(x: np.ndarray, p: int) -> np.ndarray:
    """r (p + 1,) through the spectrum of the series, padded so that its ends do not meet."""
    import scipy.fft

    length = scipy.fft.next_fast_len(len(x) + p, real=True)
    spectrum = scipy.fft.rfft(x, length)
    r: np.ndarray = scipy.fft.irfft(np.abs(spectrum) ** 2, length)[: p + 1] / len(x)
    return r


def reference(x: np.ndarray, p: int) -> tuple[np.ndarray, ...]:
    """By an SVD of the matrix of past values (LAPACK's gelsd), and by Levinson's recursion.

    The first gets the correction that its own residual asks for.
    """
    import scipy.linalg

    past, following = design(x, p)
    f = scipy.linalg.lstsq(past, following)[0]
    f = f + scipy.linalg.lstsq(past, following - past @ f)[0]
    r = autocovariances(x, p)
    return f, scipy.linalg.solve_toeplitz(r[:p], r[1:])


def errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, x: np.ndarray, p: int
) -> Errors:
    """Least squares as for ``lstsq``, Yule and Walker's equations by the errors of their entries.

    Sums are long here: of m terms of one sign one errs by sqrt(m) / 6 of its value, in eps and the root
    mean square, and of terms of mean zero by sqrt(m) / 4 of the norm of its terms (Higham & Mary, SIAM
    J. Sci. Comput. 42, 2020).

    ``normal`` and ``forward`` are those of ``least_squares_errors``, whose limit 2 sqrt(p) + 4 leaves
    out what a column's norm errs by, and so all that its reflection is applied to: the sum of its
    m = n - p squares. Four times that comes in addition: 2 sqrt(p) + 4 + 2/3 sqrt(m).

    ``autocovariances`` is ||g - g64|| over its root mean square error, and limit 4. r_k errs by a_k,

        a_k^2 = n / 36 r_k^2 + (1/16 + 1/(12 n)) q_k + r_k^2 / 3,    q_k = 1/n sum_t (x_t x_t-k)^2

    1/3 for the last roundings, the oracle's among them. An error of r_k moves g by R^-1 m_k to first
    order, with R the Toeplitz matrix and m_k = e_k - T_k g, where T_k is 1 where R has r_k and e_k the
    k-th unit vector (0 for k = 0). The system's own solution is off by R^-1 E g, E of independent
    entries of sqrt(p) / 2 + 1/2 times 0.3 of the largest of R, as sums of up to p products are (as for
    ``solve``). The square of the error is then

        sum_k a_k^2 |R^-1 m_k|^2 + (sqrt(p) / 2 + 1/2)^2 / 12 r_0^2 |g|^2 ||R^-1||^2 + |g|^2 / 12.
    """
    import scipy.linalg

    _, g = widened(outputs, (p,), (p,))
    eps = epsilon(outputs)
    if exact is None:
        r = autocovariances(x, p)
        least, g64 = None, scipy.linalg.solve_toeplitz(r[:p], r[1:])
    else:
        least, g64 = exact[:1], exact[1]
    pairs = least_squares_errors(outputs[:1], least, *design(x, p))
    sums, distance = 2 / 3 * math.sqrt(len(x) - p), np.linalg.norm(g - g64)
    return {
        **{name: (value, limit + sums) for name, (value, limit) in pairs.items()},
        "autocovariances": (largest_ratio(distance, deviation(g64, x, p)) / eps, 4.0),
    }


def deviation(g: np.ndarray, x: np.ndarray, p: int) -> float:
    """The root mean square error of the solution g of Yule and Walker's equations, in eps."""
    import scipy.linalg

    n, r = len(x), autocovariances(x, p)
    inverse = np.linalg.inv(scipy.linalg.toeplitz(r[:p]))
    lags = np.abs(np.subtract.outer(np.arange(p), np.arange(p)))
    total = (math.sqrt(p) / 2 + 1 / 2) ** 2 / 12 * (r[0] * float(np.linalg.norm(inverse))) ** 2 + 1 / 12
    total *= float(np.sum(g**2))
    for k in range(p + 1):
        q = np.mean((x[k:] * x[: n - k]) ** 2)
        a2 = (n / 36 + 1 / 3) * r[k] ** 2 + (1 / 16 + 1 / (12 * n)) * q
        m = (np.arange(1, p + 1) == k) - (lags == k) @ g
        total += float(a2 * np.sum((inverse @ m) ** 2))
    return math.sqrt(total)


Kernel(
    compute=autoregression,
    inputs=inputs,
    reference=reference,
    errors=errors,
    flops=lambda n, p: 2 * n * p**2 + 4 * n * p + 2 * n * (p + 1),
    traffic=lambda itemsize, n, p: itemsize * (n + 2 * p),
    sizes={
        "small": {"n": 256, "p": 3},
        "medium": {"n": 65536, "p": 8},
        "large": {"n": 1048576, "p": 16},
        "huge": {"n": 2097152, "p": 32},
    },
    static=("p",),
    oracle_flops=1e9,
    chapter="models",
)
