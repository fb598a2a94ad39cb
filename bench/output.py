"""Where a command's answer goes: a terminal, a pipe or a file."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from xpbench.bench.exceptions import XpbenchError


def print_tables(frame: Any, metric: str) -> None:
    """The comparison of ``frame`` on standard output, as wide as that is."""
    from xpbench.bench.report.table import render

    console = console_of_output()
    console.print(render(frame, "rich", metric=metric, width=console.width))


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
