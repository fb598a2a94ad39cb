"""Emptying the caches of a device before a call, so that its arrays come from memory."""

from collections.abc import Callable

import numpy as np

from xpbench.bench.backend import Backend
from xpbench.bench.roof import FALLBACK_CACHE


def flusher(backend: Backend) -> Callable[[], None]:
    """A function that fills the last cache of the loaded device with other data, and returns when that
    is done: a flush still in the queue would be timed with what comes after it.

    It adds one array as large as the cache to another such. On a CPU one core does it, which leaves the
    private caches of the others as they are.
    """
    n = (backend.cache_bytes() or FALLBACK_CACHE) // np.dtype(np.float32).itemsize
    x, y = (backend.put(np.ones(n, np.float32)) for _ in range(2))

    def flush() -> None:
        nonlocal y
        y = backend.add_in_place(x, y)
        backend.wait((y,))

    return flush
