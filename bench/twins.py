"""What are the backends called that a calibration compares, and how much work does each do?"""

CALLS = 20
"""An equal twin makes so many calls where its backend makes one."""
EQUALS = 4
EXTRA = {"+5%": 1, "+10%": 2, "+25%": 5}
"""By how much more work a twin does, the calls that it makes beyond ``CALLS``."""


def equal(base: str, number: int) -> str:
    """The name of one of the equal twins of ``base``, counted from 0."""
    return f"{base}~{number + 1}"


def heavier(base: str, extra: str) -> str:
    """The name of the twin of ``base`` that does so much more work."""
    return f"{base}{extra}"


def names(base: str) -> list[str]:
    """All twins of the backend ``base``."""
    return [*(equal(base, i) for i in range(EQUALS)), *(heavier(base, extra) for extra in EXTRA)]


def base_of(twin: str) -> str:
    """The backend of which ``twin`` is one; the name itself where it is none's."""
    return twin.split("~")[0].split("+")[0]
