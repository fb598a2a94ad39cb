"""What one machine is asked to measure at a time, and what it answers.

A block is a chunk of one fork in all its environments, back to back on one machine: a ratio is never
taken between machines.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from xpbench.bench.case import Case
from xpbench.bench.device import is_host
from xpbench.bench.plan import Settings


@dataclass(frozen=True)
class Expected:
    """What a machine must have: the version of ``xpbench``, a digest of each of its ``sources``, by
    backend the ``versions`` of its libraries, and CPUs for so many ``threads``."""

    xpbench: str
    sources: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    threads: int = 1


@dataclass(frozen=True)
class Block:
    """Cases of one fork. ``files`` are the texts of the user's files by the names that a run keeps;
    ``run`` is a name that blocks have in common which one command sends."""

    name: str
    fork: int
    cases: tuple[Case, ...]
    settings: Settings
    expected: Expected
    files: Mapping[str, str] = field(default_factory=dict)
    run: str = ""

    @property
    def on_card(self) -> bool:
        return any(not is_host(case.device) for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"cases": [case.to_json() for case in self.cases]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Block":
        return cls(
            **{
                **record,
                "cases": tuple(Case.from_json(case) for case in record["cases"]),
                "settings": Settings(**record["settings"]),
                "expected": Expected(**record["expected"]),
            }
        )


@dataclass(frozen=True)
class Result:
    """What a machine saw of a block: records as the logs of a run hold them, one for a case and fork.

    ``differs`` names what is not there as expected; then nothing was measured.
    """

    machine: Mapping[str, Any]
    differs: tuple[str, ...] = ()
    measurements: tuple[Mapping[str, Any], ...] = ()
    roofs: tuple[Mapping[str, Any], ...] = ()
    profiles: tuple[Mapping[str, Any], ...] = ()
    cards: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Result":
        told: dict[str, Any] = {
            name: tuple(part) if isinstance(part, list) else part for name, part in record.items()
        }
        return cls(**told)


@dataclass(frozen=True)
class Node:
    """What a machine tells of itself before anything is measured; ``states`` by backend, as
    ``probe.State`` has them, ``threads`` as many as a run there has by default, ``memory`` in bytes."""

    machine: Mapping[str, Any]
    xpbench: str
    sources: Mapping[str, str]
    states: Mapping[str, Mapping[str, Any]]
    threads: int = 1
    memory: int | None = None


def differences(expected: Expected, here: Expected) -> list[str]:
    """What is ``here`` otherwise than ``expected``, in words."""
    if here.xpbench != expected.xpbench:
        return [f"has xpbench {here.xpbench}, and the plan was made by {expected.xpbench}"]
    names = expected.sources.keys() | here.sources.keys()
    changed = sorted(n for n in names if expected.sources.get(n) != here.sources.get(n))
    faults = [f"has another {', '.join(changed[:3])} than the plan was made with"] if changed else []
    for backend, versions in expected.versions.items():
        now = here.versions.get(backend, {})
        if dict(now) != dict(versions):
            faults.append(f"has {_list(now)}, and the plan was made for {_list(versions)}")
    if here.threads < expected.threads:
        faults.append(
            f"has CPUs for {here.threads} of the plan's {expected.threads} threads (--threads)"
        )
    return faults


def _list(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing of it"
