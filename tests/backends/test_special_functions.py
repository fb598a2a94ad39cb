"""Special functions against SciPy in float64."""

import numpy as np
import pytest
import scipy.special

from xpbench.bench.exceptions import Unsupported
from xpbench.bench.special import FUNCTIONS, Special

SMALL, WIDE, UNIT = np.linspace(0.1, 4, 40), np.linspace(-6, 6, 49), np.linspace(0.05, 0.95, 40)
POINTS = {
    "betainc": (SMALL, SMALL[::-1], UNIT),
    "digamma": (SMALL + 2,),
    "erf": (WIDE,),
    "gammainc": (SMALL, SMALL[::-1]),
    "gammaincc": (SMALL, SMALL[::-1]),
    "lgamma": (SMALL + 3,),
    "log_ndtr": (np.linspace(-30, 12, 85),),
    "ndtr": (np.linspace(-5, 5, 41),),
    "xlogy": (np.append(SMALL, 0.0), np.append(SMALL, 0.0)),
}
"""Away from zeros of the function, near which no library has a small relative error."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_function_agrees_with_scipy(loaded, name):
    points = [loaded.cast(array) for array in POINTS[name]]
    try:
        found = loaded(lambda xp, *x: getattr(xp.special, name)(*x), *points)
    except Unsupported as reason:
        assert f"has no function {name}" in str(reason)
        pytest.skip(str(reason))
    function = getattr(scipy.special, {"lgamma": "gammaln"}.get(name, name))
    exact = [array.astype(np.float64) for array in points]
    expected = function(*exact)
    # Backward stable but for ROUNDINGS operations: each is as good as a relative change of every
    # argument by eps, to which the function responds by the slope times the argument.
    response = np.abs(expected)
    for j, argument in enumerate(exact):
        h = 1e-6 * np.abs(argument)
        moved = [[v + sign * h * (i == j) for i, v in enumerate(exact)] for sign in (1, -1)]
        response = response + np.abs(function(*moved[0]) - function(*moved[1])) / 2e-6
    assert (np.abs(found - expected) <= ROUNDINGS * loaded.eps * response).all()
    assert found.dtype == loaded.dtype


ROUNDINGS = 32
"""A rational approximation of degree ten, or as many terms of a series, and a few more."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_library_lacks_is_unsupported_and_says_so(name):
    lacking = Special("abacus")
    with pytest.raises(Unsupported, match=f"abacus has no function {name}"):
        getattr(lacking, name)(*POINTS[name])
