"""What does the page look like? A picture of the report of a stored run, as a browser shows it.

    python scripts/picture_of_page.py results/published/xeon-2cpu-default -o docs/page.png
    python scripts/picture_of_page.py RUN --at "#open=svd" --dark -o docs/page-kernel.png

Needs Playwright and Chromium (`apt-get install chromium`).
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from xpbench.bench import journal
from xpbench.bench.report.page.page import render

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--at", default="", help="The fragment of the address, e.g. #size=large.")
    parser.add_argument("--width", type=int, default=1100)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--to", default="", help="A selector to scroll to, e.g. #roofline.")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        file = Path(scratch) / "report.html"
        file.write_text(render([journal.read(run) for run in options.run]))
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(
            viewport={"width": options.width, "height": options.height},
            color_scheme="dark" if options.dark else "light",
            reduced_motion="reduce",
        )
        page.goto(file.as_uri() + options.at)
        page.wait_for_selector("html[data-ready]")
        if options.to:
            page.evaluate("(to) => document.querySelector(to).scrollIntoView()", options.to)
        page.wait_for_timeout(1000)
        page.screenshot(path=options.out)
        chromium.close()


if __name__ == "__main__":
    main()
