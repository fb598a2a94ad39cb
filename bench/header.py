"""What does the header of a run tell, and in which form?"""

import datetime
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from xpbench.bench.case import PRECISIONS
from xpbench.bench.multiple_comparisons import LOOKS, MOST_FORKS

SEALED = "crc32"
"""What a header says under ``checksums`` where every line of the run's logs has one."""

Form = tuple[str, Callable[[Any], bool]]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e300


def _is_mapping(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(of, value.values()))


def _is_date(value: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_one_of(*words: str) -> Form:
    return " or ".join(words), lambda value: value in words


TEXT: Form = ("a text", is_text)
WHOLE: Form = ("a whole number", _is_whole(0, 2**63))
COUNT: Form = ("a whole number of at least 1", _is_whole(1, 2**63))
SECONDS: Form = (
    "a number of seconds",
    lambda value: type(value) in (int, float) and 0 <= value < 1e9,
)

PARTS: Mapping[str, Form] = {
    "name": TEXT,
    "created": ("a date and time with its zone", _is_date),
    "xpbench": TEXT,
    "preset": TEXT,
    "seed": WHOLE,
    "settings": ("an object", lambda value: isinstance(value, dict)),
    "files": ("a list of texts", lambda value: isinstance(value, list) and all(map(is_text, value))),
    "versions": ("an object of objects of texts", _is_mapping(_is_mapping(is_text))),
    "unusable": ("an object of texts", _is_mapping(lambda value: isinstance(value, str))),
    "machine": ("an object", lambda value: isinstance(value, dict)),
    "kernels": ("an object of objects", _is_mapping(lambda value: isinstance(value, dict))),
    "cases": ("a list", lambda value: isinstance(value, list)),
}
LATER: Mapping[str, Form] = {
    "sources": ("an object of texts", _is_mapping(is_text)),
}
"""What runs of earlier versions lack."""
OPTIONAL: Mapping[str, Form] = {
    "side": ("a text or null", lambda value: value is None or is_text(value)),
    "checksums": ("crc32 or null", lambda value: value in (None, SEALED)),
    "calibration": ("an object or null", lambda value: value is None or isinstance(value, dict)),
}
SETTINGS: Mapping[str, Form] = {
    "forks": (f"a whole number from 1 to {MOST_FORKS}", _is_whole(1, MOST_FORKS)),
    "seconds": SECONDS,
    "threads": COUNT,
    "precision": _is_one_of(*PRECISIONS),
    "seed": WHOLE,
    "timeout": SECONDS,
    "baseline": TEXT,
}
LATER_SETTINGS: Mapping[str, Form] = {
    "roofs": ("true or false", lambda value: isinstance(value, bool)),
    "looks": (f"a whole number from 1 to {LOOKS}", _is_whole(1, LOOKS)),
    "cpus": ("a text", lambda value: isinstance(value, str)),
    "cache": _is_one_of("hot", "cold"),
    "energy": ("true or false", lambda value: isinstance(value, bool)),
    "chunk": (
        "a number of seconds above 0",
        lambda value: type(value) in (int, float) and 0 < value < 1e9,
    ),
    "together": _is_one_of("row", "kernel"),
}
MACHINE: Mapping[str, Form] = {
    "id": ("eight hexadecimal digits", lambda value: _matches(r"[0-9a-f]{8}", value)),
    "cpu": TEXT,
    "cores": COUNT,
    "memory_bytes": COUNT,
    "system": TEXT,
    "python": ("a version", lambda value: _matches(r"\d+\.\d+\.[\w.+]+", value)),
    "cards": ("a list of texts", lambda value: isinstance(value, list) and all(map(is_text, value))),
}
OPTIONAL_MACHINE: Mapping[str, Form] = {
    "cache_bytes": ("a whole number or null", lambda value: value is None or _is_whole(1, 2**63)(value)),
    "vendor_peak_flops": (
        "an object of numbers or null",
        lambda value: value is None or _is_mapping(_is_number)(value),
    ),
}
KERNEL: Mapping[str, Form] = {
    "chapter": TEXT,
    "title": TEXT,
    "error_unit": TEXT,
    "flops": ("an object", lambda value: isinstance(value, dict)),
    "traffic": ("an object", lambda value: isinstance(value, dict)),
}
OPTIONAL_KERNEL: Mapping[str, Form] = dict.fromkeys(
    ("description", "measure", "source"), ("a text", lambda value: isinstance(value, str))
)


def _matches(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def positive(value: Any) -> float | None:
    """A count that a header tells; ``None`` where it says nothing, or more than a number can hold."""
    return float(value) if isinstance(value, int | float) and 0 < value <= sys.float_info.max else None


def part_of(header: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part that is an object, and an empty one where it is not."""
    part = header.get(name)
    return part if isinstance(part, dict) else {}


def left_out(header: dict[str, Any]) -> list[str]:
    """Takes out of ``header`` what has not the form that readers rely on, and names it: they take it for
    something that the run does not tell."""
    parts = {**PARTS, **LATER, **OPTIONAL}
    faults = _left_out(header, {key: form for key, form in parts.items() if key not in OBJECTS}, "")
    faults += _left_out(header["settings"], {**SETTINGS, **LATER_SETTINGS}, "settings ")
    faults += _left_out(header["machine"], {**MACHINE, **OPTIONAL_MACHINE}, "machine ")
    for name, kernel in header["kernels"].items():
        faults += _left_out(kernel, {**KERNEL, **OPTIONAL_KERNEL}, f"kernels {name:.40} ")
    header.setdefault("versions", {})
    return faults


OBJECTS = ("settings", "machine", "kernels", "cases")
"""Parts without which nothing can be read: to lack one's form is an error."""


def _left_out(part: dict[str, Any], forms: Mapping[str, Form], above: str) -> list[str]:
    wrong = [key for key, (_, holds) in forms.items() if key in part and not holds(part[key])]
    for key in wrong:
        del part[key]
    return [f"{above}{key}: left out, expected {forms[key][0]}" for key in wrong]
