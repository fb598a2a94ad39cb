"""The one test that a worker's pytest runs: each case is an instance of it."""

from collections.abc import Callable

from xpbench.bench.case import Case


def test_case(case: Case, measure: Callable[[Case], None]) -> None:
    measure(case)
