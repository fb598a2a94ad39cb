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

from xpbench.bench import live
from xpbench.bench.forecast import Forecast
from xpbench.bench.output import color_system
from xpbench.bench.progress import Standing

pytest.importorskip("pyte", reason="what a terminal shows is read by pyte")

from pseudo_terminal import Terminal, Window

COMMAND = [sys.executable, "-m", "xpbench"]
NUMPY = ["--backend", "numpy", "--no-roofs"]
SMOKE = [*NUMPY, "--preset", "smoke", "--size", "small"]
LONG = [*NUMPY, "--backend", "array-api-strict", "--size", "small", "--forks", "1", "--time", "1"]
"""Long enough to be looked at."""
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, write_kernel_to) -> Path:
    """The folder of a run that is over: to resume it measures nothing more, and says all."""
    folder = tmp_path_factory.mktemp("finished")
    arguments = ["run", write_kernel_to(folder, "done_before"), *SMOKE, "--out", folder / "r"]
    subprocess.run([*COMMAND, *map(str, arguments)], check=True, capture_output=True)
    return folder / "r"


def go_on(finished: Path) -> list[str]:
    return ["run", str(finished.parent / "done_before_file.py"), "--resume", str(finished)]


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
        assert re.search(r"^. numpy  +[━─]+  [01] of 1", terminal.text, re.M), terminal.text
        assert re.search(r"^▸ array-api-strict  [━─]+  [01] of 1", terminal.text, re.M), terminal.text
        assert "measuring, fork " in terminal.text
        assert "watched[n=8]/array-api-strict@cpu/float32" in lines[-2]
        assert re.fullmatch(r"[0-2] of 2 · \d+ s so far · about \d+ s left", lines[-1])
        assert terminal.end() == 0, terminal.whole
    said = terminal.whole
    assert " so far" not in said
    assert "▸" not in said
    assert said.index("watched") < said.index("Run: r") < said.index("time went to")
    assert "xpbench table r" in said
    assert b"\x1b[?25l" not in terminal.raw, "a cursor that is never hidden is there whatever happens"


def test_the_view_stays_in_its_place_when_the_window_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REDRAW_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    names = ["numpy", "torch", "jax", *(f"backend-{index}" for index in range(9))]
    cases = {name: [f"gradient_descent[n=512,d=64]/{name}@cpu/float32"] for name in names}
    weights = {case: 1.0 for of_it in cases.values() for case in of_it}
    seen = Standing(cases, 2, Forecast(weights, range(2), 60.0))
    window = Window(80, 24)

    def is_shown_once() -> bool:
        return window.text.count("numpy") == window.text.count(" left") == 1

    with os.fdopen(window.theirs, "w", encoding="utf-8") as stream:
        view = live.Live(stream)
        for step, (columns, rows) in enumerate([(80, 24), (200, 50), (80, 24), (80, 8), (80, 24)]):
            window.resize(columns, rows)
            view.note(f"note {step}", seen)
            view.draw(seen)
            window.wait_for(lambda last=f"note {step}": last in window.text and is_shown_once(), 20)
        view.note("the last note", seen)
        view.close()
        window.wait_for(lambda: window.text.endswith("note 4\nthe last note"), 20)
    window.close()


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


@pytest.mark.parametrize(("value", "system"), [(None, "auto"), ("", "auto"), ("0", None), ("1", None)])
def test_no_color_counts_where_it_is_not_empty(
    monkeypatch: pytest.MonkeyPatch, value: str | None, system: str | None
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    assert color_system() == system


@pytest.mark.slow
def test_a_dumb_terminal_gets_no_codes(watch: Watch, finished: Path) -> None:
    with watch(*go_on(finished), TERM="dumb") as terminal:
        assert terminal.end() == 0, terminal.whole
    assert b"\x1b" not in terminal.raw
    assert "done_before" in terminal.text
    assert f"Run: {finished}" in terminal.whole.replace("\n", "")


def test_ctrl_c_leaves_a_clean_screen_the_table_and_the_way_to_go_on(watch: Watch, write_kernel) -> None:
    kernels = [write_kernel("first"), write_kernel("second")]
    with watch("run", *kernels, *LONG, "--time", "30", "--out", "r") as terminal:
        terminal.wait_for(lambda: is_live(terminal) and "@cpu/float32" in terminal.text)
        terminal.type("\x03")
        assert terminal.end() == 130, terminal.whole
    assert " so far" not in terminal.whole
    assert "▸" not in terminal.whole
    assert "^C" not in terminal.whole
    assert "Traceback" not in terminal.whole
    command = "  xpbench run first_file.py second_file.py --resume r"
    assert command in terminal.text.splitlines()
    assert not terminal.screen.cursor.hidden


def test_without_a_terminal_nothing_moves_a_cursor_and_commands_are_whole(xpbench, finished) -> None:
    run = xpbench(*go_on(finished))
    assert run.returncode == 0, run.stderr
    assert not set("\x1b\r") & set(run.stdout + run.stderr)
    assert f"results go to {finished}" in run.stderr.splitlines()
    end = [line for line in run.stdout.splitlines() if str(finished) in line]
    assert [line.partition("xpbench ")[2] or line for line in end] == [
        f"Run: {finished}",
        f"table {finished}",
        f"report {finished}",
        f"compare {finished} OTHER",
    ]


def test_a_quiet_run_prints_its_table_and_nothing_else(xpbench, finished) -> None:
    run = xpbench(*go_on(finished), "--quiet")
    assert run.returncode == 0, run.stderr
    assert run.stdout == xpbench("table", finished).stdout
    assert warnings_alone(run.stderr), run.stderr


def test_a_run_for_scripts_prints_the_json_of_its_table_and_nothing_else(xpbench, finished) -> None:
    run = xpbench(*go_on(finished), "--json")
    assert run.returncode == 0, run.stderr
    assert run.stdout == xpbench("table", finished, "--format", "json").stdout
    assert [record["kernel"] for record in json.loads(run.stdout)] == ["done_before"]
    assert f"Run: {finished}" in run.stderr


@pytest.mark.slow
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
    assert "xpbench run stopped_file.py --resume r" in errors


def test_whoever_reads_the_table_may_stop_early(finished: Path, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    run = subprocess.run(
        [*COMMAND, *go_on(finished)],
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


@pytest.mark.slow
def test_a_quiet_verification_says_nothing_beside_its_table(xpbench, write_kernel) -> None:
    arguments = ["verify", write_kernel("checked"), "--backend", "numpy", "--size", "small"]
    answer = xpbench(*arguments, "--quiet", "--json")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    json.loads(answer.stdout)
