"""The landscape of a loss: against torch's network at single points, planes that agree, and memory."""

import tracemalloc

import numpy as np
import pytest

from xpbench.kernels import loss_landscape

EPS = np.finfo(np.float64).eps
SIZE = {"n": 12, "d": 5, "p": 4, "k": 5}
BACKENDS = ("numpy", "torch", "jax")


@pytest.fixture
def landscape(draw):
    """``landscape(backend, **changes)``: inputs by name, some of them changed, and the losses there."""

    def of(backend, **changes):
        trial = draw("loss_landscape", "float64", **SIZE)
        names = ("x", "y", "w", "b", "v", "alpha", "beta")
        arrays = dict(zip(names, trial.data.exact_inputs, strict=True))
        arrays |= {name: change(arrays[name]) for name, change in changes.items()}
        (losses,) = trial.on(backend, list(arrays.values()))
        return arrays, losses

    return of


def assert_near(seen, expected):
    # A loss of order 1, through sums of a dozen numbers of order 1.
    np.testing.assert_allclose(seen, expected, rtol=0, atol=50 * EPS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_point_is_the_loss_of_torchs_network_there(landscape, backend):
    torch = pytest.importorskip("torch")
    arrays, losses = landscape(backend)
    x, y = torch.tensor(arrays["x"]), torch.tensor(arrays["y"])
    hidden, out = torch.nn.Linear(5, 4), torch.nn.Linear(4, 1, bias=False)
    network = torch.nn.Sequential(hidden, torch.nn.Tanh(), out).double()
    for i, j in np.ndindex(losses.shape):
        w, b, v = (
            torch.tensor(part[0] + arrays["alpha"][i] * part[1] + arrays["beta"][j] * part[2])
            for part in (arrays["w"], arrays["b"], arrays["v"])
        )
        with torch.no_grad():
            hidden.weight.copy_(w.T)
            hidden.bias.copy_(b)
            out.weight.copy_(v[None, :])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x)[:, 0], (y + 1) / 2)
        assert_near(losses[i, j], float(loss))


@pytest.mark.parametrize("backend", BACKENDS)
def test_exchanged_directions_reflect_the_landscape(landscape, backend):
    _, losses = landscape(backend)
    exchanged = {name: (lambda part: part[[0, 2, 1]]) for name in ("w", "b", "v")}
    assert_near(landscape(backend, **exchanged)[1], losses.T)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_of_the_plane_may_be_its_middle(landscape, backend):
    arrays, losses = landscape(backend)
    step = arrays["alpha"][3]
    moved = {
        name: (lambda part: np.stack([part[0] + step * part[1], part[1], part[2]]))
        for name in ("w", "b", "v")
    }
    _, seen = landscape(backend, alpha=lambda alpha: alpha - step, **moved)
    assert_near(seen, losses)


@pytest.mark.parametrize("backend", BACKENDS)
def test_units_of_the_other_sign_leave_the_landscape_as_it_is(landscape, backend):
    _, losses = landscape(backend)
    flipped = {name: (lambda part: -part) for name in ("w", "b", "v")}
    assert_near(landscape(backend, **flipped)[1], losses)


def test_directions_have_the_norms_of_the_network(landscape):
    arrays, _ = landscape("numpy")
    for name in ("w", "b", "v"):
        point, first, second = np.linalg.norm(arrays[name], axis=1)
        np.testing.assert_allclose(first, point, rtol=10 * EPS)
        np.testing.assert_allclose(second, point, rtol=10 * EPS)


def test_a_row_of_the_grid_is_held_at_a_time(draw, xp):
    n, p, k = 256, 32, 16
    arrays = draw("loss_landscape", "float64", n=n, d=4, p=p, k=k).inputs
    tracemalloc.start()
    try:
        loss_landscape.loss_landscape(xp, *arrays)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Products, their sums with biases and tanh of them; the whole grid would hold k times as many.
    row = 8 * k * n * p
    assert row <= peak < 4 * row
