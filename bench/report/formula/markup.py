"""How is a formula written in MathML?"""

from html import escape

from xpbench.bench.report.formula.reading import read
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
from xpbench.bench.report.formula.words import SIGNS
from xpbench.bench.report.records import visible

_SCRIPTS = {
    (True, False, False): "msub",
    (False, True, False): "msup",
    (True, True, False): "msubsup",
    (True, False, True): "munder",
    (False, True, True): "mover",
    (True, True, True): "munderover",
}


def mathml(text: str, display: bool = True) -> str:
    """The MathML of one line of a formula, as a block of its own or within a line of text.

    Nothing in ``text`` acts, and nothing of it is lost: what cannot be read is shown as it is written.
    Where a fraction would be small, in an index, in brackets or in another fraction, it keeps its slash.
    """
    kind = "block" if display else "inline"
    label = escape(_legal(" ".join(text.split())))
    body = "".join(_row(read(text), display))
    return f'<math display="{kind}" alttext="{label}" aria-label="{label}">{body}</math>'


def _row(nodes: Nodes, large: bool) -> list[str]:
    return [element for node in nodes for element in _elements(node, large)]


def _one(nodes: Nodes, large: bool) -> str:
    """The nodes as one element, as a child of a script or a fraction has to be."""
    elements = _row(nodes, large)
    return elements[0] if len(elements) == 1 else f"<mrow>{''.join(elements)}</mrow>"


def _elements(node: Node, large: bool) -> list[str]:
    """A node in elements; ``large`` where fractions and limits have room above and below the line."""
    match node:
        case Leaf(tag, text, attributes):
            return [_leaf(tag, text, attributes)]
        case Gap(em):
            return [f'<mspace width="{em:g}em"/>']
        case Fence("(", (Fraction() as fraction,), ")", call=False) if large:
            return _elements(fraction, large)
        case Fence(opening, body, closing):
            stretchy = "true" if any(isinstance(inner, Matrix) for inner in body) else "false"
            left = _leaf("mo", opening, (("form", "prefix"), ("stretchy", stretchy)))
            right = _leaf("mo", closing, (("form", "postfix"), ("stretchy", stretchy)))
            return [f"<mrow>{left}{''.join(_row(body, False))}{right}</mrow>"]
        case Script(base, (), ()):
            return _elements(base, False)
        case Script(base, sub, sup, limits):
            below = limits and large
            if limits and not large and isinstance(base, Leaf) and base.tag == "mo":
                base = Leaf("mo", base.text, (*base.attributes, ("largeop", "false")))
            name = _SCRIPTS[bool(sub), bool(sup), below]
            under, over = (_one(script, False) if script else "" for script in (sub, sup))
            if below and over:
                # Without a font for mathematics an upper limit would touch the sign below it.
                over = f'<mpadded depth="0.2em">{over}</mpadded>'
            return [f"<{name}>{_one((base,), False)}{under}{over}</{name}>"]
        case Primed(base, primes):
            prime = _leaf("mo", SIGNS["'"], (("lspace", "0"), ("rspace", "0")))
            return [*_elements(base, False), *[prime] * primes]
        case Fraction(numerator, denominator, _) if large:
            return [f"<mfrac>{_one(_bare(numerator), False)}{_one(_bare(denominator), False)}</mfrac>"]
        case Fraction(numerator, denominator, tight):
            slash = _leaf("mo", "/", slash_space(tight))
            return [*_row(numerator, False), slash, *_row(denominator, False)]
        case Root(body):
            return [f"<msqrt>{''.join(_row(body, large))}</msqrt>"]
        case Matrix(rows):
            cells = "".join(f"<mtr>{''.join(map(_cell, row))}</mtr>" for row in rows)
            return [f"<mrow><mo>[</mo><mtable>{cells}</mtable><mo>]</mo></mrow>"]


def _cell(nodes: Nodes) -> str:
    return f"<mtd>{''.join(_row(nodes, False))}</mtd>"


def _bare(nodes: Nodes) -> Nodes:
    """What a fraction's bar holds together does not need its brackets."""
    match nodes:
        case (Fence("(", body, ")", call=False),):
            return body
        case _:
            return nodes


def _leaf(tag: str, text: str, attributes: Attributes) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes)
    return f"<{tag}{written}>{escape(_legal(text))}</{tag}>"


def _legal(text: str) -> str:
    """The text with what XML cannot hold, or nobody can see, as its escape."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if ord(character) & 0xFFFE == 0xFFFE else character
        for character in visible(text)
    )
