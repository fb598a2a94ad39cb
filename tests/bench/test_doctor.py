"""Advice follows from what was seen, and only from that."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from xpbench.bench.doctor import Advice, Examination, advice, free_bytes, quietness
from xpbench.bench.noise import Noise
from xpbench.bench.probe import State

HEALTHY = Examination(
    machine={"cores": 8, "governor": "performance", "memory_bytes": 2**36, "cgroup_quota": "max 100000"},
    noise=Noise(0.0, 0.0, 0.01),
    states={"numpy": State("numpy", True, "", ("cpu",), {})},
    in_force={"numpy": {"openblas_threads": 8, "openblas_version": "0.3.30"}},
    threads=8,
    precision="ieee",
    disk_bytes=2**40,
)


def machine(**changes: object) -> Examination:
    return replace(HEALTHY, machine={**HEALTHY.machine, **changes})


def test_a_quiet_machine_with_all_in_force_needs_nothing() -> None:
    assert advice(HEALTHY) == []


@pytest.mark.parametrize(
    ("seen", "severity", "finding", "cure"),
    [
        (
            replace(HEALTHY, noise=Noise(0.5, 0.5, 0.01)),
            "warning",
            "other processes take 50%",
            "stop them",
        ),
        (
            replace(HEALTHY, noise=Noise(0.0, 0.0, 0.5)),
            "warning",
            "equal pieces of work differ",
            "clock",
        ),
        (replace(HEALTHY, noise=Noise(0.0, None, 0.0)), "note", "CPU pressure", "psi=1"),
        (replace(HEALTHY, noise=Noise(None, 0.0, 0.0)), "warning", "not known here", "Linux"),
        (machine(governor="powersave"), "warning", "powersave", "cpupower"),
        (machine(turbo=True), "note", "clock may rise", "boost"),
        (machine(smt=True), "note", "SMT", "--threads 4"),
        (machine(cgroup_quota="250000 100000"), "warning", "2.5 CPUs, and 8 threads", "--threads 2"),
        (machine(hypervisor="KVM"), "note", "guest", "xpbench calibrate"),
        (machine(memory_bytes=2**30), "warning", "1.00 GiB of memory", "large"),
        (replace(HEALTHY, disk_bytes=2**20), "warning", "1.00 MiB are free", "--out"),
        (
            replace(HEALTHY, states={"jax": State("jax", False, "pip install jax", (), {})}),
            "note",
            "jax cannot be used",
            "pip install jax",
        ),
        (
            replace(HEALTHY, in_force={"torch": {"threads": 8, "openmp_threads": 2}}),
            "warning",
            "asked for 8 threads and has openmp_threads 2",
            "in_force",
        ),
        (
            replace(HEALTHY, in_force={"torch": {"cudnn_tf32": True}}),
            "warning",
            "may round products to TF32 or less (cudnn_tf32)",
            "11 bits",
        ),
        *(
            (
                replace(HEALTHY, in_force={name: {"matmul_precision": read}}),
                "warning",
                f"matmul_precision {read}",
                "not comparable",
            )
            for name, read in [
                ("torch", "high"),
                ("torch", "medium"),
                ("jax", "tensorfloat32"),
                ("cupy", "COMPUTE_TYPE_TF32"),
            ]
        ),
        (
            replace(HEALTHY, in_force={"torch": {"matmul_precision": "highest", "product_bits": 11.1}}),
            "warning",
            "products of float32 keep 11 bits in torch, though ieee was asked for",
            "not what it reads back",
        ),
        (
            replace(HEALTHY, precision="tf32", in_force={"torch": {"product_bits": 23.0}}),
            "note",
            "torch computes products in full float32, more than tf32 asks for",
            "no TF32",
        ),
        (machine(cpus_present=16), "note", "8 of 16 CPUs", "start from a shell"),
        (replace(HEALTHY, swapped_bytes=2**30), "warning", "1.00 GiB of memory are in swap", "swapoff"),
        (replace(HEALTHY, in_force={"torch": {"fault": "no"}}), "warning", "torch does not load", "no"),
    ],
)
def test_what_makes_times_worse_has_a_cure(
    seen: Examination, severity: str, finding: str, cure: str
) -> None:
    [one] = advice(seen)
    assert one.severity == severity
    assert finding in one.finding
    assert cure in one.cure


@pytest.mark.parametrize(
    ("name", "read"),
    [("torch", "highest"), ("jax", "highest"), ("jax", None), ("cupy", "COMPUTE_TYPE_DEFAULT")],
)
def test_a_library_that_reads_back_full_products_needs_nothing(name: str, read: str | None) -> None:
    assert advice(replace(HEALTHY, in_force={name: {"matmul_precision": read}})) == []


@pytest.mark.parametrize(
    "seen",
    [
        replace(machine(smt=True), threads=4, in_force={}),
        machine(cpus_present=8),
        machine(cpus_present=None),
        replace(HEALTHY, swapped_bytes=0),
        replace(HEALTHY, swapped_bytes=2**20),
        replace(HEALTHY, in_force={"torch": {"product_bits": 23.0}}),
        replace(HEALTHY, precision="tf32", in_force={"torch": {"product_bits": 11.1}}),
        replace(HEALTHY, precision="native", in_force={"torch": {"product_bits": 11.1}}),
    ],
)
def test_what_is_as_it_should_be_is_not_advised_against(seen: Examination) -> None:
    assert advice(seen) == []


def test_tf32_that_was_asked_for_is_no_fault() -> None:
    seen = replace(HEALTHY, precision="tf32", in_force={"torch": {"cudnn_tf32": True}})
    assert advice(seen) == []


def test_warnings_come_before_notes() -> None:
    seen = replace(machine(hypervisor="KVM", turbo=True), disk_bytes=0)
    assert [one.severity for one in advice(seen)] == ["warning", "note", "note"]
    assert all(isinstance(one, Advice) for one in advice(seen))


def test_room_is_told_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") == pytest.approx(free_bytes(tmp_path), rel=0.1)


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (Noise(0.02, 0.3, 0.05), "others take 2% of the CPUs' time, some task waits 30% of the time"),
        (Noise(None, None, -0.01), "equal work differs by 0%"),
    ],
)
def test_the_noise_is_one_line(seen: Noise, line: str) -> None:
    assert quietness(seen).startswith(line)


@pytest.mark.slow
def test_the_doctor_shows_this_machine_and_what_is_in_force(xpbench) -> None:
    found = xpbench("doctor", "--threads", "1", "--json")
    assert found.returncode == 0, found.stderr
    seen = json.loads(found.stdout)
    assert seen["in_force"]["numpy"]["openblas_threads"] == 1
    assert 22 < seen["in_force"]["numpy"]["product_bits"] <= 24
    assert seen["machine"]["cores"] >= 1
    assert "advice" in seen
    shown = xpbench("doctor")
    assert "numpy" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert xpbench("doctor", "--threads", "0").returncode == 2
