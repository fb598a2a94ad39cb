"""Which colour says how many times as fast something is, and that this is proven?"""

import math
from collections.abc import Iterable

from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from xpbench.bench.report.plots.style import (
    LINE,
    MARGIN,
    PAPER,
    QUIET,
    SMALL,
    Page,
    Strip,
    write,
)

Tint = tuple[float, float, float]

FASTER, SLOWER = "#0b4f8a", "#9c3d00"
"""The ends of the scale: blue and brown are told apart by everyone."""
FEWEST, MOST = 1, 5
"""The scale ends at 2 to the power of one of these."""
PROVEN, UNPROVEN = 0.22, 0.09
"""How much of a colour the least proven difference has, and every one that is not proven."""
BLACK = "#000000"
"""With this, one of two inks has a contrast of 4.5 on any colour; with a dark grey none may."""
STEPS = 64
"""How many colours the scale is drawn with."""


def reach_of(ratios: Iterable[float]) -> int:
    """Where the scale ends, on a log of base 2: all but the largest twentieth are within."""
    sizes = sorted(abs(math.log2(ratio)) for ratio in ratios)
    typical = sizes[int(0.95 * (len(sizes) - 1))] if sizes else 0.0
    return min(MOST, max(FEWEST, math.ceil(round(typical, 2))))


def tint(ratio: float, reach: int) -> Tint:
    """The colour of a proven ratio of times, faster below one."""
    share = math.log2(ratio) / reach
    return _mixed(ratio, PROVEN + (1 - PROVEN) * min(1.0, abs(share)))


def pale(ratio: float) -> Tint:
    """The colour of a ratio that is not proven."""
    return _mixed(ratio, UNPROVEN)


def ink_on(face: Tint) -> str:
    """Black or white, whichever has the larger contrast (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in face]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return PAPER if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else BLACK


def scale(reach: int, width: float) -> Strip:
    """The colours of proven ratios, and the ratios they stand for."""
    length, height, strip = min(4.2, width - 2 * MARGIN - 1.2), 0.13, 2.1 * LINE

    def draw(page: Page, top: float) -> None:
        axes, left = page.sheet, (page.width - length) / 2
        for step in range(STEPS):
            face = tint(2 ** (reach * (2 * (step + 0.5) / STEPS - 1)), reach)
            x = left + length * step / STEPS
            axes.add_artist(
                Rectangle(
                    (x, top), length / STEPS, height, facecolor=face, edgecolor=face, linewidth=0.3
                )
            )
        for power in range(-reach, reach + 1):
            x = left + length * (power + reach) / (2 * reach)
            axes.plot([x, x], [top + height, top + height + 0.03], color=QUIET, linewidth=0.6)
            text = f"{2 ** abs(power)}x"
            write(axes, x, top + height + 0.1, text, size=SMALL, colour=QUIET, ha="center")
        write(axes, left - 0.08, top + height / 2, "faster", ha="right")
        write(axes, left + length + 0.08, top + height / 2, "slower")

    return Strip(strip, draw)


def _mixed(ratio: float, strength: float) -> Tint:
    full = to_rgb(SLOWER if ratio > 1 else FASTER)
    red, green, blue = (
        (1 - strength) * white + strength * colour
        for white, colour in zip(to_rgb(PAPER), full, strict=True)
    )
    return red, green, blue
