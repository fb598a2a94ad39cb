"""What a run over several machines asks of whatever starts work there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from xpbench.bench.cluster.block import Block, Node, Result
from xpbench.bench.cluster.kind import Kind
from xpbench.bench.exceptions import XpbenchError


class Lost(XpbenchError):
    """What starts the work is gone: nothing more comes of the run until it is resumed."""


@dataclass(frozen=True)
class Place:
    """Where one block may go now. Its ``kind`` is unknown where a scheduler chooses the machine."""

    name: str
    kind: Kind | None
    card: bool

    def can_take(self, block: Block) -> bool:
        return self.card or not block.on_card


@dataclass(frozen=True)
class Ended:
    """A block that is over: with its result, or with why the machine is lost that had it."""

    block: Block
    place: Place
    result: Result | None = None
    reason: str = ""


class Fleet(Protocol):
    """The machines of a run, which may come and go."""

    def ask(self, question: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """What ``work.describe`` answers on every machine, or on one where a scheduler chooses."""

    def require(self, faults_of: Callable[[Node], list[str]]) -> None:
        """What a machine that comes later may not lack."""

    def free(self) -> Sequence[Place]:
        """Where there is room for a block; machines that came since are among them."""

    def places(self) -> Sequence[Place]:
        """Where blocks may go, busy or not."""

    def send(self, block: Block, place: Place) -> None: ...

    def ended(self) -> list[Ended]:
        """What is over since the last time; waits a moment where nothing is.

        Raises
        ------
        Lost
            If nothing more can come.
        """

    def stop(self) -> list[Ended]:
        """Has end at once what was sent and is not over; gives what is known of it by then."""

    def notes(self) -> list[str]:
        """What the user must know of the machines, once."""

    def close(self) -> None:
        """Lets the machines go; what was sent and is not over ends."""
