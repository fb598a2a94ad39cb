"""Real workers are killed, hang and raise: each fault is one labelled record, and the rest goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from processes import alive
from xpbench.bench import beginning, journal, preparation, runner
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Request

NUMPY = Request(backends=("numpy",), sizes=("small",))


def measure(folder: Path, files: list[Path], request: Request = NUMPY, **options) -> list[Measurement]:
    arguments = [str(file) for file in files]
    prepared = preparation.prepare(arguments, request, **({"forks": 2, "seconds": 0.01} | options))
    begun = beginning.begin(prepared, folder)
    runner.execute(prepared.job(begun), runner.Silent())
    return list(journal.read(folder).measurements)


def statuses(measurements: list[Measurement]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for measurement in measurements:
        found.setdefault(measurement.case.kernel, []).append(measurement.status)
    return found


def test_a_healthy_case_has_samples_a_first_call_and_what_was_in_force(write_kernel, tmp_path) -> None:
    first, second = measure(tmp_path / "run", [write_kernel("healthy")])
    assert (first.fork, second.fork) == (0, 1)
    for measurement in (first, second):
        assert measurement.status == "ok"
        assert len(measurement.samples) >= 3
        assert all(sample > 0 for sample in measurement.samples)
        assert measurement.first_call_s > 0
        assert measurement.transfer_s > 0
        assert measurement.in_force
        assert measurement.errors
    assert (first.cold, second.cold) == (True, False)


@pytest.mark.slow
def test_a_kernel_that_cannot_make_its_inputs_is_labelled(tmp_path, write_kernel) -> None:
    path = write_kernel("starved")
    path.write_text(path.read_text().replace("rng.standard_normal(n)", "rng.no_such_draw(n)"))
    found = measure(tmp_path / "run", [path, write_kernel("last")])
    assert statuses(found) == {"starved": ["failed"], "last": ["ok", "ok"]}
    assert (
        "inputs or oracle raised AttributeError"
        in found[[m.status for m in found].index("failed")].reason
    )


def test_an_oracle_that_takes_its_process_with_it_costs_only_its_own_cases(
    tmp_path, write_kernel
) -> None:
    path = write_kernel("deadly")
    path.write_text(path.read_text().replace("lambda x: 2 * x", "lambda x: __import__('os').abort()"))
    found = measure(tmp_path / "run", [path, write_kernel("last")])
    assert statuses(found) == {"deadly": ["failed"], "last": ["ok", "ok"]}


INDEXED = """
from xpbench import Kernel

def indexed(xp, x, i):
    return 2 * x

Kernel(
    compute=indexed,
    inputs=lambda rng, n: (rng.standard_normal(n), rng.integers(2**40, size=n)),
    reference=lambda x, i: 2 * x,
    sizes={"small": {"n": 64}},
)
"""


@pytest.mark.slow
def test_an_integer_that_a_backend_cuts_off_is_a_reason_and_no_fault_of_the_kernel(tmp_path) -> None:
    pytest.importorskip("jax")
    path = tmp_path / "indexed.py"
    path.write_text(INDEXED)
    request = Request(backends=("numpy", "jax"), sizes=("small",), dtypes=("float32", "float64"))
    found = {(m.case.backend, m.case.dtype): m for m in measure(tmp_path / "run", [path], request)}
    assert found.pop(("jax", "float32")).reason == (
        "input 1 is int64, held here as int32, which is too narrow"
    )
    assert {measurement.status for measurement in found.values()} == {"ok"}


SLOW_FIRST_CALL = """
import time
import numpy
from xpbench import Backend, Vocabulary

class Slow(Backend):
    "NumPy whose first call compiles for 300 ms."
    name = "slow"
    library = "numpy"

    def load(self, setting):
        import array_api_compat.numpy
        self.xp = Vocabulary(array_api_compat.numpy)

    def compile(self, function):
        compiled = False
        def call(*arrays):
            nonlocal compiled
            if not compiled:
                time.sleep(0.3)
                compiled = True
            return function(*arrays)
        return call
"""


def test_a_slow_first_call_never_reaches_the_steady_state(write_kernel, tmp_path) -> None:
    backend = tmp_path / "slow_backend.py"
    backend.write_text(SLOW_FIRST_CALL)
    request = Request(backends=(str(backend),), sizes=("small",))
    found = measure(tmp_path / "run", [write_kernel("compiled")], request)
    for measurement in found:
        assert measurement.first_call_s >= 0.3
        # Were one call in the planted 300 ms, every round that held it would show it.
        assert max(measurement.samples) * measurement.iterations < 0.3


# Started in the background, the tests ignore SIGINT, and so would their children. A preexec_fn would
# do it too, but forks this process, in which JAX may have threads.
HEARS_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def start(folder: Path, *arguments: str | Path) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    command = [sys.executable, "-c", HEARS_SIGINT, "-m", "xpbench", "run", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_records(folder: Path, count: int) -> list[str]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        path = folder / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{count} records did not come in a minute")


def workers_of(pid: int) -> list[int]:
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in children.stdout.split()]


def assert_each_measured_once(lines: list[str], count: int) -> None:
    """Every case has one record in each fork, or a second one after a first that was disturbed."""
    records: dict[tuple[str, int], list[Measurement]] = {}
    for record in map(json.loads, lines):
        records.setdefault((record["id"], record["fork"]), []).append(Measurement.from_json(record))
    assert len(records) == count
    for first, *later in records.values():
        assert len(later) <= first.disturbed


@pytest.mark.slow
def test_a_worker_killed_from_outside_loses_no_finished_case_and_the_run_goes_on(
    write_kernel, tmp_path
) -> None:
    files = [write_kernel(f"k{index}") for index in range(4)]
    folder = tmp_path / "run"
    options = ["--backend", "numpy", "--size", "small", "--forks", "2", "--time", "0.5", "--out", folder]
    parent = start(tmp_path, *files, *options)
    before = wait_for_records(folder, 2)
    for worker in workers_of(parent.pid):
        os.kill(worker, signal.SIGKILL)
    _, errors = parent.communicate(timeout=120)
    assert parent.returncode == 0, errors
    lines = (folder / "journal.jsonl").read_text().splitlines()
    assert lines[: len(before)] == before
    assert_each_measured_once(lines, 4 * 2)
    assert {json.loads(line)["status"] for line in lines} == {"ok"}


@pytest.mark.slow
def test_an_interrupted_run_can_be_shown_and_resumed_without_measuring_twice(
    write_kernel, tmp_path, xpbench
) -> None:
    files = [write_kernel(f"k{index}") for index in range(3)]
    folder = tmp_path / "run"
    options = ["--backend", "numpy", "--size", "small", "--no-roofs"]
    options += ["--forks", "4", "--time", "0.3", "--out", folder]
    parent = start(tmp_path, *files, *options)
    wait_for_records(folder, 3)
    workers = workers_of(parent.pid)
    parent.send_signal(signal.SIGINT)
    output, errors = parent.communicate(timeout=60)
    assert parent.returncode == 130, errors
    assert "Traceback" not in errors
    assert f"xpbench run k0_file.py k1_file.py k2_file.py --resume {folder}" in errors
    assert "k0" in output
    assert not any(map(alive, workers))

    before = (folder / "journal.jsonl").read_text().splitlines()
    assert 3 <= len(before) < 12
    shown = xpbench("table", folder)
    assert shown.returncode == 0, shown.stderr
    resumed = xpbench("run", *files, "--resume", folder)
    assert resumed.returncode == 0, resumed.stderr
    lines = (folder / "journal.jsonl").read_text().splitlines()
    assert lines[: len(before)] == before
    assert_each_measured_once(lines, 3 * 4)


def test_what_a_dead_process_had_not_begun_still_counts_as_cold(write_kernel, tmp_path) -> None:
    exits = write_kernel("exits", "import os; os._exit(3)")
    found = measure(tmp_path / "run", [exits, *(write_kernel(f"k{i}") for i in range(4))], forks=1)
    assert all(m.cold for m in found if m.case.kernel != "exits")


def test_beside_a_case_that_is_tried_again_others_are_as_cold_as_ever(write_kernel, tmp_path) -> None:
    body = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    killed = write_kernel("killed", body)
    found = measure(tmp_path / "run", [killed, *(write_kernel(f"k{i}") for i in range(4))], forks=1)
    assert all(m.cold for m in found if m.case.kernel != "killed")


def test_a_run_is_not_resumed_with_another_kernel(write_kernel, tmp_path, xpbench) -> None:
    path = write_kernel("edited")
    measure(tmp_path / "run", [path], forks=1)
    path.write_text(path.read_text() + "# another program\n")
    refused = xpbench("run", path, "--resume", tmp_path / "run")
    assert refused.returncode == 2
    assert "have changed since" in refused.stderr


def test_a_run_is_not_resumed_with_other_versions(write_kernel, tmp_path, xpbench) -> None:
    folder = tmp_path / "run"
    file = write_kernel("versioned")
    measure(folder, [file], forks=1)
    header = json.loads((folder / "run.json").read_text())
    header["versions"]["numpy"]["numpy"] = "1.0"
    (folder / "run.json").write_text(json.dumps(header))
    refused = xpbench("run", file, "--resume", folder)
    assert refused.returncode == 2
    assert "numpy 1.0" in refused.stderr


@pytest.mark.parametrize(
    ("part", "key", "value", "said"),
    [
        ("machine", "id", "00000000", "was begun on the machine 00000000"),
        ("settings", "cpus", "0-511", "add --cpus 0-511"),
    ],
)
def test_a_run_is_not_resumed_elsewhere(
    write_kernel, tmp_path, xpbench, part: str, key: str, value: str, said: str
) -> None:
    folder = tmp_path / "run"
    file = write_kernel("placed")
    measure(folder, [file], forks=1)
    header = json.loads((folder / "run.json").read_text())
    assert header[part][key]
    header[part][key] = value
    (folder / "run.json").write_text(json.dumps(header))
    refused = xpbench("run", file, "--resume", folder)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_a_users_pytest_settings_do_not_reach_the_workers(
    write_kernel, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    (tmp_path / "conftest.py").write_text("raise SystemExit(9)\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    monkeypatch.chdir(tmp_path)
    found = measure(tmp_path / "run", [write_kernel("shielded")], forks=1)
    assert [m.status for m in found] == ["ok"]


def test_what_a_kernel_prints_does_not_disturb_the_run(write_kernel, tmp_path) -> None:
    body = "import os; print('{\"event\": \"bye\"}'); os.write(1, b'noise\\n' * 1000)"
    found = measure(tmp_path / "run", [write_kernel("noisy", body)], forks=1)
    assert [m.status for m in found] == ["ok"]
