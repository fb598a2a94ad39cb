"""How fast can this device compute and move memory at most, by what the libraries themselves reach?"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpbench.bench import clock, floating, product_bits
from xpbench.bench.backend import Backend
from xpbench.bench.device import count_of, is_host
from xpbench.bench.roof import CACHE_TIMES, FALLBACK_CACHE, Roof

SECONDS = 0.05
"""Each figure is the best of the calls that fit in this time, and of at least ``CALLS``."""
CALLS = 5
PLACES = 2
"""Where two arrays fall in memory can decide a factor of two: so often they are made anew."""
LARGEST_MATMUL = 16384
DRAWN = 2**20
"""So many entries are drawn, and repeated in larger matrices: drawing takes longer than all else."""
LONG_CALL = 0.025
"""Products grow, from 512, while one of twice the size will take less than this many seconds."""
SMALLEST_ARRAY, LARGEST_ARRAY = 64 * 2**20, 128 * 2**20
LARGEST_CARD_ARRAY = 2**30
QUEUED = 4
"""Calls on a card that are awaited together, so that launching the next hides behind the one at work."""
EXCHANGES, EXCHANGED = 100, 256
"""Exchanges in a call, and the entries that each device adds up before one."""

Call = Callable[[], Any]


def measure(backend: Backend, dtype: str, precision: str, fork: int, cache_bytes: int | None) -> Roof:
    """Measures the roofs of a loaded backend, in about a second and four arrays of memory.

    A later fork than the first is there to show whether the machine drifts, and leaves out the memory,
    whose drift the anchors of all processes show (see ``noise``): new memory costs most of the time.

    The counting of bytes is that of STREAM (McCalpin, "Memory bandwidth and machine balance in current
    high performance computers", IEEE TCCA Newsletter 1995), with the write-allocate it leaves out.
    """
    watch = _Watch()
    flops, shape = _tried(lambda: _matmul(backend, dtype, watch)) or (None, "")
    dispatch = _tried(lambda: _dispatch(backend, dtype, watch))
    reached: list[float | None] = []
    on_card = not is_host(backend.setting.device)
    several = count_of(backend.setting.device) > 1
    fresh, n = None, side(dtype, cache_bytes, LARGEST_CARD_ARRAY if on_card else LARGEST_ARRAY)
    if fork == 0:
        x = _tried(lambda: backend.borrow(_zeros(dtype, n)))
        reached.append(_tried(lambda: _reused(backend, x, dtype, n, watch)))
        reached.append(_tried(lambda: _read(backend, x, dtype, n, watch)))
        fresh = _tried(lambda: _fresh(backend, x, dtype, n, watch))
    return Roof(
        backend=backend.name,
        device=backend.setting.device,
        dtype=dtype,
        threads=backend.setting.threads,
        precision=precision,
        fork=fork,
        matmul_flops=flops,
        matmul_shape=shape,
        reused_bytes=max((figure for figure in reached if figure), default=None),
        fresh_bytes=fresh,
        dispatch_s=dispatch,
        array_bytes=_bytes(dtype, n) if fork == 0 else None,
        cache_bytes=cache_bytes,
        timed_s=watch.seconds,
        product_bits=_tried(lambda: product_bits.measure(backend)) if dtype == "float32" else None,
        exchange_s=_tried(lambda: _exchange(backend, dtype, watch)) if several else None,
    )


def side(dtype: str, cache_bytes: int | None, largest: int) -> int:
    """The n of the n by n arrays of a bandwidth: ``CACHE_TIMES`` the last-level cache, within what a
    roof may take of memory and time."""
    wanted = CACHE_TIMES * (cache_bytes or FALLBACK_CACHE)
    return math.isqrt(max(SMALLEST_ARRAY, min(wanted, largest)) // floating.itemsize(dtype))


@dataclass
class _Watch:
    """Times calls, and knows how many ``seconds`` all of them took."""

    seconds: float = 0.0

    def shortest(self, call: Call) -> float:
        """Seconds of the shortest call after a first one: a roof is what can be reached at best."""
        self.seconds += clock.once(call, ())[0]
        durations: list[float] = []
        while len(durations) < CALLS or sum(durations) < SECONDS:
            durations.append(clock.once(call, ())[0])
        self.seconds += sum(durations)
        return min(durations)

    def shortest_queued(self, backend: Backend, call: Call) -> float:
        """Seconds of the shortest call of a library; on a card the mean of ``QUEUED`` in its queue."""
        if is_host(backend.setting.device):
            return self.shortest(_awaited(backend, call))

        def several() -> Any:
            for _ in range(QUEUED):
                outputs = call()
            return outputs

        return self.shortest(_awaited(backend, several)) / QUEUED


def _matmul(backend: Backend, dtype: str, watch: _Watch) -> tuple[float, str]:
    """Operations a second of the best square product, 2 n^3 each, and its shape."""
    product = backend.compile(product_of)
    best, shape = 0.0, ""
    for n in _doubling(512, LARGEST_MATMUL):
        host = np.resize(np.random.default_rng(0).random(DRAWN, np.float32), (n, n)).astype(dtype)
        a, b = backend.put(host), backend.put(host)
        seconds = watch.shortest_queued(backend, lambda: product(a, b))  # noqa: B023
        if 2 * n**3 / seconds > best:
            best, shape = 2 * n**3 / seconds, f"n={n}"
        if 8 * seconds > LONG_CALL:
            break
    return best, shape


def _reused(backend: Backend, x: Any, dtype: str, n: int, watch: _Watch) -> float:
    """Bytes a second of y + x in the memory of y: both are read, and y is written where it was read."""

    def seconds() -> float:
        y = backend.borrow(_zeros(dtype, n))

        def add() -> Any:
            nonlocal y
            y = backend.add_in_place(x, y)
            return y

        return watch.shortest_queued(backend, add)

    return 3 * _bytes(dtype, n) / min(seconds() for _ in range(PLACES))


def _read(backend: Backend, x: Any, dtype: str, n: int, watch: _Watch) -> float:
    """Bytes a second of a matrix-vector product, which reads the matrix and writes next to nothing."""
    vector = backend.put(np.zeros(n, dtype))
    product = backend.compile(applied)
    return _bytes(dtype, n) / watch.shortest_queued(backend, lambda: product(x, vector))


def _fresh(backend: Backend, x: Any, dtype: str, n: int, watch: _Watch) -> float:
    """Bytes a second of x + x in new memory: an array is read and the other written, on a CPU after it
    was read too."""
    add = backend.compile(doubled)
    moved = 3 if is_host(backend.setting.device) else 2
    return moved * _bytes(dtype, n) / watch.shortest_queued(backend, lambda: add(x))


def _dispatch(backend: Backend, dtype: str, watch: _Watch) -> float:
    """Seconds of one call on a single entry, the best mean of a hundred."""
    x = backend.put(np.zeros(1, dtype))
    add = backend.compile(sum_of_one)
    call = _awaited(backend, lambda: add(x))

    def hundred() -> None:
        for _ in range(100):
            call()

    return watch.shortest(hundred) / 100


def _exchange(backend: Backend, dtype: str, watch: _Watch) -> float:
    """Seconds in which the devices add up one number of each: of a loop of so many sums, each of which
    needs the one before it, its share of the shortest call."""
    xp = backend.xp
    x = backend.put(np.zeros(EXCHANGED * count_of(backend.setting.device), dtype))

    def summed(x: Any) -> Any:
        return xp.fori_loop(EXCHANGES, lambda _, s: xp.sum(xp.maximum(x, s)), xp.sum(x))

    several = backend.compile(summed)
    return watch.shortest(_awaited(backend, lambda: several(x))) / EXCHANGES


def _awaited(backend: Backend, call: Call) -> Call:
    def awaited() -> Any:
        outputs = call()
        backend.wait(clock.as_sequence(outputs))
        return outputs

    return awaited if backend.asynchronous else call


def _doubling(first: int, last: int) -> Iterator[int]:
    while first <= last:
        yield first
        first *= 2


def _zeros(dtype: str, n: int) -> np.ndarray:
    """n by n zeros that are there: the zeros of ``numpy.zeros`` are one page read over and over until
    somebody writes to them."""
    return np.full((n, n), 0, dtype=dtype)


def _bytes(dtype: str, n: int) -> int:
    return n * n * floating.itemsize(dtype)


def _tried(figure: Callable[[], Any]) -> Any:
    """A figure, or ``None`` where the library or the memory does not reach so far."""
    try:
        return figure()
    except Exception:
        return None


# What is compiled stands here, where another process finds it by its name; and each by itself, because a
# compiler may make one function of several shapes a slower one of any.


def product_of(a: Any, b: Any) -> Any:
    return a @ b


def applied(a: Any, v: Any) -> Any:
    return a @ v


def doubled(x: Any) -> Any:
    return x + x


def sum_of_one(x: Any) -> Any:
    return x + x
