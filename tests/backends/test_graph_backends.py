"""CUDA graphs: recorded once for the arrays they were given; what cannot be recorded declines."""

import inspect
import sys

import numpy as np
import pytest

from cuda_stand_in import Device, cupy_of, torch_of
from cupy_stand_in import OFFERS
from xpbench.bench import registry
from xpbench.bench.backend import Setting
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.replay import replayed

MODULES = {"cupy-graph": cupy_of, "torch-graph": torch_of}
NAMES = tuple(MODULES)


@pytest.fixture
def device():
    return Device()


@pytest.fixture(params=NAMES)
def backend(request, device, monkeypatch):
    for name, module in MODULES[request.param](device).items():
        monkeypatch.setitem(sys.modules, name, module)
    fresh = type(registry.find().backends[request.param])()
    fresh._stream = "side"
    return fresh


def test_the_stand_ins_offer_nothing_that_the_libraries_lack(device):
    cuda = cupy_of(device)["cupy.cuda"]
    assert set(vars(cuda)) <= set(OFFERS["cupy.cuda"])
    assert "non_blocking" in OFFERS["cupy.cuda"]["Stream"]
    assert {"__enter__", "begin_capture", "end_capture", "synchronize"} <= set(
        OFFERS["cupy.cuda.Stream"]
    )
    assert {"malloc", "total_bytes"} <= set(OFFERS["cupy.cuda.MemoryPool"])
    assert "launch" in OFFERS["cupy.cuda.Graph"]
    torch = pytest.importorskip("torch")
    stand_in = torch_of(device)["torch"]
    assert set(vars(stand_in)) <= set(dir(torch))
    assert set(vars(stand_in.cuda)) <= set(dir(torch.cuda))
    graph = torch.cuda.CUDAGraph
    assert {"capture_begin", "capture_end", "replay"} <= set(dir(graph))
    assert "capture_error_mode" in inspect.signature(graph.capture_begin).parameters


def doubling(device):
    def double(x):
        y = np.zeros_like(x)
        device.do(lambda: np.multiply(x, 2, out=y))
        return y

    return double


def captures(device):
    return device.log.count("begin")


def test_the_same_arrays_are_recorded_once_and_then_replayed(backend, device):
    call, x = backend.compile(doubling(device)), np.array([1.0, 2.0])
    outputs = [call(x) for _ in range(3)]
    assert captures(device) == 1
    assert device.log.count("replay on default") == 3
    assert all(output is outputs[0] for output in outputs)
    np.testing.assert_array_equal(outputs[0], [2, 4])
    assert device.at_rest


def test_a_replay_reads_the_arrays_anew(backend, device):
    call, x = backend.compile(doubling(device)), np.array([1.0, 2.0])
    call(x)
    x[:] = 5
    np.testing.assert_array_equal(call(x), [10, 10])
    assert captures(device) == 1


def test_other_arrays_are_recorded_anew_even_if_they_are_equal(backend, device):
    call = backend.compile(doubling(device))
    first, second = np.array([1.0]), np.array([1.0])
    call(first)
    found = call(second)
    second[:] = 3
    np.testing.assert_array_equal(call(second), [6])
    assert captures(device) == 2
    np.testing.assert_array_equal(found, [6])
    np.testing.assert_array_equal(call(np.array([7.0])), [14])


def test_a_kernel_that_returns_its_input_and_one_array_twice_keeps_both(backend, device):
    double = doubling(device)
    call, x = backend.compile(lambda x: (x, *[double(x)] * 2)), np.array([1.0])
    for _ in range(2):
        same, first, second = call(x)
        assert same is x
        assert first is second
        np.testing.assert_array_equal(first, [2])


def test_a_kernel_that_asks_the_device_declines_and_leaves_it_as_it_was(backend, device):
    def asking(x):
        device.ask()
        return x

    with pytest.raises(Unsupported, match=r"CUDA graph.*: RuntimeError: (called a sync|operation not)"):
        backend.compile(asking)(np.ones(1))
    assert device.at_rest
    np.testing.assert_array_equal(backend.compile(doubling(device))(np.ones(1)), [2])


def test_a_capture_that_fails_is_ended_and_declines_with_the_first_reason(backend, device):
    def spoiling(x):
        if device.capturing:
            device.recorded.append("spoilt")
            raise NotImplementedError("no product is recorded")
        return x

    with pytest.raises(Unsupported, match="NotImplementedError: no product is recorded"):
        backend.compile(spoiling)(np.ones(1))
    assert device.log.count("begin") == device.log.count("end") == 1
    assert device.at_rest


def test_a_capture_that_fails_at_its_end_declines(backend, device):
    def spoiling(x):
        device.do("spoilt") if device.capturing else None
        return x

    with pytest.raises(Unsupported, match="the capture was invalidated"):
        backend.compile(spoiling)(np.ones(1))
    assert device.at_rest


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), RuntimeError("wrong shape")])
def test_what_a_kernel_raises_of_its_own_is_not_taken_for_a_limit_of_graphs(backend, device, error):
    def failing(x):
        raise error

    with pytest.raises(type(error), match=str(error)):
        backend.compile(failing)(np.ones(1))
    assert captures(device) == 0
    assert device.at_rest


def test_what_a_kernel_raises_only_while_waiting_is_refused_is_its_own_too(device, monkeypatch):
    def failing(x):
        if device.waiting == "error":
            raise RuntimeError("the matrix is singular")

    monkeypatch.setitem(sys.modules, "torch", torch_of(device)["torch"])
    backend = type(registry.find().backends["torch-graph"])()
    with pytest.raises(RuntimeError, match="singular"):
        backend.compile(failing)(np.ones(1))
    assert captures(device) == 0
    assert device.at_rest


def test_a_full_memory_is_not_taken_for_a_limit_of_graphs(backend, device):
    def growing(x):
        if device.capturing:
            raise MemoryError("no room")
        return x

    with pytest.raises(MemoryError, match="no room"):
        backend.compile(growing)(np.ones(1))
    assert device.at_rest


def test_the_peak_of_cupy_counts_the_pool_of_the_largest_graph(device, monkeypatch):
    for name, module in cupy_of(device).items():
        monkeypatch.setitem(sys.modules, name, module)
    backend = type(registry.find().backends["cupy-graph"])()
    assert backend.peak_bytes() == 24
    backend.compile(doubling(device))(np.ones(1))
    assert backend.peak_bytes() == 1024


def test_the_arrays_of_a_recording_live_as_long_as_it_does():
    class Watched:
        alive = 0

        def __init__(self):
            Watched.alive += 1

        def __del__(self):
            Watched.alive -= 1

    call = replayed(lambda x: lambda: None)
    call(Watched())
    assert Watched.alive == 1
    call(Watched())
    assert Watched.alive == 1


def test_a_recording_that_failed_is_tried_again():
    tried = []

    def record(x):
        tried.append(x)
        raise Unsupported("not today")

    call, x = replayed(record), object()
    for _ in range(2):
        with pytest.raises(Unsupported, match="not today"):
            call(x)
    assert tried == [x, x]


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_runs_on_no_cpu(name):
    backend = registry.find().backends[name]
    assert backend.home == "cuda"
    assert not backend.default
    if backend.unusable() is None:
        assert all(device.startswith("cuda") for device in backend.devices())
    else:
        assert "cuda13" in backend.unusable()


# With a card


@pytest.fixture(params=NAMES)
def on_card(request):
    backend = registry.find().backends[request.param]
    if reason := backend.unusable():
        pytest.skip(reason)
    backend.load(Setting(device="cuda"))
    yield backend
    if "torch" in sys.modules:
        sys.modules["torch"].set_grad_enabled(True)


def fetched(backend, outputs):
    backend.wait((outputs,))
    return backend.fetch(outputs)


@pytest.mark.gpu
def test_a_graph_on_a_card_computes_on_what_its_arrays_hold(on_card):
    xp = on_card.xp
    call = on_card.compile(lambda x: xp.sum(xp.exp(x) * 2 - 1, axis=0))
    host = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    x, other = on_card.put(host), on_card.put(-host)
    for held, values in ((x, host), (x, host), (other, -host), (x, host)):
        # A sum of four terms of at most 2 e, each of three operations.
        expected = np.sum(np.exp(values.astype(float)) * 2 - 1, axis=0)
        np.testing.assert_allclose(fetched(on_card, call(held)), expected, atol=4 * 3 * 6 * 1.2e-7)
    x += 1
    expected = np.sum(np.exp(host.astype(float) + 1) * 2 - 1, axis=0)
    np.testing.assert_allclose(fetched(on_card, call(x)), expected, atol=4 * 3 * 15 * 1.2e-7)


@pytest.mark.gpu
def test_temporaries_of_a_graph_on_a_card_are_nobody_elses(on_card):
    xp = on_card.xp
    x = on_card.put(np.ones(1 << 16, np.float32))
    call = on_card.compile(lambda x: ((x + 1) * (x + 2)) * (x + 3))
    call(x)
    held = [on_card.put(np.full(1 << 16, float(i), np.float32)) for i in range(16)]
    for _ in range(3):
        np.testing.assert_array_equal(fetched(on_card, call(x)), 24)
    for i, array in enumerate(held):
        np.testing.assert_array_equal(fetched(on_card, xp.asarray(array)), i)


@pytest.mark.gpu
def test_a_card_is_usable_after_kernels_that_cannot_be_recorded(on_card):
    xp, key = on_card.xp, on_card.put(np.array([1, 2], np.uint32))
    x = on_card.put(np.ones(3, np.float32))
    for kernel in (
        lambda x, key: xp.random.uniform(key, (3,), xp.float32) + x,
        lambda x, key: xp.while_loop(lambda x: xp.max(x) < 9, lambda x: x + 1, x),
    ):
        for _ in range(2):
            with pytest.raises(Unsupported):
                on_card.compile(kernel)(x, key)
    np.testing.assert_array_equal(fetched(on_card, on_card.compile(lambda x: x + x)(x)), 2)
