"""What backends are given and judged by: inputs and oracle, made once a run, by a process of its own."""

import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench import floating, registry
from xpbench.bench.case import Case
from xpbench.bench.clock import as_sequence
from xpbench.bench.exceptions import Unsupported, is_refusal
from xpbench.bench.kernel import Kernel
from xpbench.bench.task import Task, announce, die_with_parent


@dataclass(frozen=True)
class Data:
    """Host arrays of one kernel, size and dtype.

    ``inputs`` have the dtype of the case (integers and booleans are kept); ``reference`` holds the
    oracle's outputs, or is ``None`` where the size is beyond the oracle.
    """

    inputs: tuple[np.ndarray, ...]
    reference: tuple[np.ndarray, ...] | None

    @property
    def exact_inputs(self) -> tuple[np.ndarray, ...]:
        """The inputs as the oracle sees them: rounded to the dtype, then cast up to float64."""
        return tuple(widen(array) for array in self.inputs)


class DataFault(Exception):
    """Inputs or oracle could not be made. ``status`` is the word for the cells that need them."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def widen(array: np.ndarray) -> np.ndarray:
    """A copy, in double precision where it is floating or complex: an oracle may write to it."""
    wide = {"f": np.float64, "c": np.complex128}.get(floating.kind(array.dtype), array.dtype)
    return np.array(array, dtype=wide)


def draw(kernel: Kernel, case: Case, seed: int) -> Data:
    """Makes inputs and oracle, which depend on kernel, size, dtype and ``seed`` alone."""
    size = dict(case.size)
    words = [seed, zlib.crc32(f"{case.kernel} {case.size_text}".encode())]
    drawn = as_sequence(kernel.inputs(np.random.default_rng(words), **size))
    if not drawn:
        raise ValueError("inputs returned no array; a kernel needs at least one")
    inputs = tuple(_rounded(np.asarray(array), case.dtype) for array in drawn)
    data = Data(inputs, None)
    if not kernel.oracle_applies(size):
        return data
    outputs = as_sequence(kernel.reference(*data.exact_inputs, **kernel.static_of(size)))
    made = tuple(np.asarray(output) for output in outputs)
    for index, output in enumerate(made):
        if output.dtype.kind not in "fciub":
            raise TypeError(f"reference returned {outputs[index]!r:.60}; expected an array of numbers")
    return Data(inputs, made)


def store(folder: Path, case: Case, kernel: Kernel, seed: int) -> None:
    """Makes the data of ``case`` and writes it; a fault is written too, for the workers to report."""
    place = _place(folder, case)
    place.mkdir(parents=True, exist_ok=True)
    try:
        data = draw(kernel, case, seed)
        for index, array in enumerate(data.inputs):
            np.save(place / f"input-{index}.npy", _storable(array), allow_pickle=False)
        for index, array in enumerate(data.reference or ()):
            np.save(place / f"reference-{index}.npy", array, allow_pickle=False)
    except Unsupported as lack:
        _write(place, {"status": "unsupported", "reason": str(lack)})
    except MemoryError as error:
        _write(place, {"status": "oom", "reason": f"inputs or oracle: {error}"})
    except BaseException as error:
        # Whatever it is, the inputs or the oracle raised it: nobody interrupts this process.
        status = "refused" if is_refusal(error) else "failed"
        reason = f"inputs or oracle raised {type(error).__name__}: {error}"
        _write(place, {"status": status, "reason": reason})
    else:
        references = None if data.reference is None else len(data.reference)
        bits = [index for index, array in enumerate(data.inputs) if array.dtype == floating.BFLOAT16]
        _write(place, {"inputs": len(data.inputs), "references": references, "bfloat16": bits})


def load(folder: Path, case: Case) -> Data:
    """The data of ``case``, memory-mapped.

    Raises
    ------
    DataFault
        If it could not be made.
    """
    place = _place(folder, case)
    try:
        made: dict[str, Any] = json.loads((place / "made.json").read_text())
    except OSError:
        raise DataFault("failed", "the process that makes inputs and oracle died here") from None
    if "status" in made:
        raise DataFault(made["status"], made["reason"])
    references = None
    if made["references"] is not None:
        references = tuple(_map(place / f"reference-{index}.npy") for index in range(made["references"]))
    inputs = [_map(place / f"input-{index}.npy") for index in range(made["inputs"])]
    for index in made["bfloat16"]:
        inputs[index] = inputs[index].view(floating.BFLOAT16)
    return Data(tuple(inputs), references)


def keep_outputs(folder: Path, case: Case, outputs: Sequence[np.ndarray]) -> None:
    """Writes the outputs of ``case`` for ``kept_outputs``."""
    named = {f"{index} {array.dtype}": _storable(array) for index, array in enumerate(outputs)}
    np.savez(outputs_file(folder, case), allow_pickle=False, **named)


def kept_outputs(folder: Path, case: Case) -> list[np.ndarray]:
    """What ``keep_outputs`` wrote of ``case``, in its order."""
    with np.load(outputs_file(folder, case), allow_pickle=False) as stored:
        return [
            stored[name].view(floating.BFLOAT16) if name.endswith(" bfloat16") else stored[name]
            for name in stored.files
        ]


def outputs_file(folder: Path, case: Case) -> Path:
    """Where the outputs of ``case`` are kept for a comparison between backends."""
    return folder / f"{hashlib.sha1(str(case).encode()).hexdigest()}.npz"


def _map(path: Path) -> np.ndarray:
    # An array without entries has no bytes to map.
    array: np.ndarray = np.load(path, allow_pickle=False)
    return np.load(path, mmap_mode="r", allow_pickle=False) if array.size else array


def _storable(array: np.ndarray) -> np.ndarray:
    """``array``, or its bits where it is of bfloat16: a file would bring it back without its dtype."""
    return array.view(np.uint16) if array.dtype == floating.BFLOAT16 else array


def _write(place: Path, made: dict[str, Any]) -> None:
    (place / "made.json").write_text(json.dumps(made))


def _place(folder: Path, case: Case) -> Path:
    return folder / hashlib.sha1(case.data.encode()).hexdigest()


def _rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    if array.dtype.kind == "c":
        return array.astype(np.result_type(dtype, np.complex64))
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _distinct(cases: list[Case]) -> Iterator[Case]:
    yield from {case.data: case for case in cases}.values()


def main(task_file: str) -> None:
    """Makes all the data of a task, and says on standard output which of it is done."""
    say = announce()
    die_with_parent()
    task = Task.read(Path(task_file))
    found = registry.find(task.files)
    say(event="ready")
    for case in _distinct(list(task.cases)):
        say(event="start", id=str(case), data=case.data)
        store(task.data, case, found.kernel(case.kernel), task.seed)
        say(event="end", id=str(case))
    say(event="bye")


if __name__ == "__main__":
    main(sys.argv[1])
