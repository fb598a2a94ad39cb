"""The stages of ``gpu.py``: which commands each of them is made of, in order of value."""

import functools
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
XPBENCH = ("-m", "xpbench")
PYTEST = ("-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider")

NAMED = ("matmul", "svd", "pca", "gradient_descent", "backprop")
ROOFED = ("axpy", "dot", "transpose", "matmul")
MANY_LAUNCHES = (
    "gradient_descent",
    "backprop",
    "autodiff_backprop",
    "mlp_train",
    "adam",
    "layer_norm",
)
LIBRARIES = ("torch", "jax", "cupy")
CAPTURED = ("torch", "torch-compile", "torch-graph", "cupy", "cupy-graph", "jax")
"""With and without what gathers many launches into one."""
DTYPES = ("float32", "bfloat16", "float16", "float64")
KEYS: Mapping[str, tuple[str, ...]] = {
    "pca": ("--key", "n", "--from", "128"),
    "gradient_descent": ("--key", "n", "--from", "256"),
    "backprop": ("--key", "width"),
}
"""What a crossover varies where sizes have several keys. With fewer samples than features a problem is
another one."""
SHORT = ("--forks", "4", "--steps", "0", "--to", "128", "--time", "0.01")
FEW = ("--forks", "4", "--steps", "5")
"""One crossover must fit in a stage: it is begun anew where it was interrupted."""
MOST_KERNELS = 10
"""A longer chapter is verified in parts: an interrupted part is begun anew."""

PATIENCE = 120.0

QUICK = ("numpy", "array-api-strict", "torch", "jax", "cupy")
"""Backends in the order in which their processes start: a rehearsal takes the first there is."""
REHEARSED = ("matmul", "dot")
TINY = ("--size", "small", "--forks", "2", "--time", "0.01")


@dataclass(frozen=True)
class Step:
    """One command of a stage: ``command`` is what follows the interpreter.

    ``measures`` tells that it takes ``--out``, the folder that bears the step's name, and ``resumes``
    that ``--resume`` goes on with what lies there. Its output goes to a file with ``suffix``.
    ``missing``, if not empty, is why it cannot be done here.
    """

    name: str
    command: tuple[str, ...] = ()
    measures: bool = False
    resumes: bool = False
    suffix: str = "txt"
    missing: str = ""


@dataclass(frozen=True)
class Machine:
    """What can be used: the interpreter, the device, and the ``devices`` of every usable backend."""

    python: str
    device: str
    devices: Mapping[str, tuple[str, ...]]
    rehearsal: bool = False

    def having(self, names: Sequence[str]) -> list[str]:
        """Those of the backends ``names`` that have the device; a rehearsal takes the first."""
        found = [name for name in names if on_device(self.devices.get(name, ()), self.device)]
        return found[:1] if self.rehearsal else found

    def answer(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What the command ``xpbench`` says to ``arguments``."""
        return ask(self.python, *XPBENCH, *arguments)

    def knows(self, option: str, command: str = "run") -> bool:
        """Whether this xpbench has the option."""
        return re.search(rf"(^|\s){option}\b", self.answer(command, "--help").stdout) is not None

    def knows_dtype(self, name: str) -> bool:
        """Whether this xpbench has the dtype."""
        case = ("matmul", "--backend", "numpy", "--size", "small", "--dtype", name)
        return self.answer("list", "cases", *case).returncode == 0


@functools.cache
def ask(python: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command that only tells something, once however often it is asked.

    One that does not answer in ``PATIENCE`` seconds is as one that failed.
    """
    words = [python, *command]
    try:
        return subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, -1, "", f"no answer within {PATIENCE:g} s")


def on_device(devices: Sequence[str], wanted: str) -> bool:
    """Whether ``wanted``, ``cuda`` or ``cuda:1``, is among ``devices``."""
    return any(wanted in (device, device.partition(":")[0]) for device in devices)


def tests(machine: Machine, folder: Path) -> list[Step]:
    """The tests marked gpu, file by file, once it is known which files have some."""
    where = ("tests/backends/test_arrays.py",) if machine.rehearsal else ()
    listing = folder / "collect.txt"
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    files = re.findall(r"^(tests/\S+\.py): \d+$", text, re.MULTILINE)
    collect = ("--collect-only", "-qq", "--continue-on-collection-errors", *where)
    return [Step("collect", (*PYTEST, *collect)), *(_test_file(file, folder) for file in files)]


def _test_file(file: str, folder: Path) -> Step:
    name = "-".join(Path(file).with_suffix("").parts[1:])
    return Step(name, (*PYTEST, "-rs", "-v", f"--junit-xml={folder / name}.xml", file))


def verify(machine: Machine, folder: Path) -> list[Step]:
    """Every kernel on every backend that has the device, a chapter or a part of one at a time."""
    chapters: dict[str, list[str]] = {}
    for kernel in json.loads(machine.answer("list", "kernels", "--json").stdout):
        chapters.setdefault(kernel["chapter"], []).append(kernel["kernel"])
    options = ["--device", machine.device, "--json"]
    if machine.rehearsal:
        chapters = {name: kernels[:1] for name, kernels in list(chapters.items())[-2:]}
        options += [
            "--size",
            "small",
            "--dtype",
            "float32",
            *_options("--backend", machine.having(QUICK)),
        ]
    return [
        Step(name, (*XPBENCH, "verify", *kernels, *options), suffix="json")
        for chapter, all_kernels in chapters.items()
        for name, kernels in _parts(chapter, all_kernels)
    ]


def _parts(chapter: str, kernels: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    count = -(-len(kernels) // MOST_KERNELS)
    for part in range(count):
        yield f"{chapter}-{part + 1}" if count > 1 else chapter, kernels[part::count]


def default(machine: Machine, folder: Path) -> list[Step]:
    """The default run of the device, and that of device and host."""
    if machine.device == "cpu":
        both = Step("default-both", missing="the device is the host")
    else:
        both = _run(machine, "default-both", (), (), devices=("cpu", machine.device))
    return [_run(machine, "default-device", (), ()), both]


def precision(machine: Machine, folder: Path) -> list[Step]:
    """Matrix products in every dtype and precision."""
    known = [name for name in DTYPES if machine.knows_dtype(name)]
    sizes = ("--size", "large", "--size", "huge")

    def run(name: str, dtypes: Sequence[str]) -> Step:
        options = (*sizes, *_options("--dtype", dtypes), "--precision", name)
        return _run(machine, f"precision-{name}", ("matmul",), options, LIBRARIES)

    lacking = [
        Step(f"precision-{name}", missing=f"this xpbench has no dtype {name}")
        for name in DTYPES
        if name not in known
    ]
    return [run("ieee", known), run("tf32", ["float32"]), run("native", ["float32"]), *lacking]


def roofs(machine: Machine, folder: Path) -> list[Step]:
    """What binds kernels that do little but move, or little but multiply, data; with cold caches too."""
    sizes = ("--size", "large", "--size", "huge", "--roofs")
    hot = _run(machine, "roofs-hot", ROOFED, sizes)
    if not machine.knows("--cache"):
        return [hot, _roof_table(folder, hot), Step("roofs-cold", missing="this xpbench has no --cache")]
    cold = _run(machine, "roofs-cold", ROOFED, (*sizes, "--cache", "cold"))
    return [hot, _roof_table(folder, hot), cold, _roof_table(folder, cold)]


def _roof_table(folder: Path, run: Step) -> Step:
    command = ("table", str(folder / run.name), "--metric", "roof")
    return Step(f"{run.name}-table", (*XPBENCH, *command))


def graphs(machine: Machine, folder: Path) -> list[Step]:
    """What a launch costs: small sizes, with and without the capture of many launches into one."""
    run = _run(machine, "graphs", MANY_LAUNCHES, ("--size", "small"), CAPTURED)
    absent = [name for name in CAPTURED if name not in machine.devices]
    return [run, *(Step(f"graphs-{name}", missing=f"{name} cannot be used here") for name in absent)]


def calibrate(machine: Machine, folder: Path) -> list[Step]:
    """How often the verdicts err on this device: one library at a time, in one run's worth of forks."""
    if machine.rehearsal:
        return [Step("calibrate", missing="a calibration has 42 processes at least: not rehearsed")]
    options = ("--device", machine.device, "--comparisons", "8")
    return [
        Step(
            f"calibrate-{name}",
            (*XPBENCH, "calibrate", "--backend", name, *options),
            measures=True,
            resumes=True,
        )
        for name in machine.having(LIBRARIES)
    ]


def crossovers(machine: Machine, folder: Path) -> list[Step]:
    """From which size on the device overtakes NumPy on the host, and so with the transfers counted."""
    kernels, rivals = (NAMED[:1], QUICK[1:]) if machine.rehearsal else (NAMED, LIBRARIES)
    few = SHORT if machine.rehearsal else FEW
    transfers = machine.knows("--transfer", "crossover")
    steps = []
    for name in machine.having(rivals):
        for kernel in kernels:
            pair = ("--backend", "numpy", "--backend", f"{name}@{machine.device}")
            words = ("crossover", kernel, *pair, *KEYS.get(kernel, ()), *few, "--json")
            step = Step(f"{kernel}-{name}", (*XPBENCH, *words), measures=True, suffix="json")
            steps.append(step)
            if transfers:
                more = (*step.command, "--transfer")
                steps.append(replace(step, name=f"{step.name}-transfer", command=more))
    if not transfers:
        steps.append(Step("transfer", missing="this xpbench has no crossover --transfer"))
    return steps


def thorough(machine: Machine, folder: Path) -> list[Step]:
    """The thorough preset, with the energy of every call where that can be read."""
    if machine.knows("--energy"):
        return [_run(machine, "thorough", (), ("--preset", "thorough", "--energy"))]
    run = _run(machine, "thorough", (), ("--preset", "thorough"))
    return [run, Step("energy", missing="this xpbench has no --energy")]


def _run(
    machine: Machine,
    name: str,
    kernels: Sequence[str],
    options: Sequence[str],
    backends: Sequence[str] = (),
    devices: Sequence[str] = (),
) -> Step:
    """A run of ``kernels`` on those of ``backends`` that have the device; on all where none is named."""
    if machine.rehearsal:
        kernels, backends = REHEARSED, QUICK
        options = (*_without(options, "--size"), *TINY)
    having = machine.having(backends)
    if backends and not having:
        return Step(name, missing=f"none of {', '.join(backends)} has the device {machine.device}")
    places = _options("--device", devices or (machine.device,))
    command = (*XPBENCH, "run", *kernels, *_options("--backend", having), *places, *options)
    return Step(name, command, measures=True, resumes=True)


def _options(option: str, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))


def _without(options: Sequence[str], option: str) -> list[str]:
    """``options`` less every ``option`` and its value."""
    return [
        word
        for before, word in zip(("", *options), options, strict=False)
        if option not in (before, word)
    ]


STAGES: Mapping[str, Callable[[Machine, Path], list[Step]]] = {
    stage.__name__: stage
    for stage in (tests, verify, default, precision, roofs, graphs, calibrate, crossovers, thorough)
}
PACK = "pack"
