"""Every option of every command, at the ends of its values and beyond: a line and no traceback."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from xpbench.bench import cli, journal, noise, probe, process, runner

COMMAND = typer.main.get_command(cli.app)
TEXTS = [
    "\udcff\udcfe",
    "",
    "../..",
    " ",
    "no\nsuch",
    "\x1b[31mred",
    "x" * 5000,
    "-",
    "--",
    "$(id)",
    "None",
]
NUMBERS = ["nan", "-1", "1e18", "0", "inf", "1e999", "", "1.5", "\u0663", "0x10", "99999999999999999999"]
QUICK = 1
"""So many of them are tried in every test run, the others in the slow ones."""
SLOW = {("ab",), ("crossover",), ("list", "backends")}
"""Commands that start a process a backend before they look at the rest."""
COUNTED = ("N", "SECONDS", "INCHES", "SHARE")
"""What stands in the help in the place of a number."""
SAID = 2000
"""Characters: no message of ours is longer, whatever it quotes."""


class Reached(Exception):
    """What was asked for is good, and would be measured now."""


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        inner = getattr(command, "commands", {})
        if not inner:
            yield words, command
        for name, sub in inner.items():
            yield from walk(sub, (*words, name))

    return walk(COMMAND, ())


def attempts() -> Iterator[Any]:
    """A command, an option of it and a value; of options without one the option alone."""
    for words, command in commands():
        for parameter in command.params:
            option = parameter.opts[0]
            if parameter.name == "help" or not option.startswith("-"):
                continue
            values: list[str | None] = [*(NUMBERS if parameter.metavar in COUNTED else TEXTS)]
            if getattr(parameter, "is_flag", False):
                values = [None]
            for number, value in enumerate(values):
                marks = pytest.mark.slow if number >= QUICK or words in SLOW else ()
                name = f"{' '.join(words)} {option} {value!a:.20}"
                yield pytest.param(words, option, value, id=name, marks=marks)


ask, answers = probe._ask, dict[Any, list[probe.State]]()


def remembered(found: Any, names: Sequence[str], python: str) -> list[probe.State]:
    """What a process says of the backends, asked for once: it is the same for every option."""
    question = (*names, *found.files, python)
    if question not in answers:
        answers[question] = ask(found, names, python)
    return answers[question]


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> Any:
    """The command as it is typed, in this process, up to where it would measure."""

    def measured(*_: Any, **__: Any) -> None:
        raise Reached

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "execute", measured)
    monkeypatch.setattr(runner, "interleave", measured)
    monkeypatch.setattr(noise, "probe", measured)
    monkeypatch.setattr(probe, "_ask", remembered)
    monkeypatch.setattr(process, "supervise", measured)
    np.save("data.npy", np.ones((4, 2)))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)

    def run(*arguments: str) -> tuple[int | None, str]:
        monkeypatch.setattr(sys, "argv", ["xpbench", *arguments])
        try:
            code: Any = cli.main()
        except Reached:
            code = None
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    return run


def base_of(words: tuple[str, ...], run: Path) -> list[str]:
    """What the command cannot do without."""
    stored = str(run)
    needed = {
        ("run",): ["matmul", "--backend", "numpy"],
        ("verify",): ["matmul", "--backend", "numpy"],
        ("list", "cases"): ["matmul", "--backend", "numpy"],
        ("table",): [stored],
        ("plot",): [stored, "-o", "x.svg"],
        ("report",): [stored],
        ("compare",): [stored, stored],
        ("ab",): [sys.executable, sys.executable, "matmul", "--backend", "numpy"],
        ("crossover",): ["matmul", "--backend", "numpy", "--backend", "array-api-strict"],
        ("doctor",): [],
        ("calibrate",): ["matmul", "--backend", "numpy"],
        ("check",): [stored],
        ("cost",): ["matmul", "--backend", "numpy"],
        ("scaling",): ["matmul"],
        ("larger", "pca"): ["data.npy", "--components", "1"],
        ("larger", "lstsq"): ["data.npy", "--target", "0"],
    }
    return needed.get(words, [])


@pytest.mark.parametrize(("words", "option", "value"), list(attempts()))
def test_no_value_of_an_option_is_met_with_a_traceback(
    entry: Any, runs: Any, words: tuple[str, ...], option: str, value: str | None
) -> None:
    run = runs.store(runs.forks(runs.case())).path
    typed = [option] if value is None else [option, value]
    code, said = entry(*words, *base_of(words, run), *typed)
    assert code in (None, 0, 1, 2, 3)
    assert "Traceback" not in said
    assert len(said) < SAID
    assert "\x1b" not in said
    if code == 2:
        assert said.strip()
    assert journal.read(run).measurements, "the run is as it was"
