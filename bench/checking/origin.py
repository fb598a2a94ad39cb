"""Is what was measured what stands in this checkout, and does the cost model say what it says here?

Nothing of the run's own is imported or run: its kernels are compared by their digests.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xpbench
from xpbench.bench import beginning, registry, sources
from xpbench.bench.case import Case
from xpbench.bench.checking.contents import shown
from xpbench.bench.checking.finding import ERROR, NOTE, WARNING, Finding
from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.header import part_of
from xpbench.bench.journal import HEADER

OURS = re.compile(r"xpbench/(kernels|backends|bench)/([A-Za-z_]\w*/)*[A-Za-z_]\w*\.py")
MOST_SIZE = 10**9
"""No axis is longer; the cost model of a kernel is asked for no other."""


def origin(header: Mapping[str, Any], cases: Sequence[Case]) -> Iterator[Finding]:
    """Whether the files that were measured are those of this checkout, with their cost models."""
    if header.get("xpbench") != xpbench.__version__:
        says = f"was measured by another xpbench than this, {xpbench.__version__}"
        yield Finding(NOTE, "sources", says, f"{HEADER} xpbench: {shown(header.get('xpbench'))}")
    digests = {name: digest for name, digest in part_of(header, "sources").items() if name != "xpbench"}
    found = registry.find()
    same: set[str] = set()
    for name, digest in digests.items():
        if not OURS.fullmatch(name):
            yield from _file_of_a_user(name)
            continue
        file = sources.of_suite(name)
        now = _digest(file) if file else None
        if now is None:
            says = "is not in this checkout any more"
            yield Finding(WARNING, "sources", says, shown(name))
        elif now != digest:
            says = "has changed since: what is measured here today may be another kernel"
            yield Finding(WARNING, "sources", says, shown(name))
        else:
            same.add(name)
    for name in _texts(header.get("files")):
        if name not in digests:
            says = "was named by its user, and has no digest"
            yield Finding(WARNING, "sources", says, f"{HEADER} files {shown(name)}")
    if digests:
        yield from _told(found, digests, same, header, cases)


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _file_of_a_user(name: str) -> Iterator[Finding]:
    if name.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        yield Finding(
            ERROR,
            "private",
            f"is a path of a file of its user: write the file's name alone in {HEADER}, under `files` "
            "and `sources` (such a run can be shown and compared, and not resumed)",
            f"{HEADER} sources {shown(name)}",
        )
    says = "is a file of its user, which others can read only if it is told where it is kept"
    yield Finding(NOTE, "sources", says, f"{HEADER} sources {shown(name)}")


def _digest(file: Path) -> str | None:
    try:
        return sources.digest(file)
    except OSError:
        return None


def _told(
    found: registry.Registry,
    digests: Mapping[str, Any],
    same: set[str],
    header: Mapping[str, Any],
    cases: Sequence[Case],
) -> Iterator[Finding]:
    """Whether the header tells of kernels that have not changed what they tell of themselves."""
    told = part_of(header, "kernels")
    for name in dict.fromkeys(case.kernel for case in cases):
        kernel = found.kernels.get(name)
        if kernel is None:
            if all(OURS.fullmatch(file) for file in digests):
                says = "is no kernel of this checkout, and no file is named that declares it"
                yield Finding(WARNING, "sources", says, shown(name))
            continue
        file = sources.name_of(Path(kernel.file))
        if file not in digests:
            says = "has no digest: whether it is the kernel of this checkout is not known"
            yield Finding(WARNING, "sources", says, shown(name))
        elif file in same:
            mine = [case for case in cases if case.kernel == name and _is_modest(case, kernel.sizes)]
            yield from _differences(found, mine, told.get(name), name)


def _is_modest(case: Case, sizes: Mapping[str, Mapping[str, int]]) -> bool:
    keys = {key for size in sizes.values() for key in size}
    return {key for key, _ in case.size} <= keys and all(
        0 < value <= MOST_SIZE for _, value in case.size
    )


def _differences(
    found: registry.Registry, cases: Sequence[Case], told: Any, name: str
) -> Iterator[Finding]:
    try:
        ours = beginning.kernels_of(found, cases).get(name, {})
    except XpbenchError:
        return  # a size that the kernel never heard of, which the plan's other checks tell
    for key, value in ours.items():
        if not isinstance(told, dict) or key not in told:
            continue
        seen = told[key]
        differs = (
            not isinstance(seen, dict) or any(seen.get(size) != value[size] for size in value)
            if isinstance(value, dict)
            else seen != value
        )
        if differs:
            says = f"has {key!r} other than its kernel, which has not changed, gives here"
            yield Finding(WARNING, "sources", says, f"{HEADER} kernels {shown(name)}")
