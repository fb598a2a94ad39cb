"""``xpbench calibrate``: the suite tests itself on this machine."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xpbench.bench.commands.measure import measure
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.options import (
    AsJson,
    Backends,
    Devices,
    Dtypes,
    Out,
    Precision,
    Quiet,
    Resume,
    Seconds,
    Seed,
    Show,
    Sizes,
    Threads,
    files_alone,
    refuse_beside_resume,
)
from xpbench.bench.output import announce, tell, warn_of_noise

if TYPE_CHECKING:
    from xpbench.bench.plan import Request
    from xpbench.bench.preparation import Plan

KERNELS = ("matmul", "gradient_descent")
SIZES = ("small", "medium")

Comparisons = Annotated[
    int,
    typer.Option("--comparisons", metavar="N", help="Pairs of equal backends to compare, at least."),
]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="KERNEL", help="Kernels, short and long ones.")
]


def calibrate(
    context: typer.Context,
    kernels: Names = None,
    backend: Backends = None,
    device: Devices = None,
    dtype: Dtypes = None,
    size: Sizes = None,
    comparisons: Comparisons = 200,
    seconds: Seconds = None,
    threads: Threads = None,
    precision: Precision = "ieee",
    seed: Seed = 0,
    out: Out = None,
    resume: Resume = None,
    show: Show = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare every backend with itself, to see how often the verdicts err on this machine.

    Every backend runs as four twins that differ in their names alone, and as three that do 5, 10 and
    25 percent more work, in the order in which a real run executes its forks. Told are the share of
    equal twins that were called different, the share of rows in which an equal was left out of the
    fastest, and how often the extra work was found, with how many forks.
    """
    from xpbench.bench import beginning, journal
    from xpbench.bench.calibration import is_of_twins
    from xpbench.bench.plan import PRESETS, Request

    forks = PRESETS["default"].forks
    if show is not None:
        _report(show, forks, as_json, store=False)
        return
    if resume is not None:
        refuse_beside_resume(context, ("kernels", "resume", "quiet", "as_json"))
        if not is_of_twins(journal.planned(resume)):
            raise XpbenchError(
                f"{resume} is no calibration: `xpbench run --resume {resume}` completes it"
            )
        prepared, folder = beginning.resume(resume, files_alone(kernels or []), "calibrate"), resume
    else:
        if not 1 <= comparisons <= 100_000:
            raise XpbenchError(f"--comparisons {comparisons}: expected a number from 1 to 100000")
        request = Request(
            backends=tuple(backend or ()),
            devices=tuple(device or ()),
            dtypes=tuple(dtype or ("float32",)),
            sizes=tuple(size or SIZES),
        )
        prepared = _prepare(
            kernels or list(KERNELS), request, comparisons, forks, seconds, threads, precision, seed
        )
        folder = beginning.begin(prepared, out)
    announce(prepared, quiet)
    warn_of_noise()
    if not quiet:
        tell(f"results go to {folder}")
    measure("calibrate", prepared, folder, quiet, prepared.registry.files)
    _report(folder, forks, as_json, store=True)


def _prepare(
    kernels: list[str],
    request: "Request",
    comparisons: int,
    forks: int,
    seconds: float | None,
    threads: int | None,
    precision: str,
    seed: int,
) -> "Plan":
    from dataclasses import replace

    from xpbench.bench import preparation, twin_backends, twins
    from xpbench.bench.multiple_comparisons import MOST_FORKS

    if files := [name for name in request.backends if name.endswith(".py")]:
        raise XpbenchError(f"--backend {files[0]}: only backends of the suite have twins; name one")
    if seconds is not None and seconds <= 0:
        raise XpbenchError(f"--time {seconds:g}: a calibration compares times; expected more than 0")
    plain = preparation.prepare(
        kernels, request, forks=1, seconds=seconds, threads=threads, precision=precision
    )
    for name, reason in plain.unusable.items():
        tell(f"xpbench: {name} is not usable here: {reason}")
    if not plain.runnable:
        raise NothingMeasured("none of the backends named is usable here")
    bases = list(dict.fromkeys(case.backend for case in plain.runnable))
    subjects = {(case.row, case.backend, case.device) for case in plain.runnable}
    windows = math.ceil(comparisons / (len(subjects) * twins.EQUALS // 2))
    if windows * forks > MOST_FORKS:
        most = MOST_FORKS // forks * (len(subjects) * twins.EQUALS // 2)
        raise XpbenchError(
            f"--comparisons {comparisons}: so few cases can give {most} at most; name more kernels"
        )
    named = tuple(name for base in bases for name in twins.names(base))
    return preparation.prepare(
        kernels,
        replace(request, backends=named),
        files=[Path(twin_backends.__file__)],
        forks=windows * forks,
        seconds=seconds,
        threads=threads,
        precision=precision,
        seed=seed,
        baseline=twins.equal(bases[0], 0),
        roofs=False,
    )


def _report(folder: Path, forks: int, as_json: bool, store: bool) -> None:
    from xpbench.bench import calibration, journal
    from xpbench.bench.output import console_of_output
    from xpbench.bench.report.calibration_table import as_table

    found = calibration.calibrate(journal.read(folder, rounds=False), forks)
    text = json.dumps(found.to_json(), indent=1, allow_nan=False)
    if store:
        journal.write_whole(folder / calibration.CALIBRATION, text + "\n")
    if as_json:
        print(text)
    else:
        console_of_output().print(as_table(found))
