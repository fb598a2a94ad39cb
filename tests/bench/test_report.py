"""The page as a file, and the sentence at its head: what they hold, before any browser opens it."""

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpbench as package
from xpbench.bench import journal
from xpbench.bench.report.overall import overall
from xpbench.bench.report.page.content import packed
from xpbench.bench.report.page.page import render
from xpbench.bench.report.provenance import provenance
from xpbench.bench.report.records import records
from xpbench.bench.report.sheet import prepared
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.verdict import verdicts


def sentence(run: journal.Run, baseline: str | None = None) -> str:
    shown = prepared(records(summarise([run], baseline)))
    [said] = verdicts(shown, overall([run], baseline)).values()
    return said


def two_sizes(runs: Any, place: str, times: tuple[float, float], **changes: Any) -> list[Any]:
    sizes = [(("n", 512),), (("n", 1024),)]
    return [
        runs.forks(runs.case(place, size=size), time, **changes)
        for size, time in zip(sizes, times, strict=True)
    ]


def test_the_sentence_names_who_is_fastest_by_how_much_and_where(runs: Any) -> None:
    run = runs.store(*two_sizes(runs, "numpy", (1e-3, 2e-3)), *two_sizes(runs, "torch", (5e-4, 1e-3)))
    said = sentence(run)
    found = re.fullmatch(
        r"Over the 2 cases that all ran in float32, torch is 2\.0x faster than numpy "
        r"\(([\d.]+) to ([\d.]+)\); among the fastest of 2 rows are torch in 2; "
        r"all 4 results agree with their oracles\.",
        said,
    )
    assert found, said
    assert float(found[1]) < 2 < float(found[2])


def test_the_sentence_names_the_baseline_where_nobody_is_faster(runs: Any) -> None:
    run = runs.store(*two_sizes(runs, "numpy", (1e-3, 2e-3)), *two_sizes(runs, "torch", (3e-3, 6e-3)))
    assert "numpy takes the least time, and torch is 3.0x slower than numpy" in sentence(run)
    assert "torch is 3.0x faster than numpy" not in sentence(run)


def test_the_sentence_claims_nothing_that_the_forks_do_not_show(runs: Any) -> None:
    few = runs.store(
        *two_sizes(runs, "numpy", (1e-3, 2e-3), count=2),
        *two_sizes(runs, "torch", (5e-4, 1e-3), count=2),
    )
    assert "too few forks for an interval" in sentence(few)
    assert "fastest of" not in sentence(few)
    equal = runs.store(*two_sizes(runs, "numpy", (1e-3, 2e-3)), *two_sizes(runs, "torch", (1e-3, 2e-3)))
    assert "torch is as fast as numpy" in sentence(equal)


def test_the_sentence_says_whose_results_are_wrong(runs: Any) -> None:
    right, wrong = runs.forks(runs.case()), runs.forks(runs.case("jax"), status="wrong")
    assert sentence(runs.store(right, wrong)).endswith("1 of 2 results are WRONG (jax 1).")
    assert sentence(runs.store(unmeasured=[runs.case()])) == (
        "0 of 1 cases were timed; no result was held against an oracle."
    )


def test_the_facts_of_a_run_say_what_was_in_force_and_how_quiet_it_was(runs: Any) -> None:
    told = {"threads": 1, "matmul_precision": "highest", "anchor_compute_s": 1e-3}
    forks = runs.forks(runs.case("torch"), in_force=told)
    busy = runs.forks(runs.case("numpy"), others=0.4)
    facts = {fact.name: fact for fact in provenance(runs.store(forks, busy, unusable={"jax": "no jax"}))}
    assert facts["in force: torch"].text == "threads 1, matmul_precision highest"
    assert facts["disturbed by other work"].text == "5 of 10 (50%)"
    assert facts["processor"].text == "A Processor, 2 cores"
    assert facts["jax (not usable)"].text == "no jax"
    assert facts["in force: torch"].topic == "fairness"


def test_a_fact_of_several_processes_tells_each_of_their_settings(runs: Any) -> None:
    forks = [
        *runs.forks(runs.case(), count=1, in_force={"threads": 1}),
        *[m for m in runs.forks(runs.case(), count=2, in_force={"threads": 2}) if m.fork == 1],
    ]
    facts = {fact.name: fact.text for fact in provenance(runs.store(forks))}
    assert facts["in force: numpy"] == "threads 1 / threads 2"


@given(
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.text("ab")))
)
def test_packed_columns_hold_the_values_and_their_types(values: list[Any]) -> None:
    column = json.loads(json.dumps(packed(values)))
    unpacked = column["all"] if "all" in column else [column["of"][at] for at in column["at"]]
    assert [(type(v), v) for v in unpacked] == [(type(v), v) for v in values]


def data_of(page: str) -> dict[str, Any]:
    [text] = re.findall(r'id="data">([A-Za-z0-9+/=]*)</script>', page)
    return dict(json.loads(gzip.decompress(base64.b64decode(text))))


def test_the_page_is_the_same_for_the_same_run_and_names_no_other_file(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()), runs.forks(runs.case("torch")))
    page = render([run])
    assert page == render([journal.read(run.path)])
    assert not re.search(
        r'(src|href)="(?!#|data:|https://d3js\.org"|https://observablehq\.com/plot")', page
    )
    assert "default-src 'none'" in page
    assert data_of(page)["count"] == 2


def test_a_run_without_the_text_of_its_kernels_shows_that_of_the_installed_ones(runs: Any) -> None:
    told = data_of(render([runs.store(runs.forks(runs.case()))]))["kernels"]["matmul"]
    assert told["as_installed"]
    assert told["source"].startswith("def matmul(")
    kept = runs.store(runs.forks(runs.case()))
    kept.header["kernels"]["matmul"]["source"] = "def matmul(xp, a, b): ..."
    told = data_of(render([kept]))["kernels"]["matmul"]
    assert (told["source"], told["as_installed"]) == ("def matmul(xp, a, b): ...", False)


def test_a_kernel_of_two_texts_is_marked(runs: Any) -> None:
    stored = [runs.store(runs.forks(runs.case()), name=name) for name in ("before", "after")]
    for run, text in zip(stored, ("return a @ b", "return b @ a"), strict=True):
        run.header["kernels"]["matmul"]["source"] = text
    assert data_of(render(stored))["kernels"]["matmul"]["several_texts"]


def test_report_writes_one_file_and_tells_its_size(
    runs: Any, xpbench: Callable[..., Any], tmp_path: Path
) -> None:
    run = runs.store(runs.forks(runs.case()), runs.forks(runs.case("torch")))
    done = xpbench("report", run.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("report.html: 0.")
    assert (tmp_path / "report.html").read_text() == render([journal.read(run.path)])
    assert xpbench("report", run.path).returncode == 0, "a page of ours may be written anew"
    written = package.report(run.path, out=tmp_path / "by_python.html")
    assert written.read_text() == (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "no run at nowhere"),
        (["RUN", "-o", "."], "-o . is a folder: name a file in it, e.g. report.html"),
        (["RUN", "-o", "page.pdf"], "-o page.pdf: expected a name that ends in .html"),
        (["RUN", "-o", "-"], "-o -: expected a name that ends in .html"),
        (["RUN", "-o", "mine.html"], "mine.html exists and is no page of xpbench"),
        (["RUN", "-o", "pipe.html"], "-o pipe.html is no file, but a pipe or a device: name a file"),
        (["RUN", "-o", "no/where.html"], "no cannot be written: No such file or directory"),
        (["RUN", "--baseline", "abacus"], "baseline 'abacus': expected one of numpy@cpu"),
    ],
)
def test_report_refuses_in_a_line_and_loses_nothing(
    runs: Any, typed: Callable[..., Any], tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    run = runs.store(runs.forks(runs.case()))
    (tmp_path / "mine.html").write_text("<p>my own</p>")
    os.mkfifo(tmp_path / "pipe.html")
    done = typed("report", *[str(run.path) if a == "RUN" else a for a in arguments])
    assert done.returncode == 2
    assert done.stdout == ""
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "mine.html").read_text() == "<p>my own</p>"


def test_a_full_disk_below_the_answer_promises_no_run_to_resume(runs: Any) -> None:
    run = runs.store(runs.forks(runs.case()))
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "xpbench", "check", str(run.path)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "--resume" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", [">&-", pytest.param("2>&-", marks=pytest.mark.slow), ">&- 2>&- <&-"])
def test_closed_streams_cost_neither_the_page_nor_the_exit_code(
    runs: Any, tmp_path: Path, closed: str
) -> None:
    run = runs.store(runs.forks(runs.case()))
    line = f'"{sys.executable}" -m xpbench table "{run.path}" {closed} && '
    line += f'"{sys.executable}" -m xpbench report "{run.path}" -o page.html {closed}'
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "page.html").read_text() == render([journal.read(run.path)])


def test_a_damaged_line_is_told_on_the_page_and_by_the_command(
    runs: Any, typed: Callable[..., Any], tmp_path: Path
) -> None:
    run = runs.store(runs.forks(runs.case()))
    with (run.path / "journal.jsonl").open("a") as file:
        file.write('{"torn')
    done = typed("report", run.path)
    assert done.returncode == 0
    assert "not whole JSON" in done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "1 line of its files could not be read" in page
    assert str(run.path.parent) not in page, "a page that is sent to others names no folder of ours"


@pytest.mark.slow
def test_the_page_grows_by_so_many_bytes_a_case_however_many_there_are() -> None:
    """As the README states: its size beyond a fixed part is that of its cases."""
    root = Path(__file__).parents[2]
    suite = root / "results" / "published" / "xeon-2cpu-suite"
    if not suite.is_dir():
        pytest.skip("the published runs come with a clone and not with the package")
    command = [sys.executable, root / "benchmarks" / "page.py", suite, "--no-browser"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    *_, before, last = map(float, re.findall(r"^(\d+) bytes a case", printed, re.MULTILINE))
    assert last == pytest.approx(before, rel=0.1)
    assert last < 400
