"""Of which parts is a formula made: leaves, scripts, fractions, brackets, roots and matrices?"""

from dataclasses import dataclass

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Leaf:
    """An element of MathML that holds text: ``mi``, ``mn``, ``mo`` or ``mtext``."""

    tag: str
    text: str
    attributes: Attributes = ()


@dataclass(frozen=True)
class Gap:
    """Space of so many widths of an m."""

    em: float


@dataclass(frozen=True)
class Fence:
    """What stands in brackets; those of a call stay where a lone fraction could do without."""

    opening: str
    body: "Nodes"
    closing: str
    call: bool = False


@dataclass(frozen=True)
class Script:
    """A base with an index and a power; ``limits`` are set under and over it."""

    base: "Node"
    sub: "Nodes" = ()
    sup: "Nodes" = ()
    limits: bool = False


@dataclass(frozen=True)
class Primed:
    """A node with so many primes after it, which few fonts have well as a power."""

    base: "Node"
    primes: int


@dataclass(frozen=True)
class Fraction:
    """A quotient, ``tight`` if no spaces were around its slash."""

    numerator: "Nodes"
    denominator: "Nodes"
    tight: bool


@dataclass(frozen=True)
class Root:
    """A square root."""

    body: "Nodes"


@dataclass(frozen=True)
class Matrix:
    """Rows of cells in square brackets."""

    rows: tuple[tuple["Nodes", ...], ...]


Node = Leaf | Gap | Fence | Script | Primed | Fraction | Root | Matrix
Nodes = tuple[Node, ...]


def slash_space(tight: bool) -> Attributes:
    """The space around a slash, which is none where it is written without."""
    side = "0" if tight else "0.15em"
    return ("lspace", side), ("rspace", side)
