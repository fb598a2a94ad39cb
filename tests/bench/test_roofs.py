"""Every backend reaches for the roof as it will be used, and what it cannot reach is unknown."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from xpbench import Setting
from xpbench.bench import beginning, journal, preparation, registry, roofs, runner
from xpbench.bench.accounting import Account
from xpbench.bench.backend import Backend
from xpbench.bench.plan import Request
from xpbench.bench.report import roofs_table
from xpbench.bench.report.summary import summarise
from xpbench.bench.roofline import peaks

SMALL_CACHE = 2**16


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofs, "SECONDS", 0.005)
    monkeypatch.setattr(roofs, "LARGEST_MATMUL", 512)
    monkeypatch.setattr(roofs, "SMALLEST_ARRAY", 2**18)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_every_backend_has_figures_in_their_right_order(name: str) -> None:
    backend = registry.find().backend(name)
    backend.load(Setting(threads=1))
    found = roofs.measure(backend, "float32", "ieee", 0, SMALL_CACHE)
    assert (found.backend, found.dtype, found.fork, found.matmul_shape) == (name, "float32", 0, "n=512")
    # Wide bounds of what any machine does: a tenth of a gigaflop to a petaflop, and so on.
    assert found.matmul_flops is not None and 1e8 < found.matmul_flops < 1e15
    assert found.reused_bytes is not None and 1e7 < found.reused_bytes < 1e14
    assert found.fresh_bytes is not None and 1e7 < found.fresh_bytes < 1e14
    assert found.dispatch_s is not None and 1e-8 < found.dispatch_s < 1e-2
    later = roofs.measure(backend, "float32", "ieee", 5, SMALL_CACHE)
    assert (later.fork, later.fresh_bytes) == (5, None)
    assert found.array_bytes == pytest.approx(4 * SMALL_CACHE, rel=0.01)
    assert later.matmul_flops is not None and later.dispatch_s is not None
    assert (later.reused_bytes, later.array_bytes) == (None, None), "the anchors tell of the memory"


class Lacking(Backend):
    name = "lacking"
    library = "numpy"

    def add_in_place(self, x: Any, y: Any) -> Any:
        raise MemoryError

    def compile(self, function: Any) -> Any:
        if function.__code__.co_argcount == 1:
            raise NotImplementedError
        return function


@pytest.mark.usefixtures("quick")
def test_what_a_library_cannot_do_is_unknown_and_the_rest_is_measured() -> None:
    backend = Lacking()
    backend.load(Setting())
    found = roofs.measure(backend, "float64", "ieee", 0, SMALL_CACHE)
    assert (found.fresh_bytes, found.dispatch_s) == (None, None)
    assert found.reused_bytes is not None, "by a product with a vector, if not in place"


def test_zeros_are_memory_and_not_one_page_over_and_over() -> None:
    zeros = roofs._zeros("float32", 32)
    assert zeros.nbytes == 4096
    assert not zeros.any()


@pytest.mark.parametrize(
    ("cache", "size"), [(None, 128), (2**20, 64), (20 * 2**20, 80), (480 * 2**20, 128)]
)
def test_arrays_of_a_bandwidth_are_four_times_the_cache_within_bounds(
    cache: int | None, size: int
) -> None:
    n = roofs.side("float64", cache, roofs.LARGEST_ARRAY)
    assert size * 2**20 - 8 * (2 * n + 1) < 8 * n * n <= size * 2**20


def test_a_run_measures_roofs_in_its_first_and_last_fork_and_places_its_cases(tmp_path) -> None:
    request = Request(backends=("numpy",), sizes=("n=1024",))
    prepared = preparation.prepare(["matmul", "dot"], request, forks=2, seconds=0.01, roofs=True)
    folder = beginning.begin(prepared, tmp_path / "run")
    order: list[str] = []

    class Told(Account):
        def add(self, spent: Mapping[str, float]) -> None:
            order.extend(spent)

    runner.execute(prepared.job(folder), runner.Silent(), Told())
    run = journal.read(folder)
    assert [(one.backend, one.fork) for one in run.roofs] == [("numpy", 0), ("numpy", 1)]
    before = order[: order.index("roofs")]
    assert before.count("first_call") == 2, "first calls must find nothing compiled"
    [peak] = peaks(run.roofs).values()
    assert peak.drift is not None
    frame = summarise([run]).set_index("kernel")
    assert frame.loc["matmul", "bound"] in ("compute", "cache", "memory")
    assert frame.loc["matmul", "intensity"] == pytest.approx(2 * 1024**3 / (3 * 4 * 1024**2))
    assert frame.loc["dot", "bound"] in ("dispatch", "cache")
    [grid] = roofs_table.roof_grids([run])
    labels = [row[0][0].text for row in grid.rows]
    assert labels == ["compute", "memory", "memory, fresh", "dispatch", "last fork"]


@pytest.mark.slow
def test_every_dtype_of_a_backend_has_a_roof_whichever_chunk_comes_first(tmp_path) -> None:
    request = Request(backends=("numpy",), sizes=("small",), dtypes=("float32", "float64"))
    prepared = preparation.prepare(["dot"], request, forks=1, seconds=0.01, roofs=True, chunk=0.001)
    folder = beginning.begin(prepared, tmp_path / "run")
    job = prepared.job(folder)
    assert len(job.visits()) == 2
    runner.execute(job, runner.Silent())
    assert sorted(one.dtype for one in journal.read(folder).roofs) == ["float32", "float64"]


def test_a_short_run_measures_no_roofs_unless_it_is_asked_to() -> None:
    def settings(**options: Any) -> bool:
        return preparation.prepare(["dot"], Request(backends=("numpy",)), **options).settings.roofs

    assert not settings(forks=3)
    assert settings(forks=3, roofs=True)
    assert settings(forks=4)
    assert not settings(forks=8, roofs=False)


@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "array-api-strict"])
def test_adding_in_place_adds_and_where_it_can_uses_the_memory_that_is_there(name: str) -> None:
    backend = registry.find().backend(name)
    backend.load(Setting(threads=1))
    x, y = backend.put(np.arange(1000, dtype="float32")), backend.put(np.ones(1000, dtype="float32"))
    # JAX cannot give away the memory of a host array: the first sum is elsewhere, and then stays there.
    once = backend.add_in_place(x, y)
    before = _address(once)
    twice = backend.add_in_place(x, once)
    backend.wait((twice,))
    assert _address(twice) == before
    assert np.array_equal(backend.fetch(twice), 2 * np.arange(1000, dtype="float32") + 1)
    assert np.array_equal(backend.fetch(x), np.arange(1000, dtype="float32"))


def _address(array: Any) -> int:
    for name in ("data_ptr", "unsafe_buffer_pointer"):
        if hasattr(array, name):
            return int(getattr(array, name)())
    host = array if isinstance(array, np.ndarray) else array._array
    return int(host.__array_interface__["data"][0])
