"""Whatever stands in the files of a run: what is whole is read, and nothing but our own errors comes."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuzz_runs import Reader
from xpbench.bench import comparison, journal, log
from xpbench.bench.checking.check import check
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.measurement import Measurement
from xpbench.bench.report.overall import overall
from xpbench.bench.report.page.page import render as page
from xpbench.bench.report.provenance import provenance
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.table import METRICS, render, render_scaling
from xpbench.bench.sharding import Sharding

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**30), 2**63, 0, -1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["nan", "inf", "-inf", "1e999", "", " ", "ok", "wrong", "numpy", "x" * 500])
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""What JSON can hold."""
FORMS = ("rich", "md", "csv", "json", "latex")

QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SLOW = settings(QUICK, max_examples=1500)


@st.composite
def changed(draw: st.DrawFn, record: Any) -> Any:
    """``record`` with something else in one place, or without it, or with more there."""
    if isinstance(record, dict) and record and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(record)))
        way = draw(st.integers(0, 9))
        if way == 0:
            return {k: v for k, v in record.items() if k != key}
        if way == 1:
            return record | {draw(st.text(max_size=8)): draw(VALUES)}
        return record | {key: draw(changed(record[key]))}
    if isinstance(record, list) and record and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(record) - 1))
        return [*record[:index], draw(changed(record[index])), *record[index + 1 :]]
    return draw(VALUES)


@pytest.fixture
def stored(runs: Any) -> journal.Run:
    """A run of two backends, a third on several devices, and a wrong case, as the journal keeps it."""
    numpy, torch = runs.forks(runs.case()), runs.forks(runs.case("torch"), time=2e-3)
    wrong = runs.forks(runs.case("jax"), count=1, status="wrong", samples=(), errors={"e": (9.0, 1.0)})
    sharded = [
        runs.forks(runs.case("jax-sharded", **changes), count=6, sharding=sharding)
        for device, sharding, changes in (
            ("1xcpu", Sharding(1, ("replicated",), device_flops=1e6), {}),
            ("2xcpu", Sharding(2, ("shards",), gathered=True, device_flops=1e6), {}),
            ("2xcpu", None, {"size": (("n", 640),), "size_name": "small x2"}),
        )
    ]
    return runs.store(numpy, torch, wrong, *sharded)


def show_everything(folder: Path) -> None:
    """Reads a run and makes of it all that is made of runs; only errors of ours may come."""
    with contextlib.suppress(XpbenchError):
        run = journal.read(folder, rounds=False)
        frame = summarise([run])
        makers: list[Callable[[], Any]] = [
            *(lambda form=form: render(frame, form, overall=overall([run])) for form in FORMS),
            *(lambda metric=metric: render(frame, "md", metric=metric) for metric in METRICS),
            lambda: render_scaling([run], "md"),
            lambda: provenance(run),
            lambda: page([run]),
            lambda: comparison.compare(run, run),
        ]
        for make in makers:
            with contextlib.suppress(XpbenchError):
                make()


GARBAGE = st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"\r"))


@QUICK
@given(st.lists(GARBAGE, max_size=12), st.randoms())
@example([b"\xff\xfe", b"[" * 5000, b'{"case"', b"\x00" * 40, b"NaN", b'{"fork": 1e999}'], None)
def test_no_bytes_keep_a_whole_record_from_being_read(
    runs: Any, tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes], shuffle: Any
) -> None:
    whole = runs.forks(runs.case(), count=6)
    lines = [*garbage, *(log.sealed(record.to_json()) for record in whole)]
    if shuffle is not None:
        shuffle.shuffle(lines)
    folder = tmp_path_factory.mktemp("run") / "run"
    journal.create(folder, runs.header([whole[0].case]))
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines))
    run = journal.read(folder)
    assert {m.key: m for m in run.measurements} == {m.key: m for m in whole}
    assert len(run.damaged) == sum(bool(line.strip()) for line in garbage)


@QUICK
@given(st.data())
def test_a_change_of_any_byte_of_a_record_is_seen(runs: Any, data: st.DataObject) -> None:
    line = log.sealed(runs.forks(runs.case(), count=1)[0].to_json())
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != line[place] and b not in b" \t\r\n"))
    damaged = line[:place] + bytes([byte]) + line[place + 1 :]
    with pytest.raises(log.Damaged):
        log.opened(damaged, sealed=True)


@QUICK
@given(cut=st.integers(0, 2000))
def test_a_record_cut_anywhere_is_left_out(runs: Any, cut: int) -> None:
    line = log.sealed(runs.forks(runs.case(), count=1)[0].to_json())
    if cut < len(line):
        with pytest.raises(log.Damaged):
            log.opened(line[:cut], sealed=True)


def replace_record(folder: Path, number: int, record: Any) -> None:
    lines = (folder / "journal.jsonl").read_bytes().splitlines()
    lines[number] = (
        log.sealed(record) if isinstance(record, dict) and record else json.dumps(record).encode()
    )
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def check_record(stored: journal.Run, data: st.DataObject) -> None:
    lines = (stored.path / "journal.jsonl").read_bytes().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    replace_record(stored.path, number, data.draw(changed(log.opened(lines[number]))))
    try:
        show_everything(stored.path)
        check(stored.path, own=())
    finally:
        (stored.path / "journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def check_header(stored: journal.Run, data: st.DataObject) -> None:
    text = (stored.path / "run.json").read_text()
    (stored.path / "run.json").write_text(json.dumps(data.draw(changed(json.loads(text)))))
    try:
        show_everything(stored.path)
        with contextlib.suppress(XpbenchError):
            check(stored.path, own=())
    finally:
        (stored.path / "run.json").write_text(text)


@QUICK
@given(st.data())
def test_a_record_with_anything_in_it_is_shown_or_left_out(
    stored: journal.Run, data: st.DataObject
) -> None:
    check_record(stored, data)


@pytest.mark.slow
@SLOW
@given(st.data())
def test_many_records_with_anything_in_them(stored: journal.Run, data: st.DataObject) -> None:
    check_record(stored, data)


@QUICK
@given(st.data())
def test_a_header_with_anything_in_it_is_shown_or_refused(
    stored: journal.Run, data: st.DataObject
) -> None:
    check_header(stored, data)


@pytest.mark.slow
@SLOW
@given(st.data())
def test_many_headers_with_anything_in_them(stored: journal.Run, data: st.DataObject) -> None:
    check_header(stored, data)


@QUICK
@given(VALUES)
def test_a_value_is_a_measurement_or_an_error_of_ours(value: Any) -> None:
    with contextlib.suppress(XpbenchError):
        Measurement.from_json(value)


CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_the_fuzzer_found_is_read(stored: journal.Run, tmp_path: Path, path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    Reader(stored.path, tmp_path / "scratch").read(path.read_bytes())
