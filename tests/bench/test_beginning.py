"""What a run writes down of its kernels before it begins."""

import inspect
from collections.abc import Callable
from pathlib import Path

from xpbench.bench import beginning, journal, preparation
from xpbench.bench.plan import Request


def test_a_run_keeps_the_text_of_what_it_measures(
    tmp_path: Path, write_kernel: Callable[..., Path]
) -> None:
    file = write_kernel("double")
    prepared = preparation.prepare([str(file), "svd"], Request(backends=("numpy",), preset="smoke"))
    folder = beginning.begin(prepared, tmp_path / "run")
    file.write_text("")  # what was measured is told, not what stands there now

    kernels = journal.read(folder).header["kernels"]

    assert kernels["double"]["description"].startswith("Twice x.\n\ny = 2 x;")
    assert kernels["double"]["source"].startswith("def double(xp, x):\n")
    assert kernels["double"]["source"].endswith("return 2 * x\n")
    assert "22 n^3 flops" in kernels["svd"]["description"]
    assert inspect.cleandoc(kernels["svd"]["measure"]).startswith("LAPACK's test ratios")
