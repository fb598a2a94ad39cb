"""How is text shown that could act on a terminal instead?"""

import unicodedata

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories: control, format (which can reverse text), surrogate, line and paragraph ends."""


def visible(text: str) -> str:
    """``text`` with every character that is not seen, or acts on a terminal, as its escape."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _INVISIBLE
        else character
        for character in text
    )
