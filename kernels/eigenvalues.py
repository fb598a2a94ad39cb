"""How fast, and how exactly, are the eigenvalues and eigenvectors of a symmetric matrix found?"""

import math
from collections.abc import Sequence

import numpy as np

from xpbench import Kernel, epsilon, largest_ratio, orthogonality, widened
from xpbench.bench.kernel import Array, Errors

STRENGTH = 3.0
PROBES = 4


def eigh(xp: Array, a: Array) -> tuple[Array, Array]:
    """All eigenvalues of a symmetric matrix, in ascending order, and orthonormal eigenvectors.

        A V = V diag(w),    V'V = 1,    w_1 <= w_2 <= ... <= w_n

    a (n, n) -> w (n,), v (n, n) with an eigenvector a column; 9 n^3 flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 8.3; LAPACK's syevd.
    """
    w, v = xp.linalg.eigh(a)
    return w, v


def eigh_inputs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """A random symmetric matrix, with eigenvalues on both sides of zero that keep apart."""
    a = rng.standard_normal((n, n))
    return ((a + a.T) / math.sqrt(2),)


def eigh_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """By QR iteration (LAPACK's dsyev), where array libraries divide and conquer (dsyevd).

    Relatively robust representations (dsyevr) were off by 30 eps of the norm at n = 4.
    """
    import scipy.linalg

    w, v = scipy.linalg.eigh(a, driver="ev")
    return w, v


def eigh_errors(
    outputs: Sequence[np.ndarray], exact: Sequence[np.ndarray] | None, a: np.ndarray
) -> Errors:
    """LAPACK's test ratios, column by column; blind to signs and to bases of equal eigenvalues.

    ``residual`` is the largest ``||A v_i - w_i v_i|| / ||A||``, ``orthogonality`` the largest entry of
    ``|V'V - 1|``, ``values`` the largest ``|w_i - w64_i| / ||A||``, where there is an oracle; by Weyl's
    theorem it is no more than the backward error. ``||A||`` is the largest ``|w_i|``. ``order`` is how
    far the values are from ascending, which admits no error at all.

    The limit of the others is (8 sqrt(n) + 4 log2(n)) eps. A vector passes n reflections on its way to
    tridiagonal form and n on its way back, half of what it passes for ``svd``; their errors, of a few u
    each, add up like a random walk (Connolly & Higham, SIAM J. Matrix Anal. Appl. 44, 2023), with twice
    the tridiagonal problem between them. That is halved log2(n) times, and when halves are merged what
    is below 8 u is left out (LAPACK's dlaed2).
    """
    n = a.shape[0]
    w, v = widened(outputs, (n,), (n, n))
    eps = epsilon(outputs)
    limit = 8 * math.sqrt(n) + 4 * math.log2(n)
    size = np.max(np.abs(w))
    residual = np.linalg.norm(a @ v - v * w, axis=0)
    falls = np.max(-np.diff(w), initial=0.0)
    pairs = {
        "residual": (largest_ratio(residual, size) / eps, limit),
        "orthogonality": (orthogonality(v) / eps, limit),
        "order": (largest_ratio(falls, size) / eps, 0.0),
    }
    if exact is not None:
        w64 = exact[0]
        pairs["values"] = (largest_ratio(w - w64, np.max(np.abs(w64))) / eps, limit)
    return pairs


Kernel(
    compute=eigh,
    inputs=eigh_inputs,
    reference=eigh_reference,
    errors=eigh_errors,
    flops=lambda n: 9 * n**3,
    traffic=lambda itemsize, n: itemsize * (2 * n**2 + n),
    sizes={"small": {"n": 16}, "medium": {"n": 128}, "large": {"n": 1024}, "huge": {"n": 4096}},
    oracle_flops=9 * 1024**3,
    chapter="linear_algebra",
)


def power_iteration(xp: Array, a: Array, x: Array, *, steps: int) -> tuple[Array, Array]:
    """The eigenvalue of largest modulus of a symmetric matrix, by a fixed number of power steps.

        x <- A x / |A x|, steps times from the given x;    then lambda = x'(A x)

    a (n, n), x (n,) -> Rayleigh quotient lambda (), x (n,); 2 (steps + 1) n^2 + 3 steps n + 2 n flops.
    Golub & Van Loan, Matrix Computations, 4th ed., section 8.2.1.
    """

    def step(_: Array, x: Array) -> Array:
        y = a @ x
        return y / xp.sqrt(y @ y)

    x = xp.fori_loop(steps, step, x)
    return x @ (a @ x), x


def power_inputs(rng: np.random.Generator, n: int, steps: int) -> tuple[np.ndarray, ...]:
    """Noise in which one direction is strong, and a random start of which it is a typical part.

    The eigenvalues of the noise fill [-2, 2], and a direction of strength 3 in it has one of about
    3 + 1/3 (Benaych-Georges & Nadakuditi, Advances in Mathematics 227, 2011). What is not of this
    direction falls to 0.6 or less at every step, and ten leave enough of it for any precision to see.
    """
    a = rng.standard_normal((n, n))
    a = a + a.T
    a /= math.sqrt(2 * n)
    direction = rng.standard_normal(n)
    direction /= np.linalg.norm(direction)
    root = math.sqrt(STRENGTH) * direction
    a += np.outer(root, root)
    x = rng.standard_normal(n)
    return a, x + (1 - x @ direction) * direction


def power_reference(a: np.ndarray, x: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
    """A^steps x in sums that call no BLAS, normalised once, at the end; powers of 2 keep it in range."""
    for _ in range(steps):
        x = np.einsum("ij,j->i", a, x)
        x = np.ldexp(x, -np.frexp(np.max(np.abs(x)))[1])
    x = x / math.sqrt(math.fsum(x * x))
    return np.asarray(math.fsum(x * np.einsum("ij,j->i", a, x))), x


def power_errors(
    outputs: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    a: np.ndarray,
    x: np.ndarray,
    steps: int,
) -> Errors:
    """Eigenvalue and vector against the oracle's after as many steps, and the length of the vector.

    Roundings are independent, of 0.3 eps each in the root mean square, and every limit is three times
    the root mean square that they add up to; the oracle's own are counted in float64.

    ``vector`` is ``|x - x64|``, of length 1; see ``vector_deviation`` for its root mean square V.
    ``length`` is ``||x| - 1|``: the n terms of a norm have one sign, so that their partial sums grow to
    the whole, and it errs by 0.3 sqrt(n / 3) / 2 eps and one eps for root and division: less than
    sqrt(n) / 12 + 1 eps.
    ``value`` is ``|l - l64| / |l64|``. An error of the vector counts by twice the residual r =
    |A x - l x| / |l| only, its length twice, and the last sum, of terms of one sign once converged, by
    0.3 sqrt(n / 3) eps: together below the root of n / 12 + 4, and 2 r V.
    """
    n = a.shape[0]
    value, vector = widened(outputs, (), (n,))
    value64, vector64 = exact
    eps = epsilon(outputs)
    deviation = vector_deviation(a, x, steps)
    residual = float(np.linalg.norm(a @ vector64 - value64 * vector64) / abs(value64))
    return {
        "vector": (float(np.linalg.norm(vector - vector64)) / eps, 3 * deviation),
        "length": (abs(float(np.linalg.norm(vector)) - 1) / eps, math.sqrt(n) / 4 + 3),
        "value": (
            largest_ratio(value - value64, value64) / eps,
            3 * (math.sqrt(n / 12 + 4) + 2 * residual * deviation),
        ),
    }


def vector_deviation(a: np.ndarray, x: np.ndarray, steps: int) -> float:
    """What rounding adds up to in the vector after the last step, root mean square, in eps.

    A product A x of unit x errs by (sqrt(n) / 4) (||A diag(x)|| + |A x|) eps at most, Frobenius norm for
    sums whose terms have mean zero (Higham & Mary, SIAM J. Sci. Comput. 42, 2020), |A x| for terms of
    one sign; norm and division by less than one eps each. Later steps multiply an error of random
    direction by the root mean square of |A^i z| over random z, and divide it by what they divide the
    vector by. Errors of different steps add in the mean square.
    """
    n = a.shape[0]
    squares = np.einsum("ij,ij->j", a, a)
    z = np.random.default_rng(n).choice([-1.0, 1.0], (n, PROBES)) / math.sqrt(n * PROBES)
    x = x / np.linalg.norm(x)
    growth, shrinkage, variance = [1.0], [], []
    for _ in range(steps):
        y, z = a @ x, a @ z
        length = float(np.linalg.norm(y))
        variance.append(n / 16 * (1 + float(squares @ x**2) / length**2) + 2)
        shrinkage.append(length)
        growth.append(float(np.linalg.norm(z)))
        x = y / length
    total, divided = 0.0, 1.0
    for later in range(steps):
        total += variance[-1 - later] * (growth[later] / divided) ** 2
        divided *= shrinkage[-1 - later]
    return math.sqrt(total)


Kernel(
    compute=power_iteration,
    inputs=power_inputs,
    reference=power_reference,
    errors=power_errors,
    flops=lambda n, steps: 2 * (steps + 1) * n**2 + 3 * steps * n + 2 * n,
    traffic=lambda itemsize, n, steps: itemsize * (n**2 + 2 * n + 1),
    sizes={
        "small": {"n": 64, "steps": 10},
        "medium": {"n": 1536, "steps": 10},
        "large": {"n": 6144, "steps": 10},
        "huge": {"n": 12288, "steps": 10},
    },
    static=("steps",),
    chapter="linear_algebra",
)
