"""Floating dtypes by their names. bfloat16 is one of them, though NumPy has it from ml_dtypes and does
not count it among its own: its ``kind`` there is ``V``."""

from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALF = ("float16", "bfloat16")
"""The dtypes of two bytes, whose products libraries sum in float32."""


def kind(dtype: np.dtype[Any]) -> str:
    """``dtype.kind``, and ``f`` for bfloat16."""
    return "f" if dtype == BFLOAT16 else dtype.kind


def eps(dtype: Any) -> float:
    """The distance from 1 to the next number in a floating or complex ``dtype``."""
    return 2.0**-7 if np.dtype(dtype) == BFLOAT16 else float(np.finfo(dtype).eps)


def itemsize(dtype: str) -> int:
    """Bytes an entry."""
    return np.dtype(dtype).itemsize
