"""The page on clusters is followed to the letter, with three nodes on one machine."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pages import ROOT, blocks
from processes import wait_until
from xpbench.bench import groups

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'xpbench[cluster]'")

PAGE = ROOT / "docs" / "cluster.md"
FOLLOWED = "follows this page"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_the_page_leads_from_nothing_to_the_table(tmp_path: Path) -> None:
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    followed = [
        (block, command)
        for block in blocks(PAGE)
        for command in block.commands
        if command.mark and FOLLOWED in command.mark.reason
    ]
    with contextlib.ExitStack() as nodes:

        def start(words: list[str], name: str) -> None:
            log = nodes.enter_context((tmp_path / name).open("wb"))
            node = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=log, stderr=log)
            nodes.callback(node.wait)
            nodes.callback(node.terminate)

        done = []
        for _, command in followed:
            line = command.line.replace("8786", str(port))
            program, *words = shlex.split(re.sub(r"node\d", "127.0.0.1", line))
            module = [sys.executable, "-m", program]
            if words[0] == "scheduler":
                start([*module, *words], "node1.log")
                assert wait_until(lambda: "Scheduler at:" in (tmp_path / "node1.log").read_text(), 30)
            elif words[0] == "worker":
                for name in ("node2.log", "node3.log"):
                    start([*module, *words], name)
                for name in ("node2.log", "node3.log"):
                    log = tmp_path / name
                    assert wait_until(lambda log=log: "Registered to:" in log.read_text(), 30)
            else:
                answer = subprocess.run(
                    [*module, *words],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=240,
                    check=False,
                )
                assert answer.returncode == command.exit_code, f"{line}: {answer.stderr}"
            done.append(words[0])
    assert done == ["scheduler", "worker", "run", "table", "report", "compare", "run"]
    (group,) = groups.groups_in(tmp_path / "sweep")
    assert (group / "journal.jsonl").is_file()
    assert (tmp_path / "sweep.html").is_file()
