"""The precision in force is proved by products, whatever a library reads back."""

from pathlib import Path

import array_api_compat.numpy
import numpy as np
import pytest

import planted
from xpbench import Backend, Setting, Vocabulary
from xpbench.bench import probe, product_bits, registry
from xpbench.bench.precisions import FULL_BITS, bits_against
from xpbench.bench.report.precision import precision_of
from xpbench.bench.roof import Roof
from xpbench.bench.roofline import product_bits as of_roofs


class Rounding(Backend):
    """Rounds the factors of a product to ``bits``, and reads back that all is well."""

    name = "rounding"
    library = "numpy"
    bits = 24

    def load(self, setting: Setting) -> None:
        self.setting = setting
        self.xp = Vocabulary(array_api_compat.numpy)

    def compile(self, function):
        def rounded(*arrays):
            kept = []
            for array in arrays:
                mantissa, exponent = np.frexp(array.astype(np.float64))
                kept.append(np.ldexp(np.rint(mantissa * 2**self.bits), exponent - self.bits))
            return function(*(array.astype(np.float32) for array in kept))

        return rounded

    def in_force(self):
        return {"matmul_precision": "highest"}


@pytest.mark.parametrize("bits", [8, 11, 14, 17])
def test_the_bits_that_factors_are_rounded_to_are_found(bits: int) -> None:
    backend = Rounding()
    backend.bits = bits
    backend.load(Setting())
    assert product_bits.measure(backend) == pytest.approx(bits, abs=0.3)


@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "array-api-strict"])
def test_an_honest_product_keeps_nearly_all_bits_of_float32(name: str) -> None:
    backend = registry.find().backend(name)
    if reason := backend.unusable():
        pytest.skip(reason)
    backend.load(Setting())
    assert FULL_BITS - 2 < product_bits.measure(backend) <= FULL_BITS


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_a_product_that_is_nonsense_keeps_no_bits(factor: float) -> None:
    class Nonsense(Rounding):
        def compile(self, function):
            return lambda a, b: function(a, b) * np.float32(factor)

    backend = Nonsense()
    backend.load(Setting())
    with np.errstate(invalid="ignore"):
        assert product_bits.measure(backend) < 2


def test_what_cannot_be_multiplied_is_unknown_to_the_probe() -> None:
    class Lacking(Rounding):
        def compile(self, function):
            raise NotImplementedError

    assert probe._loaded(Lacking(), Setting()) == {"matmul_precision": "highest"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"error": 0.9}, False),
        ({"error_unit": "standard errors"}, False),
        ({"dtype": "float64"}, False),
        ({"precision": "tf32"}, False),
        ({"error": None, "error_limit": None}, False),
    ],
)
def test_only_a_native_result_beyond_float32s_limit_is_called_reduced(changes, told: bool) -> None:
    record = {"dtype": "float32", "precision": "native", "error_unit": "eps", "product_bits": None}
    record |= {"error": 3.0, "error_limit": 8192.0} | changes
    assert bool(precision_of(record)) is told


def test_the_probe_measures_what_a_backend_keeps_beside_what_it_reads_back() -> None:
    backend = Rounding()
    backend.bits = 11
    told = probe._loaded(backend, Setting())
    assert told["matmul_precision"] == "highest"
    assert 10.5 < told["product_bits"] < 11.5


@pytest.mark.parametrize(
    ("precision", "bits", "words"),
    [
        ("ieee", 11.0, "products of float32 keep 11 bits of 24, though ieee was asked for"),
        ("ieee", 23.0, None),
        ("ieee", None, None),
        ("tf32", 23.0, "computed in full float32: more than was asked"),
        ("tf32", 11.0, None),
        ("native", 8.0, None),
    ],
)
def test_bits_are_held_against_what_was_asked(
    precision: str, bits: float | None, words: str | None
) -> None:
    assert bits_against(precision, bits) == words


def test_of_several_forks_the_fewest_bits_count() -> None:
    roofs = [
        Roof("torch", "cuda", "float32", 2, "ieee", fork, product_bits=bits)
        for fork, bits in enumerate([23.0, 11.0, None])
    ]
    assert of_roofs(roofs) == {("torch", "cuda", "float32", 2, "ieee"): 11.0}
    assert Roof.from_json(roofs[1].to_json()).product_bits == 11.0


LIAR = """
import sys
sys.path.append({tests!r})
import numpy as np
import array_api_compat.numpy
from planted import Tf32
from xpbench import Backend, Vocabulary


class Liar(Backend):
    "Takes TF32 for float32, and says that it does not."
    name = "liar"
    library = "numpy"

    def load(self, setting):
        self.setting = setting
        self.xp = Vocabulary(array_api_compat.numpy)

    def put(self, array):
        return np.array(array).view(Tf32)

    def in_force(self):
        return {{"matmul_precision": "highest"}}
"""


@pytest.fixture
def liar(tmp_path: Path) -> Path:
    path = tmp_path / "liar.py"
    path.write_text(LIAR.format(tests=str(Path(planted.__file__).parents[1])))
    return path


def words_of(answer) -> str:
    return " ".join(answer.stdout.split())


def run(xpbench, liar: Path, precision: str, *kernels: str):
    options = ("--size", "small", "--forks", "1", "--time", "0.01", "--roofs", "--threads", "1")
    return xpbench(
        "run",
        *kernels,
        *("--backend", "numpy", "--backend", liar),
        *("--precision", precision, "--out", precision, *options),
    )


@pytest.mark.slow
def test_a_run_marks_a_backend_that_takes_tf32_for_float32(xpbench, liar: Path) -> None:
    answer = run(xpbench, liar, "ieee", "matmul", "axpy")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    said = words_of(answer)
    assert "WRONG" in said
    assert "error of TF32's size and not of float32's" in said
    # The result of axpy, which is no product, is right: the mark tells whose it is.
    assert "¶ products of float32 keep 11 bits of 24, though ieee was asked for (liar)" in said
    assert "¶" in next(line for line in answer.stdout.splitlines() if line.startswith("axpy"))
    table = words_of(xpbench("table", "ieee", "--metric", "roof"))
    assert "liar: products of float32 keep 11 bits of 24, though ieee was asked for" in table
    assert "numpy: products" not in table


@pytest.mark.slow
def test_where_tf32_was_asked_for_its_errors_agree_and_full_float32_is_named(
    xpbench, liar: Path
) -> None:
    answer = run(xpbench, liar, "tf32", "matmul")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    said = words_of(answer)
    assert "¶ computed in full float32: more than was asked (numpy)" in said
    assert "limits 8192 times those of float32" in said


@pytest.mark.slow
def test_what_a_library_reduces_of_itself_is_marked(xpbench, liar: Path) -> None:
    answer = run(xpbench, liar, "native", "matmul")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "¶ reduced: beyond float32's limit and within that of TF32" in words_of(answer)
    assert "choice (liar)" in words_of(answer)


@pytest.mark.slow
def test_verify_says_that_an_error_is_that_of_tf32(xpbench, liar: Path) -> None:
    answer = xpbench("verify", "matmul", "--backend", liar, "--dtype", "float32", "--size", "small")
    assert answer.returncode == 1
    assert "disagrees: matmul[n=64]/liar@cpu/float32: entries is " in answer.stderr
    assert "error of TF32's size and not of float32's" in answer.stderr
    again = xpbench(
        "verify",
        "matmul",
        "--backend",
        liar,
        "--backend",
        "numpy",
        "--precision",
        "tf32",
        "--size",
        "small",
    )
    assert again.returncode == 0, again.stderr
