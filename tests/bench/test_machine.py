"""The machine is described without its name, and what others do to it is told from what we do."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xpbench.bench import machine, processor
from xpbench.bench.machine import Counters, between

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def test_the_description_is_plain_data_without_the_hosts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "a-name-that-tells")
    described = machine.describe()
    assert "a-name-that-tells" not in json.dumps(described)
    assert described["cores"] >= 1
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert machine.describe()["id"] != described["id"]


def test_what_happened_between_two_readings_is_told_in_shares() -> None:
    before = Counters(seconds=10.0, waited=1.0, others=5.0, switches=3)
    half = machine.available_cpus() * 1.0
    after = Counters(seconds=12.0, waited=1.5, others=5.0 + half + machine.TICK, switches=7)
    seen = between(before, after)
    assert (seen.pressure, seen.switches) == (0.25, 4)
    assert seen.others == pytest.approx(0.5)


def test_what_is_within_a_step_of_the_clock_is_nobodys() -> None:
    """A hundredth of a second is a tenth of two CPUs in a short round: an idle machine shows it too."""
    before = Counters(seconds=10.0, waited=1.0, others=5.0, switches=0)
    assert between(before, Counters(10.05, 1.0, 5.0 + machine.TICK, 0)).others == 0
    assert between(before, Counters(10.05, 1.0, 5.0 + 3 * machine.TICK, 0)).others > 0


STAT = """cpu  400 0 0 9000 0 0 0 0 0 0
cpu0 100 10 5 100 7 1 2 3 0 0
cpu1 200 0 0 100 0 0 0 0 0 0
cpu10 400 0 0 100 0 0 0 0 0 0
intr 1 2 3
"""


@pytest.mark.parametrize(
    ("cpus", "ticks"), [([0], 121), ([0, 1], 321), ([10], 400), ([2], None), ([], 0)]
)
def test_only_the_cpus_that_we_may_use_are_looked_at(cpus: list[int], ticks: int | None) -> None:
    """On the rest of a large machine others may do as they like."""
    seconds = machine.busy_seconds(STAT, cpus)
    assert seconds == (None if ticks is None else pytest.approx(ticks * machine.TICK))


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([0, 1], "0-1"), ([8, 0, 2, 1, 3, 10], "0-3,8,10")]
)
def test_cpus_are_written_as_linux_writes_them(numbers: list[int], text: str) -> None:
    assert processor.ranges(numbers) == text


def test_what_is_not_known_stays_unknown() -> None:
    seen = between(Counters(0.0, None, None, 0), Counters(1.0, None, None, 0))
    assert (seen.pressure, seen.others) == (None, None)


def spend(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@linux
def test_another_process_counts_as_other_and_we_do_not() -> None:
    ticks = 1 / os.sysconf("SC_CLK_TCK")
    before = machine.counters()
    spend(0.5)
    alone = machine.counters()
    code = "import time\nwhile time.process_time() < 1.0: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    beside = machine.counters()
    assert before.others is not None and alone.others is not None and beside.others is not None
    # A tick a CPU may fall on either side of each reading.
    slack = 2 * ticks * (os.cpu_count() or 1)
    assert beside.others - alone.others >= 1.0 - slack
    # Had our half second been counted as theirs, at least that much would stand here.
    assert (
        alone.others - before.others
        <= (alone.seconds - before.seconds) * (os.cpu_count() or 1) - 0.5 + slack
    )


@linux
def test_the_files_read_are_those_of_this_system() -> None:
    reading = machine.counters()
    assert (reading.waited is not None) == Path("/proc/pressure/cpu").exists()
    assert reading.others is not None


@pytest.mark.parametrize(
    ("content", "swapped"),
    [
        ("MemTotal: 100 kB\nSwapTotal:  2048 kB\nSwapFree:  1024 kB\n", 2**20),
        ("SwapTotal: 0 kB\nSwapFree: 0 kB\n", 0),
        ("MemTotal: 100 kB\n", None),
        (None, None),
    ],
)
def test_swap_in_use_is_what_is_there_less_what_is_free(
    tmp_path: Path, content: str | None, swapped: int | None
) -> None:
    if content is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/meminfo").write_text(content)
    assert machine.swapped_bytes(tmp_path) == swapped


def test_cards_are_those_that_cuda_shows_in_its_order() -> None:
    listed = "GPU-aa, NVIDIA H100, 550.54, 81559 MiB\nGPU-bb, NVIDIA L4, 550.54, 23034 MiB\n"
    h100, l4 = "NVIDIA H100, 550.54, 81559 MiB", "NVIDIA L4, 550.54, 23034 MiB"
    assert machine.visible(listed, {}) == [h100, l4]
    assert machine.visible(listed, {"CUDA_VISIBLE_DEVICES": "1"}) == [l4]
    assert machine.visible(listed, {"CUDA_VISIBLE_DEVICES": "GPU-bb,0"}) == [l4, h100]
    assert machine.visible(listed, {"CUDA_VISIBLE_DEVICES": ""}) == []
    assert machine.visible("", {}) == []
