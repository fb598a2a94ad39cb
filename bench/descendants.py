"""What our processes start: how it is found, and how it is ended whatever ends us.

Run by its path, as ``python descendants.py MARK FOLDER``, it is the keeper of a run: it waits until its
standard input ends, which is when the run has ended or was killed, ends what bears the mark, and deletes
the folder. It imports nothing of ours, so that it is there in a few milliseconds.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "XPBENCH_OF"
"""The environment variable by which what this process starts is known, and all that comes of it."""
OWN = f"{os.getpid()}-{secrets.token_hex(4)}"
"""Its value: our process id, and something that no other process of that id had."""
ROUNDS, PAUSE_SECONDS = 100, 0.01
"""A process can start another while it is being ended, and on a busy machine takes its time to go: so
often we look again."""


def marked(mark: str, processes: Path = Path("/proc")) -> list[int]:
    """The ids of the processes that were started with ``mark``, wherever they have gone since: a group
    or a session of their own does not hide them. None where the system does not show environments."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in processes.glob("[0-9]*"):
        # Those of others cannot be read, and some are gone meanwhile.
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_all(mark: str = OWN) -> None:
    """Kills every process that bears ``mark``."""
    for _ in range(ROUNDS):
        found = marked(mark)
        if not found:
            return
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def keeper(folder: Path) -> Iterator[None]:
    """A process that stands by until the end of the block, or until this one is killed: then it ends
    what we started, and deletes ``folder``. There is none where environments are not shown."""
    if not Path("/proc/self/environ").exists():
        yield
        return
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, OWN, str(folder.resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    assert child.stdin is not None
    try:
        yield
    finally:
        child.stdin.close()
        child.wait()


def oom_kills() -> int | None:
    """How many processes the system has ended for want of memory, since it was started; ``None`` where
    Linux does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


def main(mark: str, folder: str) -> None:
    """The keeper at work."""
    while sys.stdin.buffer.read(4096):
        pass
    end_all(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
