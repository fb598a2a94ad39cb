"""Which cases are measured, in which order, and how long that will take."""

import difflib
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xpbench.bench import energy
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.cards import ORDERED_CARDS
from xpbench.bench.case import DTYPES, TOGETHER, Case
from xpbench.bench.device import is_host, kind_of
from xpbench.bench.exceptions import XpbenchError, one_line
from xpbench.bench.kernel import Kernel
from xpbench.bench.registry import Registry

NAMED = ("matmul", "svd", "pca", "gradient_descent", "backprop")
SURVEYED = (
    *("solve", "eigh"),
    *("hessian_vector_product", "cumulative_integral"),
    *("normal", "bayes_posterior"),
    *("covariance", "roc_auc"),
    *("adam", "lasso"),
    *("kmeans", "attention"),
    *("standardize", "pipeline"),
)
"""What stands for its chapter in a survey; of a chapter without any, its first two kernels do."""
CHUNK_SECONDS = 60.0
"""The work of a fork after which the environments have another turn each."""

# What the estimate assumes of a machine it does not know; a run corrects it as it goes.
_START_SECONDS = 2.0
_CASE_SECONDS = 0.05
_FLOPS_PER_SECOND = 1e10
_WARM_CALLS = 4.0


@dataclass(frozen=True)
class Preset:
    """How much is measured when nothing more is said: ``sizes`` are names of a kernel's sizes."""

    sizes: tuple[str, ...]
    dtypes: tuple[str, ...]
    forks: int
    seconds: float
    chapters: bool = False


PRESETS: Mapping[str, Preset] = {
    "smoke": Preset(("small",), ("float32",), 1, 0.02),
    "default": Preset(("small", "medium"), ("float32",), 6, 0.1),
    "survey": Preset(("small", "medium"), ("float32",), 4, 0.05, chapters=True),
    "thorough": Preset(("small", "medium", "large", "digits"), ("float32", "float64"), 20, 0.1),
}
"""``survey`` takes two kernels of every chapter beside the named ones. ``thorough`` has more forks, and
not longer ones: twice the processes tell far more than twice the rounds in each."""


@dataclass(frozen=True)
class Request:
    """What a user asked for. Empty tuples mean that the choice is left to the preset."""

    kernels: tuple[str, ...] = ()
    chapters: tuple[str, ...] = ()
    everything: bool = False
    backends: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    preset: str = "default"


@dataclass(frozen=True)
class Row:
    """What is to be computed, wherever that may be; the fields are those of a case."""

    kernel: str
    size: tuple[tuple[str, int], ...]
    size_name: str
    dtype: str


@dataclass(frozen=True)
class Settings:
    """How a run measures: what ``run.json`` keeps of the command line.

    ``seconds`` is the time of timed rounds a case and fork (zero: judge only), ``timeout`` the
    seconds after which a case is stopped. ``roofs`` tells whether the first and the last fork
    measure what the machine can do at most. ``looks`` is how often the verdicts may be looked at
    before the run is over: their intervals have the level that so many looks leave. ``cpus`` are those
    that the processes may use, e.g. ``0-3,8``. ``cache`` tells whether calls find the caches of the
    device as the call before left them (``hot``) or emptied (``cold``), ``energy`` whether the first
    fork measures what a call on a card takes. ``chunk`` is how many seconds of work all environments
    share before each has another turn: the shorter, the more drift they share, and the more processes
    there are; ``together`` is a key of ``case.TOGETHER``, and no chunk divides what belongs so together.
    """

    forks: int
    seconds: float
    threads: int
    precision: str
    seed: int
    timeout: float
    baseline: str
    roofs: bool = False
    looks: int = 1
    cpus: str = ""
    cache: str = "hot"
    energy: bool = False
    chunk: float = CHUNK_SECONDS
    together: str = "row"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Environment:
    """What one process can measure: a backend in a setting, with the variables it starts under."""

    backend: str
    setting: Setting
    variables: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.backend}@{self.setting.device}"


@dataclass(frozen=True)
class Visit:
    """One process's share of the plan: some cases of one fork in one environment."""

    fork: int
    environment: Environment
    cases: tuple[Case, ...]


def select(registry: Registry, request: Request) -> list[Row]:
    """The rows that are asked for, before it is known which backends there are.

    Raises
    ------
    XpbenchError
        If something named does not exist, with what does.
    """
    preset = _one_of(request.preset, PRESETS, "preset")
    for dtype in request.dtypes:
        _one_of(dtype, {name: name for name in DTYPES}, "dtype")
    kernels = _kernels(registry, request, preset)
    if not kernels:
        raise XpbenchError(
            f"none of the kernels named is in the chapter {' or '.join(request.chapters)}"
        )
    for text in request.sizes:
        if not any(True for kernel in kernels for _ in sizes_of(kernel, (text,), preset)):
            raise XpbenchError(_unknown_size(text, kernels))
    dtypes = request.dtypes or preset.dtypes
    if request.kernels:
        _require_dtypes(kernels, dtypes)
    rows = [
        Row(kernel.name, size, size_name, dtype)
        for kernel in kernels
        for size_name, size in sizes_of(kernel, request.sizes, preset)
        for dtype in dtypes
        if dtype in kernel.dtypes
    ]
    if not rows:
        able = sorted(k.name for k in registry.kernels.values() if set(dtypes) & set(k.dtypes))
        raise XpbenchError(
            f"none of the kernels chosen takes {' or '.join(dtypes)}: name one that does, of "
            f"{', '.join(able) or 'which there is none'}"
        )
    return list(dict.fromkeys(rows))


def _require_dtypes(kernels: Sequence[Kernel], dtypes: Sequence[str]) -> None:
    """Raises for the first kernel whose limits hold in another dtype than these."""
    for kernel in kernels:
        for dtype in dtypes:
            if dtype not in kernel.dtypes:
                raise XpbenchError(
                    f"{kernel.name} does not take {dtype}: its limits hold in "
                    f"{', '.join(kernel.dtypes)}; choose of those with --dtype"
                )


def _unknown_size(text: str, kernels: Sequence[Kernel]) -> str:
    names = sorted({name for kernel in kernels for name in kernel.sizes})
    keys = sorted({key for kernel in kernels for size in kernel.sizes.values() for key in size})
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"name one of {', '.join(names)}"
    values = f", or give a value to one of {', '.join(keys)}, e.g. {keys[0]}=128" if keys else ""
    return f"no kernel chosen has the size {text!r}: {hint}{values}"


def place(
    rows: Sequence[Row], devices: Mapping[str, Sequence[str]], threads: int, precision: str
) -> list[Case]:
    """The cases of ``rows`` on every backend and each of its devices."""
    return [
        Case(row.kernel, row.size, row.size_name, backend, device, row.dtype, threads, precision)
        for row in rows
        for backend, found in devices.items()
        for device in found
    ]


def _kernels(registry: Registry, request: Request, preset: Preset) -> list[Kernel]:
    known = sorted(registry.kernels.values(), key=lambda kernel: kernel.place)
    chapters = dict.fromkeys(kernel.chapter for kernel in known)
    for chapter in request.chapters:
        _one_of(chapter, chapters, "chapter")
    if request.kernels:
        chosen = [registry.kernel(name) for name in dict.fromkeys(request.kernels)]
        return [k for k in chosen if not request.chapters or k.chapter in request.chapters]
    if request.chapters:
        return [kernel for kernel in known if kernel.chapter in request.chapters]
    ours = [kernel for kernel in known if kernel.chapter != "user"]
    if request.everything:
        return ours
    named = [registry.kernels[name] for name in NAMED]
    if preset.chapters:
        for chapter in chapters:
            rest = [k for k in ours if k.chapter == chapter and k not in named]
            named += [k for k in rest if k.name in SURVEYED] or rest[:2]
    return named


def sizes_of(
    kernel: Kernel, asked: Sequence[str], preset: Preset
) -> Iterator[tuple[str, tuple[tuple[str, int], ...]]]:
    """The sizes of ``kernel`` that were ``asked`` for, or else the preset's: names and their pairs."""
    if not asked:
        names = [name for name in preset.sizes if name in kernel.sizes] or list(kernel.sizes)
        yield from ((name, tuple(kernel.sizes[name].items())) for name in names)
    for text in asked:
        if "=" in text:
            typed = parse_size(text)
            base = kernel.sizes.get("medium") or next(iter(kernel.sizes.values()))
            if set(typed) <= set(base):
                yield "", tuple((dict(base) | typed).items())
        elif text in kernel.sizes:
            yield text, tuple(kernel.sizes[text].items())


def parse_size(text: str) -> dict[str, int]:
    """``n=1024`` or ``n=1000,d=20`` as a mapping.

    Raises
    ------
    XpbenchError
        If a part is not a name, an equals sign and a positive integer.
    """
    size = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=\s*([0-9]{1,15})\s*", part)
        if match is None or int(match[2]) == 0:
            raise XpbenchError(
                f"size {text!r}: expected NAME=POSITIVE INTEGER, e.g. n=1024 or n=1000,d=20"
            )
        size[match[1]] = int(match[2])
    return size


def environments(registry: Registry, cases: Sequence[Case], cache: str) -> dict[Environment, list[Case]]:
    """The cases, grouped by the process environment that they need."""
    variables: dict[tuple[Any, ...], list[Case]] = {}
    for case in cases:
        backend = registry.backends[case.backend]
        backend = registry.backends.get(backend.beside, backend)
        setting = Setting(case.device, case.threads, case.precision, case.dtype == "float64", cache)
        needed = tuple(sorted((_ordered_cards(case.device) | _variables(backend, setting)).items()))
        key = (backend.name, case.device, case.threads, case.precision, needed)
        variables.setdefault(key, []).append(case)
    return {
        Environment(
            backend,
            Setting(device, threads, precision, any(c.dtype == "float64" for c in members), cache),
            needed,
        ): members
        for (backend, device, threads, precision, needed), members in variables.items()
    }


def _variables(backend: Backend, setting: Setting) -> dict[str, str]:
    """The environment that a backend asks for, which may be a user's own.

    Raises
    ------
    XpbenchError
        If it raises, or is none.
    """
    try:
        return {str(name): str(value) for name, value in backend.environment(setting).items()}
    except (Exception, SystemExit) as error:
        raise XpbenchError(
            f"the backend {backend.name} does not tell its environment: {one_line(error)}; "
            "environment() must return a dict of texts, without importing its library"
        ) from error


def _ordered_cards(device: str) -> dict[str, str]:
    asked = kind_of(device) == "cuda" and not ORDERED_CARDS.keys() & os.environ.keys()
    return ORDERED_CARDS if asked else {}


def schedule(
    grouped: Mapping[Environment, Sequence[Case]],
    forks: Iterable[int],
    seed: int,
    seconds_of: Callable[[Case], float],
    chunk: float = CHUNK_SECONDS,
    together: str = "row",
) -> Iterator[Visit]:
    """The visits of the ``forks`` of a run, in their order.

    A fork is cut into chunks of so many seconds; within one every environment measures the same
    rows back to back, so that drift is shared. Rows, or what else belongs ``together``,
    environments and cases are shuffled anew in every fork.
    """
    key = TOGETHER[together]
    for fork in forks:
        shuffle = random.Random(f"{seed} {fork}")
        chunks = _chunks(grouped, seconds_of, shuffle, chunk, key)
        chunk_of = {group: number for number, groups in enumerate(chunks) for group in groups}
        parts: dict[Environment, list[list[Case]]] = {place: [[] for _ in chunks] for place in grouped}
        for environment, members in grouped.items():
            for case in members:
                parts[environment][chunk_of[key(case)]].append(case)
        for number in range(len(chunks)):
            order = list(grouped)
            shuffle.shuffle(order)
            for environment in order:
                cases = parts[environment][number]
                shuffle.shuffle(cases)
                # Two of one row, of backends that share their processes, come one after the other.
                turns = {row: turn for turn, row in enumerate(dict.fromkeys(c.row for c in cases))}
                cases.sort(key=lambda case: turns[case.row])
                if cases:
                    yield Visit(fork, environment, tuple(cases))


def _chunks(
    grouped: Mapping[Environment, Sequence[Case]],
    seconds_of: Callable[[Case], float],
    shuffle: random.Random,
    chunk: float,
    key: Callable[[Case], tuple[object, ...]],
) -> list[set[tuple[Any, ...]]]:
    seconds: dict[tuple[Any, ...], float] = {}
    for case in _all(grouped.values()):
        seconds[key(case)] = seconds.get(key(case), 0.0) + seconds_of(case)
    rows = list(seconds)
    shuffle.shuffle(rows)
    chunks: list[set[tuple[Any, ...]]] = []
    room = 0.0
    for row in rows:
        if not chunks or seconds[row] > room:
            chunks.append(set())
            room = chunk
        chunks[-1].add(row)
        room -= seconds[row]
    return chunks


def _all(groups: Iterable[Sequence[Case]]) -> Iterator[Case]:
    for group in groups:
        yield from group


def estimate_case(kernel: Kernel, case: Case, settings: Settings) -> float:
    """Seconds one fork is expected to spend on ``case``, from its flops and the timed rounds."""
    flops = kernel.flop_count(dict(case.size)) or 0.0
    call = flops / (_FLOPS_PER_SECOND * case.threads)
    if settings.seconds == 0:
        return _CASE_SECONDS + 2 * call
    return _CASE_SECONDS + _WARM_CALLS * call + max(1.5 * settings.seconds, 3 * call)


def estimate_run(registry: Registry, cases: Sequence[Case], settings: Settings) -> float:
    """Seconds a run is expected to take: processes, data, and every case in every fork."""
    per_case = {case: estimate_case(registry.kernels[case.kernel], case, settings) for case in cases}
    processes = len(environments(registry, cases, ""))
    chunks = max(1.0, sum(per_case.values()) / settings.chunk)
    data = sum({case.data: 0.5 * seconds for case, seconds in per_case.items()}.values())
    on_cards = sum(not is_host(case.device) for case in cases) if settings.energy else 0
    forks = settings.forks * (processes * chunks * _START_SECONDS + sum(per_case.values()))
    return data + energy.SECONDS * on_cards + forks


def _one_of(name: str, known: Mapping[str, Any], noun: str) -> Any:
    if name not in known:
        raise XpbenchError(f"unknown {noun} {name!r}: expected one of {', '.join(known)}")
    return known[name]
