"""What does a run look like on a terminal while it goes on?"""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from xpbench.bench.forecast import words
from xpbench.bench.output import color_system, terminal_size, wrapped
from xpbench.bench.progress import Row, Standing

REDRAW_SECONDS = 0.5
LONGEST_BAR, SHORTEST_BAR = 24, 4
BESIDES = 3
"""Lines that are no backend's: the phase, what is done now, and the time."""
SEVERITY = ("wrong", "crashed", "timeout", "oom", "failed", "refused", "unsupported")
STYLES = {"wrong": "bold red", "unsupported": "dim"}
"""The styles of words that are not in yellow; as in the table."""


@dataclass(frozen=True)
class Signs:
    """What a line is drawn with: the backend at work, the two parts of a bar, a cut and a separator."""

    active: str
    done: str
    open: str
    cut: str
    separator: str


DRAWN = Signs("▸", "━", "─", "…", " · ")
TYPED = Signs(">", "#", "-", "~", ", ")
"""For a terminal whose encoding has no others."""


def frame(standing: Standing, width: int, height: int, signs: Signs = DRAWN) -> list[Text]:
    """The lines of the view: fewer than the terminal has rows, and each narrower than it, so that none
    is wrapped."""
    width -= 1
    time_line = Text(_time(standing, width, signs), no_wrap=True)
    room = height - 1 - BESIDES
    if room < 1:
        return [time_line]
    phase = Text(shortened(standing.phase, width, signs), style="bold")
    now = Text(shortened(standing.now, width, signs))
    return [phase, *_backends(_folded(standing.rows, room), width, signs), now, time_line]


def shortened(text: str, width: int, signs: Signs = DRAWN) -> str:
    """``text`` with its middle left out where it is wider than ``width``: names differ at their ends."""
    if cell_len(text) <= width:
        return text
    tail = max(0, width - 1) // 2
    head = max(0, width - 1 - tail)
    return set_cell_size(text, head) + signs.cut + set_cell_size(text[::-1], tail)[::-1]


def _folded(rows: Sequence[Row], room: int) -> list[Row]:
    """The rows that fit, the one at work among them, and the sum of those that do not."""
    if len(rows) <= room:
        return list(rows)
    kept = list(rows[: room - 1])
    others = list(rows[room - 1 :])
    for index, row in enumerate(others):
        if row.active and kept:
            kept[-1], others[index] = row, kept[-1]
    faults = sum((row.faults for row in others), Counter[str]())
    done, total = sum(row.done for row in others), sum(row.total for row in others)
    name = f"{len(others)} more" if kept else f"{len(others)} backends"
    return [*kept, Row(name, done, total, faults, any(row.active for row in others))]


def _backends(rows: Sequence[Row], width: int, signs: Signs) -> list[Text]:
    if not rows:
        return []
    counts = [f"{row.done} of {row.total}" for row in rows]
    counted = max(map(len, counts))
    faults = [_faults(row.faults) for row in rows]
    room = width - 2 - 2 - counted
    named = min(max(cell_len(row.name) for row in rows), max(8, room - 8))
    bar = min(LONGEST_BAR, room - named - 2 - max(text.cell_len + 2 for text in faults))
    # Where there is not room for both, words say more than a bar does beside its figures.
    bar = bar if bar >= SHORTEST_BAR else 0
    lines = []
    for row, count, words_of in zip(rows, counts, faults, strict=True):
        line = Text(no_wrap=True)
        line.append(f"{signs.active if row.active else ' '} ", "bold")
        name = set_cell_size(shortened(row.name, named, signs), named)
        line.append(name, "bold" if row.active else "")
        if bar:
            filled = bar * row.done // row.total if row.total else bar
            line.append(f"  {signs.done * filled}", "cyan")
            line.append(signs.open * (bar - filled), "dim")
        line.append(f"  {count:>{counted}}")
        if words_of:
            line.append("  ").append_text(words_of)
        line.truncate(width, overflow="ellipsis" if signs is DRAWN else "crop")
        lines.append(line)
    return lines


def _faults(counted: Mapping[str, int]) -> Text:
    """How many cases ended with which words, e.g. ``2 WRONG, 1 oom``."""
    known = [word for word in SEVERITY if counted.get(word)]
    known += [word for word in counted if word not in SEVERITY]
    parts = [
        Text(f"{counted[word]} {'WRONG' if word == 'wrong' else word}", STYLES.get(word, "yellow"))
        for word in known
    ]
    return Text(", ").join(parts)


def _time(standing: Standing, width: int, signs: Signs) -> str:
    """As much as fits of how much is done, how long that took and how long the rest will take."""
    so_far, left = f"{words(standing.seconds)} so far", standing.left
    done = f"{standing.done} of {standing.total}"
    whole = [done, so_far, f"about {left}" if left else ""]
    for parts in (whole, [so_far, left], [left or done]):
        text = signs.separator.join(filter(None, parts))
        if cell_len(text) <= width:
            return text
    return shortened(text, width, signs)


class Region:
    """Lines below all other text of a terminal, which are written anew in their place.

    The cursor rests at the beginning of the first: terminals keep it there when they become narrower and
    wrap what stands on them. It is never hidden, so that no way to end leaves a terminal without one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, color_system=color_system(), highlight=False)

    def show(self, lines: Sequence[Text], above: Sequence[str] = ()) -> None:
        """Puts ``lines`` in the place of those shown before, and ``above`` among the text over them."""
        whole = "\r" + "".join(f"{line}\x1b[K\n" for line in above)
        whole += "\n".join(f"{self._styled(line)}\x1b[K" for line in lines) + "\x1b[J\r"
        back = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        # A terminal that is gone ends the run by a signal, if at all.
        with contextlib.suppress(OSError):
            self._stream.write(whole + back)
            self._stream.flush()

    def _styled(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()


class Live:
    """The view of a run on a terminal, drawn anew at most twice a second: drawing takes from the CPUs
    that are being measured."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._region = Region(stream)
        encoding = stream.encoding or "ascii"
        self._signs = DRAWN if _can_write("".join(vars(DRAWN).values()), encoding) else TYPED
        self._next = 0.0

    def draw(self, standing: Standing) -> None:
        if time.monotonic() >= self._next:
            self._show(standing)

    def note(self, text: str, standing: Standing) -> None:
        self._show(standing, wrapped(text, terminal_size(self._stream)[0] - 1).splitlines())

    def close(self) -> None:
        self._region.show([])

    def _show(self, standing: Standing, above: Sequence[str] = ()) -> None:
        self._region.show(frame(standing, *terminal_size(self._stream), self._signs), above)
        self._next = time.monotonic() + REDRAW_SECONDS


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
