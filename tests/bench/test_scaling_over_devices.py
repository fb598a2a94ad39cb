"""``xpbench scaling``: real runs over several devices, what it refuses and what it plans together."""

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import beginning, dividing, journal, processor, registry
from xpbench.bench.backend import Setting
from xpbench.bench.case import Case
from xpbench.bench.efficiency import efficiencies
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Request
from xpbench.bench.preparation import Plan

pytest.importorskip("jax")

OPTIONS = ("--size", "n=256", "--forks", "1", "--time", "0.005", "--no-roofs", "--quiet", "--out", "run")


@pytest.fixture(scope="module")
def measured(xpbench_in: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Two small kernels on one device and on two: what is printed, and the run."""
    folder = tmp_path_factory.mktemp("scaling")
    done = xpbench_in(
        folder, "scaling", "gradient_descent", "svd", "--devices", "1,2", *OPTIONS, "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder / "run"


def test_every_kernel_is_measured_on_one_device_and_on_two(
    measured: tuple[dict[str, Any], Path],
) -> None:
    told = {(r["kernel"], r["kind"]): r for r in measured[0]["efficiencies"]}
    assert {("gradient_descent", "strong"), ("gradient_descent", "weak"), ("svd", "strong")} <= set(told)
    assert all(record["efficiency"] > 0 for record in told.values())
    assert told["svd", "strong"]["gathered"] is True
    assert told["gradient_descent", "strong"]["gathered"] is False
    assert told["gradient_descent", "weak"]["work"] == pytest.approx(2.0, rel=0.01), "by the row"


def test_a_call_of_lapack_is_seen_and_what_is_divided_is_not_repeated(
    measured: tuple[dict[str, Any], Path],
) -> None:
    told = {(r["kernel"], r["kind"]): r for r in measured[0]["efficiencies"]}
    assert any(name.startswith("lapack") for name in told["svd", "strong"]["library_calls"])
    assert told["gradient_descent", "strong"]["library_calls"] == {}
    assert told["gradient_descent", "strong"]["operations"] == pytest.approx(1.0, abs=0.1)


def test_a_device_has_a_cpu_and_the_run_says_so(measured: tuple[dict[str, Any], Path]) -> None:
    run = journal.read(measured[1])
    present = len(processor.available_cpus())
    for record in run.measurements:
        devices = int(record.case.device.partition("x")[0])
        assert record.in_force["cpus"] == min(devices, present)
        assert record.in_force["openblas_threads"] == 1, "every device calls LAPACK with one thread"
        assert record.case.threads == 1


def test_what_is_compared_is_measured_side_by_side(measured: tuple[dict[str, Any], Path]) -> None:
    run = journal.read(measured[1])
    assert run.header["settings"]["together"] == "kernel"
    turns = [(m.fork, m.case.device) for m in run.measurements]
    visits = [turn for turn, _ in groupby(turns)]
    assert len(visits) == 2, "one process a number of devices, with all sizes of the kernels"


def test_the_run_is_an_ordinary_one(measured: tuple[dict[str, Any], Path], typed: Any) -> None:
    table = typed("table", measured[1])
    assert table.returncode == 0, table.stderr
    assert "jax-sharded" in table.stdout
    checked = typed("check", measured[1])
    assert "threads" not in checked.stdout + checked.stderr, "each device had those it was to have"


@pytest.mark.slow
def test_a_run_that_was_ended_goes_on_in_the_same_order(
    measured: tuple[dict[str, Any], Path], xpbench: Any, tmp_path: Path
) -> None:
    stored = tmp_path / "run"
    stored.mkdir()
    lines = (measured[1] / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (stored / "run.json").write_bytes((measured[1] / "run.json").read_bytes())
    (stored / "journal.jsonl").write_bytes(b"".join(lines[:3]))
    resumed = xpbench("scaling", "--resume", "run", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    keys = {m.key for m in journal.read(measured[1]).measurements}
    assert {m.key for m in journal.read(stored).measurements} == keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,4", ["1xcpu", "2xcpu", "4xcpu"]),
        ("4, 1,2", ["1xcpu", "2xcpu", "4xcpu"]),
        ("1xcpu,2xcpu", ["1xcpu", "2xcpu"]),
        ("1,2x4xcpu", ["1xcpu", "2x4xcpu"]),
        ("1xcuda,4xcuda", ["1xcuda", "4xcuda"]),
        ("1,1,2", ["1xcpu", "2xcpu"]),
    ],
)
def test_devices_are_counted_or_named(text: str, expected: list[str]) -> None:
    assert dividing.devices_of(text, "1xcpu") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "'0' is neither a number of devices from 1 to 1024"),
        ("1", "expected more than one device too"),
        ("2,4", "expected 1 among them"),
        ("1,3,x", "'x' is neither"),
        ("1,cpu", "'cpu' is neither"),
        ("1,cuda:1", "'cuda:1' is neither"),
        ("", "'' is neither"),
        ("1,-2", "'-2' is neither"),
        ("1,2000", "'2000' is neither"),
        ("1,2xcuda", "expected devices of one kind"),
    ],
)
def test_a_list_that_means_nothing_is_refused_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(XpbenchError, match="--devices") as fault:
        dividing.devices_of(text, "1xcpu")
    assert said in str(fault.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "unknown kernel 'nothing'"),
        (("matmul", "--devices", "0"), "neither a number of devices"),
        (("matmul", "--backend", "numpy"), "expected one that divides arrays over several: jax-sharded"),
        (("matmul", "--backend", "nothing"), "unknown backend 'nothing'"),
        (("matmul", "--size", "gigantic"), "gigantic"),
        (("matmul", "--format", "pdf"), "--format 'pdf': expected one of rich, md, json"),
        (("--resume", "absent"), "no run at absent"),
        (("--resume", "absent", "--devices", "1,2"), "--devices beside --resume"),
        (("--show", "absent"), "no run at absent"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(typed: Any, arguments: Any, said: str) -> None:
    answer = typed("scaling", *arguments)
    assert answer.returncode == 2
    assert said in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr


def test_strong_alone_plans_no_larger_work() -> None:
    options: dict[str, Any] = {"roofs": False, "seconds": 0.01}
    request = Request(dtypes=("float32",), sizes=("small",))
    both, _ = dividing.prepare(["matmul"], "1,2", "jax-sharded", request, **options)
    strong, _ = dividing.prepare(["matmul"], "1,2", "jax-sharded", request, weak=False, **options)
    assert [case.size_name for case in strong.cases] == ["small", "small"]
    assert [case.size_name for case in both.cases] == ["small", "small", "small x2"]
    assert both.settings.together == "kernel"


def test_a_size_that_another_grows_into_is_measured_once(tmp_path: Path) -> None:
    request = Request(dtypes=("float32",), sizes=("batch=64", "batch=128"))
    plan, _ = dividing.prepare(
        ["batched_matmul"], "1,2", "jax-sharded", request, roofs=False, seconds=0.01
    )
    ids = [str(case) for case in plan.cases]
    assert len(set(ids)) == len(ids) == 5, "64 and 128 on one device, 64, 128 and 256 on two"
    times = {"64": 1.0, "128": 2.0, "256": 4.0}
    found = efficiencies(Run(tmp_path, _header(plan), tuple(_timed(case, times) for case in plan.cases)))
    assert [(e.kind, e.several.size[0][1]) for e in found] == [
        *(("strong", 64), ("strong", 128), ("weak", 128), ("weak", 256)),
    ]


def _header(plan: Plan) -> dict[str, Any]:
    kernels = beginning.kernels_of(plan.registry, plan.cases)
    cases = [case.to_json() for case in plan.cases]
    return {"cases": cases, "kernels": kernels, "settings": {}, "machine": {}}


def _timed(case: Case, times: dict[str, float]) -> Measurement:
    return Measurement(case, 0, "ok", samples=(times[str(case.size[0][1])],))


BIND = """
import json, sys
from xpbench.bench import processor
print(json.dumps([processor.bind(int(sys.argv[1])), len(processor.available_cpus())]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
@pytest.mark.parametrize("wanted", [1, 4096])
def test_a_process_is_bound_to_as_many_cpus_as_it_asks_for_and_there_are(wanted: int) -> None:
    command = [sys.executable, "-c", BIND, str(wanted)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    most = min(wanted, len(processor.available_cpus()))
    assert json.loads(said) == [most, most]
    assert processor.bind(None) is None


EXCHANGE = """
import json
from xpbench.bench import registry, roofs
from xpbench.bench.backend import Setting
roofs.SECONDS, roofs.LARGEST_MATMUL, roofs.SMALLEST_ARRAY = 0.005, 512, 2**18
backend = registry.find().backends["jax-sharded"]
backend.load(Setting(device="2xcpu"))
found = roofs.measure(backend, "float32", "ieee", 1, 2**16)
print(json.dumps([found.exchange_s, found.dispatch_s]))
"""


def test_the_roofs_of_several_devices_tell_how_long_an_exchange_takes() -> None:
    variables = registry.find().backends["jax-sharded"].environment(Setting(device="2xcpu"))
    command = [sys.executable, "-c", EXCHANGE]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    exchange, dispatch = json.loads(done.stdout)
    # Two threads meet, which no machine does in a tenth of a microsecond, nor takes a tenth of a second.
    assert 1e-7 < exchange < 0.1
    assert 1e-7 < dispatch < 0.1
