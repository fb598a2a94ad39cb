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
def test_the_name_of_a_file_of_the_suite_leads_back_to_it(kernel: str) -> None:
    file = Path(registry.find().kernel(kernel).file)
    found = sources.of_suite(sources.name_of(file))
    assert found is not None
    assert found.resolve() == file


@pytest.mark.parametrize(
    "name",
    [
        "mine_file.py",
        "xpbench/mine_file.py",
        "xpbench/kernels/../../../mine_file.py",
        "xpbench//etc/mine_file.py",
        "/mine_file.py",
        "../kernels/mine_file.py",
    ],
)
def test_no_other_name_leads_to_a_file(
    write_kernel_to, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "xpbench").mkdir()
    for folder in (tmp_path, tmp_path / "xpbench"):
        write_kernel_to(folder, "mine")
    monkeypatch.chdir(tmp_path)
    assert sources.of_suite(name) is None


def test_of_a_users_file_nothing_above_here_is_told(
    write_kernel_to, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, home = tmp_path / "project" / "kernels", tmp_path / "alice"
    inside.mkdir(parents=True)
    home.mkdir()
    mine, elsewhere = write_kernel_to(inside, "mine"), write_kernel_to(home, "elsewhere")
    monkeypatch.chdir(inside.parent)
    assert sources.name_of(mine) == "kernels/mine_file.py"
    assert sources.name_of(elsewhere) == "elsewhere_file.py"
    of_suite = Path(registry.find().kernel("matmul").file)
    assert sources.of_users([mine, elsewhere, of_suite]) == ["kernels/mine_file.py", str(elsewhere)]


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
