"""How it is told what several devices are worth: efficiencies, strong and weak, kernel by kernel."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xpbench.bench import stats
from xpbench.bench.case import Case
from xpbench.bench.device import count_of
from xpbench.bench.efficiency import Efficiency, Kind, Mean, efficiencies, means
from xpbench.bench.header import positive
from xpbench.bench.journal import Run
from xpbench.bench.report.layout import Cell, Grid, Line, Tone, fitting, grouped
from xpbench.bench.report.quantities import duration, percent, significant, volume
from xpbench.bench.report.records import visible
from xpbench.bench.report.sheet import GATHERED, Part, Sheet

GOOD, POOR = 0.85, 0.5
"""Of what the processors allow: from here on good, and from there down bad."""
WHOLE = "whole"
NOTED_OPERATIONS = 1.1
"""More operations than this many times those of one device are worth a note."""
TITLES: Mapping[Kind, str] = {
    "strong": "strong scaling · the same work on p devices, T1 / (p Tp)",
    "weak": "weak scaling · work that grows with the devices, w T1 / (p Tp)",
}


def efficiency_sheet(run: Run, width: int | None = None) -> Sheet | None:
    """What several devices are worth in a run, in at most ``width`` characters where that can be done;
    ``None`` for a run without a case on one device and on several."""
    found = efficiencies(run)
    if not found:
        return None
    parts = [Part(tuple(_mean_grids(list(means(found)))), ("(a-b): 95% interval over forks",))]
    for kind in TITLES:
        if members := [one for one in found if one.kind == kind]:
            parts.append(_part(run, kind, members, width))
    return Sheet(_title(run, found), tuple(part for part in parts if part.grids))


def sentence(run: Run) -> str | None:
    """What such a run says, in one; ``None`` for any other run."""
    figures = [mean for mean in means(efficiencies(run)) if mean.kind == "strong"]
    if not figures:
        return None
    last = figures[-1].size_name
    figures = [mean for mean in figures if mean.size_name == last]
    # Devices that share a processor say more of it than of the kernels.
    chosen = [mean for mean in figures if mean.worst.ideal >= 1] or figures
    told = [
        f"{mean.device} {percent(mean.value)} of {mean.kernels} that "
        f"{'gather' if mean.gathered else 'gather nothing'}"
        for mean in sorted(chosen, key=lambda mean: (count_of(mean.device), mean.gathered))
    ]
    return visible(f"strong efficiency at {last or 'sizes typed'}, geometric means: {', '.join(told)}")


def as_json(run: Run) -> dict[str, Any]:
    """``efficiencies``: one object per case on several devices and kind; times in seconds, efficiencies
    as shares of one, ``None`` where they are not known. ``means``: one per kind, size, device and
    whether an array was gathered."""
    found = efficiencies(run)
    return {
        "efficiencies": [_as_record(one) for one in found],
        "means": [_as_mean(mean) for mean in means(found)],
    }


def _part(run: Run, kind: Kind, members: Sequence[Efficiency], width: int | None) -> Part:
    several = len({one.one.dtype for one in members}) > 1
    grids = [
        grid
        for dtype, group in grouped(members, lambda one: one.one.dtype).items()
        for grid in fitting(
            f"{dtype} · {TITLES[kind]}" if several else TITLES[kind],
            [record for one in _by_row(group) for record in _records(one)],
            _cell,
            width,
        )
    ]
    notes = [*_unmeasured(members), *(_repeated(members) if kind == "strong" else _grown(run, members))]
    return Part(tuple(grids), tuple(_legend(kind, members)), tuple(notes))


def _by_row(found: Sequence[Efficiency]) -> list[list[Efficiency]]:
    """The efficiencies of each row of a table, of the same case on one device."""
    return list(grouped(found, lambda one: one.one).values())


def _records(row: Sequence[Efficiency]) -> Iterator[dict[str, Any]]:
    """What the layout takes for a row: the case on one device, then those on several."""
    one = row[0].one
    yield {**_place(one, one, 1.0), "cell": _alone(row[0])}
    for found in sorted(row, key=lambda one: one.devices):
        yield {**_place(one, found.several, found.ideal), "cell": _together(found)}


def _place(one: Case, case: Case, ideal: float) -> dict[str, Any]:
    return {
        "run": None,
        "kernel": visible(one.kernel),
        "size": visible(one.size_text),
        # The layout makes a column of each backend, and leaves the usual device out of its head.
        "backend": _head(case.device, ideal),
        "device": "cpu",
        "dtype": one.dtype,
        "threads": one.threads,
        "precision": one.precision,
    }


def _head(device: str, ideal: float) -> str:
    """What stands over a column: the devices, and where it is not all, what their processors allow."""
    return visible(device) if ideal >= 1 else f"{visible(device)} of {percent(ideal)}"


def _cell(record: Mapping[str, Any]) -> Cell:
    cell: Cell = record["cell"]
    return cell


def _alone(found: Efficiency) -> Cell:
    seconds = _median(found.one_s)
    return (Line("-" if seconds is None else duration(seconds), "plain" if seconds else "quiet"),)


def _together(found: Efficiency) -> Cell:
    value = found.value
    if value is None:
        return (Line("-", "quiet"),)
    marks = f" {GATHERED}" if found.gathered else ""
    marks += f" {WHOLE}" if found.whole else ""
    lines = [
        Line(f"{percent(value)}{marks}" if found.speedup else f"({percent(value)}){marks}", _tone(found))
    ]
    if found.low is not None and found.high is not None:
        lines.append(Line(f"{percent(found.low)}-{percent(found.high)}", "quiet"))
    lines.append(Line(duration(_median(found.several_s) or 0.0), "quiet"))
    return tuple(lines)


def _tone(found: Efficiency) -> Tone:
    if found.speedup is None or found.low is None or found.high is None:
        return "quiet"
    if found.low >= GOOD * found.ideal:
        return "good"
    return "bad" if found.high <= POOR * found.ideal else "plain"


def _legend(kind: Kind, members: Sequence[Efficiency]) -> Iterator[str]:
    forks = sorted({len(one.one_s.keys() & one.several_s.keys()) for one in members if one.speedup})
    yield "a cell: the efficiency, and the time of a call"
    if forks:
        yield f"a-b: its 95% interval over {' or '.join(map(str, forks))} forks"
    if any(one.speedup is None and one.value is not None for one in members):
        yield "(in brackets): an estimate, an interval takes 6 forks"
    if any(one.ideal < 1 for one in members):
        yield "of n%: more devices than CPUs, which allow no more than that"
    if any(one.gathered for one in members):
        yield f"{GATHERED} gathers an array as large as an input on a device: that part is not divided"
    if any(one.whole for one in members):
        yield f"{WHOLE}: so many devices divide no input, and each does everything"
    if kind == "weak":
        yield "w: the operations of p devices over those of one, below"


def _grown(run: Run, members: Sequence[Efficiency]) -> Iterator[str]:
    """Along which key every kernel grew, and to how much work; and who has no such sizes."""
    for row in _by_row(members):
        before = dict(row[0].one.size)
        keys = dict.fromkeys(k for one in row for k, n in one.several.size if before.get(k) != n)
        lengths = [str(dict(one.several.size)[key]) for one in row for key in keys]
        works = ["unknown" if one.work is None else significant(one.work) for one in row]
        yield (
            f"{visible(row[0].one.kernel)}[{visible(row[0].one.size_text)}]: "
            f"{', '.join(map(visible, keys))} = {', '.join(lengths)}, w = {', '.join(works)}"
        )
    grown = {one.one.kernel for one in members}
    absent = dict.fromkeys(one.one.kernel for one in efficiencies(run) if one.one.kernel not in grown)
    stated = run.header["kernels"]
    for name in absent:
        counts = stated.get(name, {}).get("flops", {}).values()
        known = any(positive(count) for count in counts)
        why = "no key of its size makes more work of what is divided" if known else "it states no flops"
        yield f"{visible(name)} has no weak scaling: {why}"


def _repeated(members: Sequence[Efficiency]) -> Iterator[str]:
    """What an efficiency comes from: bytes that are exchanged, and work that is done more than once."""
    for row in _by_row(members):
        last = max(row, key=lambda one: one.devices)
        if (words := _exchange(last)) and last.value is not None:
            case = f"{last.one.kernel}[{last.one.size_text}] on {last.several.device}"
            yield visible(f"{case}: {'; '.join(words)}")


def _exchange(found: Efficiency) -> list[str]:
    seen, words = found.sharding, list[str]()
    if seen is None:
        return words
    if seen.communicated_bytes:
        words.append(f"{volume(seen.communicated_bytes)} exchanged in a call")
    elif seen.communicated_bytes is None:
        words.append(seen.reason or "the bytes exchanged are not known")
    if found.operations is not None and found.operations > NOTED_OPERATIONS:
        words.append(
            f"{significant(found.operations, 2)} times the operations of one device, by XLA's count"
        )
    if seen.library_calls:
        words.append(f"whole on every device: {', '.join(seen.library_calls)}")
    return words


def _unmeasured(members: Sequence[Efficiency]) -> Iterator[str]:
    for one in members:
        if one.value is None:
            why = one.reason or (
                "its flops are not known" if one.work is None else "its turn never came"
            )
            size = visible(one.several.size_text)
            yield f"{visible(one.one.kernel)}[{size}] on {visible(one.several.device)}: {visible(why)}"


def _title(run: Run, found: Sequence[Efficiency]) -> str:
    threads = sorted({one.one.threads for one in found})
    each = f"{' or '.join(map(str, threads))} thread{'s' * (threads != [1])} a device"
    cores = run.header["machine"].get("cores")
    host = f" on {cores} CPUs" if isinstance(cores, int) else ""
    precision = visible(str(run.header["settings"].get("precision", "ieee")))
    return f"{visible(run.name)} · what several devices are worth · {each}{host} · {precision}"


def _mean_grids(figures: Sequence[Mean]) -> Iterator[Grid]:
    devices = sorted({mean.device for mean in figures}, key=count_of)
    rows = grouped(figures, lambda mean: (mean.kind, mean.size_name, mean.gathered))
    shown = []
    for (kind, size, gathered), members in rows.items():
        label = (
            Line(f"{kind}, {visible(size) or 'typed sizes'}", "strong"),
            Line(f"{GATHERED} gather" if gathered else "gather nothing", "quiet"),
        )
        by_device = {mean.device: mean for mean in members}
        shown.append((label, *(_mean_cell(by_device.get(device)) for device in devices)))
    if shown:
        ideals = {mean.device: mean.worst.ideal for mean in figures}
        heads = tuple(_head(device, ideals[device]) for device in devices)
        yield Grid("overall · geometric mean over kernels", ("", *heads), tuple(shown))


def _mean_cell(mean: Mean | None) -> Cell:
    if mean is None:
        return (Line("-", "quiet"),)
    interval = mean.ratio
    within = f" ({percent(interval.low)}-{percent(interval.high)})" if interval else ""
    counted = f"{mean.kernels} kernel{'s' * (mean.kernels != 1)}"
    worst = f"{visible(mean.worst.one.kernel)} {percent(mean.worst.value or 0.0)}"
    return (
        Line(f"{percent(mean.value)}{within}"),
        Line(counted, "quiet"),
        Line(f"least {worst}", "quiet"),
    )


def _as_record(one: Efficiency) -> dict[str, Any]:
    seen = one.sharding
    return {
        "kernel": one.one.kernel,
        "kind": one.kind,
        "size": one.several.size_text,
        "size_of_one": one.one.size_text,
        "size_name": one.one.size_name or None,
        "dtype": one.one.dtype,
        "threads": one.one.threads,
        "backend": one.one.backend,
        "device": one.several.device,
        "devices": one.devices,
        "work": one.work,
        "forks": len(one.one_s.keys() & one.several_s.keys()),
        "time_of_one_s": _median(one.one_s),
        "time_s": _median(one.several_s),
        "efficiency": one.value,
        "efficiency_low": one.low,
        "efficiency_high": one.high,
        "efficiency_level": one.speedup.level if one.speedup else None,
        "ideal": one.ideal,
        "gathered": seen.gathered if seen else None,
        "divided": seen.divided if seen else None,
        "communicated_bytes": seen.communicated_bytes if seen else None,
        "operations": one.operations,
        "library_calls": dict(seen.library_calls or {}) if seen else None,
        "reason": one.reason or None,
    }


def _as_mean(mean: Mean) -> dict[str, Any]:
    return {
        "kind": mean.kind,
        "size_name": mean.size_name or None,
        "device": mean.device,
        "gathered": mean.gathered,
        "kernels": mean.kernels,
        "forks": mean.forks,
        "efficiency": mean.value,
        "efficiency_low": mean.ratio.low if mean.ratio else None,
        "efficiency_high": mean.ratio.high if mean.ratio else None,
        "worst": mean.worst.one.kernel,
        "worst_efficiency": mean.worst.value,
    }


def _median(times: Mapping[int, float]) -> float | None:
    return stats.location(list(times.values())).value if times else None
