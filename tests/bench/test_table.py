"""What a table shows in every format: all that was seen, nothing else, and no text that acts."""

import ast
import csv
import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import STATUSES, Measurement
from xpbench.bench.report import records as records_module
from xpbench.bench.report.latex import escape
from xpbench.bench.report.metrics import calls_to_break_even
from xpbench.bench.report.records import records, visible
from xpbench.bench.report.summary import COLUMNS, NOT_FINITE, summarise
from xpbench.bench.report.table import FORMATS, METRICS, plain, render

EVIL = [
    "[bold red]not markup[/]",
    "a | b",
    "<script>alert(1)</script>",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\x1b[2J\x07bell",
    "line\none\ttab\rreturn",
    "\u202eright to left",
    r"\input{x} 100% #1 $x$ a_b ~^&",
    "*bold* _it_ `code` [a](http://b)",
    "* star",
    "µ é 雪",
]


def shown(frame: pd.DataFrame, width: int = 80, **options: Any) -> str:
    """What a terminal of so many columns and no colours shows."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(render(frame, "rich", width=width, **options))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def full_run(runs: Any, *places: str) -> pd.DataFrame:
    """Two kernels on every place, and every kind of cell among them."""
    measured, unmeasured = [], []
    for index, place in enumerate(places):
        svd = runs.case(place, kernel="svd", size=(("n", 64), ("k", 8)), size_name="")
        measured.append(runs.forks(runs.case(place), time=1e-3 * (1 + index % 3), count=6))
        measured.append(runs.forks(svd, time=4e-5 / (1 + index), count=6))
    last = runs.case(places[-1], kernel="pca")
    measured.append([Measurement(case=last, fork=0, status="unsupported", reason="no such verb")])
    unmeasured.append(runs.case(places[0], kernel="pca"))
    return summarise([runs.store(*measured, unmeasured=unmeasured)])


PLACES = [
    "numpy",
    "torch",
    "jax",
    "torch@cuda",
    "jax@cuda",
    "cupy@cuda",
    "torch-compile@cuda",
    "jax-eager",
]


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_no_line_is_wider_than_the_terminal_and_no_case_is_lost(runs: Any, count: int) -> None:
    frame = full_run(runs, *PLACES[:count])
    for width, metric in product((80, 100, 120, 200), METRICS):
        text = shown(frame, width, metric=metric)
        assert max(cell_len(line) for line in text.splitlines()) <= width
        for place in PLACES[:count]:
            # A long heading may be broken before its hyphen.
            pieces = [place] if place in text else place.replace("-", " -").split()
            assert all(re.search(rf"(?<![\w@-]){piece}(?![\w@-])", text) for piece in pieces), place
        for word in ("matmul", "n=512", "svd", "n=64,k=8", "pca"):
            assert word in text
        assert "…" not in text


def test_three_backends_are_three_columns_at_80(runs: Any) -> None:
    lines = shown(full_run(runs, "numpy", "torch", "jax")).splitlines()
    head = next(line for line in lines if "numpy" in line)
    assert head.split() == ["numpy", "torch", "jax"]
    matmul = next(index for index, line in enumerate(lines) if line.startswith("matmul"))
    assert re.fullmatch(
        r"matmul +★ 1\.\d\d ms ±[\d.]+% +[12]\.\d\d ms ±[\d.]+% +[23]\.\d\d ms ±[\d.]+% *", lines[matmul]
    )
    assert re.fullmatch(r"n=512 +baseline +2\.0x slower +3\.0x slower *", lines[matmul + 1])


def test_the_longest_names_of_the_suite_are_folded_into_three_columns_at_80(runs: Any) -> None:
    size = (("samples", 65536), ("features", 512))
    cases = [
        runs.case(place, kernel="bayesian_linear_regression", size=size)
        for place in ("numpy", "torch", "jax")
    ]
    base, *others = (runs.forks(case, time=0.123, others=0.5) for case in cases)
    unclear = [
        [
            replace(record, samples=(0.123 * level,))
            for record, level in zip(forks, (0.9, 0.95, 1.0, 1.1, 1.2), strict=True)
        ]
        for forks in others
    ]
    text = shown(summarise([runs.store(base, *unclear)]))
    assert text.count("unclear 0.") == 2
    assert "backend" not in text, "the columns gave way to lines"
    labels = [line.split("  ")[0] for line in text[: text.index("★ cannot")].splitlines()]
    assert "bayesian_linear_regressionsamples=65536,features=512" in "".join(labels)
    assert "bayesian_linear_regression" not in labels, "nothing was folded"


def test_where_the_columns_do_not_fit_devices_are_divided_then_cases_listed(runs: Any) -> None:
    divided = full_run(runs, "numpy", "torch", "jax", "torch@cuda", "jax@cuda")
    assert re.search(r"median of the forks · cpu\n +numpy +torch +jax *\n", shown(divided))
    assert re.search(r"median of the forks · cuda\n +torch@cuda +jax@cuda *\n", shown(divided))
    assert "fastest of its row, over all devices" in " ".join(shown(divided).split())
    assert re.search(
        r"median of the forks\n +numpy +torch +jax +torch@cuda +jax@cuda *\n", shown(divided, 160)
    )
    listed = shown(full_run(runs, "numpy", "torch", "jax", "jax-eager", "torch-compile"))
    assert re.search(r"\n +backend *\n", listed)
    assert re.search(
        r"\nmatmul +numpy +★ 1\.0\d ms ±[\d.]+% +baseline *\nn=512 +torch +[12]\.\d\d ms", listed
    )


def test_a_narrow_terminal_folds_and_loses_nothing(runs: Any) -> None:
    text = shown(full_run(runs, "numpy", "torch", "jax"), width=50)
    assert max(cell_len(line) for line in text.splitlines()) <= 50
    for word in ("numpy", "torch", "jax", "baseline", "slower", "unsupported", "★"):
        assert word in text


@pytest.mark.parametrize("fmt", ["rich", "md", "latex"])
@pytest.mark.parametrize("status", sorted(set(STATUSES) - {"ok"}))
def test_a_cell_that_did_not_run_is_a_word_and_its_reason_is_told_once(
    runs: Any, fmt: str, status: str
) -> None:
    reason = f"because of {status}"
    bad = [
        [Measurement(case=runs.case("jax", size=(("n", n),)), fork=0, status=status, reason=reason)]
        for n in (1, 2, 3, 4, 5)
    ]
    good = [runs.forks(runs.case("numpy", size=(("n", n),))) for n in (1, 2, 3, 4, 5)]
    frame = summarise([runs.store(*bad, *good)])
    text = shown(frame, 200) if fmt == "rich" else render(frame, fmt)
    text = text.replace("\\_", "_").replace("{[}", "[").replace("\\[", "[").replace("\\]", "]")
    word = "WRONG" if status == "wrong" else status.replace("_", " ")
    told = "its turn never came" if status == "not_run" else reason
    assert text.count(told) == 1
    assert f"jax {word}: matmul[n=1], matmul[n=2], matmul[n=3] and 2 more: {told}" in text
    assert text.count(word) >= 6


def test_marks_stand_only_where_they_are_meant_and_are_explained(runs: Any) -> None:
    plain = shown(
        summarise([runs.store(runs.forks(runs.case("numpy")), runs.forks(runs.case("jax"), 9.0))])
    )
    assert not set("†‡§") & set(plain)
    wide = runs.forks(runs.case("numpy"), compute_dtype="float64")
    busy = runs.forks(runs.case("torch"), time=5e-3, others=0.5)
    apart = runs.forks(runs.case("jax"), time=7e-3)
    apart[1] = replace(apart[1], samples=(1e-2,))
    lame = runs.forks(runs.case("cupy"), time=9e-3)
    lame[4] = replace(lame[4], status="crashed", reason="killed", samples=())
    text = shown(summarise([runs.store(wide, busy, apart, lame)]), 120)
    line = next(line for line in text.splitlines() if line.startswith("matmul"))
    assert re.fullmatch(
        r"matmul +1\.\d+ ms ±[\d.]+% † +★ [45]\.\d+ ms ±[\d.]+% ‡ +"
        r"7\.\d+ ms ±[\d.]+% ‡ +[89]\.\d+ ms ±[\d.]+% § *",
        line,
    )
    text = " ".join(text.split())
    for explained in (
        "† computes in float64",
        "‡ disturbed",
        "§ not every fork ended well",
        "cupy §: matmul[n=512]: crashed in 1 of 5 forks: killed",
        "★ cannot be told from the fastest",
        "± 94% interval of the median of 5 forks",
    ):
        assert explained in text


def test_processes_that_live_in_two_modes_are_marked_and_the_spread_tells_which(runs: Any) -> None:
    levels = [1.0e-3, 1.01e-3, 1.02e-3, 1.5e-3, 1.51e-3, 1.52e-3]
    forks = [
        replace(record, samples=(level,))
        for record, level in zip(runs.forks(runs.case(), count=6), levels, strict=True)
    ]
    frame = summarise([runs.store(forks, runs.forks(runs.case("torch")))])
    text = plain(frame, width=200)
    assert next(line for line in text.splitlines() if line.startswith("matmul")).count("◊") == 1
    assert "‡◊" in text, "beside the mark of the spread, not in its place"
    assert "◊ processes live in two modes" in " ".join(text.split())
    assert "◊ 1.01 ms, 1.51 ms" in plain(frame, metric="spread")
    assert "◊" not in plain(summarise([runs.store(runs.forks(runs.case()))]))


def test_a_tie_is_marked_by_a_sign_on_everyone_in_it(runs: Any) -> None:
    measured = [runs.forks(runs.case(place)) for place in ("numpy", "torch")]
    text = shown(summarise([runs.store(*measured, runs.forks(runs.case("jax"), 9.0))]))
    assert next(line for line in text.splitlines() if line.startswith("matmul")).count("★") == 2


def test_a_backend_without_rivals_is_no_winner(runs: Any) -> None:
    assert "★" not in shown(summarise([runs.store(runs.forks(runs.case("numpy")))]))


@pytest.mark.parametrize(
    ("times", "word"),
    [
        ([0.5e-3] * 5, "2.0x faster"),
        ([2e-3] * 5, "2.0x slower"),
        ([1e-3] * 5, "same"),
        ([0.9e-3, 0.95e-3, 1e-3, 1.1e-3, 1.2e-3], "unclear 0.90-1.2"),
        ([0.5e-3] * 3, "(2.0x faster)"),
    ],
)
def test_the_verdict_is_said_in_words(runs: Any, times: list[float], word: str) -> None:
    base = runs.forks(runs.case("numpy"), samples=(1e-3,))
    other = [
        replace(record, samples=(time,))
        for record, time in zip(runs.forks(runs.case("torch"), count=len(times)), times, strict=True)
    ]
    frame = summarise([runs.store(base, other)])
    assert re.search(rf"n=512 +baseline +{re.escape(word)} *\n", shown(frame))
    assert f"<br>{word} |" in render(frame, "md")


def test_groups_have_tables_of_their_own_with_captions_that_say_so(runs: Any) -> None:
    measured = [
        runs.forks(runs.case(place, dtype=dtype, precision=precision))
        for place in ("numpy", "torch")
        for dtype in ("float32", "float64")
        for precision in ("ieee", "tf32")
    ]
    text = shown(summarise([runs.store(*measured)]))
    for dtype in ("float32", "float64"):
        for precision in ("ieee", "tf32"):
            assert text.count(f"{dtype} · 2 threads · {precision} · time of one call") == 1


@pytest.mark.parametrize("count", [8, 9])
def test_chapters_have_tables_of_their_own_where_there_are_many_kernels(runs: Any, count: int) -> None:
    chapters = ["linear_algebra"] * 5 + ["calculus"] * (count - 5)
    cases = [runs.case(kernel=f"k{index}") for index in range(count)]
    kernels = runs.header(cases)["kernels"]
    for index, chapter in enumerate(chapters):
        kernels[f"k{index}"]["chapter"] = chapter
    text = shown(summarise([runs.store(*map(runs.forks, cases), kernels=kernels)]))
    captions = [line for line in text.splitlines() if "time of one call" in line]
    heads = [caption.partition(" · ")[0] for caption in captions]
    assert heads == (["float32"] if count == 8 else ["linear algebra", "calculus"])


def test_several_runs_are_named_over_their_tables(runs: Any) -> None:
    first = runs.store(runs.forks(runs.case()))
    second = runs.store(runs.forks(runs.case()), name="day", machine={"id": "ffffffff"})
    text = shown(summarise([first, second]))
    assert "night on 1a2b3c4d, day on ffffffff" in text
    assert "night · float32" in text
    assert "day · float32" in text


@pytest.mark.parametrize(
    ("metric", "cell"),
    [
        ("throughput", "300 µs"),
        ("first_call", "100 ms"),
        ("compile", "20.0 ms"),
        ("transfer", "100 µs"),
        ("transfer_out", "20.0 µs"),
        ("intensity", "500 flop/B"),
        ("rate", r"2\.\d\d Tflop/s|1\.9\d Tflop/s"),
        ("bandwidth", r"3\.0\d GB/s|2\.9\d GB/s"),
        ("memory", "1.50 KiB"),
        ("spread", r"1\.0\d"),
        ("error", "ok 0.12 of 1 eps"),
    ],
)
def test_the_metric_fills_the_cells(runs: Any, metric: str, cell: str) -> None:
    forks = runs.forks(
        runs.case(),
        throughput_samples=(3e-4,),
        compile_s=2e-2,
        peak_bytes=1536,
        transfer_out_s=2e-5,
    )
    text = shown(summarise([runs.store(forks)]), metric=metric)
    assert re.search(rf"matmul +({cell}) *\n", text), text


@pytest.mark.parametrize(
    ("fraction", "bound", "cell"),
    [
        (0.62, "compute", "62% compute"),
        (1.04, "memory", "! 104% memory"),
        (None, "cache", "cache"),
        (0.003, "dispatch", "0.3% dispatch"),
        (None, None, "-"),
    ],
)
def test_the_roof_is_a_share_and_what_binds_and_a_share_above_one_is_a_fault(
    runs: Any, fraction: float | None, bound: str | None, cell: str
) -> None:
    frame = summarise([runs.store(runs.forks(runs.case()))])
    frame["roof_fraction"] = pd.array([fraction], dtype="Float64")  # type: ignore[call-overload]
    frame["bound"] = pd.array([bound], dtype="string")
    text = plain(frame, metric="roof")
    assert re.search(rf"matmul +{re.escape(cell)}\n", text), text
    assert ("above its roof: by a few percent" in text) == (cell[0] == "!")


@pytest.mark.parametrize(
    ("first", "time", "base_first", "base_time", "calls"),
    [
        (101.0, 1.0, 2.0, 2.0, 100),
        (101.0, 1.0, 52.0, 2.0, 50),
        (2.0, 1.0, 2.0, 2.0, 1),
        (1.0, 1.0, 50.0, 2.0, -48),
        (5.0, 2.0, 5.0, 2.0, float("inf")),
        (5.0, 3.0, 50.0, 2.0, float("inf")),
    ],
)
def test_so_many_calls_cost_the_same_with_and_without_the_compile(
    first: float, time: float, base_first: float, base_time: float, calls: float
) -> None:
    found = calls_to_break_even(first, time, base_first, base_time)
    assert found == calls
    if 1 <= found < float("inf"):
        assert first + (found - 1) * time == base_first + (found - 1) * base_time


@pytest.mark.parametrize(
    ("time", "count", "first", "cell"),
    [
        (5e-4, 5, 0.1, "200 calls"),
        (5e-4, 5, 1e-3, "at once"),
        (5e-4, 5, None, "-"),
        (2e-3, 5, 0.1, "never"),
        (0.99e-3, 5, 0.1, "never"),
        (5e-4, 3, 0.1, "(200 calls)"),
    ],
)
def test_break_even_tells_when_a_first_call_has_paid_for_itself(
    runs: Any, time: float, count: int, first: float | None, cell: str
) -> None:
    def steady(place: str, time: float, count: int, first: float | None) -> list[Measurement]:
        return runs.forks(  # type: ignore[no-any-return]
            runs.case(place), count=count, samples=(time,), first_call_s=first
        )

    frame = summarise([runs.store(steady("numpy", 1e-3, 5, 1e-3), steady("jax", time, count, first))])
    text = plain(frame, metric="break_even", width=120)
    assert re.search(rf"matmul +baseline +{re.escape(cell)}\n", text), text
    assert "cost less than numpy, whose first call counts too" in text
    assert ("(in brackets)" in text) == (count < 4)


def test_break_even_is_unclear_where_the_verdict_is(runs: Any) -> None:
    base = runs.forks(runs.case("numpy"), samples=(1e-3,))
    other = [
        replace(record, samples=(level,))
        for record, level in zip(
            runs.forks(runs.case("jax")), (0.9e-3, 0.95e-3, 1e-3, 1.1e-3, 1.2e-3), strict=True
        )
    ]
    frame = summarise([runs.store(base, other)])
    assert re.search(r"matmul +baseline +unclear\n", plain(frame, metric="break_even"))
    assert re.search(r"matmul +-\n", plain(summarise([runs.store(other)]), metric="break_even"))


def test_a_figure_not_known_is_a_dash(runs: Any) -> None:
    text = shown(summarise([runs.store(runs.forks(runs.case()))]), metric="throughput")
    assert re.search(r"matmul +- *\n", text)


def test_agreement_and_first_call_stand_in_a_table_of_their_own(runs: Any) -> None:
    good = runs.forks(runs.case("numpy"), errors={"a": (0.125, 30.0)})
    wrong = runs.forks(runs.case("torch"), count=1, status="wrong", samples=(), errors={"a": (3e4, 1.0)})
    broken = runs.forks(
        runs.case("jax"), count=1, status="wrong", samples=(), errors={"a": (float("nan"), 1.0)}
    )
    text = shown(summarise([runs.store(good, wrong, broken)]), 100)
    agreement = text[text.index("agreement with the oracle") :]
    assert re.search(
        r"matmul +ok 0\.12 of 30 eps +WRONG 3e4 of 1 eps +WRONG not finite of 1 eps *\n", agreement
    )
    assert re.search(r"n=512 +first 100 ms +first 100 ms +first 100 ms", agreement)


def test_random_kernels_are_judged_in_standard_errors(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()))
    run.header["kernels"]["matmul"]["error_unit"] = "standard errors"
    text = shown(summarise([run]))
    assert "ok 0.12 of 1 s.e." in text
    assert "s.e.: standard errors" in " ".join(text.split())


def test_colour_carries_nothing_that_is_not_in_the_text(runs: Any) -> None:
    frame = full_run(runs, "numpy", "torch", "jax")
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(render(frame, "rich"))
    coloured = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(frame)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("µ é 雪 a\\b", "µ é 雪 a\\b"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\x1b[31m\x00\x7f\x9b", r"\x1b[31m\x00\x7f\x9b"),
        ("\u202eabc\u2066\u200b\ufeff", r"\u202eabc\u2066\u200b\ufeff"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\udc80\U000e0041", r"\udc80\U000e0041"),
    ],
)
def test_what_would_not_be_seen_is_made_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


def evil_run(runs: Any, evil: str) -> pd.DataFrame:
    """The text wherever text of others can come from: names of runs, kernels and chapters, reasons."""
    case = runs.case("jax", kernel=evil)
    bad = Measurement(case=case, fork=0, status="failed", reason=evil)
    run = runs.store([bad], runs.forks(runs.case("numpy", kernel=evil)), name=evil)
    run.header["machine"]["id"] = evil
    return summarise([run])


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("fmt", ["rich", "md", "latex", "csv"])
def test_no_control_character_of_a_text_reaches_the_reader(runs: Any, fmt: str, evil: str) -> None:
    frame = evil_run(runs, evil)
    text = shown(frame, 200) if fmt == "rich" else render(frame, fmt)
    assert visible(text.replace("\n", "")) == text.replace("\n", "")


@pytest.mark.parametrize("evil", EVIL)
def test_the_terminal_shows_text_as_it_is(runs: Any, evil: str) -> None:
    assert f"failed: {visible(evil)}[n=512]: {visible(evil)}" in shown(evil_run(runs, evil), 200)


@pytest.mark.parametrize("evil", EVIL)
def test_markdown_keeps_its_columns_and_renders_text_as_it_is(runs: Any, evil: str) -> None:
    from markdown_it import MarkdownIt

    text = render(evil_run(runs, evil), "md")
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    pipes = [{len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()} for table in tables]
    assert pipes == [{4}, {3}]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in html
    assert "<a " not in html
    assert "<code" not in html
    plain = re.sub(r"<[^>]*>", "", html).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    assert f"{visible(evil)}[n=512]: {visible(evil)}" in plain.replace("&amp;", "&")


LATEX, PDFTOTEXT = shutil.which("pdflatex"), shutil.which("pdftotext")


def compile_latex(text: str, folder: Path) -> str:
    """What pdflatex says of a document with ``text`` in the class article, which must compile."""
    head = r"\documentclass{article}\usepackage{booktabs,longtable}\begin{document}"
    (folder / "t.tex").write_text(rf"{head}{text}\end{{document}}")
    command = [str(LATEX), "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    answer = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=60
    )
    assert answer.returncode == 0, answer.stdout[-2000:]
    return answer.stdout


def pages(folder: Path) -> list[str]:
    """The text on every page of what was compiled."""
    command = [str(PDFTOTEXT), "-layout", "t.pdf", "-"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return answer.stdout.removesuffix("\f").split("\f")


without_latex = pytest.mark.skipif(LATEX is None, reason="no pdflatex on this machine")
without_pdftotext = pytest.mark.skipif(PDFTOTEXT is None, reason="no pdftotext on this machine")


@without_latex
def test_latex_compiles_whatever_the_text(runs: Any, tmp_path: Path) -> None:
    frame = pd.concat([evil_run(runs, evil) for evil in EVIL], ignore_index=True)
    compile_latex(render(frame, "latex"), tmp_path)


@without_latex
@without_pdftotext
def test_latex_shows_text_as_the_characters_it_has(runs: Any, tmp_path: Path) -> None:
    told = [r"\input{x} 100% #1 $x$ ~^&", "a | b <c> [d] *e*", "--f ,,g ?`h", 'i "j"', "\u202ej"]
    frame = pd.concat([evil_run(runs, text) for text in told], ignore_index=True)
    compile_latex(render(frame, "latex"), tmp_path)
    # The font's accents that stand alone, and its quotes, are signs of their own.
    likewise = str.maketrans({"˜": "~", "ˆ": "^", "‘": "`", "∗": "*"})
    seen = " ".join("".join(pages(tmp_path)).translate(likewise).split())
    for text in told:
        assert f"failed: {visible(text)}[n=512]: {visible(text)}" in seen


def test_latex_writes_accents_and_tells_the_number_of_what_it_lacks() -> None:
    assert escape("é ö ç Å ñ 雪") == r"\'{e} \"{o} \c{c} \r{A} \~{n} U+96EA"


@without_latex
@pytest.mark.parametrize("count", [1, 3, 4, 8])
def test_latex_tables_fit_on_a_page(runs: Any, tmp_path: Path, count: int) -> None:
    frame = full_run(runs, *PLACES[:count])
    tables = [render(frame, "latex", metric=metric) for metric in ("latency", "error", "roof")]
    said = compile_latex("\n".join(tables), tmp_path)
    assert "Overfull" not in said, said


@without_latex
@without_pdftotext
def test_a_latex_table_of_300_rows_goes_on_from_page_to_page(runs: Any, tmp_path: Path) -> None:
    cases = [runs.case(kernel=f"kernel{index}") for index in range(300)]
    text = render(summarise([runs.store(*map(runs.forks, cases))]), "latex", metric="error")
    said = compile_latex(text, tmp_path)
    assert "Overfull" not in said, said
    shown = pages(tmp_path)
    assert len(shown) > 4
    for page in shown[1:-1]:
        assert "numpy" in page, "the heads stand on every page"
    found = [int(n) for page in shown for n in re.findall(r"^ *kernel(\d+)", page, re.MULTILINE)]
    assert found == list(range(300))


@pytest.mark.parametrize("evil", EVIL)
def test_latex_is_balanced_ascii_with_every_row_of_one_width(runs: Any, evil: str) -> None:
    text = render(evil_run(runs, evil), "latex")
    assert text.isascii()
    bare = re.sub(r"\\[{}&%$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert bare.count("%") == 1, "the one comment"
    inside = re.findall(r"\\midrule\n(.*?)\\bottomrule", bare, flags=re.DOTALL)
    cells = [line.count("&") for table in inside for line in table.strip().splitlines()]
    assert set(cells) <= {1, 2}
    assert text.count(r"\begin{tabular}") == 2


def test_latex_says_microseconds_with_its_own_sign(runs: Any) -> None:
    assert r"$\mu$s" in render(summarise([runs.store(runs.forks(runs.case(), 5e-6))]), "latex")


@pytest.mark.parametrize("evil", EVIL)
def test_no_csv_cell_starts_a_formula_and_the_rest_reads_back(runs: Any, evil: str) -> None:
    rows = list(csv.DictReader(io.StringIO(render(evil_run(runs, evil), "csv"))))
    assert len(rows) == 2
    for row in rows:
        assert list(row) == list(COLUMNS)
        assert row["kernel"].lstrip("'") == visible(evil)
        for name, cell in row.items():
            if COLUMNS[name] == "string":
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    failed = next(row for row in rows if row["status"] == "failed")
    assert (failed["time_s"], failed["fastest"], failed["agrees"]) == ("", "", "")


def test_csv_and_json_and_parquet_hold_the_same_figures(runs: Any) -> None:
    frame = full_run(runs, "numpy", "torch")
    expected = records(frame)
    assert json.loads(render(frame, "json")) == expected
    for row, line in zip(expected, csv.DictReader(io.StringIO(render(frame, "csv"))), strict=True):
        for name, value in row.items():
            text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            assert line[name] == text
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    stored = pd.read_parquet(io.BytesIO(render(frame, "parquet")))
    assert records(stored) == expected
    assert list(stored.columns) == list(COLUMNS)


def test_json_is_standard_where_an_error_is_not_finite(runs: Any) -> None:
    wrong = runs.forks(
        runs.case(), count=1, status="wrong", samples=(), errors={"a": (float("inf"), 1.0)}
    )
    text = render(summarise([runs.store(wrong)]), "json")
    assert "Infinity" not in text
    (row,) = json.loads(text)
    assert (row["error"], row["agrees"], row["ratio"]) == (NOT_FINITE, False, None)


def test_without_pyarrow_parquet_is_an_error_that_says_how_to_get_it(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = summarise([runs.store(runs.forks(runs.case()))])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(XpbenchError, match=r'install "xpbench\[parquet\]"'):
        records_module.as_parquet(frame)


def test_the_plain_text_is_the_terminals(runs: Any) -> None:
    frame = full_run(runs, "numpy", "torch", "jax")
    lines = [line.rstrip() for line in shown(frame, 100, metric="error").splitlines()]
    assert plain(frame, metric="error", width=100).splitlines() == lines


def test_where_so_many_cannot_be_ranked_the_legend_says_why_no_one_leads(runs: Any) -> None:
    measured = [
        runs.forks(runs.case(place), 1e-3 * 2**index, count=4)
        for index, place in enumerate(("numpy", "torch", "jax"))
    ]
    explained = "no ★ in a row: too few forks to rank so many"
    assert explained in plain(summarise([runs.store(*measured)]), width=200)
    assert explained not in plain(summarise([runs.store(*measured[:2])]), width=200)


@pytest.mark.parametrize(("slowest", "reach"), [(1.5, "±50%"), (2.0, "±100%"), (3.0, "±>100%")])
def test_an_interval_wider_than_its_time_is_not_written_as_a_percentage(
    runs: Any, slowest: float, reach: str
) -> None:
    forks = [
        replace(record, samples=(1e-3 * level,))
        for record, level in zip(runs.forks(runs.case()), (0.9, 1, 1, 1, slowest), strict=True)
    ]
    assert f"1.00 ms {reach} ‡\n" in plain(summarise([runs.store(forks)]))


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_run_without_cases_renders(runs: Any, fmt: str) -> None:
    frame = summarise([runs.store()])
    assert "no cases" in shown(frame) if fmt == "rich" else render(frame, fmt)


@pytest.mark.parametrize(
    ("fmt", "metric", "message"),
    [("pdf", "latency", "rich, md, csv"), ("md", "speed", "latency, through")],
)
def test_an_unknown_format_or_metric_lists_the_known(
    runs: Any, fmt: str, metric: str, message: str
) -> None:
    with pytest.raises(XpbenchError, match=message):
        render(summarise([runs.store()]), fmt, metric=metric)


def test_tables_import_no_array_library_and_no_kernel() -> None:
    script = """
import sys
import xpbench.bench.report.table, xpbench.bench.report.pytest_benchmark
print(sorted(name for name in sys.modules if name.startswith("xpbench.")), "|",
      sorted({"jax", "torch", "cupy"} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    own, arrays = (ast.literal_eval(part.strip()) for part in answer.stdout.split("|"))
    assert arrays == []
    forbidden = ("xpbench.kernels", "xpbench.backends", "xpbench.bench.kernel", "xpbench.bench.backend")
    assert not [name for name in own if name.startswith(forbidden)]
