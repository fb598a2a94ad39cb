"""Of which tokens is a line of plain-text mathematics made?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from xpbench.bench.report.formula.words import FUNCTIONS, PROSE, SYMBOLS

Kind = Literal[
    "number",
    "name",  # letters, and digits that are its index: W1
    "derivative",  # d, its order and what is derived: the numerator of dloss/dw
    "differential",  # d and a variable
    "text",
    "index",  # a subscript without brackets: ik, t-1, k,jj
    "power",  # a superscript without brackets: 2, -1
    "sub",  # _ before a bracket
    "sup",  # ^ before a bracket
    "open",
    "close",
    "bar",
    "prime",
    "factorial",
    "count",
    "slash",
    "sign",
    "separator",
    "dots",
]


FACTORS: frozenset[Kind] = frozenset({"number", "name", "derivative", "differential", "count"})
"""Tokens with which a factor begins, beside brackets and bars."""


@dataclass(frozen=True)
class Token:
    """What stands at one place of a line, ``before`` and ``after`` so many spaces."""

    kind: Kind
    text: str
    digits: str = ""
    before: int = 0
    after: int = 0

    @property
    def is_word(self) -> bool:
        """Whether it is of two letters or more, and neither a symbol nor a function."""
        return (
            self.kind in ("name", "text")
            and len(self.text) > 1
            and self.text.isalpha()
            and not self.digits
            and self.text not in FUNCTIONS
            and self.text not in SYMBOLS
            and self.text != "sqrt"
        )


_LETTERS = r"[^\W\d_]"
_INDEX = r"[^\W_]+(?:[+-][^\W_]+(?![\w(]))*"

_GRAMMAR = re.compile(
    rf"""
    (?P<derivative>(?<!/)d(?P<order>[0-9]?)(?P<derived>{_LETTERS}+)/(?=d{_LETTERS}[0-9]?(?![^\W_])))
  | (?P<differential>(?:(?<=/)d(?={_LETTERS}[0-9]?(?![^\W_]))|d(?=[xyzt](?![^\W_]))))
  | (?P<absent>n/a(?!\w))
  | (?P<compound>{_LETTERS}{{2,}}(?:-{_LETTERS}{{2,}})+)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<name>{_LETTERS}+)(?P<digits>[0-9]*)
  | (?P<index>_(?:-?{_INDEX}(?:,{_INDEX}(?![\w(]))*))
  | (?P<power>\^(?:[+-]?(?:[0-9]+(?:\.[0-9]+)?|{_LETTERS}+[0-9]*)|[*+](?![^\W_])))
  | (?P<sub>_(?=[({{|]))
  | (?P<sup>\^(?=[({{]))
  | (?P<dots>\.\.\.|…)
  | (?P<sign><=>|<->|<-|->|=>|<=|>=|!=|==|\+-|[-+*=<>~])
  | (?P<slash>/)
  | (?P<open>[(\[{{])
  | (?P<close>[)\]}}])
  | (?P<bar>\|\|?)
  | (?P<prime>')
  | (?P<factorial>!)
  | (?P<count>\#(?=\{{))
  | (?P<separator>[,;:])
    """,
    re.VERBOSE,
)


def tokens(line: str) -> list[Token]:
    """The tokens of a line, every character that is not a space in one of them."""
    found: list[Token] = []
    at = spaces = 0
    while at < len(line):
        if line[at].isspace():
            at, spaces = at + 1, spaces + 1
            continue
        match = _GRAMMAR.match(line, at)
        token = _token(match) if match else _other(line[at])
        if found:
            found[-1] = replace(found[-1], after=spaces)
        found.append(replace(token, before=spaces))
        at, spaces = match.end() if match else at + 1, 0
    return _with_prose(found)


def _token(match: re.Match[str]) -> Token:
    """What was matched; the groups of the grammar are named as the kinds are."""
    match match.lastgroup:
        case "derivative":
            return Token("derivative", match["derived"], match["order"])
        case "digits":
            return Token("name", match["name"], match["digits"])
        case "absent" | "compound":
            return Token("text", match[0])
        case "index" | "power":
            return Token(match.lastgroup, match[0][1:])
        case group:
            return Token(cast(Kind, group), match[0])


def _other(character: str) -> Token:
    mathematical = character in "×·±≤≥≠≈∈∉⊂∪∩→←↔⇒⇔∘⊙⊗∝∂∇∞"
    return Token("sign" if mathematical else "text", character)


def _with_prose(found: Sequence[Token]) -> list[Token]:
    """The tokens with all names that are English turned into text."""
    prose = [
        token.is_word and token.text in PROSE and not _is_structured(found, at)
        for at, token in enumerate(found)
    ]
    for at, token in enumerate(found):
        following = found[at + 1] if at + 1 < len(found) else None
        if not token.is_word or prose[at] or _is_structured(found, at):
            continue
        if following and following.kind in ("sign", "slash"):
            continue
        label = following and (following.before > 1 or _ends(found, at + 1))
        beside = any(found[near].is_word for near in (at - 1, at + 1) if 0 <= near < len(found))
        prose[at] = bool(label or beside)
    for at in range(1, len(found) - 1):
        # The article, in "4 bits a row": a letter between two words.
        if found[at].text == "a" and all(
            found[near].is_word and not _is_structured(found, near) for near in (at - 1, at + 1)
        ):
            prose[at - 1 : at + 2] = [True] * 3
    return [replace(token, kind="text") if prose[at] else token for at, token in enumerate(found)]


def _ends(found: Sequence[Token], at: int) -> bool:
    """Whether the token is the colon after a label: one of a slice has something after it."""
    token = found[at]
    return token.text == ":" and not token.before and (token.after > 0 or at == len(found) - 1)


def _is_structured(found: Sequence[Token], at: int) -> bool:
    """Whether an index, a power, a bracket or the like is attached to the token, as to a symbol."""
    following = found[at + 1] if at + 1 < len(found) else None
    return (
        following is not None
        and not following.before
        and following.kind in ("index", "power", "sub", "sup", "prime", "factorial", "open")
    )
