"""A fuzzer for what reads runs: bytes that it makes up stand in the place of a file, and nothing but our
own errors may come, nor may a whole record be lost.

    pip install atheris
    python tests/fuzz_runs.py tests/bench/corpus -max_total_time=600

What it finds belongs into tests/bench/corpus, where tests/bench/test_arbitrary_runs.py reads it again.
The first byte of an input says which file the others are.
"""

import contextlib
import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path

FILES = ("journal.jsonl", "run.json", "journal.jsonl.gz", "roofs.jsonl", "cards.jsonl", "profiles.jsonl")
GOOD = Path(__file__).resolve().parents[1] / "results" / "published" / "xeon-2cpu-default"


class Reader:
    """Reads and shows the run in the folder ``good`` with other bytes in the place of one of its files.

    What was read is shown once: most inputs are left out whole, and leave the run as it was.
    """

    def __init__(self, good: Path, scratch: Path) -> None:
        from xpbench.bench import journal

        self._good = good
        self._folder = Path(shutil.copytree(good, scratch / "run"))
        self._whole = {m.key for m in journal.read(good).measurements}
        self._shown: set[int] = set()

    def read(self, content: bytes) -> None:
        if not content:
            return
        name = FILES[content[0] % len(FILES)]
        file, original = self._folder / name, self._good / name
        kept = original.read_bytes() if name.endswith(".jsonl") and original.exists() else b""
        file.write_bytes(content[1:] + b"\n" + kept)
        try:
            self._show(name)
        finally:
            if original.exists():
                shutil.copyfile(original, file)
            else:
                file.unlink()

    def _show(self, name: str) -> None:
        from xpbench.bench import journal
        from xpbench.bench.checking.check import check
        from xpbench.bench.exceptions import XpbenchError
        from xpbench.bench.report.provenance import provenance
        from xpbench.bench.report.summary import summarise
        from xpbench.bench.report.table import render

        with contextlib.suppress(XpbenchError):
            run = journal.read(self._folder, rounds=False)
            whole = name in ("run.json", "journal.jsonl.gz")
            assert whole or self._whole <= {m.key for m in run.measurements}
            read = hash(repr(dataclasses.replace(run, damaged=())))
            if read in self._shown:
                return
            self._shown.add(read)
            frame = summarise([run])
            for form in ("md", "csv", "json", "latex"):
                with contextlib.suppress(XpbenchError):
                    render(frame, form)
            provenance(run)
        with contextlib.suppress(XpbenchError):
            check(self._folder, own=())


def main() -> None:
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["xpbench"]):
        import xpbench.bench.checking.check
        import xpbench.bench.report.table  # noqa: F401

    from xpbench.bench import journal

    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        good = Path(scratch) / "good"
        good.mkdir()
        stored = journal.read(GOOD)
        journal.create(good / "run", {**stored.header, "cases": stored.header["cases"][:6]})
        for measurement in stored.measurements[:12]:
            journal.append(good / "run", measurement)
        tempfile.tempdir = scratch
        atheris.Setup(sys.argv, Reader(good / "run", Path(scratch)).read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
