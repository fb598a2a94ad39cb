"""How large is the page, how soon is it painted, and how fast does it answer?

Takes a stored run, and runs of more cases made from it (every kernel again under other names), opens
their pages in Chromium, and prints for each its size, the first paint, and how long it takes from a
choice in the filters until that is on the screen: of the median choice, and of the slowest.

    python benchmarks/page.py [RUN] [--cases 5000]
"""

import argparse
import itertools
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from xpbench.bench import journal
from xpbench.bench.case import Case
from xpbench.bench.journal import Run
from xpbench.bench.report.page.page import render

SUITE = Path(__file__).parents[1] / "results" / "published" / "xeon-2cpu-suite"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHOICES = (
    {"size": "large"},
    {"size": ""},
    {"chapter": "statistics"},
    {"chapter": ""},
    {"what": "slower"},
    {"what": ""},
    {"kernel": "sv"},
    {"kernel": ""},
    {"hide": "jax@cpu"},
    {"hide": ""},
    {"metric": "error"},
    {"metric": "latency"},
)
ANSWER = """(choice) => new Promise((done) => {
  const began = performance.now();
  const control = document.querySelector(`#filters [name=${Object.keys(choice)[0]}]`);
  if (control) {
    control.value = Object.values(choice)[0];
    control.dispatchEvent(new Event(control.type === "search" ? "input" : "change"));
  } else {
    const box = document.querySelector("#filters [name=place][value='jax@cpu']");
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change"));
  }
  document.getElementById("matrix").getBoundingClientRect();
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    channel.port2.postMessage(0);
  });
})"""
"""From the choice to the end of the frame that shows it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", nargs="?", type=Path, default=SUITE)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--no-browser", action="store_true", help="Only the sizes.")
    options = parser.parse_args()
    run = journal.read(options.run)
    counts = sorted({len(run.cases), options.cases // 2, options.cases * 3 // 4, options.cases})
    print(f"{'cases':>6} {'MB':>6} {'paint':>8} {'drawn':>8} {'filter':>8} {'longest':>8}", flush=True)
    sizes = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            file = Path(scratch) / f"{count}.html"
            file.write_text(render([repeated(run, count)]))
            sizes.append(file.stat().st_size)
            times = [] if options.no_browser else opened(file)
            said = "".join(f" {1000 * seconds:>5.0f} ms" for seconds in times)
            print(f"{count:>6} {sizes[-1] / 1e6:>6.2f}{said}", flush=True)
    for (fewer, small), (more, large) in itertools.pairwise(zip(counts, sizes, strict=True)):
        print(f"{(large - small) / (more - fewer):.0f} bytes a case from {fewer} to {more} cases")


def repeated(run: Run, count: int) -> Run:
    """A run of ``count`` cases: those of ``run``, and again with its kernels under other names."""
    cases = list(run.cases)
    while len(cases) < count:
        cases += [renamed(case, len(cases) // len(run.cases)) for case in run.cases]
    cases = cases[:count]
    kernels = {case.kernel: run.header["kernels"][case.kernel.split("__")[0]] for case in cases}
    header = {**run.header, "kernels": kernels, "cases": [case.to_json() for case in cases]}
    wanted = set(cases)
    times = range(-(-count // len(run.cases)))
    measured = (replace(m, case=renamed(m.case, again)) for again in times for m in run.measurements)
    return replace(run, header=header, measurements=tuple(m for m in measured if m.case in wanted))


def renamed(case: Case, again: int) -> Case:
    return replace(case, kernel=f"{case.kernel}__{again}") if again else case


def opened(file: Path) -> Sequence[float]:
    """Seconds to the first paint, until all is drawn, of the median answer, and of the longest."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        paint = page.evaluate(
            "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        drawn = page.evaluate("() => performance.getEntriesByName('drawn')[0].startTime")
        page.wait_for_timeout(500)
        answers = []
        for choice in CHOICES * 3:
            answers.append(page.evaluate(ANSWER, choice))
            page.wait_for_timeout(150)
        # Every choice is made three times; the median of a choice is its time.
        by_choice = [statistics.median(answers[at :: len(CHOICES)]) for at in range(len(CHOICES))]
    return [ms / 1000 for ms in (paint, drawn, statistics.median(by_choice), max(by_choice))]


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


if __name__ == "__main__":
    main()
