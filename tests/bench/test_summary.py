"""What a row of a summary says follows from the journal: statuses, figures, verdicts, and nulls."""

import json
import math
import statistics
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from xpbench.bench import journal, stats
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import STATUSES, Measurement
from xpbench.bench.report.records import records
from xpbench.bench.report.scaling import scaling
from xpbench.bench.report.summary import COLUMNS, NOT_FINITE, summarise
from xpbench.bench.roof import Roof

CONTRACT = [
    "run", "machine", "kernel", "chapter", "size", "backend", "device", "dtype", "compute_dtype",
    "threads", "precision", "cache", "status", "reason", "forks", "disturbed", "time_s", "time_low_s",
    "time_high_s", "time_level", "spread", "throughput_s", "device_s", "kernel_s", "transfer_s",
    "first_call_s", "compile_s", "energy_j", "ratio", "ratio_low", "ratio_high", "verdict", "fastest",
    "flops", "traffic_bytes", "roof_fraction", "bound", "peak_bytes", "error", "error_limit",
    "error_name", "error_unit", "agrees",
]  # fmt: skip


def rows(run: Any, **options: Any) -> dict[str, dict[str, Any]]:
    """The rows of a run by ``backend@device``."""
    return {f"{row['backend']}@{row['device']}": row for row in records(summarise([run], **options))}


def test_the_columns_are_those_of_the_contract_in_their_order(runs: Any) -> None:
    frame = summarise([runs.store(runs.forks(runs.case()))])
    assert list(frame.columns)[: len(CONTRACT)] == CONTRACT
    assert frame.dtypes.astype(str).to_dict() == COLUMNS


def test_a_run_without_cases_is_an_empty_frame_with_every_column(runs: Any) -> None:
    frame = summarise([runs.store()])
    assert frame.empty
    assert list(frame.columns) == list(COLUMNS)


def test_a_case_is_described_by_its_own_words_and_the_header(runs: Any) -> None:
    case = runs.case("torch@cuda", kernel="svd", size=(("n", 64), ("k", 2)), precision="tf32")
    row = rows(runs.store(runs.forks(case)))["torch@cuda"]
    expected = {
        "run": "night",
        "machine": "1a2b3c4d",
        "kernel": "svd",
        "chapter": "linear_algebra",
        "size": "n=64,k=2",
        "size_name": "small",
        "dtype": "float32",
        "compute_dtype": "float32",
        "threads": 2,
        "precision": "tf32",
        "cache": "hot",
        "status": "ok",
        "reason": None,
        "forks": 5,
        "disturbed": 0,
        "flops": 2.0e9,
        "error_unit": "eps",
        "id": "svd[n=64,k=2]/torch@cuda/float32/tf32",
    }
    assert {name: row[name] for name in expected} == expected


def test_the_time_is_the_median_over_the_forks_medians(runs: Any) -> None:
    forks = [
        replace(record, samples=samples)
        for record, samples in zip(
            runs.forks(runs.case(), count=5),
            [(1.0, 2.0, 9.0), (3.0,), (5.0, 4.0), (6.0, 7.0, 8.0), (2.5, 2.5)],
            strict=True,
        )
    ]
    row = rows(runs.store(forks))["numpy@cpu"]
    assert (row["time_s"], row["time_low_s"], row["time_high_s"]) == (3.0, 2.0, 7.0)
    assert row["time_level"] == 0.9375
    assert row["spread"] == 3.5


def test_one_fork_gives_a_time_and_no_interval(runs: Any) -> None:
    row = rows(runs.store(runs.forks(runs.case(), count=1)))["numpy@cpu"]
    assert row["time_s"] > 0
    assert [row[name] for name in ("time_low_s", "time_high_s", "time_level", "spread")] == [None] * 4


def test_first_call_and_compile_time_come_from_an_empty_cache_alone(runs: Any) -> None:
    cold, *warm = runs.forks(runs.case(), count=3)
    cold = replace(cold, first_call_s=2.0, compile_s=1.5)
    warm = [replace(record, first_call_s=0.1, compile_s=0.05) for record in warm]
    row = rows(runs.store([cold, *warm]))["numpy@cpu"]
    assert (row["first_call_s"], row["compile_s"]) == (2.0, 1.5)
    row = rows(runs.store(warm))["numpy@cpu"]
    assert (row["first_call_s"], row["compile_s"]) == (None, None)


def test_figures_of_several_forks_are_their_medians_and_memory_the_most(runs: Any) -> None:
    forks = [
        replace(record, throughput_samples=(rate, 3 * rate, 2 * rate), transfer_s=rate, peak_bytes=peak)
        for record, rate, peak in zip(
            runs.forks(runs.case(), count=3), (1.0, 2.0, 9.0), (7, 900, 8), strict=True
        )
    ]
    row = rows(runs.store(forks))["numpy@cpu"]
    assert (row["throughput_s"], row["transfer_s"], row["peak_bytes"]) == (4.0, 2.0, 900)


def test_traffic_is_what_was_seen_else_what_the_kernel_says(runs: Any) -> None:
    seen = runs.forks(runs.case("numpy"), traffic_bytes=5.0)
    unseen = runs.forks(runs.case("torch"), traffic_bytes=None)
    found = rows(runs.store(seen, unseen))
    assert (found["numpy@cpu"]["traffic_bytes"], found["torch@cpu"]["traffic_bytes"]) == (5.0, 4.0e6)


@pytest.mark.parametrize(
    ("shares", "count"), [((0.0, 0.1, 0.11, 0.9), 2), ((None, None, None, None), 0)]
)
def test_disturbed_counts_the_forks_in_which_others_took_the_cpus(
    runs: Any, shares: tuple[float | None, ...], count: int
) -> None:
    forks = [
        replace(record, others=share)
        for record, share in zip(runs.forks(runs.case(), count=4), shares, strict=True)
    ]
    assert rows(runs.store(forks))["numpy@cpu"]["disturbed"] == count


UNKNOWN = [
    "time_s", "time_low_s", "time_high_s", "time_level", "spread", "throughput_s", "device_s",
    "kernel_s", "transfer_s", "first_call_s", "compile_s", "energy_j", "ratio", "ratio_low",
    "ratio_high", "verdict", "fastest", "roof_fraction", "bound", "peak_bytes", "error", "error_limit",
    "error_name", "agrees", "compute_dtype",
]  # fmt: skip


def test_a_case_whose_turn_never_came_says_so_and_nothing_else(runs: Any) -> None:
    row = rows(runs.store(runs.forks(runs.case()), unmeasured=[runs.case("jax")]))["jax@cpu"]
    assert (row["status"], row["reason"], row["forks"]) == ("not_run", "its turn never came", 0)
    assert {name: row[name] for name in UNKNOWN} == dict.fromkeys(UNKNOWN)


@pytest.mark.parametrize("status", sorted(set(STATUSES) - {"ok", "wrong"}))
def test_a_case_without_figures_has_its_word_and_reason_and_nulls(runs: Any, status: str) -> None:
    record = Measurement(case=runs.case(), fork=0, status=status, reason="so it went")
    row = rows(runs.store([record]))["numpy@cpu"]
    assert (row["status"], row["forks"]) == (status, 0)
    assert row["reason"] == ("its turn never came" if status == "not_run" else "so it went")
    assert {name: row[name] for name in UNKNOWN} == dict.fromkeys(UNKNOWN)


def test_nothing_unknown_is_nan_or_zero_in_the_json(runs: Any) -> None:
    frame = summarise([runs.store(runs.forks(runs.case(), count=2), unmeasured=[runs.case("jax")])])
    values = json.loads(json.dumps(records(frame), allow_nan=False))
    zeros = {name for row in values for name, value in row.items() if value == 0 and value is not False}
    assert zeros <= {"forks", "disturbed"}
    assert frame["energy_j"].isna().all()
    assert frame["energy_j"].dtype == pd.Float64Dtype()


def test_a_fault_in_some_forks_is_told_and_the_others_count(runs: Any) -> None:
    good = runs.forks(runs.case(), count=4)
    bad = Measurement(case=runs.case(), fork=4, status="crashed", reason="killed by signal 11")
    row = rows(runs.store([*good, bad]))["numpy@cpu"]
    assert (row["status"], row["forks"]) == ("ok", 4)
    assert row["reason"] == "crashed in 1 of 5 forks: killed by signal 11"


def test_an_interrupted_run_says_how_many_forks_there_are(runs: Any) -> None:
    row = rows(runs.store(runs.forks(runs.case(), count=2)))["numpy@cpu"]
    assert row["reason"] == "2 of 5 forks, the run was interrupted"


def test_a_result_wrong_in_one_fork_is_wrong_and_never_ranked(runs: Any) -> None:
    good = runs.forks(runs.case("torch"), time=1e-6)
    errors = {"forward": (9.0, 1.0)}
    good[2] = replace(good[2], status="wrong", reason="forward 9 of 1", errors=errors, samples=())
    found = rows(runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("jax")), good))
    row = found["torch@cpu"]
    assert (row["status"], row["agrees"], row["forks"]) == ("wrong", False, 4)
    assert row["reason"] == "wrong in 1 of 5 forks: forward 9 of 1"
    assert (row["error"], row["error_limit"]) == (9.0, 1.0)
    assert (row["ratio"], row["verdict"], row["fastest"]) == (None, None, None)
    assert found["numpy@cpu"]["fastest"] is True


def test_a_wrong_baseline_judges_nobody(runs: Any) -> None:
    wrong = runs.forks(runs.case("numpy"), status="wrong", samples=())
    row = rows(runs.store(wrong, runs.forks(runs.case("torch"))))["torch@cpu"]
    assert (row["ratio"], row["verdict"], row["baseline"]) == (None, None, None)
    assert row["fastest"] is True


def test_what_is_wrong_for_another_reason_than_its_errors_does_not_agree(runs: Any) -> None:
    wrong = runs.forks(runs.case(), count=1, status="wrong", reason="shape (2,), expected (3,)")
    row = rows(runs.store(wrong))["numpy@cpu"]
    assert (row["error"], row["error_limit"], row["agrees"]) == (0.125, 1.0, False)
    row = rows(runs.store([replace(wrong[0], errors={})]))["numpy@cpu"]
    assert (row["error"], row["agrees"]) == (None, False)


@pytest.mark.parametrize(
    ("pairs", "name", "error", "agrees"),
    [
        ([("a", 0.5, 1.0), ("b", 2.0, 30.0)], "a", 0.5, True),
        ([("a", 0.5, 1.0), ("b", 29.0, 30.0)], "b", 29.0, True),
        ([("a", 1.0, 1.0)], "a", 1.0, True),
        ([("a", 1.5, 1.0), ("b", 29.0, 30.0)], "a", 1.5, False),
        ([("a", 0.5, 1.0), ("b", math.nan, 30.0)], "b", NOT_FINITE, False),
        ([("a", math.inf, 1.0), ("b", 2.0, 1.0)], "a", NOT_FINITE, False),
        ([("exact", 0.0, 0.0), ("b", 0.1, 30.0)], "b", 0.1, True),
        ([("exact", 1.0, 0.0), ("b", 0.1, 30.0)], "exact", 1.0, False),
    ],
)
def test_the_error_is_the_pair_nearest_its_limit(
    runs: Any, pairs: list[tuple[str, float, float]], name: str, error: float, agrees: bool
) -> None:
    errors = {key: (value, limit) for key, value, limit in pairs}
    calm, other = runs.forks(runs.case(), count=2)
    other = replace(other, errors=errors, status="ok" if agrees else "wrong")
    calm = replace(calm, errors={key: (0.0, 1.0) for key in errors})
    row = rows(runs.store([calm, other]))["numpy@cpu"]
    assert (row["error_name"], row["error"], row["agrees"]) == (name, error, agrees)
    json.dumps(row, allow_nan=False)


def test_ratios_and_verdicts_are_those_of_the_statistics(runs: Any) -> None:
    base, fast = runs.forks(runs.case("numpy")), runs.forks(runs.case("torch"), time=0.5e-3)
    slow = runs.forks(runs.case("jax"), time=2e-3)
    found = rows(runs.store(base, fast, slow))
    medians = {
        name: [statistics.median(record.samples) for record in forks]
        for name, forks in {"numpy": base, "torch": fast, "jax": slow}.items()
    }
    for name, verdict in {"torch": "faster", "jax": "slower"}.items():
        expected = stats.ratio(medians[name], medians["numpy"])
        assert expected is not None
        row = found[f"{name}@cpu"]
        assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == (
            expected.value,
            expected.low,
            expected.high,
        )
        assert (row["verdict"], row["baseline"]) == (verdict, "numpy@cpu")
    own = found["numpy@cpu"]
    assert (own["ratio"], own["ratio_low"], own["verdict"]) == (1.0, None, None)
    assert [found[f"{name}@cpu"]["fastest"] for name in medians] == [False, True, False]


def test_below_four_forks_there_is_a_ratio_without_interval_verdict_or_winner(runs: Any) -> None:
    found = rows(
        runs.store(
            runs.forks(runs.case("numpy"), count=3),
            runs.forks(runs.case("torch"), time=0.5e-3, count=3),
        )
    )
    row = found["torch@cpu"]
    assert row["ratio"] == pytest.approx(0.5, rel=0.05)
    assert [row[name] for name in ("ratio_low", "ratio_high", "verdict", "fastest")] == [None] * 4


def test_a_backend_that_computes_in_another_dtype_is_compared_and_never_wins(runs: Any) -> None:
    wide = runs.forks(runs.case("numpy"), time=1e-6, compute_dtype="float64")
    found = rows(runs.store(wide, runs.forks(runs.case("torch")), runs.forks(runs.case("jax"), 2e-3)))
    assert found["numpy@cpu"]["fastest"] is False
    assert found["numpy@cpu"]["compute_dtype"] == "float64"
    assert found["torch@cpu"]["fastest"] is True
    assert found["torch@cpu"]["verdict"] == "slower"


@pytest.mark.parametrize(
    ("baseline", "place"),
    [
        (None, "numpy@cpu"),
        ("numpy", "numpy@cpu"),
        ("torch", "torch@cpu"),
        ("torch@cuda", "torch@cuda:0"),
        ("torch@cuda:0", "torch@cuda:0"),
        ("cupy", "cupy@cuda"),
    ],
)
def test_the_baseline_is_a_backend_or_a_backend_on_a_device(
    runs: Any, baseline: str | None, place: str
) -> None:
    places = ["torch@cuda:0", "numpy@asic", "numpy@cpu", "torch@cpu", "cupy@cuda"]
    found = rows(runs.store(*(runs.forks(runs.case(one)) for one in places)), baseline=baseline)
    assert {row["baseline"] for row in found.values()} == {place}
    assert found[place]["ratio"] == 1.0


def test_the_runs_own_baseline_is_used_unless_another_is_named(runs: Any) -> None:
    run = runs.store(
        runs.forks(runs.case("numpy")), runs.forks(runs.case("jax")), settings={"baseline": "jax"}
    )
    assert rows(run)["numpy@cpu"]["baseline"] == "jax@cpu"
    assert rows(run, baseline="numpy")["jax@cpu"]["baseline"] == "numpy@cpu"


def test_an_unknown_baseline_is_an_error_that_lists_the_known(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("torch@cuda")))
    with pytest.raises(XpbenchError, match=r"'cupy': expected one of numpy@cpu, torch@cuda"):
        summarise([run], baseline="cupy")


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": "svd"},
        {"size": (("n", 64),)},
        {"dtype": "float64"},
        {"precision": "tf32"},
    ],
)
def test_cases_of_different_rows_are_not_compared(runs: Any, change: dict[str, Any]) -> None:
    other = runs.case("torch", **change)
    found = rows(runs.store(runs.forks(runs.case("numpy")), runs.forks(other, 1e-6)))
    assert found["torch@cpu"]["ratio"] is None
    assert found["numpy@cpu"]["fastest"] is True


def test_every_run_is_judged_within_itself(runs: Any) -> None:
    first = runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("torch"), 2e-3))
    second = runs.store(
        runs.forks(runs.case("numpy"), 1e-6), runs.forks(runs.case("torch"), 5e-7), name="day"
    )
    frame = summarise([first, second])
    assert list(frame["run"]) == ["night", "night", "day", "day"]
    assert [row["verdict"] for row in records(frame)] == [None, "slower", None, "faster"]


def test_runs_of_one_name_are_told_apart_by_their_folders(runs: Any) -> None:
    first, second = (runs.store(runs.forks(runs.case())) for _ in range(2))
    assert list(summarise([first, second])["run"]) == [str(first.path), str(second.path)]


def test_text_that_no_encoding_holds_does_not_break_the_frame(runs: Any) -> None:
    record = Measurement(case=runs.case(), fork=0, status="failed", reason="bad byte \udc80")
    assert rows(runs.store([record]))["numpy@cpu"]["reason"] == "bad byte \\udc80"


def test_a_header_without_machine_settings_or_kernels_still_gives_its_times(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()), machine={}, settings={}, kernels={})
    row = rows(run)["numpy@cpu"]
    assert row["time_s"] > 0
    assert (row["machine"], row["chapter"], row["flops"]) == (None, None, None)


def test_a_case_stands_under_the_roof_of_the_dtype_it_computes_in(runs) -> None:
    large = {"kernel": "large", "size": (("n", 4096),)}
    asked = runs.forks(runs.case("torch", **large), time=0.02)
    widened = runs.forks(runs.case("numpy", **large), time=0.02, compute_dtype="float64")
    header = runs.header([asked[0].case, widened[0].case])
    header["kernels"]["large"]["traffic"] = {"n=4096/float32": 2.0e8}
    stored = runs.store(asked, widened, kernels=header["kernels"])
    reached = {"matmul_flops": 4e11, "reused_bytes": 2e10}
    for dtype, share in (("float32", 1.0), ("float64", 0.5)):
        figures = {name: value * share for name, value in reached.items()}
        roof = Roof("torch", "cpu", dtype, 2, "ieee", 0, **figures)  # type: ignore[arg-type]
        journal.append_roof(stored.path, roof)
    frame = summarise([journal.read(stored.path)]).set_index("backend")
    # 2e9 operations on 2e8 bytes in 20 ms, under 4e11 and 2e10 a second: memory, half of it.
    assert frame.loc["torch", "bound"] == "memory"
    assert frame.loc["torch", "roof_fraction"] == pytest.approx(0.5, rel=0.05)
    assert frame.loc["numpy", "roof_fraction"] == pytest.approx(1.0, rel=0.05)
    assert frame.loc["torch", "intensity"] == pytest.approx(10)


def test_without_a_cost_model_or_a_roof_there_is_no_place(runs) -> None:
    frame = summarise([runs.store(runs.forks(runs.case()))])
    assert frame["roof_fraction"].isna().all()
    assert frame["bound"].isna().all()
    assert frame["intensity"][0] == pytest.approx(2.0e9 / 4.0e6)
    header = runs.header([runs.case()])
    header["kernels"]["matmul"] |= {"flops": {}, "traffic": {}}
    bare = summarise([runs.store(runs.forks(runs.case()), kernels=header["kernels"])])
    assert bare["intensity"].isna().all()


def test_verdicts_that_were_looked_at_more_than_once_have_a_higher_level(runs) -> None:
    base = runs.forks(runs.case("numpy"), count=6)
    torch = runs.forks(runs.case("torch"), count=6)
    once = summarise([runs.store(base, torch)])
    settings = {"forks": 6, "baseline": "numpy", "threads": 2, "precision": "ieee"}
    looked = summarise([runs.store(base, torch, settings=settings | {"looks": 4})])
    widths = [f["ratio_high"][1] - f["ratio_low"][1] for f in (once, looked)]
    assert widths[0] < widths[1]


def with_times(forks: list[Measurement], times: list[float]) -> list[Measurement]:
    return [replace(m, samples=(t,) * 3) for m, t in zip(forks, times, strict=True)]


def test_forks_that_only_one_of_two_has_do_not_compare_them(runs) -> None:
    """A run that went on for torch gave its baseline forks more, while the machine was slower."""
    early = [1e-3, 1.01e-3, 0.99e-3, 1.005e-3, 0.995e-3, 1.002e-3]
    late = [1.2 * time for time in early]
    stored = runs.store(
        with_times(runs.forks(runs.case("numpy"), count=12), early + late),
        with_times(runs.forks(runs.case("jax"), count=6), early[::-1]),
        with_times(runs.forks(runs.case("torch"), count=12), early[::-1] + late[::-1]),
        settings={"forks": 6, "baseline": "numpy", "threads": 2, "precision": "ieee"},
    )
    frame = summarise([stored]).set_index("backend")
    assert frame.loc["jax", "verdict"] == "same"
    assert frame.loc["jax", "ratio"] == pytest.approx(1.0, rel=0.01)
    assert frame["fastest"].tolist() == [True, True, True]
    assert frame.loc["numpy", "forks"] == 12


def test_who_has_too_few_forks_is_not_said_to_be_slower_than_the_fastest(runs) -> None:
    stored = runs.store(
        runs.forks(runs.case("numpy"), 1e-3, count=6),
        runs.forks(runs.case("jax"), 1.05e-3, count=3),
        runs.forks(runs.case("torch"), 2e-3, count=6),
    )
    frame = summarise([stored]).set_index("backend")
    assert frame.loc["numpy", "fastest"]
    assert frame.loc["jax", "fastest"] is pd.NA
    assert not frame.loc["torch", "fastest"]


def test_without_a_known_cache_small_cases_are_still_in_one(runs) -> None:
    stored = runs.store(runs.forks(runs.case("torch"), time=1e-5))
    roof = Roof("torch", "cpu", "float32", 2, "ieee", 0, matmul_flops=1e15, reused_bytes=2e10)
    journal.append_roof(stored.path, roof)
    row = summarise([journal.read(stored.path)]).iloc[0]
    assert row["bound"] == "cache", "4 MB in 10 us would be twenty times the bandwidth of its memory"
    assert row["roof_fraction"] is pd.NA


def test_modes_are_told_in_the_summary(runs) -> None:
    levels = [1e-3, 1.01e-3, 1.5e-3, 1.51e-3, 1.0e-3, 1.52e-3]
    forks = [
        replace(m, samples=(level,) * 3)
        for m, level in zip(runs.forks(runs.case(), count=6), levels, strict=True)
    ]
    frame = summarise([runs.store(forks)])
    assert frame["modes"][0] == "1.00 ms, 1.51 ms"
    assert summarise([runs.store(runs.forks(runs.case()))])["modes"].isna().all()


@pytest.mark.parametrize("count", [10**400, -1, 0, math.inf, "many", None], ids="{!r:.9}".format)
def test_a_cost_that_is_no_number_a_float_can_hold_is_not_known(runs: Any, count: Any) -> None:
    run = runs.store(*(runs.forks(runs.case(size=(("n", n),))) for n in (256, 512, 1024)))
    for size in run.header["kernels"]["matmul"]["flops"]:
        run.header["kernels"]["matmul"]["flops"][size] = count
    assert summarise([run])["flops"].isna().all()
    assert [exponent.flops for exponent in scaling([run])] == [None]
