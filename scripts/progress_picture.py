"""Draws what a terminal shows while a run is at work, from a real run.

    python scripts/progress_picture.py -o docs/progress.svg run matmul svd pca gradient_descent backprop

runs ``xpbench`` with these arguments on a terminal of 80 columns, in a folder that is deleted, and keeps
what is shown once half of the work is done.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.color import Color
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from pseudo_terminal import Terminal  # noqa: E402
from xpbench.bench.report.picture import drawn  # noqa: E402

SHARE = re.compile(r"^(\d+) of (\d+) · ", re.MULTILINE)
NAMES = {"brown": "yellow", "brightblack": "bright_black"}
"""What rich calls the colours that pyte calls so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True, help="the SVG to write")
    parser.add_argument("--at", type=float, default=0.5, help="the share of the work that is done then")
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="those of xpbench")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "xpbench", *options.arguments]
        with Terminal(command, Path(folder), options.columns, options.rows) as terminal:
            terminal.wait_for(lambda: _share(terminal) >= options.at and _is_at_a_case(terminal), 3600)
            lines = _lines(terminal)
            terminal.type("\x03")
            terminal.end()
    title = f"xpbench {options.arguments[0]}"
    options.out.write_text(drawn(Text("\n").join(lines), options.columns, title))
    print("\n".join(line.plain for line in lines))


def _share(terminal: Terminal) -> float:
    found = SHARE.search(terminal.text)
    return int(found[1]) / int(found[2]) if found else 0.0


def _is_at_a_case(terminal: Terminal) -> bool:
    return re.search(r"^\S+\]/\S+@\S+/\S+$", terminal.text, re.MULTILINE) is not None


def _lines(terminal: Terminal) -> list[Text]:
    """The lines of the view, at the first of which the cursor rests, in their colours."""
    screen = terminal.screen
    lines = []
    for row in range(screen.cursor.y, len(terminal.text.splitlines())):
        line = Text(no_wrap=True)
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            line.append(cell.data, _style(cell))
        line.rstrip()
        lines.append(line)
    return lines


def _style(cell: Any) -> Style:
    colour = None if cell.fg == "default" else Color.parse(NAMES.get(cell.fg, cell.fg))
    return Style(color=colour.name if colour else None, bold=cell.bold)


if __name__ == "__main__":
    main()
