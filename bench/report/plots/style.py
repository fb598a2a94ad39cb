"""How every picture looks: its colours, signs and letters, and the strips that it is made of."""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.report.records import visible

INK, QUIET, RULE, PAPER, ALARM = "#1a1a1a", "#5a5f66", "#d4d7db", "#ffffff", "#b3001b"

SMALL, BODY, HEAD, TITLE = 6.5, 7.5, 8.5, 10.5
"""Sizes of letters, in points."""

LINE = 0.165
"""The height of a line of text, in inches."""

MARGIN = 0.12
"""What is left free at every edge, in inches."""

DPI = 200
"""Dots an inch of a PNG: twice what a screen of 900 dots needs for a picture of nine inches."""

MOST_DOTS = 2**16 - 1
"""What the painter of a PNG takes in a direction."""

# Okabe and Ito, "Color Universal Design" (2008); the pale ones last.
_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#000000", "#E69F00", "#56B4E9", "#8A7F00"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_DASHES: tuple[Any, ...] = (
    *("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.2, 1.2, 1.2))),
    *((0, (3, 1)), (0, (8, 1.5)), (0, (4, 1, 1, 1, 1, 1))),
)

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    # The first is matplotlib's own; the others are as wide, for a reader of an SVG who lacks it.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "text.color": INK,
    # Names are text of others: a dollar sign is a dollar sign.
    "text.parse_math": False,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "xpbench",
    # Publishers refuse fonts of type 3.
    "pdf.fonttype": 42,
    "savefig.dpi": DPI,
}

_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Creator": "xpbench", "Date": None},
    "pdf": {"Creator": "xpbench", "CreationDate": None},
    "png": {"Software": "xpbench"},
}
FORMATS = tuple(_METADATA)


@dataclass(frozen=True)
class Sign:
    """What a backend on a device is drawn with."""

    colour: str
    marker: str
    dash: Any


@dataclass(frozen=True)
class Page:
    """A figure of ``width`` and ``height`` in inches, on which places are told from the upper left;
    ``sheet`` has them for its coordinates.
    """

    figure: Figure
    sheet: Axes
    width: float
    height: float

    @classmethod
    def blank(cls, width: float, height: float) -> "Page":
        figure = Figure(figsize=(width, height), facecolor=PAPER)
        sheet = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        sheet.axis("off")
        return cls(figure, sheet, width, height)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes there, all four in inches."""
        return self.figure.add_axes(
            (
                left / self.width,
                1 - (top + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )


@dataclass(frozen=True)
class Strip:
    """A part of a picture over its whole width: its ``height`` in inches, and what draws it on a page
    below the place that is told.
    """

    height: float
    draw: Callable[[Page, float], object]


@contextmanager
def settings() -> Iterator[None]:
    """Makes matplotlib draw as we want, whatever a user's own settings are, and leaves those alone."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def drawn(strips: Sequence[Strip], width: float, form: str) -> bytes:
    """The strips one below the other, ``width`` inches wide, in one of ``FORMATS``: the same strips
    give the same bytes. Within ``settings``.

    Raises
    ------
    XpbenchError
        If the picture is too long for the format.
    """
    height = sum(strip.height for strip in strips) + 2 * MARGIN
    if form == "png" and max(width, height) * DPI > MOST_DOTS:
        raise XpbenchError(
            f"a picture of {width:g} by {height:.0f} inches is too large for a PNG: choose fewer cases, "
            "e.g. with --chapter or --size, or write an SVG"
        )
    page = Page.blank(width, height)
    top = MARGIN
    for strip in strips:
        strip.draw(page, top)
        top += strip.height
    file = io.BytesIO()
    page.figure.savefig(file, format=form, metadata=_METADATA[form])
    return file.getvalue()


def signs(places: Iterable[str]) -> dict[str, Sign]:
    """A colour, a marker and a dash for every place, by its order."""
    return {
        place: Sign(
            _COLOURS[index % len(_COLOURS)],
            _MARKERS[index % len(_MARKERS)],
            _DASHES[index % len(_DASHES)],
        )
        for index, place in enumerate(places)
    }


def readable(text: str) -> str:
    """``text`` as the font has it; a character that it lacks, or that is not seen, as its escape."""
    known = _characters()
    return "".join(c if ord(c) in known else c.encode("unicode_escape").decode() for c in visible(text))


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def write(
    where: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = BODY,
    colour: str = INK,
    bold: bool = False,
    **more: Any,
) -> None:
    """``text``, whatever is in it, at a point of ``where``; by default right of it and in its middle."""
    how = {"ha": "left", "va": "center_baseline", **more}
    weight = "bold" if bold else "normal"
    where.text(x, y, readable(text), fontsize=size, color=colour, fontweight=weight, **how)


def extent(text: str, size: float = BODY, bold: bool = False) -> float:
    """How wide ``text`` is, in inches."""
    return sum(_advance(character, bold) for character in readable(text)) * size / 72


@cache
def _advance(character: str, bold: bool) -> float:
    """How far one character reaches, in times of the size of the letters."""
    font = FontProperties(family="sans-serif", size=1, weight="bold" if bold else "normal")
    twice, once = (
        text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
        for text in (f"n{character}n", "nn")
    )
    return float(twice - once)


def shortened(text: str, width: float, size: float = BODY, bold: bool = False) -> str:
    """``text``, or as much of its beginning as fits into ``width`` inches."""
    if extent(text, size, bold) <= width:
        return text
    while text and extent(f"{text}…", size, bold) > width:
        text = text[:-1]
    return f"{text}…"


def wrapped(text: str, width: float, size: float = BODY, bold: bool = False) -> list[str]:
    """``text`` in lines of at most ``width`` inches; a word that is longer is cut short."""
    lines = [""]
    for word in (shortened(word, width, size, bold) for word in text.split()):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and extent(longer, size, bold) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def paragraph(
    text: str, width: float, *, size: float = BODY, colour: str = QUIET, bold: bool = False
) -> list[Strip]:
    """Strips with the lines of ``text``."""

    height = LINE * size / BODY

    def line(words: str) -> Strip:
        def draw(page: Page, top: float) -> None:
            write(page.sheet, MARGIN, top + height / 2, words, size=size, colour=colour, bold=bold)

        return Strip(height, draw)

    return [line(words) for words in wrapped(text, width - 2 * MARGIN, size, bold)] if text else []


def gap(height: float) -> Strip:
    """Nothing, of ``height`` inches."""
    return Strip(height, lambda page, top: None)


def key(known: Mapping[str, Sign], width: float, *, dashed: bool = False) -> Strip:
    """Which sign is whose; with the dashes of lines where they are ``dashed``."""
    sample, apart = (0.36 if dashed else 0.14), 0.2
    placed: list[tuple[float, float, str]] = []
    left, row = MARGIN, 0
    for place in known:
        name = shortened(_heading(place), width - 2 * MARGIN - sample - 0.06)
        reach = sample + 0.06 + extent(name)
        if left > MARGIN and left + reach > width - MARGIN:
            left, row = MARGIN, row + 1
        placed.append((left, (row + 0.5) * LINE, name))
        left += reach + apart
    height = (row + 1) * LINE

    def draw(page: Page, top: float) -> None:
        axes = page.sheet
        for (x, below, name), sign in zip(placed, known.values(), strict=True):
            y = top + below
            if dashed:
                axes.plot([x, x + sample], [y, y], color=sign.colour, linestyle=sign.dash, linewidth=1.3)
            axes.plot([x + sample / 2], [y], color=sign.colour, marker=sign.marker, markersize=4.5)
            write(axes, x + sample + 0.06, y, name)

    return Strip(height, draw)


def _heading(place: str) -> str:
    return place.removesuffix("@cpu")


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two positive ones, three where that can be and at most ``most``."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 2, 5), tuple(range(1, 10))):
        every = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in every if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / most)]
    return ticks if len(ticks) == 2 else [low, high]


def padded(values: Sequence[float], by: float) -> tuple[float, float]:
    """The least and the largest of some positive numbers, with room of a factor ``by`` on both sides."""
    return min(values) / by, max(values) * by
