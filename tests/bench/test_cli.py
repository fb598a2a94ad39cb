"""The command says what went wrong in one line, with the exit code of the contract."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COLUMNS = [
    "run",
    "machine",
    "kernel",
    "chapter",
    "size",
    "backend",
    "device",
    "dtype",
    "compute_dtype",
    "threads",
    "precision",
    "cache",
    "status",
    "reason",
    "forks",
    "disturbed",
    "time_s",
    "time_low_s",
    "time_high_s",
    "time_level",
    "spread",
    "throughput_s",
    "device_s",
    "kernel_s",
    "transfer_s",
    "first_call_s",
    "compile_s",
    "energy_j",
    "ratio",
    "ratio_low",
    "ratio_high",
    "verdict",
    "fastest",
    "flops",
    "traffic_bytes",
    "roof_fraction",
    "bound",
    "peak_bytes",
    "error",
    "error_limit",
    "error_name",
    "error_unit",
    "agrees",
]


def one_line(text: str) -> str:
    assert "Traceback" not in text, text
    lines = [line for line in text.splitlines() if line.startswith("xpbench: ")]
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "matmull"], "unknown kernel 'matmull': did you mean matmul"),
        (["run", "--backend", "trch"], "unknown backend 'trch': did you mean torch"),
        (["run", "--dtype", "float8"], "unknown dtype 'float8'"),
        (["run", "--size", "n=-1"], "expected NAME=POSITIVE INTEGER"),
        (["run", "--size", "vast"], "no kernel chosen has the size 'vast'"),
        (["run", "--size", "small", "--size", "larg"], "the size 'larg': did you mean large?"),
        (["run", "matmul", "--chapter", "optimization"], "none of the kernels named is in the chapter"),
        (["run", "--baseline", "torch", "--backend", "numpy"], "--baseline 'torch' is not measured"),
        (["run", "--chapter", "alchemy"], "unknown chapter 'alchemy'"),
        (["run", "--preset", "quick"], "unknown preset 'quick'"),
        (["run", "--precision", "half"], "--precision 'half': expected one of ieee, tf32, native"),
        (["run", "--forks", "0"], "--forks 0: expected a whole number from 1 to 1000"),
        (["run", "--time", "-1"], "--time -1: expected a number of seconds"),
        (["run", "--time", "nan"], "--time nan: expected a number of seconds"),
        (["run", "--threads", "0"], "--threads 0: expected a whole number from 1"),
        (["run", "--cpus", "x"], "--cpus 'x': expected numbers and ranges"),
        (["run", "--cpus", "4096"], "--cpus '4096': this machine lets us use"),
        (["run", "--baseline", "nunpy"], "unknown backend 'nunpy': did you mean numpy"),
        (["run", "absent.py"], "absent.py does not exist"),
        (["run", "matmul", "--resume", "x"], "matmul beside --resume: the kernels of a run stand"),
        (["run", "--resume", "absent"], "absent"),
        (["table", "absent"], "absent"),
        (["list", "kernels", "--chapter", "alchemy"], "unknown chapter 'alchemy'"),
        (["verify", "sdv"], "unknown kernel 'sdv': did you mean svd"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(typed, arguments: list[str], message: str) -> None:
    answer = typed(*arguments)
    assert answer.returncode == 2, answer.stderr
    assert message in one_line(answer.stderr)
    assert answer.stdout == ""


def test_a_kernel_file_that_raises_at_import_is_exit_code_2_with_its_line(
    xpbench, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text("x = 1\nraise RuntimeError('not today')\n")
    answer = xpbench("run", "bad.py")
    assert answer.returncode == 2
    assert "bad.py, line 2: RuntimeError: not today" in one_line(answer.stderr)


def test_a_device_that_no_backend_has_measures_nothing_exit_code_3(xpbench) -> None:
    answer = xpbench("run", "matmul", "--backend", "numpy", "--device", "cuda")
    assert answer.returncode == 3
    assert "no backend chosen has the device cuda (numpy: cpu)" in one_line(answer.stderr)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["verify"],
        ["table"],
        ["plot"],
        ["list"],
        ["list", "kernels"],
        ["larger"],
        ["scaling"],
        ["larger", "pca"],
    ],
)
def test_every_command_has_help_with_an_example(xpbench, command: list[str]) -> None:
    answer = xpbench(*command, "--help")
    assert answer.returncode == 0
    assert "Example: xpbench" in answer.stdout


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["list", "kernels"]])
def test_what_only_lists_imports_no_array_library_but_numpy(command: list[str]) -> None:
    code = (
        "import sys\nfrom xpbench.bench.cli import main\n"
        f"sys.argv = ['xpbench', *{command!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'jax', 'cupy', 'scipy', 'pandas', 'sklearn', 'array_api_strict'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().splitlines()[-1] == "[]"


def test_the_list_of_kernels_holds_the_contract(xpbench) -> None:
    kernels = json.loads(xpbench("list", "kernels", "--json").stdout)
    for kernel in kernels:
        assert {"kernel", "chapter", "title", "sizes", "file"} <= set(kernel)
        assert Path(kernel["file"]).is_file()
    assert kernels == json.loads(xpbench("list", "kernels", "--json").stdout)


def test_the_list_of_backends_tells_how_to_get_what_is_missing(xpbench) -> None:
    states = json.loads(xpbench("list", "backends", "--json").stdout)
    for state in states:
        assert {"backend", "usable", "reason", "devices", "versions"} <= set(state)
        assert state["usable"] == bool(state["devices"]) == (state["reason"] == "")
    assert {state["backend"]: state["usable"] for state in states}["numpy"]


def test_a_run_prints_its_table_and_every_format_renders_it(
    xpbench, typed, write_kernel, tmp_path: Path
) -> None:
    path = write_kernel("told")
    run = xpbench(
        "run", path, "matmul", "--backend", "numpy", "--size", "small", "--preset", "smoke", "--out", "r"
    )
    assert run.returncode == 0, run.stderr
    assert "told" in run.stdout
    assert "matmul" in run.stdout
    assert "0.000" not in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
    for form in ("rich", "md", "csv", "json", "latex"):
        answer = typed("table", "r", "--format", form)
        assert answer.returncode == 0, answer.stderr
        assert "told" in answer.stdout
    records = json.loads(typed("table", "r", "--format", "json").stdout)
    assert [list(record)[: len(COLUMNS)] for record in records] == [COLUMNS, COLUMNS]
    assert {record["status"] for record in records} == {"ok"}
    again = typed("run", path, "--backend", "numpy", "--out", "r")
    assert again.returncode == 2
    assert "--resume" in one_line(again.stderr)


def test_a_wrong_result_is_shown_as_wrong_and_exits_1(xpbench, write_kernel) -> None:
    answer = xpbench(
        "run", write_kernel("mistaken", "x = 3 * x"), "--backend", "numpy", "--preset", "smoke"
    )
    assert answer.returncode == 1, answer.stderr
    assert "wrong" in answer.stdout.lower()


def test_a_cell_that_cannot_run_is_a_word_and_strict_makes_it_exit_1(xpbench, write_kernel) -> None:
    broken = write_kernel("broken", "raise ValueError('nope')")
    arguments = ["run", broken, write_kernel("sound"), "--backend", "numpy", "--preset", "smoke"]
    lenient = xpbench(*arguments)
    assert lenient.returncode == 0, lenient.stderr
    assert "failed" in lenient.stdout
    assert "ValueError: nope" in lenient.stdout
    assert xpbench(*arguments, "--strict").returncode == 1


def test_nothing_measured_is_exit_code_3_with_the_reason(xpbench, write_kernel) -> None:
    broken = write_kernel("broken", "raise ValueError('nope')")
    answer = xpbench("run", broken, "--backend", "numpy", "--preset", "smoke")
    assert answer.returncode == 3
    assert "ValueError: nope" in one_line(answer.stderr)


def test_a_dry_run_prints_the_estimate_and_measures_nothing(xpbench, tmp_path: Path) -> None:
    answer = xpbench("run", "--dry-run", "--backend", "numpy")
    assert answer.returncode == 0
    assert "10 cases, 6 forks each, about" in answer.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_energy_is_kept_with_the_run_and_in_vain_without_a_card(
    xpbench, write_kernel, tmp_path: Path
) -> None:
    options = ["--backend", "numpy", "--preset", "smoke", "--energy", "--out", tmp_path / "run"]
    measured = xpbench("run", write_kernel(), *options)
    assert measured.returncode == 0, measured.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["energy"] is True
    assert "no case of this run is on one" in measured.stderr
    table = xpbench("table", tmp_path / "run", "--metric", "energy")
    assert "energy of a call, above idle" in table.stdout


def test_the_cases_listed_are_those_a_run_would_measure(xpbench) -> None:
    answer = xpbench(
        "list", "cases", "svd", "--backend", "numpy", "--size", "n=512", "--dtype", "float64"
    )
    assert answer.stdout.strip() == "svd[n=512]/numpy@cpu/float64"


def test_a_run_that_cannot_say_how_it_was_to_go_on_is_not_resumed(xpbench, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"schema": 1, "cases": []}')
    answer = xpbench("run", "--resume", "run")
    assert answer.returncode == 2
    assert "does not say how the run was to go on ('files')" in one_line(answer.stderr)


def test_json_of_a_dry_run_is_refused_with_what_prints_the_cases(xpbench) -> None:
    answer = xpbench("run", "--json", "--dry-run", "--backend", "numpy")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "`xpbench list cases --json` prints the cases" in one_line(answer.stderr)


def test_the_help_names_repeated_arguments_once(xpbench) -> None:
    assert "[KERNEL|FILE.py]...\n" in xpbench("run", "--help").stdout
    assert "{RUN}...\n" in xpbench("report", "--help").stdout
