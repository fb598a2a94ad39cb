"""Which lines of a kernel's description are formulas, and which are text?"""

from dataclasses import dataclass
from typing import Literal

_INDENT = " " * 4


@dataclass(frozen=True)
class Part:
    """A paragraph of text, its lines joined by newlines, or one line of a formula."""

    kind: Literal["text", "formula"]
    text: str


def parts(description: str) -> list[Part]:
    """A docstring taken apart: paragraphs of text, and the lines of its formula blocks.

    A formula block is lines indented by four spaces or more, after an empty line as in Markdown. A line
    keeps what it is indented more than the first of its block.
    """
    found: list[Part] = []
    paragraph: list[str] = []
    indent: str | None = None
    after_blank = True
    for line in [*description.splitlines(), ""]:
        if not line.strip():
            if paragraph:
                found.append(Part("text", "\n".join(paragraph)))
            paragraph, indent, after_blank = [], None, True
        elif line.startswith(_INDENT) and (indent is not None or (after_blank and not paragraph)):
            if indent is None:
                indent = line[: len(line) - len(line.lstrip())]
            found.append(Part("formula", line.removeprefix(indent).rstrip()))
        else:
            indent, after_blank = None, False
            paragraph.append(line.rstrip())
    return found
