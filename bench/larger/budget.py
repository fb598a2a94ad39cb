"""How many rows may a block have, in the memory allowed?"""

import math
import re
from dataclasses import dataclass

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.larger.forms import Form
from xpbench.bench.larger.matrix import STRIP
from xpbench.bench.report.quantities import volume

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
WIDE = 8
"""Bytes an entry of what is d by d: NumPy factorizes float32 in float64."""
SPREAD = 2
"""MiB by which what a process holds at its start differs from one to the next."""
MARGIN = 1 / 16
"""Of what is left, kept for what nobody has counted: heaps that do not fit together, a compiler."""


def parse_bytes(text: str) -> int:
    """``256MB``, ``1.5 GiB`` or ``300000000`` as bytes; KB is 1000 bytes and KiB 1024.

    Raises
    ------
    XpbenchError
        If it is no amount of memory.
    """
    said = re.fullmatch(
        r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([KMGT]?)(I?)B?)", text.strip().upper(), re.A
    )
    if not said or (said[3] and not said[2]) or float(said[1]) == 0:
        raise XpbenchError(f"--memory {text!r}: expected an amount, e.g. 256MB, 1.5GB or 2GiB")
    unit = UNITS[said[2]]
    if said[3]:
        unit = 1024 ** list(UNITS).index(said[2])
    return int(float(said[1]) * unit)


@dataclass(frozen=True)
class Budget:
    """Bytes: all that are ``allowed`` to the process, and what it held ``before`` the first block."""

    allowed: int
    before: int

    @property
    def left(self) -> int:
        return int((self.allowed - self.before - STRIP) * (1 - MARGIN))


def block_rows(budget: Budget, form: Form, rows: int, columns: int, itemsize: int) -> int:
    """The rows of a block, from ``columns`` to ``rows``, of which ``form.copies`` fit beside the
    matrices.

    A block that is wider than tall would be reduced to nothing smaller.

    Raises
    ------
    XpbenchError
        If the matrices of ``columns`` by ``columns`` and the smallest block do not fit.
    """
    square, row = WIDE * columns**2, itemsize * columns
    smallest = min(rows, columns)
    matrices = form.squares * square
    needed = max(matrices + form.copies * smallest * row, form.final * square)
    if needed > budget.left:
        least = math.ceil((budget.before + STRIP + needed / (1 - MARGIN)) / 2**20) + SPREAD
        raise XpbenchError(
            f"--memory allows {volume(budget.allowed)}: Python and the library hold "
            f"{volume(budget.before)} of it, and blocks of {smallest} rows and the matrices of "
            f"{columns} x {columns} that they are reduced to take {volume(needed)} more (--form "
            f"{form.name}); allow {least}MiB at least, or take fewer columns"
        )
    return min(rows, (budget.left - matrices) // (form.copies * row))
