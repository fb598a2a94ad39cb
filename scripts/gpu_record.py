"""``stages.json`` of ``gpu.py``: what was done, how it ended, and what is left."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ILL, WRONG, NO_DEVICE = 1, 2, 3
NO_TESTS = 5
"""Pytest's code where no test of a file is marked gpu."""
COMPLETE = ("done", "failed", "left out")
"""The states of a stage that the next call does not go on with."""


class Mistake(Exception):
    """What is wrong with the command line, the interpreter or the folder, and what to do."""


@dataclass
class Record:
    """The content of the file ``path``: for every stage its state, its seconds and its steps."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def of(cls, out: Path, device: str, rehearsal: bool) -> "Record":
        """The record in the folder ``out``, or a new one.

        Raises
        ------
        Mistake
            If the folder holds other work.
        """
        path = out / "stages.json"
        purpose = {"schema": 1, "device": device, "rehearsal": rehearsal}
        if not path.exists():
            return cls(path, {**purpose, "stages": {}})
        try:
            content = json.loads(path.read_bytes())
            found = {key: content[key] for key in purpose}
        except (ValueError, KeyError, TypeError) as fault:
            raise Mistake(f"{path} cannot be read ({fault!r}): name another folder with --out") from None
        if found != purpose:
            told = "; ".join(f"{key} {found[key]}, not {purpose[key]}" for key in purpose)
            raise Mistake(f"{path} is of other work ({told}): name another folder with --out")
        return cls(path, content)

    def stage(self, name: str) -> dict[str, Any]:
        """The entry of a stage; what is written into it is in the next ``write``."""
        begun = {"state": "waiting", "seconds": 0.0, "left": "not begun", "steps": {}}
        entry: dict[str, Any] = self.content["stages"].setdefault(name, begun)
        return entry

    def step(self, stage: str, name: str) -> dict[str, Any]:
        """The entry of a step; empty before it was tried."""
        entry: dict[str, Any] = self.stage(stage)["steps"].get(name, {})
        return entry

    def note(self, stage: str, step: str, **facts: Any) -> None:
        """Writes what is known of a step."""
        entry = self.stage(stage)
        entry["steps"][step] = self.step(stage, step) | facts
        entry["seconds"] = round(sum(one.get("seconds", 0.0) for one in entry["steps"].values()), 1)
        self.write()

    def lacks(self, stage: str) -> bool:
        """Whether a step of the stage was left out, which another xpbench might take."""
        return any(step.get("state") == "left out" for step in self.stage(stage)["steps"].values())

    def close(self, stage: str, names: Sequence[str]) -> None:
        """Writes how a stage stands that has the steps ``names`` now."""
        entry = self.stage(stage)
        entry["steps"] = {name: self.step(stage, name) for name in names}
        steps = list(entry["steps"].values())
        entry |= {"state": state_of(steps), "left": left_of(steps)}
        self.write()

    def write(self) -> None:
        """The file appears whole or not at all."""
        draft = self.path.with_name(".stages.json")
        draft.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.path)


def judged(code: int | None, seconds: float, said: str) -> tuple[str, str]:
    """The state of a step that ended with ``code``, and what is left of it.

    A disagreement (1) and nothing that can be measured (3) are answers; what ended otherwise is tried
    again by the next call, as is what was stopped (``None``).
    """
    if code is None:
        return "cut", f"stopped after {seconds:.0f} s, the next call goes on with it"
    if code in (0, NO_TESTS):
        return "done", f"nothing is left ({said})"
    if code in (ILL, NO_DEVICE):
        return "failed", f"ended with code {code}: {said}"
    return "broken", f"ended with code {code}, the next call tries it again: {said}"


def state_of(steps: Sequence[dict[str, Any]]) -> str:
    """The state of a stage with these steps."""
    states = {step.get("state", "waiting") for step in steps} - {"left out"}
    if not states:
        return "left out"
    if states == {"waiting"}:
        return "waiting"
    worst = ("cut", "broken", "failed", "done")
    return next(
        state for state in worst if state in states | ({"cut"} if "waiting" in states else set())
    )


def left_of(steps: Sequence[dict[str, Any]]) -> str:
    """What a stage with these steps has, and what it lacks."""
    here = [step for step in steps if step.get("state") != "left out"]
    ended = sum(step.get("state") in ("done", "failed") for step in here)
    ill = [step["left"] for step in steps if step.get("state") in ("failed", "broken", "left out")]
    return "; ".join([f"{ended} of {len(here)} steps", *ill])
