"""What the process that reduces a matrix is asked for, and what it tells at its end."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

PCA, LSTSQ = "pca", "lstsq"


@dataclass(frozen=True)
class Work:
    """``answer`` is the ``.npz`` to write; ``memory`` counts bytes of the whole process."""

    problem: str
    data: str
    target: str | None
    components: int
    intercept: bool
    form: str
    backend: str
    device: str
    dtype: str
    threads: int
    memory: int
    answer: str

    @property
    def centred(self) -> bool:
        return self.problem == PCA or self.intercept

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True)
class Done:
    """What it took. ``seconds`` go from the first read to the answer on the host; bytes are of the
    process: ``before`` the first block, at ``peak``, and ``mapped`` from files at the end."""

    rows: int
    columns: int
    block_rows: int
    blocks: int
    seconds: float
    file_bytes: int
    before: int
    peak: int
    mapped: int
