"""What a fleet of Dask's workers keeps of what is over."""

from dataclasses import dataclass
from typing import Any

import pytest

from xpbench.bench.cluster.block import Block, Expected, Result
from xpbench.bench.cluster.dask_fleet import DaskFleet
from xpbench.bench.cluster.fleet import Place
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.plan import Settings

BLOCK = Block("b", 0, (), Settings(1, 0.01, 1, "ieee", 0, 1.0, "numpy"), Expected("1", {}, {}))


@dataclass
class Future:
    """One that is over, with a result or with a fault."""

    outcome: Any
    key: str = "k"

    def done(self) -> bool:
        return True

    def cancel(self) -> None: ...

    def result(self, timeout: float) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Client:
    status = "running"


def test_a_block_that_fails_costs_no_other_that_was_over() -> None:
    fleet = DaskFleet(Client(), "tcp://node1:8786")
    fleet._workers = {"a": {}, "b": {}}
    outcomes = {"a": {"machine": {"id": "1"}}, "b": ValueError("no such kernel")}
    fleet._running = {
        name: (Future(outcome), BLOCK, Place(name, None, False)) for name, outcome in outcomes.items()
    }
    with pytest.raises(XpbenchError, match=r"could not be measured .*no such kernel"):
        fleet.ended()
    [kept] = fleet.stop()
    assert kept.result == Result({"id": "1"})
