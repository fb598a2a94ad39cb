"""Which faults a user can cause or meet, and the exit code of each."""

from typing import ClassVar


class XpbenchError(Exception):
    """A fault that the message explains in full: what was seen, what was expected, what to do."""

    exit_code: ClassVar[int] = 2


class NothingMeasured(XpbenchError):
    """The command was right, and yet no case could be measured."""

    exit_code = 3


class Unsupported(Exception):
    """A backend cannot do what a kernel asks. Becomes the cell ``unsupported`` with this reason."""


def is_refusal(error: BaseException) -> bool:
    """Whether a library raised because the mathematics has no answer: its ``LinAlgError``.

    NumPy, SciPy and CuPy share one, torch has its own; neither may be imported to ask.
    """
    return any(kind.__name__.lstrip("_") == "LinAlgError" for kind in type(error).__mro__)


def one_line(error: BaseException) -> str:
    """An exception as its type and message in one line of at most some 500 characters."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())[:500]}".rstrip(": ")
