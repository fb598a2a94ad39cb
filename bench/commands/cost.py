"""``xpbench cost``: what writing once costs, and how we stand beside what people use otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xpbench.bench.commands.measure import exit_as_found, measure
from xpbench.bench.commands.one_table import Form, Output, check_form, show_table
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.options import (
    Dtypes,
    Forks,
    Out,
    Quiet,
    Resume,
    Seconds,
    Seed,
    Show,
    Sizes,
    Threads,
    refuse_beside_resume,
)
from xpbench.bench.output import announce, tell, warn_of_noise

if TYPE_CHECKING:
    from xpbench.bench.preparation import Plan

CHUNK_SECONDS = 12.0
"""Small differences are what is looked for: both sides have turns close to each other."""
NATIVE_FILES, RIVAL_FILES = ("backends.py",), ("rivals.py", "to_optimum.py")

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="KERNEL", help="Default: all that there is another version of."),
]
Libraries = Annotated[
    list[str] | None,
    typer.Option("--backend", metavar="NAME", help="numpy, torch or jax. Repeatable. Default: all."),
]
Rival = Annotated[
    bool,
    typer.Option("--rival", help="Beside scikit-learn, scipy, torch.nn, torch.optim and optax instead."),
]


def cost(
    context: typer.Context,
    kernels: Names = None,
    backend: Libraries = None,
    rival: Rival = False,
    dtype: Dtypes = None,
    size: Sizes = None,
    forks: Forks = None,
    seconds: Seconds = None,
    threads: Threads = None,
    seed: Seed = 0,
    out: Out = None,
    resume: Resume = None,
    show: Show = None,
    form: Form = "rich",
    file: Output = None,
    quiet: Quiet = False,
) -> None:
    """Compare every kernel with one that an expert of the library wrote by hand.

    Both compute the same from the same inputs, are judged by the same oracle, and are measured one right
    after the other in one process, in an order drawn anew for each of six forks or more. A ratio above
    1 is what writing once costs. With --rival, the fastest of our backends is compared with the packages
    that people use otherwise, which have processes of their own.
    """
    from xpbench.bench import beginning, journal
    from xpbench.bench.cost import has_rivals

    check_form(form)
    if show is not None:
        _report(show, form, file)
        return
    if resume is not None:
        refuse_beside_resume(context, ("resume", "quiet", "form", "file"))
        rival = has_rivals(journal.planned(resume))
        prepared, folder = beginning.resume(resume, _files(rival)), resume
    else:
        if out is not None:
            journal.check_free(out)
        prepared = _prepare(kernels, backend, rival, dtype, size, forks, seconds, threads, seed)
        folder = beginning.begin(prepared, out)
    announce(prepared, quiet)
    warn_of_noise()
    if not quiet:
        tell(f"results go to {folder}")
    measure("cost", prepared, folder, quiet)
    _report(folder, form, file)
    exit_as_found(folder)


def _files(rival: bool) -> list[Path]:
    from xpbench.bench import cost as costs

    return [costs.file_of(name) for name in (RIVAL_FILES if rival else NATIVE_FILES)]


def _prepare(
    kernels: list[str] | None,
    backend: list[str] | None,
    rival: bool,
    dtype: list[str] | None,
    size: list[str] | None,
    forks: int | None,
    seconds: float | None,
    threads: int | None,
    seed: int,
) -> "Plan":
    from xpbench.bench import preparation, registry
    from xpbench.bench.cost import LIBRARIES, NATIVE, RIVALS
    from xpbench.bench.plan import Request

    libraries = list(dict.fromkeys(backend or LIBRARIES))
    for name in libraries:
        if name not in LIBRARIES:
            raise XpbenchError(f"--backend {name}: expected one of {', '.join(LIBRARIES)}")
    files = _files(rival)
    known = _written(files[0])
    for name in kernels or ():
        if name not in known:
            raise XpbenchError(
                f"{registry.find().kernel(name).name} has no other version to be compared with: "
                f"expected one of {', '.join(known)}"
            )
    others = RIVALS if rival else tuple(f"{name}{NATIVE}" for name in libraries)
    prepared = preparation.prepare(
        kernels or known,
        Request(
            backends=(*libraries, *others),
            dtypes=tuple(dtype or ("float32",)),
            sizes=tuple(size or (("medium",) if rival else ("small", "medium"))),
        ),
        files=files,
        forks=forks,
        seconds=seconds,
        threads=threads,
        seed=seed,
        roofs=False,
        chunk=CHUNK_SECONDS,
    )
    if not any(case.backend in others for case in prepared.runnable):
        raise NothingMeasured("; ".join(prepared.unusable.values()) or "no case can be compared")
    return prepared


def _written(file: Path) -> list[str]:
    """The kernels that a file of backends has other versions of."""
    from xpbench.bench import registry

    found: list[str] = list(registry.load_file(file).KERNELS)
    return found


def _report(folder: Path, form: str, file: Path | None) -> None:
    from xpbench.bench.report import cost_table

    absent = "compares nothing with another version: `xpbench cost` makes runs that do"
    show_table(folder, form, file, cost_table.cost_sheet, cost_table.as_json, absent)
