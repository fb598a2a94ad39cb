"""PyTorch with CUDA graphs: the launches of a kernel are recorded once and replayed as one."""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from xpbench.backends.torch import Torch
from xpbench.bench.backend import Setting
from xpbench.bench.exceptions import Unsupported, one_line
from xpbench.bench.kernel import Array
from xpbench.bench.replay import Replay, captured, replayed


class TorchGraph(Torch):
    """Every kernel whose launches do not depend on what the device has computed.

    A kernel that asks the device for a value, be it for a loop, for a seed or to see whether a matrix
    was singular, is :class:`xpbench.Unsupported`.
    """

    name = "torch-graph"
    install = 'pip install "xpbench[cuda13]" (or cuda12, as the driver is)'
    default = False
    home = "cuda"

    def __init__(self) -> None:
        super().__init__()
        self._stream: Any = None

    def devices(self) -> list[str]:
        return [device for device in super().devices() if device.startswith("cuda")]

    def load(self, setting: Setting) -> None:
        super().load(setting)
        import torch

        cuda: Any = torch.cuda
        self._stream = cuda.Stream()

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return replayed(functools.partial(self._record, function))

    def _record(self, function: Callable[..., Any], *arrays: Array) -> Replay:
        import torch

        torch.cuda.synchronize()
        # Not by torch.cuda.graph, which leaves its stream current where the end of a capture raises.
        with torch.cuda.stream(self._stream):
            # In a first call libraries make handles and workspaces, which no graph can record.
            function(*arrays)
            # A capture that fails leaves the allocator of some releases believing that it still goes on
            # (pytorch/pytorch#180395). So what would make it fail is looked for before it begins.
            with _refusing_to_wait(torch):
                function(*arrays)
            torch.cuda.synchronize()
            # A capture cannot free what the allocator keeps for later.
            torch.cuda.empty_cache()
            graph = torch.cuda.CUDAGraph()
            # Other threads of the process may go about their business: they touch no array of ours.
            begin = functools.partial(graph.capture_begin, capture_error_mode="thread_local")
            work, lack = functools.partial(function, *arrays), torch.OutOfMemoryError
            _, outputs = captured(begin, graph.capture_end, work, "torch", lack)

        def replay() -> Any:
            graph.replay()
            return outputs

        return replay


@contextlib.contextmanager
def _refusing_to_wait(torch: Any) -> Iterator[None]:
    """Raises Unsupported where the host waits for the device; torch sees most such places, not all."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        raise Unsupported(
            "a CUDA graph cannot record a kernel whose host waits for the device, as this one does to "
            f"read a value or to send one: {one_line(error)}"
        ) from error
    finally:
        torch.cuda.set_sync_debug_mode(before)
