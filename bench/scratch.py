"""Where do the processes of a run find inputs, oracles and what is compiled, and for how long?"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xpbench.bench import descendants


@dataclass(frozen=True)
class Scratch:
    """A folder that is deleted when nobody measures there any more.

    ``made`` names the inputs and oracles in it, ``begun`` the cases that its compile caches have seen.
    ``kept`` tells that several runs follow one another in it, a fork each and in any order: the first
    there finds the caches empty, whichever fork it is.
    """

    folder: Path
    kept: bool = False
    made: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)

    def is_cold(self, case: str, fork: int) -> bool:
        """Whether a case finds the compile caches as empty as ever."""
        return case not in self.begun and (fork == 0 or self.kept)


@contextmanager
def opened(kept: bool = False) -> Iterator[Scratch]:
    """A new folder, for the length of the block; deleted even where this process is killed."""
    with ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="xpbench-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(made))
        stack.enter_context(descendants.keeper(folder))
        for name in ("cache", "data", "outputs", "tasks"):
            (folder / name).mkdir()
        yield Scratch(folder, kept)
