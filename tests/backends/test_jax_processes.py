"""JAX over several processes: they agree, no death is a hang, and they listen to this machine alone."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processes import alive, family, wait_until

pytest.importorskip("jax")

from xpbench.backends.jax_sharded import JaxSharded
from xpbench.bench.backend import Setting

DEVICE = ["--backend", "jax-sharded", "--device", "2x2xcpu", "--size", "small", "--forks", "1"]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
"""127.0.0.1, of which /proc/net knows a longer form too."""
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")


def test_processes_share_the_threads_and_have_one_each_at_least():
    told = [JaxSharded().environment(Setting(f"{n}x4xcpu", threads=4))["NPROC"] for n in (1, 2, 8)]
    assert told == ["4", "2", "1"]


@pytest.mark.parametrize(("name", "can"), [("16xcpu", True), ("2x4xcpu", True), ("cpu", False)])
def test_a_processor_is_divided_as_one_likes_and_cards_are_not(name, can):
    assert JaxSharded().divides(name, ["2xcpu", "1xcpu"]) is can
    assert not JaxSharded().divides("16xcuda", ["1xcpu", "1xcuda"])


@pytest.fixture(scope="module")
def records(xpbench_in, tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("processes")
    done = xpbench_in(folder, "run", "matmul", "svd", *DEVICE, "--time", "0.01", "--out", "run")
    assert done.returncode == 0, done.stderr
    lines = (folder / "run" / "journal.jsonl").read_text().splitlines()
    return {r["case"]["kernel"]: r for r in map(json.loads, lines) if "case" in r}


@pytest.mark.parametrize("kernel", ["matmul", "svd"])
def test_two_processes_compute_what_the_oracle_does(records, kernel):
    record = records[kernel]
    assert (record["status"], record["reason"]) == ("ok", "")
    assert record["samples"] and not record["throughput_samples"], "calls are not queued"
    assert record["sharding"]["devices"] == 4


def test_a_record_tells_of_all_processes(records):
    told = records["matmul"]["in_force"]
    assert told["processes"] == 2
    assert told["threads"] >= 2, "one in each"
    assert 0 < told["probe_round_trip_s"] < 1
    assert records["matmul"]["sharding"]["communicated_bytes"] == 3 * 64 * 64 * 4


EXCHANGING = "x = xp.fori_loop(10**7, lambda i, y: xp.tanh(y * xp.sum(y)), x)"
"""Goes on for minutes, and the processes exchange a sum in every step."""


@pytest.fixture
def run(write_kernel, tmp_path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started = []

    def start(body: str, *arguments: str) -> "subprocess.Popen[str]":
        file = write_kernel("long", body)
        file.write_text(file.read_text().replace('"n": 8', '"n": 512'))
        command = [sys.executable, "-m", "xpbench", "run", str(file), *DEVICE]
        parent = subprocess.Popen(
            [*command, "--out", str(tmp_path / "run"), *arguments],
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(parent)
        return parent

    yield start
    for parent in started:
        parent.kill()
        parent.communicate()


def running(pid: int, module: str) -> list[int]:
    """Those of a family that run a module of ours."""
    found = []
    for process in family(pid):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        found += [process] if f"xpbench.bench.{module}" in words else []
    return found


def listens(pid: int) -> set[str]:
    """The addresses, as /proc/net has them, on which a process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            inodes.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found


def at_work(parent: "subprocess.Popen[str]", folder: Path) -> tuple[int, int]:
    """The leader and the follower of a run, once they compute."""

    def together() -> bool:
        found = running(parent.pid, "worker"), running(parent.pid, "follower")
        return all(found) and all((folder / f"traced-{pid}").exists() for pids in found for pid in pids)

    assert wait_until(together, 60)
    return running(parent.pid, "worker")[0], running(parent.pid, "follower")[0]


def marking(folder: Path) -> str:
    return f"import os; open({str(folder)!r} + f'/traced-{{os.getpid()}}', 'w').close()\n    "


@linux
def test_a_follower_that_is_killed_costs_one_labelled_record_and_leaves_nothing(run, tmp_path):
    parent = run(marking(tmp_path) + EXCHANGING)
    leader, follower = at_work(parent, tmp_path)
    os.kill(follower, signal.SIGKILL)
    output, _ = parent.communicate(timeout=60)
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if "case" in record]
    assert [(r["status"], r["reason"]) for r in records] == [
        ("crashed", "the process ended with code 1: process 2 of 2 was ended by SIGKILL")
    ], output
    assert not alive(leader)


@linux
@pytest.mark.parametrize("victim", ["parent", pytest.param("leader", marks=pytest.mark.slow)])
def test_whichever_is_killed_no_process_is_left(run, tmp_path, victim):
    parent = run(marking(tmp_path) + EXCHANGING)
    leader, follower = at_work(parent, tmp_path)
    os.kill({"parent": parent.pid, "leader": leader}[victim], signal.SIGKILL)
    assert wait_until(lambda: not alive(leader) and not alive(follower), 20)


@linux
@pytest.mark.slow
def test_what_listens_meanwhile_does_so_on_the_loopback_interface(run, tmp_path):
    parent = run(marking(tmp_path) + EXCHANGING)
    leader, follower = at_work(parent, tmp_path)
    assert listens(leader) <= LOOPBACK and listens(leader)
    assert listens(follower) <= LOOPBACK and listens(follower)
    assert not listens(parent.pid)


@linux
@pytest.mark.slow
def test_a_kernel_that_fails_in_one_process_alone_is_one_failed_record(run, tmp_path):
    body = (
        "import sys\n"
        "    if 'xpbench.bench.follower' in sys.orig_argv: raise ValueError('not beside')\n    pass"
    )
    parent = run(body)
    output, _ = parent.communicate(timeout=60)
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    statuses = [(r["status"], r["reason"]) for r in map(json.loads, lines) if "case" in r]
    assert statuses == [("failed", "RuntimeError: process 2 of 2: ValueError: not beside")], output


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("device", ["8xcpu", "2x4xcpu"])
def test_every_kernel_agrees_or_says_why_not(xpbench, device, dtype):
    options = ["--device", device, "--size", "small", "--dtype", dtype]
    done = xpbench("verify", "--all", "--backend", "jax-sharded", *options, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
