"""Where a command's answer goes: a terminal, a pipe or a file."""

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.visible import visible

if TYPE_CHECKING:
    from xpbench.bench.journal import Run
    from xpbench.bench.preparation import Plan
    from xpbench.bench.report.overall import Overall
    from xpbench.bench.report.sheet import Part


MOST_DAMAGE = 10
LONGEST_WORD = 500


def announce(prepared: "Plan", quiet: bool = False) -> None:
    """What cannot be measured and, unless ``quiet``, what is about to be and how long it will take, on
    standard error."""
    for fault in prepared.registry.faults:
        tell(f"xpbench: {fault}")
    for name, reason in prepared.unusable.items():
        tell(f"xpbench: {name} is not usable here: {reason}")
    if quiet:
        return
    from xpbench.bench.forecast import words

    cases, forks = len(prepared.runnable), prepared.settings.forks
    counted = (
        f"{cases} {'case' if cases == 1 else 'cases'}, {forks} {'fork' if forks == 1 else 'forks'} each"
    )
    tell(f"{counted}, about {words(prepared.seconds)} on {prepared.settings.threads} threads")


def warn_of_noise() -> None:
    """What a run should not be started beside, on standard error; nothing on a quiet machine."""
    from xpbench.bench import noise

    for warning in noise.warnings(noise.probe()):
        tell(f"warning: {warning} (`xpbench doctor` says more)")


def print_tables(
    frame: Any, metric: str, overall: "Sequence[Overall]" = (), closing: "Sequence[Part]" = ()
) -> None:
    """The comparison of ``frame`` on standard output, as wide as that is, and the parts ``closing``.

    ``overall`` holds the figures over all cases of the same runs.
    """
    from xpbench.bench.report.table import render

    console = console_of_output()
    with console.capture() as captured:
        console.print(
            render(frame, "rich", metric=metric, width=console.width, overall=overall, closing=closing)
        )
    say(captured.get().removesuffix("\n"))


def write_scaling(runs: "Sequence[Run]", form: str, out: Path | None) -> None:
    """How times grow with sizes in ``runs``, to the file ``out`` or to standard output."""
    from xpbench.bench.report.table import render_scaling

    if form == "rich" and out is None:
        console = console_of_output()
        console.print(render_scaling(runs, form, console.width))
    else:
        write(render_scaling(runs, "plain" if form == "rich" else form), out)


def console_of_output() -> Any:
    """A rich console on standard output."""
    from rich.console import Console

    # A pipe has no width of its own; 80 columns is what a reader of the file can count on.
    width, height = terminal_size(sys.stdout) if sys.stdout.isatty() else (80, 25)
    columns = os.environ.get("COLUMNS", "")
    width = max(40, int(columns)) if re.fullmatch("[0-9]{1,5}", columns) else width
    return Console(width=width, height=height, color_system=color_system())


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal, or of the usual one where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        columns, rows = os.get_terminal_size(stream.fileno())
        if columns and rows:
            return columns, rows
    return 80, 24


def color_system() -> Literal["auto"] | None:
    """What makes rich write in colour where it can, and plain text under https://no-color.org."""
    return None if os.environ.get("NO_COLOR") else "auto"


def say(text: str) -> None:
    """``text`` as lines of standard output."""
    _print(text, sys.stdout)


def tell(text: str) -> None:
    """``text`` as a line of standard error, or as several where that is a terminal and narrower. Part of
    it may be what a library or a kernel said: nothing in it acts on the terminal."""
    text = "\n".join(map(visible, text.split("\n")))
    if sys.stderr.isatty():
        text = wrapped(text, terminal_size(sys.stderr)[0] - 1)
    _print(text, sys.stderr)


def tell_damage(runs: "Sequence[Run]") -> None:
    """What of stored runs was left out, on standard error; of much the first, and how much more."""
    damaged = [damage for run in runs for damage in run.damaged]
    for damage in damaged[:MOST_DAMAGE]:
        tell(f"xpbench: {damage}")
    if len(damaged) > MOST_DAMAGE:
        tell(f"xpbench: {len(damaged) - MOST_DAMAGE} more are left out (`xpbench check` tells why)")


def shortened(text: str) -> str:
    """``text`` without the middle of words that nobody reads to their end."""
    return re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:100]}...{word[0][-40:]}", text)


def wrapped(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` characters, broken between words and in no command, which
    stands in backticks or is indented."""
    whole = re.sub("`[^`]*`", lambda command: command[0].replace(" ", "\0"), text)
    lines = (
        line
        if line.startswith("  ")
        else textwrap.fill(line, max(20, width), break_long_words=False, break_on_hyphens=False)
        for line in whole.split("\n")
    )
    return "\n".join(lines).replace("\0", " ")


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        # Who reads has seen enough, as ``head`` does: the rest goes nowhere, and the exit code stays.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write(text: str | bytes, out: Path | None) -> None:
    """``text`` to the file ``out``, or to standard output.

    Raises
    ------
    XpbenchError
        If the file cannot be written, or bytes would go to a terminal.
    """
    if out is None and isinstance(text, str):
        say(text.removesuffix("\n"))
    elif out is None:
        if sys.stdout.isatty():
            raise XpbenchError("this format is binary: name a file with -o")
        sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)
    else:
        try:
            out.write_bytes(text.encode() if isinstance(text, str) else text)
        except OSError as error:
            raise XpbenchError(f"{out} cannot be written: {error.strerror}") from error
