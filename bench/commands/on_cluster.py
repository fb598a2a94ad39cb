"""``xpbench run --cluster``: what a run over several machines asks, measures and says."""

import signal
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from xpbench.bench.commands.measure import INTERRUPTED, exit_if_wrong
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.output import announce, console_of_output, print_tables, tell, write

if TYPE_CHECKING:
    from pandas import DataFrame

    from xpbench.bench.cluster.block import Expected
    from xpbench.bench.cluster.fleet import Fleet
    from xpbench.bench.plan import Request
    from xpbench.bench.preparation import Plan

EXAMPLE = "tcp://node1:8786"


def connect(cluster: str, slurm: Sequence[str], folder: Path) -> "Fleet":
    """The machines that ``--cluster`` names.

    Raises
    ------
    XpbenchError
        If it names none, or what reaches them is not installed or does not answer.
    """
    if cluster.startswith(("tcp://", "tls://")):
        from xpbench.bench.cluster import dask_fleet

        if slurm:
            raise XpbenchError(f"--slurm beside --cluster {cluster}: it is for --cluster slurm alone")
        if not _has_port(cluster):
            raise XpbenchError(f"--cluster {cluster!r}: expected a host and a port, e.g. {EXAMPLE}")
        return dask_fleet.connect(cluster)
    from xpbench.bench.cluster import slurm_fleet

    if cluster in slurm_fleet.EXECUTORS:
        return slurm_fleet.connect(cluster, slurm, folder)
    raise XpbenchError(
        f"--cluster {cluster!r}: expected the address of a Dask scheduler, e.g. {EXAMPLE}, or "
        f"{' or '.join(slurm_fleet.EXECUTORS)}"
    )


def _has_port(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False


def run(
    cluster: str | None,
    slurm: Sequence[str],
    kernels: Sequence[str],
    request: "Request",
    options: Mapping[str, Any],
    *,
    out: Path | None,
    resume: Path | None,
    cpus: str | None,
    dry_run: bool,
    strict: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measures on the machines that ``cluster`` names, with ``options`` of ``preparation.prepare``."""
    from xpbench.bench import api, beginning, ending, groups, journal
    from xpbench.bench.cluster import planning

    if cluster is None:
        begun = ", ".join(map(str, groups.groups_in(resume or Path())))
        alone = f", or complete what one kind of machine has begun, on a machine like it ({begun})"
        raise XpbenchError(f"{resume} was measured on a cluster: add --cluster{alone if begun else ''}")
    if cpus is not None:
        raise XpbenchError("--cpus beside --cluster: start the workers on them, with taskset -c")
    if options.get("until_clear"):
        raise XpbenchError("--until-clear beside --cluster: give more --forks instead")
    if resume is None and out is not None and not dry_run:
        journal.check_free(out)
    folder = resume or out or beginning.new_folder(request.preset, datetime.now().astimezone())
    with closing(connect(cluster, slurm, folder)) as fleet:
        if resume is not None:
            prepared, expected = planning.taken_up(fleet, folder, kernels)
        else:
            prepared, expected = planning.prepared(fleet, kernels, request, options)
        announce(prepared, quiet=quiet and not dry_run)
        if dry_run:
            return
        if resume is None:
            planning.begin(prepared, folder)
        if not quiet:
            tell(f"results go to {folder}, a folder for every kind of machine")
        again = ["--cluster", cluster, *(word for option in slurm for word in ("--slurm", option))]
        _measure(fleet, prepared, expected, folder, again, quiet, as_json)
    cases = _answer(folder, as_json)
    api.check_measured(cases)
    if not quiet:
        ending.point_on(folder, as_json)
    for group in groups.groups_in(folder):
        for warning in ending.warnings(api.load(group, rounds=False)):
            tell(f"warning: {group.name}: {warning}")
    exit_if_wrong(cases, strict)


def _measure(
    fleet: "Fleet",
    prepared: "Plan",
    expected: "Expected",
    folder: Path,
    again: Sequence[str],
    quiet: bool,
    as_json: bool,
) -> None:
    """Measures into ``folder``; ``again`` are the options with which the run is resumed."""
    from xpbench.bench import ending, groups, lock
    from xpbench.bench.cluster import planning, sweep
    from xpbench.bench.cluster.fleet import Lost
    from xpbench.bench.cluster.gathering import Gathering
    from xpbench.bench.progress import observer_of

    job = prepared.job(folder)
    for group in groups.groups_in(folder):
        lock.refuse_if_held(group)
    with lock.writing(folder, tell):
        gathering = Gathering.of(folder, groups.plan_of(folder), tuple(prepared.words))
        queue = planning.queue(job, expected, gathering)
        try:
            with observer_of({"": job}, gathering.progress, quiet=quiet) as observer:
                sweep.measure(queue, gathering, fleet, observer)
        except Lost as fault:
            command = ending.resuming("run", folder, job.registry.files, again)
            raise XpbenchError(
                f"{fault}: what came is kept, and the rest is measured by `{command}`"
            ) from None
        except KeyboardInterrupt:
            # An impatient second Ctrl-C must not cost the table and the word on how to go on.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if groups.groups_in(folder):
                _answer(folder, as_json)
            tell("\n" + ending.how_to_resume("run", folder, job.registry.files, again))
            raise typer.Exit(INTERRUPTED) from None


def _answer(folder: Path, as_json: bool) -> "DataFrame":
    """Prints the tables of all kinds of machine, and gives a row for each of their cases."""
    from xpbench.bench import groups, journal
    from xpbench.bench.report.calibration_table import cited
    from xpbench.bench.report.overall import overall
    from xpbench.bench.report.records import as_json as rendered
    from xpbench.bench.report.summary import summarise

    stored = [journal.read(group, rounds=False) for group in groups.runs_of([folder])]
    frame = summarise(stored)
    if as_json:
        write(rendered(frame), None)
    else:
        print_tables(frame, "latency", overall(stored), [cited(stored)])
        for line in groups.words_of([folder]):
            console_of_output().print(line, style="dim", soft_wrap=True, highlight=False)
    return frame
