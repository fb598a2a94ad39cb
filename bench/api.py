"""What can be asked from Python: measure, and read and compare what was measured."""

from pathlib import Path
from typing import TYPE_CHECKING

from xpbench.bench import beginning, groups, journal, preparation, runner
from xpbench.bench.exceptions import NothingMeasured
from xpbench.bench.plan import Request
from xpbench.bench.preparation import BASELINE, Names

if TYPE_CHECKING:
    from pandas import DataFrame

    from xpbench.bench.changes import Changes
    from xpbench.bench.results import Results


def run(
    *kernels: str | Path,
    backends: Names = (),
    devices: Names = (),
    dtypes: Names = (),
    sizes: Names = (),
    chapters: Names = (),
    everything: bool = False,
    preset: str = "default",
    forks: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    precision: str = "ieee",
    timeout: float = 120.0,
    seed: int = 0,
    baseline: str = BASELINE,
    roofs: bool | None = None,
    cache: str = "hot",
    energy: bool = False,
    until_clear: bool = False,
    out: str | Path | None = None,
) -> "Results":
    """Measures kernels on backends and stores the run.

    ``kernels`` are names or paths of Python files; without any, the named five are measured. The
    other arguments are the options of ``xpbench run``. Returns the stored run.

    Raises
    ------
    XpbenchError
        If something named does not exist or is out of range.
    NothingMeasured
        If no case could be measured.
    """
    request = Request(
        chapters=_names(chapters),
        everything=everything,
        backends=_names(backends),
        devices=_names(devices),
        dtypes=_names(dtypes),
        sizes=_names(sizes),
        preset=preset,
    )
    prepared = preparation.prepare(
        [str(kernel) for kernel in kernels],
        request,
        forks=forks,
        seconds=seconds,
        threads=threads,
        precision=precision,
        timeout=timeout,
        seed=seed,
        baseline=baseline,
        roofs=roofs,
        cache=cache,
        energy=energy,
        until_clear=until_clear,
    )
    folder = beginning.begin(prepared, Path(out) if out else None)
    for job in prepared.jobs(folder):
        runner.execute(job, runner.Silent())
    return finished(folder)


def finished(folder: Path) -> "Results":
    """The stored run in ``folder``.

    Raises
    ------
    NothingMeasured
        If no case of it ran.
    """
    results = load(folder)
    check_measured(results.cases)
    return results


def check_measured(cases: "DataFrame") -> None:
    """Raises ``NothingMeasured`` if none of the cases, a row each, ran."""
    statuses = set(cases["status"])
    if not statuses & {"ok", "wrong"}:
        reasons = cases["reason"].dropna().unique().tolist()
        raise NothingMeasured(f"nothing could be measured: {'; '.join(reasons[:3]) or 'no case ran'}")


def load(path: str | Path, rounds: bool = True) -> "Results":
    """A stored run as pandas frames: ``cases``, ``forks`` and ``samples``. Without ``rounds`` the last
    holds one median per fork, and a run of a million records takes a fraction of the memory."""
    from xpbench.bench.results import Results

    return Results(journal.read(Path(path), rounds))


def table(*paths: str | Path, baseline: str | None = None) -> "DataFrame":
    """One row per case of the stored runs, with the columns of ``xpbench table --format json``."""
    from xpbench.bench.report.summary import summarise

    return summarise(
        [journal.read(path, rounds=False) for path in groups.runs_of(map(Path, paths))], baseline
    )


def report(*paths: str | Path, out: str | Path = "report.html", baseline: str | None = None) -> Path:
    """Writes the page of the stored runs, which a browser opens offline, to ``out``; returns its path.

    Raises
    ------
    XpbenchError
        If there is no run at a path, no case is on ``baseline``, or the file cannot be written.
    """
    from xpbench.bench.report.page.page import render

    page = render(
        [journal.read(path, rounds=False) for path in groups.runs_of(map(Path, paths))], baseline
    )
    journal.write_whole(Path(out), page)
    return Path(out)


def compare(base: str | Path, new: str | Path, band: float | None = None) -> "Changes":
    """What changed from the stored run ``base`` to ``new``, beyond ``band`` (10 % unless told).

    Raises
    ------
    XpbenchError
        If there is no run at a path, or ``band`` is narrower than two runs allow.
    """
    from xpbench.bench import comparison
    from xpbench.bench.changes import Changes

    runs = [journal.read(Path(path)) for path in (base, new)]
    return Changes(comparison.compare(runs[0], runs[1], band))


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
