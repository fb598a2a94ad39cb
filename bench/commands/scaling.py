"""``xpbench scaling``: how much of several devices a kernel uses, for the same work and for more."""

from pathlib import Path
from typing import Annotated

import typer

from xpbench.bench.commands.measure import exit_as_found, measure
from xpbench.bench.commands.one_table import Form, Output, check_form, show_table
from xpbench.bench.options import (
    Cpus,
    DryRun,
    Dtypes,
    Everything,
    Forks,
    Kernels,
    Out,
    Precision,
    Quiet,
    Resume,
    Roofs,
    Seconds,
    Seed,
    Show,
    Sizes,
    Timeout,
    files_alone,
    refuse_beside_resume,
    restrict_to_cpus,
)
from xpbench.bench.output import announce, tell, warn_of_noise

DeviceList = Annotated[
    str,
    typer.Option(
        "--devices", metavar="LIST", help="Numbers of devices, or names: 1,2,4 or 1xcpu,2xcpu,2x4xcpu."
    ),
]
Divider = Annotated[
    str, typer.Option("--backend", metavar="NAME", help="A backend that divides arrays over devices.")
]
DeviceThreads = Annotated[
    int | None, typer.Option("--threads", metavar="N", help="CPU threads of each device. Default: 1.")
]
Weak = Annotated[
    bool, typer.Option("--weak/--no-weak", help="Measure work that grows with the devices, too.")
]


def scaling(
    context: typer.Context,
    kernels: Kernels = None,
    devices: DeviceList = "1,2",
    backend: Divider = "jax-sharded",
    dtype: Dtypes = None,
    size: Sizes = None,
    everything: Everything = False,
    weak: Weak = True,
    forks: Forks = None,
    seconds: Seconds = None,
    threads: DeviceThreads = None,
    cpus: Cpus = None,
    precision: Precision = "ieee",
    timeout: Timeout = 120.0,
    roofs: Roofs = None,
    seed: Seed = 0,
    out: Out = None,
    resume: Resume = None,
    show: Show = None,
    dry_run: DryRun = False,
    form: Form = "rich",
    file: Output = None,
    quiet: Quiet = False,
) -> None:
    """Tell how much of several devices every kernel uses.

    Strong: the same work on one device and on several. Weak: work that grows with the devices, along the
    dimension that is divided. A device of the host is as many CPUs as it has threads, and devices that
    are more than that share them: the table says what they could reach at most.
    """
    from xpbench.bench import beginning, dividing, journal
    from xpbench.bench.plan import Request

    check_form(form)
    if show is not None:
        _report(show, form, file)
        return
    restrict_to_cpus(cpus)
    reasons: dict[str, str] = {}
    if resume is not None:
        refuse_beside_resume(context, ("kernels", "resume", "cpus", "quiet", "form", "file"))
        prepared = beginning.resume(resume, files_alone(kernels or []), "scaling")
    else:
        if out is not None and not dry_run:
            journal.check_free(out)
        prepared, reasons = dividing.prepare(
            kernels or [],
            devices,
            backend,
            Request(
                everything=everything,
                dtypes=tuple(dtype or ("float32",)),
                sizes=tuple(size or ("medium", "large")),
            ),
            weak=weak,
            forks=forks,
            seconds=seconds,
            threads=threads,
            precision=precision,
            timeout=timeout,
            roofs=roofs,
            seed=seed,
        )
    announce(prepared, quiet=quiet and not dry_run)
    for name, reason in reasons.items():
        tell(f"{name} has no weak scaling: {reason}")
    if dry_run:
        return
    folder = resume or beginning.begin(prepared, out)
    warn_of_noise()
    if not quiet:
        tell(f"results go to {folder}")
    measure("scaling", prepared, folder, quiet, prepared.registry.files)
    _report(folder, form, file)
    exit_as_found(folder)


def _report(folder: Path, form: str, file: Path | None) -> None:
    from xpbench.bench.report import efficiency_table

    absent = "has no case on one device and on several: `xpbench scaling` makes runs that do"
    show_table(folder, form, file, efficiency_table.efficiency_sheet, efficiency_table.as_json, absent)
