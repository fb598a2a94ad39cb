"""What a kernel may say beyond the array API standard: the verbs that the standard lacks."""

import difflib
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from xpbench.bench.draws import Draws
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.special import Special

Array = Any
Function = Callable[..., Any]

BLOCK = 2**18
"""Entries of an intermediate array in ``scatter_add``."""


class Vocabulary:
    """The standard's namespace and the verbs it lacks, as one object that kernels receive as ``xp``.

    Every public name of ``namespace`` is an attribute, at the cost of a look-up in a module. The
    methods here are written in the standard itself, as loops in Python where need be, so that they
    run on any library that follows it; a backend overrides those its library does better.

    ``special`` holds the special functions and ``random`` the draws: see
    :class:`~xpbench.bench.special.Special` and :class:`~xpbench.bench.draws.Draws`. What a
    library cannot do raises :class:`xpbench.Unsupported` with the reason.

    A tree is an array or a tuple of trees.
    """

    def __init__(
        self, namespace: Any, *, special: Special | None = None, random: Draws | None = None
    ) -> None:
        library = namespace.__name__.removeprefix("array_api_compat.")
        self.__dict__.update(_public(namespace, reserved=dir(type(self))))
        self._namespace = namespace
        self._library = library
        self.special = special or Special(library)
        self.random = random or Draws(library)

    def __getattr__(self, name: str) -> Any:
        # Only what was not copied comes here: deprecated names, and names that are not there.
        if not name.startswith("_"):
            try:
                return getattr(self._namespace, name)
            except AttributeError:
                pass
            known = [known for known in {*self.__dict__, *dir(type(self))} if not known.startswith("_")]
            near = difflib.get_close_matches(name, known, n=2)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise AttributeError(
                f"{self._library} has no {name!r}, and it is no verb of xpbench.Vocabulary{hint}",
                name=name,
                obj=self,
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # Loops

    def fori_loop(self, n: int, body: Function, state: Any) -> Any:
        """``state = body(i, state)`` for ``i`` from 0 to ``n - 1``.

        ``n`` is a Python integer and ``state`` a tree whose shapes and dtypes ``body`` keeps. ``i``
        may be a Python integer or an integer array without axes: compute with it and index by it,
        and do not branch on it.
        """
        for i in range(n):
            state = body(i, state)
        return state

    def scan(self, step: Function, state: Any, xs: Any) -> tuple[Any, Any]:
        """``state, y = step(state, x)`` for every ``x`` of ``xs``; returns the last state and all ``y``.

        ``xs`` is a tree of arrays ``(n, ...)`` with ``n >= 1``, of which ``step`` receives the
        entries along the first axis. ``y`` is a tree, and the result holds arrays ``(n, ...)`` in
        its place; or ``None``, and so is the result.
        """
        ys = []
        for x in self._entries(xs):
            state, y = step(state, x)
            ys.append(y)
        return state, self._stacked(ys)

    def while_loop(self, condition: Function, body: Function, state: Any) -> Any:
        """``state = body(state)`` as long as ``condition(state)`` holds, an array without axes.

        ``state`` is a tree whose shapes and dtypes ``body`` keeps.
        """
        while condition(state):
            state = body(state)
        return state

    def vmap(self, f: Function, in_axes: int | tuple[int | None, ...] = 0) -> Function:
        """``f`` over one more axis: of argument ``j`` along ``in_axes[j]``, of every output the first.

        An argument whose axis is ``None`` is passed whole; one integer stands for all arguments.
        Arguments are arrays and the output a tree.
        """

        def mapped(*arrays: Array) -> Any:
            axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(arrays)
            rows = [
                array if axis is None else self.moveaxis(array, axis, 0)
                for array, axis in zip(arrays, axes, strict=True)
            ]
            n = next(row.shape[0] for row, axis in zip(rows, axes, strict=True) if axis is not None)
            outputs = [
                f(*(row if axis is None else row[i, ...] for row, axis in zip(rows, axes, strict=True)))
                for i in range(n)
            ]
            return self._stacked(outputs)

        return mapped

    # Derivatives

    # ``by_hand`` stands in, where the library does not differentiate, for the function returned.

    def grad(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Function:
        """A function that returns the gradient of ``f``, which returns an array without axes.

        As ``value_and_grad`` for those who have no use for the value.
        """
        return by_hand or self._cannot_differentiate("grad")

    def value_and_grad(
        self, f: Function, argnums: int | tuple[int, ...] = 0, *, by_hand: Function | None = None
    ) -> Function:
        """A function that returns ``f(*arrays)``, an array without axes, and its gradient.

        The gradient has the shape of the argument at ``argnums``; for a tuple of ``argnums`` it is
        a tuple. By reverse-mode differentiation.
        """
        return by_hand or self._cannot_differentiate("value_and_grad")

    def jacobian(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Function:
        """A function that returns the Jacobian of ``f``: ``(*shape of f, *shape of the argument)``.

        By reverse-mode differentiation, a pass for every output.
        """
        return by_hand or self._cannot_differentiate("jacobian")

    def hessian(self, f: Function, argnums: int = 0, *, by_hand: Function | None = None) -> Function:
        """A function that returns the Hessian, ``(*argument, *argument)``, of ``f``.

        ``f`` returns an array without axes. By differentiating its gradient, forward or in reverse,
        whichever the library does faster.
        """
        return by_hand or self._cannot_differentiate("hessian")

    def hessian_vector_product(self, f: Function, *, by_hand: Function | None = None) -> Function:
        """A function of ``x`` and ``v`` that returns the Hessian of ``f`` at ``x`` times ``v``.

        By differentiating its gradient, at a small multiple of the cost of ``f``: the Hessian is never
        formed (Pearlmutter, Neural Computation 6, 1994).
        """
        return by_hand or self._cannot_differentiate("hessian_vector_product")

    # Linear systems

    def solve_triangular(self, a: Array, b: Array, *, lower: bool) -> Array:
        """``x`` of ``a x = b`` by substitution; the other triangle of ``a`` is not read.

        ``a (n, n), b (n,) or (n, k) -> x`` of the shape of ``b``. LAPACK's trtrs.
        """
        return self.linalg.solve(self.tril(a) if lower else self.triu(a), b)

    def lstsq(self, a: Array, b: Array) -> Array:
        """The ``x`` that minimises ``|a x - b|``, for ``a`` of full column rank.

        ``a (m, n), b (m,) -> x (n,)`` with ``m >= n``; ``x = R^-1 Q' b`` from ``a = Q R`` (gels).
        """
        q, r = self.linalg.qr(a)
        return self.solve_triangular(r, q.T @ b, lower=False)

    # Indices

    def gather(self, x: Array, indices: Array, *, axis: int = 0) -> Array:
        """Entries of ``x`` along ``axis``: ``(..., n, ...), (*k) -> (..., *k, ...)``.

        ``indices`` are integers in ``[0, n)``; what happens outside is not defined.
        """
        if indices.ndim == 1:
            return self.take(x, indices, axis=axis)
        axis = axis % x.ndim
        taken = self.take(x, self.reshape(indices, (-1,)), axis=axis)
        return self.reshape(taken, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    def scatter_add(self, x: Array, indices: Array, values: Array) -> Array:
        """A new array: ``x`` with ``values[j]`` added to row ``indices[j]``, for every ``j``.

        ``x (n, ...), indices (k,), values (k, ...) -> (n, ...)``. Indices are integers in
        ``[0, n)`` and may repeat: then all their values are added, in an order that may vary.
        """
        # The standard has no scatter: every value is held against every row, a block at a time.
        ones = (1,) * (values.ndim - 1)
        rows = self.arange(x.shape[0], dtype=indices.dtype)
        block = max(1, BLOCK // max(1, x.size))
        for start in range(0, indices.shape[0], block):
            here = slice(start, min(start + block, indices.shape[0]))
            hits = self.reshape(indices[here], (-1, 1)) == rows
            added = values[here, ...][:, None, ...]
            chosen = self.where(self.reshape(hits, (*hits.shape, *ones)), added, self.zeros_like(added))
            x = x + self.sum(chosen, axis=0, dtype=x.dtype)
        return x

    def bincount(self, x: Array, weights: Array | None = None, *, length: int) -> Array:
        """How often each of ``0 ... length - 1`` occurs in ``x``, or the sum of its weights.

        ``x (k,)`` holds integers in ``[0, length)``, ``weights (k,) -> (length,)`` in the dtype of
        the weights; without weights in the default integer dtype.
        """
        if weights is None:
            weights = self.ones(x.shape, dtype=self.asarray(0).dtype)
        return self.scatter_add(self.zeros((length,), dtype=weights.dtype), x, weights)

    def contiguous(self, x: Array) -> Array:
        """``x`` laid out row by row in memory; a copy where it is not."""
        # The standard knows no memory layout, but flattening goes row by row.
        return self.reshape(self.reshape(x, (-1,)), x.shape)

    # Entry by entry

    def softplus(self, x: Array) -> Array:
        """``log(1 + exp(x))``, in a form that may be differentiated twice.

        Neither it nor its derivatives overflow or cancel, and they hold at 0, where those of a form
        with ``abs`` do not.
        """
        above = x >= 0
        positive = self.where(above, x, self.zeros_like(x))
        return positive + self.log1p(self.exp(self.where(above, -x, x)))

    def sigmoid(self, x: Array) -> Array:
        """``1 / (1 + exp(-x))``, with digits to eps below as above."""
        return 1 / (1 + self.exp(-x))

    def log_sigmoid(self, x: Array) -> Array:
        """``-log(1 + exp(-x))``, which neither overflows nor cancels; faster than ``-softplus(-x)``.

        Not for a second derivative, which libraries cancel in the tails.
        """
        return self.minimum(x, self.zeros_like(x)) - self.log1p(self.exp(-self.abs(x)))

    def multiply_add(self, a: Array, x: Array, y: Array) -> Array:
        """``a x + y``, in one pass over memory where the library has one."""
        return a * x + y

    # Reductions

    def column_dots(self, x: Array, y: Array) -> Array:
        """``sum_i x_ij y_ij`` for every column: ``(n, d)`` and ``(n, d)`` to ``(d,)``.

        The standard's ``vecdot`` along the first axis is what libraries are slow at.
        """
        return self.sum(x * y, axis=0)

    def quantile(self, x: Array, q: float | Sequence[float], *, axis: int = -1) -> Array:
        """Quantiles along ``axis``, interpolated linearly between order statistics.

        ``q`` in [0, 1] is a Python float, or a tuple of ``k`` floats, and then the result has a
        first axis of length ``k``. ``x`` is floating, without NaN and not empty. Definition 7 of
        Hyndman and Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996), which is
        NumPy's default.
        """
        # A stable sort would be a merge sort in NumPy, 25 times slower than its vectorised one.
        ordered = self.moveaxis(self.sort(x, axis=axis, stable=False), axis, 0)
        n = ordered.shape[0]
        levels = q if isinstance(q, Sequence) else (q,)
        ranks = [position(n, level) for level in levels]
        found = [interpolate(ordered[k, ...], ordered[min(k + 1, n - 1), ...], t) for k, t in ranks]
        return self.stack(found) if isinstance(q, Sequence) else found[0]

    def median(self, x: Array, *, axis: int = -1) -> Array:
        """The median along ``axis``: of an even number of entries, the mean of the middle two."""
        return self.quantile(x, 0.5, axis=axis)

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        """``exp(x) / sum(exp(x))`` along ``axis``, shifted by the maximum so that nothing overflows."""
        e = self.exp(x - self.max(x, axis=axis, keepdims=True))
        return e / self.sum(e, axis=axis, keepdims=True)

    def logsumexp(self, x: Array, *, axis: int = -1, keepdims: bool = False) -> Array:
        """``log(sum(exp(x)))`` along ``axis``, shifted by the maximum; ``-inf`` if all of ``x`` is."""
        shift = self.max(x, axis=axis, keepdims=True)
        shift = self.where(self.isfinite(shift), shift, self.zeros_like(shift))
        total = self.log(self.sum(self.exp(x - shift), axis=axis, keepdims=True)) + shift
        return total if keepdims else self.squeeze(total, axis=axis)

    def layer_norm(self, x: Array, gain: Array, bias: Array, *, epsilon: float) -> Array:
        """Rows along the last axis with mean 0 and variance 1, times ``gain``, plus ``bias``.

        ``gain`` and ``bias`` have the length of that axis; the variance is divided by it, and
        ``epsilon`` added to it.
        """
        centred = x - self.mean(x, axis=-1, keepdims=True)
        variance = self.mean(centred * centred, axis=-1, keepdims=True)
        return centred * (1 / self.sqrt(variance + epsilon)) * gain + bias

    def causal_attention(self, q: Array, k: Array, v: Array) -> Array:
        """``softmax(q k' / sqrt(d)) v`` in the last two axes, where query ``i`` sees keys up to ``i``.

        ``q``, ``k`` and ``v`` are ``(..., n, d)``, and so is the output.
        """
        n, d = q.shape[-2:]
        places = self.arange(n)
        scores = (q / math.sqrt(d)) @ self.matrix_transpose(k)
        scores = self.where(places > places[:, None], -math.inf, scores)
        return self.softmax(scores, axis=-1) @ v

    def conv2d(self, x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
        """Cross-correlation of images with filters, the convolution of deep learning.

        ``x (N, C, H, W), w (O, C, h, v) -> (N, O, (H + 2 padding - h) // stride + 1, ...)`` with
        ``padding`` zeros on every side: ``y[n, o, i, j]`` is the sum over ``c, a, b`` of
        ``x[n, c, i * stride + a, j * stride + b] * w[o, c, a, b]``. Computed as one matrix product
        of the filters and the patches, laid out as columns.
        """
        (_, c, h, v) = w.shape
        x = self._padded(x, padding)
        rows, columns = (x.shape[2] - h) // stride + 1, (x.shape[3] - v) // stride + 1
        down = [slice(a, a + stride * (rows - 1) + 1, stride) for a in range(h)]
        across = [slice(b, b + stride * (columns - 1) + 1, stride) for b in range(v)]
        patches = self.stack([x[:, :, i, j] for i in down for j in across], axis=2)
        patches = self.reshape(patches, (x.shape[0], c * h * v, rows * columns))
        y = self.matmul(self.reshape(w, (w.shape[0], c * h * v)), patches)
        return self.reshape(y, (x.shape[0], w.shape[0], rows, columns))

    def _padded(self, x: Array, padding: int) -> Array:
        if padding == 0:
            return x
        for axis in (2, 3):
            shape = (*x.shape[:axis], padding, *x.shape[axis + 1 :])
            zeros = self.zeros(shape, dtype=x.dtype)
            x = self.concat([zeros, x, zeros], axis=axis)
        return x

    def _entries(self, tree: Any) -> Sequence[Any]:
        if isinstance(tree, tuple):
            return list(zip(*map(self._entries, tree), strict=True))
        entries: Sequence[Any] = self.unstack(tree)
        return entries

    def _stacked(self, trees: Sequence[Any]) -> Any:
        first = trees[0]
        if first is None:
            return None
        if isinstance(first, tuple):
            return tuple(self._stacked(branches) for branches in zip(*trees, strict=True))
        return self.stack(trees, axis=0)

    def _cannot_differentiate(self, verb: str) -> NoReturn:
        raise Unsupported(f"{self._library} does not differentiate, so it has no {verb}")


def _public(namespace: Any, reserved: Sequence[str]) -> dict[str, Any]:
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in dir(namespace):
            if name.startswith("_") or name in reserved:
                continue
            try:
                found[name] = getattr(namespace, name)
            except (AttributeError, ImportError, Warning):
                continue  # lazy, and gone or deprecated: resolved when a kernel asks for it
    return found


def position(n: int, q: float) -> tuple[int, float]:
    """The rank of the order statistic, of ``n``, at or below the quantile ``q``, and the rest."""
    rank = (n - 1) * float(q)
    return math.floor(rank), rank - math.floor(rank)


def interpolate(low: Array, high: Array, t: float) -> Array:
    """The point between two order statistics, measured from the nearer so that it stays between them."""
    if t == 0:
        return low
    return low + (high - low) * t if t < 0.5 else high - (high - low) * (1 - t)
