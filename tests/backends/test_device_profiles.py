"""What ran on a device is read from what the libraries' own profilers write."""

import numpy as np
import pytest

from xpbench import Backend, Setting
from xpbench.bench import cuda_driver, journal, profile, registry
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.profile import Kernels, Profile
from xpbench.bench.stream import GAVE_UP, HOLD_KERNEL, HOLD_PTX, FlagHold

XSPACE = """
planes {
  name: "/device:GPU:0"
  lines { name: "Stream #13(Compute)"
          events { metadata_id: 1 duration_ps: 5000000 } events { metadata_id: 2 duration_ps: 1000000 } }
  lines { name: "Stream #14(MemcpyD2D)" events { metadata_id: 2 duration_ps: 2000000 } }
  lines { name: "XLA Ops" events { metadata_id: 1 duration_ps: 9000000 } }
  event_metadata { key: 1 value { id: 1 name: "gemm" } }
  event_metadata { key: 2 value { id: 2 name: "copy" } }
}
planes {
  name: "/host:CPU"
  lines { name: "Stream of the host" events { metadata_id: 1 duration_ps: 7000000 } }
  event_metadata { key: 1 value { id: 1 name: "python" } }
}
"""


def on_cuda(name: str) -> Backend:
    """The backend on a card, or the test is skipped with its reason."""
    backend = registry.find().backends[name]
    if reason := backend.unusable():
        pytest.skip(reason)
    if "cuda" not in backend.devices():
        pytest.skip(f"{name} finds no CUDA device")
    backend.load(Setting(device="cuda"))
    return backend


def test_jax_tells_kernels_by_stream_and_what_it_tells_twice_counts_once() -> None:
    jax_profiler = pytest.importorskip("jax.profiler")
    from xpbench.backends.jax import device_activities

    data = jax_profiler.ProfileData
    space = data.from_serialized_xspace(data.text_proto_to_serialized_xspace(XSPACE))
    seen = profile.summed(device_activities(space.planes), 2, "")
    assert seen is not None
    assert seen.seconds == pytest.approx(4e-6)
    assert seen.launches == 1.5
    assert dict(seen.longest) == pytest.approx({"gemm": 2.5e-6, "copy": 1.5e-6})


def test_torch_tells_what_ran_on_devices_of_a_kind() -> None:
    torch = pytest.importorskip("torch")
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watched

    from xpbench.backends.torch import device_activities

    x = torch.ones(64, 64)
    with watched(activities=[ProfilerActivity.CPU]) as seen:
        x @ x
    on_cpu = dict(device_activities(seen.events(), "CPU"))
    assert on_cpu["aten::mm"] > 0
    assert not list(device_activities(seen.events(), "CUDA"))


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_the_host_has_a_cache_and_neither_a_queue_nor_a_profile(name: str) -> None:
    backend = registry.find().backends[name]
    if reason := backend.unusable():
        pytest.skip(reason)
    backend.load(Setting())
    assert backend.stream() is None
    assert backend.profile(lambda: None, 1) is None
    assert (backend.cache_bytes() or 2**20) >= 2**16


def test_a_call_without_kernels_has_no_profile() -> None:
    assert profile.summed([], 3, "nothing") is None


def test_the_longest_kernels_are_named_and_all_are_counted() -> None:
    seen = profile.summed([(f"kernel {i}", float(i)) for i in range(1, 10)], 1, "a list")
    assert seen is not None
    assert seen.seconds == 45
    assert [name for name, _ in seen.longest] == [f"kernel {i}" for i in (9, 8, 7, 6, 5)]


def test_a_profile_survives_the_journal_and_a_damaged_one_is_left_out(tmp_path) -> None:
    whole = Profile("svd[n=2]/torch@cuda/float32", Kernels(1e-3, 4.0, (("gesvdj", 9e-4),), "Kineto"))
    journal.create(tmp_path / "run", {"name": "run"})
    journal.append_profile(tmp_path / "run", whole)
    with (tmp_path / "run" / journal.PROFILES).open("a") as file:
        file.write('{"case": "torn"}\n')
    stored = journal.read(tmp_path / "run")
    assert stored.profiles == (whole,)
    assert "profiles.jsonl:2" in stored.damaged[0]


@pytest.mark.parametrize("seconds", [0, -1, "nan", "inf", "fast"])
def test_a_profile_without_time_is_malformed(seconds: object) -> None:
    kernels = {"seconds": seconds, "launches": 1, "longest": [], "source": "a list"}
    with pytest.raises(XpbenchError, match="a profile is malformed"):
        Profile.from_json({"case": "x", "kernels": kernels})


def test_a_hold_lasts_until_it_is_released_and_tells_if_the_device_gave_up() -> None:
    flag = np.array([7], np.int32)
    seen = []
    hold = FlagHold(flag, lambda: seen.append(int(flag[0])))
    release = hold()
    assert seen == [0]
    assert release()
    assert flag[0] != 0

    release = hold()
    flag[0] = GAVE_UP
    assert not release()


def test_the_kernel_that_holds_says_that_it_gave_up_by_the_number_the_host_looks_for() -> None:
    assert f".entry {HOLD_KERNEL}(" in HOLD_PTX
    assert f"st.volatile.global.s32  [%address], {GAVE_UP};" in HOLD_PTX


def test_without_a_driver_the_cache_of_a_card_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", missing)
    assert cuda_driver.l2_bytes(0) is None


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_a_card_is_held_and_its_own_clock_tells_less_than_ours(name: str) -> None:
    from xpbench.bench import clock

    backend = on_cuda(name)
    stream = backend.stream()
    x = backend.put(np.ones((256, 256), np.float32))
    call = clock.synchronous(lambda x: x @ x, backend.wait)
    shortest = clock.warm_up(call, (x,), 0.1)
    found = clock.device_time(lambda x: x @ x, (x,), backend.wait, stream, shortest, 0.05)
    assert found.samples, found.reason
    assert 0 < np.median(found.samples) < shortest

    def waits(x):
        y = x @ x
        backend.fetch(y)
        return y

    assert not clock.device_time(waits, (x,), backend.wait, stream, shortest, 0.05).samples


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_a_profiler_sees_the_kernel_of_a_product(name: str) -> None:
    backend = on_cuda(name)
    x = backend.put(np.ones((512, 512), np.float32))
    product = backend.compile(lambda x: x @ x)

    def call() -> None:
        backend.wait((product(x),))

    call()
    seen = backend.profile(call, 3)
    assert seen is not None
    assert 1 <= seen.launches <= 3
    assert 0 < seen.seconds < 1e-2
    assert (backend.cache_bytes() or 0) > 2**20
