"""Makes docs/predictions.md: what every sharded kernel would do on 64 and 1,024 devices.

python scripts/predictions.py results/published/xeon-2cpu-all-devices -o docs/predictions.md
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prediction_model import Network, Prediction, Work, doubts, predict, steps_of, undivided

from xpbench.bench import growth, journal, registry, stats
from xpbench.bench.case import Case
from xpbench.bench.device import count_of
from xpbench.bench.efficiency import Efficiency, efficiencies
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.header import positive
from xpbench.bench.journal import Run
from xpbench.bench.kernel import Kernel
from xpbench.bench.report.quantities import duration, percent, rate, volume
from xpbench.bench.roofline import Peak, key_of, peaks

DEVICES = (64, 1024)
SIZES = ("large", "medium")
"""Of these the first that a kernel was measured at."""
CHECKED = 2
"""So many devices are both predicted and measured."""
CLUSTER = Network(latency_s=0.6e-6, bytes_per_s=25e9)
"""A port of 200 Gb/s for each device; the figures are those of ``SOURCE``."""
SOURCE = (
    "NVIDIA, *ConnectX-6 adapter cards, user manual*, introduction: ports of 200 Gb/s, below 600 ns "
    "(`docs.nvidia.com/networking/display/ConnectX6EN`)"
)
WRITTEN = 3
"""A byte that one device of a host gets from another is read, and written where it is read before."""
NEAR = 0.25
"""An error within this share of the measured time is counted as near."""
PUBLISHED = "xeon-2cpu-all-devices"
"""The published run behind docs/predictions.md."""

TITLE = "# Past what can be run here: a prediction"
ABSENT = f"""**PREDICTION. No run over several devices is published yet**, so that this page has no
figures but those of its network. Where `results/published/{PUBLISHED}` holds one, `make gallery` fills
it in."""
MODEL = """## The model

With T1 the time of a call on one device, measured, and u the share of it that every device repeats, a
call on p devices is predicted to take

    T(p) = max(smallest call, T1 (u + (1 - u) / p)) + steps(p) latency + bytes(p) / bandwidth

- **u** is read from the programs that XLA made for 1 and for the most devices: the operations of one
  device, as XLA counts them, and the calls of LAPACK, which it does not count, which none divides, and
  whose share is what the kernel's cost model states beyond XLA's count. Where such a call stands in a
  loop u comes out too large.
- **bytes(p)** are those that the run recorded, by kind of operation, and their growth: of an array of k
  bytes a device receives k (p - 1) / p to gather it and 2 k (p - 1) / p to add it up (Patarasuk & Yuan,
  J. Parallel Distrib. Comput. 69, 2009); all with all takes k (p - 1) / p^2, and an edge the same at
  every p.
- **steps(p)** are log2 p to gather, twice that to add up, p - 1 for all with all, 1 for an edge, by
  recursive doubling and halving (Thakur, Rabenseifner & Gropp, Int. J. High Perf. Comput. Appl. 19,
  2005), each with the latency of Hockney's model (Parallel Computing 20, 1994).
- **Left out** are contention between devices, software above the adapter, computing and exchanging at
  the same time, caches that a smaller share fits into, and devices that wait for the slowest."""


@dataclass(frozen=True)
class Row:
    """What is predicted of a kernel, or why nothing is. ``measured_s`` is what ``CHECKED`` took."""

    case: Case
    work: Work
    predictions: tuple[Prediction | None, ...]
    check: Prediction | None
    measured_s: float | None
    doubts: tuple[str, ...]

    @property
    def error(self) -> float | None:
        """How far the predicted time is from the one measured, as a share of that."""
        if self.check is None or self.measured_s is None:
            return None
        return self.check.seconds / self.measured_s - 1


def page(run: Run | None) -> str:
    """The page in Markdown; where there is no run yet, what it would be made of.

    Raises
    ------
    XpbenchError
        If the run has no kernel on one device and on several, or no roofs of one device and of two.
    """
    if run is None:
        return "\n\n".join([TITLE, ABSENT, _networks(None), MODEL]) + "\n"
    found = rows(run)
    parts = [TITLE, _origin(run, found), _networks(run), _device(run), MODEL, _check(found)]
    return "\n\n".join([*parts, _table(found), *_doubted(found)]) + "\n"


def rows(run: Run) -> list[Row]:
    """A prediction for every kernel of ``run``, at the largest of its sizes called in ``SIZES``."""
    strong = [one for one in efficiencies(run) if one.kind == "strong" and one.one_s]
    chosen: dict[str, list[Efficiency]] = {}
    for size in SIZES:
        for kernel in dict.fromkeys(one.one.kernel for one in strong):
            members = [one for one in strong if (one.one.kernel, one.one.size_name) == (kernel, size)]
            if members:
                chosen.setdefault(kernel, members)
    if not chosen:
        raise XpbenchError(
            f"{run.path} has no kernel at {' or '.join(SIZES)} on one device and on several: measure "
            "with `xpbench scaling --all --size large --devices 1,2,4,8`"
        )
    local, smallest = here(run), _smallest(run)
    kernels = registry.find().kernels
    return [
        _row(run, chosen[name], local, smallest, kernels[name])
        for name in sorted(chosen.keys() & kernels.keys(), key=lambda name: kernels[name].place)
    ]


def here(run: Run) -> Network:
    """What joins the devices of the run's host: its memory, by the roofs that the run measured.

    Two devices share the rate with fresh memory, of which a byte received takes ``WRITTEN``; a step
    costs half of an exchange in which they add up numbers, which takes two.
    """
    peak = _peak(run, CHECKED)
    if not peak.fresh_bytes or not peak.exchange_s:
        raise _without_roofs(run)
    return Network(
        peak.exchange_s / steps_of("all-reduce", CHECKED), peak.fresh_bytes / WRITTEN / CHECKED
    )


def _smallest(run: Run) -> float:
    return min(_peak(run, 1).dispatch_s.values(), default=0.0)


def _peak(run: Run, devices: int) -> Peak:
    known = peaks(run.roofs)
    for case in run.cases:
        if count_of(case.device) == devices and (peak := known.get(key_of(case, case.dtype))):
            return peak
    raise _without_roofs(run)


def _without_roofs(run: Run) -> XpbenchError:
    return XpbenchError(f"{run.path} lacks the roofs of 1 or {CHECKED} devices: measure with --roofs")


def _row(
    run: Run, members: Sequence[Efficiency], local: Network, smallest: float, kernel: Kernel
) -> Row:
    one = members[0].one
    seen = {found.devices: found.sharding for found in members if found.sharding is not None}
    alone = next((found.alone for found in members if found.alone is not None), None)
    flops = run.header["kernels"].get(one.kernel, {}).get("flops", {}).get(one.size_text)
    seconds = stats.location(list(members[0].one_s.values())).value
    checked = next((found for found in members if found.devices == CHECKED), None)
    measured = (
        stats.location(list(checked.several_s.values())).value if checked and checked.several_s else None
    )
    if alone is None or not seen:
        work = Work(seconds, {}, positive(flops))
        return Row(one, work, (), None, measured, ("the run did not record what its devices exchange",))
    work = Work(seconds, {1: alone, **seen}, positive(flops))
    unknown = work.most.communicated_bytes is None
    check = None if unknown or checked is None else predict(work, CHECKED, local, smallest)
    length, why = _length(one, kernel)
    predictions = tuple(
        None if unknown or length < n else predict(work, n, CLUSTER, smallest) for n in DEVICES
    )
    return Row(one, work, predictions, check, measured, (*doubts(work), *why))


def _length(case: Case, kernel: Kernel) -> tuple[int, list[str]]:
    """The length that is divided, of the largest input, and why so many devices may not divide it."""
    size = dict(case.size)
    key = growth.leading_key(kernel, size)
    if key is None:
        return 0, ["no key of its size is the length of what is divided"]
    length = size[key]
    short = [str(n) for n in DEVICES if length < n]
    odd = [str(n) for n in DEVICES if length >= n and length % n]
    why = [f"{key} = {length} is too short for {' or '.join(short)} devices"] if short else []
    why += [f"{key} = {length} is no multiple of {' or '.join(odd)}: taken as if it were"] if odd else []
    return length, why


def _origin(run: Run, found: Sequence[Row]) -> str:
    machine = run.header["machine"]
    return f"""**PREDICTION. Nothing on this page was measured on more than {_most(found)} devices.**
What every sharded kernel would take on {_listed(DEVICES)} devices is derived from the run `{run.name}`
({machine.get("cpu")}, {machine.get("cores")} CPUs) and from two figures of a network."""


def _networks(run: Run | None) -> str:
    lines = [
        "| | a step without bytes | bytes that a device receives a second | by |",
        "| :-- | --: | --: | :-- |",
        _network("the network of the PREDICTION", CLUSTER, SOURCE),
    ]
    if run is not None:
        source = (
            f"roofs of the run: half an exchange that adds up numbers, and fresh memory shared by "
            f"{CHECKED}, {WRITTEN} bytes moved for each received"
        )
        lines.append(_network("this machine, for the check", here(run), source))
    return "\n".join(lines)


def _network(name: str, network: Network, source: str) -> str:
    return f"| {name} | {duration(network.latency_s)} | {rate(network.bytes_per_s, 'B')} | {source} |"


def _device(run: Run) -> str:
    peak = _peak(run, 1)
    flops, bandwidth = rate(peak.matmul_flops or 0.0, "flop"), rate(peak.reused_bytes or 0.0, "B")
    return f"""A device is one CPU of that machine with one thread, whose measured roof is {flops} and
{bandwidth}, and whose smallest call takes {duration(_smallest(run))}: no share is computed sooner. A
kernel is taken to keep the share of the roof that it reaches on one device."""


def _check(found: Sequence[Row]) -> str:
    errors = sorted(abs(row.error) for row in found if row.error is not None)
    if not errors:
        return (
            f"## The check\n\nThis run did not measure {CHECKED} devices: the PREDICTION is unchecked."
        )
    within = sum(error <= NEAR for error in errors)
    median, largest = percent(statistics.median(errors)), percent(errors[-1])
    return f"""## The check

The same model, with this machine's memory for a network, was held against {CHECKED} devices here. Of
{len(errors)} kernels {within} were predicted within {percent(NEAR)}; the median error is {median}, the
largest {largest}. The last column has each, with its sign: + is a time predicted too long. Nothing
checks what is said of {_listed(DEVICES)} devices."""


def _listed(counts: Sequence[int]) -> str:
    return " and ".join(f"{count:,}" for count in counts)


def _most(found: Sequence[Row]) -> int:
    return max((max(row.work.seen) for row in found if row.work.seen), default=1)


def _table(found: Sequence[Row]) -> str:
    columns = [
        *("kernel", "size", "measured on 1", "repeated, u"),
        *(f"PREDICTION on {n:,}: bytes, time, efficiency" for n in DEVICES),
        *(f"predicted on {CHECKED} here", "measured", "error"),
    ]
    lines = [
        "## The PREDICTION, kernel by kernel",
        "",
        "⊕ gathers an array as large as an input on a device; ? stands in doubt, for a reason below.",
        "",
        f"| {' | '.join(columns)} |",
        f"| :-- | :-- |{' --: |' * (len(columns) - 2)}",
        *(f"| {' | '.join(_cells(row))} |" for row in found),
    ]
    return "\n".join(lines)


def _cells(row: Row) -> Iterator[str]:
    most = row.work.most if row.work.seen else None
    gathered = " ⊕" if most is not None and most.gathered else ""
    yield f"`{row.case.kernel}`{gathered}{' ?' if row.doubts else ''}"
    yield f"{row.case.size_name}, {row.case.size_text}"
    yield duration(row.work.seconds)
    yield percent(undivided(row.work)) if most is not None else "-"
    for index in range(len(DEVICES)):
        told = row.predictions[index] if row.predictions else None
        yield "not predicted" if told is None else _predicted(row, told)
    yield duration(row.check.seconds) if row.check else "-"
    yield duration(row.measured_s) if row.measured_s else "-"
    yield f"{100 * row.error:+.0f}%" if row.error is not None else "-"


def _predicted(row: Row, told: Prediction) -> str:
    efficiency = row.work.seconds / told.seconds / told.devices
    return f"{volume(told.received_bytes)}, {duration(told.seconds)}, {percent(efficiency)}"


def _doubted(found: Sequence[Row]) -> Iterator[str]:
    if doubted := [row for row in found if row.doubts]:
        lines = [f"- `{row.case.kernel}`: {'; '.join(row.doubts)}" for row in doubted]
        yield "\n".join(["## What is in doubt", "", *lines])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "run", type=Path, nargs="?", help="a run that `xpbench scaling` made, with its roofs"
    )
    parser.add_argument("-o", "--out", type=Path, help="the page; default: standard output")
    options = parser.parse_args(arguments)
    try:
        text = page(journal.read(options.run, rounds=False) if options.run else None)
    except XpbenchError as fault:
        print(fault, file=sys.stderr)
        return fault.exit_code
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
