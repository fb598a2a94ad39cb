"""What the README and the pages of the site show is what happens."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import xpbench as package
from pages import DRY, NOT, PAGES, ROOT, SLOW, Command, blocks
from xpbench.bench.cli import app
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.kernel import CHAPTERS
from xpbench.bench.measurement import STATUSES
from xpbench.bench.report.columns import COLUMNS
from xpbench.bench.report.metrics import METRICS
from xpbench.bench.report.table import SCALING

README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
LANGUAGES = {"sh", "python", "yaml", "{eval-rst}", "{include}", "{output}", "{overview}", "{toctree}"}
"""What is shown is run, or is written by the build: there are no blocks of output typed by hand."""
READING = ("table", "compare", "report", "plot")
"""Commands that only read stored runs are run in this process, which has imported pandas already."""
ROWS = re.compile(r"^\| `([\w-]+)` \|(?: (\w+) \|)?", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture
def play(xpbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, bool], None]:
    """Runs what a page shows, from top to bottom, in a folder with the published runs."""
    monkeypatch.chdir(tmp_path)
    published = ROOT / "results" / "published"
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(published)
    for name in ("<name>", "before", "after", "laptop"):
        (tmp_path / "results" / name).symlink_to(published / "xeon-2cpu-default")
    (tmp_path / "results" / "server").symlink_to(published / "epyc-2cpu-default")

    def run(command: Command) -> None:
        for words in command.variants():
            dry = ["--dry-run"] if command.mark and command.mark.word == DRY else []
            if words[1] in READING:
                answer = CliRunner().invoke(app, list(words[1:]), env={"COLUMNS": "80"})
                code, said = answer.exit_code, f"{answer.output}{answer.exception or ''}"
            else:
                answer = xpbench(*words[1:], *dry, timeout=1200)
                code, said = answer.returncode, answer.stdout + answer.stderr
            assert code == command.exit_code, f"{' '.join(words)}: {said}"

    def play(page: Path, everything: bool) -> None:
        names: dict[str, Any] = {}
        for block in blocks(page):
            if block.saved_as:
                (tmp_path / block.saved_as).write_text(block.text)
            elif block.language == "python" and is_run(block.mark_of(""), everything):
                exec(compile(block.text, str(block), "exec"), names)
            for command in block.commands:
                if is_run(command.mark, everything):
                    assert command.words[0] == "xpbench", (
                        f"{block} is no command of ours: say why not run"
                    )
                    run(command)

    return play


def is_run(mark: Any, everything: bool) -> bool:
    return mark is None or (everything and mark.word in (SLOW, DRY))


@every_page
def test_what_a_page_shows_runs(play, page: Path) -> None:
    play(page, everything=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(m.word in (SLOW, DRY) for b in blocks(page) for m in b.marks)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_shows_runs_where_that_takes_long(play, page: Path) -> None:
    play(page, everything=True)


@pytest.fixture(scope="module")
def measured(xpbench_in, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What is printed where the kernel of the README is measured beside one of ours, and the run."""
    folder = tmp_path_factory.mktemp("readme")
    (block,) = (block for block in blocks(ROOT / "README.md") if block.saved_as)
    (folder / block.saved_as).write_text(block.text)
    smoke = ("--backend", "numpy", "--preset", "smoke", "--out", "run")
    answer = xpbench_in(folder, "run", "my_kernel.py", "matmul", *smoke)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout, folder / "run"


def test_the_kernel_in_the_readme_is_short_and_is_measured_beside_ours(measured) -> None:
    (block,) = (block for block in blocks(ROOT / "README.md") if block.saved_as)
    assert len(block.text.splitlines()) < 25
    printed, _ = measured
    assert "gram" in printed
    assert "matmul" in printed


def test_the_files_of_a_run_are_explained(measured) -> None:
    _, run = measured
    page = (DOCS / "run-folder.md").read_text()
    header, _, rest = page.partition("## run.json")[2].partition("## journal.jsonl")
    journal = rest.partition("## Words")[0]
    assert keys_in(header) == set(json.loads((run / "run.json").read_text()))
    for line in (run / "journal.jsonl").read_text().splitlines():
        assert keys_in(journal) == set(json.loads(line))
    for file in run.iterdir():
        assert f"| `{file.name}` |" in page


def keys_in(table: str) -> set[str]:
    first = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", " ".join(first)))


def test_what_is_not_run_says_why() -> None:
    seen = []
    for block in (block for page in PAGES for block in blocks(page)):
        lines = [command.line for command in block.commands] or [""]
        for mark in block.marks:
            assert any(block.mark_of(line) is mark for line in lines), f"{block}: {mark} marks nothing"
            assert len(mark.reason.split()) > 1, f"{block} is {mark.word}, and does not say why"
        seen += [
            f"{block}: {line or block.language} ({mark.reason})"
            for line in lines
            if (mark := block.mark_of(line)) and mark.word == NOT
        ]
    print("not run:", *seen, sep="\n  ")
    assert seen


@every_page
def test_a_page_shows_nothing_that_nobody_checks(page: Path) -> None:
    for block in blocks(page):
        directive = block.language.split(" ")[0]
        shown = directive in LANGUAGES | {"{chapter}", "{help}"} or (block.language, page.name) == (
            "",
            "README.md",
        )
        assert shown, f"{block}: {block.language or 'no language'}"


@every_page
def test_every_command_on_a_page_is_one(page: Path) -> None:
    known = typer.main.get_command(app)
    for block in blocks(page):
        for command in block.commands:
            if command.words[0] == "make":
                assert command.words[1] in makefile_targets(), f"{block}: {command.line}"
            elif command.words[0] == "xpbench":
                for words in command.variants():
                    parse(known, list(words[1:]))


def parse(known: Any, words: list[str]) -> None:
    """Raises unless a command of this name has these options; nothing is run."""
    command, name = known, "xpbench"
    while getattr(command, "commands", None):
        name = words.pop(0)
        command = command.commands[name]
    command.make_context(name, words)


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_extra_that_is_named_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    for page in PAGES:
        for named in re.findall(r"xpbench\[([\w,]+)\]|EXTRAS=([\w,]+)", page.read_text()):
            assert set("".join(named).split(",")) <= extras, page
    assert keys_in((DOCS / "install.md").read_text()) == extras


@every_page
def test_the_pictures_of_a_page_exist(page: Path) -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / path).is_file()


def test_every_column_of_a_summary_is_explained_with_its_type() -> None:
    types = {"string": "string", "Int64": "integer", "Float64": "number", "boolean": "boolean"}
    told = ROWS.findall((DOCS / "columns.md").read_text())
    assert told == [(name, types[dtype]) for name, dtype in COLUMNS.items()]


def test_every_word_of_a_status_is_explained() -> None:
    words = (DOCS / "run-folder.md").read_text().partition("## Words")[2]
    assert keys_in(words) == STATUSES.keys()


def test_every_metric_is_explained() -> None:
    table = (DOCS / "reading-the-table.md").read_text().partition("| `--metric` |")[2]
    assert keys_in(table) == {*METRICS, SCALING}


def test_every_exit_code_is_explained() -> None:
    told = re.findall(r"^\| (\d+) \|", (DOCS / "command-line.md").read_text(), re.MULTILINE)
    ours = {XpbenchError.exit_code, NothingMeasured.exit_code}
    assert {int(code) for code in told} == {0, 1, 130} | ours


def test_every_public_name_is_on_the_page_of_python() -> None:
    told = re.findall(
        r"auto(?:function|class|exception):: (\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE
    )
    assert sorted(told) == sorted(package.__all__)


def test_every_chapter_has_its_page() -> None:
    pages = {page.stem for page in (DOCS / "kernels").glob("*.md")}
    assert pages == {*CHAPTERS, "index"}
    for chapter in CHAPTERS:
        (block,) = blocks(DOCS / "kernels" / f"{chapter}.md")
        assert block.language == f"{{chapter}} {chapter}"
