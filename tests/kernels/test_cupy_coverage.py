"""Which kernels CuPy can run, as far as its names and their parameters tell.

Every kernel runs through the vocabulary of backends/cupy.py and through array-api-compat, over a stand-in
for CuPy: NumPy's and SciPy's functions under the names that scripts/record_cupy.py found in CuPy, with the
parameters it found there. So a name or a parameter that CuPy lacks is seen without a card, and so is a
NumPy array, or a NumPy scalar taken for granted, where CuPy has its own arrays.

What it cannot show: that CuPy's own functions give right results, how accurate they are, which dtypes a
function of a known name declines (but for ``add.at``), and what is different on a device, such as what
waits for it. For that there are the tests marked gpu, and ``xpbench verify --backend cupy``.
"""

import importlib
import sys

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
