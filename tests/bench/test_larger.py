"""`xpbench larger`: files larger than the memory allowed, and every way in which one can be wrong."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpbench.bench import cli, registry
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.larger import matrix, process, resident
from xpbench.bench.larger.budget import Budget, block_rows, parse_bytes
from xpbench.bench.larger.forms import FORMS
from xpbench.bench.larger.limits import residual_limit, sine
from xpbench.bench.larger.work import Work

MIB = 2**20
DEVIATIONS = np.array([8.0, 6.0, 5.0, 4.0])
"""Of the four strong directions; of all others it is 1."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def write(path: Path, rows: int, columns: int, dtype: str = "float32") -> Path:
    """Strong directions in noise, far from the origin, by a million numbers at a time."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((columns, len(DEVIATIONS)))).Q.T
    out = np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=(rows, columns))
    step = max(1, MIB // columns)
    for start in range(0, rows, step):
        count = min(step, rows - start)
        block = rng.standard_normal((count, len(DEVIATIONS))) * DEVIATIONS @ directions
        block += rng.standard_normal((count, columns)) + 10
        out[start : start + count] = block
    del out
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "data.npy", 500, 6, "float64")


def before(command: Command, small: Path, *options: str) -> int:
    """Bytes that the process holds before its first block."""
    answer = command("larger", "pca", small, "--json", *(options or ("--components", 2)))
    assert answer.returncode == 0, answer.stderr
    return int(json.loads(answer.stdout)["before"])


def within(command: Command, memory: int, *words: Any) -> dict[str, Any]:
    """What is told as JSON, by a process that kept within ``memory`` bytes and agrees."""
    answer = command("larger", *words, "--memory", memory, "--json")
    assert answer.returncode == 0, answer.stderr
    told: dict[str, Any] = json.loads(answer.stdout)
    assert told["before"] < told["peak"] <= memory
    assert told["blocks"] > 4, "it could have been read at once"
    assert all(pair["agrees"] for pair in told["agreement"].values())
    return told


JITTER = 2 * MIB
"""What a library holds before the first block differs by from one process to the next."""


@pytest.mark.parametrize("check", ["exact", pytest.param("incremental", marks=pytest.mark.slow)])
def test_a_matrix_four_times_the_memory_keeps_within_it_and_agrees(
    xpbench: Command, tmp_path: Path, small: Path, check: str
) -> None:
    room = 8 * MIB
    big = write(tmp_path / "big.npy", 4 * room // (4 * 32), 32)
    memory = before(xpbench, small) + room + JITTER
    told = within(xpbench, memory, "pca", big, "--components", 4, "--check", check)
    (name, *_) = told["agreement"]
    assert 0 < told["agreement"][name]["limit"] < 0.01, "so wide a limit would hold for anything"
    assert told["file_bytes"] == 4 * room


@pytest.mark.parametrize("form", [pytest.param("gram", marks=pytest.mark.slow), "qr"])
def test_least_squares_of_a_matrix_four_times_the_memory_do_too(
    typed: Command, tmp_path: Path, small: Path, form: str
) -> None:
    room = 8 * MIB
    big = write(tmp_path / "big.npy", 4 * room // (4 * 8), 8)
    memory = before(typed, small) + room + JITTER
    words = ("lstsq", big, "--target", "-1", "--intercept", "--form", form, "--check", "exact")
    told = within(typed, memory, *words, "-o", "fit.npz")
    assert told["agreement"]["coefficients"]["limit"] < 0.1
    with np.load(tmp_path / "fit.npz") as answer:
        assert answer["coefficients"].shape == (7,)
        assert float(answer["residual"]) > 0


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """768 MiB, on the disk for as long as they are needed."""
    folder = tmp_path_factory.mktemp("large")
    if shutil.disk_usage(folder).free < 2**31:
        pytest.skip("no room on the disk for a matrix of 768 MiB")
    path = write(folder / "large.npy", 3 * 2**20, 64)
    yield path
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "form"), [("numpy", "gram"), ("torch", "gram"), ("torch", "qr"), ("jax", "gram")]
)
def test_768_mib_are_reduced_in_192(
    typed: Command, tmp_path: Path, small: Path, large: Path, backend: str, form: str
) -> None:
    options = ("--components", 4, "--backend", backend, "--form", form)
    memory = before(typed, small, *options) + 192 * MIB + JITTER
    check = ("--check", "incremental") if backend == "numpy" else ()
    told = within(typed, memory, "pca", large, *options, *check, "-o", "large.npz")
    assert told["file_bytes"] == 4 * 192 * MIB
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 4))).Q.T
    with np.load(tmp_path / "large.npz") as answer:
        found = answer["components"].astype(np.float64)
    # The directions of a sample are off by l_k l / (n (l_k - l)^2) in the mean square, for each that is
    # of variance l (Anderson, Ann. Math. Stat. 34, 1963, section 2); three times the root of their sum.
    variances = DEVIATIONS**2 + 1
    off = 60 * np.sum(variances / (variances - 1) ** 2) / (3 * 2**20)
    assert sine(found, directions) <= 3 * np.sqrt(off)


def test_the_system_refuses_what_goes_beyond(tmp_path: Path) -> None:
    script = """
import numpy as np
from xpbench.bench.larger import resident
held = resident.now()
resident.keep_within(held.resident + 32 * 2**20, held)
np.ones(16 * 2**20, np.uint8)
try:
    np.ones(48 * 2**20 + resident.STACKS, np.uint8)
except MemoryError:
    print("refused")
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.stdout == "refused\n", answer.stderr


def test_a_process_that_took_more_is_an_error_and_no_answer(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = resident.now()
    work = Work("pca", str(small), None, 1, True, "gram", "numpy", "", "float64", 1, 400 * MIB, "")
    over = dataclasses.replace(held, resident=70 * MIB, peak=400 * MIB + 1)
    monkeypatch.setattr(resident, "now", lambda: over)
    monkeypatch.setattr(resident, "keep_within", lambda *_: None)
    with pytest.raises(XpbenchError, match=r"numpy took 400 MiB with blocks of 500 rows.*: allow more"):
        process.reduce(work)


@pytest.mark.slow
def test_what_is_said_to_suffice_does(typed: Command, tmp_path: Path) -> None:
    write(tmp_path / "wide.npy", 2000, 1000)
    words = ("larger", "pca", "wide.npy", "--components", 4, "--memory")
    answer = typed(*words, "90MB")
    assert answer.returncode == 2
    (least,) = re.findall(r"allow (\w+) at least", answer.stderr)
    answer = typed(*words, least)
    assert answer.returncode == 0, answer.stderr


def test_jax_on_four_devices_gives_the_answer_of_numpy(
    typed: Command, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := registry.find().backend("jax").unusable():
        pytest.skip(reason)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    options = ("--components", 2, "--form", "qr", "--backend", "jax", "--memory", "2GB")
    answer = typed("larger", "pca", small, *options, "--check", "exact")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "agrees  subspace" in answer.stdout


def test_pages_that_were_read_are_given_back(tmp_path: Path) -> None:
    """A process that maps 64 MiB holds a few strips of them, whatever the block."""
    big = write(tmp_path / "big.npy", MIB // 4, 64)
    script = f"""
from pathlib import Path
from xpbench.bench.larger import matrix, resident
reader = matrix.Reader(matrix.table(Path({str(big)!r}), None))
start = resident.now().files
for row in range(0, {MIB // 4}, 2**16):
    reader.block(row, row + 2**16, "float32")
print(resident.now().files - start)
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) <= 2 * matrix.STRIP


def test_memory_is_told_page_by_page_as_the_system_counts_it() -> None:
    script = """
from pathlib import Path
import numpy as np
from xpbench.bench.larger import resident
np.ones(64 * 2**20, np.uint8)
told = resident.now()
pages = Path("/proc/self/smaps_rollup").read_text().split("Rss:")[1].split()[0]
print(told.peak, 1024 * int(pages), told.resident)
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    peak, counted, resident = map(int, answer.stdout.split())
    # Linux adds the counts of CPUs up in batches: some hundred pages each.
    assert abs(resident - counted) <= 4 * MIB
    assert peak - resident >= 60 * MIB


def test_the_answer_is_that_of_numpy(xpbench: Command, small: Path, tmp_path: Path) -> None:
    x = np.load(small)
    answer = xpbench("larger", "pca", small, "--components", 3, "-o", "pca.npz")
    assert answer.returncode == 0, answer.stderr
    assert "3 components hold" in answer.stdout
    assert "components, variances, mean, spectrum" in answer.stderr
    with np.load(tmp_path / "pca.npz") as found:
        _, s, vh = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        # Some tens of eps times 1 / (1 - 1 / 4), by which the singular values are apart.
        assert sine(found["components"], vh[:3]) <= 1e-12
        np.testing.assert_allclose(found["spectrum"], s**2 / 499, rtol=1e-12)
        np.testing.assert_allclose(found["mean"], x.mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("target", [pytest.param("2", marks=pytest.mark.slow), "-1", "target.npy"])
def test_a_target_is_a_column_or_a_file(
    typed: Command, small: Path, tmp_path: Path, target: str
) -> None:
    x = np.load(small)
    if target.endswith(".npy"):
        y, a = np.random.default_rng(1).standard_normal(500), x
        np.save(tmp_path / target, y)
    else:
        y, a = x[:, int(target)], np.delete(x, int(target), axis=1)
    answer = typed("larger", "lstsq", small, "--target", target, "--form", "qr", "-o", "fit.npz")
    assert answer.returncode == 0, answer.stderr
    w, rest, *_ = np.linalg.lstsq(a, y, rcond=None)
    with np.load(tmp_path / "fit.npz") as found:
        np.testing.assert_allclose(found["coefficients"], w, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(found["residual"] ** 2, rest[0], rtol=1e-11)
        assert found["intercept"] == 0


def test_a_file_in_fortran_order_holds_the_same_rows(
    typed: Command, small: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.load(small)))
    for data in (small, "columns.npy"):
        options = ("--components", 2, "-o", f"{Path(data).stem}.npz")
        assert typed("larger", "pca", data, *options).returncode == 0
    with np.load(tmp_path / "data.npz") as one, np.load(tmp_path / "columns.npz") as other:
        assert np.array_equal(one["components"], other["components"])


@pytest.mark.parametrize("check", ["exact", pytest.param("incremental", marks=pytest.mark.slow)])
def test_a_wrong_answer_is_a_disagreement_and_exit_code_1(
    typed: Command, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    """A library whose Gram matrix lacks a row's share."""
    (tmp_path / "sitecustomize.py").write_text(
        "from xpbench.bench.vocabulary import Vocabulary\n"
        "Vocabulary.gram = lambda self, x: x[1:, :].T @ x[1:, :]\n"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", paths)
    answer = typed("larger", "pca", small, "--components", 2, "--check", check)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "DISAGREES  subspace" in answer.stdout


def test_a_residual_bounds_the_angle_and_no_more_than_that() -> None:
    rng = np.random.default_rng(5)
    q = np.linalg.qr(rng.standard_normal((6, 6))).Q
    s = q * np.array([9.0, 8.0, 2.0, 1.0, 0.5, 0.1]) @ q.T
    tilted = np.linalg.qr(q[:, :2] + 0.01 * rng.standard_normal((6, 2))).Q
    angle = sine(tilted.T, q[:, :2].T)
    limit = residual_limit(s @ tilted, tilted, 2.0)
    assert angle <= limit <= 2 * angle
    assert residual_limit(s @ q[:, 2:4], q[:, 2:4], 2.0) == np.inf


@pytest.mark.parametrize(
    ("text", "size"),
    [("256MB", 256 * 10**6), ("1.5 GiB", 3 * 2**29), ("300000000", 300000000), ("2g", 2 * 10**9)],
)
def test_an_amount_of_memory_is_read_as_it_is_written(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1MB", "1e9", "0", "0MB", "1 iB", "12XB", "٣MB", "1MBB"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(XpbenchError, match=r"expected an amount, e\.g\. 256MB"):
        parse_bytes(text)


@pytest.mark.parametrize("form", list(FORMS))
def test_a_block_takes_what_is_left_and_is_no_wider_than_tall(form: str) -> None:
    chosen = FORMS[form]
    budget = Budget(allowed=200 * MIB, before=70 * MIB)
    rows = block_rows(budget, chosen, 10**7, 100, 4)
    used = chosen.copies * rows * 400 + chosen.squares * 8 * 100**2
    assert budget.left - chosen.copies * 400 < used <= budget.left
    assert block_rows(budget, chosen, 500, 100, 4) == 500
    with pytest.raises(XpbenchError, match=r"3000 x 3000 .* take .* allow .* at least"):
        block_rows(budget, chosen, 10**7, 3000, 4)


def other_dtype(folder: Path) -> str:
    np.save(folder / "x.npy", np.ones((9, 2), int))
    return "x.npy"


def objects(folder: Path) -> str:
    np.save(folder / "x.npy", np.array([[{}, []]], dtype=object), allow_pickle=True)
    return "x.npy"


def saved(array: Any) -> Callable[[Path], str]:
    def save(folder: Path) -> str:
        np.save(folder / "x.npy", array)
        return "x.npy"

    return save


def torn(folder: Path) -> str:
    np.save(folder / "x.npy", np.ones((99, 2)))
    (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:500])
    return "x.npy"


def text(folder: Path) -> str:
    (folder / "x.npy").write_text("1,2\n3,4\n")
    return "x.npy"


def half_a_header(folder: Path) -> str:
    (folder / "x.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00{'descr': ")
    return "x.npy"


def header(text: str) -> Callable[[Path], str]:
    """A file whose header has the length that it tells of."""

    def save(folder: Path) -> str:
        padded = text.ljust(117).encode() + b"\n"
        (folder / "x.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + padded + bytes(800))
        return "x.npy"

    return save


def nearly_dependent() -> np.ndarray:
    """Columns of which the last is the sum of two others, but for its rounding; a target comes first."""
    x = np.random.default_rng(5).standard_normal((50, 4))
    x[:, 3] = x[:, 1] + x[:, 2]
    return x


def with_one(value: float) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((50, 3))
    x[41, 2] = value
    return x


PCA, LSTSQ = ("pca", "--components", "1"), ("lstsq", "--target", "0")
WRONG: dict[str, tuple[Callable[[Path], str], tuple[str, ...], str]] = {
    "no file": (lambda _: "none.npy", PCA, "none.npy does not exist: name a .npy file"),
    "a folder": (lambda _: ".", PCA, ". is no file"),
    "text": (text, PCA, "x.npy is no .npy file"),
    "half a header": (half_a_header, PCA, "has no header of a .npy file"),
    "an open header": (
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 4"),
        PCA,
        "no header",
    ),
    "no dtype": (header("{'descr': (), 'fortran_order': False, 'shape': (5, 4)}"), PCA, "no header"),
    "deep header": (header("(" * 110), PCA, "no header"),
    "negative": (
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (5, -4)}"),
        PCA,
        "its shape is (5, -4)",
    ),
    "torn": (torn, PCA, "it was not written to its end"),
    "objects": (objects, PCA, "holds Python objects, which are never loaded"),
    "integers": (other_dtype, PCA, "holds int64: expected float16, float32 or float64"),
    "one axis": (saved(np.ones(9)), PCA, "has shape (9,): expected rows and columns"),
    "no columns": (saved(np.ones((9, 0))), PCA, "has no columns"),
    "wider than tall": (saved(np.ones((2, 9))), PCA, "has 2 rows and 9 columns to work with"),
    "one row": (saved(np.ones((1, 1))), PCA, "has 1 rows and 1 columns"),
    "nan": (saved(with_one(np.nan)), PCA, "holds nan in row 41, column 2: expected finite"),
    "nan of the target": (saved(with_one(np.nan)), ("lstsq", "--target", "2"), "row 41, column 2"),
    "nan beside the target": (saved(with_one(np.nan)), LSTSQ, "row 41, column 2"),
    "infinite": (saved(with_one(np.inf)), LSTSQ, "holds inf in row 41, column 2"),
    "too large": (
        saved(with_one(1e300)),
        (*PCA, "--dtype", "float32"),
        "where a number is too large for --dtype, take a wider one",
    ),
    "only a target": (saved(np.ones((9, 1))), LSTSQ, "has one column, which is the target"),
    "no target": (saved(np.ones((9, 2))), ("lstsq",), "name a column, e.g. --target -1"),
    "no such column": (saved(np.ones((9, 2))), ("lstsq", "--target", "2"), "has 2 columns, 0 to 1"),
    "no such target": (saved(np.ones((9, 2))), ("lstsq", "--target", "y.npy"), "y.npy does not exist"),
    "what target": (
        saved(np.ones((9, 2))),
        ("lstsq", "--target", "y"),
        "expected the number of a column",
    ),
    "another target": (saved(np.ones((9, 2))), ("lstsq", "--target", "x.npy"), "has shape (9, 2)"),
    "dependent": (saved(np.ones((9, 3))), LSTSQ, "take --form qr, or leave columns out"),
    "dependent by qr": (saved(np.ones((9, 3))), (*LSTSQ, "--form", "qr"), "leave columns out"),
    "nearly dependent": (saved(nearly_dependent()), LSTSQ, "take --form qr, or leave columns out"),
    "nearly dependent by qr": (
        saved(nearly_dependent()),
        (*LSTSQ, "--form", "qr", "--check", "exact"),
        "leave columns out",
    ),
    "far and dependent": (
        saved(nearly_dependent() + 1e6),
        (*LSTSQ, "--intercept", "--form", "qr"),
        "leave columns out",
    ),
    "too few for a constant": (
        saved(np.eye(2, 3)),
        (*LSTSQ, "--intercept"),
        "has 2 rows, and 2 columns and a constant to fit",
    ),
    "overflow": (saved(np.diag([1e30] * 3)), (*PCA, "--dtype", "float32"), "take --dtype float64, or"),
    "overflow of a fit": (
        saved(np.diag([1e30] * 3)),
        (*LSTSQ, "--dtype", "float32", "--form", "qr"),
        "take --dtype float64, or",
    ),
    "components": (saved(np.ones((9, 2))), ("pca", "--components", "3"), "so 1 to 2 components"),
    "form": (saved(np.ones((9, 2))), (*PCA, "--form", "lu"), "expected gram or qr"),
    "dtype": (saved(np.ones((9, 2))), (*PCA, "--dtype", "int8"), "expected float32 or float64"),
    "check": (saved(np.ones((9, 2))), (*PCA, "--check", "all"), "expected exact or incremental"),
    "check of lstsq": (saved(np.ones((9, 2))), (*LSTSQ, "--check", "incremental"), "take --check exact"),
    "backend": (saved(np.ones((9, 2))), (*PCA, "--backend", "nunpy"), "did you mean numpy"),
    "device": (saved(np.ones((9, 2))), (*PCA, "--device", "tpu"), "numpy has no device tpu"),
    "memory": (saved(np.ones((9, 2))), (*PCA, "--memory", "much"), "expected an amount, e.g. 256MB"),
    "little memory": (saved(np.ones((9, 2))), (*PCA, "--memory", "9MB"), "allow "),
    "much too wide": (saved(np.ones((2000, 2000), "f4")), (*PCA, "--memory", "99MB"), "2000 x 2000"),
    "several processes": (
        saved(np.ones((9, 2))),
        (*PCA, "--backend", "jax-sharded", "--device", "2x2xcpu"),
        "name devices of one, e.g. 4xcpu",
    ),
    "nowhere": (saved(np.ones((9, 2))), (*PCA, "-o", "no/x.npz"), "no is no folder that can be written"),
    "out": (saved(np.ones((9, 2))), (*PCA, "-o", "x.npy"), "expected a name that ends in .npz"),
}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (lambda x, noise: x @ [1, -1, 2] + 1e-5 * noise, "norm at most "),
        (lambda x, noise: x @ [1, -1, 2] + 0.1 * noise, "norm 4."),
        (lambda x, noise: 0 * noise, "agrees  coefficients: off by 0, limit 0"),
    ],
)
@pytest.mark.parametrize("constant", [(), ("--intercept",)])
def test_what_a_fit_leaves_is_told_as_far_as_it_is_known(
    typed: Command, tmp_path: Path, target: Callable[..., Any], said: str, constant: tuple[str, ...]
) -> None:
    x = np.random.default_rng(6).standard_normal((2000, 3)).astype("float32")
    noise = np.random.default_rng(7).standard_normal(2000)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", target(x, noise).astype("float32"))
    options = ("--target", "y.npy", "--form", "gram", "--check", "exact", *constant)
    answer = typed("larger", "lstsq", "x.npy", *options)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert said in answer.stdout
    assert answer.stdout.count("agrees") == 2 + len(constant)


@pytest.mark.parametrize("row", [1.0, 0.1])
def test_rows_that_are_all_alike_are_no_disagreement(typed: Command, tmp_path: Path, row: float) -> None:
    np.save(tmp_path / "x.npy", np.full((50, 3), row))
    answer = typed("larger", "pca", "x.npy", "--components", 1, "--check", "exact")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "hold nothing" in answer.stdout or "is not judged" in answer.stdout


def test_more_memory_than_there_is_is_no_limit(typed: Command, small: Path) -> None:
    answer = typed("larger", "pca", small, "--components", 1, "--memory", "10000000TB")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("case", list(WRONG))
def test_what_is_wrong_is_told_in_a_line_with_exit_code_2(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make, (command, *options), said = WRONG[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["xpbench", "larger", command, make(tmp_path), *options])
    assert cli.main() == 2
    told = capfd.readouterr()
    assert told.out == ""
    (line,) = told.err.strip().splitlines()
    assert line.startswith("xpbench: ")
    assert said in line
