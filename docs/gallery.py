"""What does a page say of every kernel of a chapter? Its docstrings, its sizes and its text."""

import ast
import inspect
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import docstrings
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import xpbench
from xpbench.bench import agreement, registry, sources
from xpbench.bench.kernel import CHAPTERS, Kernel
from xpbench.bench.report.quantities import compact, volume

REFERS = ("for", "in", "of", "to")
"""The words before the name of another kernel; a pair of errors may have the name of one as well."""


@cache
def suite() -> dict[str, Kernel]:
    """Every kernel of the suite by name, in the order of a course."""
    kernels = registry.find().kernels.values()
    return {kernel.name: kernel for kernel in sorted(kernels, key=lambda kernel: kernel.place)}


def of_chapter(chapter: str) -> list[Kernel]:
    return [kernel for kernel in suite().values() if kernel.chapter == chapter]


class Chapter(SphinxDirective):
    """All that is known of every kernel of a chapter, a section each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        chapter = self.arguments[0]
        if chapter not in CHAPTERS:
            raise self.error(f"there is no chapter {chapter!r}: expected one of {', '.join(CHAPTERS)}")
        for kernel in of_chapter(chapter):
            self.env.note_dependency(kernel.file)
        self.env.note_dependency(__file__)
        return [self._section(kernel) for kernel in of_chapter(chapter)]

    def _section(self, kernel: Kernel) -> nodes.section:
        section = nodes.section(ids=[identifier(kernel)], names=[identifier(kernel)])
        section += nodes.title("", "", nodes.literal(text=kernel.name))
        domain = self.env.get_domain("std")
        domain.note_object("kernel", kernel.name, identifier(kernel), location=section)  # type: ignore[attr-defined]
        section += docstrings.as_nodes(description_of(kernel), reference)
        section += source_of(kernel)
        section += sizes_of(kernel)
        section += folded(f"How its errors are measured, in {kernel.error_unit}", explained(kernel))
        return section


class Overview(SphinxDirective):
    """The kernels of all chapters, a line each."""

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for chapter in CHAPTERS:
            self.env.note_dependency(str(Path(self.env.srcdir, "kernels", f"{chapter}.md")))
            heading = addnodes.pending_xref(
                "", refdomain="std", reftype="doc", reftarget=f"/kernels/{chapter}", refexplicit=False
            )
            heading += nodes.inline(text=chapter)
            found.append(nodes.rubric("", "", heading))
            lines = nodes.bullet_list()
            for kernel in of_chapter(chapter):
                line = nodes.paragraph("", "", linked(kernel), nodes.Text(f": {kernel.title}"))
                lines += nodes.list_item("", line)
            found.append(lines)
        return found


def description_of(kernel: Kernel) -> str:
    """The docstring, with paragraphs of their own for shapes and cost and for the source at its end."""
    before, gap, last = kernel.description.rpartition("\n\n")
    return before + gap + re.sub(r"\.\n", ".\n\n", last)


def identifier(kernel: Kernel) -> str:
    return f"kernel-{kernel.name.replace('_', '-')}"


def linked(kernel: Kernel) -> nodes.Node:
    target = _target("std", "kernel", kernel.name)
    target += nodes.literal(text=kernel.name)
    return target


def reference(before: str, word: str) -> nodes.Node | None:
    """Where a word between double backticks leads: another kernel, or a public name of xpbench."""
    if word in suite() and before.split()[-1:] and before.split()[-1].lower() in REFERS:
        return _target("std", "kernel", word)
    if word in xpbench.__all__:
        return _target("py", "obj", f"xpbench.{word}")
    return None


def _target(domain: str, kind: str, name: str) -> addnodes.pending_xref:
    return addnodes.pending_xref(
        "", refdomain=domain, reftype=kind, reftarget=name, refexplicit=True, refwarn=True
    )


def source_of(kernel: Kernel) -> nodes.Node:
    """The text of ``compute`` under its file's name, without the docstring, which stands above it."""
    block = nodes.literal_block(text=without_docstring(kernel.source), language="python")
    place = sources.name_of(Path(kernel.file)).removeprefix("xpbench/")
    shown = nodes.container("", literal_block=True, classes=["literal-block-wrapper"])
    shown += nodes.caption("", "", nodes.literal(text=place), nodes.Text(f", line {_line(kernel)}"))
    shown += block
    return shown


def without_docstring(source: str) -> str:
    """The text of a function without its docstring."""
    function = ast.parse(source).body[0]
    if not isinstance(function, ast.FunctionDef) or ast.get_docstring(function) is None:
        return source
    lines, docstring = source.splitlines(), function.body[0]
    kept = [*lines[: docstring.lineno - 1], *lines[docstring.end_lineno or docstring.lineno :]]
    return "\n".join(kept).rstrip()


def _line(kernel: Kernel) -> int:
    return inspect.getsourcelines(kernel.compute)[1]


def sizes_of(kernel: Kernel) -> list[nodes.Node]:
    """The sizes with their cost: operations, compulsory bytes of float32, and operations a byte."""
    keys = list(dict.fromkeys(key for size in kernel.sizes.values() for key in size))
    rows = [["size", *keys, "flops", "bytes", "flops a byte"]]
    for name, size in kernel.sizes.items():
        flops, traffic = kernel.flop_count(size), kernel.traffic_bytes(4, size)
        cost = [
            compact(flops) if flops is not None else "",
            volume(traffic) if traffic is not None else "",
            compact(flops / traffic) if flops is not None and traffic else "",
        ]
        rows.append([name, *(str(size.get(key, "")) for key in keys), *cost])
    dtypes = ", ".join(kernel.dtypes)
    remark = f"In {dtypes}. Bytes are those of float32, inputs read and outputs written once."
    return [as_table(rows), nodes.paragraph(text=remark, classes=["remark"])]


def as_table(rows: list[list[str]]) -> nodes.table:
    """A table whose first row is its head."""
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    head, *body = [
        nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in row)) for row in rows
    ]
    group += nodes.thead("", head)
    group += nodes.tbody("", *body)
    return nodes.table("", group, classes=["sizes"])


def folded(title: str, content: Iterable[nodes.Node]) -> list[nodes.Node]:
    """What a reader opens who wants to know."""
    opening = f"<details><summary>{title}</summary>"
    return [
        nodes.raw("", opening, format="html"),
        *content,
        nodes.raw("", "</details>", format="html"),
    ]


def explained(kernel: Kernel) -> list[nodes.Node]:
    """How errors are measured and where the limits come from, with what those words refer to.

    A measure may say "see" and the name of a function of its file, whose docstring then holds the
    derivation: it follows, and what it names in turn.
    """
    measure = agreement.measure_of(kernel)
    found = docstrings.as_nodes(measure, reference)
    names = vars(inspect.getmodule(kernel.errors)) if kernel.errors else {}
    definitions = nodes.definition_list()
    open_texts, seen = [measure], {kernel.name}
    while open_texts:
        for word in docstrings.LITERAL.findall(open_texts.pop(0)):
            text = meaning(word, names)
            if text and word not in seen:
                definitions += nodes.definition_list_item(
                    "",
                    nodes.term("", "", nodes.literal(text=word)),
                    nodes.definition("", *docstrings.as_nodes(text, reference)),
                )
                open_texts.append(text)
            seen.add(word)
    return [*found, definitions] if definitions.children else found


def meaning(word: str, names: dict[str, Any]) -> str:
    """What ``word`` stands for among the ``names`` of a file; empty where that is said elsewhere."""
    thing = names.get(word)
    if isinstance(thing, int | float):
        return f"Here {compact(thing) if isinstance(thing, float) else thing}."
    if word in suite() or word in xpbench.__all__ or not inspect.isfunction(thing):
        return ""
    return inspect.getdoc(thing) or ""


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_object_type("kernel", "kernel", objname="kernel")
    app.add_directive("chapter", Chapter)
    app.add_directive("overview", Overview)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
