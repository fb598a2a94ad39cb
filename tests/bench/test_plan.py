"""The grid holds what was asked for, and its order is random, reproducible and complete."""

import dataclasses
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench import XpbenchError
from xpbench.bench import plan, preparation, registry
from xpbench.bench.case import Case
from xpbench.bench.kernel import CHAPTERS
from xpbench.bench.plan import Request, Settings, environments, parse_size, place, schedule

DEVICES = {"numpy": ["cpu"], "jax": ["cpu"], "torch": ["cpu"]}
SETTINGS = Settings(5, 0.1, 2, "ieee", 0, 60.0, "numpy")


def select(registry, request, devices, threads, precision):
    return place(plan.select(registry, request), devices, threads, precision)


@pytest.fixture(scope="module")
def found() -> registry.Registry:
    return registry.find()


def test_the_default_is_the_five_named_kernels_at_two_sizes(found) -> None:
    cases = select(found, Request(), DEVICES, 2, "ieee")
    assert {case.kernel for case in cases} == set(plan.NAMED)
    assert len(cases) == 5 * 2 * 3
    assert {case.dtype for case in cases} == {"float32"}


def test_a_case_reads_as_its_id(found) -> None:
    request = Request(kernels=("svd",), sizes=("n=512",), dtypes=("float64",))
    (case,) = select(found, request, {"torch": ["cpu"]}, 2, "ieee")
    assert str(case) == "svd[n=512]/torch@cpu/float64"
    assert str(dataclasses.replace(case, precision="tf32")) == "svd[n=512]/torch@cpu/float64/tf32"


def test_a_case_survives_json(found) -> None:
    for case in select(found, Request(), DEVICES, 2, "ieee"):
        assert Case.from_json(case.to_json()) == case


def test_a_typed_size_changes_only_what_it_names(found) -> None:
    (case,) = select(found, Request(kernels=("pca",), sizes=("n=77",)), {"numpy": ["cpu"]}, 2, "ieee")
    medium = dict(found.kernels["pca"].sizes["medium"])
    assert dict(case.size) == medium | {"n": 77}
    assert case.size_name == ""


def test_a_size_that_no_kernel_has_lists_those_there_are(found) -> None:
    with pytest.raises(XpbenchError, match=r"has the size 'gigantic': name one of .*small.* e\.g\. "):
        select(found, Request(sizes=("gigantic",)), DEVICES, 2, "ieee")


@pytest.mark.parametrize(
    "text", ["n=", "n=0", "n=-3", "=3", "n=1.5", "n=1,,m=2", "n=nan", "n=_", "n=" + "9" * 400]
)
def test_a_size_that_cannot_be_read_says_what_was_expected(text: str) -> None:
    with pytest.raises(XpbenchError, match="expected NAME=POSITIVE INTEGER"):
        parse_size(text)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]\w{0,5}", fullmatch=True).filter(str.isascii),
        st.integers(min_value=1, max_value=10**9),
        min_size=1,
        max_size=4,
    )
)
def test_a_size_reads_as_it_is_written(size: dict[str, int]) -> None:
    assert parse_size(",".join(f"{key}={value}" for key, value in size.items())) == size


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(dtypes=("float8",)), "unknown dtype 'float8': expected one of float32, float64"),
        (Request(preset="quick"), "unknown preset 'quick': expected one of smoke"),
        (Request(chapters=("algebra",)), "unknown chapter 'algebra': expected one of"),
    ],
)
def test_an_unknown_word_lists_the_known_ones(found, request_: Request, message: str) -> None:
    with pytest.raises(XpbenchError, match=message):
        select(found, request_, DEVICES, 2, "ieee")


def test_a_chapter_selects_its_kernels(found) -> None:
    cases = select(found, Request(chapters=("linear_algebra",)), DEVICES, 2, "ieee")
    assert {found.kernels[case.kernel].chapter for case in cases} == {"linear_algebra"}


def test_a_survey_adds_one_or_two_kernels_of_every_chapter_to_the_named_ones(found) -> None:
    cases = select(found, Request(preset="survey"), DEVICES, 2, "ieee")
    added = {case.kernel for case in cases} - set(plan.NAMED)
    count = Counter(found.kernels[name].chapter for name in added)
    chapters = {kernel.chapter for kernel in found.kernels.values()} - {"user"}
    assert set(count) == chapters
    assert set(count.values()) <= {1, 2}


def test_everything_goes_chapter_by_chapter_in_the_order_of_a_course(found) -> None:
    cases = select(found, Request(everything=True), DEVICES, 2, "ieee")
    chapters = [chapter for chapter, _ in groupby(cases, lambda c: found.kernels[c.kernel].chapter)]
    assert chapters == [c for c in CHAPTERS if c in set(chapters)]
    assert {case.kernel for case in cases} == set(found.kernels)


def test_float64_is_measured_in_another_process_where_the_environment_says_so(found) -> None:
    request = Request(dtypes=("float32", "float64"))
    cases = select(found, request, {"numpy": ["cpu"], "jax": ["cpu"]}, 2, "ieee")
    grouped = environments(found, cases, "cache")
    assert sorted(environment.backend for environment in grouped) == ["jax", "jax", "numpy"]
    wide = {
        e.setting.wide: {case.dtype for case in cs} for e, cs in grouped.items() if e.backend == "jax"
    }
    assert wide == {False: {"float32"}, True: {"float64"}}


def visits_of(found, forks: int, seed: int, seconds: float = 1.0):
    cases = select(found, Request(), DEVICES, 2, "ieee")
    grouped = environments(found, cases, "")
    return cases, list(schedule(grouped, range(forks), seed, lambda case: seconds))


def test_in_shorter_chunks_every_environment_has_more_turns(found) -> None:
    cases = select(found, Request(), DEVICES, 2, "ieee")
    grouped = environments(found, cases, "")
    turns = [len(list(schedule(grouped, [0], 0, lambda case: 1.0, chunk))) for chunk in (60.0, 6.0)]
    assert turns[0] == len(grouped)
    assert turns[1] >= 3 * len(grouped)


@given(st.integers(min_value=0, max_value=2**32), st.floats(min_value=0.01, max_value=200.0))
def test_every_case_is_visited_once_a_fork(seed: int, seconds: float) -> None:
    cases, visits = visits_of(registry.find(), 3, seed, seconds)
    seen = [(str(case), visit.fork) for visit in visits for case in visit.cases]
    assert sorted(seen) == sorted((str(case), fork) for case in cases for fork in range(3))


def test_one_seed_gives_one_order_and_forks_differ(found) -> None:
    _, first = visits_of(found, 4, seed=1)
    _, again = visits_of(found, 4, seed=1)
    assert first == again
    orders = {
        tuple(str(case) for visit in first if visit.fork == fork for case in visit.cases)
        for fork in range(4)
    }
    assert len(orders) == 4


def test_a_chunk_holds_every_backend_of_its_rows_back_to_back(found) -> None:
    _, visits = visits_of(found, 1, seed=3, seconds=10.0)
    assert len(visits) > 3
    for start in range(0, len(visits), 3):
        chunk = visits[start : start + 3]
        assert {visit.environment.backend for visit in chunk} == set(DEVICES)
        assert len({frozenset(case.row for case in visit.cases) for visit in chunk}) == 1


def test_all_sizes_of_a_kernel_share_a_chunk_where_sizes_are_compared(found) -> None:
    cases = select(found, Request(), {"numpy": ["cpu"]}, 2, "ieee")
    grouped = environments(found, cases, "")
    rows = list(schedule(grouped, [0], 0, lambda case: 1.0, 0.5))
    kernels = list(schedule(grouped, [0], 0, lambda case: 1.0, 0.5, "kernel"))
    assert (len(rows), len(kernels)) == (10, 5), "a chunk of half a second holds no two rows"
    assert all(len({case.kernel for case in visit.cases}) == 1 for visit in kernels)


def test_two_backends_that_share_their_processes_take_turns_there_row_by_row(found) -> None:
    class Guest(type(found.backends["numpy"])):  # type: ignore[misc]
        name, beside = "guest", "numpy"

    together = dataclasses.replace(found, backends={**found.backends, "guest": Guest()})
    cases = select(together, Request(), {**DEVICES, "guest": ("cpu",)}, 2, "ieee")
    grouped = environments(together, cases, "")
    assert {environment.backend for environment in grouped} == set(DEVICES)
    leaders = Counter[str]()
    for visit in schedule(grouped, range(8), 0, lambda case: 10.0):
        if visit.environment.backend == "numpy":
            pairs = list(zip(visit.cases[::2], visit.cases[1::2], strict=True))
            assert all(one.row == other.row for one, other in pairs)
            leaders.update(one.backend for one, _ in pairs)
    assert min(leaders["numpy"], leaders["guest"]) > 20, "either goes first about as often"


def test_the_estimate_grows_with_forks_and_cases(found) -> None:
    cases = select(found, Request(), DEVICES, 2, "ieee")
    one = plan.estimate_run(found, cases, dataclasses.replace(SETTINGS, forks=1))
    five = plan.estimate_run(found, cases, SETTINGS)
    assert one < five < 6 * one
    assert plan.estimate_run(found, cases[:3], SETTINGS) < five


@pytest.mark.parametrize(
    ("quota", "threads"), [(None, 8), ("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1)]
)
def test_threads_are_by_default_as_many_as_the_cpus_and_their_quota_allow(
    monkeypatch: pytest.MonkeyPatch, quota: str | None, threads: int
) -> None:
    monkeypatch.setattr(preparation.machine, "available_cpus", lambda: 8)
    monkeypatch.setattr(preparation.processor, "quota", lambda: quota)
    assert preparation.checked_threads(None) == threads
    assert preparation.checked_threads(6) == 6


def on_devices(found, devices):
    cases = select(found, Request(kernels=("dot",), sizes=("small",)), devices, 2, "ieee")
    return {str(place): dict(place.variables) for place in environments(found, cases, "")}


def test_cuda_counts_cards_as_their_driver_does_unless_the_user_says_otherwise(
    found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    variables = on_devices(found, {"numpy": ["cpu"], "torch": ["cpu", "cuda", "cuda:1"]})
    orders = {place: named.get("CUDA_DEVICE_ORDER") for place, named in variables.items()}
    assert orders == {
        "numpy@cpu": None,
        "torch@cpu": None,
        "torch@cuda": "PCI_BUS_ID",
        "torch@cuda:1": "PCI_BUS_ID",
    }
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    [named] = on_devices(found, {"torch": ["cuda"]}).values()
    assert "CUDA_DEVICE_ORDER" not in named, "what the user set reaches the worker as it is"


def test_energy_takes_two_seconds_more_for_every_case_on_a_card(found) -> None:
    cases = select(found, Request(kernels=("dot", "axpy")), {"torch": ["cpu", "cuda"]}, 2, "ieee")
    without = plan.estimate_run(found, cases, SETTINGS)
    asked = plan.estimate_run(found, cases, dataclasses.replace(SETTINGS, energy=True))
    assert asked - without == pytest.approx(2.0 * len(cases) / 2)


def test_energy_is_measured_only_when_it_is_asked_for() -> None:
    request = Request(backends=("numpy",))
    assert not preparation.prepare(["dot"], request).settings.energy
    assert preparation.prepare(["dot"], request, energy=True).settings.energy


def test_a_kernel_that_is_named_has_to_take_the_dtype(found) -> None:
    message = r"^svd does not take bfloat16: its limits hold in float32, float64; .*--dtype"
    with pytest.raises(XpbenchError, match=message):
        plan.select(found, Request(kernels=("matmul", "svd"), dtypes=("float32", "bfloat16")))


@pytest.mark.parametrize("request_", [Request(everything=True), Request(chapters=("linear_algebra",))])
def test_of_many_kernels_those_remain_that_take_the_dtype(found, request_) -> None:
    rows = plan.select(found, dataclasses.replace(request_, dtypes=("float64", "bfloat16")))
    half = {row.kernel for row in rows if row.dtype == "bfloat16"}
    assert half == {k for k in {row.kernel for row in rows} if "bfloat16" in found.kernels[k].dtypes}
    assert "matmul" in half
    assert "svd" in {row.kernel for row in rows} - half


def test_a_chapter_without_a_kernel_for_the_dtype_names_those_that_take_it(found) -> None:
    with pytest.raises(XpbenchError, match=r"none of the kernels chosen takes float16: .*matmul"):
        plan.select(found, Request(chapters=("calculus",), dtypes=("float16",)))


def test_the_baseline_is_a_backend_that_computes_in_the_dtype() -> None:
    request = Request(backends=("numpy", "torch"), dtypes=("bfloat16",))
    assert preparation.prepare(["dot"], request).settings.baseline == "torch"
    request = dataclasses.replace(request, dtypes=("bfloat16", "float32"))
    assert preparation.prepare(["dot"], request).settings.baseline == "numpy"
