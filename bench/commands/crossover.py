"""``xpbench crossover``: at which size one backend overtakes another."""

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.options import Backends, Out, Precision, Quiet, Seconds, Threads
from xpbench.bench.output import tell, warn_of_noise

if TYPE_CHECKING:
    from xpbench.bench.crossover import Crossing
    from xpbench.bench.duel import Duel

INTERRUPTED = 130
FORKS, STEPS = 6, 8

Name = Annotated[str, typer.Argument(metavar="KERNEL|FILE.py", help="A kernel, or a file with one.")]
Dtype = Annotated[
    str, typer.Option("--dtype", metavar="NAME", help="float32, float64, float16 or bfloat16.")
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The key of the size to vary; others are as in medium."),
]
Smallest = Annotated[
    int | None, typer.Option("--from", metavar="N", help="The smallest size. Default: that of small.")
]
Largest = Annotated[
    int | None, typer.Option("--to", metavar="N", help="The largest size. Default: that of large.")
]
ForkCount = Annotated[int, typer.Option("--forks", metavar="N", help="Fresh processes per size.")]
Steps = Annotated[
    int, typer.Option("--steps", metavar="N", help="Sizes to try between the ends, at most.")
]
Transfer = Annotated[
    bool,
    typer.Option("--transfer", help="Count the time to move inputs to a device, and outputs back."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]


def crossover(
    kernel: Name,
    backend: Backends = None,
    dtype: Dtype = "float32",
    key: Key = None,
    smallest: Smallest = None,
    largest: Largest = None,
    forks: ForkCount = FORKS,
    seconds: Seconds = None,
    threads: Threads = None,
    precision: Precision = "ieee",
    steps: Steps = STEPS,
    transfer: Transfer = False,
    out: Out = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the size at which one of two backends overtakes the other.

    Without --backend twice, the one named is compared with numpy. A device may be named too: jax@cuda.
    Sizes are tried in the middle of the range that is still open, on a logarithmic scale, each in a run
    of its own, with the verdicts of `xpbench run`.
    """
    from xpbench.bench import crossover as crossing
    from xpbench.bench import duel, memory
    from xpbench.bench.stats import MIN_FORKS

    if forks < MIN_FORKS:
        raise XpbenchError(f"--forks {forks}: expected at least {MIN_FORKS}, a verdict needs as many")
    if steps < 0:
        raise XpbenchError(f"--steps {steps}: expected 0 or more")
    prepared, pair = duel.prepare(kernel, backend or [], dtype, forks, seconds, threads, precision)
    name = pair[0].kernel
    sizes = prepared.registry.kernels[name].sizes
    varied = duel.chosen_key(name, sizes, key)
    low, high = duel.span(name, sizes, varied, smallest, largest)
    largest_size = duel.base_size(sizes) | {varied: high}
    if reason := memory.too_large(prepared.registry.kernels[name], largest_size, memory.limit()):
        raise XpbenchError(f"--to {high}: {name}: {reason}")
    folder = out or Path("results") / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-crossover-{name}"
    warn_of_noise()
    rivals = duel.Duel(prepared, pair, varied, duel.base_size(sizes), folder, transfer, quiet)
    if not quiet:
        tell(
            f"{name}: {rivals.second} against {rivals.first}, {varied} from {low} to {high}, "
            f"at most {steps + 2} sizes of {forks} forks; results go to {folder}"
        )
    try:
        found = crossing.search(rivals.measure, low, high, steps)
    except KeyboardInterrupt:
        tell(f"\nInterrupted. What was measured is in {folder}.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(json.dumps(_as_json(found, rivals), indent=1, allow_nan=False))
    else:
        _print(found, rivals, quiet)


def _print(found: "Crossing", rivals: "Duel", quiet: bool) -> None:
    from rich.text import Text

    from xpbench.bench.crossover import interval, sentence, verdict
    from xpbench.bench.output import console_of_output
    from xpbench.bench.report.layout import Grid, Line
    from xpbench.bench.report.quantities import duration
    from xpbench.bench.report.terminal import as_grid

    case = rivals.pair[0]
    threads = f"{case.threads} thread" + ("" if case.threads == 1 else "s")
    head = f"{case.kernel} · {case.dtype} · {threads} · {case.precision}"
    rows = tuple(
        (
            (Line(f"{rivals.key}={probe.size}", "strong"),),
            *((Line(duration(time)),) for time in rivals.times[probe.size]),
            (Line(verdict(probe, rivals.second)),),
            (Line(interval(probe), "quiet"),),
        )
        for probe in found.probes
    )
    console = console_of_output()
    console.print(Text(sentence(found, rivals.first, rivals.second, rivals.key), style="bold"))
    console.print()
    console.print(Text(head, style="dim"))
    console.print(as_grid(Grid("", ("", rivals.first, rivals.second, "", "95% interval"), rows)))
    for note in rivals.notes:
        console.print(Text(note))
    if not quiet:
        print(f"\nThe runs are in {rivals.folder}, one for each size.")


def _as_json(found: "Crossing", rivals: "Duel") -> dict[str, Any]:
    from xpbench.bench.crossover import sentence
    from xpbench.bench.stats import verdict

    case = rivals.pair[0]
    small_side = {1: rivals.first, -1: rivals.second}.get(found.lead)
    return {
        "kernel": case.kernel,
        "key": rivals.key,
        "size": {key: value for key, value in rivals.base.items() if key != rivals.key},
        "dtype": case.dtype,
        "threads": case.threads,
        "precision": case.precision,
        "transfer": rivals.transfer,
        "first": rivals.first,
        "second": rivals.second,
        "faster_at_small_sizes": small_side,
        "below": found.below,
        "above": found.above,
        "estimate": found.estimate,
        "sentence": sentence(found, rivals.first, rivals.second, rivals.key),
        "notes": rivals.notes,
        "folder": str(rivals.folder),
        "sizes": [
            {
                "size": probe.size,
                "first_s": rivals.times[probe.size][0],
                "second_s": rivals.times[probe.size][1],
                "ratio": probe.ratio.value,
                "ratio_low": probe.ratio.low,
                "ratio_high": probe.ratio.high,
                "verdict": verdict(probe.ratio),
            }
            for probe in found.probes
        ],
    }
