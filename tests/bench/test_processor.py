"""What Linux's files say of a processor, in trees of files that look like those of real machines."""

import platform
from pathlib import Path

import pytest

from xpbench.bench import processor


@pytest.fixture
def tree(tmp_path: Path):
    def write(files: dict[str, str]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        return tmp_path

    return write


CPU = "sys/devices/system/cpu"


def cache(cpu: int, index: int, level: int, kind: str, size: str, shared: str) -> dict[str, str]:
    at = f"{CPU}/cpu{cpu}/cache/index{index}"
    return {
        f"{at}/level": str(level),
        f"{at}/type": kind,
        f"{at}/size": size,
        f"{at}/shared_cpu_list": shared,
    }


def test_the_last_level_cache_is_counted_once_for_all_that_share_it(tree) -> None:
    files: dict[str, str] = {}
    for cpu in range(4):
        files |= cache(cpu, 0, 1, "Data", "32K", str(cpu))
        files |= cache(cpu, 1, 1, "Instruction", "64M", str(cpu))
        files |= cache(cpu, 3, 3, "Unified", "16M", "0-1" if cpu < 2 else "2-3")
    root = tree(files)
    assert processor.cache_bytes([0, 1], root) == 16 * 2**20
    assert processor.cache_bytes([1, 2], root) == 32 * 2**20
    assert processor.cache_bytes([7], root) is None


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, None),
        ({f"{CPU}/intel_pstate/no_turbo": "1"}, False),
        ({f"{CPU}/intel_pstate/no_turbo": "0"}, True),
        ({f"{CPU}/cpufreq/boost": "1"}, True),
        ({f"{CPU}/cpufreq/boost": "0"}, False),
    ],
)
def test_turbo_is_read_from_either_driver(tree, files: dict[str, str], found: bool | None) -> None:
    assert processor.turbo(tree(files)) is found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"proc/cpuinfo": "flags\t\t: fpu avx2"}, None),
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor"}, "unknown"),
        (
            {
                "proc/cpuinfo": "flags\t\t: fpu hypervisor",
                "sys/class/dmi/id/sys_vendor": "QEMU",
                "sys/class/dmi/id/product_name": "Standard PC",
            },
            "QEMU Standard PC",
        ),
    ],
)
def test_a_guest_is_known_by_its_processor_and_named_by_its_firmware(
    tree, files: dict[str, str], found: str | None
) -> None:
    assert processor.hypervisor(tree(files)) == found


@pytest.mark.parametrize(
    "told", ["model name\t: Some(R)  Processor\nflags : sse2\nmodel name : Another", "flags : sse2", ""]
)
def test_a_processor_has_the_name_its_maker_gave_it_and_some_name_where_the_system_tells_none(
    tree, told: str
) -> None:
    import cpuinfo

    found = processor.name(tree({"proc/cpuinfo": told}))
    asked = cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or platform.machine()
    assert found == ("Some(R)  Processor" if "model name" in told else asked)


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("150000 100000", 1.5), ("max 100000", None), (None, None), ("", None), ("1 0", None)],
)
def test_a_quota_is_told_in_cpus(quota: str | None, cpus: float | None) -> None:
    assert processor.quota_cpus(quota) == cpus


def test_the_makers_peak_is_clock_times_lanes_times_two_fused_units(tree) -> None:
    root = tree(
        {"proc/cpuinfo": "flags : sse2 avx2 fma", f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "3000000"}
    )
    assert processor.peak_flops(root) == {"float32": 96e9, "float64": 48e9}


def test_without_a_stated_clock_there_is_no_makers_peak(tree) -> None:
    assert processor.peak_flops(tree({"proc/cpuinfo": "flags : avx2"})) is None


def test_a_system_without_these_files_has_nothing_but_unknowns(tmp_path: Path) -> None:
    assert set(processor.describe([0], tmp_path).values()) == {None}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"proc/1/cgroup": "0::/kubepods/besteffort/pod1"}, "kubepods"),
        ({"proc/1/cgroup": "0::/init.scope"}, None),
    ],
)
def test_a_container_is_known_by_its_marks(tree, files: dict[str, str], found: str | None) -> None:
    assert processor.container(tree(files)) == found


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "200000 100000"}, 2.0),
        (
            {
                "proc/self/cgroup": "0::/a/b",
                "sys/fs/cgroup/a/cpu.max": "100000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
            },
            1.0,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            },
            0.5,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
)
def test_the_tightest_quota_of_either_version_counts(
    tree, files: dict[str, str], cpus: float | None
) -> None:
    assert processor.quota_cpus(processor.quota(tree(files))) == cpus


def test_without_fused_multiply_adds_there_is_no_makers_peak(tree) -> None:
    root = tree({"proc/cpuinfo": "flags : sse2", f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "3000000"})
    assert processor.peak_flops(root) is None
