"""Blocks of rows reduced to a Gram matrix or a triangle: what both keep, and what one of them loses."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.bench import registry
from xpbench.bench.backend import Backend, Setting
from xpbench.bench.larger.forms import FORMS
from xpbench.bench.larger.limits import Reduced, coefficients_limit, pca_limits, sine
from xpbench.bench.larger.process import Reduction

every_form = pytest.mark.parametrize("form", list(FORMS))


@pytest.fixture(scope="module")
def numpy_backend() -> Backend:
    backend = registry.find().backend("numpy")
    backend.load(Setting(wide=True))
    return backend


def reduced(
    backend: Backend, form: str, x: np.ndarray, cuts: list[int], *, centred: bool = True
) -> Reduction:
    """The rows of ``x``, cut before every row of ``cuts``."""
    found = Reduction(backend, FORMS[form], x.shape[1], x.dtype.name, centred=centred)
    for start, stop in itertools.pairwise([0, *cuts, len(x)]):
        found.add(x[start:stop].copy())
    return found


def truth(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values and directions of the centred rows, and their mean; in extended precision but
    for the decomposition."""
    wide = x.astype(np.longdouble)
    mean = wide.mean(axis=0)
    centred = (wide - mean).astype(np.float64)
    _, s, vh = np.linalg.svd(centred, full_matrices=False)
    return s, vh, mean.astype(np.float64)


def rows(rng: np.random.Generator, n: int, d: int, far: float) -> np.ndarray:
    """Standard deviations from 3 to 1, and a mean of ``far``."""
    x: np.ndarray = rng.standard_normal((n, d)) * np.linspace(3, 1, d) + far
    return x


@st.composite
def cut(draw: st.DrawFn) -> tuple[int, list[int]]:
    n = draw(st.integers(6, 60))
    return n, sorted(draw(st.sets(st.integers(1, n - 1), max_size=12)))


@every_form
@given(cut(), st.sampled_from([0.0, 1e3, -1e6]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_rows_may_be_cut_anywhere(
    numpy_backend: Backend, form: str, cuts: tuple[int, list[int]], far: float, seed: int
) -> None:
    n, where = cuts
    x = rows(np.random.default_rng(seed), n, 4, far)
    answer = reduced(numpy_backend, form, x, where).pca(4)
    s, _, mean = truth(x)
    # The limits are those of equal blocks: of so many, each of so many rows at most.
    height = max(1, n // (len(where) + 1))
    limits = pca_limits(Reduced(form, n, height, np.finfo(np.float64).eps), s, mean, 4)
    assert np.abs(answer["spectrum"] * (n - 1) - s**2).max() <= limits["variances"] * s[0] ** 2
    # A mean is off by a rounding for each of the blocks it was moved by.
    assert (np.abs(answer["mean"] - mean) <= (len(where) + 3) * 2.3e-16 * np.abs(x).max(axis=0)).all()


@every_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mean_of_a_thousand_deviations_costs_no_digits(
    numpy_backend: Backend, form: str, dtype: str
) -> None:
    """Uncentred, X'X would lose 1e6 times eps, which in float32 is 0.12 of the largest variance."""
    x = rows(np.random.default_rng(1), 3000, 5, 1000.0).astype(dtype)
    answer = reduced(numpy_backend, form, x, [100, 101, 2000]).pca(5)
    s, _, _ = truth(x)
    apart = np.abs(answer["spectrum"] * 2999 - s**2).max() / s[0] ** 2
    # How rows so far out were rounded is not judged. Sums of some 1000 rows err by sqrt(n) / 2 eps
    # (``limits``), and the decomposition by less; the means of blocks err by an eps of themselves, 1000,
    # times what blocks differ by, 3 / sqrt(100) at most for those of 100 rows.
    eps = float(np.finfo(dtype).eps)
    assert apart <= (100 + 1000 * 0.3) * eps


CONDITIONS = [("float32", 1e5), ("float64", 1e9)]


@pytest.mark.parametrize(("dtype", "condition"), CONDITIONS)
def test_a_triangle_keeps_the_small_components_that_a_gram_matrix_loses(
    numpy_backend: Backend, dtype: str, condition: float
) -> None:
    """The singular values fall to 1 / condition. A triangle is off by some tens of eps of the largest:
    less than the smallest. A Gram matrix is off by as much of its square, which is more than the square
    of the smallest: eps condition^2 is 1e3 in float32 and 2e2 in float64."""
    n, d, eps = 2000, 6, float(np.finfo(dtype).eps)
    rng = np.random.default_rng(2)
    u, v = (np.linalg.qr(rng.standard_normal(shape)).Q for shape in ((n, d), (d, d)))
    u = np.linalg.qr(u - u.mean(axis=0)).Q
    x = (u * np.geomspace(1, 1 / condition, d) @ v.T).astype(dtype)
    s, vh, mean = truth(x)
    cuts = [500, 1000, 1500]
    found = {form: reduced(numpy_backend, form, x, cuts).pca(d) for form in FORMS}
    kept, lost = (np.sqrt(np.abs(found[form]["spectrum"][-1]) * (n - 1)) for form in ("qr", "gram"))
    limit = pca_limits(Reduced("qr", n, 500, eps), s, mean, d - 1)["variances"] / 2 * s[0]
    assert abs(kept - s[-1]) <= limit
    assert limit < s[-1]
    assert abs(lost - s[-1]) > 0.5 * s[-1]
    one = {form: sine(found[form]["components"][-1:].astype(np.float64), vh[-1:]) for form in FORMS}
    assert one["qr"] <= limit / (s[-2] - s[-1])
    assert one["gram"] > 10 * one["qr"]


@pytest.mark.parametrize(("dtype", "condition"), CONDITIONS)
def test_a_triangle_fits_what_the_normal_equations_cannot(
    numpy_backend: Backend, dtype: str, condition: float
) -> None:
    n, d, eps = 2000, 6, float(np.finfo(dtype).eps)
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.standard_normal(shape)).Q for shape in ((n, d), (d, d)))
    a = (u * np.geomspace(1, 1 / condition, d) @ v.T).astype(dtype)
    # A target that the columns reach, so that the error grows with the condition number, not its square.
    z = np.concatenate([a, (a.astype(np.float64) @ np.ones(d)).astype(dtype)[:, None]], axis=1)
    wide = z.astype(np.float64)
    x = np.linalg.lstsq(wide[:, :-1], wide[:, -1], rcond=None)[0]
    how = Reduced("qr", n, 500, eps)
    limit = coefficients_limit(how, wide[:, :-1], wide[:, -1], x, np.zeros(d + 1))
    fit = reduced(numpy_backend, "qr", z, [500, 1000, 1500], centred=False).lstsq()
    distance = np.linalg.norm(fit["coefficients"] - x) / np.linalg.norm(x)
    assert distance <= limit
    try:
        other = reduced(numpy_backend, "gram", z, [500, 1000, 1500], centred=False).lstsq()
    except np.linalg.LinAlgError:
        return  # Cholesky's method met a square that was not positive: lost, and said so.
    assert not np.linalg.norm(other["coefficients"] - x) <= 10 * distance * np.linalg.norm(x)


@every_form
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("backend", ["torch", "jax", "array-api-strict"])
def test_every_library_gives_the_answers_of_numpy(
    form: str, centred: bool, backend: str, numpy_backend: Backend
) -> None:
    other = registry.find().backend(backend)
    if reason := other.unusable():
        pytest.skip(reason)
    other.load(Setting(wide=True))
    x = rows(np.random.default_rng(4), 300, 5, 3.0)
    first, second = (
        reduced(each, form, x, [7, 150, 151], centred=centred) for each in (numpy_backend, other)
    )
    s, _, mean = truth(x)
    how = Reduced(form, 300, 75, np.finfo(np.float64).eps)
    if centred:
        limits = pca_limits(how, s, mean, 2)
        ours, theirs = first.pca(2), second.pca(2)
        assert sine(ours["components"], theirs["components"]) <= 2 * limits["subspace"]
    ours, theirs = first.lstsq(), second.lstsq()
    off = x - mean if centred else x
    w = np.linalg.lstsq(off[:, :-1], off[:, -1], rcond=None)[0]
    limit = coefficients_limit(how, off[:, :-1], off[:, -1], w, mean if centred else 0 * mean)
    for answer in (ours, theirs):
        assert np.linalg.norm(answer["coefficients"] - w) <= limit * np.linalg.norm(w)
    _forget()


def _forget() -> None:
    import sys

    modules: Any = sys.modules
    if "torch" in modules:
        modules["torch"].set_grad_enabled(True)
    if "jax" in modules:
        for name, value in {"enable_x64": False, "default_device": None}.items():
            modules["jax"].config.update(f"jax_{name}", value)
        modules["jax"].config.update("jax_default_matmul_precision", None)
