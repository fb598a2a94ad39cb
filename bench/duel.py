"""Which two cases are held against each other at one size after another, and what each takes there?"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xpbench.bench import beginning, journal, preparation, runner, stats
from xpbench.bench.case import Case
from xpbench.bench.crossover import Probe, interval, verdict
from xpbench.bench.device import is_host, kind_of
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.journal import Run
from xpbench.bench.output import tell
from xpbench.bench.plan import Request
from xpbench.bench.preparation import Plan
from xpbench.bench.progress import observer_of
from xpbench.bench.stats import Ratio

RANGE = ("small", "medium", "large")
"""The named sizes that the search spans, unless told otherwise."""
BASELINE = "numpy"


class WrongResult(XpbenchError):
    """A library is wrong at some size, so that its times mean nothing."""

    exit_code = 1


@dataclass
class Duel:
    """Two cases that are measured against each other at one size after another.

    With ``transfer``, the way of the inputs to a device and of the outputs back belongs to its time; the
    host's libraries have their arrays where they are. ``quiet`` tells nothing of it as it goes on.
    """

    prepared: Plan
    pair: tuple[Case, Case]
    key: str
    base: dict[str, int]
    folder: Path
    transfer: bool = False
    quiet: bool = False
    times: dict[int, tuple[float, float]] = field(default_factory=dict)
    widened: set[str] = field(default_factory=set)
    disturbed: int = 0
    measured: int = 0

    @property
    def first(self) -> str:
        return _heading(self.pair[0])

    @property
    def second(self) -> str:
        return _heading(self.pair[1])

    @property
    def notes(self) -> list[str]:
        """What must be known of the times."""
        notes = [
            f"{what}, not in {self.pair[0].dtype}: more work, for a more precise result"
            for what in sorted(self.widened)
        ]
        moving = [_heading(case) for case in self.pair if _moves(case)]
        if self.transfer and moving:
            notes.append(f"with the time to move inputs and outputs, of {' and '.join(moving)}")
        elif moving:
            notes.append("without the time to move inputs and outputs: --transfer counts it")
        if self.disturbed:
            notes.append(
                f"other work disturbed {self.disturbed} of {self.measured} measurements: a quiet "
                "machine may give another crossing"
            )
        return notes

    def measure(self, size: int) -> Ratio:
        """How many times the first's time the second takes at ``size``, in a run of its own.

        Raises
        ------
        NothingMeasured
            If one of them has no time at this size in forks enough.
        WrongResult
            If one of them is wrong.
        """
        pairs = tuple((self.base | {self.key: size}).items())
        cases = tuple(replace(case, size=pairs, size_name="") for case in self.pair)
        plan = replace(self.prepared, cases=cases)
        folder = beginning.begin(plan, self.folder / f"{self.key}={size}")
        job = plan.job(folder)
        with observer_of({"": job}, quiet=self.quiet, part=f"{self.key}={size}") as observer:
            runner.execute(job, observer)
        run = journal.read(folder)
        first, second = (times_of(run, case, self.transfer) for case in cases)
        ratio = stats.ratio(second, first)
        if ratio is None:
            raise NothingMeasured(f"{folder}: too few forks for a verdict; raise --forks")
        self.times[size] = (statistics.median(first), statistics.median(second))
        self.widened |= {
            f"{m.case.backend} computes in {m.compute_dtype}"
            for m in run.measurements
            if m.compute_dtype not in ("", m.case.dtype)
        }
        self.disturbed += sum(m.disturbed for m in run.measurements)
        self.measured += len(run.measurements)
        probe = Probe(size, ratio)
        if not self.quiet:
            tell(f"{self.key}={size}: {verdict(probe, self.second)} ({interval(probe)})")
        return ratio


def base_size(sizes: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The size whose other keys are kept."""
    return dict(sizes.get("medium") or next(iter(sizes.values())))


def chosen_key(name: str, sizes: Mapping[str, Mapping[str, int]], asked: str | None) -> str:
    """The key of the size that is varied: the one ``asked`` for, or the only one that can be meant.

    Raises
    ------
    XpbenchError
        If there is no such key, or several differ between the named sizes.
    """
    base = base_size(sizes)
    if asked is not None:
        if asked not in base:
            raise XpbenchError(f"--key {asked!r}: the size of {name} has {', '.join(base)}")
        return asked
    named = [size for size in sizes.values() if set(size) == set(base)]
    differing = [key for key in base if len({size[key] for size in named}) > 1] or list(base)
    if len(differing) > 1:
        raise XpbenchError(
            f"{name} has sizes of several keys, {', '.join(differing)}: say which one to vary, e.g. "
            f"--key {differing[0]}"
        )
    return differing[0]


def span(
    name: str,
    sizes: Mapping[str, Mapping[str, int]],
    key: str,
    smallest: int | None,
    largest: int | None,
) -> tuple[int, int]:
    """The ends of the search, by default the smallest and the largest of the named sizes.

    Raises
    ------
    XpbenchError
        If there is nothing between them.
    """
    named = [sizes[n][key] for n in RANGE if key in sizes.get(n, {})] or [
        size[key] for size in sizes.values() if key in size
    ]
    low = min(named) if smallest is None else smallest
    high = max(named) if largest is None else largest
    if not 1 <= low < high:
        raise XpbenchError(
            f"{name}: {key} from {low} to {high} is no range; give --from and --to, e.g. "
            f"--from {max(1, min(named))} --to {2 * max(named)}"
        )
    return low, high


def prepare(
    kernel: str,
    backends: Sequence[str],
    dtype: str,
    forks: int,
    seconds: float | None,
    threads: int | None,
    precision: str,
) -> tuple[Plan, tuple[Case, Case]]:
    """The plan of one kernel on two backends, and the two cases, at one of its sizes.

    ``backends`` may name devices, ``jax@cuda``; one alone is compared with NumPy.

    Raises
    ------
    XpbenchError
        If these are not two, or not one kernel.
    NothingMeasured
        If one of the two cannot be used here.
    """
    wanted = [_backend_and_device(text) for text in backends]
    if len(wanted) == 1 and wanted[0] != (BASELINE, ""):
        wanted.insert(0, (BASELINE, ""))
    if len(wanted) not in (0, 2) or len(set(wanted)) != len(wanted):
        raise XpbenchError(
            f"--backend {' '.join(backends)}: name two, or one that is compared with {BASELINE}"
        )
    names = [name for name, _ in wanted]
    devices = [device for _, device in wanted]
    request = Request(
        backends=tuple(names),
        dtypes=(dtype,),
        devices=tuple(dict.fromkeys(device or "cpu" for device in devices)) if any(devices) else (),
    )
    plan = preparation.prepare(
        [kernel],
        request,
        forks=forks,
        seconds=seconds,
        threads=threads,
        precision=precision,
        baseline=names[0] if names and not _is_file(names[0]) else BASELINE,
        roofs=False,
    )
    kernels = list(dict.fromkeys(case.kernel for case in plan.cases))
    if len(kernels) > 1:
        raise XpbenchError(f"{kernel} declares {', '.join(kernels)}: name a file with one kernel")
    if not wanted:
        usable = list(dict.fromkeys(case.backend for case in plan.runnable))
        if len(usable) != 2:
            raise XpbenchError(f"name the backend to compare with {BASELINE}, of {', '.join(usable)}")
        wanted = [(name, "") for name in usable]
    first, second = (_case(plan, name, device) for name, device in wanted)
    for case in (first, second):
        if case.backend in plan.unusable:
            reason = plan.unusable[case.backend]
            raise NothingMeasured(f"{case.backend} is not usable here: {reason}")
    return plan, (first, second)


def _case(plan: Plan, name: str, device: str) -> Case:
    """The case of a backend, on the CPU unless a device is named or there is another alone."""
    backend = name
    if _is_file(name):
        declared = plan.registry.backends_of(Path(name))
        if len(declared) != 1:
            raise XpbenchError(f"{name} declares {', '.join(declared)}: name a file with one backend")
        backend = declared[0]
    found = [c for c in plan.cases if c.backend == backend]
    here = [c for c in found if device in ("", c.device, kind_of(c.device))]
    if not here:
        have = ", ".join(dict.fromkeys(c.device for c in found)) or "none of those asked for"
        raise XpbenchError(f"{backend} has no device {device or 'cpu'!r} here; it has {have}")
    return min(here, key=lambda c: not is_host(c.device))


def _backend_and_device(text: str) -> tuple[str, str]:
    if _is_file(text):
        return text, ""
    name, _, device = text.partition("@")
    return name, device


def _is_file(text: str) -> bool:
    return text.endswith(".py")


def _heading(case: Case) -> str:
    return f"{case.backend}@{case.device}".removesuffix("@cpu")


def _moves(case: Case) -> bool:
    """Whether its device has a memory of its own."""
    return not is_host(case.device)


def times_of(run: Run, case: Case, transfer: bool) -> list[float]:
    """The time of every fork of ``case``, which must have ended well often enough for a verdict; with
    ``transfer``, that of moving its arrays to its device and back as well."""
    records = [m for m in run.measurements if m.case == case]
    faults = [m for m in records if m.status != "ok"]
    if wrong := [m for m in faults if m.status == "wrong"]:
        raise WrongResult(f"{case} is wrong: {wrong[0].reason}; a wrong result is not a fast one")
    times = [
        stats.fork_summary(m.samples)
        + ((m.transfer_s or 0.0) + (m.transfer_out_s or 0.0) if transfer and _moves(case) else 0.0)
        for m in records
        if m.status == "ok" and m.samples
    ]
    if len(times) < stats.MIN_FORKS:
        why = f"{faults[0].status}: {faults[0].reason}" if faults else "it was not timed"
        raise NothingMeasured(
            f"{case}: {len(times)} forks ended well ({why}); choose other ends with --from and --to"
        )
    return times
