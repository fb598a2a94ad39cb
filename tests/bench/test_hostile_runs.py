"""A run whose every text is an attack is shown as text, and nothing of it acts: not in a browser, not in
a terminal, a spreadsheet or a document."""

import ast
import csv
import io
import json
import os
import platform
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from browser import browser, window
from processes import family, listening, sockets
from xpbench.bench import journal, log
from xpbench.bench.report.page.page import render

ATTACKS = (
    "<script>window.hacked='script'</script>",
    "</script><script>window.hacked='end'</script>",
    "<img src=x onerror=\"window.hacked='image'\">",
    "<svg onload=window.hacked='svg'>",
    '" onmouseover="window.hacked=\'attribute\'" autofocus onfocus="window.hacked=\'focus\'" x="',
    "'-(window.hacked='quote')-'",
    "javascript:window.hacked='link'",
    "</style><style>*{display:none}</style>",
    "{{7*7}}{% include '/etc/passwd' %}${window.hacked='template'}`${window.hacked='literal'}`#{7*7}",
    "<iframe srcdoc=\"<script>parent.hacked='frame'</script>\">",
    "<!--<script>window.hacked='comment'</script>-->",
    "</math><script>window.hacked='math'</script>",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\x08\x08",
    "\u202eltr\u2066\u200b\ufeff\u2028\u2029",
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\\input{/etc/passwd}\\immediate\\write18{touch owned}$\\csname a\\endcsname%",
    "[click](javascript:alert(1))![](http://example.invalid/x.png)<b>",
    "| a | b |\n| --- | --- |\n```\n# heading",
    "../../../../tmp/owned",
    "[bold red]markup[/]",
    "%s%n{0}{self.__class__}",
    "__proto__",
    "constructor",
)
NAMED = ("versions", "kernels", "errors", "in_force", "unusable", "size")
"""The objects in which keys are names that somebody chose."""
KEPT = {
    "ok",
    "wrong",
    "failed",
    "float32",
    "ieee",
    "hot",
    "1a2b3c4d",
    "3.12.0",
    "2026-11-23T04:00:00+00:00",
}
"""Texts that must be of some form: with another they are refused, or left out."""


def attacked(value: Any, within: str = "") -> Any:
    """``value`` with an attack in the place of every text, the same one for the same text."""
    if isinstance(value, dict):
        named = within in NAMED
        return {(attack(key) if named else key): attacked(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [attacked(inner, within) for inner in value]
    return attack(value) if isinstance(value, str) and value not in KEPT else value


def attack(text: str) -> str:
    return f"{ATTACKS[sum(text.encode()) % len(ATTACKS)]} {text}"


@pytest.fixture
def hostile(runs: Any) -> Path:
    """A run with an attack in each of its texts; together they hold all attacks there are."""
    measured = []
    for number, _ in enumerate(ATTACKS):
        case = runs.case(kernel=f"k{number}", size=(("n", 2**number),), size_name=f"s{number}")
        other = runs.case("torch", kernel=case.kernel, size=case.size, size_name=case.size_name)
        status = ("ok", "wrong", "failed")[number % 3]
        faulty: dict[str, Any] = {"status": status, "reason": f"r{number}"}
        faulty |= {} if status == "ok" else {"samples": ()}
        measured += [runs.forks(case), runs.forks(other, **faulty, in_force={"threads": f"v{number}"})]
    run = runs.store(*measured)
    header = json.loads((run.path / "run.json").read_text())
    for kernel in header["kernels"].values():
        kernel |= {"description": "a description", "source": "a source", "measure": "a measure"}
    header["machine"] |= {"system": "a system", "governor": "a governor", "cards": ["a card"]}
    (run.path / "run.json").write_text(json.dumps(attacked(header)))
    lines = (run.path / "journal.jsonl").read_bytes().splitlines()
    (run.path / "journal.jsonl").write_bytes(
        b"".join(log.sealed(attacked(log.opened(line))) + b"\n" for line in lines)
    )
    stored = journal.read(run.path)
    assert stored.damaged == ()
    texts = json.dumps([stored.header, [m.to_json() for m in stored.measurements]])
    assert all(json.dumps(one)[1:-1] in texts for one in ATTACKS)
    return run.path


def test_no_script_of_a_run_runs_in_a_browser_and_all_is_shown_as_text(
    hostile: Path, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(render([journal.read(hostile)]))
    with browser() as chromium, window(chromium, file) as opened:
        page = opened.page
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        seen = page.locator("body").inner_text()
        for section in page.locator("section").all():
            section.scroll_into_view_if_needed()
            opened.settle()
        for metric in page.locator("#filters [name=metric] option").evaluate_all(
            "all => all.map(o => o.value)"
        ):
            opened.choose(metric=metric)
            opened.settle()
        opened.choose(metric="latency")
        rows = page.locator("#matrix th[scope=row] button")
        for number in range(rows.count()):
            rows.nth(number).click()
            seen += page.locator("#kernel").inner_text()
            page.keyboard.press("Escape")
            page.wait_for_selector("#kernel", state="hidden")
        cells = page.locator("#matrix td button")
        for number in range(0, cells.count(), 5):
            cells.nth(number).click()
            seen += page.locator("#case").inner_text()
            page.keyboard.press("Escape")
            page.wait_for_selector("#case", state="hidden")
        page.mouse.move(400, 400)
        assert page.evaluate("() => window.hacked") is None
        assert dialogs == []
        assert opened.requests == [file.as_uri()]
        assert opened.messages == []
        assert page.locator("iframe, img, [onmouseover], [onload], [onerror], [onfocus]").count() == 0
        assert page.locator("a[href^=javascript]").count() == 0
        assert page.evaluate(
            "() => ({}).polluted === undefined && Object.prototype.kernel === undefined"
        )
    for text in (
        "<script>window.hacked='script'</script>",
        "{{7*7}}",
        "<svg onload=window.hacked='svg'>",
    ):
        assert text in seen
    assert "\x1b" not in seen
    assert "\u202e" not in seen


CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.mark.parametrize("form", ["rich", "md", "csv", "latex", "json"])
@pytest.mark.parametrize("metric", ["latency", pytest.param("error", marks=pytest.mark.slow)])
def test_nothing_of_a_run_acts_on_a_terminal(hostile: Path, typed: Any, form: str, metric: str) -> None:
    done = typed("table", hostile, "--format", form, "--metric", metric)
    assert done.returncode == 0, done.stderr
    assert not CONTROL.search(done.stdout)
    assert not CONTROL.search(done.stderr)


@pytest.mark.parametrize("command", ["compare", "check", "report", "plot"])
def test_nothing_of_a_run_acts_on_a_terminal_or_leaves_its_folder(
    hostile: Path, typed: Any, tmp_path: Path, command: str
) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "compare": (hostile, hostile),
        "check": (hostile,),
        "report": (hostile, "-o", "only.html"),
        "plot": (hostile, "-o", "only.svg"),
    }
    if command == "plot":
        pytest.importorskip("matplotlib")
    before = set(tmp_path.rglob("*"))
    done = typed(command, *arguments[command])
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert not CONTROL.search(done.stdout + done.stderr)
    assert {path.name for path in set(tmp_path.rglob("*")) - before} <= {"only.html", "only.svg"}


def test_no_field_of_the_csv_starts_a_formula(hostile: Path, typed: Any) -> None:
    done = typed("table", hostile, "--format", "csv")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert len(rows) == 2 * len(ATTACKS) + 1
    for field in (field for row in rows for field in row):
        assert field[:1] not in ("=", "@", "\t", "\r")
        assert field[:1] not in ("+", "-") or is_number(field)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Tags(HTMLParser):
    """The tags of a page, and the addresses in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


def test_markdown_of_a_run_is_tables_and_text(hostile: Path, typed: Any) -> None:
    from markdown_it import MarkdownIt

    done = typed("table", hostile, "--format", "md")
    shown = Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(done.stdout))
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    assert shown.tags <= tables | {"p", "strong", "br", "ul", "li"}
    assert shown.addresses == []


def test_latex_of_a_run_holds_no_command_of_its_texts(hostile: Path, typed: Any) -> None:
    done = typed("table", hostile, "--format", "latex")
    for command in ("\\input", "\\immediate", "\\write", "\\csname"):
        assert command not in done.stdout
    assert "textbackslash" in done.stdout


SOURCES = sorted(path for path in Path(journal.__file__).parent.rglob("*.py"))
CALLS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "joblib"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_that_could_execute_data_is_used(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in CALLS, f"{path}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & MODULES, f"{path}:{node.lineno}"  # type: ignore[attr-defined]


def test_a_stored_array_with_objects_in_it_is_not_loaded(tmp_path: Path, runs: Any) -> None:
    import numpy as np

    from xpbench.bench import data

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "owned"),))

    case = runs.case()
    np.savez(data.outputs_file(tmp_path, case), allow_pickle=True, x=np.array([Payload()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        data.kept_outputs(tmp_path, case)
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
def test_nothing_listens_on_the_network_while_a_run_measures(write_kernel: Any, tmp_path: Path) -> None:
    backends = ["--backend", "numpy", "--backend", "torch", "--backend", "jax"]
    command = [
        sys.executable,
        "-m",
        "xpbench",
        "run",
        str(write_kernel()),
        "--preset",
        "smoke",
        *backends,
    ]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen: set[int] = set()
    while run.poll() is None:
        processes = set(family(run.pid))
        seen |= processes
        ours = {inode for pid in processes for inode in sockets(pid)}
        assert not ours & listening()
        time.sleep(0.05)
    assert run.returncode == 0
    assert len(seen) > 3, "the run and its workers were looked at"


def test_of_the_environment_nothing_is_kept_that_was_not_asked_for(
    write_kernel: Any, xpbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2")
    monkeypatch.setenv("HTTPS_PROXY", "http://alice:hunter3@proxy.invalid:3128")
    monkeypatch.setenv("USER", "alice-from-accounting")
    done = xpbench("run", write_kernel(), "--backend", "numpy", "--preset", "smoke", "--out", "run")
    assert done.returncode == 0, done.stderr
    kept = "".join(file.read_text() for file in (tmp_path / "run").iterdir())
    for secret in ("hunter2", "hunter3", "alice", str(tmp_path), str(Path.home()) + "/"):
        assert secret not in kept
    assert len(platform.node()) < 4 or platform.node() not in kept
