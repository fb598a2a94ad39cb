"""Does a run tell more of its author than it should: paths, names, addresses, secrets?"""

import contextlib
import getpass
import itertools
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from xpbench.bench.checking.contents import shown
from xpbench.bench.checking.finding import ERROR, WARNING, Finding
from xpbench.bench.report.records import visible

ABOUT = "private"
KERNEL_TEXTS = ("source", "description", "measure", "title")
"""Keys of what a kernel's author wrote: a text of Python or of mathematics, which looks like much."""
VERSIONS = re.compile(r"version")
"""In keys of this form, four numbers with dots between them are no address."""
COMMON = re.compile(
    "admin|builder|codespace|debian|docker|home|host|jenkins|jupyter|linux|localhost|machine|none|root|"
    "runner|server|test|ubuntu|user|vagrant|vscode|work|worker|workspace|xpbench"
)
"""Names of users and computers that tell nothing of anybody."""
DEVICES = r"cpu|cuda|gpu|mps|rocm|tpu|xla|meta"
MOST_TEXTS = 200_000
"""So many different texts are remembered, that each is searched once."""
MOST_SIGNS = 20
LONGEST_TEXT = 2**16
"""No text of a run is longer; of one that is, so much is searched."""


@dataclass(frozen=True)
class Sign:
    """How something private looks. It is looked for ``anywhere``, or not in a kernel's own texts, and in
    numbers of versions unless ``version`` is false; what is ``secret`` is not shown again."""

    level: str
    says: str
    pattern: str
    anywhere: bool = False
    version: bool = True
    secret: bool = False


_HOME = (
    r"(?:/(?:var/)?home/|/Users/|[A-Za-z]:(?:\\+|/)Users(?:\\+|/))[^\s/\\'\":,;)<>]{1,80}|/root(?=/|\b)"
)
_MAIL = (
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,80}@(?:[A-Za-z0-9-]{1,63}\.){1,8}"
    r"(?:[a-z]{2}|com|org|net|edu|gov|mil|int|info|dev|app|cloud|name|tech|science)\b(?!\s*\()"
)
_TOKEN = "|".join(
    (
        r"\bgh[oprsu]_[A-Za-z0-9]{20}",
        r"\bgithub_pat_\w{20}",
        r"\bglpat-[\w-]{16}",
        r"\bhf_[A-Za-z0-9]{20}",
        r"\bsk-[\w-]{20}",
        r"\bxox[abeoprs]-[\w-]{10}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bAIza[\w-]{30}",
        r"\bnpm_[A-Za-z0-9]{30}",
        r"\bpypi-[\w-]{40}",
        r"\beyJ[\w-]{10,300}\.eyJ[\w-]{10}",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY",
        r"(?i:\b(?:bearer|basic) {1,4}[\w.+/=-]{16})",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,80}:[^\s/@]{1,200}@",
        r"(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIALS?)[A-Z0-9_]{0,30}=[^\s'\",;]{6}",
    )
)
SIGNS = (
    Sign(ERROR, "a secret, or what looks like one: revoke it", _TOKEN, anywhere=True, secret=True),
    Sign(ERROR, "a home directory, which names its owner", rf"(?<![\w.])(?:{_HOME})", anywhere=True),
    Sign(ERROR, "an address of e-mail", _MAIL, anywhere=True),
    Sign(
        WARNING,
        "what is called as secrets are",
        r"(?i:(?:token|secret|password|passwd|api_?key|credentials?)\w{0,30} ?= ?[^\s'\",;]{6})",
        secret=True,
    ),
    Sign(
        WARNING,
        "a path of the machine: does it tell what it should not?",
        r"(?<![\w.:/~)\]}<-])/(?:[\w.@+-]{1,255}/)+[\w.@+-]*",
    ),
    Sign(
        WARNING,
        "a user at a host",
        rf"(?<![\w./@-])[A-Za-z_][\w-]{{0,40}}@(?!(?:{DEVICES})\b)[A-Za-z][\w-]{{0,60}}(?![\w.@-])",
    ),
    Sign(
        WARNING,
        "a name or an address of a network",
        r"(?i:(?<![\w.-])(?:[\w-]{1,63}\.){1,8}(?:internal|intranet|local|lan|corp|localdomain)\b)"
        r"|(?<![\w.])(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}"
        r"|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})(?![\w.])",
        version=False,
    ),
    Sign(
        WARNING,
        "a variable of the environment: does it tell what it should not?",
        r"(?<![\w$])[A-Z][A-Z0-9]*_[A-Z0-9_]+=\S+|(?<![\w$])(?:HOME|PATH|USER|PWD)=\S+",
    ),
    Sign(
        WARNING,
        "the number of one piece of hardware",
        r"(?i:\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b)",
    ),
)
"""Every repetition is bounded, or cannot begin anew within itself, so that no text takes long."""


def own_names() -> tuple[str, ...]:
    """What this machine and its user are called, where that tells one from another."""
    names = {platform.node(), platform.node().split(".")[0]}
    with contextlib.suppress(KeyError, OSError, ImportError):  # in a container a user may have no name
        names.add(getpass.getuser())
    return tuple(sorted(name for name in names if len(name) > 3 and not COMMON.fullmatch(name.lower())))


@dataclass
class Search:
    """Looks for what is private in texts, and looks at each text once.

    ``own`` are names that should not occur.
    """

    own: tuple[str, ...]
    known: set[tuple[bool, bool, str]] = field(default_factory=set)

    def through(self, value: Any, at: str) -> Iterator[Finding]:
        """What is private in a value of JSON that stands ``at`` a file and line."""
        for path, key, text in _strings(value):
            kind = (key in KERNEL_TEXTS, VERSIONS.search(key) is not None, text)
            if kind not in self.known:
                if len(self.known) < MOST_TEXTS:
                    self.known.add(kind)
                place = " ".join([at, *(shown(name, 30) for name in path)])
                yield from self._of(place, text, *kind[:2])

    def _of(self, place: str, text: str, of_kernel: bool, of_version: bool) -> Iterator[Finding]:
        if len(text) > LONGEST_TEXT:
            says = "a text longer than any of a run, which is not searched to its end"
            yield Finding(ERROR, ABOUT, says, place)
            text = text[:LONGEST_TEXT]
        yield from _signs(place, text, of_kernel, of_version)
        for name in self.own:
            if re.search(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", text):
                says = "what this computer or its user is called"
                yield Finding(WARNING, ABOUT, says, f"{place}: {shown(name)}")
        if visible(bare := text.replace("\n", "").replace("\t", "")) != bare:
            says = "characters that are not seen, or act on a terminal"
            yield Finding(WARNING, ABOUT, says, f"{place}: {shown(text)}")


def _signs(place: str, text: str, of_kernel: bool, of_version: bool) -> Iterator[Finding]:
    """The signs in ``text``, the gravest first; what one told, no other tells again, or shows."""
    told: list[tuple[int, int]] = []
    for sign in SIGNS:
        if (of_version and not sign.version) or (of_kernel and not sign.anywhere):
            continue
        for match in itertools.islice(re.finditer(sign.pattern, text), MOST_SIGNS):
            start, end = match.span()
            if not any(start < other_end and other_start < end for other_start, other_end in told):
                told.append((start, end))
                seen = f"{match[0][:4]}…" if sign.secret else match[0]
                yield Finding(sign.level, ABOUT, sign.says, f"{place}: {shown(seen)}")


def _strings(value: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Every string in a value of JSON, keys too: the keys down to it, the last of them, and itself."""
    waiting: list[tuple[Any, tuple[str, ...], str]] = [(value, (), "")]
    while waiting:
        value, path, key = waiting.pop()
        if isinstance(value, str):
            yield path, key, value
        elif isinstance(value, dict):
            for name, entry in value.items():
                yield (*path, name), key, name
                if isinstance(entry, str | dict | list):
                    waiting.append((entry, (*path, name), key if key == "versions" else name))
        elif isinstance(value, list):
            waiting.extend((entry, path, key) for entry in value if isinstance(entry, str | dict | list))
