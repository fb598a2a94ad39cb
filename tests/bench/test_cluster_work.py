"""What a process of a cluster keeps from block to block, and what it does not start any more."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import xpbench
from xpbench.bench import registry, sources
from xpbench.bench.case import Case
from xpbench.bench.cluster import work
from xpbench.bench.cluster.block import Block, Expected, Result
from xpbench.bench.plan import Settings


@pytest.fixture
def block(write_kernel: Any) -> Block:
    """The first fork of a case of a user's file."""
    file = write_kernel()
    versions = {"numpy": registry.find().backend("numpy").versions()}
    return Block(
        name="block",
        fork=0,
        cases=(Case("double", (("n", 8),), "", "numpy", "cpu", "float32", 1),),
        settings=Settings(2, 0.02, 1, "ieee", 0, 60.0, "numpy"),
        expected=Expected(xpbench.__version__, sources.of_package(), versions),
        files={file.name: file.read_text()},
        run="first",
    )


def measured(block: Block, errand: str = "") -> Result:
    return Result.from_json(work.measure(block.to_json(), errand))


@pytest.mark.slow
def test_each_command_finds_the_caches_of_a_worker_empty_and_its_last_folder_gone(block: Block) -> None:
    def cold(block: Block) -> bool:
        (record,) = measured(block).measurements
        assert record["status"] == "ok"
        return bool(record["cold"])

    assert cold(block)
    folder = work._kept["blocks"][1].folder
    assert not cold(replace(block, fork=1)), "the same command, the same caches"
    assert list((folder / "runs").iterdir()) == [], "no journal stays behind"
    assert cold(replace(block, run="second"))
    assert not folder.exists()


def test_what_nobody_wants_any_more_is_not_begun(block: Block) -> None:
    work.stop(["late"])
    result = measured(block, "late")
    assert result.measurements == ()
    assert result.differs == ()


def test_a_file_that_has_changed_is_another_kernel(block: Block) -> None:
    (name, text), *_ = block.files.items()
    before = work._registry(block.files).kernel("double")
    after = work._registry({name: text.replace("Twice x", "Two times x")}).kernel("double")
    assert "Twice x" in before.description
    assert "Two times x" in after.description
    assert not Path(before.file).exists()
