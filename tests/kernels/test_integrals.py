"""Integrals: orders of rules against closed forms, what they are exact for, and honest chances."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from xpbench.kernels import integrals

EPS = np.finfo(np.float64).eps
COEFFICIENTS = st.lists(st.integers(-9, 9), min_size=4, max_size=4)


def sampled_exponentials(n):
    """exp(r x) on [0, 1] for two rates r, the distance of samples, and the integrals up to x."""
    rates = np.asarray([[1.0], [-2.0]])
    x = np.linspace(0, 1, n + 1)
    return np.exp(rates * x), np.asarray(1 / n), np.expm1(rates * x) / rates


def unit_rule(n):
    t, w = np.polynomial.legendre.leggauss(n)
    return (1 + t) / 2, w / 2


# Rules of samples


def test_simpsons_rule_is_of_fourth_order(xp):
    worst = []
    for n in (32, 64):
        f, h, exact = sampled_exponentials(n)
        worst.append(np.abs(integrals.simpson(xp, f, h) - exact[:, -1]))
    # The next term of the expansion is smaller by the square of rate times h.
    np.testing.assert_allclose(np.log2(np.divide(*worst)), 4, atol=0.01)


def test_the_cumulative_rule_is_of_second_order_at_every_sample(xp):
    worst = []
    for n in (32, 64):
        f, h, exact = sampled_exponentials(n)
        off = np.abs(integrals.cumulative_integral(xp, f, h) - exact[:, 1:])
        worst.append(off[:, n // 8 - 1 :: n // 8])
    np.testing.assert_allclose(np.log2(np.divide(*worst)), 2, atol=0.01)


@given(COEFFICIENTS, st.integers(1, 6))
def test_simpsons_rule_is_exact_for_polynomials_of_third_degree(xp, coefficients, pairs):
    x = np.arange(2.0 * pairs + 1)
    integral = np.polynomial.Polynomial(coefficients).integ()(x[-1])
    f = np.polynomial.Polynomial(coefficients)(x)[np.newaxis, :]
    (seen,) = integrals.simpson(xp, f, np.asarray(1.0))
    # Sums of integers do not round: a third does, its product, and the closed form in five terms.
    scale = np.polynomial.Polynomial(np.abs(coefficients)).integ()(x[-1])
    assert abs(seen - integral) <= 8 * EPS * scale


@given(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([0.25, 1.0, 2.0]))
def test_the_cumulative_rule_is_exact_for_straight_lines(xp, slope, start, h):
    x = h * np.arange(9)
    f = (slope * x + start)[np.newaxis, :]
    (seen,) = integrals.cumulative_integral(xp, f, np.asarray(h))
    # Small integers over powers of two: no operation rounds.
    np.testing.assert_array_equal(seen, (slope * x**2 / 2 + start * x)[1:])


# Gauss rules


@pytest.mark.parametrize("n", [2, 3])
def test_a_gauss_rule_of_n_nodes_is_of_order_two_n_plus_one_in_the_interval(xp, n):
    t, w = np.polynomial.legendre.leggauss(n)
    a, b, s = np.asarray([1.0, 0.5]), np.asarray([2.0, 1.5]), np.asarray([0.5, 0.5])
    worst = []
    for end in (s, s / 2):
        rate = 1j * b - a
        exact = (np.expm1(rate * end) / rate).real
        worst.append(np.abs(integrals.gauss_legendre(xp, t, w, end, a, b) - exact))
    # The next term of the expansion is smaller by about |rate| s.
    np.testing.assert_allclose(np.log2(np.divide(*worst)), 2 * n + 1, atol=0.5)


def test_the_inputs_of_gauss_legendre_are_resolved_by_their_rule(draw):
    t, w, s, a, b = draw("gauss_legendre", "float64", preset="medium").data.exact_inputs
    (seen,) = integrals.gauss_reference(t, w, s, a, b)
    rate = 1j * b - a
    exact = (np.expm1(rate * s) / rate).real
    # The oracle is as exact as a backend, and so are the rule's nodes and weights.
    assert np.all(np.abs(seen - exact) <= 2 * EPS * integrals.gauss_bounds(t, w, s, a, b))


def test_the_oracle_of_gauss_legendre_is_the_adaptive_integral(draw):
    inputs = draw("gauss_legendre", "float64", preset="small").data.exact_inputs
    (seen,) = integrals.gauss_reference(*inputs)
    for integral, s, a, b in zip(seen, *inputs[2:], strict=True):
        exact, uncertain = quad(
            lambda x, a=a, b=b: math.exp(-a * x) * math.cos(b * x), 0, s, epsabs=1e-13, epsrel=1e-13
        )
        assert abs(integral - exact) <= uncertain + 1e-14


def cube_integral(a, c):
    factors = np.expm1(1j * a) / (1j * a)
    return (np.exp(1j * c) * factors.prod(axis=1)).real


@pytest.mark.parametrize("n", [2, 3])
def test_cubature_of_n_nodes_is_of_order_two_n_in_the_wave_vector(xp, n):
    a, c = np.asarray([[0.5, -0.3, 0.4], [0.2, 0.4, -0.5]]), np.asarray([0.0, 0.4])
    worst = [
        np.abs(integrals.cubature(xp, *unit_rule(n), scale * a, c) - cube_integral(scale * a, c))
        for scale in (1.0, 0.5)
    ]
    # The next term of the expansion is smaller by about |a|.
    np.testing.assert_allclose(np.log2(np.divide(*worst)), 2 * n, atol=0.5)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_cubature_integrates_its_inputs_to_the_last_digits(draw, backend):
    trial = draw("cubature", "float64", m=16, n=16)
    x, w, a, c = trial.data.exact_inputs
    (seen,) = trial.on(backend)
    # Waves of 4 radians and 16 nodes: the rule itself is exact. Its nodes and weights are rounded,
    # which moves a phase by |a| eps and a sum by sqrt(n) eps at most.
    limit = integrals.cubature_bounds(x, w, a, c) + np.abs(a).sum(axis=1) + 3 * math.sqrt(x.size)
    assert np.all(np.abs(seen - cube_integral(a, c)) <= limit * EPS)


def test_an_oracle_that_factors_is_the_sum_over_the_grid(draw):
    x, w, a, c = draw("cubature", "float64", m=3, n=5).data.exact_inputs
    (seen,) = integrals.cubature_reference(x, w, a, c)
    for integral, wave, phase in zip(seen, a, c, strict=True):
        terms = [
            w[i] * w[j] * w[k] * math.cos(phase + wave @ x[[i, j, k]]) for i, j, k in np.ndindex(5, 5, 5)
        ]
        assert abs(integral - math.fsum(terms)) <= 20 * EPS


# Chance


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(3))
def test_estimates_are_within_five_standard_errors_of_the_integral(draw, backend, dtype, seed):
    trial = draw("monte_carlo_integral", dtype, seed, preset="medium")
    _, a, c = trial.data.exact_inputs
    mean, error = trial.on(backend)
    # Normal draws are further off once in 1.7 million.
    assert np.all(np.abs(mean - cube_integral(a, c)) <= 5 * error)
    assert np.all(error < 1 / math.sqrt(trial.size["n"]))


def test_standard_errors_are_the_deviations_of_estimates(xp):
    rng = np.random.default_rng(0)
    runs, n = 400, 256
    squares = np.zeros(4)
    a, c = rng.uniform(-3, 3, (4, 3)), rng.uniform(-3, 3, 4)
    for _ in range(runs):
        mean, error = integrals.monte_carlo_integral(xp, rng.random((n, 3)), a, c)
        squares += ((mean - cube_integral(a, c)) / error) ** 2 / runs
    # Squares of standard normals have mean 1 and variance 2.
    np.testing.assert_allclose(squares, 1, atol=5 * math.sqrt(2 / runs))
