"""The probe sees work that is not ours, and the anchors are the machine's own pace."""

import os
import subprocess
import sys

import pytest

from xpbench.bench import noise
from xpbench.bench.noise import Noise


def test_the_probe_sees_processes_that_take_the_cpus() -> None:
    if sys.platform != "linux":
        pytest.skip("reads Linux's /proc")
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        seen = noise.probe(0.4)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert seen.others is not None
    assert seen.others > 2 * noise.BUSY
    assert any("other processes take" in line for line in noise.warnings(seen))


def test_a_probe_that_is_held_up_for_all_its_time_still_answers() -> None:
    assert noise.probe(0.0).jitter > -1


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Noise(0.01, 0.0, 0.02), []),
        (Noise(None, None, 0.02), []),
        (Noise(0.48, 0.5, 0.02), ["other processes take 48%"]),
        (Noise(0.0, 0.0, 0.4), ["equal pieces of work differ by 40%"]),
        (Noise(0.3, 0.0, 0.4), ["other processes take 30%", "equal pieces of work differ"]),
    ],
)
def test_a_machine_that_is_not_quiet_is_told_so_in_words(seen: Noise, words: list[str]) -> None:
    told = noise.warnings(seen)
    assert len(told) == len(words)
    assert all(line.startswith(start) for line, start in zip(told, words, strict=True))


def test_the_anchors_are_seconds_of_work_that_was_done() -> None:
    found = noise.anchor()
    # Nothing hashes a byte in less than a hundredth of a nanosecond, nor copies one in a thousandth.
    assert found.compute_s > len(noise.PIECE) * 1e-11
    assert found.memory_s > noise.COPIED * 1e-12
    assert max(found.compute_s, found.memory_s) < 5
