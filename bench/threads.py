"""How many CPU threads may the libraries under an array library use, and how many do they?"""

from contextlib import AbstractContextManager
from typing import Any

import threadpoolctl  # type: ignore[import-untyped]

VARIABLES = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What BLIS, MKL, numexpr, OpenMP, OpenBLAS and Accelerate read when they are loaded, and only then."""


def variables(threads: int) -> dict[str, str]:
    """The environment in which those libraries use ``threads`` threads."""
    return dict.fromkeys(VARIABLES, str(threads))


def single_blas_thread() -> AbstractContextManager[Any]:
    """NumPy's and SciPy's BLAS on one thread for a while.

    OpenBLAS keeps its threads spinning for some milliseconds after a product. What is done between
    timings must not leave such threads behind, or the library timed next competes with them.
    """
    limits: AbstractContextManager[Any] = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
    return limits


def in_force() -> dict[str, Any]:
    """The thread pools of this process, e.g. ``{"openblas_threads": 4, "openblas_version": "0.3.31"}``.

    Of several copies of one library, as the wheels of NumPy and SciPy bring them, the largest pool
    and all versions are told, and as ``openblas_least_threads`` the smallest, where it is smaller.
    """
    found: dict[str, Any] = {}
    pools = threadpoolctl.threadpool_info()
    for pool in pools:
        name, version = pool["internal_api"], pool.get("version")
        counts = [other["num_threads"] for other in pools if other["internal_api"] == name]
        found[f"{name}_threads"] = max(counts)
        if min(counts) < max(counts):
            found[f"{name}_least_threads"] = min(counts)
        if version:
            others = found.get(f"{name}_version", version).split(", ")
            found[f"{name}_version"] = ", ".join(sorted({*others, version}))
    return dict(sorted(found.items()))
