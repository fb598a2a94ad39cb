"""Which special functions a kernel may call, and what each of them is."""

from collections.abc import Callable
from typing import Any, NoReturn

from xpbench.bench.exceptions import Unsupported

Array = Any
Function = Callable[..., Any]

FUNCTIONS = (
    "betainc",
    "digamma",
    "erf",
    "gammainc",
    "gammaincc",
    "lgamma",
    "log_ndtr",
    "ndtr",
    "xlogy",
)


class Special:
    """The special functions of a library, entry by entry on floating arrays that broadcast.

    The functions given replace the methods, so that a call goes straight to the library; those not
    given raise :class:`xpbench.Unsupported`. Definitions are those of the NIST Digital Library of
    Mathematical Functions (DLMF).
    """

    def __init__(self, library: str, **functions: Any) -> None:
        self._library = library
        self.__dict__.update(functions)

    def erf(self, x: Array) -> Array:
        """The error function (DLMF 7.2.1)."""
        self._lacks("erf")

    def ndtr(self, x: Array) -> Array:
        """The distribution function of the standard normal, ``erfc(-x / sqrt(2)) / 2``."""
        self._lacks("ndtr")

    def log_ndtr(self, x: Array) -> Array:
        """The logarithm of ``ndtr``, accurate where ``ndtr`` underflows."""
        self._lacks("log_ndtr")

    def lgamma(self, x: Array) -> Array:
        """The logarithm of the absolute value of the gamma function (DLMF 5.2.1)."""
        self._lacks("lgamma")

    def digamma(self, x: Array) -> Array:
        """The logarithmic derivative of the gamma function (DLMF 5.2.2)."""
        self._lacks("digamma")

    def xlogy(self, x: Array, y: Array) -> Array:
        """``x log(y)``, and 0 where ``x = 0``."""
        self._lacks("xlogy")

    def gammainc(self, a: Array, x: Array) -> Array:
        """The regularised lower incomplete gamma function ``P(a, x)`` (DLMF 8.2.4)."""
        self._lacks("gammainc")

    def gammaincc(self, a: Array, x: Array) -> Array:
        """The regularised upper incomplete gamma function ``Q(a, x)`` (DLMF 8.2.4)."""
        self._lacks("gammaincc")

    def betainc(self, a: Array, b: Array, x: Array) -> Array:
        """The regularised incomplete beta function ``I_x(a, b)`` (DLMF 8.17.2)."""
        self._lacks("betainc")

    def _lacks(self, name: str) -> NoReturn:
        raise Unsupported(f"{self._library} has no function {name}")


def host_functions() -> dict[str, Function]:
    """SciPy's functions, of NumPy arrays, under the names of ``FUNCTIONS``."""
    import numpy as np
    import scipy.special

    def betainc(a: Array, b: Array, x: Array) -> Array:
        # SciPy's own float32 is off by percents where a = b, and infinite or NaN in its tails.
        return scipy.special.betainc(a, b, x, dtype=np.float64).astype(x.dtype)

    functions: dict[str, Function] = {
        name: getattr(scipy.special, name) for name in FUNCTIONS if name not in ("betainc", "lgamma")
    }
    return {**functions, "betainc": betainc, "lgamma": scipy.special.gammaln}
