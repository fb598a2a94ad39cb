"""``xpbench larger``: principal components and least squares of a matrix larger than memory."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.options import Quiet, Threads
from xpbench.bench.output import say, tell

if TYPE_CHECKING:
    from xpbench.bench.larger.asking import Answered

DISAGREED, INTERRUPTED = 1, 130
PROGRESS_SECONDS = 10.0

Data = Annotated[Path, typer.Argument(metavar="DATA.npy", help="The matrix, a row for every sample.")]
Memory = Annotated[
    str,
    typer.Option("--memory", metavar="AMOUNT", help="For the whole process, e.g. 256MB or 2GiB."),
]
FormName = Annotated[
    str,
    typer.Option("--form", metavar="NAME", help="gram, which is fast, or qr, which loses no digits."),
]
OneBackend = Annotated[str, typer.Option("--backend", metavar="NAME", help="A backend.")]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="cpu, cuda, ... Default: the backend's own.")
]
Dtype = Annotated[
    str, typer.Option("--dtype", metavar="NAME", help="float32 or float64. Default: the file's.")
]
Check = Annotated[
    str | None,
    typer.Option(
        "--check",
        metavar="NAME",
        help="Compare with exact, the answer in memory, or incremental, scikit-learn's IncrementalPCA.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the answer to this .npz.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]
Components = Annotated[int, typer.Option("--components", metavar="N", help="How many components.")]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="COLUMN|FILE.npy", help="A column's number, -1 for the last, or a file."
    ),
]
Intercept = Annotated[bool, typer.Option("--intercept", help="Fit a constant, too.")]

larger = typer.Typer(
    help="Principal components and least squares of a matrix larger than memory.",
    epilog="Example: xpbench larger pca data.npy --components 8 --memory 256MB",
    no_args_is_help=True,
)


@larger.command(epilog="Example: xpbench larger pca data.npy --components 8 --memory 256MB -o pca.npz")
def pca(
    data: Data,
    components: Components = 8,
    memory: Memory = "1GB",
    form: FormName = "gram",
    backend: OneBackend = "numpy",
    device: Device = "",
    dtype: Dtype = "",
    threads: Threads = None,
    check: Check = None,
    out: Out = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the directions in which the rows of a file vary most, a block of rows at a time.

    Exit 1 where --check finds a disagreement.
    """
    asked = {"problem": "pca", "target": None, "components": components, "intercept": True}
    _answer(asked, data, memory, form, backend, device, dtype, threads, check, out, quiet, as_json)


@larger.command(epilog="Example: xpbench larger lstsq data.npy --target -1 --memory 256MB --form qr")
def lstsq(
    data: Data,
    target: Target = None,
    intercept: Intercept = False,
    memory: Memory = "1GB",
    form: FormName = "gram",
    backend: OneBackend = "numpy",
    device: Device = "",
    dtype: Dtype = "",
    threads: Threads = None,
    check: Check = None,
    out: Out = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fit a target by the columns of a file, in the sense of least squares, a block of rows at a time.

    Exit 1 where --check finds a disagreement.
    """
    if target is None:
        raise XpbenchError(
            "least squares need a target: name a column, e.g. --target -1, or a .npy file of one"
        )
    asked = {"problem": "lstsq", "target": target, "components": 0, "intercept": intercept}
    _answer(asked, data, memory, form, backend, device, dtype, threads, check, out, quiet, as_json)


def _answer(
    asked: dict[str, Any],
    data: Path,
    memory: str,
    form: str,
    backend: str,
    device: str,
    dtype: str,
    threads: int | None,
    check: str | None,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    from xpbench.bench.larger import asking, budget
    from xpbench.bench.larger.work import Work

    if out is not None and out.suffix != ".npz":
        raise XpbenchError(f"-o {out}: expected a name that ends in .npz")
    if out is not None and (out.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK)):
        where = "it is a folder" if out.is_dir() else f"{out.parent} is no folder that can be written"
        raise XpbenchError(f"-o {out}: {where}")
    work = Work(
        **asked,
        data=str(data),
        form=form,
        backend=backend,
        device=device,
        dtype=dtype,
        threads=asking.threads(threads),
        memory=budget.parse_bytes(memory),
        answer="",
    )
    work = asking.checked(work, check)
    try:
        found = asking.answer(work, check, out, _silent if quiet else _progress())
    except KeyboardInterrupt:
        tell("\nInterrupted. Nothing is kept.")
        raise typer.Exit(INTERRUPTED) from None
    say(json.dumps(_record(found), indent=1) if as_json else "\n".join(_lines(found)))
    if out is not None and not quiet:
        tell(f"the answer is in {out}: {', '.join(found.arrays)}")
    if not found.agrees:
        raise typer.Exit(DISAGREED)


def _silent(rows: int) -> None:
    pass


def _progress() -> Callable[[int], None]:
    """A line every ten seconds at most."""
    told = time.monotonic()

    def progress(rows: int) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            tell(f"{rows} rows read")

    return progress


def _lines(found: "Answered") -> list[str]:
    from xpbench.bench.larger.asking import agrees
    from xpbench.bench.report.quantities import duration, percent, rate, volume

    work, done = found.work, found.done
    blocks = "1 block" if done.blocks == 1 else f"{done.blocks} blocks of {done.block_rows} rows"
    lines = [
        f"{work.problem} of {work.data}: {done.rows} x {done.columns}, {volume(done.file_bytes)}",
        f"  by      {work.form} on {work.backend} in {work.dtype}, {blocks}",
        f"  time    {duration(done.seconds)}, {rate(done.file_bytes / done.seconds, 'B')} of the file",
        f"  memory  {volume(done.peak)} at most of {volume(work.memory)} allowed; {volume(done.before)} "
        "before the first block",
    ]
    if work.problem == "pca":
        spectrum, variances = found.arrays["spectrum"], found.arrays["variances"]
        share = percent(float(variances.sum() / spectrum.sum())) if spectrum.sum() > 0 else "nothing"
        lines.append(f"  answer  {len(variances)} components hold {share} of the variance")
    else:
        residual, error = (float(found.arrays[name]) for name in ("residual", "residual_error"))
        norm = f"{residual:.4g}" if residual > error else f"at most {residual + error:.2g}"
        lines.append(
            f"  answer  {len(found.arrays['coefficients'])} coefficients; what they leave of the target "
            f"has norm {norm}"
        )
    words = {True: "agrees", False: "DISAGREES", None: "is not judged"}
    for name, (value, limit) in found.agreement.items():
        word = words[agrees(value, limit)]
        lines.append(f"  {word}  {name}: off by {value:.2g}, limit {limit:.2g}")
    return lines


def _record(found: "Answered") -> dict[str, Any]:
    from dataclasses import asdict

    from xpbench.bench.larger.asking import agrees
    from xpbench.bench.measurement import as_json

    work = asdict(found.work)
    del work["answer"]
    pairs = {
        name: {"value": value, "limit": limit, "agrees": agrees(value, limit)}
        for name, (value, limit) in found.agreement.items()
    }
    answer = {
        name: found.arrays[name].tolist()
        for name in ("variances", "residual", "residual_error")
        if name in found.arrays
    }
    plain: dict[str, Any] = as_json({**work, **asdict(found.done), **answer, "agreement": pairs})
    return plain
