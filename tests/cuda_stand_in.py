"""Stand-ins for torch.cuda and cupy.cuda that write down what a recorder of graphs asks of them.

A replay does the work of the recorded call once more, as a graph would: on the arrays of that call.
"""

import contextlib
from types import SimpleNamespace


class Device:
    """What a card and its library remember: the calls in ``log``, and the state they left behind."""

    def __init__(self):
        self.log = []
        self.stream = "default"
        self.allocator = "shared"
        self.waiting = "default"
        self.capturing = False
        self.recorded = []

    def begin(self):
        assert not self.capturing, "a capture within a capture"
        assert self.stream != "default", "the default stream cannot be captured"
        self.capturing, self.recorded = True, []
        self.log.append("begin")

    def end(self):
        assert self.capturing, "no capture to end"
        self.capturing = False
        self.log.append("end")
        if "spoilt" in self.recorded:
            raise RuntimeError("the capture was invalidated")
        return list(self.recorded)

    def launch(self, works):
        assert not self.capturing
        self.log.append(f"replay on {self.stream}")
        for work in works:
            work()

    def do(self, work):
        """Work that a kernel asks for: done at once, or recorded in its place."""
        if self.capturing:
            self.recorded.append(work)
        else:
            work()

    def ask(self):
        """The host waits for the device, which a capture does not survive."""
        if self.waiting == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        if self.capturing:
            self.recorded.append("spoilt")
            raise RuntimeError("operation not permitted when stream is capturing")

    @property
    def at_rest(self):
        state = (self.stream, self.allocator, self.waiting, self.capturing)
        return state == ("default", "shared", "default", False)


def torch_of(device):
    class Graph:
        def capture_begin(self, capture_error_mode):
            device.begin()

        def capture_end(self):
            self.works = device.end()

        def replay(self):
            device.launch(self.works)

    @contextlib.contextmanager
    def stream(value):
        before, device.stream = device.stream, value
        try:
            yield
        finally:
            device.stream = before

    cuda = SimpleNamespace(
        CUDAGraph=Graph,
        empty_cache=lambda: device.log.append("empty"),
        get_sync_debug_mode=lambda: device.waiting,
        set_sync_debug_mode=lambda mode: setattr(device, "waiting", mode),
        stream=stream,
        synchronize=lambda: device.ask(),
    )
    return {"torch": SimpleNamespace(cuda=cuda, OutOfMemoryError=MemoryError)}


def cupy_of(device):
    class Stream:
        def __init__(self, non_blocking=False):
            assert non_blocking, "a blocking stream cannot be captured beside the default one"

        def __enter__(self):
            self.before, device.stream = device.stream, "side"

        def __exit__(self, *_):
            device.stream = self.before

        def synchronize(self):
            device.ask()

        def begin_capture(self):
            assert device.allocator != "shared", "temporaries of a graph need a pool of their own"
            device.begin()

        def end_capture(self):
            works = device.end()
            return SimpleNamespace(launch=lambda: device.launch(works))

    @contextlib.contextmanager
    def using_allocator(allocator):
        device.allocator = "own"
        try:
            yield
        finally:
            device.allocator = "shared"

    cuda = SimpleNamespace(
        MemoryPool=lambda: SimpleNamespace(malloc=None, total_bytes=lambda: 1000),
        Stream=Stream,
        get_current_stream=lambda: SimpleNamespace(synchronize=device.ask),
        using_allocator=using_allocator,
    )
    cupy = SimpleNamespace(
        cuda=cuda, get_default_memory_pool=lambda: SimpleNamespace(total_bytes=lambda: 24)
    )
    return {"cupy": cupy, "cupy.cuda": cuda}
