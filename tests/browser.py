"""A real browser for the tests of the page: Chromium, driven by Playwright."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A page in a window, and what it said and asked for since it was opened."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the comparison that are shown, in their order: names, and the lines of cells."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """() => [...document.querySelectorAll('#matrix tbody tr')]
              .filter((row) => row.checkVisibility() && row.querySelector('th[scope=row]'))
              .map((row) => ({
                name: row.querySelector('th .strong').textContent,
                notes: row.querySelector('th .quiet').textContent,
                cells: [...row.querySelectorAll('td button')]
                  .filter((cell) => cell.checkVisibility())
                  .map((cell) => ({
                    index: Number(cell.dataset.case),
                    lines: [...cell.children].map((line) => line.textContent),
                  })),
              }))"""
        )
        return found

    def choose(self, **controls: str) -> None:
        """Sets controls of the filters by their names."""
        for name, value in controls.items():
            control = self.page.locator(f"#filters [name={name}]")
            if name == "kernel":
                control.fill(value)
            else:
                control.select_option(value)

    def settle(self) -> None:
        """Waits until what was chosen is drawn."""
        self.page.evaluate(
            "() => new Promise((done) =>"
            " requestAnimationFrame(() => setTimeout(() => setTimeout(done))))"
        )


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window; skips the test where it or Playwright is not there."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def window(
    chromium: Any, file: Path, fragment: str = "", options: Mapping[str, Any] | None = None
) -> Iterator[Opened]:
    """``file`` opened in a window of its own, drawn; ``options`` are those of a Playwright context."""
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **(options or {})})
    page = context.new_page()
    opened = Opened(page)
    page.on("console", lambda message: opened.messages.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda fault: opened.messages.append(f"error: {fault}"))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(file.as_uri() + fragment)
    page.wait_for_selector("html[data-ready]")
    yield opened
    context.close()


def downloaded(opened: Opened, selector: str) -> bytes:
    """The file that a click on ``selector`` saves."""
    with opened.page.expect_download() as waiting:
        opened.page.locator(selector).first.click()
    return Path(waiting.value.path()).read_bytes()


def table_of(command: Any, *arguments: str | Path) -> list[dict[str, Any]]:
    """What ``xpbench table --format json`` prints."""
    done = command("table", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
