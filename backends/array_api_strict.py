"""array-api-strict: nothing but the array API standard, as a referee and never as a contestant."""

from collections.abc import Callable
from typing import Any

import numpy as np

from xpbench.bench import threads
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.draws import HostDraws
from xpbench.bench.special import Special, host_functions
from xpbench.bench.vocabulary import Array, Vocabulary


class StrictDraws(HostDraws):
    def __init__(self, library: str, namespace: Any) -> None:
        super().__init__(library)
        self._namespace = namespace

    def _give(self, array: Any) -> Array:
        return self._namespace.asarray(array)

    def _host_dtype(self, dtype: Any) -> Any:
        return np.dtype(str(dtype).rpartition(".")[2])


class ArrayApiStrict(Backend):
    name = "array-api-strict"
    library = "array_api_strict"
    distributions = ("array-api-strict", "numpy", "scipy")
    install = "pip install array-api-strict"

    def environment(self, setting: Setting) -> dict[str, str]:
        return threads.variables(setting.threads)

    def load(self, setting: Setting) -> None:
        import array_api_strict

        def on_host(function: Callable[..., Any]) -> Callable[..., Array]:
            def call(*arrays: Array) -> Array:
                result = function(*(np.asarray(array) for array in arrays))
                return array_api_strict.asarray(np.asarray(result))

            return call

        self.require_device(setting.device)
        self.setting = setting
        functions = {name: on_host(function) for name, function in host_functions().items()}
        special = Special(self.library, **functions)
        random = StrictDraws(self.library, array_api_strict)
        self.xp = Vocabulary(array_api_strict, special=special, random=random)

    def put(self, array: np.ndarray) -> Array:
        return self.xp.asarray(np.array(array, order="C"))

    def in_force(self) -> dict[str, Any]:
        return threads.in_force()
