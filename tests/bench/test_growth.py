"""A size of more work: along what is divided, divided by the devices, and as much work as it says."""

from dataclasses import replace

import pytest

from xpbench.bench import growth, registry
from xpbench.bench.growth import Grown, grown, leading_key, name_of, parse_name

KERNELS = registry.find().kernels


@pytest.mark.parametrize(
    ("kernel", "key"),
    [
        ("matmul", "n"),
        ("gradient_descent", "n"),
        ("pca_eigh", "n"),
        ("batched_matmul", "batch"),
        ("attention", "b"),
        ("layer_norm", "n"),
    ],
)
def test_the_key_that_grows_is_the_leading_length_of_the_largest_input(kernel: str, key: str) -> None:
    assert leading_key(KERNELS[kernel], KERNELS[kernel].sizes["medium"]) == key


def test_a_key_of_another_axis_does_not_grow() -> None:
    kernel = replace(
        KERNELS["matmul"],
        inputs=lambda rng, d, n: (rng.random((n, d)),),
        sizes={"small": {"d": 4, "n": 8}},
        flops=lambda d, n: d * n,
        traffic=None,
    )
    assert leading_key(kernel, {"d": 64, "n": 8}) == "n"


def test_a_key_that_changes_no_input_does_not_grow() -> None:
    assert "steps" in KERNELS["gradient_descent"].sizes["medium"]
    found = grown(KERNELS["gradient_descent"], KERNELS["gradient_descent"].sizes["medium"], 4)
    assert isinstance(found, Grown)
    before = KERNELS["gradient_descent"].sizes["medium"]
    assert {key for key, n in found.size.items() if n != before[key]} == {"n"}
    assert found.size["n"] == 4 * before["n"], "the work is proportional to the rows"
    assert found.work == pytest.approx(4.0, rel=0.01)


def test_cubic_work_grows_along_the_cube_root_to_a_length_that_the_devices_divide() -> None:
    found = grown(KERNELS["matmul"], {"n": 512}, 2)
    assert isinstance(found, Grown)
    assert found.size["n"] % 32 == 0
    assert found.work == pytest.approx((found.size["n"] / 512) ** 3)
    assert abs(found.work / 2 - 1) <= growth.NEAR
    assert grown(KERNELS["matmul"], {"n": 512}, 8) == Grown({"n": 1024}, "n", 8.0)
    small = grown(KERNELS["matmul"], {"n": 32}, 2)
    assert small == Grown({"n": 40}, "n", 40**3 / 32**3), (
        "a rounder length would be another amount of work"
    )


@pytest.mark.parametrize("times", [2, 3, 8])
def test_every_grown_size_is_divided_and_its_work_is_told(times: int) -> None:
    for kernel in KERNELS.values():
        size = kernel.sizes.get("medium") or next(iter(kernel.sizes.values()))
        found = grown(kernel, size, times)
        if isinstance(found, str):
            assert found
            continue
        assert found.size[found.key] % times == 0
        before, after = kernel.flop_count(size), kernel.flop_count(found.size)
        assert before
        assert after
        assert found.work == pytest.approx(after / before)
        assert found.work > 1


def test_without_flops_or_a_key_there_is_a_reason(write_kernel) -> None:
    (double,) = registry.find([write_kernel("double")]).of_file(write_kernel("double"))
    assert isinstance(grown(double, {"n": 64}, 2), Grown)
    object.__setattr__(double, "flops", None)
    assert grown(double, {"n": 64}, 2) == "it states no flops"
    object.__setattr__(double, "flops", lambda n: 100)
    assert grown(double, {"n": 64}, 2) == "its flops do not grow with n"


def test_a_size_that_stands_for_data_has_no_key_that_grows() -> None:
    assert leading_key(KERNELS["pca"], KERNELS["pca"].sizes["digits"]) is None
    assert grown(KERNELS["pca"], KERNELS["pca"].sizes["digits"], 2) == (
        "no key of its size alone makes its largest input longer"
    )


def test_a_name_says_what_it_grew_from() -> None:
    assert parse_name(name_of("large", 4)) == ("large", 4)
    assert parse_name(name_of("n=512,d=8", 16)) == ("n=512,d=8", 16)
    assert parse_name("large") is None
    assert parse_name("") is None
