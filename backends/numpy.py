"""NumPy on the CPU, with SciPy's special functions."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xpbench.bench import threads
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.draws import HostDraws
from xpbench.bench.special import Special, host_functions
from xpbench.bench.vocabulary import Array, Vocabulary, interpolate, position

LAPACK = (
    *("cholesky", "cond", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matrix_rank"),
    *("pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensorinv", "tensorsolve"),
)
"""What numpy.linalg computes in float64 whatever it is given, rounding the result at the end."""


FEW = 512
"""Entries below which the calls of a formula take longer than its arithmetic."""

STRIP = 64
"""Columns that are copied at a time where a transpose is laid out in memory."""


class NumpyVocabulary(Vocabulary):
    def __init__(self, namespace: Any, scipy: Any, **parts: Any) -> None:
        super().__init__(namespace, **parts)
        self._linalg, self._expit = scipy.linalg, scipy.special.expit

    def solve_triangular(self, a: Array, b: Array, *, lower: bool) -> Array:
        return self._linalg.solve_triangular(a, b, lower=lower, check_finite=False)

    def lstsq(self, a: Array, b: Array) -> Array:
        # numpy.linalg.lstsq computes float32 in float64, and by an SVD; scipy.linalg.lstsq at its best
        # pivots columns to find a rank that is known to be full, for half as long again.
        gels, query = self._linalg.get_lapack_funcs(("gels", "gels_lwork"), (a, b))
        m, n = a.shape
        _, x, info = gels(a, b, lwork=int(query(m, n, 1)[0]))
        if info > 0:
            raise np.linalg.LinAlgError(
                f"column {info} depends on those before it: least squares needs full rank"
            )
        return x[:n]

    def gather(self, x: Array, indices: Array, *, axis: int = 0) -> Array:
        # Four times faster than x[indices].
        return np.take(x, indices, axis=axis)

    def scatter_add(self, x: Array, indices: Array, values: Array) -> Array:
        total = np.array(x, order="C")
        if total.ndim == 1:
            np.add.at(total, indices, values)
        else:
            # add.at is fast on one axis alone: five times, for rows of sixteen.
            width = int(np.prod(total.shape[1:]))
            flat = indices.astype(np.intp)[:, np.newaxis] * width + np.arange(width)
            np.add.at(total.reshape(-1), flat.reshape(-1), values.reshape(-1))
        return total

    def bincount(self, x: Array, weights: Array | None = None, *, length: int) -> Array:
        if weights is None:
            return np.bincount(x, minlength=length)
        # np.bincount sums in float64, slower than this.
        return self.scatter_add(np.zeros(length, weights.dtype), x, weights)

    def contiguous(self, x: Array) -> Array:
        if x.ndim != 2 or x.flags.c_contiguous:
            return np.asarray(x, order="C")
        # NumPy copies a transpose row by row, and misses its cache at every entry; strips stay in it.
        y = np.empty(x.shape, x.dtype)
        for start in range(0, x.shape[1], STRIP):
            y[:, start : start + STRIP] = x[:, start : start + STRIP]
        return y

    def sigmoid(self, x: Array) -> Array:
        # One call for four; but its exponential is not vectorised, as NumPy's own is.
        return self._expit(x) if x.size < FEW else super().sigmoid(x)

    def column_dots(self, x: Array, y: Array) -> Array:
        # The products are added up as they come, and are never an array.
        return np.einsum("ij,ij->j", x, y)

    def layer_norm(self, x: Array, gain: Array, bias: Array, *, epsilon: float) -> Array:
        # In place, because fresh memory costs more than arithmetic.
        y = x - np.mean(x, axis=-1, keepdims=True)
        variance = np.einsum("...i,...i->...", y, y)[..., np.newaxis] / x.shape[-1]
        y *= 1 / np.sqrt(variance + epsilon)
        y *= gain
        y += bias
        return y

    def quantile(self, x: Array, q: float | Sequence[float], *, axis: int = -1) -> Array:
        if isinstance(q, Sequence):
            return super().quantile(x, q, axis=axis)
        # Partition about one rank and look for its neighbour above: asked for both ranks at once,
        # as np.quantile does, partition leaves its vectorised code and takes eight times as long.
        rows = np.array(np.moveaxis(x, axis, -1), order="C")
        k, t = position(rows.shape[-1], q)
        rows.partition(k, axis=-1)
        low = rows[..., k].copy()
        return low if t == 0 else interpolate(low, rows[..., k + 1 :].min(axis=-1), t)

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        # In place, because fresh memory costs more than arithmetic.
        e = x - np.max(x, axis=axis, keepdims=True)
        np.exp(e, out=e)
        e /= np.sum(e, axis=axis, keepdims=True)
        return e

    def logsumexp(self, x: Array, *, axis: int = -1, keepdims: bool = False) -> Array:
        shift = np.max(x, axis=axis, keepdims=True)
        shift[~np.isfinite(shift)] = 0
        e = x - shift
        np.exp(e, out=e)
        with np.errstate(divide="ignore"):
            total = np.log(np.sum(e, axis=axis, keepdims=True)) + shift
        return total if keepdims else np.squeeze(total, axis=axis)


class Numpy(Backend):
    name = "numpy"
    library = "numpy"
    distributions = ("numpy", "scipy", "array-api-compat")
    install = "pip install numpy"
    default = True

    def environment(self, setting: Setting) -> dict[str, str]:
        return threads.variables(setting.threads)

    def load(self, setting: Setting) -> None:
        import array_api_compat.numpy as namespace
        import scipy.linalg
        import scipy.special

        self.require_device(setting.device)
        self.setting = setting
        special = Special(self.library, **host_functions())
        random = HostDraws(self.library)
        self.xp = NumpyVocabulary(namespace, scipy, special=special, random=random)

    def declines(self, dtype: str) -> str | None:
        if dtype == "float16":
            return "NumPy holds float16 to save memory: it computes it number by number, without BLAS"
        if dtype == "bfloat16":
            return "NumPy has no bfloat16: ml_dtypes lends it one to hold, and no products of it"
        return super().declines(dtype)

    def compute_dtype(self, compute: Callable[..., Any], arrays: Sequence[Array], dtype: str) -> str:
        if dtype != "float32":
            return dtype
        linalg = _WatchedLinalg(self.xp.linalg)
        xp = copy.copy(self.xp)
        xp.linalg = linalg
        compute(xp, *arrays)
        return "float64" if linalg.widened else dtype

    def in_force(self) -> dict[str, Any]:
        return threads.in_force()


class _WatchedLinalg:
    """``numpy.linalg``, noting whether a function that widens float32 was called with it."""

    def __init__(self, linalg: Any) -> None:
        self._linalg = linalg
        self.widened = False

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._linalg, name)
        if not callable(function):
            return function

        def watched(*args: Any, **kwargs: Any) -> Any:
            narrow = any(getattr(a, "dtype", None) == np.float32 for a in (*args, *kwargs.values()))
            if narrow and _factorises(name, args, kwargs):
                self.widened = True
            return function(*args, **kwargs)

        return watched


def _factorises(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    if name == "matrix_power":
        exponent = kwargs.get("n", args[1] if len(args) > 1 else 1)
        return bool(exponent < 0)
    if name in ("norm", "matrix_norm"):
        # The spectral and the nuclear norm of a matrix take its singular values.
        order = kwargs.get("ord", args[1] if name == "norm" and len(args) > 1 else None)
        return order in ("nuc", 2, -2) and (name == "matrix_norm" or args[0].ndim > 1)
    return name in LAPACK
