"""The parent's side: a work is checked, handed to a process of its own, and its answer fetched."""

import dataclasses
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench import device, preparation, process, registry
from xpbench.bench.backend import Setting
from xpbench.bench.exceptions import NothingMeasured, XpbenchError
from xpbench.bench.larger import matrix, truth
from xpbench.bench.larger.forms import FORMS
from xpbench.bench.larger.work import PCA, Done, Work
from xpbench.bench.output import write

DTYPES = ("float32", "float64")
PATIENCE_SECONDS = 24 * 3600.0
"""A day for one block, or for the answer in memory: that is nobody's, and not ours to end sooner."""


@dataclass(frozen=True)
class Answered:
    """What came back: the arrays of the answer, what they took, and values with limits of a check."""

    work: Work
    arrays: dict[str, np.ndarray]
    done: Done
    agreement: Mapping[str, tuple[float, float]]

    @property
    def agrees(self) -> bool:
        """Whether nothing is seen to disagree."""
        return all(agrees(value, limit) is not False for value, limit in self.agreement.values())


def agrees(value: float, limit: float) -> bool | None:
    """``None`` where the limit is as large as what is compared, and says nothing."""
    if not value <= limit:
        return False
    return True if limit < 1 else None


def checked(work: Work, check: str | None) -> Work:
    """The work with its defaults filled in.

    Raises
    ------
    XpbenchError
        If it cannot be done as it stands; no number has been read by then.
    """
    rows = matrix.table(Path(work.data), work.target)
    if work.form not in FORMS:
        raise XpbenchError(f"--form {work.form!r}: expected {' or '.join(FORMS)}")
    if work.problem == PCA and not 1 <= work.components <= rows.columns:
        raise XpbenchError(
            f"--components {work.components}: {work.data} has {rows.columns} columns, so 1 to "
            f"{rows.columns} components"
        )
    # Numbers of two bytes are summed in four.
    dtype = work.dtype or ("float64" if rows.matrix.dtype.itemsize == 8 else "float32")
    if dtype not in DTYPES:
        raise XpbenchError(f"--dtype {dtype!r}: expected {' or '.join(DTYPES)}")
    if check is not None and check not in truth.CHECKS:
        raise XpbenchError(f"--check {check!r}: expected {' or '.join(truth.CHECKS)}")
    if work.problem != PCA and rows.rows < rows.columns - 1 + work.intercept:
        raise XpbenchError(
            f"{work.data} has {rows.rows} rows, and {rows.columns - 1} columns and a constant to fit: "
            "expected as many rows at least"
        )
    if work.device and device.parse(work.device).processes > 1:
        raise XpbenchError(
            f"--device {work.device}: --memory is that of one process: name devices of one, e.g. 4xcpu"
        )
    if check == truth.EXACT:
        truth.refuse_beyond_memory(work, rows)
    if check == truth.INCREMENTAL and work.problem != PCA:
        raise XpbenchError(
            "--check incremental: scikit-learn has no least squares in blocks; take --check exact"
        )
    if check == truth.INCREMENTAL and importlib.util.find_spec("sklearn") is None:
        raise XpbenchError("--check incremental needs scikit-learn: python -m pip install scikit-learn")
    registry.find().backend(work.backend)
    return dataclasses.replace(work, dtype=dtype)


def answer(work: Work, check: str | None, out: Path | None, on_rows: Callable[[int], None]) -> Answered:
    """Has the work done in a process of its own, and compared in another; ``out`` is written before
    that.

    ``on_rows`` is told how many rows have been reduced, block by block.

    Raises
    ------
    XpbenchError
        If it cannot be done, or not within the memory.
    NothingMeasured
        If a process ended otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="xpbench-larger-") as folder:
        work = dataclasses.replace(work, answer=str(Path(folder) / "answer.npz"))
        asked = Path(folder) / "work.json"
        work.write(asked)
        found = _ask("xpbench.bench.larger.process", asked, _environment(work), on_rows)
        done = Done(**{part.name: found["done"][part.name] for part in dataclasses.fields(Done)})
        if out is not None:
            write(Path(work.answer).read_bytes(), out)
        agreement = {}
        if check is not None:
            question = {"work": asdict(work), "check": check, "rows": done.rows}
            asked.write_text(json.dumps(question | {"height": done.block_rows}))
            said = _ask("xpbench.bench.larger.truth", asked, {}, on_rows)
            agreement = {name: (pair[0], pair[1]) for name, pair in said["agreement"]["pairs"].items()}
        with np.load(work.answer, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    return Answered(work, arrays, done, agreement)


def _environment(work: Work) -> dict[str, str]:
    backend = registry.find().backend(work.backend)
    setting = Setting(work.device or backend.home, work.threads, wide=work.dtype == "float64")
    return backend.environment(setting)


def _ask(
    module: str, asked: Path, variables: Mapping[str, str], on_rows: Callable[[int], None]
) -> dict[str, dict[str, Any]]:
    heard: dict[str, dict[str, Any]] = {}

    def hear(event: dict[str, Any]) -> None:
        heard[event["event"]] = event
        if event["event"] == "block":
            on_rows(event["rows"])

    ending = process.supervise(sys.executable, module, asked, variables, PATIENCE_SECONDS, hear)
    if "fault" in heard:
        raise XpbenchError(heard["fault"]["text"])
    if ending.fault:
        raise NothingMeasured(ending.reason)
    return heard


def threads(asked: int | None) -> int:
    """As for a run: all that this process may use, unless fewer are asked for."""
    return preparation.checked_threads(asked)
