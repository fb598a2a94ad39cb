"""Which brackets and bars of a line belong together?"""

from collections.abc import Sequence

from xpbench.bench.report.formula.tokens import FACTORS, Token

_DEEPEST = 20
"""Brackets nested deeper are shown as they are written, so that no line exhausts the stack."""

_MATES = {"(": ")]", "[": "])", "{": "}"}
"""An interval may be closed on one side and open on the other."""


def partners(found: Sequence[Token]) -> dict[int, int]:
    """The place of the right bracket or bar for the place of each left one; the others are alone."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for at, token in enumerate(found):
        if token.kind == "open" or (token.kind == "bar" and _is_left(found, at, waiting)):
            waiting.append(at)
        elif token.kind in ("close", "bar"):
            mate = _mate(found, token, waiting)
            if mate is not None:
                if mate < _DEEPEST:
                    pairs[waiting[mate]] = at
                del waiting[mate:]
    return pairs


def _mate(found: Sequence[Token], closing: Token, waiting: Sequence[int]) -> int | None:
    """The place in ``waiting`` of what ``closing`` closes: a bar only the last, a bracket past bars."""
    for place in range(len(waiting) - 1, max(-1, len(waiting) - 1 - _DEEPEST), -1):
        opening = found[waiting[place]]
        if closing.kind == "bar":
            return place if opening.text == closing.text else None
        if opening.kind == "open":
            return place if closing.text in _MATES[opening.text] else None
    return None


def _is_left(found: Sequence[Token], at: int, waiting: Sequence[int]) -> bool:
    """Whether a bar is a left one: where a factor has to begin, or apart only from what precedes it.

    A bar that is apart from both is the one of a condition, or a right one.
    """
    token = found[at]
    previous = found[at - 1] if at else None
    following = found[at + 1] if at + 1 < len(found) else None
    if previous is None or previous.kind in ("sign", "separator", "open", "sub", "sup", "slash"):
        return True
    if waiting and waiting[-1] == at - 1:
        return True
    if not token.before:
        return not (waiting and found[waiting[-1]].text == token.text)
    if following is None or token.after:
        return False
    return following.kind in FACTORS or following.kind in ("open", "bar") or following.text == "-"
