"""The runs that are published are fit for it, and what is shown of them is what they say."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stored_run import reduced
from xpbench.bench.checking.check import check
from xpbench.bench.checking.finding import ERROR, WARNING

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "results" / "published"
FOLDERS = sorted(path for path in PUBLISHED.iterdir() if path.is_dir())


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script behind ``make gallery``."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("published")


@pytest.fixture
def checkout(gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one published run, and one picture of it."""
    (tmp_path / "results" / "published").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    stored = reduced(tmp_path / "results" / "published" / "night")
    header = stored.header
    header["machine"]["cpu"] = "a | <b>cpu</b> [x](y)"
    stored.write_header(header)
    (stored.path / "notes.md").write_text("It was *cold*.\nAnd dark.\n")
    (tmp_path / gallery.INDEX).write_text("before\n<!-- runs -->\nold\n<!-- /runs -->\nafter\n")
    picture = gallery.Picture("docs/it.svg", "table results/published/night --format svg")
    monkeypatch.setattr(gallery, "PICTURES", (picture,))
    return tmp_path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_published_run_is_fit_to_be_cited(folder: Path) -> None:
    found = check(folder, ())
    errors = [one for one in found.found if one.level == ERROR]
    assert not errors, errors
    warned = any(one.level == WARNING for one in found.found)
    assert not warned or (folder / "notes.md").is_file(), "a warning wants an explanation in notes.md"


def test_what_is_shown_of_the_published_runs_is_what_make_gallery_makes() -> None:
    command = [sys.executable, ROOT / "scripts" / "published.py", "--check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_page_is_committed() -> None:
    assert not [*PUBLISHED.rglob("*.html")], "make gallery makes pages, for the site alone"


def test_every_picture_of_the_readme_is_made_by_a_command(gallery: ModuleType) -> None:
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert shown
    assert set(shown) <= {picture.file for picture in (*gallery.PICTURES, *gallery.SHOTS)}
    for shot in gallery.SHOTS:
        assert (ROOT / "scripts" / shot.command.split()[0]).is_file()


def test_the_gallery_is_made_and_what_is_stale_is_named(
    gallery: ModuleType, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gallery.main(["--root", str(checkout), "--check"]) == 1
    assert not (checkout / "docs" / "it.svg").exists(), "--check writes nothing"
    assert gallery.main(["--root", str(checkout)]) == 0
    capsys.readouterr()
    assert gallery.main(["--root", str(checkout), "--check"]) == 0
    assert capsys.readouterr().out == ""
    assert (checkout / "docs" / "it.svg").read_text().startswith("<svg")
    assert "matmul" in (checkout / "results/published/night/table.md").read_text()
    page = (checkout / "build" / "gallery" / "index.html").read_text()
    assert "<b>" not in page
    assert "It was *cold*. And dark." in page
    (checkout / "results/published/night/table.md").write_text("faster!\n")
    assert gallery.main(["--root", str(checkout), "--check"]) == 1
    assert capsys.readouterr().out.startswith("results/published/night/table.md is not what")


def test_the_list_of_runs_stands_between_its_markers_and_cannot_be_broken_out_of(
    gallery: ModuleType, checkout: Path
) -> None:
    made: dict[Path, bytes] = dict(gallery.made(checkout))
    text = made[gallery.INDEX].decode()
    assert text.startswith("before\n<!-- runs -->\n")
    assert text.endswith("<!-- /runs -->\nafter\n")
    [row] = [line for line in text.splitlines() if line.startswith("| [night]")]
    cells: list[Any] = re.split(r"(?<!\\)\|", row)
    assert len(cells) == 6 + 2
    assert r"a \| \<b\>cpu\</b\> \[x\](y), 2 CPUs" in cells[2]
    created = json.loads((checkout / "results/published/night/run.json").read_text())["created"]
    assert f"[night](night/table.md)<br>{created[:10]}" in cells[1]
    assert "6 cases" in cells[3]
    assert cells[4].strip() == "6"
    assert "numpy 2.4.6" in cells[5]
    assert r"It was \*cold\*. And dark." in cells[6]


def test_a_calibration_is_listed_by_what_it_found(gallery: ModuleType) -> None:
    index = (PUBLISHED / "README.md").read_text()
    for folder in FOLDERS:
        if (folder / "calibration.json").is_file():
            pairs = json.loads((folder / "calibration.json").read_text())["pairs"]
            [row] = [line for line in index.splitlines() if line.startswith(f"| [{folder.name}]")]
            assert f"of {pairs['of']} pairs" in row
            assert "against itself" in row
