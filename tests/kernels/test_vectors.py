"""Sums, inner products and cross products are those of exact arithmetic; cosines are scikit-learn's."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xpbench.kernels import vectors

NUMBERS = st.floats(2.0**-300, 2.0**300) | st.floats(-(2.0**300), -(2.0**-300)) | st.just(0.0)
EPS = np.finfo(np.float64).eps


@given(NUMBERS, NUMBERS)
def test_a_product_and_its_error_are_exact(a, b):
    product, error = vectors.two_product(np.asarray(a), np.asarray(b))
    assert Fraction(float(product)) + Fraction(float(error)) == Fraction(a) * Fraction(b)


@given(NUMBERS, NUMBERS)
def test_a_sum_and_its_error_are_exact(a, b):
    total, error = vectors.two_sum(np.asarray(a), np.asarray(b))
    assert Fraction(float(total)) + Fraction(float(error)) == Fraction(a) + Fraction(b)


@given(NUMBERS, arrays(np.float64, 3, elements=NUMBERS), arrays(np.float64, 3, elements=NUMBERS))
def test_the_oracle_of_axpy_rounds_once(alpha, x, y):
    (z,) = vectors.axpy_reference(np.asarray(alpha), x, y)
    for seen, x_i, y_i in zip(z.tolist(), x.tolist(), y.tolist(), strict=True):
        exact = Fraction(alpha) * Fraction(x_i) + Fraction(y_i)
        # What is added at the end is itself rounded, an error of second order where terms cancel.
        slack = Fraction(EPS**2) * (abs(Fraction(alpha) * Fraction(x_i)) + abs(Fraction(y_i)))
        assert abs(Fraction(seen) - exact) <= Fraction(EPS) / 2 * abs(exact) + slack


@given(arrays(np.float64, (2, 2, 3), elements=NUMBERS))
def test_the_oracle_of_cross_products_is_the_determinants_of_exact_arithmetic(pairs):
    a, b = pairs
    (c,) = vectors.cross_reference(a, b)
    for row in range(2):
        u, v = (list(map(Fraction, w[row].tolist())) for w in (a, b))
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            exact = u[j] * v[k] - u[k] * v[j]
            slack = Fraction(2 * EPS**2) * (abs(u[j] * v[k]) + abs(u[k] * v[j]))
            assert abs(Fraction(float(c[row, i])) - exact) <= Fraction(EPS) / 2 * abs(exact) + slack


def test_the_oracles_go_on_past_a_block(draw):
    n = vectors.BLOCK + 3
    alpha, x, y = draw("axpy", "float64", n=n).data.exact_inputs
    (z,) = vectors.axpy_reference(alpha, x, y)
    np.testing.assert_allclose(z, alpha * x + y, rtol=0, atol=2 * EPS * np.max(np.abs(z)))
    a, b = draw("cross", "float64", n=n).data.exact_inputs
    (c,) = vectors.cross_reference(a, b)
    np.testing.assert_allclose(c, np.cross(a, b), rtol=0, atol=4 * EPS * np.max(np.abs(a)) ** 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_oracle_of_dot_is_exact_far_below_its_limit(draw, seed):
    x, y = draw("dot", "float64", seed, n=4096).data.exact_inputs
    exact = sum(Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True))
    (seen,) = vectors.dot_reference(x, y)
    error = abs(float(Fraction(float(seen)) - exact))
    assert error < 0.1 * EPS * np.linalg.norm(x) * np.linalg.norm(y)


def test_a_sum_of_one_term_after_the_other_agrees_and_shows_what_the_limit_is_made_of(draw):
    """Its error is 0.3 sqrt(W) eps at most in the root mean square, its limit 1.2 sqrt(W + 1/2)."""
    shares = []
    for seed in range(200):
        trial = draw("dot", "float32", seed, n=2000)
        x, y = trial.inputs
        found = trial.judge([np.cumsum(x * y, dtype=np.float32)[-1]])
        assert found.agrees, found.reason
        value, limit = found.errors["value"]
        shares.append(value / (0.3 * np.sqrt((limit / 1.2) ** 2 - 0.5)))
    # A rounding is 0.29 units in the last place: 0.29 eps of a number just above a power of 2, half of
    # that just below one. The root mean square of 200 normal numbers is uncertain by 5 %.
    assert 0.45 < np.sqrt(np.mean(np.square(shares))) < 1.1


def test_the_oracle_of_cosines_is_scikit_learns(draw):
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    (x,) = draw("cosine_similarity", "float64", n=50, d=30).data.exact_inputs
    (c,) = vectors.cosine_reference(x)
    # Sums of 30 terms, in lengths and products, err by at most 2 * 30 u each.
    np.testing.assert_allclose(c, pairwise.cosine_similarity(x), rtol=0, atol=60 * EPS)
    assert np.max(c - np.eye(50)) > 0.4, "no two rows share a topic"


def test_the_length_of_a_row_does_not_change_its_cosines(draw, xp):
    trial = draw("cosine_similarity", n=32, d=64)
    (x,) = trial.inputs
    scales = np.exp2(np.random.default_rng(0).integers(-20, 20, (32, 1))).astype(np.float32)
    np.testing.assert_array_equal(trial.compute(xp), trial.compute(xp, [x * scales]))


def test_cosines_of_rows_that_nobody_read_are_seen_by_the_norm(draw, xp):
    trial = draw("cosine_similarity", n=2560, d=64)
    (c,) = trial.compute(xp)
    row = 1000
    c[row] = c[row + 1]
    found = trial.judge([c], oracle=False)
    assert [name for name, (value, limit) in found.errors.items() if value > limit] == ["norm"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_cross_product_is_orthogonal_to_both_factors(draw, dtype):
    trial = draw("cross", dtype, n=500)
    a, b = trial.data.exact_inputs
    for name in ("numpy", "torch"):
        (c,) = trial.on(name)
        for factor in (a, b):
            lengths = (
                np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1) * np.linalg.norm(factor, axis=1)
            )
            inner = np.abs(np.einsum("ni,ni->n", c, factor))
            # Components err by eps |a| |b| each, so their vector by sqrt(3) of that.
            assert np.all(inner <= np.sqrt(3) * np.finfo(dtype).eps * lengths)
