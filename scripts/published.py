"""Makes everything that is shown of the runs in results/published: their tables, the list of them, the
README's pictures, and pages for the site.

    python scripts/published.py              what is committed, and the pages into build/gallery
    python scripts/published.py --shots      the pictures of a browser and of a run at work, too
    python scripts/published.py --check      exit 1 where what is committed is not what would be made
"""

import argparse
import contextlib
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import compile_times
import predictions
from published_page import Entry, index
from rich.console import Console

from xpbench.bench import calibration, journal
from xpbench.bench.checking import contents
from xpbench.bench.checking.contents import SUMS
from xpbench.bench.checking.sums import sums
from xpbench.bench.cli import app
from xpbench.bench.commands.table import table
from xpbench.bench.journal import HEADER, Run
from xpbench.bench.report import cost_table, efficiency_table
from xpbench.bench.report.calibration_table import as_table, rate_words
from xpbench.bench.report.markdown import as_markdown, escape
from xpbench.bench.report.overall import overall
from xpbench.bench.report.provenance import library_versions
from xpbench.bench.report.quantities import volume
from xpbench.bench.report.records import records, visible
from xpbench.bench.report.sheet import prepared
from xpbench.bench.report.summary import summarise
from xpbench.bench.report.verdict import verdicts
from xpbench.bench.twins import base_of

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = Path("results/published")
INDEX = PUBLISHED / "README.md"
PAGES = Path("build/gallery")
SUITE = "xeon-2cpu-suite"
NOTES, TABLE = "notes.md", "table.md"
FEW_NAMES = 5


@dataclass(frozen=True)
class Picture:
    """A file of the README or the site, and what is typed after ``xpbench`` to make it."""

    file: str
    command: str


_RUNS = "results/published/xeon-2cpu-default results/published/epyc-2cpu-default"
PICTURES = (
    Picture("docs/table.svg", "table results/published/epyc-2cpu-default --format svg"),
    Picture("docs/two-machines.svg", f"plot {_RUNS} --kind heatmap"),
    Picture("docs/scaling.svg", "plot results/published/xeon-2cpu-default --kind scaling"),
    Picture("docs/roofline.svg", "plot results/published/xeon-2cpu-default --kind roofline"),
)
"""What comes out the same to the last byte: what is committed is held against its command."""

_DEFAULT = "results/published/xeon-2cpu-default"
SHOTS = (
    Picture("docs/page.png", f"picture_of_page.py {_DEFAULT} --height 1150"),
    Picture("docs/page-kernel.png", f"picture_of_page.py {_DEFAULT} --at #open=svd"),
    Picture(
        "docs/progress.svg",
        "progress_picture.py --at 0.6 run --backend numpy --backend torch --backend jax"
        " --backend jax-eager --backend array-api-strict --size small --forks 4 --time 0.05",
    ),
)
"""What a browser or a terminal shows, which is never the same twice: a script and its arguments."""


def made(root: Path) -> Iterator[tuple[Path, bytes]]:
    """What is committed under ``root`` of the published runs, file by file."""
    runs = published(root)
    found = {run.name: calibrated(run) for run in runs if calibration.is_of_twins(run)}
    for run in runs:
        text = fenced(run, found[run.name]) if run.name in found else tables(run)
        table_of_run = text.encode()
        yield run.path.relative_to(root) / TABLE, table_of_run
        yield run.path.relative_to(root) / SUMS, summed(run, table_of_run)
    parts = {"runs": listed([entry(run, found.get(run.name)) for run in runs])}
    parts |= {name: f"```\n{text}```\n" for name, (text, _) in found.items()}
    yield INDEX, filled((root / INDEX).read_text(), parts).encode()
    for picture in PICTURES:
        yield Path(picture.file), drawn(picture, root)
    for suite in (run for run in runs if run.name == SUITE):
        yield Path("docs/compile-times.md"), compile_times.page(suite).encode()
    sharded = next((run for run in runs if run.name == predictions.PUBLISHED), None)
    yield Path("docs/predictions.md"), predictions.page(sharded).encode()


def summed(run: Run, table_of_run: bytes) -> bytes:
    """The checksums of a run's files, its table being what is about to be written."""
    held, _ = contents.survey(run.path)
    lines = dict(line.split("  ")[::-1] for line in sums(held).splitlines())
    lines[TABLE] = hashlib.sha256(table_of_run).hexdigest()
    return "".join(f"{lines[name]}  {name}\n" for name in sorted(lines)).encode()


def published(root: Path) -> list[Run]:
    """The runs of the gallery, the newest first."""
    folders = sorted(file.parent for file in (root / PUBLISHED).glob(f"*/{HEADER}"))
    runs = [journal.read(folder) for folder in folders]
    return sorted(runs, key=lambda run: str(run.header.get("created")), reverse=True)


def tables(run: Run) -> str:
    """The tables of a run in Markdown, as ``xpbench table --format md`` writes them, below what it costs
    to write once and what several devices are worth, where the run tells that."""
    sheets = (cost_table.cost_sheet(run), efficiency_table.efficiency_sheet(run))
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "table.md"
        table([run.path], form="md", out=file)
        return "".join(f"{as_markdown(told)}\n" for told in sheets if told) + file.read_text()


def calibrated(run: Run) -> tuple[str, str]:
    """What a calibration found, as ``xpbench calibrate --show`` prints it, and its first line alone."""
    stored = json.loads((run.path / calibration.CALIBRATION).read_bytes())
    found = calibration.calibrate(run, stored["forks"])
    file = io.StringIO()
    Console(file=file, width=80, color_system=None, legacy_windows=False).print(as_table(found))
    text = "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
    return text, f"equal backends called different: {rate_words(found.errors.pairs)} pairs"


def fenced(run: Run, found: tuple[str, str]) -> str:
    return f"# {escape(visible(run.name))}\n\n```\n{found[0]}```\n"


def entry(run: Run, found: tuple[str, str] | None) -> Entry:
    """A run's line in the list."""
    header, machine = run.header, run.header["machine"]
    kernels = list(dict.fromkeys(case.kernel for case in run.cases))
    words = [
        f"{machine.get('cpu')}, {machine.get('cores')} CPUs",
        volume(float(machine["memory_bytes"])) if machine.get("memory_bytes") else "",
        str(machine.get("system") or "").split(" ")[0],
        "a virtual machine" if machine.get("hypervisor") else "",
        *(str(card) for card in machine.get("cards") or ()),
    ]
    backends = dict.fromkeys(base_of(case.backend) for case in run.cases)
    measured = [
        ", ".join(kernels) if len(kernels) <= FEW_NAMES else f"{len(kernels)} kernels",
        "/".join(dict.fromkeys(case.size_name or case.size_text for case in run.cases)),
        "/".join(dict.fromkeys(case.dtype for case in run.cases)),
        f"every one of {', '.join(backends)} against itself" if found else ", ".join(backends),
    ]
    note = run.path / NOTES
    return Entry(
        name=run.name,
        folder=run.path.name,
        machine=", ".join(filter(None, words)),
        measured="; ".join(measured),
        cases=len(run.cases),
        forks=int(header["settings"].get("forks") or 0),
        versions=", ".join(f"{name} {told}" for name, told in sorted(library_versions(run).items())),
        day=str(header.get("created"))[:10],
        says=found[1] if found else verdict(run),
        note=" ".join(note.read_text().split()) if note.is_file() else "",
    )


def verdict(run: Run) -> str:
    """The run in a sentence, as its page or its table of costs begins."""
    for told in (cost_table.sentence, efficiency_table.sentence):
        if (said := told(run)) is not None:
            return said
    rows = prepared(records(summarise([run])))
    return str(next(iter(verdicts(rows, overall([run])).values()), ""))


def listed(entries: list[Entry]) -> str:
    """The list of runs in Markdown."""
    head = "| run | machine | measured | forks | versions | what it says |\n"
    rows = [
        [
            f"[{cell(one.name)}]({quote(one.folder)}/table.md)<br>{cell(one.day)}",
            cell(one.machine),
            f"{cell(one.measured)}<br>{one.cases} cases",
            str(one.forks),
            cell(one.versions),
            "<br>".join(filter(None, [cell(one.says), cell(one.note)])),
        ]
        for one in entries
    ]
    return (
        head
        + "| --- | --- | --- | --: | --- | --- |\n"
        + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    )


def cell(text: str) -> str:
    return escape(visible(text))


def filled(text: str, parts: dict[str, str]) -> str:
    """``text`` with each part between its markers, ``<!-- name -->`` and ``<!-- /name -->``."""
    for name, part in parts.items():
        markers = re.compile(
            rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL
        )
        text = markers.sub(lambda match, part=part: f"{match[1]}\n{part}\n{match[2]}", text)
    return text


def drawn(picture: Picture, root: Path) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / Path(picture.file).name
        with contextlib.chdir(root):
            app([*picture.command.split(), "-o", str(file)], standalone_mode=False)
        return file.read_bytes()


def take_shots(root: Path) -> None:
    """Runs the scripts that take pictures of a browser and of a run on a terminal."""
    for shot in SHOTS:
        script, *arguments = shot.command.split()
        command = [sys.executable, str(root / "scripts" / script), "-o", str(root / shot.file)]
        subprocess.run([*command, *arguments], check=True, cwd=root)
        print(f"{shot.file} is taken anew")


def write_pages(root: Path) -> None:
    """A page for every run that has one, and one that lists them; they are for the site, not for git."""
    folder = root / PAGES
    folder.mkdir(parents=True, exist_ok=True)
    runs = published(root)
    entries = []
    for run in runs:
        found = calibrated(run) if calibration.is_of_twins(run) else None
        entries.append(entry(run, found))
        if found is None:
            page = folder / f"{run.path.name}.html"
            command = [sys.executable, "-m", "xpbench", "report", str(run.path), "-o", str(page)]
            subprocess.run(command, check=True)
        else:
            (folder / f"{run.path.name}.txt").write_text(found[0])
    pages = {file.stem: file.name for file in folder.iterdir() if file.stem != "index"}
    (folder / "index.html").write_text(index(entries, pages))
    print(f"{folder / 'index.html'} lists {len(entries)} runs")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where files differ")
    parser.add_argument("--shots", action="store_true", help="pictures of a browser and a run as well")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    stale = []
    for file, content in made(root):
        path = root / file
        if path.is_file() and path.read_bytes() == content:
            continue
        stale.append(str(file))
        if not options.check:
            path.write_bytes(content)
    for file in stale:
        print(f"{file} {'is not what `make gallery` makes' if options.check else 'is made anew'}")
    if not options.check:
        write_pages(root)
    if options.shots:
        take_shots(root)
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
