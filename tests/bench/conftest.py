"""Stored runs to read from: written through the journal, with times drawn as processes give them."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from stored_run import Stored, reduced
from xpbench.bench import cli, journal, turn
from xpbench.bench.case import Case
from xpbench.bench.measurement import Measurement


@dataclass(frozen=True)
class StoredRuns:
    """Builds cases, their forks, and the folders of runs below ``folder``."""

    folder: Path

    @staticmethod
    def case(place: str = "numpy", **changes: Any) -> Case:
        backend, _, device = place.partition("@")
        case = Case("matmul", (("n", 512),), "small", backend, device or "cpu", "float32", 2)
        return replace(case, **changes)

    @staticmethod
    def forks(case: Case, time: float = 1e-3, count: int = 5, **changes: Any) -> list[Measurement]:
        """``count`` forks within 2 % of ``time``: each has its own level, which its rounds share."""
        draw = random.Random(str(case))
        levels = [time * draw.uniform(0.98, 1.02) for _ in range(count)]
        measurements = [
            Measurement(
                case=case,
                fork=fork,
                status="ok",
                samples=tuple(level * factor for factor in (1.001, 1.0, 0.9995)),
                iterations=10,
                first_call_s=100 * time if fork == 0 else 5 * time,
                cold=fork == 0,
                transfer_s=time / 10,
                compute_dtype=case.dtype,
                errors={"forward": (0.125, 1.0)},
                traffic_bytes=3.0e6,
                pressure=0.4,
                others=0.01,
            )
            for fork, level in enumerate(levels)
        ]
        return [replace(measurement, **changes) for measurement in measurements]

    @staticmethod
    def header(cases: Iterable[Case], **changes: Any) -> dict[str, Any]:
        cases = list(cases)
        kernels: dict[str, Any] = {}
        for case in cases:
            entry = kernels.setdefault(
                case.kernel,
                {
                    "chapter": "linear_algebra",
                    "title": case.kernel,
                    "error_unit": "eps",
                    "flops": {},
                    "traffic": {},
                },
            )
            entry["flops"][case.size_text] = 2.0e9
            entry["traffic"][f"{case.size_text}/{case.dtype}"] = 4.0e6
        return {
            "name": "night",
            "created": "2026-11-23T04:00:00+00:00",
            "xpbench": "0.1.0",
            "seed": 0,
            "settings": {"forks": 5, "baseline": "numpy", "threads": 2, "precision": "ieee"},
            "cases": [case.to_json() for case in cases],
            "versions": {"numpy": {"numpy": "2.4.6"}},
            "machine": {"id": "1a2b3c4d", "cpu": "A Processor", "cores": 2, "python": "3.12.0"},
            "kernels": kernels,
            **changes,
        }

    def store(
        self, *measured: list[Measurement], unmeasured: Iterable[Case] = (), **changes: Any
    ) -> journal.Run:
        """A run of ``measured``, one list a case, in which the turn of ``unmeasured`` never came."""
        records = [record for case in measured for record in case]
        cases = [*dict.fromkeys(record.case for record in records), *unmeasured]
        folder = self.folder / f"run{len(list(self.folder.iterdir()))}"
        journal.create(folder, self.header(cases, **changes))
        for record in records:
            journal.append(folder, record)
        return journal.read(folder)


@pytest.fixture
def nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the runs of a test wait for no card on which another test has its turn."""
    monkeypatch.setattr(turn, "lock_file", lambda name: tmp_path / "turn.lock")


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """As ``xpbench``, without a process of its own, which takes a second to start: for what is told of
    arguments and of stored runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)

    def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        line = ["xpbench", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", line)
        capsys.readouterr()
        try:
            code: object = cli.main()
        except SystemExit as end:
            code = end.code
        told = capsys.readouterr()
        assert code is None or isinstance(code, int)
        return subprocess.CompletedProcess(line, code or 0, told.out, told.err)

    return command


@pytest.fixture
def runs(tmp_path: Path) -> StoredRuns:
    return StoredRuns(tmp_path)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run, measured in earnest, that no test may change."""
    return reduced(tmp_path_factory.mktemp("whole") / "night").path


@pytest.fixture
def stored_run(whole_run: Path, tmp_path: Path) -> Stored:
    """A copy of it that a test may spoil."""
    return Stored(Path(shutil.copytree(whole_run, tmp_path / "night")))
