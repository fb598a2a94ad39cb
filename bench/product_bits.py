"""How many bits do a library's products of float32 matrices keep, by the numbers and not by its word?"""

import math
from typing import Any

import numpy as np

from xpbench.bench.backend import Backend
from xpbench.bench.precisions import FULL_BITS

ROWS, TERMS = 256, 16
"""A (rows, terms) times (terms, rows): few terms, because sums of many in float32 lose bits as well."""


def multiply(a: Any, b: Any) -> Any:
    """The product of matrices, or of a matrix and a vector."""
    return a @ b


def measure(backend: Backend) -> float:
    """The bits that a product of float32 matrices keeps on a loaded backend: 1 to ``FULL_BITS``.

    Rounding a number to p bits changes it by 0.21 eps in the root mean square, eps = 2^(1 - p) (uniform
    errors, and mantissas as the logarithms of numbers have them: Knuth, The Art of Computer Programming,
    volume 2, section 4.2.4). Both factors rounded, with errors that are independent, change a product
    by 0.3 eps of its norm. The error in the norm, against float64, is solved for p. Where factors are
    left as they are, sums of ``TERMS`` in float32 take a bit or two.
    """
    rng = np.random.default_rng(0)
    a = rng.standard_normal((ROWS, TERMS)).astype(np.float32)
    b = rng.standard_normal((TERMS, ROWS)).astype(np.float32)
    product = backend.compile(multiply)(backend.put(a), backend.put(b))
    backend.wait((product,))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    error = np.linalg.norm(np.asarray(backend.fetch(product), dtype=np.float64) - exact)
    relative = float(error / np.linalg.norm(exact))
    if relative == 0:
        return FULL_BITS
    return min(FULL_BITS, max(1.0, 1 - math.log2(relative / 0.3)))  # 1 also where it is no number
