"""What says what is computed has the same name on every machine, and a digest that tells a change."""

from pathlib import Path

import pytest

import xpbench
from xpbench.bench import registry, sources
from xpbench.bench.exceptions import XpbenchError


def test_a_file_of_the_suite_is_named_without_the_path_of_this_machine() -> None:
    found = registry.find()
    digests = sources.digests(found, ["matmul", "svd"])
    assert digests.pop("xpbench") == xpbench.__version__
    assert set(digests) == {
        "xpbench/kernels/matrix_products.py",
        "xpbench/kernels/singular_values.py",
    }


@pytest.mark.parametrize("kernel", ["matmul", "adam"])
def test_the_name_of_a_file_leads_back_to_it(kernel: str) -> None:
    file = Path(registry.find().kernel(kernel).file)
    assert sources.file_of(sources.name_of(file)).resolve() == file


def test_a_users_file_keeps_its_path_and_its_change_is_seen(write_kernel) -> None:
    file = write_kernel("mine")
    assert sources.file_of(sources.name_of(file)) == file
    before = sources.digests(registry.find([file]), ["mine"])
    file.write_text(file.read_text() + "\n# changed\n")
    assert sources.digests(registry.find([file]), ["mine"])[str(file)] != before[str(file)]


def test_a_kernel_that_is_not_there_is_named() -> None:
    with pytest.raises(XpbenchError, match="unknown kernel 'mutmul'"):
        sources.digests(registry.find(), ["mutmul"])
