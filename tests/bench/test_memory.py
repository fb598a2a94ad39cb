"""A size that cannot fit is refused before anything is made of it, with what it would take."""

from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import memory, preparation
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.plan import Request, parse_size
from xpbench.bench.registry import find

GIB = 2**30


def test_what_is_needed_is_the_inputs_and_outputs_in_double_precision() -> None:
    matmul = find().kernel("matmul")
    size = {"n": 1024}
    assert memory.too_large(matmul, size, 3 * 8 * 1024**2) is None
    said = memory.too_large(matmul, size, 3 * 8 * 1024**2 - 1)
    assert said is not None
    assert "take 24.0 MiB in float64" in said
    assert memory.too_large(matmul, size, None) is None


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "1073741824\n"}, GIB),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": "max\n",
                "sys/fs/cgroup/a/b/memory.max": "1073741824\n",
            },
            GIB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1073741824\n",
            },
            GIB,
        ),
    ],
)
def test_the_tightest_limit_of_the_control_groups_counts(
    tmp_path: Path, files: dict[str, str], most: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.limit(tmp_path) == most


def test_without_a_word_of_the_system_the_machines_memory_is_the_limit(tmp_path: Path) -> None:
    from xpbench.bench import machine

    assert memory.limit(tmp_path) == machine.memory_bytes()


@pytest.mark.parametrize(
    "command", [("run", "matmul"), ("verify", "matmul"), ("list", "cases", "matmul")]
)
@pytest.mark.parametrize("size", ["n=10000000", "n=999999999999999"])
def test_a_size_that_was_typed_is_refused(typed: Any, command: tuple[str, ...], size: str) -> None:
    answer = typed(*command, "--size", size, "--backend", "numpy")
    assert answer.returncode == 2
    assert f"matmul at {size}: its inputs and outputs take " in answer.stderr
    assert "choose a smaller size" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_crossover_beyond_memory_is_refused(xpbench: Any) -> None:
    options = ("--backend", "numpy", "--backend", "array-api-strict", "--to", "10000000")
    answer = xpbench("crossover", "matmul", *options)
    assert answer.returncode == 2
    assert "--to 10000000: matmul: its inputs and outputs take " in answer.stderr


def test_a_named_size_that_cannot_fit_is_a_word_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "limit", lambda: 2**20)
    request = Request(backends=("numpy",), sizes=("small", "large"))
    prepared = preparation.prepare(["matmul"], request)
    (record,) = prepared.words
    assert (record.case.size_name, record.status) == ("large", "oom")
    assert "memory for 1.00 MiB" in record.reason
    assert [case.size_name for case in prepared.runnable] == ["small"]


def test_where_nothing_fits_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from xpbench.bench import beginning
    from xpbench.bench.exceptions import NothingMeasured

    monkeypatch.setattr(memory, "limit", lambda: 2**10)
    prepared = preparation.prepare(["matmul"], Request(backends=("numpy",), sizes=("large",)))
    with pytest.raises(NothingMeasured, match=r"memory for 1\.00 KiB"):
        beginning.begin(prepared, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_size_of_one_is_a_size(xpbench: Any) -> None:
    answer = xpbench("verify", "matmul", "--size", "n=1", "--backend", "numpy", "--dtype", "float32")
    assert answer.returncode == 0, answer.stderr
    for size in ("n=0", "n=-1", "n=1.5", "n=", "=3", "n=1e3"):
        with pytest.raises(XpbenchError, match="expected NAME=POSITIVE INTEGER"):
            parse_size(size)


def test_a_kernel_without_a_cost_model_is_tried(
    monkeypatch: pytest.MonkeyPatch, write_kernel: Any
) -> None:
    monkeypatch.setattr(memory, "limit", lambda: 1)
    request = Request(backends=("numpy",), sizes=("small",))
    prepared = preparation.prepare([str(write_kernel("cheap"))], request)
    assert len(prepared.runnable) == 1
    with pytest.raises(XpbenchError, match="memory for 1 B"):
        preparation.prepare(["matmul"], Request(backends=("numpy",), sizes=("n=8",)))
