"""Which blocks do the pages show, and how is each of them run?"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

SLOW, DRY, NOT = "slow", "dry run", "not run"
"""What a comment before a block may say of it: run by the slow tests alone; run by them with
``--dry-run``; not run. In brackets, which of its lines are meant."""

MARK = re.compile(r"(?:%|<!--) ?(slow|dry run|not run)(?: \(([^)]+)\))?: *(.*?)(?: *-->)?$")
FENCE = re.compile(r"(`{3,})(.*)$")
SAVED = re.compile(r"[Ss]ave\s+this\s+as\s+`([\w.-]+)`")


@dataclass(frozen=True)
class Mark:
    """How a block is run, and why; ``of`` are parts of the lines that are meant, or empty for all."""

    word: str
    of: tuple[str, ...]
    reason: str

    def holds_for(self, line: str) -> bool:
        return not self.of or any(part in line for part in self.of)


@dataclass(frozen=True)
class Command:
    """A line of a block of commands: its ``words``, the ``comment`` after them, and its ``mark``."""

    line: str
    words: tuple[str, ...]
    comment: str
    mark: Mark | None

    @property
    def exit_code(self) -> int:
        told = re.match(r"exits (\d+)", self.comment)
        return int(told[1]) if told else 0

    def variants(self) -> Iterator[tuple[str, ...]]:
        """The command once for each of ``md|csv|json``, if it has a word like that."""
        for index, word in enumerate(self.words):
            if re.fullmatch(r"\w+(\|\w+)+", word):
                for choice in word.split("|"):
                    yield (*self.words[:index], choice, *self.words[index + 1 :])
                return
        yield self.words


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what language it names, and the file it is to be saved as."""

    page: Path
    line: int
    language: str
    text: str
    saved_as: str = ""
    marks: tuple[Mark, ...] = ()

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        if self.language not in ("sh", ""):
            return []
        joined = self.text.replace("\\\n", " ")
        return [self._command(line) for line in joined.splitlines() if line.strip()]

    def mark_of(self, line: str) -> Mark | None:
        return next((mark for mark in self.marks if mark.holds_for(line)), None)

    def _command(self, line: str) -> Command:
        command, _, comment = line.partition(" #")
        # A placeholder such as <name> is no redirection here.
        return Command(line, tuple(shlex.split(command)), comment.strip(), self.mark_of(line))


@dataclass
class _Reader:
    page: Path
    paragraph: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    ended: bool = False

    def blocks(self) -> Iterator[Block]:
        lines = iter(enumerate(self.page.read_text().splitlines(), 1))
        for number, line in lines:
            if fence := FENCE.match(line):
                text = []
                for _, inner in lines:
                    if inner.startswith(fence[1]):
                        break
                    text.append(inner)
                saved = SAVED.search(" ".join(self.paragraph))
                name = saved[1] if saved else ""
                body = "\n".join(text) + "\n"
                yield Block(self.page, number, fence[2], body, name, tuple(self.marks))
                self.paragraph, self.marks = [], []
            else:
                self._read(line)

    def _read(self, line: str) -> None:
        if mark := MARK.match(line):
            of = tuple(part.strip() for part in (mark[2] or "").split(",") if part.strip())
            self.marks.append(Mark(mark[1], of, mark[3]))
        elif line.strip():
            self.paragraph = [*([] if self.ended else self.paragraph), line]
            self.marks = []
        self.ended = not line.strip()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, with the marks that stand before them."""
    return list(_Reader(page).blocks())
