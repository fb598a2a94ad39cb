"""How does the time of a kernel grow with its size, and how does its cost model say it should?"""

import math
import statistics
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xpbench.bench.case import Case
from xpbench.bench.header import positive
from xpbench.bench.journal import Run
from xpbench.bench.measurement import seconds_by_fork
from xpbench.bench.multiple_comparisons import overall_ratio
from xpbench.bench.report.layout import GAP, Cell, Grid, Line, grouped
from xpbench.bench.report.records import visible
from xpbench.bench.report.sheet import Part, Sheet
from xpbench.bench.report.summary import run_names

FEWEST_SIZES = 2
MEAN = "s"
"""What stands for the geometric mean of several keys of a size."""

LABEL = 20
"""The keys of a size are broken into lines of so many characters."""

_Cases = tuple[Case, ...]
_Size = tuple[tuple[str, int], ...]
"""The pairs of a size, in their order."""


@dataclass(frozen=True)
class Exponent:
    """The slope of log time over log size, of one kernel on one backend and device.

    ``keys`` are the keys that differ between the ``sizes``; the abscissa is their geometric mean.
    ``low..high`` is Student's interval over the ``forks``, where there are enough of them. ``flops``
    and ``traffic`` are the slopes that the cost model gives, operations and compulsory bytes, at the
    same sizes; ``None`` where it says nothing.
    """

    run: str
    kernel: str
    place: str
    dtype: str
    threads: int
    precision: str
    keys: tuple[str, ...]
    sizes: tuple[str, ...]
    forks: int
    value: float
    low: float | None
    high: float | None
    flops: float | None
    traffic: float | None


def scaling(runs: Sequence[Run]) -> list[Exponent]:
    """An exponent for every kernel, backend, device, dtype, thread count and precision of ``runs`` that
    was timed at two sizes or more.

    Sizes with other keys than most (those that stand for a data set) are left aside. The exponent is
    the mean over forks, in which every size was timed, of the least-squares slope; the processes of a
    fork share their moods, so that the forks are the independent units.
    """
    return [
        exponent
        for run, name in zip(runs, run_names(runs), strict=True)
        for members in _series(run)
        if (exponent := _exponent(run, name, members)) is not None
    ]


def slope(abscissas: Sequence[float], values: Sequence[float]) -> float:
    """The least-squares slope of log ``values`` over log ``abscissas``, both positive.

    sum (x - mean x)(y - mean y) / sum (x - mean x)^2 (Seber and Lee, "Linear Regression Analysis", 2nd
    ed., section 6.1).

    Raises
    ------
    StatisticsError
        If all abscissas are equal, or there are fewer than two.
    """
    x, y = ([math.log(one) for one in column] for column in (abscissas, values))
    return statistics.linear_regression(x, y).slope


def _series(run: Run) -> Iterable[dict[Case, dict[int, float]]]:
    """The times by size and fork of everything that may have an exponent."""
    records = grouped(run.measurements, lambda m: m.case)
    cases = dict.fromkeys([*run.cases, *records])
    timed = {case: forks for case in cases if (forks := seconds_by_fork(records.get(case, [])))}
    groups = grouped(timed, lambda c: (c.kernel, c.backend, c.device, c.dtype, c.threads, c.precision))
    for members in groups.values():
        by_keys = grouped(members, lambda case: tuple(name for name, _ in case.size))
        yield {case: timed[case] for case in max(by_keys.values(), key=len)}


def _exponent(run: Run, name: str, times: Mapping[Case, Mapping[int, float]]) -> Exponent | None:
    keys = varying(case.size for case in times)
    abscissas = {case: abscissa(case.size, keys) for case in times}
    if len(set(abscissas.values())) < FEWEST_SIZES:
        return None
    cases = tuple(sorted(times, key=abscissas.__getitem__))
    x = [abscissas[case] for case in cases]
    forks = sorted(set.intersection(*(set(times[case]) for case in cases)))
    if not forks:
        return None
    slopes = [slope(x, [times[case][fork] for case in cases]) for fork in forks]
    # The mean of slopes with its interval: how a time grows when the size grows e times, on logs.
    growth = overall_ratio(slopes)
    one = cases[0]
    return Exponent(
        run=name,
        kernel=one.kernel,
        place=f"{one.backend}@{one.device}",
        dtype=one.dtype,
        threads=one.threads,
        precision=one.precision,
        keys=keys,
        sizes=tuple(case.size_text for case in cases),
        forks=len(forks),
        value=statistics.fmean(slopes),
        low=math.log(growth.low) if growth else None,
        high=math.log(growth.high) if growth else None,
        flops=_predicted(run, x, cases, "flops"),
        traffic=_predicted(run, x, cases, "traffic"),
    )


def varying(sizes: Iterable[_Size]) -> tuple[str, ...]:
    """The keys that differ between ``sizes``."""
    values: dict[str, set[int]] = {}
    for size in sizes:
        for key, value in size:
            values.setdefault(key, set()).add(value)
    return tuple(key for key, seen in values.items() if len(seen) > 1)


def abscissa(size: _Size, keys: Sequence[str]) -> float:
    """The geometric mean of the values that ``size`` has for ``keys``."""
    values = dict(size)
    # Rounded, because the roots of equal products may differ in their last digit.
    return round(math.prod(values[key] for key in keys) ** (1 / len(keys)), 9) if keys else 1.0


def _predicted(run: Run, abscissas: Sequence[float], cases: _Cases, part: str) -> float | None:
    """The slope of what the run's header says of the cost, of the kernel's ``flops`` or ``traffic``."""
    costs = run.header["kernels"].get(cases[0].kernel, {}).get(part, {})
    suffix = f"/{cases[0].dtype}" if part == "traffic" else ""
    counts = [costs.get(f"{case.size_text}{suffix}") for case in cases]
    known = [known for count in counts if (known := positive(count)) is not None]
    return slope(abscissas, known) if len(known) == len(cases) else None


def scaling_sheet(exponents: Sequence[Exponent], width: int | None = None) -> Sheet:
    """A grid for each run, dtype, thread count and precision: a row per kernel and its sizes, a column
    with the exponents of the cost model, and one per backend. Where it is wider than ``width``, its
    backends are divided among several.
    """
    several = len({e.run for e in exponents}) > 1
    groups = grouped(exponents, lambda e: (e.run, e.dtype, e.threads, e.precision)).values()
    grids = [grid for group in groups for grid in _grids(group, several, width)]
    runs = ", ".join(dict.fromkeys(visible(e.run) for e in exponents))
    title = runs or "no kernel was timed at two sizes: measure with --size small --size medium ..."
    return Sheet(title, (Part(tuple(grids), tuple(_legend(exponents))),))


def _grids(group: Sequence[Exponent], several: bool, width: int | None) -> Iterator[Grid]:
    one = group[0]
    threads = f"{one.threads} thread" + ("" if one.threads == 1 else "s")
    what = [*([visible(one.run)] if several else []), one.dtype, threads, one.precision]
    caption = " · ".join([*what, "how time grows with size, and by the cost model"])
    rows = list(grouped(group, lambda e: (e.kernel, e.keys, e.sizes)).values())
    places = list(dict.fromkeys(e.place for e in group))
    for count in range(len(places), 0, -1):
        parts = [places[start : start + count] for start in range(0, len(places), count)]
        grids = [_grid(caption, rows, part) for part in parts]
        if count == 1 or width is None or all(_width(grid) <= width for grid in grids):
            yield from grids
            return


def _width(grid: Grid) -> int:
    return sum(grid.widths) + GAP * (len(grid.head) - 1)


def _grid(caption: str, rows: Iterable[Sequence[Exponent]], places: Sequence[str]) -> Grid:
    shown = []
    for row in rows:
        found = {e.place: e for e in row}
        if not set(found) & set(places):
            continue
        cells = (fitted(found[place]) if place in found else () for place in places)
        shown.append((_label(row[0]), model(row[0]), *cells))
    heads = (visible(place.removesuffix("@cpu")) for place in places)
    return Grid(caption, ("", "model", *heads), tuple(shown))


def _label(e: Exponent) -> Cell:
    sizes = textwrap.wrap(f"{', '.join(map(visible, e.keys))}: {len(e.sizes)} sizes", LABEL)
    return (Line(visible(e.kernel), "strong"), *(Line(text, "quiet") for text in sizes))


def model(e: Exponent) -> Cell:
    """The exponent of the operations, and that of the bytes where it is another."""
    if e.flops is None and e.traffic is None:
        return (Line("-", "quiet"),)
    known = {"flops": e.flops, "bytes": e.traffic}
    lines = {unit: power(e, value) for unit, value in known.items() if value is not None}
    if len(lines) == 2 and len(set(lines.values())) == 1:
        return (Line(lines["flops"]),)
    return tuple(Line(f"{text} {unit}") for unit, text in lines.items()) or (Line("-", "quiet"),)


def fitted(e: Exponent) -> Cell:
    """The exponent that was measured, e.g. ``n^2.97 ±0.05``."""
    text = f"{_symbol(e)}^{e.value:.2f}"
    if e.low is None or e.high is None:
        return (Line(text),)
    return (Line(f"{text} ±{(e.high - e.low) / 2:.2f}"),)


def power(e: Exponent, exponent: float) -> str:
    """``n``, ``n^3``, ``n^2.5`` in the key of ``e``; an exponent of nothing is a constant."""
    rounded = round(exponent, 2)
    if rounded == 0:
        return "constant"
    return _symbol(e) if rounded == 1 else f"{_symbol(e)}^{rounded:g}"


def _symbol(e: Exponent) -> str:
    return visible(e.keys[0]) if len(e.keys) == 1 else MEAN


def _legend(exponents: Sequence[Exponent]) -> Iterator[str]:
    if counts := sorted({e.forks for e in exponents if e.low is not None}):
        yield f"± 95% interval over {' or '.join(map(str, counts))} forks"
    if any(len(e.keys) > 1 for e in exponents):
        yield f"{MEAN}: the geometric mean of the keys that differ between the sizes"
    if any(len(model(e)) > 1 for e in exponents):
        yield "a time grows with the flops where computing binds it, with the bytes where memory does"

    if any(len(e.sizes) == FEWEST_SIZES for e in exponents):
        yield "of two sizes the smaller may be all overhead: measure a third, e.g. --size large"
