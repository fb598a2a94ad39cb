"""What ``gpu.py`` leaves to carry away: a table per run, and everything in a few files."""

import gzip
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PIECE = 15 * 2**20
PIECES = 8
MARGIN = 2**20
"""What the compressor may still hold back when the room left is asked for."""
NAME = "gpu.tar.gz"
JOURNAL = "journal.jsonl"


def runs_in(out: Path) -> list[Path]:
    """The runs below the folder ``out``.

    The many small runs of a crossover are not among them: its JSON tells what they told.
    """
    runs = [header.parent for header in sorted(out.rglob("run.json"))]
    return [run for run in runs if "=" not in run.name and (run / JOURNAL).exists()]


def has_changed(run: Path) -> bool:
    """Whether a run has measurements that its ``table.md`` cannot have."""
    table = run / "table.md"
    return not table.exists() or table.stat().st_mtime < (run / JOURNAL).stat().st_mtime


def archive(out: Path, piece: int = PIECE, pieces: int = PIECES) -> tuple[list[Path], list[str]]:
    """Packs all files of the folder ``out`` into at most ``pieces`` files of at most ``piece`` bytes.

    They lie at the top of ``out`` as ``gpu.tar.gz.0``, ...: one archive, cut. Journals are packed
    one by one, as ``xpbench table`` reads them. Returns the files, and the names of what did not fit:
    the smallest go first.
    """
    for torn in out.glob(f".{NAME}.*"):
        torn.unlink()
    stream = _Pieces(out / f".{NAME}", piece)
    room = pieces * piece - min(MARGIN, piece)
    omitted = []
    with tarfile.open(fileobj=stream, mode="w|gz") as tar:
        for name, content in sorted(_contents(out), key=lambda entry: len(entry[1])):
            if stream.written + len(content) > room:
                omitted.append(name)
                continue
            entry = tarfile.TarInfo(f"{out.name}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    for old in out.glob(f"{NAME}.*"):
        old.unlink()
    return [draft.rename(out / draft.name.removeprefix(".")) for draft in stream.files], omitted


def _contents(out: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and not any(part.startswith((".", NAME)) for part in name.parts):
            content = path.read_bytes()
            packed = path.name == JOURNAL
            yield (f"{name}.gz", gzip.compress(content, mtime=0)) if packed else (str(name), content)


class _Pieces(io.RawIOBase):
    """A file to write to that is cut into ``piece`` bytes each."""

    def __init__(self, stem: Path, piece: int) -> None:
        self.stem, self.piece, self.written = stem, piece, 0
        self.files: list[Path] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        rest = bytes(data)
        while rest:
            number, used = divmod(self.written, self.piece)
            path = self.stem.with_name(f"{self.stem.name}.{number}")
            part, rest = rest[: self.piece - used], rest[self.piece - used :]
            with path.open("ab") as file:
                self.written += file.write(part)
            if path not in self.files:
                self.files.append(path)
        return len(data)


def described(files: Sequence[Path], omitted: Sequence[str]) -> str:
    """What was packed, in a sentence."""
    size = sum(file.stat().st_size for file in files) / 2**20
    last = f" to .{len(files) - 1}" if len(files) > 1 else ""
    text = f"{NAME}.0{last}, {size:.1f} MiB: cat {NAME}.* | tar -xz"
    return text + (f"; no room for {', '.join(omitted)}" if omitted else "")
