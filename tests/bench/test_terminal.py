"""What a run looks like where it is watched, logged, piped, and interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pseudo_terminal import Terminal

COMMAND = [sys.executable, "-m", "xpbench"]
NUMPY = ["--backend", "numpy", "--no-roofs"]
SMOKE = [*NUMPY, "--preset", "smoke", "--size", "small"]
LONG = [*NUMPY, "--backend", "array-api-strict", "--size", "small", "--forks", "2", "--time", "0.6"]
"""Some four seconds: long enough to be looked at."""
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")

Watch = Callable[..., Terminal]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """The command on a terminal, in an empty folder of its own."""

    def watched(
        *arguments: str | Path, columns: int = 80, rows: int = 24, **environment: str
    ) -> Terminal:
        return Terminal([*COMMAND, *map(str, arguments)], tmp_path, columns, rows, environment)

    return watched


def is_live(terminal: Terminal) -> bool:
    return " so far" in terminal.text


def warnings_alone(errors: str) -> bool:
    """Whether nothing else was said: a busy machine may be warned of."""
    return all(line.startswith("warning: ") for line in errors.splitlines())


def test_a_run_shows_each_backend_and_the_time_left_and_then_the_table_alone(
    watch: Watch, write_kernel
) -> None:
    with watch("run", write_kernel("watched"), *LONG, "--out", "r") as terminal:
        terminal.wait_for(lambda: "/array-api-strict@cpu" in terminal.text and " left" in terminal.text)
        lines = terminal.text.splitlines()
        assert re.search(r"^. numpy  +[█░]+  [0-2] of 2", terminal.text, re.M), terminal.text
        assert re.search(r"^▸ array-api-strict  [█░]+  [0-2] of 2", terminal.text, re.M), terminal.text
        assert "measuring, fork " in terminal.text
        assert "watched[n=8]/array-api-strict@cpu/float32" in lines[-2]
        assert re.fullmatch(r"[0-4] of 4 · \d+ s so far · about \d+ s left", lines[-1])
        terminal.resize(40, 20)
        terminal.wait_for(lambda: re.search("^. numpy .*of 2$", terminal.text, re.M) is not None)
        assert len(re.findall("^. (?:numpy|array-api-strict) ", terminal.text, re.M)) == 2, terminal.text
        terminal.resize(80, 24)
        assert terminal.end() == 0, terminal.whole
    said = terminal.whole
    assert " so far" not in said
    assert "░" not in said
    assert said.index("watched") < said.index("Run: r") < said.index("time went to")
    assert "xpbench table r" in said
    assert b"\x1b[?25l" not in terminal.raw, "a cursor that is never hidden is there whatever happens"


def test_under_no_color_a_narrow_view_has_no_colour_and_the_table_no_codes_at_all(
    watch: Watch, write_kernel
) -> None:
    path = write_kernel("plainly")
    with watch("run", path, *SMOKE, "--out", "r", columns=40, rows=20, NO_COLOR="1") as terminal:
        assert terminal.end() == 0, terminal.whole
    assert b" so far" in terminal.raw
    assert not COLOUR.search(terminal.raw)
    after = terminal.raw.rpartition(b"\x1b[J")[2]
    assert b"plainly" in after
    assert b"\x1b" not in after
    table = terminal.whole.partition("Run: ")[0]
    assert "plainly" in table
    with watch("table", "r", columns=40) as coloured:
        assert coloured.end() == 0
    assert COLOUR.search(coloured.raw) or b"\x1b[1m" in coloured.raw
    with watch("table", "r", columns=40, NO_COLOR="") as empty:
        assert empty.end() == 0
    assert empty.raw == coloured.raw, "an empty NO_COLOR is none"


def test_a_dumb_terminal_gets_no_codes(watch: Watch, write_kernel) -> None:
    with watch("run", write_kernel("dumbly"), *SMOKE, "--out", "r", TERM="dumb") as terminal:
        assert terminal.end() == 0, terminal.whole
    assert b"\x1b" not in terminal.raw
    assert "dumbly" in terminal.text
    assert "Run: r" in terminal.text


def test_ctrl_c_leaves_a_clean_screen_the_table_and_the_way_to_go_on(watch: Watch, write_kernel) -> None:
    kernels = [write_kernel("first"), write_kernel("second")]
    with watch("run", *kernels, *LONG, "--time", "30", "--out", "r") as terminal:
        terminal.wait_for(lambda: is_live(terminal) and "@cpu/float32" in terminal.text)
        terminal.type("\x03")
        assert terminal.end() == 130, terminal.whole
    assert " so far" not in terminal.whole
    assert "░" not in terminal.whole
    assert "^C" not in terminal.whole
    assert "Traceback" not in terminal.whole
    assert "  xpbench run --resume r" in terminal.text.splitlines()
    assert not terminal.screen.cursor.hidden


def test_without_a_terminal_nothing_moves_a_cursor(xpbench, write_kernel) -> None:
    run = xpbench("run", write_kernel("logged"), *SMOKE, "--out", "r")
    assert run.returncode == 0, run.stderr
    assert not set("\x1b\r") & set(run.stdout + run.stderr)
    assert "results go to r" in run.stderr
    end = run.stdout.splitlines()[-4:]
    assert [line.split("xpbench")[-1].strip() for line in end] == [
        "Run: r",
        "table r",
        "report r",
        "compare r OTHER",
    ]


def test_a_quiet_run_prints_its_table_and_nothing_else(xpbench, write_kernel) -> None:
    run = xpbench("run", write_kernel("hushed"), *SMOKE, "--out", "r", "--quiet")
    assert run.returncode == 0, run.stderr
    assert run.stdout == xpbench("table", "r").stdout
    assert warnings_alone(run.stderr), run.stderr


def test_a_run_for_scripts_prints_the_json_of_its_table_and_nothing_else(xpbench, write_kernel) -> None:
    run = xpbench("run", write_kernel("scripted"), *SMOKE, "--out", "r", "--json")
    assert run.returncode == 0, run.stderr
    assert run.stdout == xpbench("table", "r", "--format", "json").stdout
    assert [record["kernel"] for record in json.loads(run.stdout)] == ["scripted"]
    assert "Run: r" in run.stderr


def test_where_nothing_could_be_measured_scripts_are_told_why(xpbench, write_kernel) -> None:
    broken = write_kernel("broken", "raise ValueError('nope')")
    run = xpbench("run", broken, *SMOKE, "--json", "--quiet")
    assert run.returncode == 3
    [record] = json.loads(run.stdout)
    assert (record["status"], record["reason"]) == ("failed", "ValueError: nope")


def test_an_interrupted_run_for_scripts_prints_the_json_of_what_was_measured(
    write_kernel, tmp_path: Path
) -> None:
    options = [*NUMPY, "--forks", "20", "--time", "0.5", "--out", "r", "--json", "--quiet"]
    arguments = ["run", write_kernel("stopped"), *options]
    journal = tmp_path / "r" / "journal.jsonl"
    run = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while run.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 130, errors
    assert "ok" in {record["status"] for record in json.loads(output)}
    assert "xpbench run --resume r" in errors


def test_whoever_reads_the_table_may_stop_early(write_kernel, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    arguments = ["run", write_kernel("unread"), *SMOKE, "--out", "r"]
    run = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    assert run.returncode == 0, run.stderr
    assert "time went to" in run.stderr
    assert not re.search("Traceback|Exception|Broken pipe", run.stderr)


def test_a_quiet_verification_says_nothing_beside_its_table(xpbench, write_kernel) -> None:
    arguments = ["verify", write_kernel("checked"), "--backend", "numpy", "--size", "small"]
    answer = xpbench(*arguments, "--quiet", "--json")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    json.loads(answer.stdout)
