"""A roof is the best that was reached, and a case stands under the part of it that binds."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.roof import Roof
from xpbench.bench.roofline import DATA_SHEETS, Peak, peaks, place, vendor

PEAK = Peak(1e12, "torch n=1024", 1e11, "numpy", 5e10, "numpy", {"numpy": 1e-6}, None)
CACHE = 32 * 2**20
AMOUNTS = st.floats(1, 1e15)


def roof(backend: str = "numpy", fork: int = 0, **figures: object) -> Roof:
    return replace(Roof(backend, "cpu", "float32", 2, "ieee", fork), **figures)


@pytest.mark.parametrize(
    ("flops", "traffic", "seconds", "fraction", "bound"),
    [
        (1e12, 1e9, 2.0, 0.5, "compute"),
        (1e9, 1e9, 0.02, 0.5, "memory"),
        (1e12, 1e9, 0.5, 2.0, "compute"),  # impossible, and told as it is
        (1e6, 1e3, 1e-4, None, "cache"),
        (1e3, 1e3, 1.9e-6, None, "dispatch"),  # more than half of it is the call
        (1e12, 1e12, 1e-6, None, "dispatch"),
        (None, 1e9, 0.02, 0.5, "memory"),
        (1e12, None, 2.0, 0.5, "compute"),
        (None, None, 1.0, None, None),
    ],
)
def test_a_case_is_bound_by_what_must_take_longest(
    flops: float | None, traffic: float | None, seconds: float, fraction: float | None, bound: str | None
) -> None:
    found = place(flops, traffic, seconds, PEAK, 1e-6, CACHE)
    assert (found.fraction, found.bound) == (fraction and pytest.approx(fraction), bound)


def test_the_caches_edge_is_a_quarter_of_it() -> None:
    assert place(1e6, CACHE / 4, 1.0, PEAK, None, CACHE).bound == "cache"
    assert place(1e6, CACHE / 4 + 1, 1.0, PEAK, None, CACHE).bound == "memory"
    assert place(1e6, CACHE / 4, 1.0, PEAK, None, None).bound == "memory", (
        "a device whose cache is not known"
    )


@given(AMOUNTS, AMOUNTS, st.floats(1e-6, 1e6))
def test_twice_the_time_is_half_the_fraction_under_the_same_bound(
    flops: float, traffic: float, seconds: float
) -> None:
    once = place(flops, traffic, seconds, PEAK, None, None)
    twice = place(flops, traffic, 2 * seconds, PEAK, None, None)
    assert once.bound == twice.bound
    assert once.fraction is not None and twice.fraction is not None
    assert math.isclose(once.fraction, 2 * twice.fraction)
    assert once.intensity == flops / traffic


def test_the_roof_is_the_best_over_backends_and_forks() -> None:
    found = peaks(
        [
            roof("numpy", matmul_flops=1e11, matmul_shape="n=512", reused_bytes=9e9, dispatch_s=2e-6),
            roof("torch", matmul_flops=3e11, matmul_shape="n=1024", reused_bytes=8e9, dispatch_s=5e-6),
            roof("numpy", 5, matmul_flops=2e11, matmul_shape="n=2048", fresh_bytes=4e9, dispatch_s=1e-6),
        ]
    )
    [peak] = found.values()
    assert (peak.matmul_flops, peak.matmul_by) == (3e11, "torch n=1024")
    assert (peak.reused_bytes, peak.reused_by) == (9e9, "numpy")
    assert (peak.fresh_bytes, peak.fresh_by) == (4e9, "numpy")
    assert peak.dispatch_s == {"numpy": 1e-6, "torch": 5e-6}
    assert peak.drift == pytest.approx(2)


def test_devices_dtypes_threads_and_precisions_have_roofs_of_their_own() -> None:
    others = [
        roof(),
        roof(dtype="float64"),
        roof(device="cuda"),
        roof(threads=1),
        roof(precision="tf32"),
    ]
    assert len(peaks(others)) == 5
    assert peaks([roof()]).popitem()[1].drift is None


def test_the_machine_drifts_by_what_was_measured_twice() -> None:
    both = [roof("numpy", fork, matmul_flops=1e11 * (1 + fork / 50)) for fork in (0, 5)]
    [peak] = peaks([*both, roof("torch", 0, matmul_flops=3e11)]).values()
    assert peak.drift == pytest.approx(1.1), "torch was not there the second time"
    [alone] = peaks([roof("numpy", 5, matmul_flops=1e11), roof("torch", 0, matmul_flops=3e11)]).values()
    assert alone.drift is None


def test_a_roof_survives_its_line_and_a_malformed_one_is_refused() -> None:
    whole = roof(matmul_flops=1e11, matmul_shape="n=512", dispatch_s=1e-6)
    assert Roof.from_json({**whole.to_json(), "unknown": 1}) == whole
    for change in ({"matmul_flops": "fast"}, {"dispatch_s": -1.0}, {"reused_bytes": math.nan}):
        with pytest.raises(XpbenchError, match="malformed"):
            Roof.from_json({**whole.to_json(), **change})
    for change in ({"fork": "x"}, {"threads": [2]}, {"backend": 1}):
        with pytest.raises(XpbenchError, match="malformed"):
            Roof.from_json({**whole.to_json(), **change})
    with pytest.raises(XpbenchError, match="malformed"):
        Roof.from_json({"backend": "numpy"})
    with pytest.raises(XpbenchError, match="must be an object"):
        Roof.from_json([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("card", "dtype", "precision", "figures"),
    [
        ("NVIDIA H200, 550.54, 143771 MiB", "float32", "ieee", (67e12, 4.8e12)),
        ("NVIDIA H100 80GB HBM3, 550.54, 81559 MiB", "float32", "tf32", (494.5e12, 3.35e12)),
        ("NVIDIA H100 PCIe, 550.54, 81559 MiB", "float64", "ieee", (51e12, 2.0e12)),
        ("NVIDIA A100-SXM4-80GB, 550.54, 81920 MiB", "float32", "ieee", (19.5e12, 2.039e12)),
        ("NVIDIA L40S, 550.54, 46068 MiB", "float32", "ieee", (91.6e12, 0.864e12)),
        ("NVIDIA L4, 550.54, 23034 MiB", "float32", "ieee", (30.3e12, 0.3e12)),
        ("NVIDIA L40, 550.54, 46068 MiB", "float32", "ieee", (None, None)),
        ("NVIDIA GH200 480GB, 550.54, 97871 MiB", "float32", "ieee", (None, None)),
        ("NVIDIA H100 NVL, 550.54, 95830 MiB", "float32", "ieee", (60e12, 3.9e12)),
        ("Somebody's Card", "float32", "ieee", (None, None)),
    ],
)
def test_the_makers_word_is_found_by_the_cards_name(
    card: str, dtype: str, precision: str, figures: tuple[float | None, float | None]
) -> None:
    assert vendor({"cards": [card]}, ("cuda", dtype, 4, precision)) == figures


def test_the_makers_word_for_a_processor_is_its_cores_times_the_threads() -> None:
    machine = {"vendor_peak_flops": {"float32": 1e11, "float64": 5e10}}
    assert vendor(machine, ("cpu", "float64", 4, "ieee")) == (2e11, None)
    assert vendor(machine | {"cores": 2}, ("cpu", "float64", 4, "ieee")) == (1e11, None)
    assert vendor({"vendor_peak_flops": None}, ("cpu", "float64", 4, "ieee")) == (None, None)
    assert vendor({"cards": []}, ("cuda:1", "float32", 4, "ieee")) == (None, None)
    figures = {"float32", "float64", "tf32", "float16", "bfloat16", "bytes"}
    assert all(set(sheet) == figures for sheet in DATA_SHEETS.values())


def test_the_makers_word_of_a_card_depends_on_the_dtype() -> None:
    volta = {"cards": ["Tesla V100-SXM2-16GB, 550.54, 16384 MiB"]}
    assert vendor(volta, ("cuda", "float16", 4, "ieee")) == (125e12, 0.9e12)
    assert vendor(volta, ("cuda", "bfloat16", 4, "ieee")) == (None, 0.9e12)


def test_a_case_on_a_card_stands_under_the_roof_by_the_cards_own_clock() -> None:
    peak = Peak(1e12, "", 1e11, "", None, "", {}, None)
    placed = place(1e9, 1e6, 1.5e-3, peak, None, None, on_device_s=1.25e-3)
    assert (placed.bound, placed.fraction) == ("compute", pytest.approx(0.8))


def test_a_card_that_rests_for_half_a_call_is_bound_by_dispatch_and_keeps_its_percentage() -> None:
    peak = Peak(1e12, "", 1e11, "", None, "", {}, None)
    placed = place(1e9, 1e6, 3e-3, peak, 1e-6, None, on_device_s=1.25e-3)
    assert (placed.bound, placed.fraction) == ("dispatch", pytest.approx(0.8))


def test_arrays_in_the_cache_of_a_card_have_no_percentage_by_any_clock() -> None:
    peak = Peak(1e12, "", 1e11, "", None, "", {}, None)
    placed = place(1e9, 1e6, 1.5e-3, peak, None, 50e6, on_device_s=1.25e-3)
    assert (placed.bound, placed.fraction) == ("cache", None)
