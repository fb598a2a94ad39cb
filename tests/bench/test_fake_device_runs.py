"""Real workers on an asynchronous device of pure Python: its times, its caches, its memory's end."""

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import beginning, duel, journal, preparation, runner, stats
from xpbench.bench.cards import Reading
from xpbench.bench.journal import Run
from xpbench.bench.plan import Request
from xpbench.bench.report.records import records
from xpbench.bench.report.summary import summarise

FAKE = Path(__file__).parents[1] / "fake_device.py"


@pytest.fixture
def measure(tmp_path: Path, nobody_else: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*kernels: Any, properties: dict[str, Any] | None = None, **options: Any) -> Run:
        monkeypatch.setenv("FAKE_DEVICE", json.dumps(properties or {}))
        sizes, card = options.pop("sizes", ("small",)), options.pop("card", None)
        request = Request(backends=(str(FAKE),), sizes=sizes)
        settings = {"forks": 1, "seconds": 0.02} | options
        prepared = preparation.prepare([str(kernel) for kernel in kernels], request, **settings)
        folder = beginning.begin(prepared, tmp_path / f"run{len(list(tmp_path.iterdir()))}")
        job = replace(prepared.job(folder), find_card=lambda device, environment: card)
        runner.execute(job, runner.Silent())
        return journal.read(folder)

    return run


@dataclass(frozen=True)
class HotCard:
    """A card that never leaves its limit of power."""

    name: str = "GPU-hot"

    def read(self) -> Reading:
        return Reading(time.monotonic(), 1200.0, 700.0, 85.0, ("power cap",), None, 0)


def only(run: Run) -> dict[str, Any]:
    [record] = records(summarise([run]))
    return record


def test_a_device_has_three_times_each_with_its_source(measure: Any) -> None:
    record = only(measure("matmul", properties={"kernel_s": 2e-3, "launch_s": 1e-4}))
    assert record["status"] == "ok"
    # The device's own clock is programmed, and knows nothing of this machine's load.
    assert record["device_s"] == pytest.approx(2e-3, rel=1e-3)
    assert record["device_source"] == "events of a fake device"
    assert record["time_s"] > 2e-3 + 1e-4
    assert record["throughput_s"] is not None
    assert record["cache"] == "hot"


@pytest.mark.slow
def test_a_library_of_the_host_has_no_device_time(tmp_path: Path) -> None:
    request = Request(backends=("numpy",), sizes=("small",))
    prepared = preparation.prepare(["matmul"], request, forks=1, seconds=0.01)
    folder = beginning.begin(prepared, tmp_path / "run")
    runner.execute(prepared.job(folder), runner.Silent())
    record = only(journal.read(folder))
    assert (record["device_s"], record["device_source"]) == (None, None)


@pytest.mark.slow
def test_a_cold_run_says_so_and_reads_from_memory(measure: Any) -> None:
    properties = {"kernel_s": 1e-5, "cache_bytes": 2**17, "memory_rate": 1e8, "cache_rate": 1e9}
    hot, cold = (only(measure("axpy", properties=properties, cache=cache)) for cache in ("hot", "cold"))
    assert (hot["cache"], cold["cache"]) == ("hot", "cold")
    assert cold["throughput_s"] is None
    assert hot["kernel_s"] is not None
    assert cold["kernel_s"] is None, "a profile would be of hot calls"
    assert cold["device_s"] > 1.2 * hot["device_s"]


def test_a_call_that_waits_for_the_device_has_a_reason_instead_of_a_device_time(measure: Any) -> None:
    record = only(measure("axpy", properties={"waits": True, "hold_s": 0.02}))
    assert record["device_s"] is None
    assert "waits for the device itself" in record["device_source"]
    assert record["time_s"] is not None


def test_out_of_memory_is_a_word_and_the_next_case_has_a_process_of_its_own(measure: Any) -> None:
    run = measure("matmul", "axpy", "dot", properties={"memory_bytes": 40_000})
    found = {m.case.kernel: m for m in run.measurements}
    assert found["matmul"].status == "oom"
    assert "40000 bytes asked for" in found["matmul"].reason or "left" in found["matmul"].reason
    for kernel in ("axpy", "dot"):
        assert found[kernel].status in ("ok", "oom"), found[kernel].reason
    processes = [m.in_force["process"] for m in run.measurements]
    order = [m.case.kernel for m in run.measurements]
    after = order.index("matmul") + 1
    assert not set(processes[:after]) & set(processes[after:])


KERNEL = '''
"""A kernel whose arrays can be as long as one likes."""

import numpy as np

from xpbench import Kernel


def halving(xp, x):
    """Half of x.

    y = x / 2;  x (n,) -> y (n,)
    """
    return x * 0.5


Kernel(
    compute=halving,
    inputs=lambda rng, n: (rng.standard_normal(n),),
    reference=lambda x: x / 2,
    sizes={"small": {"n": 100}, "large": {"n": 100_000}},
)
'''
BACKEND = """
import fake_device


class Named(fake_device.FakeDevice):
    name = {name!r}
    home = {device!r}

    def __init__(self):
        super().__init__(fake_device.Device(**{properties!r}))

    def devices(self):
        return [{device!r}]
"""


def test_the_way_to_a_device_counts_where_that_is_asked_for_and_never_for_the_host(runs: Any) -> None:
    on_card, on_host = runs.case("torch@cuda"), runs.case("numpy")
    transfers = {"transfer_s": 2e-3, "transfer_out_s": 3e-3}
    run = runs.store(*(runs.forks(case, 1e-3, **transfers) for case in (on_card, on_host)))
    for case, with_the_way in ((on_card, 6e-3), (on_host, 1e-3)):
        assert duel.times_of(run, case, transfer=False) == pytest.approx([1e-3] * 5, rel=0.05)
        assert duel.times_of(run, case, transfer=True) == pytest.approx([with_the_way] * 5, rel=0.05)


@pytest.mark.slow
def test_the_way_to_a_device_can_decide_which_library_is_faster(
    tmp_path: Path, nobody_else: None
) -> None:
    slow_memory = {"waits": True, "launch_s": 0.0, "kernel_s": 0.0}
    made = {
        "host": ("cpu", slow_memory | {"memory_rate": 1e8, "cache_rate": 1e8}),
        "card": ("fake", {"kernel_s": 1e-3, "link_rate": 1.2e8}),
    }
    shutil.copy(FAKE, tmp_path)  # the folder of a backend's file can be imported from
    files = []
    for name, (device, properties) in made.items():
        files.append(tmp_path / f"{name}.py")
        text = BACKEND.format(name=name, device=device, properties=properties)
        files[-1].write_text(text)
    kernel = tmp_path / "halving.py"
    kernel.write_text(KERNEL)
    prepared, pair = duel.prepare(str(kernel), [str(f) for f in files], "float32", 4, 0.02, 1, "ieee")
    rivals = duel.Duel(prepared, pair, "n", {"n": 0}, tmp_path / "sizes")
    # The host needs 4 ms, the card 1 ms and for the way 3.3 ms.
    assert rivals.measure(50_000).high < 1
    run = journal.read(tmp_path / "sizes" / "n=50000")
    on_host, on_card = (
        next(m.case for m in run.measurements if m.case.backend == name) for name in made
    )
    with_the_way = stats.ratio(
        duel.times_of(run, on_card, transfer=True), duel.times_of(run, on_host, transfer=True)
    )
    assert with_the_way is not None
    assert with_the_way.low > 1
    assert any("--transfer counts it" in note for note in rivals.notes)


def test_a_case_on_a_slowed_device_is_measured_again_once_and_then_marked(measure: Any) -> None:
    run = measure("matmul", card=HotCard(), seconds=0.2)
    assert [state.again for state in run.cards] == [False, True]
    record = only(run)
    assert (record["status"], record["throttled"], record["throttle"]) == ("ok", 1, "power cap")
    assert record["sm_mhz"] == 1200


def test_the_kernels_of_a_device_are_profiled_after_all_that_is_timed(measure: Any) -> None:
    run = measure("matmul", "dot", properties={"kernel_s": 2e-3}, forks=2)
    for record in records(summarise([run])):
        assert record["kernel_s"] == pytest.approx(2e-3, rel=0.01)
        assert (record["kernel_source"], record["launches"]) == ("log of a fake device", 1.0)
    assert {profile.case for profile in run.profiles} == {str(case) for case in run.cases}


@pytest.mark.slow
def test_what_has_no_memory_for_a_case_has_memory_for_its_roofs(
    measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = measure("matmul", properties={"memory_bytes": 40_000}, roofs=True)
    assert [m.status for m in run.measurements] == ["oom"]
    [roof] = run.roofs
    assert roof.dispatch_s is not None


def test_tf32_is_not_taken_for_float32_whatever_the_device_says_of_itself(measure: Any) -> None:
    run = measure("matmul", "axpy", properties={"tf32": True}, roofs=True)
    product, sums = sorted(records(summarise([run])), key=lambda record: record["kernel"] != "matmul")
    assert run.measurements[0].in_force["matmul_precision"] == "highest"
    assert (product["status"], sums["status"]) == ("wrong", "ok")
    assert "TF32's size" in product["reason"]
    assert product["fastest"] is None
    assert product["product_bits"] == pytest.approx(11, abs=0.5)
