"""A run on a card is watched, measures again once what the card slowed, and marks what stays slowed."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from xpbench.bench import attendance, beginning, journal, preparation, runner, turn, watch
from xpbench.bench.cards import Card, Reading
from xpbench.bench.measurement import Measurement
from xpbench.bench.plan import Request
from xpbench.bench.process import Ending
from xpbench.bench.report.summary import summarise
from xpbench.bench.second_turns import PATIENCE
from xpbench.bench.task import Task

BACKEND = """
from xpbench import Backend, Vocabulary

class OnACard(Backend):
    "NumPy that says it is on a card of its own."
    name = "fake"
    library = "numpy"
    home = "fake"

    def devices(self):
        return ["fake"]

    def load(self, setting):
        import array_api_compat.numpy
        from xpbench.bench import measurement
        measurement.DISTURBED = 2.0  # whatever else this machine does is not the question here
        self.setting = setting
        self.xp = Vocabulary(array_api_compat.numpy)
"""


@dataclass
class Scripted:
    """A card that is throttled whenever ``hot`` says so."""

    hot: Callable[[], bool] = lambda: False
    others: int | None = 0
    name: str = "GPU-scripted"
    energy_j: float | None = None

    def read(self) -> Reading:
        words = ("power cap",) if self.hot() else ()
        return Reading(time.monotonic(), 1980, 400.0, 61, words, self.energy_j, self.others)


@dataclass
class Heard(runner.Silent):
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def run_on(tmp_path: Path, write_kernel, nobody_else, monkeypatch: pytest.MonkeyPatch):
    """Measures kernels on a scripted card; tells the run and what was noted."""
    monkeypatch.setattr(watch, "INTERVAL", 0.01)
    (tmp_path / "fake_backend.py").write_text(BACKEND)

    def measure(
        card: Card | None, kernels: int = 1, forks: int = 1, body: str = "pass", **options
    ) -> tuple[journal.Run, list[str]]:
        files = [str(write_kernel(f"k{index}", body)) for index in range(kernels)]
        request = Request(backends=(str(tmp_path / "fake_backend.py"),), sizes=("small",))
        prepared = preparation.prepare(
            files, request, **({"forks": forks, "seconds": 0.2, "roofs": False} | options)
        )
        folder, heard = beginning.begin(prepared, tmp_path / "run"), Heard()
        job = replace(prepared.job(folder), find_card=lambda device, environment: card)
        runner.execute(job, heard)
        return journal.read(folder), heard.notes

    return measure


def written(run: journal.Run) -> Counter[tuple[str, int]]:
    lines = (run.path / journal.JOURNAL).read_text().splitlines()
    return Counter((record["id"], record["fork"]) for record in map(json.loads, lines))


def states_in(folder: Path) -> int:
    file = folder / "run" / journal.CARDS
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_every_case_and_fork_has_a_state_of_its_card(run_on) -> None:
    run, notes = run_on(Scripted(others=2), kernels=2, forks=2)
    assert not [m.reason for m in run.measurements if m.status != "ok"]
    first_turns = [state for state in run.cards if not state.again]
    assert [state.key for state in first_turns] == [m.key for m in run.measurements]
    for state in first_turns:
        assert state.readings > 0
        assert (state.device, state.sm_mhz, state.temperature_c) == ("fake", 1980, 61)
        assert (state.power_w, state.throttle, state.throttled) == (pytest.approx(400), (), 0)
        assert (state.others, state.energy_j, state.reason) == (2, None, "")
    assert notes == []
    assert set(summarise([run])["throttled"]) == {0}


def test_what_a_card_slowed_is_measured_again_once_and_the_better_turn_counts(run_on, tmp_path) -> None:
    run, notes = run_on(Scripted(hot=lambda: states_in(tmp_path) == 0))
    assert [(state.again, state.slowed) for state in run.cards] == [(False, True), (True, False)]
    assert set(written(run).values()) == {2}
    second = json.loads((run.path / journal.JOURNAL).read_text().splitlines()[1])
    assert list(run.measurements[0].samples) == second["samples"]
    assert list(summarise([run])["throttled"]) == [0]
    assert notes == []


@pytest.mark.slow
def test_what_stays_slowed_is_measured_twice_in_a_fork_then_marked_and_then_given_up(run_on) -> None:
    run, notes = run_on(Scripted(hot=lambda: True), kernels=PATIENCE, forks=2)
    counts = written(run)
    assert {counts[key] for key in counts if key[1] == 0} == {2}, "a second turn and no third"
    assert {counts[key] for key in counts if key[1] == 1} == {1}, "no second turn where it is in vain"
    [note] = notes
    assert note.startswith("the card keeps its clock down under this load (power cap)")
    frame = summarise([run])
    assert set(frame["throttled"]) == {2}
    assert set(frame["throttle"]) == {"power cap"}


def test_a_wrong_result_on_a_slowed_card_has_no_second_turn(run_on) -> None:
    run, _ = run_on(Scripted(hot=lambda: True), body="return 3 * x")
    assert [m.status for m in run.measurements] == ["wrong"]
    assert set(written(run).values()) == {1}
    assert [state.again for state in run.cards] == [False]


def test_without_a_card_to_read_the_run_is_as_ever(run_on) -> None:
    run, notes = run_on(None)
    assert [m.status for m in run.measurements] == ["ok"] * len(run.measurements)
    assert (run.cards, notes) == ((), [])
    assert not (run.path / journal.CARDS).exists()
    assert summarise([run])["throttled"].isna().all()


def test_results_that_are_only_judged_are_not_watched(run_on) -> None:
    run, _ = run_on(Scripted(), seconds=0.0)
    assert [m.status for m in run.measurements] == ["ok"] * len(run.measurements)
    assert run.cards == ()


@pytest.mark.parametrize("card", [Scripted(), pytest.param(None, marks=pytest.mark.slow)])
def test_each_worker_has_the_card_for_itself(run_on, monkeypatch, card: Card | None) -> None:
    asked: list[tuple[str, str]] = []
    alone = turn.on

    def on(device: str, name: str, note: Callable[[str], None]):
        asked.append((device, name))
        return alone(device, name, note)

    monkeypatch.setattr(turn, "on", on)
    run_on(card, forks=2)
    assert set(asked) == {("fake", "GPU-scripted" if card else "fake")}
    assert len(asked) >= 2


@pytest.mark.parametrize("asked", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_energy_is_asked_of_the_first_fork_alone_and_only_where_it_is_wanted(
    run_on, monkeypatch, asked: bool
) -> None:
    tasks: list[Task] = []
    write = Task.write

    def kept(self: Task, path: Path) -> None:
        tasks.append(self)
        write(self, path)

    monkeypatch.setattr(Task, "write", kept)
    idle: list[Card] = []
    monkeypatch.setattr(attendance.watch, "idle_power", lambda card: idle.append(card) or 65.0)
    run_on(Scripted(energy_j=1.0), forks=2, energy=asked)
    workers = [task for task in tasks if task.backend]
    assert [(task.fork, task.energy) for task in workers] == [(0, asked), (1, False)]
    assert len(idle) == asked, "idle power is measured once"
    assert not any(task.energy for task in tasks if not task.backend), "nor of the process of the data"


@pytest.mark.parametrize(
    ("used_j", "energy_j", "said"),
    [(600.0, 3.0, []), (0.0, None, ["no energy of a call: the energy counter did not move"])],
)
def test_what_a_worker_says_of_its_calls_becomes_the_energy_of_its_case_or_a_note(
    run_on, monkeypatch, used_j: float, energy_j: float | None, said: list[str]
) -> None:
    card = Scripted(energy_j=1000.0)
    monkeypatch.setattr(attendance.watch, "idle_power", lambda card: 0.0)
    supervised = runner.supervise

    def supervise(python, module, file, variables, timeout, on_event, held) -> Ending:
        if module.endswith(".data"):
            return supervised(python, module, file, variables, timeout, on_event, held)
        task = Task.read(file)
        for case in task.cases:
            on_event({"event": "start", "id": str(case)})
            journal.append(task.run, Measurement(case, task.fork, "ok", samples=(1e-3,)))
            if task.energy:
                on_event({"event": "energy", "state": "begin", "id": str(case)})
                card.energy_j += used_j
                calls = {"calls": 200, "seconds": 2.5}
                on_event({"event": "energy", "state": "end", "id": str(case), **calls})
            on_event({"event": "end", "id": str(case), "status": "ok"})
        return Ending()

    monkeypatch.setattr(runner, "supervise", supervise)
    run, notes = run_on(card, forks=3, energy=True)
    assert [state.energy_j for state in run.cards] == [energy_j, None, None]
    assert list(summarise([run])["energy_j"].dropna()) == ([] if energy_j is None else [energy_j])
    assert [note.partition(": ")[2] for note in notes] == said


def test_energy_of_a_run_without_a_card_is_said_to_be_in_vain(tmp_path, write_kernel) -> None:
    request = Request(backends=("numpy",), sizes=("small",))
    prepared = preparation.prepare([str(write_kernel())], request, forks=1, seconds=0.01, energy=True)
    heard = Heard()
    runner.execute(prepared.job(beginning.begin(prepared, tmp_path / "run")), heard)
    assert heard.notes == ["--energy reads the counter of a card, and no case of this run is on one"]
