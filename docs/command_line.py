"""What does the command print: its help, and tables of stored runs? It is asked as the site is built."""

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import typer
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.testing import CliRunner

from xpbench.bench.cli import app as xpbench

ROOT = Path(__file__).resolve().parent.parent
WIDTH = "88"
"""Characters: as many as a column of text on the page holds."""


def printed(command: str) -> str:
    """What ``xpbench ...`` prints, run in this process and in the root of the repository.

    Raises
    ------
    ValueError
        If it is another command, or ends with another exit code than 0.
    """
    name, *arguments = shlex.split(command)
    if name != "xpbench":
        raise ValueError(f"{command!r}: expected a command that starts with xpbench")
    with contextlib.chdir(ROOT), mock.patch.dict(os.environ, COLUMNS=WIDTH, TERMINAL_WIDTH=WIDTH):
        result = CliRunner().invoke(xpbench, arguments, prog_name="xpbench")
    if result.exit_code != 0:
        raise ValueError(f"{command!r} exits {result.exit_code}: {result.output} {result.exception}")
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and group of commands, in the order of the help."""

    def walk(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    return walk(typer.main.get_command(xpbench), ("xpbench",))


class Help(SphinxDirective):
    """The help of every command, a section each, as it prints it."""

    def run(self) -> list[nodes.Node]:
        for file in (ROOT / "bench").rglob("*.py"):
            self.env.note_dependency(str(file))
        return [self._section(words) for words in commands()]

    def _section(self, words: tuple[str, ...]) -> nodes.section:
        identifier = "-".join(words)
        section = nodes.section(ids=[identifier], names=[identifier])
        section += nodes.title("", "", nodes.literal(text=" ".join(words)))
        section += nodes.literal_block(text=printed(f"{' '.join(words)} --help"), language="text")
        return section


class Output(SphinxDirective):
    """Commands of one line each, with what they print; ``cut-before`` names a text that is left out with
    all that follows."""

    has_content = True
    option_spec = {"cut-before": directives.unchanged_required}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        shown = []
        for command in self.content:
            try:
                text = printed(command)
            except ValueError as fault:
                raise self.error(str(fault)) from fault
            if cut := self.options.get("cut-before"):
                if cut not in text:
                    raise self.error(f"{command!r} does not print {cut!r}")
                text = text[: text.index(cut)].rstrip() + "\n..."
            shown.append(f"$ {command}\n{text}")
        return [nodes.literal_block(text="\n".join(shown), language="console")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("help", Help)
    app.add_directive("output", Output)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
