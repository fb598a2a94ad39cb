"""A result that is wrong once in a process is told from one that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from xpbench.bench import journal

KERNEL = """
import numpy as np
from xpbench import Kernel

CALLS = []


def late(xp, x):
    \"\"\"Twice every number.

    b = 2 a
    \"\"\"
    CALLS.append(None)
    return x * 2 + {off}


Kernel(
    compute=late,
    inputs=lambda rng, n: (rng.standard_normal(n),),
    reference=lambda x: 2 * x,
    sizes={{"small": {{"n": 64}}}},
)
"""
ONCE = "the first call in its process, and no second one: "


@pytest.mark.parametrize(
    ("off", "once"),
    [("(1e-3 if len(CALLS) == 1 else 0)", True), ("1e-3", False)],
    ids=["once", "always"],
)
def test_a_library_that_is_wrong_before_it_is_ready_is_told_from_one_that_is_wrong(
    xpbench: Any, tmp_path: Path, off: str, once: bool
) -> None:
    # As torch on the CPU may be, whose MKL keeps fewer digits in a first call: PyTorch's issue 188792.
    (tmp_path / "late.py").write_text(KERNEL.format(off=off))
    options = ("--backend", "numpy", "--forks", "1", "--time", "0.01", "--no-roofs", "--out", "run")
    answer = xpbench("run", "late.py", *options, "--quiet")
    assert answer.returncode == 1, answer.stderr
    [found] = journal.read(tmp_path / "run").measurements
    assert found.status == "wrong"
    assert found.reason.startswith(ONCE) == once, found.reason
    assert not found.samples
    assert len(found.errors) > 0
