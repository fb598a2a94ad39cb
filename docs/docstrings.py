"""How does the plain text of a docstring become part of a page, with its formulas typeset?"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from xpbench.bench.report import formula

LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
PROTECTED = re.compile(r"(``.+?``|:\w+:`[^`]+`)")

Link = Callable[[str, str], nodes.Node | None]
"""Of the text before a word and the word itself: what the word leads to, if anything."""


def as_nodes(text: str, link: Link) -> list[nodes.Node]:
    """A docstring as paragraphs and formulas."""
    found: list[nodes.Node] = []
    for kind, group in itertools.groupby(formula.parts(text), key=lambda part: part.kind):
        if kind == "formula":
            found.append(typeset([part.text for part in group]))
        else:
            found.extend(as_paragraph(" ".join(part.text.split()), link) for part in group)
    return found


def as_paragraph(text: str, link: Link) -> nodes.paragraph:
    """One paragraph, its words between double backticks as code."""
    node = nodes.paragraph()
    for index, piece in enumerate(LITERAL.split(text)):
        if index % 2 == 0:
            node += nodes.Text(piece.replace(" -> ", " → "))
            continue
        word = nodes.literal(text=piece)
        target = link(text[: text.find(f"``{piece}``")], piece)
        if target is not None:
            target += word
        node += target or word
    return node


def typeset(lines: Sequence[str]) -> nodes.container:
    """The lines of a formula as MathML, each set in as it is written."""
    shown = nodes.container(classes=["formula"])
    for line in lines:
        indent = len(line) - len(line.lstrip())
        typed = formula.mathml(line.strip(), display=True)
        shown += nodes.raw("", f'<div style="margin-left: {indent / 2}em">{typed}</div>', format="html")
    return shown


class Formula(Directive):
    """A formula in the plain text of our docstrings."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        return [typeset([line for line in self.content if line.strip()])]


def prepare(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a docstring in which plain text has no second meaning.

    ``|x|`` is a norm here and a substitution to Sphinx, and a block that is set in is a formula here and
    a quotation to Sphinx. From the first section on (``Parameters``, ``Raises``) only norms are touched.
    """
    underlined = (i for i, line in enumerate(lines) if set(line.strip()) == {"-"})
    end = next(underlined, len(lines))
    inside = False
    for i, line in enumerate(lines):
        starts = line.startswith("    ") and i < end and (i == 0 or not lines[i - 1].strip())
        if starts and not inside:
            yield from (".. formula::", "")
            inside = True
        inside = inside and (line.startswith("    ") or not line.strip())
        if inside:
            yield line
            continue
        pieces = PROTECTED.split(line)
        yield "".join(p if i % 2 else re.sub(r"([|*])", r"\\\1", p) for i, p in enumerate(pieces))


def _prepare(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = list(prepare(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("formula", Formula)
    # Before napoleon, which writes markup of its own.
    app.connect("autodoc-process-docstring", _prepare, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
