"""How a number is written for a reader: three significant digits, in the unit that suits it."""

import math

_TIMES = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9), ("ps", 1e-12))
_ENERGIES = (("kJ", 1e3), ("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6))
_DECIMAL = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0))
_BINARY = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))


def significant(value: float, digits: int = 3) -> str:
    """``value`` with so many significant digits; with an exponent where it is very large or small."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    magnitude = math.floor(math.log10(abs(rounded)))
    if -5 < magnitude < 6:
        return f"{rounded:.{max(0, digits - 1 - magnitude)}f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def compact(value: float) -> str:
    """``value`` in two significant digits without trailing zeros: 0.12, 30, 31000 as 3.1e4."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    if -4 < int(exponent) < 4:
        return f"{float(f'{value:.1e}'):g}"
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def duration(seconds: float) -> str:
    """A time, e.g. ``1.23 ms``."""
    return _in_unit(seconds, _TIMES, 3)


def energy(joules: float) -> str:
    """An energy, e.g. ``12.3 mJ``."""
    return _in_unit(joules, _ENERGIES, 3)


def rate(per_second: float, unit: str) -> str:
    """A number of ``unit`` a second, e.g. ``12.3 Gflop/s``."""
    return f"{_in_unit(per_second, _DECIMAL, 3)}{unit}/s"


def volume(size: float) -> str:
    """A number of bytes, e.g. ``1.50 GiB``."""
    return f"{size:.0f} B" if size < 1000 else _in_unit(size, _BINARY, 3)


def percent(share: float) -> str:
    """A share of one, e.g. ``4%``; whole percents from ten on, and never a rounded-off zero."""
    hundredths = 100 * share
    if hundredths == 0:
        return "0%"
    if hundredths < 0.1:
        return "<0.1%"
    return f"{hundredths:.0f}%" if hundredths >= 9.5 else f"{float(f'{hundredths:.1g}'):g}%"


def tenths(share: float) -> str:
    """A share of one to a tenth of a percent, e.g. ``4.1%``: for what is held against a limit."""
    return f"{100 * share:.1f}%"


def factor(value: float) -> str:
    """A factor of at least one, e.g. ``1.8x``, ``12x``; two decimals where it is close to one."""
    if value < 1.095:
        return f"{value:.2f}x"
    if value < 999.5:
        return f"{value:.1f}x" if value < 9.95 else f"{value:.0f}x"
    return f"{significant(value)}x"


def comparison(ratio: float) -> str:
    """How a time stands to another's, e.g. ``1.8x faster`` for a ratio of 0.55."""
    times = factor(max(ratio, 1 / ratio))
    if times == "1.00x":
        return "as fast"
    return f"{times} faster" if ratio < 1 else f"{times} slower"


def _in_unit(value: float, units: tuple[tuple[str, float], ...], digits: int) -> str:
    """``value`` in the largest unit of which it has at least one, after rounding."""
    if value == 0:
        return f"0 {units[0][0] if units is _TIMES else units[-1][0]}"
    for unit, scale in units:
        if abs(float(f"{value / scale:.{digits - 1}e}")) >= 1:
            return f"{significant(value / scale, digits)} {unit}"
    unit, scale = units[-1]
    return f"{significant(value / scale, digits)} {unit}"
