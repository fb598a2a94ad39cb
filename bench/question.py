"""How is a question put to a process of another Python, or of this one in another environment?"""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

PATIENCE_SECONDS = 120.0


def ask(
    python: str, module: str, question: Mapping[str, Any], variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs ``python -m module`` with the question as JSON; what it prints is the answer.

    What is no text in what it prints is replaced by signs that say so.

    Raises
    ------
    OSError
        If ``python`` cannot be run.
    subprocess.TimeoutExpired
        If there is no answer in ``PATIENCE_SECONDS``.
    """
    return subprocess.run(
        [python, "-P", "-m", module, json.dumps(question)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_SECONDS,
        check=False,
        env={**os.environ, **(variables or {})},
    )
