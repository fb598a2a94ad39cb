"""What does a line of plain-text mathematics say?"""

import re
from collections.abc import Sequence
from dataclasses import replace

from xpbench.bench.report.formula.brackets import partners
from xpbench.bench.report.formula.rows import Item, Role, divided, spaced
from xpbench.bench.report.formula.tokens import FACTORS, Token, tokens
from xpbench.bench.report.formula.tree import (
    Attributes,
    Fence,
    Fraction,
    Gap,
    Leaf,
    Matrix,
    Node,
    Nodes,
    Primed,
    Root,
    Script,
    slash_space,
)
from xpbench.bench.report.formula.words import (
    FUNCTIONS,
    GREEK,
    INDEX_WORDS,
    LARGE,
    OPERATORS,
    SIGNS,
    SYMBOLS,
)

_TIGHT: Attributes = (("lspace", "0"), ("rspace", "0"))
_NO_STRETCH: Attributes = (("stretchy", "false"),)
_PREFIXES = ("-", "+", "+-", "±")
_ENDED: tuple[Role, ...] = ("factor", "quotient", "ratio", "dots")


def read(line: str) -> Nodes:
    """What a line says; what cannot be read is in it as text, every character of it."""
    found = tokens(line)
    nodes = _Reader(found, partners(found)).row(0, len(found))
    indent = min(found[0].before, 8) if found else 0
    return (Gap(indent / 2), *nodes) if indent else nodes


class _Reader:
    """Reads tokens from left to right; their brackets have been paired before."""

    def __init__(self, found: Sequence[Token], pairs: dict[int, int]) -> None:
        self._tokens = found
        self._pairs = pairs

    def row(self, at: int, end: int, index: bool = False) -> Nodes:
        """The nodes of the tokens from ``at`` to ``end``, which may stand in an ``index``."""
        items: list[Item] = []
        first = at
        while at < end:
            token = self._tokens[at]
            if index and (token.kind, token.text) == ("text", "in"):
                token = replace(token, kind="sign", text="∈")
            if token.kind == "text":
                item, at = self._words(at, end)
            elif self._begins_factor(at):
                item, at = self._factor(at, end)
            else:
                edge = at in (first, end - 1)
                item, at = self._mark(token, at, items[-1].role if items else None, index, edge), at + 1
            items.append(item)
        return spaced(divided(items))

    def _begins_factor(self, at: int) -> bool:
        return self._tokens[at].kind in FACTORS or at in self._pairs

    def _is_round(self, at: int) -> bool:
        return (
            self._tokens[at].text == "("
            and at in self._pairs
            and self._tokens[self._pairs[at]].text == ")"
        )

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else ""

    def _attached(self, at: int, end: int) -> str:
        """The kind of the token at ``at`` if no space is before it."""
        return self._tokens[at].kind if at < end and not self._tokens[at].before else ""

    def _words(self, at: int, end: int) -> tuple[Item, int]:
        """Text as it is written, with the colon that ends it."""
        first = at
        written = self._tokens[at].text
        at += 1
        while at < end and (token := self._tokens[at]).before < 2:
            colon = token.text == ":" and not token.before and (token.after or at == end - 1)
            if token.kind != "text" and not colon:
                break
            written += " " * token.before + token.text
            at += 1
        return Item("text", (Leaf("mtext", written),), self._tokens[first].before), at

    def _factor(self, at: int, end: int) -> tuple[Item, int]:
        token = self._tokens[at]
        if token.kind == "name" and token.text in OPERATORS and not token.digits:
            with_limits = self._operator(at, end)
            if with_limits:
                return with_limits
        if token.kind == "derivative":
            return self._derivative(at, end)
        if token.kind == "differential":
            letter = self._tokens[at + 1]
            variable, place = self._scripts(_named(letter), at + 2, end)
            return Item("factor", (Leaf("mi", "d"), variable), token.before), place
        nodes: Nodes = ()
        place = at
        if token.kind == "count":
            nodes, place = (Leaf("mo", "#", (("form", "prefix"), *_TIGHT)),), at + 1
        if token.kind == "name":
            nodes, place = self._named_and_called(at, end)
        elif place in self._pairs:
            node, place = self._scripts(self._fence(place), self._pairs[place] + 1, end)
            nodes += (node,)
        elif token.kind == "number":
            node, place = self._scripts(Leaf("mn", token.text), at + 1, end)
            nodes = (node,)
        while self._attached(place, end) == "factorial":
            nodes += (Leaf("mo", "!", (("form", "postfix"), *_TIGHT)),)
            place += 1
        is_bare = token.kind == "name" and token.text in FUNCTIONS and len(nodes) == 1
        argument = place < end and self._begins_factor(place)
        return Item("function" if is_bare and argument else "factor", nodes, token.before), place

    def _named_and_called(self, at: int, end: int) -> tuple[Nodes, int]:
        """A name with its scripts and the brackets attached to it, of arguments or of indices."""
        token = self._tokens[at]
        close = self._pairs.get(at + 1, 0)
        if token.text == "sqrt" and self._attached(at + 1, end) == "open" and self._is_round(at + 1):
            node, place = self._scripts(Root(self.row(at + 2, close)), close + 1, end)
            return (node,), place
        node, place = self._scripts(_named(token), at + 1, end)
        nodes: Nodes = (node,)
        while self._attached(place, end) == "open" and place in self._pairs:
            if self._tokens[place].text == "{":
                break
            fence = self._fence(place, call=True)
            node, place = self._scripts(fence, self._pairs[place] + 1, end)
            nodes += (node,)
        return nodes, place

    def _derivative(self, at: int, end: int) -> tuple[Item, int]:
        """``df/dx``, also of an order: ``d2f/dx2``."""
        token = self._tokens[at]
        order = (Leaf("mn", token.digits),) if token.digits else ()
        d = Leaf("mi", "d")
        numerator = (Script(d, sup=order) if order else d, _named(replace(token, digits="")))
        letter = self._tokens[at + 2]
        variable: Node = _named(letter)
        if order and letter.digits:
            variable = Script(_named(replace(letter, digits="")), sup=(Leaf("mn", letter.digits),))
        variable, place = self._scripts(variable, at + 3, end)
        return Item("quotient", (Fraction(numerator, (d, variable), tight=True),), token.before), place

    def _operator(self, at: int, end: int) -> tuple[Item, int] | None:
        """``sum_i``, ``max_j``, if scripts follow it and after them what it is applied to."""
        token = self._tokens[at]
        large = token.text in LARGE
        sign = Leaf("mo", LARGE[token.text]) if large else Leaf("mi", token.text)
        node, place = self._scripts(sign, at + 1, end, operator=True)
        if not isinstance(node, Script) or not (large or (place < end and self._begins_factor(place))):
            return None
        limits = replace(node, limits=token.text != "integral")
        return Item("large" if large else "function", (limits,), token.before), place

    def _fence(self, at: int, call: bool = False) -> Node:
        """What the bracket or bar at ``at`` opens; with semicolons in square brackets a matrix."""
        opening, close = self._tokens[at], self._pairs[at]
        if opening.text == "[" and self._tokens[close].text == "]" and not call:
            rows = self._parts(at + 1, close, ";")
            if len(rows) > 1:
                return Matrix(
                    tuple(
                        tuple(self.row(*cell) for cell in self._parts(first, last, ","))
                        for first, last in rows
                    )
                )
        return Fence(opening.text, self.row(at + 1, close), self._tokens[close].text, call)

    def _parts(self, at: int, end: int, separator: str) -> list[tuple[int, int]]:
        """The ranges of tokens between the separators that stand in no brackets within."""
        parts, first = [], at
        while at < end:
            if self._tokens[at].text == separator:
                parts.append((first, at))
                first = at + 1
            at = self._pairs.get(at, at) + 1
        return [*parts, (first, end)]

    def _scripts(self, node: Node, at: int, end: int, operator: bool = False) -> tuple[Node, int]:
        """``node`` with the indices, powers and primes attached to it, in the order written."""
        nested = 0
        while nested < 5 and (kind := self._attached(at, end)):
            token = self._tokens[at]
            below = kind in ("index", "sub")
            if kind in ("index", "power"):
                script, place = (_index if below else _power)(token.text), at + 1
            elif kind == "prime":
                if isinstance(node, Primed):
                    node = replace(node, primes=node.primes + 1)
                else:
                    node, nested = Primed(node, 1), nested + 1
                at += 1
                continue
            elif kind in ("sub", "sup") and at + 1 in self._pairs:
                close = self._pairs[at + 1]
                # Brackets around one letter are not needed to group: x^(k) shows them, x^(k+1) does not.
                bare = operator if below else operator or close > at + 3
                script, place = self._group(at + 1, bare), close + 1
            else:
                break
            old = node if isinstance(node, Script) and not (below and node.sup) else Script(node)
            nested += old is not node
            if below:
                node = replace(old, sub=(*old.sub, Gap(0.2), *script) if old.sub else script)
            else:
                node = replace(old, sup=(*old.sup, *script))
            at = place
        return node, at

    def _group(self, at: int, bare: bool) -> Nodes:
        """An index or a power in brackets: braces are not shown, nor round ones where ``bare``."""
        close = self._pairs[at]
        body = self.row(at + 1, close, index=True)
        opening = self._tokens[at].text
        if opening == "{" or (bare and self._is_round(at)):
            return body
        return (Fence(opening, body, self._tokens[close].text),)

    def _mark(self, token: Token, at: int, previous: str | None, index: bool, edge: bool) -> Item:
        """A sign, a separator, or what has no place where it stands."""
        text = SIGNS.get(token.text, token.text)
        space: Attributes = (
            ("lspace", "0.28em" if token.before else "0"),
            ("rspace", ("0.16em" if token.text == ":" else "0.28em") if token.after else "0"),
        )
        own: Attributes
        role: Role = "sign"
        match token.kind:
            case "sign" if token.text in _PREFIXES and previous not in _ENDED:
                role, own = "prefix", (("form", "prefix"), *_TIGHT)
            case "sign":
                own = _TIGHT if index else (("form", "infix"),) if edge else ()
            case "slash":
                role, own = "slash", slash_space(token.before + token.after == 0)
            case "dots":
                role, left, right = "dots", self._kind(at - 1), self._kind(at + 1)
                text = "⋯" if left == "sign" else text
                # Signs and commas bring their own space.
                own = tuple(
                    (side, "0") if near in ("sign", "separator") else (side, width)
                    for near, (side, width) in zip((left, right), space, strict=True)
                )
            case "separator":
                role, own = "separator", space if token.text == ":" else ()
            case "open" | "close":
                own = (("form", "prefix" if token.kind == "open" else "postfix"), *_NO_STRETCH, *_TIGHT)
            case "bar":
                own = (("form", "infix"), *_NO_STRETCH, *space)
            case _:
                written = {"index": "_", "power": "^"}.get(token.kind, "") + token.text
                return Item("text", (Leaf("mtext", written),), token.before)
        return Item(role, (Leaf("mo", text, own),), token.before)


def _named(token: Token) -> Node:
    """A name: a symbol, a letter, or upright letters; digits are its index."""
    name = Leaf("mi", SYMBOLS.get(token.text, token.text))
    return Script(name, sub=(Leaf("mn", token.digits),)) if token.digits else name


def _index(text: str) -> Nodes:
    """An index without brackets: letters side by side, unless they are a word."""
    nodes: list[Node] = []
    for piece in re.findall(r"[^\W\d_]+|\d+|.", text):
        if piece in "+-,":
            form = (("form", "infix" if nodes else "prefix"), ("lspace", "0"))
            nodes.append(Leaf("mo", SIGNS.get(piece, piece), (*form, ("rspace", "0"))))
        elif not piece.isalpha():
            nodes.append(Leaf("mn", piece))
        elif len(piece) > 2 and piece in GREEK:
            nodes.append(Leaf("mi", GREEK[piece]))
        elif len(piece) > 4 or piece in INDEX_WORDS:
            nodes.append(Leaf("mi", piece))
        else:
            nodes += [Leaf("mi", letter) for letter in piece]
    return tuple(nodes)


def _power(text: str) -> Nodes:
    """A power without brackets: a sign, and a number or a name."""
    sign = text[0] if text[0] in "-+*" else ""
    power = text.removeprefix(sign)
    name = power.rstrip("0123456789") if power[:1].isalpha() else ""
    digits = power.removeprefix(name)
    nodes: Nodes = ()
    if sign:
        nodes = (Leaf("mo", SIGNS.get(sign, sign), (("form", "prefix"), *_TIGHT)),)
    if name:
        return (*nodes, _named(Token("name", name, digits)))
    return (*nodes, Leaf("mn", digits)) if digits else nodes
