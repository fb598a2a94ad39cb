"""Where one library overtakes another is found, with noise and without, or it is said why not."""

import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.bench import stats
from xpbench.bench.commands.crossover import crossover
from xpbench.bench.crossover import NEIGHBOURS, Crossing, Probe, between, search, sentence
from xpbench.bench.duel import chosen_key, span
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.stats import Ratio

Measure = Callable[[int], Ratio]


def exact(ratio: Callable[[int], float]) -> Measure:
    """A machine without noise: the interval is narrower than any band."""
    return lambda size: Ratio(ratio(size), 0.999 * ratio(size), 1.001 * ratio(size), 0.95)


def power(crossing: float, exponent: float) -> Callable[[int], float]:
    """The second's time over the first's, which is 1 at ``crossing`` and falls from there."""
    return lambda size: (size / crossing) ** -exponent


def noisy(ratio: Callable[[int], float], scatter: float, seed: int, forks: int = 6) -> Measure:
    """A machine whose forks scatter by so much, on logs."""
    draw = random.Random(seed)

    def measure(size: int) -> Ratio:
        times = [
            [level * math.exp(draw.gauss(0, scatter)) for _ in range(forks)]
            for level in (1.0, ratio(size))
        ]
        found = stats.ratio(times[1], times[0])
        assert found is not None
        return found

    return measure


def recorded(measure: Measure, asked: list[int]) -> Measure:
    def ask(size: int) -> Ratio:
        asked.append(size)
        return measure(size)

    return ask


ranges = st.tuples(st.integers(1, 5000), st.integers(2, 5000)).map(lambda r: (r[0], r[0] * r[1]))


@given(span=ranges, share=st.floats(0.05, 0.95), exponent=st.floats(0.2, 3.0), steps=st.integers(0, 40))
def test_a_crossing_lies_in_the_interval_told_whatever_the_steps(
    span: tuple[int, int], share: float, exponent: float, steps: int
) -> None:
    low, high = span
    true = low ** (1 - share) * high**share
    asked: list[int] = []
    found = search(recorded(exact(power(true, exponent)), asked), low, high, steps)
    assert len(asked) == len(set(asked)) <= steps + 2
    assert all(low <= size <= high for size in asked)
    assert [probe.size for probe in found.probes] == sorted(asked)
    if found.below is not None:
        assert found.below < true
    if found.above is not None:
        assert found.above > true
    if found.estimate is not None:
        assert found.below is not None
        assert found.above is not None
        assert found.below <= found.estimate <= found.above
        # Linear on logs is what a power law is.
        assert found.estimate == pytest.approx(true, rel=1e-6)


@given(span=ranges, share=st.floats(0.1, 0.9), exponent=st.floats(0.5, 3.0))
def test_with_steps_enough_neither_side_is_left_open(
    span: tuple[int, int], share: float, exponent: float
) -> None:
    low, high = span
    found = search(exact(power(low ** (1 - share) * high**share, exponent)), low, high, steps=200)
    sizes = [probe.size for probe in found.probes]
    for edge, step in ((found.below, 1), (found.above, -1)):
        if edge is not None:
            neighbour = sizes[sizes.index(edge) + step]
            assert between(min(edge, neighbour), max(edge, neighbour)) is None


@given(span=ranges, share=st.floats(0.05, 0.95), exponent=st.floats(0.2, 3.0))
def test_to_exchange_the_two_changes_the_leader_and_nothing_else(
    span: tuple[int, int], share: float, exponent: float
) -> None:
    low, high = span
    ratio = power(low ** (1 - share) * high**share, exponent)
    one = search(exact(ratio), low, high, 10)
    other = search(exact(lambda size: 1 / ratio(size)), low, high, 10)
    assert (one.below, one.above, one.lead) == (other.below, other.above, -other.lead)


@given(low=st.integers(1, 10**6), factor=st.floats(1.0, 1e4))
def test_the_size_between_two_is_between_them_and_round(low: int, factor: float) -> None:
    high = round(low * factor)
    middle = between(low, high)
    if middle is None:
        assert high < NEIGHBOURS * low or high - low <= 1
        return
    assert low < middle < high
    assert math.log(middle / low) == pytest.approx(math.log(high / middle), abs=math.log(2))
    if factor > 1.5 and low > 64:
        significant = middle // (middle & -middle)
        assert significant < 2**5


@pytest.mark.parametrize("scatter", [0.02, 0.08])
def test_among_noise_the_crossing_is_found_and_the_estimate_is_near(scatter: float) -> None:
    true, trials = 300.0, 200
    found = [search(noisy(power(true, 0.7), scatter, seed), 16, 4096, 8) for seed in range(trials)]
    both = [f for f in found if f.below is not None and f.above is not None]
    assert len(both) == trials
    inside = [f for f in both if (f.below or 0) < true < (f.above or 0)]
    assert len(inside) >= 0.93 * trials
    off = sorted(abs(math.log((f.estimate or 1) / true)) for f in both)
    # At the crossing a ratio is off by its standard error, 2 ^ 0.5 scatter / 6 ^ 0.5 or so, and the size
    # by that over the exponent; a quarter of the estimates may be off by twice as much.
    assert off[trials * 3 // 4] < 2 * scatter / 3**0.5 / 0.7 + math.log(NEIGHBOURS)


def test_two_that_are_equal_are_not_said_to_cross() -> None:
    found = [search(noisy(lambda size: 1.0, 0.02, seed), 16, 4096, 8) for seed in range(200)]
    assert sum(f.estimate is not None for f in found) <= 4


def test_a_zone_without_a_verdict_is_closed_in_on_from_both_sides() -> None:
    """Between 100 and 1000 the two are the same, as by a plateau."""

    def ratio(size: int) -> float:
        return 2.0 if size < 100 else 1.0 if size < 1000 else 0.5

    found = search(exact(ratio), 10, 10000, 40)
    assert found.below is not None
    assert found.above is not None
    assert 100 / NEIGHBOURS <= found.below < 100
    assert 1000 <= found.above <= 1000 * NEIGHBOURS
    inner = [probe.size for probe in found.probes if 120 < probe.size < 800]
    assert len(inner) <= 3, "the inside of the zone is not searched"


def test_a_size_that_contradicts_a_larger_one_moves_the_end_below_it() -> None:
    """256 is not clear, and then 64 is, for the library that is faster at large sizes."""
    answers = {16: 2.0, 64: 0.5, 256: 1.0}
    found = search(exact(lambda size: answers.get(size, 0.5)), 16, 4096, 3)
    assert {64, 256} <= {probe.size for probe in found.probes}
    assert (found.below, found.above) == (16, 64)
    assert found.estimate == pytest.approx(32)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (
            lambda n: (n / 120.0) ** -1,
            r"^numpy is faster up to n=\d+, jax from n=\d+; they cross at about n=120$",
        ),
        (
            lambda n: n / 120.0,
            r"^jax is faster up to n=\d+, numpy from n=\d+; they cross at about n=120$",
        ),
        (lambda n: 3.0, r"^numpy is faster at both ends, 3\.0x at n=16 and 3\.0x at n=1024"),
        (lambda n: 0.5, r"^jax is faster at both ends, 2\.0x at n=16 and 2\.0x at n=1024"),
        (lambda n: 1.0, r"^neither is clearly faster at n=16 \(0\.999-1\.00\) nor at n=1024"),
        (lambda n: 2.0 if n < 500 else 1.0, r"^numpy is faster up to n=4\d\d; .* a larger --to$"),
        (lambda n: 1.0 if n < 500 else 0.5, r"^jax is faster from n=5\d\d; .* a smaller --from$"),
        (lambda n: 1.0 if n < 500 else 2.0, r"^numpy is faster from n=5\d\d; .* a smaller --from$"),
    ],
)
def test_the_answer_is_said_in_words(ratio: Callable[[int], float], said: str) -> None:
    found = search(exact(ratio), 16, 1024, 20)
    assert re.search(said, sentence(found, "numpy", "jax", "n")), sentence(found, "numpy", "jax", "n")


def test_an_estimate_is_the_middle_one_of_several_crossings() -> None:
    def probe(size: int, value: float) -> Probe:
        return Probe(size, Ratio(value, value * 0.9, value * 1.1, 0.95))

    sizes = [probe(10, 2.0), probe(100, 0.99), probe(110, 1.01), probe(120, 0.99), probe(1000, 0.5)]
    found = Crossing(tuple(sizes), 1, 10, 1000)
    assert found.estimate is not None
    assert 100 < found.estimate < 110


@pytest.mark.parametrize(
    ("sizes", "asked", "key"),
    [
        ({"small": {"n": 8}, "large": {"n": 64}}, None, "n"),
        ({"small": {"n": 8, "d": 4}, "large": {"n": 64, "d": 4}}, None, "n"),
        ({"small": {"n": 8, "d": 4}, "large": {"n": 64, "d": 9}}, "d", "d"),
        ({"small": {"n": 8, "d": 4}, "large": {"n": 9, "d": 4}, "digits": {"n": 7, "x": 1}}, None, "n"),
        ({"small": {"n": 8}}, None, "n"),
    ],
)
def test_the_key_is_the_only_one_that_differs(
    sizes: dict[str, dict[str, int]], asked: str | None, key: str
) -> None:
    assert chosen_key("k", sizes, asked) == key


@pytest.mark.parametrize(
    ("asked", "message"), [(None, "n, d: say which.*--key n"), ("q", "'q': the size of k has n, d")]
)
def test_a_key_that_cannot_be_meant_is_an_error_that_names_the_keys(
    asked: str | None, message: str
) -> None:
    with pytest.raises(XpbenchError, match=message):
        chosen_key("k", {"small": {"n": 8, "d": 4}, "large": {"n": 64, "d": 8}}, asked)


def test_the_range_is_that_of_small_to_large() -> None:
    sizes = {"small": {"n": 8}, "medium": {"n": 64}, "large": {"n": 512}, "huge": {"n": 4096}}
    assert span("k", sizes, "n", None, None) == (8, 512)
    assert span("k", sizes, "n", 2, 1024) == (2, 1024)
    assert span("k", {"tiny": {"n": 3}, "vast": {"n": 9}}, "n", None, None) == (3, 9)
    for low, high in ((64, 64), (0, 64), (1024, None)):
        with pytest.raises(XpbenchError, match="give --from and --to"):
            span("k", sizes, "n", low, high)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forks": 3}, "at least 4"),
        ({"steps": -1}, "0 or more"),
        ({"backend": ["numpy"]}, "name two"),
        ({"backend": ["jax", "torch", "numpy"]}, "name two"),
        ({"backend": ["torch", "torch"]}, "name two"),
        ({"backend": ["torch"], "dtype": "float8"}, "unknown dtype"),
    ],
)
def test_a_mistake_in_the_options_is_told_before_anything_is_measured(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(XpbenchError, match=message):
        crossover("matmul", **options)


NAPPING_KERNEL = '''
"""A kernel that takes longer the larger its size, and the same time whatever computes it."""

import time

from xpbench import Kernel


def napping(xp, x, n):
    """Twice x, after a rest.

    y = 2 x;  x (n,) -> y (n,)
    """
    time.sleep(5e-5 * n)
    return 2 * x


Kernel(
    compute=napping,
    inputs=lambda rng, n: (rng.standard_normal(n),),
    reference=lambda x, n: 2 * x,
    sizes={"small": {"n": 4}, "large": {"n": 400}},
    static=("n",),
)
'''

RESTING_BACKEND = '''
"""A library that takes 2 ms whatever the size."""

import time

from xpbench.backends.numpy import Numpy


class Resting(Numpy):
    name = "resting"
    default = False

    def compile(self, function):
        def call(x):
            time.sleep(2e-3)
            return 2 * x

        return call
'''


@pytest.mark.slow
def test_a_real_search_finds_the_crossing_and_keeps_a_run_for_every_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel, backend = tmp_path / "napping.py", tmp_path / "resting.py"
    kernel.write_text(NAPPING_KERNEL)
    backend.write_text(RESTING_BACKEND)
    crossover(
        str(kernel),
        backend=["numpy", str(backend)],
        forks=4,
        seconds=0.02,
        threads=1,
        steps=1,
        out=tmp_path / "out",
        as_json=True,
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["first"], told["second"], told["key"]) == ("numpy", "resting", "n")
    assert told["faster_at_small_sizes"] == "numpy"
    sizes = [one["size"] for one in told["sizes"]]
    assert (sizes[0], sizes[-1], len(sizes)) == (4, 400, 3)
    assert told["below"] < told["estimate"] < told["above"]
    folders = {folder.name for folder in (tmp_path / "out").iterdir()}
    assert folders == {f"n={size}" for size in sizes}
