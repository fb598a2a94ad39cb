"""A stranger's run does no harm: nothing of it is run, nothing outside is read, nothing raises."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stored_run import Stored, told
from xpbench.bench import journal, log
from xpbench.bench.checking import contents, private
from xpbench.bench.checking.check import UNFORESEEN, check
from xpbench.bench.checking.finding import ERROR, WARNING
from xpbench.bench.exceptions import XpbenchError


def test_only_files_of_a_run_belong_into_its_folder(stored_run: Stored, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("/home/ann is what stands here\n")
    (stored_run.path / "setup.py").write_text("raise SystemExit('run')\n")
    (stored_run.path / "sub").mkdir()
    (stored_run.path / "notes.md").symlink_to(outside)
    os.mkfifo(stored_run.path / "cards.jsonl")
    found = told(stored_run.check(), ERROR)
    assert "is not a file of a run: take it out ('setup.py',)" in found
    assert "is a folder" in found
    assert "is a link; a run holds plain files alone" in found
    assert "is neither a file nor a folder" in found
    assert "/home/ann" not in found, "nothing outside of the folder is read"


@pytest.mark.parametrize("name", ["run.json", "journal.jsonl"])
def test_no_link_is_followed(stored_run: Stored, tmp_path: Path, name: str) -> None:
    moved = (stored_run.path / name).rename(tmp_path / name)
    (stored_run.path / name).symlink_to(moved)
    if name == "run.json":
        with pytest.raises(XpbenchError, match="not a file of its own"):
            stored_run.check()
    else:
        found = stored_run.check()
        assert not found.fit()
        assert found.measurements == 0


def test_a_link_to_a_folder_is_no_run(stored_run: Stored, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(stored_run.path)
    with pytest.raises(XpbenchError, match="is a link, which is not followed"):
        check(tmp_path / "link")


def test_a_packed_journal_is_read_and_a_large_one_is_to_be_packed(
    stored_run: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = stored_run.path / "journal.jsonl"
    monkeypatch.setattr(contents, "MOST_PLAIN", plain.stat().st_size - 1)
    assert f"gzip -9n {plain}" in told(stored_run.check(), WARNING)
    (stored_run.path / "journal.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert "stands beside journal.jsonl.gz" in told(stored_run.check(), WARNING)
    plain.unlink()
    found = stored_run.check()
    assert found.fit(), told(found)
    assert found.measurements == 36


@pytest.mark.slow
def test_what_unpacks_to_more_than_any_run_is_not_read_on(
    stored_run: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(b"3\n" * 2**21)
    (stored_run.path / "journal.jsonl").unlink()
    (stored_run.path / "journal.jsonl.gz").write_bytes(bomb)
    assert "has more than 200000 lines, and is not read on" in told(stored_run.check(), ERROR)
    monkeypatch.setattr(contents, "MOST_LINES", 2**21)
    monkeypatch.setattr(contents, "MOST_BYTES", 2**21)
    assert "holds more than 2.00 MiB, and is not read on" in told(stored_run.check(), ERROR)
    monkeypatch.setattr(log, "MOST_UNPACKED", 2**21)
    with pytest.raises(XpbenchError, match="unpacks to more than 2097152 bytes"):
        journal.read(stored_run.path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"case": {"kernel', "is torn, or no line of a run"),
        (b"[" * 100_000, "is torn, or no line of a run"),
        (b'{"a": NaN}', "is torn, or no line of a run"),
        (b"\xff\xfe", "is torn, or no line of a run"),
        (b"3", "is malformed, and left out"),
        (b'{"case": 3, "fork": 0, "status": "ok"}', "is malformed, and left out"),
        (b'{"reason": "' + b"a" * (contents.MOST_LINE + 1) + b'"}', "has a line longer than 4.00 MiB"),
        (b'{"reason": "' + b"a" * (private.LONGEST_TEXT + 1) + b'"}', "a text longer than any of a run"),
    ],
)
def test_a_line_that_is_none_is_told(stored_run: Stored, line: bytes, says: str) -> None:
    with (stored_run.path / "journal.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert says in told(stored_run.check(), ERROR)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a run, it holds no run.json"),
        (b"", "is not whole JSON"),
        (b"[]", "has no schema number"),
        (b'{"schema": true}', "has no schema number"),
        (b'{"schema": 99}', "was written by a newer xpbench"),
        (b" " * (contents.MOST_HEADER + 1), "is larger than 8.00 MiB"),
    ],
)
def test_what_is_no_run_is_one_clear_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    (tmp_path / "it").mkdir()
    if content is not None:
        (tmp_path / "it" / "run.json").write_bytes(content)
    with pytest.raises(XpbenchError, match=message):
        check(tmp_path / "it")


def test_a_plan_beyond_reason_is_not_worked_through(stored_run: Stored) -> None:
    header = stored_run.header
    case = header["cases"][0]
    header["settings"].update(forks=10**18, looks=10**6)
    header["cases"] += [{**case, "backend": f"b{number}"} for number in range(200)]
    stored_run.write_header(header)
    found = told(stored_run.check(), ERROR)
    assert "must be a whole number from 1 to 1000" in found
    assert "has rows of more than 100 backends" in found


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["inf", "nan", "9" * 400, "\ud800", "xpbench/../../x.py", "cuda", "bfloat16"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def spoil(value: Any, data: st.DataObject) -> Any:
    """``value`` with something in it, at any depth, taken out or replaced."""
    if isinstance(value, dict | list) and value and data.draw(st.integers(0, 5)):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = data.draw(st.sampled_from(keys))
        changed: Any = value.copy()
        if data.draw(st.integers(0, 7)) == 0:
            del changed[key]
        else:
            changed[key] = spoil(value[key], data)
        return changed
    return data.draw(VALUES)


def survives(whole_run: Path, folder: Path, data: st.DataObject) -> None:
    header = json.loads((whole_run / "run.json").read_text())
    lines = (whole_run / "journal.jsonl").read_text().splitlines()[:12]
    roofs = (whole_run / "roofs.jsonl").read_text().splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        which = data.draw(st.sampled_from(["header", "header", "journal", "roofs"]))
        if which == "header":
            header = spoil(header, data)
        else:
            of = lines if which == "journal" else roofs
            index = data.draw(st.integers(0, len(of) - 1))
            of[index] = json.dumps(spoil(json.loads(of[index]), data))
    (folder / "run.json").write_text(json.dumps(header))
    (folder / "journal.jsonl").write_text("\n".join(lines))
    (folder / "roofs.jsonl").write_text("\n".join(roofs))
    try:
        found = check(folder, ())
    except XpbenchError:
        return
    assert UNFORESEEN not in told(found), told(found)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_malformed_run_raises(whole_run: Path, tmp_path: Path, data: st.DataObject) -> None:
    survives(whole_run, tmp_path, data)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_malformed_run_raises_in_many_ways(
    whole_run: Path, tmp_path: Path, data: st.DataObject
) -> None:
    survives(whole_run, tmp_path, data)
