"""JAX over several devices: what is divided, what is gathered, and that a run tells it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xpbench.bench.backend import Setting
from xpbench.bench.measurement import Measurement

pytest.importorskip("jax")

from xpbench.backends.jax_sharded import JaxSharded, divided_axis


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((64, 64), 0), ((3, 512), 1), ((1000, 3), 0), ((3, 5, 7, 11), None), ((8,), None), ((), None)],
)
def test_the_first_axis_that_the_devices_divide_is_divided_and_small_arrays_are_not(shape, axis):
    assert divided_axis(shape, 8) == axis


def test_the_flags_of_the_user_stay_beside_the_number_of_devices(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_foo=1 --xla_force_host_platform_device_count=2")
    flags = JaxSharded().environment(Setting(device="8xcpu"))["XLA_FLAGS"].split()
    assert flags == ["--xla_foo=1", "--xla_force_host_platform_device_count=8"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> tuple[dict[tuple[str, str], dict], Path]:
    folder = tmp_path_factory.mktemp("sharded") / "run"
    command = [sys.executable, "-m", "xpbench"]
    options = ["--backend", "jax-sharded", "--device", "1xcpu", "--device", "4xcpu", "--size", "small"]
    run = ["run", "matmul", "gradient_descent", *options, "--forks", "1", "--time", "0.01"]
    for arguments in ([*run, "--out", str(folder)], ["table", str(folder), "--format", "json"]):
        done = subprocess.run(
            [*command, *arguments], env=dict(os.environ), capture_output=True, text=True, check=True
        )
    return {(r["kernel"], r["device"]): r for r in json.loads(done.stdout)}, folder


def test_a_product_on_several_devices_agrees_and_gathers_a_factor(cells):
    cell = cells[0]["matmul", "4xcpu"]
    assert cell["status"] == "ok"
    assert cell["gathered"] is True
    assert cell["communicated_bytes"] == 3 * 64 * 64 * 4, "three quarters of b come to each of four"
    assert cell["placement"] == "shards,-"


def test_one_device_exchanges_nothing(cells):
    cell = cells[0]["matmul", "1xcpu"]
    assert (cell["gathered"], cell["communicated_bytes"]) == (False, 0)


def test_sums_over_rows_are_reduced_and_not_gathered(cells):
    cell = cells[0]["gradient_descent", "4xcpu"]
    assert cell["status"] == "ok"
    assert cell["gathered"] is False
    assert cell["communicated_bytes"] > 0


def test_a_journal_holds_what_was_seen_and_one_without_it_is_still_read(cells):
    lines = [json.loads(line) for line in (cells[1] / "journal.jsonl").read_text().splitlines()]
    record = next(line for line in lines if "sharding" in line)
    sharding = Measurement.from_json(record).sharding
    assert sharding is not None
    assert sharding.to_json()["inputs"] == tuple(record["sharding"]["inputs"])
    del record["sharding"]
    assert Measurement.from_json(record).sharding is None
