"""Which kernels CuPy can run, as far as its names and their parameters tell.

Every kernel runs through the vocabulary of backends/cupy.py and through array-api-compat, over a
stand-in for CuPy: functions of NumPy and SciPy by the names that scripts/record_cupy.py found in CuPy,
with the parameters it found there. A name or a parameter that CuPy lacks is seen without a card, and so
is an array of NumPy, a scalar of NumPy or a method of its arrays that a kernel takes for granted, and a
choice of entries by a mask, for which the host waits until the device has counted them.

What it cannot show: whether CuPy's own functions are right and how accurate they are, which dtypes and
values they decline behind the same name (but for ``add.at`` and ``solve``), and what a device makes
different, such as what else waits for it. For that there are the tests marked gpu, and
``xpbench verify --backend cupy``.
"""

import importlib
import sys

import array_api_compat
import numpy as np
import pytest

import cupy_stand_in
from xpbench import Unsupported
from xpbench.backends.cupy import CupyVocabulary
from xpbench.bench import registry
from xpbench.bench.clock import as_sequence

KERNELS = registry.find().kernels
CANNOT = {"autodiff_backprop": "cupy does not differentiate"}
"""The kernels that decline, and a part of the reason."""


@pytest.fixture(scope="module")
def cupy():
    """The stand-in, where Python finds CuPy; array-api-compat is imported anew over it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.startswith("array_api_compat.cupy")]:
            patch.delitem(sys.modules, name)
        for name, module in cupy_stand_in.modules().items():
            patch.setitem(sys.modules, name, module)
        # An import leaves a module in its package too, where a CuPy of this machine must be found again.
        patch.setattr(array_api_compat, "cupy", None, raising=False)
        importlib.import_module("array_api_compat.cupy")
        yield sys.modules["cupy"]
        for name in [name for name in sys.modules if name.startswith("array_api_compat.cupy")]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def vocabulary(cupy):
    return CupyVocabulary(
        cupy,
        sys.modules["cupyx.scipy.special"],
        sys.modules["cupyx.scipy.linalg"],
        sys.modules["array_api_compat.cupy"],
    )


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_a_kernel_asks_cupy_for_nothing_it_lacks(draw, cupy, vocabulary, name):
    trial = draw(name, preset="small")
    arrays = [vocabulary.asarray(array) for array in trial.inputs]
    try:
        outputs = as_sequence(trial.kernel.compute(vocabulary, *arrays, **trial.static))
    except Unsupported as reason:
        assert CANNOT.get(name, "no reason expected") in str(reason)
        return
    assert name not in CANNOT
    found = trial.judge([cupy.asnumpy(output) for output in outputs])
    assert found.agrees, found.reason


def test_the_stand_in_offers_what_array_api_compat_offers_over_cupy(cupy):
    namespace = sys.modules["array_api_compat.cupy"]
    recorded = cupy_stand_in.OFFERS["array_api_compat.cupy"]
    assert {name for name in recorded if not hasattr(namespace, name)} == set()
    assert namespace.linalg.vector_norm is sys.modules["array_api_compat.cupy.linalg"].vector_norm


LACKS = {
    "a parameter of a function": (
        lambda xp, x: xp.take(x, x, mode="clip"),
        r"cupy.take\(a, indices, .*unexpected keyword argument 'mode'",
    ),
    "a parameter of a ufunc": (lambda xp, x: xp.exp(x, where=x > 0), "cupy.exp.*argument 'where'"),
    "a parameter of a method": (lambda xp, x: x.argsort(stable=True), "argsort.*argument 'stable'"),
    "a method": (lambda xp, x: x.to_device("cpu"), "cupy.ndarray has no to_device"),
    "a distribution": (
        lambda xp, x: xp.random._generator(xp.astype(x, xp.uint32)).laplace(),
        "cupy.random.Generator has no laplace",
    ),
    "an index": (lambda xp, x: np.arange(3)[x[0]], "CuPy turns no array into one of NumPy unasked"),
    "a conversion": (lambda xp, x: np.asarray(x), "CuPy turns no array into one of NumPy unasked"),
    "an operand of NumPy": (lambda xp, x: x + np.ones(3), r"__add__ takes no numpy.ndarray"),
    "an argument of NumPy": (lambda xp, x: xp.stack([x, np.ones(3)]), "stack takes no numpy.ndarray"),
    "a matrix for a whole stack": (
        lambda xp, x: xp.linalg.solve(xp.stack([xp.eye(3)] * 2), xp.eye(3)),
        r"solve repeats no matrix of a stack: a \(2, 3, 3\), b \(3, 3\)",
    ),
    "a shape that depends on values": (lambda xp, x: x[x > 1], "waits for the device to count"),
    "an atomic sum of int64": (
        lambda xp, x: xp.add.at(xp.astype(x, xp.int64), x, 1),
        "cupy.add.at adds to int32, .* not to int64",
    ),
}


@pytest.mark.parametrize(("ask", "message"), LACKS.values(), ids=LACKS)
def test_what_cupy_does_not_take_is_seen_and_named(vocabulary, ask, message):
    with pytest.raises(cupy_stand_in.Lacking, match=message):
        ask(vocabulary, vocabulary.asarray(np.arange(3.0)))


def test_a_full_reduction_and_an_entry_are_arrays_without_axes(vocabulary):
    x = vocabulary.asarray(np.arange(3.0))
    for value in (vocabulary.sum(x), x.sum(), x[0], x[0] + 1, next(iter(x))):
        assert type(value) is cupy_stand_in.ndarray
        assert value.shape == ()


def test_a_namespace_lacks_what_is_not_recorded(vocabulary):
    with pytest.raises(AttributeError, match="cupy has no 'nonesuch'"):
        vocabulary.nonesuch(1)
