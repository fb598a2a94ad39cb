"""A run over several machines: a folder with a run for every kind of machine."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xpbench.bench import journal
from xpbench.bench.exceptions import XpbenchError


def is_folder_of_groups(folder: Path) -> bool:
    return (folder / journal.PLAN).is_file() and not (folder / journal.HEADER).exists()


def groups_in(folder: Path) -> list[Path]:
    """The runs in the folder, one for a kind of machine."""
    return sorted(header.parent for header in folder.glob(f"*/{journal.HEADER}"))


def runs_of(paths: Iterable[Path]) -> list[Path]:
    """``paths`` with the groups in place of a folder that holds some.

    Raises
    ------
    XpbenchError
        If such a folder has no group yet.
    """
    found: list[Path] = []
    for path in paths:
        if not is_folder_of_groups(path):
            found.append(path)
        elif groups := groups_in(path):
            found += groups
        else:
            command = f"xpbench run --resume {shlex.quote(str(path))} --cluster ..."
            raise XpbenchError(f"{path}: nothing was measured there yet; `{command}` goes on")
    return found


def pairs_of(base: Path, new: Path) -> list[tuple[Path, Path]]:
    """The runs that are compared: those of the same kind of machine, where both are folders of groups,
    or the only one that a folder of groups holds.

    Raises
    ------
    XpbenchError
        If there is no such pair.
    """
    before, after = runs_of([base]), runs_of([new])
    if is_folder_of_groups(base) and is_folder_of_groups(new):
        named = {group.name: group for group in after}
        pairs = [(group, named[group.name]) for group in before if group.name in named]
    else:
        pairs = [(before[0], after[0])] if len(before) == len(after) == 1 else []
    if not pairs:
        raise XpbenchError(
            f"{base} and {new} share no kind of machine: name a run of each, of "
            f"{', '.join(map(str, [*before, *after]))}"
        )
    return pairs


def words_of(paths: Iterable[Path]) -> list[str]:
    """For every folder of groups among ``paths``, a line a group: its name, and the kind of machine."""
    lines = []
    for path in paths:
        for group in groups_in(path) if is_folder_of_groups(path) else []:
            header = journal.planned(group).header
            kind = header.get("kind")
            lines.append(f"{header.get('name') or group.name}: {kind if isinstance(kind, str) else '?'}")
    return lines


def plan_of(folder: Path) -> dict[str, Any]:
    """What was planned.

    Raises
    ------
    XpbenchError
        If it cannot be read.
    """
    path = folder / journal.PLAN
    try:
        header = json.loads(path.read_text())
        if not isinstance(header, dict) or not isinstance(header["cases"], list):
            raise ValueError("it lacks its cases")
        if faults := journal.faults_of_header(path, header):
            raise ValueError("; ".join(faults))
    except (OSError, ValueError, KeyError, RecursionError, XpbenchError) as fault:
        raise XpbenchError(
            f"{path} cannot be read ({fault}): the groups can be shown, but the run not resumed"
        ) from None
    return header
