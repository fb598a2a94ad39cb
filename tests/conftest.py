"""What many tests share: small kernels in real files, and runs of the real command."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

KERNEL = '''
"""A kernel in a user's own file."""

import numpy as np

from xpbench import Kernel


def {name}(xp, x):
    """Twice x.

    y = 2 x;  x (n,) -> y (n,);  n flops
    """
    {body}
    return 2 * x


Kernel(
    compute={name},
    inputs=lambda rng, n: (rng.standard_normal(n),),
    reference=lambda x: 2 * x,
    sizes={{"small": {{"n": 8}}, "medium": {{"n": 64}}}},
    flops=lambda n: n,
)
'''

SPREAD = frozenset(
    f"test_{name}"
    for name in (
        "cli",
        "cluster",
        "crashes",
        "fake_device_runs",
        "runner",
        "runs_on_cards",
        "second_turns",
        "slurm",
        "store",
        "verification",
    )
)
"""Files of long tests that share nothing: no worker is to be left with all of one at the end."""

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

WriteKernel = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps the tests of a file on one worker, where they share what is compiled and what is measured;
    but those of ``SPREAD`` go wherever there is room, and last."""
    # A machine with a card may have no xdist.
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            # xdist's own groups (--dist loadgroup) are lost on pytest 9.2, without a word.
            file = nodeid.split("::")[0]
            return nodeid if Path(file).stem in SPREAD else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def write_kernel_to() -> WriteKernel:
    """Writes a file with the kernel ``name``, whose function runs ``body`` first, to a folder."""

    def write(folder: Path, name: str = "double", body: str = "pass") -> Path:
        path = folder / f"{name}_file.py"
        path.write_text(KERNEL.format(name=name, body=body))
        return path

    return write


@pytest.fixture
def write_kernel(tmp_path: Path, write_kernel_to: WriteKernel) -> WriteKernel:
    """As ``write_kernel_to``, to the folder of the test."""
    return functools.partial(write_kernel_to, tmp_path)


@pytest.fixture(scope="session")
def xpbench_in() -> Command:
    """Runs the command in a folder, as a user would."""

    def command(
        folder: Path, *arguments: str | Path, timeout: float = 240
    ) -> "subprocess.CompletedProcess[str]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        return subprocess.run(
            [sys.executable, "-m", "xpbench", *map(str, arguments)],
            cwd=folder,
            env=environment | {"COLUMNS": "80"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return command


@pytest.fixture
def xpbench(tmp_path: Path, xpbench_in: Command) -> Command:
    """As ``xpbench_in``, in an empty folder of its own."""
    return functools.partial(xpbench_in, tmp_path)
