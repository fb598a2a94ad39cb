"""What tests ask of processes: is one alive, does it listen, and when does something become true?"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie that waits for its parent."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def wait_until(holds: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Whether something becomes true within so many seconds."""
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(held)


def listening() -> set[str]:
    """The inodes of the sockets that listen on this machine's network."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == "0A":
                found.add(fields[9])
    return found


def sockets(pid: int) -> Iterator[str]:
    """The inodes of the sockets that a process has open."""
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            link = str(descriptor.readlink())
        except OSError:
            continue
        if found := re.fullmatch(r"socket:\[(\d+)\]", link):
            yield found[1]


def family(pid: int) -> Iterator[int]:
    """The process, and those that it has started, and so on."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))
