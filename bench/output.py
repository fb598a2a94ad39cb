"""Where a command's answer goes: a terminal, a pipe or a file."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.bench.exceptions import XpbenchError

if TYPE_CHECKING:
    from xpbench.bench.journal import Run
    from xpbench.bench.preparation import Plan
    from xpbench.bench.report.overall import Overall
    from xpbench.bench.report.sheet import Part


def announce(prepared: "Plan") -> None:
    """What is about to be measured, what cannot be, and how long it will take, on standard error."""
    from xpbench.bench.progress import words

    for fault in prepared.registry.faults:
        print(f"xpbench: {fault}", file=sys.stderr)
    for name, reason in prepared.unusable.items():
        print(f"xpbench: {name} is not usable here: {reason}", file=sys.stderr)
    cases, forks = len(prepared.runnable), prepared.settings.forks
    counted = (
        f"{cases} {'case' if cases == 1 else 'cases'}, {forks} {'fork' if forks == 1 else 'forks'} each"
    )
    threads = prepared.settings.threads
    print(f"{counted}, about {words(prepared.seconds)} on {threads} threads", file=sys.stderr)


def warn_of_noise() -> None:
    """What a run should not be started beside, on standard error; nothing on a quiet machine."""
    from xpbench.bench import noise

    for warning in noise.warnings(noise.probe()):
        print(f"warning: {warning} (`xpbench doctor` says more)", file=sys.stderr)


def print_tables(
    frame: Any, metric: str, overall: "Sequence[Overall]" = (), closing: "Sequence[Part]" = ()
) -> None:
    """The comparison of ``frame`` on standard output, as wide as that is, and the parts ``closing``.

    ``overall`` holds the figures over all cases of the same runs.
    """
    from xpbench.bench.report.table import render

    console = console_of_output()
    console.print(
        render(frame, "rich", metric=metric, width=console.width, overall=overall, closing=closing)
    )


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
    columns = os.environ.get("COLUMNS", "")
    width = max(40, int(columns)) if re.fullmatch("[0-9]{1,5}", columns) else 80
    return Console() if sys.stdout.isatty() else Console(width=width)


def write(text: str | bytes, out: Path | None) -> None:
    """``text`` to the file ``out``, or to standard output.

    Raises
    ------
    XpbenchError
        If the file cannot be written, or bytes would go to a terminal.
    """
    if out is None and isinstance(text, str):
        print(text, end="" if text.endswith("\n") else "\n")
    elif out is None:
        if sys.stdout.isatty():
            raise XpbenchError("this format is binary: name a file with -o")
        sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)
    else:
        try:
            out.write_bytes(text.encode() if isinstance(text, str) else text)
        except OSError as error:
            raise XpbenchError(f"{out} cannot be written: {error.strerror}") from error
