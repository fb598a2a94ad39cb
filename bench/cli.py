"""The commands: what is typed, what is printed, and the exit code."""

import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpbench.bench.commands.ab import ab
from xpbench.bench.commands.calibrate import calibrate
from xpbench.bench.commands.check import check
from xpbench.bench.commands.compare import compare
from xpbench.bench.commands.cost import cost
from xpbench.bench.commands.crossover import crossover
from xpbench.bench.commands.doctor import doctor
from xpbench.bench.commands.larger import larger
from xpbench.bench.commands.measure import DISAGREED, INTERRUPTED, exit_if_wrong
from xpbench.bench.commands.plot import plot
from xpbench.bench.commands.report import report
from xpbench.bench.commands.scaling import scaling
from xpbench.bench.commands.table import table
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.options import (
    AsJson,
    Backends,
    Baseline,
    Cache,
    Chapters,
    Cluster,
    Cpus,
    Devices,
    DryRun,
    Dtypes,
    Energy,
    Everything,
    Forks,
    Kernels,
    Out,
    Precision,
    Preset,
    Quiet,
    Resume,
    Roofs,
    Seconds,
    Seed,
    Sizes,
    Slurm,
    Strict,
    Threads,
    Timeout,
    UntilClear,
    files_alone,
    refuse_beside_resume,
    restrict_to_cpus,
)
from xpbench.bench.output import (
    announce,
    console_of_output,
    say,
    shortened,
    tell,
    warn_of_noise,
)

if TYPE_CHECKING:
    from xpbench.bench.accounting import Account
    from xpbench.bench.plan import Request
    from xpbench.bench.preparation import Plan


app = typer.Typer(
    name="xpbench",
    help="Which array library for this computation, on this machine, and do they agree?",
    epilog="Example: xpbench run matmul svd --backend numpy --backend torch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
listing = typer.Typer(
    help="What there is: kernels, backends, cases.",
    epilog="Example: xpbench list kernels --chapter linear_algebra",
    no_args_is_help=True,
)
app.add_typer(listing, name="list")


@app.command(epilog="Example: xpbench run matmul svd --dtype float64 --size n=512")
def run(
    context: typer.Context,
    kernels: Kernels = None,
    backend: Backends = None,
    device: Devices = None,
    dtype: Dtypes = None,
    size: Sizes = None,
    chapter: Chapters = None,
    everything: Everything = False,
    preset: Preset = "default",
    baseline: Baseline = "numpy",
    forks: Forks = None,
    seconds: Seconds = None,
    cache: Cache = "hot",
    until_clear: UntilClear = False,
    roofs: Roofs = None,
    energy: Energy = False,
    threads: Threads = None,
    cpus: Cpus = None,
    precision: Precision = "ieee",
    timeout: Timeout = 120.0,
    seed: Seed = 0,
    out: Out = None,
    resume: Resume = None,
    cluster: Cluster = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure kernels and print the comparison table.

    Without a kernel, the five named ones: matmul, svd, pca, gradient_descent, backprop.
    """
    from xpbench.bench import accounting, api, beginning, ending, groups, journal, preparation

    if as_json and dry_run:
        raise XpbenchError(
            "--json prints what was measured, and --dry-run measures nothing: leave one out; "
            "`xpbench list cases --json` prints the cases"
        )
    request = _request(chapter, everything, backend, device, dtype, size, preset)
    options: dict[str, Any] = {
        "forks": forks,
        "seconds": seconds,
        "threads": threads,
        "precision": precision,
        "timeout": timeout,
        "seed": seed,
        "baseline": baseline,
        "roofs": roofs,
        "cache": cache,
        "energy": energy,
        "until_clear": until_clear,
    }
    allowed = ("kernels", "resume", "cpus", "cluster", "slurm", "dry_run", "strict", "quiet", "as_json")
    if cluster is not None or (resume is not None and groups.is_folder_of_groups(resume)):
        from xpbench.bench.commands import on_cluster

        if resume is not None:
            refuse_beside_resume(context, allowed)
        on_cluster.run(
            cluster,
            slurm or [],
            kernels or [],
            request,
            options,
            out=out,
            resume=resume,
            cpus=cpus,
            dry_run=dry_run,
            strict=strict,
            quiet=quiet,
            as_json=as_json,
        )
        return
    if slurm:
        raise XpbenchError("--slurm is of a run on Slurm: add --cluster slurm, or leave it out")
    account = accounting.Account()
    restrict_to_cpus(cpus)
    if resume is not None:
        refuse_beside_resume(context, allowed)
        prepared = beginning.resume(resume, files_alone(kernels or []))
    else:
        if out is not None and not dry_run:
            journal.check_free(out)
        prepared = preparation.prepare(kernels or [], request, **options)
    account.add({"imports": prepared.asking_s})
    announce(prepared, quiet=quiet and not dry_run)
    if dry_run:
        return
    warn_of_noise()
    folder = resume or beginning.begin(prepared, out)
    if not quiet:
        tell(f"results go to {folder}")
    _measure(prepared, folder, account, quiet, as_json)
    results = api.load(folder, rounds=False)
    ending.answer(results, as_json)
    api.check_measured(results.cases)
    if not quiet:
        ending.point_on(folder, as_json)
        tell(accounting.sentence(account))
    for warning in ending.warnings(results):
        tell(f"warning: {warning}")
    exit_if_wrong(results.cases, strict)


@app.command(epilog="Example: xpbench verify matmul svd --dtype float32")
def verify(
    kernels: Kernels = None,
    backend: Backends = None,
    device: Devices = None,
    dtype: Dtypes = None,
    size: Sizes = None,
    chapter: Chapters = None,
    everything: Everything = False,
    threads: Threads = None,
    precision: Precision = "ieee",
    timeout: Timeout = 300.0,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare results, not times; exit 1 on disagreement.

    Every usable backend is held against the oracle, and the backends against each other.
    """
    from xpbench.bench import preparation, verification
    from xpbench.bench.measurement import as_json as plain_json
    from xpbench.bench.progress import observer_of
    from xpbench.bench.report.agreement_table import as_records, as_table

    prepared = preparation.prepare(
        kernels or [],
        _request(chapter, everything, backend, device, dtype or ["float32", "float64"], size, "default"),
        every_backend=True,
        forks=1,
        seconds=0.0,
        threads=threads,
        precision=precision,
        timeout=timeout,
        seed=seed,
    )
    with observer_of({"": prepared.job(Path())}, quiet=quiet) as observer:
        found = verification.verify(prepared, observer)
    if as_json:
        say(json.dumps(plain_json(as_records(found)), indent=2, allow_nan=False))
    else:
        console = console_of_output()
        console.print(as_table(found, console.width))
    for sentence in found.disagreements:
        tell(f"disagrees: {sentence}")
    if found.disagreements:
        raise typer.Exit(DISAGREED)


# In the order of the help.
app.command(epilog="Example: xpbench table results/20261123-1200-default --format md > table.md")(table)
app.command(epilog="Example: xpbench plot results/night --kind scaling -o scaling.svg")(plot)
app.command(epilog="Example: xpbench report results/laptop results/server -o both.html")(report)
app.command(epilog="Example: xpbench compare results/before results/after --format md")(compare)
app.command(epilog="Example: xpbench ab old/.venv new/.venv matmul svd --backend numpy")(ab)
app.command(epilog="Example: xpbench crossover matmul --backend numpy --backend jax")(crossover)
app.command(epilog="Example: xpbench cost gradient_descent pca --backend torch")(cost)
app.command(epilog="Example: xpbench scaling matmul pca_eigh --devices 1,2,4 --size large")(scaling)
app.command(epilog="Example: xpbench doctor --threads 4")(doctor)
app.command(epilog="Example: xpbench calibrate --backend numpy --comparisons 40")(calibrate)
app.command(epilog="Example: xpbench check results/published/*/ --strict")(check)
app.add_typer(larger, name="larger")


@listing.command("kernels", epilog="Example: xpbench list kernels my_kernel.py --json")
def list_kernels(
    files: Annotated[list[Path] | None, typer.Argument(help="Python files that declare more.")] = None,
    chapter: Chapters = None,
    as_json: AsJson = False,
) -> None:
    """Every kernel, with its chapter, sizes and file."""
    from xpbench.bench import inventory

    known = inventory.list_kernels(*files or [])
    found = [k for k in known if not chapter or k["chapter"] in chapter]
    if chapter and not found:
        chapters = sorted({k["chapter"] for k in known})
        raise XpbenchError(f"unknown chapter {chapter[0]!r}: expected one of {', '.join(chapters)}")
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(len(k["kernel"]) for k in found)
    previous = ""
    for kernel in found:
        if kernel["chapter"] != previous:
            print(f"{kernel['chapter']}")
        previous = kernel["chapter"]
        print(f"  {kernel['kernel']:<{width}}  {kernel['title']}")
    print("\nxpbench list kernels --json also tells sizes, formulas and how errors are measured.")


@listing.command("backends", epilog="Example: xpbench list backends --json")
def list_backends(
    files: Annotated[list[Path] | None, typer.Argument(help="Python files that declare more.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every backend: what it found here, or why it cannot be used."""
    from xpbench.bench import inventory

    found = inventory.list_backends(*files or [])
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(len(state["backend"]) for state in found)
    for state in found:
        versions = ", ".join(f"{name} {version}" for name, version in state["versions"].items())
        if state["usable"]:
            print(f"{state['backend']:<{width}}  usable on {', '.join(state['devices'])} ({versions})")
        else:
            print(f"{state['backend']:<{width}}  not usable: {state['reason']}")


@listing.command("cases", epilog="Example: xpbench list cases --preset thorough")
def list_cases(
    kernels: Kernels = None,
    backend: Backends = None,
    device: Devices = None,
    dtype: Dtypes = None,
    size: Sizes = None,
    chapter: Chapters = None,
    everything: Everything = False,
    preset: Preset = "default",
    threads: Threads = None,
    precision: Precision = "ieee",
    as_json: AsJson = False,
) -> None:
    """The cases that `xpbench run` with the same options would measure."""
    from xpbench.bench import preparation

    request = _request(chapter, everything, backend, device, dtype, size, preset)
    prepared = preparation.prepare(kernels or [], request, threads=threads, precision=precision)
    if as_json:
        print(json.dumps([{"id": str(case), **case.to_json()} for case in prepared.cases], indent=2))
    else:
        print("\n".join(str(case) for case in prepared.cases))


def main() -> int:
    """The entry point: runs a command and turns every fault of ours into a line and an exit code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # What `>&-` closed is None, and its number would go to the next file opened.
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # What `nohup` made us ignore stays ignored.
        if signal.getsignal(ending) is not signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except XpbenchError as error:
        tell(f"xpbench: {shortened(str(error))}")
        return error.exit_code
    except OSError as error:
        kept = "; what was measured is kept, and --resume goes on" if sys.argv[1:2] == ["run"] else ""
        tell(f"xpbench: {shortened(str(error))}{kept}")
        return XpbenchError.exit_code
    return 0


def _request(
    chapter: list[str] | None,
    everything: bool,
    backend: list[str] | None,
    device: list[str] | None,
    dtype: list[str] | None,
    size: list[str] | None,
    preset: str,
) -> "Request":
    from xpbench.bench.plan import Request

    return Request(
        chapters=tuple(chapter or ()),
        everything=everything,
        backends=tuple(backend or ()),
        devices=tuple(device or ()),
        dtypes=tuple(dtype or ()),
        sizes=tuple(size or ()),
        preset=preset,
    )


def _measure(prepared: "Plan", folder: Path, account: "Account", quiet: bool, as_json: bool) -> None:
    from xpbench.bench import api, ending, remaining, runner
    from xpbench.bench.progress import observer_of

    try:
        for job in prepared.jobs(folder):
            if job.forks is not None and not quiet:
                tell(f"{len(job.cases)} cases, for what is unclear: {len(job.forks)} forks more")
            with observer_of({"": job}, remaining.progress_of(folder), quiet=quiet) as observer:
                runner.execute(job, observer, account)
    except KeyboardInterrupt:
        # An impatient second Ctrl-C must not cost the table and the word on how to go on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ending.answer(api.load(folder, rounds=False), as_json)
        tell("\n" + ending.how_to_resume("run", folder, prepared.registry.files))
        raise typer.Exit(INTERRUPTED) from None
