"""What is measured: one computation, with its data, its oracle and its cost."""

import inspect
import math
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xpbench.bench.case import DTYPES
from xpbench.bench.exceptions import XpbenchError

Array = Any
Size = Mapping[str, int]
Errors = Mapping[str, tuple[float, float]]

CHAPTERS = (
    "linear_algebra",
    "calculus",
    "probability",
    "statistics",
    "optimization",
    "models",
    "pipeline",
)
"""The chapters of the suite, in the order of a course."""

_declared: dict[tuple[str, int, str], "Kernel"] = {}


@dataclass(frozen=True, eq=False)
class Kernel:
    """A computation written once against the array API standard, and all that is needed to judge it.

    Parameters
    ----------
    compute
        ``compute(xp, *arrays, **static)``: a pure function of at least one array that returns one
        array or a tuple of arrays. ``xp`` is the backend's namespace: the array API standard and
        the verbs of :class:`xpbench.Vocabulary`. Its name is the kernel's name, the first line of
        its docstring the kernel's title.
    inputs
        ``inputs(rng, **size)``: the host arrays that ``compute`` takes, drawn from a
        ``numpy.random.Generator``. Floating arrays are made in float64 and cast to the dtype of the
        case; integers and booleans are kept.
    reference
        ``reference(*arrays, **static)``: the outputs in float64, by an implementation that shares
        no code with ``compute``. It receives the rounded inputs cast up to float64, so that
        rounding the inputs is charged to nobody.
    sizes
        Named sizes from the smallest to the largest, e.g. ``{"small": {"n": 64}}``.
    errors
        ``errors(outputs, reference, *arrays, **static)``: named pairs ``(value, limit)``, in units
        of the machine epsilon of the outputs' dtype (see ``error_unit``). An output agrees when
        every value is finite and at most its limit. Default: the forward error of every output
        relative to its largest entry.
    flops
        ``flops(**size)``: floating-point operations of the algorithm.
    traffic
        ``traffic(itemsize, **size)``: compulsory bytes, each input read once and each output
        written once, with ``itemsize`` bytes an entry.
    static
        The keys of a size that ``compute``, ``reference`` and ``errors`` receive as Python integers.
    chapter
        The group of tables that the kernel belongs to.
    error_unit
        ``"eps"``, or ``"standard errors"`` for a random kernel.
    oracle_flops
        Above this many ``flops`` the oracle is not called and ``errors`` receives ``None`` for it.
    dtypes
        The dtypes of cases in which the limits of ``errors`` hold, of ``float32``, ``float64``,
        ``float16`` and ``bfloat16``.

    Raises
    ------
    XpbenchError
        If a part is missing or malformed; the message names the part.
    """

    compute: Callable[..., Any]
    inputs: Callable[..., Any]
    reference: Callable[..., Any]
    sizes: Mapping[str, Size]
    errors: Callable[..., Errors] | None = None
    flops: Callable[..., float] | None = None
    traffic: Callable[..., float] | None = None
    static: tuple[str, ...] = ()
    chapter: str = "user"
    error_unit: str = "eps"
    oracle_flops: float = math.inf
    dtypes: tuple[str, ...] = ("float32", "float64")
    file: str = field(init=False, default="")
    line: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        caller = sys._getframe(2)
        object.__setattr__(self, "file", str(Path(caller.f_code.co_filename).resolve()))
        object.__setattr__(self, "line", caller.f_lineno)
        object.__setattr__(self, "static", tuple(self.static))
        object.__setattr__(self, "dtypes", tuple(self.dtypes))
        self._check()
        sizes = {name: MappingProxyType(dict(size)) for name, size in self.sizes.items()}
        object.__setattr__(self, "sizes", MappingProxyType(sizes))
        _declared[self.file, self.line, self.name] = self

    @property
    def name(self) -> str:
        return str(getattr(self.compute, "__name__", ""))

    @property
    def place(self) -> tuple[int, str, str, int]:
        """Sorts kernels by chapter, in the order of a course, then as they are written."""
        known = CHAPTERS.index(self.chapter) if self.chapter in CHAPTERS else len(CHAPTERS)
        return known, self.chapter, self.file, self.line

    @property
    def title(self) -> str:
        lines = (inspect.getdoc(self.compute) or "").splitlines()
        return lines[0].rstrip(".") if lines else self.name

    @property
    def description(self) -> str:
        """Title, formula, shapes, cost and source: what the docstring of ``compute`` says."""
        return inspect.getdoc(self.compute) or ""

    @property
    def source(self) -> str:
        """The text of ``compute`` as it is written; empty where there is no file to read it from."""
        try:
            return textwrap.dedent(inspect.getsource(self.compute))
        except (OSError, TypeError):
            return ""

    def static_of(self, size: Size) -> dict[str, int]:
        return {key: size[key] for key in self.static}

    def flop_count(self, size: Size) -> float | None:
        """``flops`` at ``size``; ``None`` where the kernel states none.

        Raises
        ------
        XpbenchError
            If the function raises or returns no number.
        """
        return self._cost("flops", self.flops, (), size)

    def traffic_bytes(self, itemsize: int, size: Size) -> float | None:
        """``traffic`` at ``size`` in bytes; otherwise as ``flop_count``."""
        return self._cost("traffic", self.traffic, (itemsize,), size)

    def oracle_applies(self, size: Size) -> bool:
        flops = self.flop_count(size)
        return flops is None or flops <= self.oracle_flops

    def _cost(
        self, part: str, function: Callable[..., float] | None, first: tuple[int, ...], size: Size
    ) -> float | None:
        if function is None:
            return None
        text = ", ".join([*map(str, first), *(f"{key}={value}" for key, value in size.items())])
        try:
            return float(function(*first, **size))
        except (Exception, SystemExit) as error:
            raise XpbenchError(
                f"{self.file}:{self.line}: {part}({text}) of {self.name} raised "
                f"{type(error).__name__}: {error}; expected a number"
            ) from error

    def _check(self) -> None:
        where = f"the Kernel at {self.file}:{self.line}"
        for part in ("compute", "inputs", "reference", "errors", "flops", "traffic"):
            value = getattr(self, part)
            optional = part in ("errors", "flops", "traffic")
            if not (callable(value) or (optional and value is None)):
                raise XpbenchError(f"{where}: {part}= must be a function, not {value!r}")
        if not self.name.isidentifier():
            raise XpbenchError(
                f"{where}: compute= must be a named function (def softmax(xp, x): ...), "
                f"because its name is the kernel's name; this one is called {self.name!r}"
            )
        if not self.dtypes or not set(self.dtypes) <= set(DTYPES):
            raise XpbenchError(
                f"{where}: dtypes= must name some of {', '.join(DTYPES)}, not {self.dtypes!r}"
            )
        if not isinstance(self.sizes, Mapping) or not self.sizes:
            raise XpbenchError(
                f"{where}: sizes= must name at least one size, e.g. "
                f'{{"small": {{"n": 64}}}}, not {self.sizes!r}'
            )
        for name, size in self.sizes.items():
            if not isinstance(size, Mapping) or not all(
                isinstance(key, str) and type(value) is int and value > 0 for key, value in size.items()
            ):
                raise XpbenchError(
                    f"{where}: size {name!r} must map names to positive integers, e.g. "
                    f'{{"n": 64}}, not {size!r}'
                )
            self._check_parameters(where, name, size)
            missing = [key for key in self.static if key not in size]
            if missing:
                raise XpbenchError(
                    f"{where}: static= names {missing[0]!r}, which size {name!r} lacks; "
                    f"it has {', '.join(size)}"
                )

    def _check_parameters(self, where: str, name: str, size: Size) -> None:
        """Every function of a size takes the keys of every size."""
        calls = (
            ("inputs", self.inputs, (None,)),
            ("flops", self.flops, ()),
            ("traffic", self.traffic, (8,)),
        )
        for part, function, positional in calls:
            if function is None:
                continue
            try:
                inspect.signature(function).bind(*positional, **size)
            except TypeError as error:
                keys = ", ".join(size)
                raise XpbenchError(
                    f"{where}: {part}= cannot be called with size {name!r} ({keys}): {error}"
                ) from None
            except ValueError:
                continue  # a function written in C that does not tell its parameters


def declared_in(file: str | Path) -> list[Kernel]:
    """The kernels made by ``Kernel(...)`` calls that stand in ``file``, in the order of their lines."""
    path = str(Path(file).resolve())
    return [
        kernel for key, kernel in sorted(_declared.items(), key=lambda item: item[0]) if key[0] == path
    ]
