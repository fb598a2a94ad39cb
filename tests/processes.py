"""What tests ask of processes: is one alive, and when does something become true?"""

import time
from collections.abc import Callable
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
