"""Backends that differ in their names alone, and some that do more work: what a calibration compares.

A file of backends like any user's. Every backend of the suite has here the twins that ``twins`` names.
"""

from collections.abc import Callable
from typing import Any

from xpbench.bench import clock, registry
from xpbench.bench.backend import Backend
from xpbench.bench.twins import CALLS, EQUALS, EXTRA, equal, heavier


def _twin(base: type[Backend], name: str, calls: int) -> type[Backend]:
    def compile(self: Backend, function: Callable[..., Any]) -> Callable[..., Any]:
        once = clock.synchronous(base.compile(self, function), self.wait if self.asynchronous else None)

        def repeated(*arrays: Any) -> Any:
            for _ in range(calls - 1):
                once(*arrays)
            return once(*arrays)

        return repeated

    # The registry takes a class for a file's own by its module.
    members = {"name": name, "default": False, "compile": compile, "__module__": __name__}
    return type(name, (base,), members)


def _twins(base: type[Backend]) -> dict[str, type[Backend]]:
    calls = {equal(base.name, number): CALLS for number in range(EQUALS)}
    calls |= {heavier(base.name, extra): CALLS + more for extra, more in EXTRA.items()}
    return {name: _twin(base, name, count) for name, count in calls.items()}


for _backend in registry.find().backends.values():
    globals().update(_twins(type(_backend)))
