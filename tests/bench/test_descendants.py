"""What our processes start is found wherever it went, and ended whatever ends us."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import alive, wait_until
from xpbench.bench import descendants

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="this system does not show environments"
)
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_only_what_bears_the_mark_is_found_and_ended() -> None:
    marked = subprocess.Popen(
        SLEEPER, env=os.environ | {descendants.MARK: "1-a"}, start_new_session=True
    )
    other = subprocess.Popen(SLEEPER, env=os.environ | {descendants.MARK: "1-ab"})
    try:
        assert wait_until(lambda: descendants.marked("1-a") == [marked.pid])
        descendants.end_all("1-a")
        assert marked.wait(10) == -signal.SIGKILL
        assert descendants.marked("1-a") == []
        assert alive(other.pid)
    finally:
        other.kill()
        other.wait()


PARENT = """
import os, subprocess, sys, time
from pathlib import Path
from xpbench.bench import descendants

scratch = Path(sys.argv[1])
scratch.mkdir()
with descendants.keeper(scratch):
    environment = os.environ | {descendants.MARK: descendants.OWN}
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleeper, env=environment, start_new_session=True)
    (scratch / "pid").write_text(str(child.pid))
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_keeper_ends_what_a_killed_parent_started_and_deletes_its_folder(
    tmp_path: Path, how: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(scratch)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    child = int((scratch / "pid").read_text())
    assert alive(child)
    parent.send_signal(how)
    parent.communicate()
    assert wait_until(lambda: not alive(child))
    assert wait_until(lambda: not scratch.exists())


def test_the_keeper_is_gone_with_the_block_and_takes_nothing_else(tmp_path: Path) -> None:
    inside, beside = tmp_path / "scratch", tmp_path / "beside"
    inside.mkdir()
    beside.mkdir()
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    with descendants.keeper(inside):
        assert inside.exists()
    assert children.read_text() == before
    assert beside.exists()
