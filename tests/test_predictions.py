"""The page of predictions is what its script makes of a run, says what it is, and follows its model."""

import importlib
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from xpbench.bench import journal
from xpbench.bench.case import Case
from xpbench.bench.efficiency import efficiencies
from xpbench.bench.measurement import Measurement
from xpbench.bench.roof import Roof
from xpbench.bench.sharding import Sharding

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "predictions.md"
KIB = 2.0**10


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("prediction_model")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("predictions")


def seen(devices: int, received: dict[str, float], flops: float, **changes: Any) -> Sharding:
    made = Sharding(
        devices,
        inputs=("shards,-",) if devices > 1 else ("replicated",),
        gathered=False,
        communicated_bytes=sum(received.values()),
        received=received,
        performed=dict.fromkeys(received, 1.0),
        device_flops=flops,
        library_calls={},
    )
    return replace(made, **changes)


def reduced(model: ModuleType) -> Any:
    """Sums of 1 KiB over rows, with operations that are all divided."""
    programs = {
        p: seen(p, {"all-reduce": 2 * (p - 1) * KIB} if p > 1 else {}, 8e6 / p) for p in (1, 2, 8)
    }
    return model.Work(seconds=1.0, seen=programs, flops=8e6)


def test_a_sum_over_devices_takes_the_bytes_and_the_steps_of_its_law(model: ModuleType) -> None:
    network = model.Network(latency_s=1e-6, bytes_per_s=1e9)
    told = model.predict(reduced(model), 64, network, smallest_s=1e-6)
    assert told.received_bytes == pytest.approx(2 * KIB * 63 / 64)
    assert told.compute_s == pytest.approx(1 / 64)
    assert told.exchange_s == pytest.approx(2 * 6 * 1e-6 + 2 * KIB * 63 / 64 / 1e9)
    assert model.doubts(reduced(model)) == []


@pytest.mark.parametrize(
    ("kind", "together", "each"),
    [
        ("all-gather", lambda p: (p - 1) * KIB, lambda p: KIB * (p - 1) / p),
        ("all-reduce", lambda p: 2 * (p - 1) * KIB, lambda p: 2 * KIB * (p - 1) / p),
        ("reduce-scatter", lambda p: (p - 1) * KIB, lambda p: KIB * (p - 1) / p),
        ("all-to-all", lambda p: KIB * (p - 1) / p, lambda p: KIB * (p - 1) / p**2),
        ("collective-permute", lambda p: p * KIB, lambda p: KIB),
    ],
)
def test_bytes_grow_with_the_devices_as_each_operation_does(
    model: ModuleType, kind: str, together: Any, each: Any
) -> None:
    work = model.Work(
        1.0, {p: seen(p, {kind: together(p)} if p > 1 else {}, 8 / p) for p in (1, 2, 8)}, 8.0
    )
    for devices in (2, 8, 64, 1024):
        assert model.received_bytes(work, kind, devices) == pytest.approx(each(devices))
    assert model.doubts(work) == []


def test_a_share_that_is_passed_on_gets_smaller(model: ModuleType) -> None:
    programs = {p: seen(p, {"collective-permute": KIB} if p > 1 else {}, 8 / p) for p in (1, 2, 8)}
    work = model.Work(1.0, programs, 8.0)
    assert model.received_bytes(work, "collective-permute", 64) == pytest.approx(KIB / 64)


def test_bytes_that_grew_otherwise_put_a_prediction_in_doubt(model: ModuleType) -> None:
    work = reduced(model)
    work.seen[2] = seen(2, {"all-reduce": 5 * KIB}, 4e6)
    (doubt,) = model.doubts(work)
    assert "all-reduce on 2 devices moved 2.5 times what its law says" in doubt


def test_what_every_device_repeats_is_not_divided_by_more_of_them(model: ModuleType) -> None:
    """A tenth is repeated: p F(p) = 1 + (p - 1) / 10."""
    programs = {p: seen(p, {}, (1 + (p - 1) / 10) / p) for p in (1, 2, 8)}
    work = model.Work(1.0, programs, 1.0)
    assert model.undivided(work) == pytest.approx(0.1)
    told = model.predict(work, 1024, model.Network(0.0, math.inf), 0.0)
    assert told.seconds == pytest.approx(0.1 + 0.9 / 1024)


def test_calls_of_lapack_and_arrays_that_nobody_divides_are_repeated_whole(model: ModuleType) -> None:
    calls = {"lapack_sgesdd_ffi": 1}
    programs = {p: seen(p, {}, 2.0 / p, library_calls=calls) for p in (1, 8)}
    assert model.undivided(model.Work(1.0, programs, flops=10.0)) == pytest.approx(0.8)
    assert model.undivided(model.Work(1.0, programs, flops=None)) == 1.0
    whole = {1: seen(1, {}, 2.0), 8: seen(8, {}, 0.25, inputs=("replicated",))}
    assert model.undivided(model.Work(1.0, whole, flops=2.0)) == 1.0


def test_no_share_takes_less_than_the_smallest_call(model: ModuleType) -> None:
    told = model.predict(reduced(model), 1024, model.Network(0.0, math.inf), smallest_s=0.25)
    assert told.compute_s == 0.25


@pytest.fixture
def run(tmp_path: Path) -> journal.Run:
    """A stored run: two kernels on one device and on two, of which one gathers, with roofs."""
    sizes = {"matmul": (("n", 2048),), "covariance": (("n", 32768), ("d", 512))}
    records, seconds = [], {1: 0.2, 2: 0.125}
    for kernel, size in sizes.items():
        for devices, flops in ((1, 4e9), (2, 2e9)):
            case = Case(kernel, size, "large", "jax-sharded", f"{devices}xcpu", "float32", 1)
            kind = "all-gather" if kernel == "matmul" else "all-reduce"
            received = {kind: 2.0**24} if devices > 1 else {}
            sharding = seen(devices, received, flops, gathered=bool(received) and kernel == "matmul")
            record = Measurement(case, 0, "ok", samples=(seconds[devices],), sharding=sharding)
            records.append(record)
    kernels = {name: {"flops": {}, "traffic": {}} for name in sizes}
    header = {
        "name": "night",
        "settings": {"forks": 1, "threads": 1},
        "machine": {"cpu": "A Processor", "cores": 2},
        "kernels": kernels,
        "cases": [record.case.to_json() for record in records],
    }
    journal.create(tmp_path / "night", header)
    for record in records:
        journal.append(tmp_path / "night", record)
    for devices in (1, 2):
        speeds = (1e11, "n=2048", 2e10, 1.2e10, 2e-5)
        roof = Roof("jax-sharded", f"{devices}xcpu", "float32", 1, "ieee", 0, *speeds, exchange_s=4e-5)
        journal.append_roof(tmp_path / "night", roof)
    return journal.read(tmp_path / "night")


def test_the_check_is_the_model_with_the_memory_of_the_machine_for_a_network(
    script: ModuleType, run: journal.Run
) -> None:
    assert script.here(run) == script.Network(2e-5, 1.2e10 / 3 / 2)
    rows = {row.case.kernel: row for row in script.rows(run)}
    predicted = 0.2 / 2 + 2e-5 + 2.0**23 / (1.2e10 / 3 / 2)
    assert rows["matmul"].check.seconds == pytest.approx(predicted)
    assert rows["matmul"].error == pytest.approx(predicted / 0.125 - 1)
    assert rows["covariance"].check.seconds == pytest.approx(predicted + 2e-5), "two steps, not one"


def test_what_so_many_devices_cannot_divide_is_not_predicted(
    script: ModuleType, run: journal.Run
) -> None:
    short = replace(run.cases[0], size=(("n", 512),))
    told = [replace(m, case=replace(short, device=m.case.device)) for m in run.measurements[:2]]
    header = {**run.header, "cases": [m.case.to_json() for m in told]}
    (row,) = script.rows(replace(run, header=header, measurements=tuple(told)))
    assert row.predictions[0].devices == 64
    assert row.predictions[1] is None
    assert row.doubts == ("n = 512 is too short for 1024 devices",)
    odd = [replace(m, case=replace(m.case, size=(("n", 2000),))) for m in told]
    header = {**run.header, "cases": [m.case.to_json() for m in odd]}
    (row,) = script.rows(replace(run, header=header, measurements=tuple(odd)))
    assert row.doubts == ("n = 2000 is no multiple of 64 or 1024: taken as if it were",)


def test_the_page_says_that_it_predicts_and_by_how_much_it_erred_here(
    script: ModuleType, run: journal.Run
) -> None:
    text = script.page(run)
    assert "**PREDICTION. Nothing on this page was measured on more than 2 devices.**" in text
    head = next(line for line in text.splitlines() if line.startswith("| kernel |"))
    assert head.count("PREDICTION on") == 2
    assert "PREDICTION on 1,024" in head
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    assert set(rows) == {"matmul", "covariance"}
    assert "⊕" in rows["matmul"]
    assert "⊕" not in rows["covariance"]
    for row in script.rows(run):
        assert row.error is not None
        assert f"{100 * row.error:+.0f}%" in rows[row.case.kernel]
        measured = next(e for e in efficiencies(run) if e.one.kernel == row.case.kernel)
        assert row.measured_s == pytest.approx(next(iter(measured.several_s.values())))
    assert "600 ns" in text
    assert "25.0 GB/s" in text


def test_a_run_that_cannot_be_predicted_from_says_what_to_measure(
    script: ModuleType, run: journal.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    published = ROOT / "results" / "published" / "xeon-2cpu-default"
    assert script.main([str(published)]) == 2
    assert "xpbench scaling --all" in capsys.readouterr().err
    (run.path / "roofs.jsonl").rename(run.path / "no-roofs")
    try:
        assert script.main([str(run.path)]) == 2
    finally:
        (run.path / "no-roofs").rename(run.path / "roofs.jsonl")
    assert "measure with --roofs" in capsys.readouterr().err


def test_the_page_in_the_manual_is_what_the_script_makes(script: ModuleType) -> None:
    folder = ROOT / "results" / "published" / script.PUBLISHED
    run = [str(folder)] if folder.is_dir() else []
    command = [sys.executable, str(ROOT / "scripts" / "predictions.py"), *run]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert made.stdout == PAGE.read_text(encoding="utf-8")
    assert made.stdout.count("PREDICTION") > 1


@pytest.mark.slow
def test_a_run_in_earnest_is_predicted_from_kernel_by_kernel(
    script: ModuleType, xpbench: Any, tmp_path: Path
) -> None:
    pytest.importorskip("jax")
    options = ("--size", "medium", "--no-weak", "--forks", "1", "--time", "0.005", "--roofs", "--quiet")
    done = xpbench("scaling", "matmul", "svd", "covariance", *options, "--out", "run")
    assert done.returncode == 0, done.stderr
    rows = {row.case.kernel: row for row in script.rows(journal.read(tmp_path / "run"))}
    assert all(row.error is not None for row in rows.values())
    assert script.undivided(rows["svd"].work) > 0.5, "every device makes the whole call of LAPACK"
    assert script.undivided(rows["matmul"].work) < 0.1
    received = {name: rows[name].predictions[0].received_bytes for name in ("covariance", "matmul")}
    assert received["covariance"] < received["matmul"]
