"""The oracle is torch's network under torch's Adam, and the limit is what rounding does."""

import numpy as np
import pytest

from planted.mlp_training import trained
from xpbench import Unsupported
from xpbench.bench.agreement import between
from xpbench.kernels.mlp_training import (
    errors,
    flops,
    inputs,
    mlp_train,
    parameter_count,
    reference,
    spread,
)

EPS = np.finfo(np.float64).eps
SIZE = {"steps": 20, "batch": 12, "features": 5, "hidden": 7, "classes": 3}


@pytest.fixture
def arrays():
    return inputs(np.random.default_rng(0), **SIZE)


def distances(found, right):
    """Of both layers, a bias as a row of its weights, in the norm."""
    return [
        np.hypot(
            *(np.linalg.norm(a - b) for a, b in zip(found[i : i + 2], right[i : i + 2], strict=True))
        )
        for i in (0, 2)
    ]


def layered(parameters):
    return [np.vstack(parameters[:2]), np.vstack(parameters[2:4])]


def test_the_oracle_is_torchs_network_under_torchs_adam(arrays):
    torch = pytest.importorskip("torch")
    x, y, *others = map(torch.tensor, arrays)
    w1, b1, w2, b2 = parameters = [each.requires_grad_() for each in others[:4]]
    eta, beta1, beta2, small = map(float, others[4:])
    adam = torch.optim.Adam(parameters, lr=eta, betas=(beta1, beta2), eps=small)
    for rows, targets in zip(x, y, strict=True):
        with torch.enable_grad():
            adam.zero_grad()
            scores = torch.tanh(rows @ w1 + b1) @ w2 + b2
            torch.nn.functional.cross_entropy(scores, targets.argmax(dim=1)).backward()
        adam.step()
    right = reference(*arrays)
    limits = [4 * EPS * each for each in spread(*arrays)]
    found = distances([each.detach().numpy() for each in parameters], right)
    assert np.all(np.asarray(found) <= limits)


@pytest.mark.parametrize("size", ["small", "medium"])
def test_the_loss_of_samples_not_seen_falls_and_has_not_converged(draw, size):
    """Else a step too few would leave no trace."""
    trial = draw("mlp_train", "float64", preset=size)
    x, y, *others = trial.data.exact_inputs
    before = reference(x[:-1], y[:-1], *others)

    def loss(w1, b1, w2, b2):
        scores = np.tanh(x[-1] @ w1 + b1) @ w2 + b2
        return np.mean(np.log(np.sum(np.exp(scores), axis=1)) - np.sum(y[-1] * scores, axis=1))

    if size == "medium":
        assert loss(*before) < 0.95 * loss(*others[:4])
    for last, layer in zip(layered(trial.data.reference), layered(before), strict=True):
        assert np.linalg.norm(last - layer) > 1e-3 * np.linalg.norm(last)


def test_the_first_step_is_as_long_in_every_entry_but_for_epsilon(xp):
    x, y, *others = inputs(np.random.default_rng(1), **{**SIZE, "steps": 1})
    eta, small = map(float, (others[4], others[7]))
    found = mlp_train(xp, x, y, *others)
    for after, start in zip(found, others[:4], strict=True):
        step = np.abs(after - start)
        assert np.all(step < eta)
        # A gradient g moves by eta g / (g + epsilon): what is missing tells g, which has a size.
        gradient = small * step / (eta - step)
        assert np.median(gradient) > 10 * small


def test_the_spread_is_what_rounding_does_to_float32(draw, xp):
    """Within a factor of twelve: libraries make sums in lanes, not one term after the other."""
    trial = draw("mlp_train", "float32", preset="medium")
    right = trial.data.reference
    found = [each.astype(float) for each in trial.compute(xp)]
    expected = spread(*trial.data.exact_inputs)
    eps = np.finfo(np.float32).eps
    for distance, size in zip(distances(found, right), expected, strict=True):
        assert eps * size / 12 < distance < 2 * eps * size


def test_the_sums_of_the_kernel_are_the_means_of_the_paper(arrays, xp):
    """What faults are planted in differs from the kernel by rounding alone where none is."""
    right = reference(*arrays)
    limits = [4 * EPS * each for each in spread(*arrays)]
    assert np.all(np.asarray(distances(trained(xp, *arrays), right)) <= limits)


def test_small_gradients_lend_rounding_weight_and_the_limit_knows(draw, xp):
    """An epsilon of 1e-5 for 1e-4 lets entries whose gradients cancel err by more."""
    trial = draw("mlp_train", steps=2, batch=64, features=64, hidden=128, classes=10)
    *single, _ = trial.inputs
    *others, usual = trial.data.exact_inputs
    small = np.asarray(1e-5, np.float32)
    right = reference(*others, small.astype(float))
    outputs = [np.asarray(each) for each in mlp_train(xp, *single, small)]
    value, limit = errors(outputs, right, *others, small.astype(float))["hidden"]
    plain = errors(trial.compute(xp), trial.data.reference, *others, usual)["hidden"][1]
    assert limit > 1.5 * plain
    assert value < 2 / 3 * limit


@pytest.mark.parametrize("preset", ["small", "medium"])
def test_two_backends_are_compared_by_the_limit_of_the_oracle(draw, xp, preset):
    """The limit hangs on the inputs alone, not on the results that stand for the oracle's."""
    trial = draw("mlp_train", "float32", preset=preset)
    found = trial.compute(xp)
    apart = between(trial.kernel, found, found, trial.data.exact_inputs, {}, "float32").errors
    for name, (_, limit) in trial.judge(found).errors.items():
        np.testing.assert_allclose(apart[name][1], 2 * limit, rtol=1e-4)


def test_one_class_is_declined():
    with pytest.raises(Unsupported, match="classes must be 2"):
        inputs(np.random.default_rng(0), **{**SIZE, "classes": 1})


class CountingProducts(np.ndarray):
    """An array that counts the operations in the matrix products it takes part in."""

    flops = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [np.asarray(array) for array in inputs]
        if ufunc is np.matmul:
            CountingProducts.flops += 2 * plain[0].shape[0] * plain[0].shape[1] * plain[1].shape[1]
        options.pop("out", None)
        return np.asarray(getattr(ufunc, method)(*plain, **options)).view(CountingProducts)


def test_the_stated_flops_are_those_of_the_products_and_ten_a_parameter(arrays, xp):
    CountingProducts.flops = 0
    mlp_train(xp, *(array.view(CountingProducts) for array in arrays))
    count = parameter_count(SIZE["features"], SIZE["hidden"], SIZE["classes"])
    assert flops(**SIZE) == CountingProducts.flops + 10 * SIZE["steps"] * count
