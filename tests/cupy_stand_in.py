"""A CuPy made of NumPy and SciPy: the names recorded of the real one, its parameters, and no others."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

from xpbench.bench.special import host_functions

RECORD = Path(__file__).parent / "kernels" / "cupy_offers.json"
"""Written by scripts/record_cupy.py."""
OFFERS: dict[str, dict[str, str | None]] = json.loads(RECORD.read_text())
TAKE_HOST_ARRAYS = ("array", "asarray", "asanyarray", "ascontiguousarray", "asnumpy")
ATOMIC = ("int32", "uint32", "uint64", "float16", "float32", "float64")
"""What CuPy's ``add.at`` adds to; other dtypes raise. Read in cupy/_core/_routines_indexing.pyx."""
COMPARISONS = ("lt", "le", "eq", "ne", "gt", "ge")
"""Every object has them, so the record does not tell; CuPy's go entry by entry."""
NUMPYS_OWN = ("__array_finalize__", "__array_function__", "__array_ufunc__", "__class_getitem__")
"""What an array of NumPy is asked by NumPy itself."""


class Lacking(Exception):
    """Something CuPy does not offer. No AttributeError, so that no fallback of ours can swallow it."""


@cache
def _signature(parameters: str) -> inspect.Signature:
    return inspect.signature(eval(f"lambda {parameters}: None"))


def check_arguments(
    name: str, parameters: str | None, args: Iterable[Any], kwargs: dict[str, Any]
) -> None:
    """Raises :class:`Lacking` if the recorded ``parameters`` of ``name`` do not take the arguments."""
    if parameters is None:
        return
    try:
        _signature(parameters).bind(*args, **kwargs)
    except TypeError as error:
        raise Lacking(f"{name}({parameters}): {error}") from None


def on_host(value: Any, *, name: str) -> Any:
    """The NumPy form of an argument; CuPy takes no NumPy array for one of its own."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray) and name.rpartition(".")[2] not in TAKE_HOST_ARRAYS:
        raise Lacking(f"{name} takes no numpy.ndarray: {value!r:.60}")
    if type(value) in (tuple, list):
        return type(value)(on_host(entry, name=name) for entry in value)
    return value


def on_device(value: Any) -> Any:
    """Where NumPy gives a scalar, CuPy gives an array without axes; and a tuple has no names."""
    if isinstance(value, np.ndarray | np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple):
        return tuple(map(on_device, value))
    return list(map(on_device, value)) if isinstance(value, list) else value


def stand_in(name: str, parameters: str | None, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of NumPy under a name of CuPy, with the parameters of CuPy."""

    def called(*args: Any, **kwargs: Any) -> Any:
        check_arguments(name, parameters, args, kwargs)
        host = {key: on_host(value, name=name) for key, value in kwargs.items()}
        return on_device(function(*(on_host(value, name=name) for value in args), **host))

    return called


class ndarray:
    """cupy.ndarray, held by a NumPy array; not a subclass of one, as CuPy's is none."""

    __slots__ = ("host",)
    __hash__ = None

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python and NumPy ask of any object, to see what it is
            raise AttributeError(name)
        if name not in OFFERS["cupy.ndarray"]:
            raise Lacking(f"cupy.ndarray has no {name}")
        value = getattr(self.host, name)
        if callable(value):
            return stand_in(f"cupy.ndarray.{name}", OFFERS["cupy.ndarray"][name], value)
        return on_device(value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise Lacking("CuPy turns no array into one of NumPy unasked")

    def __getitem__(self, index: Any) -> "ndarray":
        host = on_host(index, name="cupy.ndarray.__getitem__")
        parts = host if type(host) is tuple else (host,)
        if any(isinstance(part, np.ndarray) and part.dtype.kind == "b" for part in parts):
            raise Lacking("cupy.ndarray[mask] waits for the device to count entries; shapes are static")
        return ndarray(np.asarray(self.host[host]))

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self.host)))


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: ndarray, *others: Any) -> Any:
        if any(isinstance(other, np.ndarray) for other in others):
            raise Lacking(f"cupy.ndarray.{name} takes no numpy.ndarray")
        host = [other.host if isinstance(other, ndarray) else other for other in others]
        value = getattr(self.host, name)(*host)
        if name.startswith("__i") and value is self.host:
            return self
        return value if value is NotImplemented else on_device(value)

    return operate


def _operators() -> Iterator[str]:
    """The recorded names of Python's own protocols that are left to the NumPy array within."""
    for name in (*OFFERS["cupy.ndarray"], *(f"__{name}__" for name in COMPARISONS)):
        own = name in vars(ndarray) or name in NUMPYS_OWN
        if name.startswith("__") and not own and callable(getattr(np.ndarray, name, None)):
            yield name


for _name in list(_operators()):
    setattr(ndarray, _name, _operator(_name))


class ufunc:
    def __init__(self, name: str, parameters: str | None, host: np.ufunc) -> None:
        self._name = name
        self._host = host
        self._call = stand_in(name, parameters, host)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name not in OFFERS["cupy.ufunc"]:
            raise Lacking(f"cupy.ufunc has no {name}")
        method = getattr(self._host, name)
        return stand_in(f"{self._name}.{name}", OFFERS["cupy.ufunc"][name], method)

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if a.dtype not in ATOMIC:
            raise Lacking(f"{self._name}.at adds to {', '.join(ATOMIC)}, not to {a.dtype}")
        self._host.at(a.host, *(on_host(value, name=f"{self._name}.at") for value in (indices, b)))


def _value(namespace: str, name: str, host: Any) -> Any:
    """What stands for ``namespace.name`` of CuPy: what ``host``, of NumPy or SciPy, has of that name."""
    full, parameters = f"{namespace}.{name}", OFFERS[namespace][name]
    found = getattr(host, name, Lacking)
    if found is Lacking:

        def unknown(*args: Any, **kwargs: Any) -> Any:
            raise Lacking(f"{full} has no stand-in: NumPy and SciPy have nothing of that name")

        return unknown
    if isinstance(found, np.ufunc):
        return ufunc(full, parameters, found)
    if not callable(found) or isinstance(found, type):
        return found
    return stand_in(full, parameters, found)


def _module(namespace: str, host: Any, **own: Any) -> ModuleType:
    module = ModuleType(namespace)
    for name in OFFERS[namespace]:
        setattr(module, name, own.get(name) or _value(namespace, name, host))
    return module


def _solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if b.ndim > 1 and a.shape[:-1] != b.shape[:-1]:
        raise Lacking(f"cupy.linalg.solve repeats no matrix of a stack: a {a.shape}, b {b.shape}")
    return np.linalg.solve(a, b)


class _Device(nullcontext[None]):
    def __init__(self, device: Any = None) -> None:
        super().__init__()


class _Philox:
    def __init__(self, seed: Any) -> None:
        self.host = np.random.Philox(np.random.SeedSequence(seed))


class _Generator:
    def __init__(self, bits: _Philox) -> None:
        self._host = np.random.Generator(bits.host)

    def __getattr__(self, name: str) -> Any:
        if name not in OFFERS["cupy.random.Generator"]:
            raise Lacking(f"cupy.random.Generator has no {name}")
        parameters = OFFERS["cupy.random.Generator"][name]
        return stand_in(f"cupy.random.Generator.{name}", parameters, getattr(self._host, name))


def modules() -> dict[str, ModuleType]:
    """The modules of CuPy by name, to be put where Python looks for imported modules."""
    cupy = _module(
        "cupy", np, ndarray=ndarray, asnumpy=lambda array: np.array(on_host(array, name="cupy.asnumpy"))
    )
    found = {
        "cupy.fft": _module("cupy.fft", np.fft),
        "cupy.linalg": _module(
            "cupy.linalg", np.linalg, solve=stand_in("cupy.linalg.solve", "a, b", _solve)
        ),
        "cupy.random": _module("cupy.random", None, Generator=_Generator, Philox4x3210=_Philox),
    }
    for name, module in found.items():
        setattr(cupy, name.partition(".")[2], module)
    cupy.cuda = ModuleType("cupy.cuda")
    device = ModuleType("cupy.cuda.device")
    cupy.cuda.Device = device.Device = _Device
    special = _Special(scipy.special)
    return {
        "cupy": cupy,
        **found,
        "cupy.cuda": cupy.cuda,
        "cupy.cuda.device": device,
        "cupyx.scipy.linalg": _module("cupyx.scipy.linalg", scipy.linalg),
        "cupyx.scipy.special": _module("cupyx.scipy.special", special),
    }


class _Special:
    """scipy.special, but for the functions that NumPy's backend does better."""

    def __init__(self, scipy_special: ModuleType) -> None:
        self._scipy = scipy_special
        self.betainc = host_functions()["betainc"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scipy, name)
