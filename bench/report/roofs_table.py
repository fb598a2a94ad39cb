"""What each device can do at most, by whom it was reached, and how far that is from its maker's word."""

from collections.abc import Iterator, Sequence

from xpbench.bench.device import is_host
from xpbench.bench.journal import Run
from xpbench.bench.precisions import bits_against
from xpbench.bench.report.layout import Cell, Grid, Line, heading_of
from xpbench.bench.report.quantities import duration, percent, rate, volume
from xpbench.bench.report.sheet import Part
from xpbench.bench.roof import CACHE_TIMES
from xpbench.bench.roofline import Key, Peak, peaks, product_bits, vendor


def roofs_part(runs: Sequence[Run]) -> Part:
    """The end of a table of percentages: what they are percentages of."""
    return Part(tuple(roof_grids(runs)), (legend(runs),), tuple(dict.fromkeys(_notes(runs))))


def roof_grids(runs: Sequence[Run]) -> list[Grid]:
    """A grid for every device, dtype, thread count and precision of which a run measured the roof."""
    return [grid for run in runs for grid in _grids(run, len(runs) > 1)]


def legend(runs: Sequence[Run]) -> str:
    """What the rows mean; or, where no roof was measured, how to have one."""
    if not any(run.roofs for run in runs):
        return "no roofs were measured: --roofs does, and so do four forks or more"
    return (
        "compute: square matrix products · memory: bytes moved a second, with nothing written but what "
        "was read, and with a fresh output or, on a card, a copy · dispatch: the smallest call, awaited"
    )


def _grids(run: Run, several: bool) -> Iterator[Grid]:
    for key, peak in peaks(run.roofs).items():
        device, dtype, threads, precision = key
        words = [device, dtype, f"{threads} thread{'s' * (threads != 1)}", precision]
        caption = " · ".join([*([run.name] if several else []), "roofs", *words])
        yield Grid(caption, ("", "at most", "by", "the maker says"), tuple(_rows(run, key, peak)))


def _rows(run: Run, key: Key, peak: Peak) -> Iterator[tuple[Cell, ...]]:
    flops, bandwidth = vendor(run.header["machine"], key)
    if peak.matmul_flops:
        yield _row(
            "compute",
            rate(peak.matmul_flops, "flop"),
            peak.matmul_by,
            _said(peak.matmul_flops, flops, "flop"),
        )
    if peak.reused_bytes:
        yield _row(
            "memory",
            rate(peak.reused_bytes, "B"),
            peak.reused_by,
            _said(peak.reused_bytes, bandwidth, "B"),
        )
    if peak.fresh_bytes:
        label = "memory, fresh" if is_host(key[0]) else "memory, copy"
        yield _row(label, rate(peak.fresh_bytes, "B"), peak.fresh_by, "")
    for backend, seconds in sorted(peak.dispatch_s.items(), key=lambda item: item[1]):
        yield _row("dispatch", duration(seconds), backend, "")
    if peak.exchange_s is not None:
        yield _row("exchange", duration(peak.exchange_s), "a number of each device, added up", "")
    if peak.drift is not None:
        change = f"{percent(abs(peak.drift - 1))} {'faster' if peak.drift > 1 else 'slower'}"
        yield _row("last fork", change, "than the first, by its products", "")


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    """Where a cache may have served a part of a bandwidth, because no array was large enough for it, and
    where products kept another number of bits than was asked for."""
    for run in runs:
        for (backend, device, _, _, precision), bits in product_bits(run.roofs).items():
            if words := bits_against(precision, bits):
                yield f"{heading_of({'backend': backend, 'device': device})}: {words}"
        for peak in peaks(run.roofs).values():
            cache = peak.cache_bytes or run.header["machine"].get("cache_bytes") or 0
            size = peak.array_bytes
            if size is not None and size < CACHE_TIMES * cache:
                yield (
                    f"arrays of {volume(size)} are not {CACHE_TIMES} times the last-level cache "
                    f"({volume(cache)}): it may have served a part of the memory's rate"
                )


def _row(label: str, figure: str, by: str, said: str) -> tuple[Cell, ...]:
    return (Line(label, "strong"),), (Line(figure),), (Line(by, "quiet"),), (Line(said, "quiet"),)


def _said(reached: float, maker: float | None, unit: str) -> str:
    return "" if maker is None else f"{rate(maker, unit)}, of which this is {percent(reached / maker)}"
