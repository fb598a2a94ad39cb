"""Which figures can fill the cells of the comparison, and what each says of a case."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from xpbench.bench.report.columns import NOT_FINITE
from xpbench.bench.report.layout import Tone, place_of
from xpbench.bench.report.quantities import compact, duration, energy, percent, rate, significant, volume
from xpbench.bench.report.records import Record

BEYOND = "!"
"""Stands before a percentage of the roof that cannot be."""


@dataclass(frozen=True)
class Metric:
    """A figure that can fill the cells: what it is called, and its text for a case that has it.

    The text is that of a record of the summary to which ``sheet`` added ``against``: the record of
    the baseline in its row, or ``None``.
    """

    title: str
    text: Callable[[Record], str | None]
    tone: Callable[[Record], Tone] = lambda record: "plain"


def latency(record: Record) -> str | None:
    """The time with the reach of its interval, e.g. ``1.23 ms ±4%``."""
    time, low, high = record["time_s"], record["time_low_s"], record["time_high_s"]
    if time is None:
        return None
    if low is None:
        return duration(time)
    reach = max(high - time, time - low) / time
    # Beyond the whole, a sign of less and more would say that the time may be negative.
    return f"{duration(time)} ±{percent(reach) if reach <= 1 else '>100%'}"


def error(record: Record) -> str | None:
    """The error nearest its limit, e.g. ``ok 0.12 of 1 eps``."""
    size, limit = record["error"], record["error_limit"]
    word = {True: "ok", False: "WRONG", None: ""}[record["agrees"]]
    if size is None:
        return word or None
    unit = {"standard errors": "s.e."}.get(record["error_unit"], record["error_unit"])
    shown = "not finite" if size == NOT_FINITE else compact(size)
    bound = f" of {compact(limit)}" if limit is not None else ""
    return f"{word} {shown}{bound} {unit}".strip()


def error_tone(record: Record) -> Tone:
    return "alarm" if record["agrees"] is False else "plain"


def calls_to_break_even(
    first_call_s: float, time_s: float, base_first_call_s: float, base_time_s: float
) -> float:
    """From how many calls on a library has cost no more than the baseline, first calls included.

    n calls cost first + (n - 1) time. What the first call costs extra, first - time, less what the
    baseline's own first call costs extra, is paid back by the gain of every call:

        n = ((first - time) - (base first - base time)) / (base time - time).

    At most one: the first call already pays for itself. Infinite where a call gains nothing. All
    four in seconds.
    """
    gain = base_time_s - time_s
    if gain <= 0:
        return math.inf
    return ((first_call_s - time_s) - (base_first_call_s - base_time_s)) / gain


def break_even(record: Record) -> str | None:
    """When the first call has paid for itself: ``at once``, ``310 calls`` or ``never``.

    Only what the verdict calls faster gains anything; in brackets where the forks are too few for a
    verdict.
    """
    base = record["against"]
    if base is None or record["time_s"] is None:
        return None
    if place_of(record) == record["baseline"]:
        return "baseline"
    if record["verdict"] in ("slower", "same"):
        return "never"
    if record["verdict"] == "unclear":
        return "unclear"
    if record["first_call_s"] is None or base["first_call_s"] is None:
        return None
    calls = calls_to_break_even(
        record["first_call_s"], record["time_s"], base["first_call_s"], base["time_s"]
    )
    said = "never" if calls == math.inf else "at once" if calls <= 1 else f"{_whole(calls)} calls"
    return said if record["verdict"] else f"({said})"


def _whole(calls: float) -> str:
    return compact(math.ceil(calls))


def above_roof(record: Record) -> bool:
    return (record.get("roof_fraction") or 0.0) > 1


def _roof(record: Record) -> str | None:
    fraction, bound = record.get("roof_fraction"), record.get("bound")
    if fraction is None:
        return bound
    said = f"{percent(fraction)} {bound or ''}".strip()
    return f"{BEYOND} {said}" if above_roof(record) else said


def _intensity(record: Record) -> str | None:
    intensity = record.get("intensity")
    return None if intensity is None else f"{significant(intensity)} flop/B"


def _energy(record: Record) -> str | None:
    return None if record.get("energy_j") is None else energy(record["energy_j"])


def _clock(record: Record) -> str | None:
    """The clock with power and temperature, as far as known, e.g. ``1980 MHz, 412 W, 61 °C``."""
    units = {"sm_mhz": "MHz", "power_w": "W", "temperature_c": "°C"}
    known = {column: record[column] for column in units if record.get(column) is not None}
    return ", ".join(f"{value:.0f} {units[column]}" for column, value in known.items()) or None


def _seconds(column: str) -> Callable[[Record], str | None]:
    return lambda record: duration(record[column]) if record.get(column) is not None else None


def _per_second(column: str, unit: str) -> Callable[[Record], str | None]:
    def text(record: Record) -> str | None:
        amount, seconds = record[column], record["time_s"]
        return rate(amount / seconds, unit) if amount is not None and seconds is not None else None

    return text


METRICS = {
    "latency": Metric("time of one call, median of the forks", latency),
    "throughput": Metric("time a call with many enqueued", _seconds("throughput_s")),
    "device": Metric("time a call by the device's own clock, the queue held", _seconds("device_s")),
    "kernel": Metric("time of a call's kernels added up, by the profiler", _seconds("kernel_s")),
    "first_call": Metric("time of the first call, compilation included", _seconds("first_call_s")),
    "compile": Metric("time the library spent compiling", _seconds("compile_s")),
    "break_even": Metric("calls until the first has paid for itself", break_even),
    "transfer": Metric("time to move the inputs to the device", _seconds("transfer_s")),
    "transfer_out": Metric("time to move the outputs to the host", _seconds("transfer_out_s")),
    "rate": Metric("floating-point operations a second", _per_second("flops", "flop")),
    "bandwidth": Metric("compulsory bytes a second", _per_second("traffic_bytes", "B")),
    "intensity": Metric("floating-point operations a compulsory byte", _intensity),
    "roof": Metric(
        "percent of the roof, and what binds",
        _roof,
        lambda record: "alarm" if above_roof(record) else "plain",
    ),
    "memory": Metric(
        "the most device memory held",
        lambda record: volume(record["peak_bytes"]) if record["peak_bytes"] is not None else None,
    ),
    "energy": Metric("energy of a call, above idle", _energy),
    "clock": Metric("median SM clock, with power and temperature", _clock),
    "spread": Metric(
        "the slowest fork over the fastest",
        lambda record: significant(record["spread"]) if record["spread"] is not None else None,
    ),
    "error": Metric("error nearest its limit, and that limit", error, error_tone),
}
"""What ``--metric`` accepts."""
