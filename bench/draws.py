"""How random numbers are drawn: every draw is a function of a key that the kernel received."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from xpbench.bench.exceptions import Unsupported

Array = Any
Shape = Sequence[int]

DISTRIBUTIONS = ("bernoulli", "binomial", "exponential", "normal", "poisson", "uniform")


class Draws:
    """Independent draws from a distribution, as an array of ``shape``.

    ``key`` is an array of two words of 32 bits, best uint32, which the kernel received as an input:
    it may be traced. (int64 would do, but JAX has none unless floats are float64.) A draw depends on
    the key and the arguments alone, so the same key gives the same numbers; draws that must be
    independent need keys of their own. The streams of two libraries, or of two devices of one library,
    differ.

    ``dtype`` is a floating dtype of the namespace. Counts come in the default integer dtype.
    Here every draw raises :class:`xpbench.Unsupported`; backends override what their library has.
    """

    def __init__(self, library: str) -> None:
        self._library = library

    def uniform(self, key: Array, shape: Shape, dtype: Any) -> Array:
        """From the uniform distribution on [0, 1)."""
        self._lacks("uniform")

    def normal(self, key: Array, shape: Shape, dtype: Any) -> Array:
        """From the standard normal distribution."""
        self._lacks("normal")

    def exponential(self, key: Array, shape: Shape, dtype: Any) -> Array:
        """From the exponential distribution of mean 1."""
        self._lacks("exponential")

    def bernoulli(self, key: Array, p: Any, shape: Shape) -> Array:
        """Booleans, true with probability ``p``, a float or an array that broadcasts to ``shape``."""
        self._lacks("bernoulli")

    def poisson(self, key: Array, rate: Any, shape: Shape) -> Array:
        """Counts of mean ``rate >= 0``, a float or an array that broadcasts to ``shape``."""
        self._lacks("poisson")

    def binomial(self, key: Array, n: int, p: Any, shape: Shape) -> Array:
        """Successes in ``n`` trials of probability ``p``, a float or an array that broadcasts."""
        self._lacks("binomial")

    def _lacks(self, distribution: str) -> NoReturn:
        raise Unsupported(f"{self._library} does not draw from the {distribution} distribution by a key")


class HostDraws(Draws):
    """Draws by ``numpy.random`` with the counter-based Philox generator, for arrays in host memory.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """

    def uniform(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._give(self._generator(key).random(shape, self._host_dtype(dtype)))

    def normal(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._give(self._generator(key).standard_normal(shape, self._host_dtype(dtype)))

    def exponential(self, key: Array, shape: Shape, dtype: Any) -> Array:
        return self._give(self._generator(key).standard_exponential(shape, self._host_dtype(dtype)))

    def bernoulli(self, key: Array, p: Any, shape: Shape) -> Array:
        return self._give(self._generator(key).random(shape) < self._take(p))

    def poisson(self, key: Array, rate: Any, shape: Shape) -> Array:
        return self._give(self._generator(key).poisson(self._take(rate), shape))

    def binomial(self, key: Array, n: int, p: Any, shape: Shape) -> Array:
        return self._give(self._generator(key).binomial(n, self._take(p), shape))

    def _generator(self, key: Array) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=self._take(key).astype(np.uint64)))

    def _take(self, array: Any) -> np.ndarray:
        """An array of the library, or a number, as a NumPy array."""
        return np.asarray(array)

    def _give(self, array: Any) -> Array:
        """A NumPy array as an array of the library."""
        return array

    def _host_dtype(self, dtype: Any) -> Any:
        return np.dtype(dtype)
