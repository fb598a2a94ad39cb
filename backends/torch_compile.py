"""PyTorch with torch.compile: every kernel compiled by Inductor."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xpbench.backends.torch import Torch, TorchVocabulary
from xpbench.bench.backend import Setting
from xpbench.bench.vocabulary import Array


class TorchCompileVocabulary(TorchVocabulary):
    """Loops run in Python around a body that is compiled once.

    Unrolled, a hundred steps of gradient descent compile for minutes. torch's own ``while_loop``
    compiles in two seconds but refuses a body that reads ``X`` and ``X.T``, and writes matrix-vector
    products itself instead of calling BLAS. Compiling the body alone takes two seconds too, takes any
    body, and costs some 20 microseconds a step.
    """

    def __init__(self, torch: Any, namespace: Any, device: str) -> None:
        super().__init__(torch, namespace, device)
        outside = torch.compiler.disable
        for name in ("fori_loop", "scan", "while_loop"):
            self.__dict__[name] = outside(getattr(self, name), recursive=False)
        for name in ("_entries", "_stacked"):
            self.__dict__[name] = outside(getattr(self, name))

    def expm1(self, x: Array) -> Array:
        """``exp(x) - 1``, which Inductor would compute as it stands: without a digit next to 0.

        2 t / (1 - t) with t = tanh(x / 2), but where that overflows, far above 0.
        """
        t = self.tanh(x / 2)
        return self.where(x < 1, 2 * t / (1 - t), self.exp(x) - 1)


class TorchCompile(Torch):
    name = "torch-compile"
    default = False
    vocabulary = TorchCompileVocabulary

    def __init__(self) -> None:
        super().__init__()
        self._seconds_before_reset = 0.0

    def environment(self, setting: Setting) -> dict[str, str]:
        variables = super().environment(setting)
        if setting.cache:
            variables["TORCHINDUCTOR_CACHE_DIR"] = str(Path(setting.cache) / "inductor")
            variables["TRITON_CACHE_DIR"] = str(Path(setting.cache) / "triton")
        return variables

    def unusable(self) -> str | None:
        if reason := super().unusable():
            return reason
        compiler = os.environ.get("CXX", "g++")
        if any(map(shutil.which, (compiler, "clang++"))):
            return None
        return (
            f"torch.compile needs a C++ compiler and finds no {compiler}: "
            "install one (apt-get install g++) or set CXX to its path"
        )

    def load(self, setting: Setting) -> None:
        super().load(setting)
        import torch

        # The first compilation of a process also imports Inductor, tries out the compiler and, where
        # the cache is empty, precompiles its headers. None of that belongs to the first kernel.
        self.compile(lambda x: x + x)(torch.ones(1, device=setting.device))

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        # Otherwise a kernel compiled at another size before would be compiled for sizes unknown,
        # and after eight of them no more. dynamic=False would compile a loop's body for every i.
        self._seconds_before_reset = self.compile_seconds()
        torch.compiler.reset()
        return torch.compile(function)

    def compile_seconds(self) -> float:
        from torch._dynamo.utils import calculate_time_spent

        return self._seconds_before_reset + calculate_time_spent().get("total_wall_time", 0.0)
