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


def test_of_a_users_file_nothing_above_here_is_told(
    write_kernel_to, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, home = tmp_path / "project" / "kernels", tmp_path / "alice"
    inside.mkdir(parents=True)
    home.mkdir()
    mine, elsewhere = write_kernel_to(inside, "mine"), write_kernel_to(home, "elsewhere")
    monkeypatch.chdir(inside.parent)
    assert sources.name_of(mine) == "kernels/mine_file.py"
    assert sources.file_of("kernels/mine_file.py").resolve() == mine
    assert sources.name_of(elsewhere) == "elsewhere_file.py"
    assert not sources.file_of("elsewhere_file.py").exists()
    assert sources.file_of("elsewhere_file.py", [mine, elsewhere]) == elsewhere


def test_a_change_of_a_users_file_is_seen(write_kernel) -> None:
    file = write_kernel("mine")
    before = sources.digests(registry.find([file]), ["mine"])
    file.write_text(file.read_text() + "\n# changed\n")
    after = sources.digests(registry.find([file]), ["mine"])
    assert after["mine_file.py"] != before["mine_file.py"]


def test_two_files_of_one_name_are_refused(write_kernel_to, tmp_path: Path) -> None:
    files = []
    for folder, name in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        file = write_kernel_to(tmp_path / folder, name)
        files.append(file.rename(file.with_name("same.py")))
    with pytest.raises(XpbenchError, match=r"two files are called same.py, .*: rename one"):
        sources.digests(registry.find(files), ["one", "two"])


def test_a_kernel_that_is_not_there_is_named() -> None:
    with pytest.raises(XpbenchError, match="unknown kernel 'mutmul'"):
        sources.digests(registry.find(), ["mutmul"])
