"""How the commands end that compare in one run."""

from typing import Any

import pytest
import typer

from xpbench.bench.commands.measure import DISAGREED, exit_as_found
from xpbench.bench.exceptions import NothingMeasured

WRONG_KERNEL = """
import numpy as np
from xpbench import Kernel


def doubled(xp, x):
    \"\"\"Twice every number, which the oracle takes for thrice.\"\"\"
    return 2 * x


Kernel(
    compute=doubled,
    inputs=lambda rng, n: (rng.standard_normal(n),),
    reference=lambda x: 3 * x,
    sizes={"small": {"n": 512}},
    flops=lambda n: n,
)
"""


def test_what_is_wrong_is_an_exit_code(runs: Any) -> None:
    right, other = runs.case(), runs.case("torch")
    exit_as_found(runs.store(runs.forks(right), runs.forks(other)).path)
    wrong = runs.forks(other, count=1, status="wrong", samples=())
    with pytest.raises(typer.Exit) as end:
        exit_as_found(runs.store(runs.forks(right), wrong).path)
    assert end.value.exit_code == DISAGREED


def test_where_nothing_ran_that_is_told(runs: Any) -> None:
    late = runs.forks(runs.case(), count=1, status="timeout", samples=(), reason="took too long")
    with pytest.raises(NothingMeasured, match="took too long"):
        exit_as_found(runs.store(late).path)


@pytest.mark.slow
def test_scaling_ends_with_a_disagreement_where_there_is_one(xpbench: Any, tmp_path: Any) -> None:
    pytest.importorskip("jax")
    (tmp_path / "doubled.py").write_text(WRONG_KERNEL)
    options = ("--devices", "1,2", "--size", "small", "--no-weak", "--forks", "1", "--time", "0.001")
    answer = xpbench("scaling", "doubled.py", *options, "--no-roofs", "--quiet")
    assert answer.returncode == DISAGREED, answer.stderr
    assert "wrong" in answer.stdout.lower()
