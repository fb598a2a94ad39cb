"""A run on the disk that a test may spoil: the matrix products of a published one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.bench import sources
from xpbench.bench.checking.check import Checked, check

REAL = Path(__file__).resolve().parents[1] / "results" / "published" / "xeon-2cpu-default"
Record = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A run on the disk, small and real, that a test may spoil."""

    path: Path

    @property
    def header(self) -> Record:
        read: Record = json.loads((self.path / "run.json").read_text())
        return read

    def write_header(self, header: Record) -> None:
        (self.path / "run.json").write_text(json.dumps(header))

    @property
    def records(self) -> list[Record]:
        return [json.loads(line) for line in (self.path / "journal.jsonl").read_text().splitlines()]

    def write(self, header: Record, records: list[Record]) -> None:
        (self.path / "run.json").write_text(json.dumps(header))
        text = "".join(json.dumps(record) + "\n" for record in records)
        (self.path / "journal.jsonl").write_text(text)

    def check(self, own: tuple[str, ...] = ()) -> Checked:
        return check(self.path, own)


def reduced(to: Path) -> Stored:
    """The matrix products of a published run, with its roofs, as if their kernel were that of today.

    Without checksums, as older runs are, so that a test may write what it likes.
    """
    to.mkdir()
    header = json.loads((REAL / "run.json").read_text())
    header["name"] = to.name
    header.pop("checksums", None)
    header["cases"] = [case for case in header["cases"] if case["kernel"] == "matmul"]
    header["kernels"] = {"matmul": header["kernels"]["matmul"]}
    products = "xpbench/kernels/matrix_products.py"
    file = sources.of_suite(products)
    assert file is not None
    header["sources"] = {
        "xpbench": header["sources"]["xpbench"],
        products: sources.digest(file),
    }
    lines = [json.loads(line) for line in (REAL / "journal.jsonl").read_text().splitlines()]
    stored = Stored(to)
    for line in lines:
        line.pop("crc32", None)
    stored.write(header, [line for line in lines if line["case"]["kernel"] == "matmul"])
    roofs = [json.loads(line) for line in (REAL / "roofs.jsonl").read_text().splitlines()]
    for line in roofs:
        line.pop("crc32", None)
    (to / "roofs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in roofs))
    return stored


def told(found: Checked, level: str = "") -> str:
    """Everything found, a line each."""
    return "\n".join(
        f"{one.level} {one.about}: {one.says} {one.places}"
        for one in found.found
        if level in ("", one.level)
    )
