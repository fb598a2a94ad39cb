"""The site is built without a warning, its links lead somewhere, and its pages load nothing else."""

import importlib.util
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from pages import ROOT
from xpbench import list_kernels

NEEDED = ("sphinx", "myst_parser", "furo")
ELSEWHERE = ("https://distributed.dask.org", "https://doi.org/", "https://github.com/pradyunsg/furo")
"""Where links may lead outside: papers, Dask, and who made the theme. Nobody can check here whether they
still lead there: keep them few."""

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """The ids of a page, what it loads, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.formulas = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.ids.update(found[key] for key in ("id", "name") if key in found)
        self.formulas += tag == "math"
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag != "a":
            self.loaded += [found[key] for key in ("src", "href", "srcset", "poster") if key in found]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built where no array library but NumPy can be imported."""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: `make docs` installs it")
    folder = tmp_path_factory.mktemp("site")
    refused = folder / "refused"
    refused.mkdir()
    for library in ("torch", "jax", "cupy"):
        (refused / f"{library}.py").write_text(f"raise RuntimeError('{library} is imported')\n")
    paths = [str(refused), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-d",
        folder / "trees",
    ]
    answer = subprocess.run(
        [*command, ROOT / "docs", folder / "html"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_link_inside_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    astray = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            lost = parts.fragment and target in pages and parts.fragment not in pages[target].ids
            if lost or not target.is_file():
                astray.append(f"{path.relative_to(site)}: {link}")
    assert not astray


def test_pages_load_nothing_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    for path, page in pages.items():
        assert not [link for link in page.loaded if urlsplit(link).netloc], path
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text().replace("'", "").replace('"', ""), sheet
        assert "@import" not in sheet.read_text(), sheet


def test_links_to_elsewhere_are_few_and_known(pages: dict[Path, Page]) -> None:
    outside = {link for page in pages.values() for link in page.links if urlsplit(link).netloc}
    print("links to elsewhere, which nobody has followed:", *sorted(outside), sep="\n  ")
    assert not [link for link in outside if not link.startswith(ELSEWHERE)]


def test_every_kernel_has_its_section_and_formulas_are_typeset(
    site: Path, pages: dict[Path, Page]
) -> None:
    for kernel in list_kernels():
        page = pages[site / "kernels" / f"{kernel['chapter']}.html"]
        assert f"kernel-{kernel['kernel'].replace('_', '-')}" in page.ids
    for chapter in {kernel["chapter"] for kernel in list_kernels()}:
        count = sum(kernel["chapter"] == chapter for kernel in list_kernels())
        assert pages[site / "kernels" / f"{chapter}.html"].formulas >= count
