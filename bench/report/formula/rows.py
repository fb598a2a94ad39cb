"""Which parts of a row does a slash divide, and how far do its parts stand from one another?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xpbench.bench.report.formula.tree import Fraction, Gap, Leaf, Node, Nodes

Role = Literal[
    "factor",
    "quotient",  # a fraction without spaces: 1/2
    "ratio",  # a fraction with them: a / 2
    "function",  # a function or operator whose argument follows without brackets
    "large",  # a large operator, which has its own space
    "prefix",
    "sign",
    "dots",
    "slash",
    "separator",
    "text",
]


@dataclass(frozen=True)
class Item:
    """A piece of a row before its fractions are formed, with so many spaces ``before`` it."""

    role: Role
    nodes: Nodes
    before: int


def divided(items: Sequence[Item]) -> list[Item]:
    """The items with a slash and what it divides made a fraction, where that is without doubt."""
    done: list[Item] = []
    at = 0
    while at < len(items):
        item = items[at]
        if item.role == "slash":
            tight = at + 1 < len(items) and not item.before + items[at + 1].before
            begin, end = _numerator(done, tight), _denominator(items, at + 1, tight)
            if begin is not None and end is not None:
                fraction = Fraction(spaced(done[begin:]), spaced(items[at + 1 : end]), tight)
                role: Role = "quotient" if tight else "ratio"
                done[begin:] = [Item(role, (fraction,), done[begin].before)]
                at = end
                continue
        done.append(item)
        at += 1
    return done


def _numerator(done: Sequence[Item], tight: bool) -> int | None:
    """Where the numerator of a slash that follows begins: a product, or without spaces one factor.

    A sum is not divided but what is summed. ``log x / 2`` can mean either, and keeps its slash.
    """
    if tight:
        unit = not done or (len(done[-1].nodes) == 1 and _is_name(done[-1].nodes[0]))
        return len(done) - 1 if done and done[-1].role == "factor" and not unit else None
    begin = len(done)
    while begin and done[begin - 1].role in ("factor", "quotient"):
        begin -= 1
        if done[begin].before > 1:
            break
    else:
        if begin and done[begin - 1].role in ("function", "slash"):
            return None
    return begin if begin < len(done) else None


def _denominator(items: Sequence[Item], at: int, tight: bool) -> int | None:
    """Where the denominator from ``at`` on ends: one factor, or all of a sum's product."""
    if at < len(items) and items[at].role == "factor":
        return at + 1
    end = at
    while not tight and end < len(items) and items[end].role in ("factor", "function", "large"):
        end += 1
    return end if end > at and items[end - 1].role == "factor" else None


def spaced(items: Sequence[Item]) -> Nodes:
    """The nodes of the items, with gaps where spaces were and nothing else keeps them apart."""
    nodes: list[Node] = []
    for at, item in enumerate(items):
        gap = _gap(items[at - 1], item) if at else 0
        nodes += [Gap(gap)] * (gap > 0)
        nodes += item.nodes
    return tuple(nodes)


def _gap(previous: Item, item: Item) -> float:
    """How far an item stands from the previous one, in widths of an m."""
    beside = {previous.role, item.role}
    if not item.before:
        return 0
    if previous.role == "separator" and item.before == 1:
        return 0.12
    if beside & {"sign", "dots"}:
        return 1 if item.before > 2 else 0
    if item.before > 1:
        return 2 if item.before > 2 else 1
    if item.role == "separator" or previous.role == "prefix":
        return 0
    if "text" in beside:
        return 0.28
    if beside & {"slash", "large"}:
        return 0
    named = _is_name(previous.nodes[-1]) or _is_name(item.nodes[0])
    return 0.25 if named or "function" in beside else 0.15


def _is_name(node: Node) -> bool:
    return isinstance(node, Leaf) and node.tag == "mi" and len(node.text) > 1
