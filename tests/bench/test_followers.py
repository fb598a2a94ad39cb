"""Several processes that do the same: what they are told, and that no fault of one is a hang."""

import functools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import together
from processes import alive, wait_until
from together import Together
from xpbench.bench import floating
from xpbench.bench.exceptions import Unsupported
from xpbench.bench.named import named


@pytest.fixture(scope="module")
def backend() -> Iterator[Together]:
    made = Together()
    made.lead(3)
    yield made
    pids = made.others.pids
    made.others.end()
    assert wait_until(lambda: not any(map(alive, pids))), "they end when they are told of no more"


def test_every_process_holds_what_was_put_and_computes_the_same(backend: Together) -> None:
    x = np.arange(6, dtype=np.int16).reshape(2, 3)
    half = np.array([1.5, -2], floating.BFLOAT16)
    call = backend.compile(functools.partial(together.scaled, backend.xp, factor=3))
    outputs = call(backend.put(x)), call(backend.put(half)), backend.put(np.empty((0, 4), np.float32))
    for output in outputs:
        backend.fetch(output)
    first, second, third = [backend.held, *backend.others.ask("seen")]
    assert first[-1] == ("fetched", [])
    assert ("fetched", (3 * x).tolist()) in first and ("bfloat16", [1.5, -2.0]) in first
    assert [list(map(list, first))] * 2 == [second, third]


def test_what_is_dropped_here_is_dropped_there(backend: Together) -> None:
    call = backend.compile(functools.partial(together.scaled, backend.xp, factor=1))
    x = backend.put(np.ones(4))
    before = backend.alive()
    kept = [call(x) for _ in range(50)][-2:]
    assert [backend.alive(), *backend.others.ask("alive")] == [before + 2] * 3
    del kept
    assert [backend.alive(), *backend.others.ask("alive")] == [before] * 3


def test_a_fault_in_one_process_is_told_with_its_place_and_the_others_go_on(backend: Together) -> None:
    x = backend.put(np.ones(2))
    with pytest.raises(RuntimeError, match="process 2 of 3: ValueError: not here"):
        backend.compile(together.fails_in_one)(x)
    backend.fetch(x)
    assert not backend.others.apart


def test_a_fault_in_all_is_the_leaders_own(backend: Together) -> None:
    x = backend.put(np.ones(2))
    with pytest.raises(ValueError, match="nowhere"):
        backend.compile(together.fails_in_all)(x)
    backend.fetch(x)
    assert not backend.others.apart


def test_a_function_that_no_other_process_can_find_is_refused(backend: Together) -> None:
    with pytest.raises(Unsupported, match="<lambda> cannot be told to another process: expected a func"):
        backend.compile(lambda x: x)
    with pytest.raises(Unsupported, match=r"scaled cannot be told.*expected numbers"):
        named(functools.partial(together.scaled, np, factor=np.ones(2)), np)


def test_a_round_trip_takes_time_and_nothing_else_does_without_followers(backend: Together) -> None:
    assert 0 < (backend.others.round_trip_seconds() or 0) < 1
    assert Together().others.round_trip_seconds() is None


LEADER = """
import numpy as np
import together
from xpbench.bench import followers
followers.PATIENCE = {patience}
backend = together.Together()
backend.lead(3)
x = backend.put(np.ones(2))
print(*backend.others.pids, flush=True)
call = backend.compile(together.{function})
try:
    call(x)
except BaseException as error:
    print(repr(error), backend.others.apart, flush=True)
"""


def lead(function: str, patience: float = 0.3, **variables: str) -> "subprocess.Popen[str]":
    script = textwrap.dedent(LEADER.format(function=function, patience=patience))
    tests = str(Path(together.__file__).parent)
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(leader: "subprocess.Popen[str]") -> tuple[str, str]:
    try:
        return leader.communicate(timeout=60)
    finally:
        leader.kill()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            "fails_while_the_leader_waits",
            "process 2 of 3 ended with code 1: ValueError: not here",
        ),
        ("crashes_in_one", "process 2 of 3 was ended by SIGABRT"),
    ],
)
def test_a_leader_that_waits_for_one_that_failed_or_died_ends_with_the_reason(
    function: str, said: str
) -> None:
    leader = lead(function)
    output, errors = finish(leader)
    assert (leader.returncode, errors.strip().splitlines()[-1]) == (1, said)
    assert wait_until(lambda: not any(map(alive, map(int, output.split()))))


def test_a_leader_that_failed_while_others_wait_for_it_says_that_they_are_apart() -> None:
    leader = lead("fails_while_others_wait")
    output, _ = finish(leader)
    pids, said = output.splitlines()
    assert said == "ValueError('not in the leader') True"
    assert wait_until(lambda: not any(map(alive, map(int, pids.split()))))


@pytest.mark.parametrize("victim", ["leader", "follower"])
def test_whichever_is_killed_nothing_goes_on(victim: str, tmp_path: Path) -> None:
    leader = lead("sleeps", TOGETHER_FOLDER=str(tmp_path))
    assert leader.stdout is not None
    pids = list(map(int, leader.stdout.readline().split()))
    assert wait_until(lambda: len(list(tmp_path.iterdir())) == 3, 30), "all of them are in a call"
    os.kill(leader.pid if victim == "leader" else pids[1], signal.SIGKILL)
    _, errors = finish(leader)
    assert wait_until(lambda: not any(map(alive, pids)))
    if victim == "follower":
        assert errors.strip().splitlines()[-1] == "process 3 of 3 was ended by SIGKILL"


def test_one_that_cannot_join_ends_the_leader_with_the_reason() -> None:
    leader = lead("sleeps", TOGETHER_FAILS="1")
    _, errors = finish(leader)
    assert leader.returncode == 1
    # It tells so itself, or is seen to end, whichever is heard first.
    last = errors.strip().splitlines()[-1]
    assert "process 2 of 3" in last
    assert last.endswith("OSError: no room at the table")


def test_a_member_of_the_suite_is_found_by_its_name_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from xpbench import Backend\nclass Mine(Backend):\n    name = 'mine'\n    x = 7\n")
    from xpbench.bench import registry

    kind: Any = registry.load_file(file).Mine
    name = named(kind)
    del sys.modules[kind.__module__]
    assert name.find().x == 7
    del sys.modules[kind.__module__]
