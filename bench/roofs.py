"""How fast can this device compute and move memory at most, by what the libraries themselves reach?"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from xpbench.bench import clock
from xpbench.bench.backend import Backend
from xpbench.bench.roof import CACHE_TIMES, Roof

SECONDS = 0.05
"""Each figure is the best of the calls that fit in this time, and of at least three."""
PLACES = 2
"""Where two arrays fall in memory can decide a factor of two: so often they are made anew."""
LARGEST_MATMUL = 16384
LONG_CALL = 0.05
"""Products grow, from 512, while one of twice the size will take less than this many seconds."""
LARGEST_ARRAY = 256 * 2**20
FALLBACK_CACHE = 32 * 2**20

Call = Callable[[], Any]


def measure(backend: Backend, dtype: str, precision: str, fork: int, cache_bytes: int | None) -> Roof:
    """Measures the roofs of a loaded backend, in about a second and four arrays of memory.

    A later fork than the first is there to show whether the machine drifts: it takes half of that, and
    leaves out fresh memory.

    The counting of bytes is that of STREAM (McCalpin, "Memory bandwidth and machine balance in current
    high performance computers", IEEE TCCA Newsletter 1995), with the write-allocate it leaves out.
    """
    setting = backend.setting
    flops, shape = _tried(lambda: _matmul(backend, dtype)) or (None, "")
    zeros = _zeros(dtype, min(CACHE_TIMES * (cache_bytes or FALLBACK_CACHE), LARGEST_ARRAY))
    x = _tried(lambda: backend.put(zeros))
    places = PLACES if fork == 0 else 1
    reached = [_tried(lambda: _reused(backend, x, zeros, places))]
    if fork == 0:
        reached.append(_tried(lambda: _read(backend, zeros)))
    return Roof(
        backend=backend.name,
        device=setting.device,
        dtype=dtype,
        threads=setting.threads,
        precision=precision,
        fork=fork,
        matmul_flops=flops,
        matmul_shape=shape,
        reused_bytes=max((figure for figure in reached if figure), default=None),
        fresh_bytes=_tried(lambda: _fresh(backend, x, zeros.nbytes)) if fork == 0 else None,
        dispatch_s=_tried(lambda: _dispatch(backend, dtype)),
    )


def _matmul(backend: Backend, dtype: str) -> tuple[float, str]:
    """Operations a second of the best square product, 2 n^3 each, and its shape."""
    product = backend.compile(lambda a, b: a @ b)
    best, shape = 0.0, ""
    for n in _doubling(512, LARGEST_MATMUL):
        host = np.random.default_rng(0).random((n, n)).astype(dtype)
        a, b = backend.put(host), backend.put(host)
        seconds = _shortest(_awaited(backend, lambda: product(a, b)))  # noqa: B023
        if 2 * n**3 / seconds > best:
            best, shape = 2 * n**3 / seconds, f"n={n}"
        if 8 * seconds > LONG_CALL:
            break
    return best, shape


def _reused(backend: Backend, x: Any, zeros: np.ndarray, places: int) -> float:
    """Bytes a second of y + x in the memory of y: both are read, and y is written where it was read."""

    def seconds() -> float:
        y = backend.put(zeros)

        def add() -> Any:
            nonlocal y
            y = backend.add_in_place(x, y)
            return y

        return _shortest(_awaited(backend, add))

    return 3 * zeros.nbytes / min(seconds() for _ in range(places))


def _read(backend: Backend, zeros: np.ndarray) -> float:
    """Bytes a second of a matrix-vector product, which reads the matrix and writes next to nothing."""
    n = math.isqrt(zeros.size)
    host = zeros[: n * n].reshape(n, n)
    matrix, vector = backend.put(host), backend.put(host[0])
    product = backend.compile(lambda a, v: a @ v)
    return host.nbytes / _shortest(_awaited(backend, lambda: product(matrix, vector)))


def _fresh(backend: Backend, x: Any, size: int) -> float:
    """Bytes a second of x + x in new memory: an array is read, the other is read and written."""
    add = backend.compile(lambda x: x + x)
    return 3 * size / _shortest(_awaited(backend, lambda: add(x)))


def _dispatch(backend: Backend, dtype: str) -> float:
    """Seconds of one call on a single entry, the best mean of a hundred."""
    x = backend.put(_zeros(dtype, 1))
    add = backend.compile(lambda x: x + x)
    call = _awaited(backend, lambda: add(x))

    def hundred() -> None:
        for _ in range(100):
            call()

    return _shortest(hundred) / 100


def _awaited(backend: Backend, call: Call) -> Call:
    def awaited() -> Any:
        outputs = call()
        backend.wait(clock.as_sequence(outputs))
        return outputs

    return awaited if backend.asynchronous else call


def _shortest(call: Call) -> float:
    """Seconds of the shortest call after a first one: a roof is what can be reached at best."""
    call()
    durations: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(durations) < 3 or time.perf_counter() < end:
        durations.append(clock.once(call, ())[0])
    return min(durations)


def _doubling(first: int, last: int) -> Iterator[int]:
    while first <= last:
        yield first
        first *= 2


def _zeros(dtype: str, size: int) -> np.ndarray:
    """So many bytes of zeros that are there: the zeros of ``numpy.zeros`` are one page read over and
    over until somebody writes to them."""
    return np.full(max(1, size // np.dtype(dtype).itemsize), 0, dtype=dtype)


def _tried(figure: Callable[[], Any]) -> Any:
    """A figure, or ``None`` where the library or the memory does not reach so far."""
    try:
        return figure()
    except Exception:
        return None
