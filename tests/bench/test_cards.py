"""The card behind a device is the right one or none, and tells what it knows in the units promised."""

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench import cards
from xpbench.bench.cards import Reading, descends, find, find_by, foreign, index_of, throttles

UUIDS = ("GPU-aa11", "GPU-aa22", "GPU-bb33")
SLICES = ((), ("MIG-c1", "MIG-c2"), ())
BUS = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.parametrize(
    ("device", "visible", "index"),
    [
        ("cuda", None, 0),
        ("cuda:0", None, 0),
        ("cuda:2", None, 2),
        ("cuda:3", None, None),
        ("cuda", "", None),
        ("cuda", "2", 2),
        ("cuda:1", "2,0", 0),
        ("cuda:1", " 2 , 0 ", 0),
        ("cuda:1", "2", None),
        # What follows an entry that names no card is not seen.
        ("cuda:1", "0,-1,1", None),
        ("cuda", "-1,0", None),
        ("cuda:1", "0,7,1", None),
        ("cuda:1", "0,no,1", None),
        ("cuda", "GPU-bb33", 2),
        ("cuda", "GPU-bb", 2),
        ("cuda:1", "GPU-bb,GPU-aa2", 1),
        # Abbreviated too far, it names two.
        ("cuda", "GPU-aa", None),
        ("cuda", "GPU-zz", None),
        ("cuda", "MIG-c2", 1),
        ("cuda", "MIG-c", None),
        # CUDA refuses a list that names a card twice.
        ("cuda", "0,0", None),
        ("cuda", "2,GPU-bb", None),
        ("cpu", None, None),
        ("mps", None, None),
        ("cuda:x", None, None),
        ("cuda:-1", None, None),
    ],
)
def test_a_device_is_the_card_that_cuda_shows_there(
    device: str, visible: str | None, index: int | None
) -> None:
    environment = BUS | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    assert index_of(device, environment, UUIDS, SLICES) == index


@pytest.mark.parametrize("order", [{}, {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}])
def test_where_cuda_counts_by_speed_a_number_names_no_card(order: dict[str, str]) -> None:
    assert index_of("cuda", order, UUIDS) is None
    assert index_of("cuda", order | {"CUDA_VISIBLE_DEVICES": "1"}, UUIDS) is None
    assert index_of("cuda", order | {"CUDA_VISIBLE_DEVICES": "GPU-bb33"}, UUIDS) == 2
    assert index_of("cuda:1", order | {"CUDA_VISIBLE_DEVICES": "0,GPU-bb33"}, UUIDS) == 2
    assert index_of("cuda", order, UUIDS[:1]) == 0, "one card is one card, however they are counted"


def test_a_whole_uuid_is_meant_even_where_it_begins_another() -> None:
    listed = BUS | {"CUDA_VISIBLE_DEVICES": "MIG-GPU-a/1/1"}
    assert index_of("cuda", listed, ("GPU-x", "GPU-y"), (("MIG-GPU-a/1/11",), ("MIG-GPU-a/1/1",))) == 1


@given(st.data())
def test_the_nth_visible_card_is_the_nth_entry_however_it_is_named(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    uuids = [f"GPU-{index:02d}-rest" for index in range(count)]
    chosen = data.draw(st.lists(st.integers(0, count - 1), unique=True, min_size=1))
    names = [data.draw(st.sampled_from([str(i), uuids[i], uuids[i][:6]])) for i in chosen]
    environment = BUS | {"CUDA_VISIBLE_DEVICES": ",".join(names)}
    found = [index_of(f"cuda:{place}", environment, uuids) for place in range(len(chosen) + 1)]
    assert found == [*chosen, None]


# Bits of nvmlClocksEventReason* in nvml.h.
GPU_IDLE, APPLICATION_CLOCKS, SW_POWER_CAP, HW_SLOWDOWN = 0x1, 0x2, 0x4, 0x8
SYNC_BOOST, SW_THERMAL, HW_THERMAL, HW_POWER_BRAKE, DISPLAY_CLOCKS = 0x10, 0x20, 0x40, 0x80, 0x100


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0, ()),
        (GPU_IDLE | APPLICATION_CLOCKS | SYNC_BOOST | DISPLAY_CLOCKS, ()),
        (SW_POWER_CAP, ("power cap",)),
        (GPU_IDLE | SW_THERMAL, ("software thermal slowdown",)),
        (HW_SLOWDOWN | HW_THERMAL, ("hardware slowdown", "hardware thermal slowdown")),
        (HW_SLOWDOWN | HW_POWER_BRAKE, ("hardware slowdown", "power brake")),
    ],
)
def test_only_what_slows_a_clock_against_ones_will_throttles(bits: int, words: tuple[str, ...]) -> None:
    assert throttles(bits) == words


@pytest.mark.parametrize(
    ("pids", "others"),
    [
        ([11, 12], 0),
        ([11, 90, 91], 2),
        # Numbers of another namespace, or none at all, say nothing of others.
        ([90, 91], None),
        ([], None),
    ],
)
def test_processes_of_others_are_counted_where_ours_are_seen(
    pids: list[int], others: int | None
) -> None:
    assert foreign(pids, lambda pid: pid < 20) == others


def test_ours_are_this_process_and_what_it_started() -> None:
    parents = {5: 4, 4: 3, 3: 1, 8: 9, 9: 8}
    assert descends(3, 3, parents.get)
    assert descends(5, 3, parents.get)
    assert not descends(3, 5, parents.get)
    assert not descends(8, 3, parents.get), "a circle ends"
    if sys.platform != "linux":
        pytest.skip("the system does not tell who started a process")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert cards._is_ours(child.pid)
        assert cards._is_ours(os.getpid())
        assert not cards._is_ours(os.getppid())
    finally:
        child.communicate(b"\n")
    assert not cards._is_ours(child.pid), "it is gone"


class NVMLError(Exception):
    pass


def nvml(**changes: Any) -> SimpleNamespace:
    """What answers like ``pynvml`` on a machine with two cards, whose handles are their indices."""

    def refuse(*arguments: Any) -> Any:
        raise NVMLError("Not Supported")

    answers = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}",
        "nvmlDeviceGetMaxMigDeviceCount": refuse,
        "nvmlDeviceGetClockInfo": lambda handle, kind: {1: 1980}[kind],
        "nvmlDeviceGetPowerUsage": lambda handle: 412_500,
        "nvmlDeviceGetTemperature": lambda handle, sensor: {0: 61}[sensor],
        "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: SW_POWER_CAP,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 7_000_250,
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [
            SimpleNamespace(pid=os.getpid()),
            SimpleNamespace(pid=os.getppid()),
        ],
        **changes,
    }
    return SimpleNamespace(**{name: answer for name, answer in answers.items() if answer is not None})


def reading_of(library: Any, device: str = "cuda:1") -> Reading:
    card = find_by(library, device, BUS)
    assert card is not None
    return card.read()


def test_a_card_tells_its_figures_in_watts_joules_and_words() -> None:
    card = find_by(nvml(), "cuda:1", BUS)
    assert card is not None
    assert card.name == "GPU-1"
    found = card.read()
    assert (found.sm_mhz, found.power_w, found.temperature_c) == (1980, 412.5, 61)
    assert (found.throttle, found.energy_j, found.others, found.idle) == (
        ("power cap",),
        7000.25,
        1,
        False,
    )


@pytest.mark.parametrize(
    ("function", "figure"),
    [
        ("nvmlDeviceGetClockInfo", "sm_mhz"),
        ("nvmlDeviceGetPowerUsage", "power_w"),
        ("nvmlDeviceGetTemperature", "temperature_c"),
        ("nvmlDeviceGetCurrentClocksEventReasons", "throttle"),
        ("nvmlDeviceGetTotalEnergyConsumption", "energy_j"),
        ("nvmlDeviceGetComputeRunningProcesses", "others"),
    ],
)
@pytest.mark.parametrize("how", ["refused", "absent"])
def test_a_figure_that_a_card_does_not_tell_is_none_and_the_others_stand(
    function: str, figure: str, how: str
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise NVMLError("Not Supported")

    found = reading_of(nvml(**{function: refuse if how == "refused" else None}))
    names = ("sm_mhz", "power_w", "temperature_c", "throttle", "energy_j", "others")
    assert [name for name in names if getattr(found, name) is None] == [figure]


def test_an_older_library_tells_the_reasons_by_their_older_name() -> None:
    old = nvml(
        nvmlDeviceGetCurrentClocksEventReasons=None,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: GPU_IDLE,
    )
    found = reading_of(old)
    assert (found.throttle, found.idle) == ((), True)


def test_of_a_divided_card_power_and_energy_are_not_ours_to_tell() -> None:
    def only_first(handle: int, index: int) -> str:
        if index:
            raise NVMLError("Not Found")
        return "part"

    divided = nvml(
        nvmlDeviceGetMaxMigDeviceCount=lambda handle: 7 * handle,
        nvmlDeviceGetMigDeviceHandleByIndex=only_first,
        nvmlDeviceGetUUID=lambda handle: f"MIG-{handle}" if handle == "part" else f"GPU-{handle}",
    )

    card = find_by(divided, "cuda", BUS | {"CUDA_VISIBLE_DEVICES": "MIG-part"})
    assert card is not None
    assert card.name == "GPU-1"
    found = card.read()
    assert (found.power_w, found.energy_j) == (None, None)
    assert (found.sm_mhz, found.throttle) == (1980, ("power cap",))
    assert reading_of(divided, "cuda:0").energy_j == 7000.25, "the other card is whole"


def test_without_a_driver_or_a_library_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NVMLError("Driver Not Loaded")

    assert find_by(nvml(nvmlInit=refuse), "cuda", BUS) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find("cuda", BUS) is None
    assert find("mps", BUS) is None


def test_what_is_asked_of_the_library_is_there() -> None:
    library = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    rare = {"nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetMigDeviceHandleByIndex"}
    for name in {*vars(nvml()), *rare}:
        assert hasattr(library, name), name
    assert (library.NVML_CLOCK_SM, library.NVML_TEMPERATURE_GPU) == (cards._SM_CLOCK, cards._TEMPERATURE)
    assert library.nvmlClocksThrottleReasonGpuIdle == cards.IDLE
    for bit, name in zip(
        cards.THROTTLES,
        ("SwPowerCap", "HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown"),
        strict=True,
    ):
        assert getattr(library, f"nvmlClocksThrottleReason{name}") == bit


@pytest.mark.gpu
def test_a_real_card_tells_figures_that_a_card_can_have() -> None:
    card = find("cuda", os.environ | BUS)
    if card is None:
        pytest.skip("no card can be read here: it takes NVIDIA's driver and nvidia-ml-py")
    found = card.read()
    assert found.sm_mhz is not None and 100 <= found.sm_mhz < 10_000
    assert found.power_w is not None and 1 < found.power_w < 10_000
    assert found.temperature_c is not None and 0 < found.temperature_c < 120
    assert found.energy_j is not None and found.energy_j >= 0
    assert found.throttle is not None


def test_asking_for_a_card_imports_no_array_library() -> None:
    code = (
        "import sys; from xpbench.bench import cards; cards.find('cuda', {}); "
        "print(sorted({'numpy', 'torch', 'jax', 'cupy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
