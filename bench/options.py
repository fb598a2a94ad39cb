"""The options that several commands share: what is typed, and what the help says of it."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import typer

from xpbench.bench.exceptions import XpbenchError

Kernels = Annotated[
    list[str] | None,
    typer.Argument(metavar="KERNEL|FILE.py", help="Kernel names, and Python files that declare some."),
]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend", metavar="NAME", help="A backend, or a Python file that declares one. Repeatable."
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, 8xcpu, 2x4xcpu, ... Repeatable."),
]
Dtypes = Annotated[
    list[str] | None,
    typer.Option("--dtype", metavar="NAME", help="float32, float64, float16 or bfloat16. Repeatable."),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option(
        "--size", metavar="NAME|KEY=N", help="small, medium, large, ..., or n=1024. Repeatable."
    ),
]
Chapters = Annotated[
    list[str] | None,
    typer.Option("--chapter", metavar="NAME", help="All kernels of a chapter. Repeatable."),
]
Everything = Annotated[bool, typer.Option("--all", help="All kernels.")]
Preset = Annotated[
    str, typer.Option("--preset", metavar="NAME", help="smoke, default, survey or thorough.")
]
Baseline = Annotated[
    str,
    typer.Option("--baseline", metavar="NAME", help="The backend that the others are compared with."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="CPU threads a library may use. Default: all."),
]
Cpus = Annotated[
    str | None, typer.Option("--cpus", metavar="LIST", help="The CPUs to run on, e.g. 0,1 or 0-3.")
]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="ieee, tf32 or native.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="Seconds after which a case is stopped.")
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="The seed of the inputs and of every shuffle.")
]
Forks = Annotated[int | None, typer.Option("--forks", metavar="N", help="Fresh processes per case.")]
Seconds = Annotated[
    float | None,
    typer.Option("--time", metavar="SECONDS", help="Seconds of timed rounds a case and fork."),
]
Cache = Annotated[
    str,
    typer.Option(
        "--cache",
        metavar="hot|cold",
        help="Leave the device's caches as they are, or empty them before every call.",
    ),
]
UntilClear = Annotated[
    bool,
    typer.Option(
        "--until-clear", help="Give cases that are unclear more forks, up to 3.5 times as many."
    ),
]
Roofs = Annotated[
    bool | None,
    typer.Option(
        "--roofs/--no-roofs",
        help="Measure what the machine can do at most. Default: where there are forks enough to judge.",
    ),
]
Energy = Annotated[
    bool,
    typer.Option(
        "--energy",
        help="Measure the energy of a call on a card: two seconds more a case, in the first fork.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="The folder of the run. Default: results/<name>."),
]
Resume = Annotated[
    Path | None, typer.Option("--resume", metavar="FOLDER", help="Complete the run in this folder.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS|slurm",
        help="Measure on the workers of the Dask scheduler at tcp://HOST:PORT, or on Slurm's nodes.",
    ),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="Of a job of --cluster slurm: partition=gpu, time=60. Repeatable.",
    ),
]
Show = Annotated[
    Path | None,
    typer.Option("--show", metavar="FOLDER", help="Print what the run in this folder found."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be measured, and stop.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 if any cell could not be measured.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="Print the answer and what went wrong: no progress, no hints.")
]


def refuse_beside_resume(context: typer.Context, allowed: Collection[str]) -> None:
    """Raises for an option on the command line that a run which goes on as it began has no use for."""
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE" and parameter.name not in allowed:
            raise XpbenchError(
                f"{parameter.opts[0]} beside --resume: a run goes on as it began; leave the option out, "
                "or start a new run"
            )


def files_alone(kernels: Iterable[str]) -> list[Path]:
    """The files of kernels and backends that were named beside --resume; the kernels stand already."""
    for name in kernels:
        if not name.endswith(".py"):
            raise XpbenchError(
                f"{name} beside --resume: the kernels of a run stand since it began; leave them out, "
                "or start a new run"
            )
    return [Path(name) for name in kernels]


def restrict_to_cpus(cpus: str | None) -> None:
    """Binds this process, and so every worker, to the CPUs named."""
    if cpus is None:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise XpbenchError("--cpus: this system cannot bind a process to CPUs; leave the option out")
    available = os.sched_getaffinity(0)
    chosen: set[int] = set()
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        if not re.fullmatch(r"[0-9]{1,6}(-[0-9]{1,6})?", part):
            raise XpbenchError(f"--cpus {cpus!r}: expected numbers and ranges, e.g. 0,1 or 0-3")
        chosen |= set(range(int(first), int(last or first) + 1))
    if not chosen or not chosen <= available:
        raise XpbenchError(
            f"--cpus {cpus!r}: this machine lets us use {', '.join(map(str, sorted(available)))}"
        )
    os.sched_setaffinity(0, chosen)
