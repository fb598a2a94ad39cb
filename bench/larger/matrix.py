"""A matrix in a ``.npy`` file, read a strip of rows at a time, with no more of it mapped than that."""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.bench.exceptions import XpbenchError, one_line

MAGIC = b"\x93NUMPY"
STRIP = 4 * 2**20
"""Bytes of the file that are read before their pages are given back."""


@dataclass(frozen=True)
class Stored:
    """What the header of a ``.npy`` file says; ``offset`` is where the numbers begin."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def bytes(self) -> int:
        """Of the numbers alone."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def stored(path: Path) -> Stored:
    """The header of the ``.npy`` file at ``path``; no number is read, and nothing is ever unpickled.

    Raises
    ------
    XpbenchError
        If there is no such file, it is no ``.npy`` of floating numbers, or it ends too early.
    """
    if not path.is_file():
        kind = "is no file" if path.exists() else "does not exist"
        raise XpbenchError(f"{path} {kind}: name a .npy file, as numpy.save writes it")
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise XpbenchError(f"{path} is no .npy file: write one with numpy.save")
            file.seek(0)
            read = _HEADERS.get(np.lib.format.read_magic(file))
            if read is None:
                raise ValueError("its format is of another version than 1.0 or 2.0")
            shape, fortran, dtype = read(file)
            found = Stored(path, shape, dtype, fortran, file.tell())
    except OSError as fault:
        raise XpbenchError(f"{path} cannot be read: {fault.strerror}") from fault
    except XpbenchError:
        raise
    except Exception as fault:  # NumPy takes the text for Python's, and whatever comes of that comes
        raise XpbenchError(f"{path} has no header of a .npy file: {one_line(fault)[:200]}") from fault
    if min(shape, default=0) < 0:
        raise XpbenchError(f"{path} has no header of a .npy file: its shape is {shape}")
    if dtype.kind != "f" or dtype.itemsize > 8:
        what = "Python objects, which are never loaded" if dtype.hasobject else f"{dtype}"
        raise XpbenchError(f"{path} holds {what}: expected float16, float32 or float64")
    size = path.stat().st_size
    if size < found.offset + found.bytes:
        raise XpbenchError(
            f"{path} ends after {size} bytes, and its header tells of {found.offset + found.bytes}: "
            "it was not written to its end"
        )
    return found


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Table:
    """The rows that are reduced: a matrix, and with a ``target`` that as their last column.

    ``target`` is the number of a column of the matrix, or a file with a number for every row.
    """

    matrix: Stored
    target: int | Stored | None = None

    @property
    def rows(self) -> int:
        return self.matrix.shape[0]

    @property
    def columns(self) -> int:
        """Of what is reduced: the features, and the target where there is one."""
        return self.matrix.shape[1] + isinstance(self.target, Stored)

    @property
    def bytes(self) -> int:
        """Of the files, as often as they are read."""
        return self.matrix.bytes + (self.target.bytes if isinstance(self.target, Stored) else 0)


def table(data: Path, target: str | None) -> Table:
    """The matrix in ``data``, 2-d and with a row for every column at least, and its target.

    Raises
    ------
    XpbenchError
        If a file is not as it should be, or the target is no column of the matrix and no file for it.
    """
    matrix = stored(data)
    if len(matrix.shape) != 2:
        raise XpbenchError(f"{data} has shape {matrix.shape}: expected rows and columns")
    rows, columns = matrix.shape
    if columns == 0:
        raise XpbenchError(f"{data} has no columns: expected one at least")
    found = Table(matrix, None if target is None else _target(target, matrix))
    features = found.columns - (target is not None)
    if features == 0:
        raise XpbenchError(f"{data} has one column, which is the target: expected others to fit it by")
    if rows < max(2, features):
        raise XpbenchError(
            f"{data} has {rows} rows and {features} columns to work with: expected as many rows at least"
        )
    return found


def _target(text: str, matrix: Stored) -> int | Stored:
    columns = matrix.shape[1]
    if text.removeprefix("-").isdecimal() and len(text) < 10:
        column = int(text)
        if not -columns <= column < columns:
            raise XpbenchError(
                f"--target {text}: {matrix.path} has {columns} columns, 0 to {columns - 1}, or -1 for "
                "the last"
            )
        return column % columns
    if not text.endswith(".npy"):
        raise XpbenchError(f"--target {text!r}: expected the number of a column, or a .npy file")
    found = stored(Path(text))
    if found.shape not in ((matrix.shape[0],), (matrix.shape[0], 1)):
        raise XpbenchError(
            f"--target {text} has shape {found.shape}: expected a number for each of the "
            f"{matrix.shape[0]} rows of {matrix.path}"
        )
    return found


class Reader:
    """Reads blocks of a table through memory maps, whose pages it gives back as it goes.

    Pages of a map count to the process that touched them until it says that it needs them no more; they
    stay in the system's cache, which is nobody's.
    """

    def __init__(self, rows: Table) -> None:
        self._table = rows
        files = [file for file in (rows.matrix, rows.target) if isinstance(file, Stored)]
        self._maps = {file.path: _Map(file) for file in files}

    def block(self, start: int, stop: int, dtype: str) -> np.ndarray:
        """Rows ``start`` to ``stop``, the target as the last column.

        Raises
        ------
        XpbenchError
            If a number is not finite, in the file or in ``dtype``.
        """
        out = np.empty((stop - start, self._table.columns), dtype)
        matrix = self._table.matrix
        strip = max(1, STRIP // max(1, matrix.shape[1] * matrix.dtype.itemsize))
        for first in range(start, stop, strip):
            last = min(first + strip, stop)
            here = out[first - start : last - start]
            with np.errstate(over="ignore"):
                self._fill(here, first, last)
            if not np.isfinite(here).all():
                row, column = np.argwhere(~np.isfinite(here))[0]
                raise XpbenchError(self._not_finite(first + int(row), int(column), here[row, column]))
        return out

    def _fill(self, out: np.ndarray, first: int, last: int) -> None:
        matrix, target = self._table.matrix, self._table.target
        rows = self._maps[matrix.path]
        if isinstance(target, int):
            out[:, :target] = rows.array[first:last, :target]
            out[:, target:-1] = rows.array[first:last, target + 1 :]
            out[:, -1] = rows.array[first:last, target]
        elif target is None:
            out[:] = rows.array[first:last]
        else:
            out[:, :-1] = rows.array[first:last]
            out[:, -1] = self._maps[target.path].array[first:last].reshape(-1)
        for each in self._maps.values():
            each.give_back()

    def _not_finite(self, row: int, column: int, value: float) -> str:
        target, last = self._table.target, column == self._table.columns - 1
        path, place = self._table.matrix.path, column
        if isinstance(target, Stored) and last:
            path, place = target.path, 0
        elif isinstance(target, int):
            place = target if last else column + (column >= target)
        return (
            f"{path} holds {value} in row {row}, column {place}: expected finite numbers; leave such "
            "rows out, or fill them in; where a number is too large for --dtype, take a wider one"
        )


class _Map:
    def __init__(self, stored: Stored) -> None:
        with stored.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(self._map, stored.dtype, int(np.prod(stored.shape)), stored.offset)
        self.array = flat.reshape(stored.shape, order="F" if stored.fortran else "C")

    def give_back(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
