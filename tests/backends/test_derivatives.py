"""Derivatives against closed forms, and a reason where a library has none."""

import numpy as np
import pytest

from xpbench.bench.exceptions import Unsupported

VERBS = ("grad", "value_and_grad", "jacobian", "hessian", "hessian_vector_product")


@pytest.fixture
def differentiating(loaded):
    try:
        loaded.backend.xp.value_and_grad(lambda x: x)
    except Unsupported as reason:
        pytest.skip(str(reason))
    return loaded


@pytest.mark.parametrize("verb", VERBS)
def test_a_library_that_does_not_differentiate_says_so(loaded, verb):
    library = loaded.backend.library
    if library not in ("numpy", "array_api_strict", "cupy"):
        pytest.skip(f"{library} differentiates")
    with pytest.raises(Unsupported, match=f"{library} does not differentiate, so it has no {verb}"):
        getattr(loaded.backend.xp, verb)(lambda x: x)


@pytest.mark.parametrize("verb", VERBS)
def test_the_form_by_hand_stands_in_where_a_library_does_not_differentiate(loaded, verb):
    taken = []

    def by_hand(*arrays):
        taken.append(arrays)
        return arrays[0]

    def call(xp, x):
        function = getattr(xp, verb)(lambda x: xp.sum(x * x), by_hand=by_hand)
        found = function(x, x) if verb == "hessian_vector_product" else function(x)
        return found[-1] if isinstance(found, tuple) else found

    loaded(call, [1.0, 2.0])
    assert bool(taken) == (loaded.backend.library in ("numpy", "array_api_strict", "cupy"))


def test_hessian_vector_product_of_a_sum_of_exponentials(differentiating, rng):
    a, x, v = rng.standard_normal((6, 3)), rng.standard_normal(3), rng.standard_normal(3)

    def product(xp, a, x, v):
        return xp.hessian_vector_product(lambda x: xp.sum(xp.exp(a @ x)))(x, v)

    found = differentiating(product, a, x, v)
    a, x, v = (differentiating.cast(array).astype(np.float64) for array in (a, x, v))
    terms = (np.exp(a @ x) * (a @ v))[:, None] * a
    sizes = (np.exp(a @ x) * (abs(a) @ abs(v)))[:, None] * abs(a)
    # As for the Hessian below, and the sums of 3 products in a v.
    margin = (6 + 4 + 3 + 3 * (abs(a) @ abs(x)).max()) * differentiating.eps * sizes.sum(axis=0)
    assert (abs(found - terms.sum(axis=0)) <= margin).all()


def test_value_and_grad_of_a_quadratic_form(differentiating, rng):
    a, x = rng.integers(-9, 9, (4, 4)).astype(float), rng.integers(-9, 9, 4).astype(float)

    def quadratic(xp, a, x):
        return xp.value_and_grad(lambda x: xp.sum(x * (a @ x)))(x)

    value, gradient = differentiating(quadratic, a, x)
    # Integers far below 2**24: exact.
    assert value == x @ a @ x
    np.testing.assert_array_equal(gradient, (a + a.T) @ x)
    assert gradient.dtype == differentiating.dtype


def test_grad_is_the_gradient_without_the_value(differentiating, rng):
    x = differentiating.cast(rng.standard_normal(5))
    found = differentiating(lambda xp, x: xp.grad(lambda x, y: xp.sum(x * y * y), argnums=1)(x, x), x)
    np.testing.assert_allclose(found, 2 * x * x, rtol=2 * differentiating.eps)


def test_value_and_grad_for_several_arguments(differentiating):
    def product(xp, x, y, z):
        return xp.value_and_grad(lambda x, y, z: xp.sum(x * y * z), argnums=(0, 2))(x, y, z)

    x, y, z = np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])
    value, (by_x, by_z) = differentiating(product, x, y, z)
    assert value == (x * y * z).sum()
    np.testing.assert_array_equal(by_x, y * z)
    np.testing.assert_array_equal(by_z, x * y)


def test_the_gradient_goes_through_a_loop(differentiating):
    def decay(xp, x):
        return xp.value_and_grad(lambda x: xp.sum(xp.fori_loop(10, lambda i, s: s / 2, x)))(x)

    _, gradient = differentiating(decay, [3.0, 5.0])
    np.testing.assert_array_equal(gradient, np.full(2, 2.0**-10))


def test_the_gradient_goes_through_a_scan(differentiating):
    def horner(xp, x, coefficients):
        def value(x):
            return xp.scan(lambda s, c: (s * x + c, None), xp.zeros_like(x), coefficients)[0]

        return xp.value_and_grad(value)(x)

    value, slope = differentiating(horner, 2.0, [3.0, -1.0, 4.0])
    assert (value, slope) == (3 * 4 - 2 + 4, 3 * 2 * 2 - 1)


def test_a_step_of_a_loop_may_take_a_gradient(differentiating):
    def descend(xp, x):
        gradient = xp.value_and_grad(lambda x: xp.sum(x * x))
        return xp.fori_loop(3, lambda i, x: x - gradient(x)[1] / 4, x)

    np.testing.assert_array_equal(differentiating(descend, [8.0, 16.0]), [1.0, 2.0])


def test_jacobian_of_a_linear_map_is_its_matrix(differentiating, rng):
    a = rng.standard_normal((3, 5))
    found = differentiating(lambda xp, a, x: xp.jacobian(lambda x: a @ x)(x), a, np.ones(5))
    np.testing.assert_array_equal(found, differentiating.cast(a))


def test_jacobian_by_another_argument(differentiating):
    found = differentiating(
        lambda xp, a, x: xp.jacobian(lambda a, x: a * x * x, argnums=1)(a, x), 3.0, [1.0, 2.0]
    )
    np.testing.assert_array_equal(found, np.diag([6.0, 12.0]))


def test_hessian_of_a_sum_of_exponentials(differentiating, rng):
    a, x = rng.standard_normal((6, 3)), rng.standard_normal(3)
    found = differentiating(lambda xp, a, x: xp.hessian(lambda x: xp.sum(xp.exp(a @ x)))(x), a, x)
    a, x = (differentiating.cast(v).astype(np.float64) for v in (a, x))
    terms = np.exp(a @ x)[:, None, None] * a[:, :, None] * a[:, None, :]
    # Products and sums of 6 terms after an exponential whose argument carries gamma_3 |a||x|.
    margin = (6 + 4 + 3 * (abs(a) @ abs(x)).max()) * differentiating.eps * abs(terms).sum(axis=0)
    assert (abs(found - terms.sum(axis=0)) <= margin).all()


def test_softplus_may_be_differentiated_twice_at_zero_and_far_out(differentiating):
    z = differentiating.cast(np.array([-80.0, -15.0, -1.0, 0.0, 1.0, 15.0, 80.0]))
    hessian = differentiating(lambda xp, z: xp.hessian(lambda z: xp.sum(xp.softplus(z)))(z), z)
    e = np.exp(-np.abs(z.astype(np.float64)))
    # An exponential, sums, quotients and a product of a few eps, relative; its argument is exact.
    np.testing.assert_allclose(np.diag(hessian), e / (1 + e) ** 2, rtol=8 * differentiating.eps)
