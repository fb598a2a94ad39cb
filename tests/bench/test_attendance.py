"""A card is read as long as a worker lives, and every case is told what it did from start to end."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from xpbench.bench import attendance, energy, watch
from xpbench.bench.attendance import Attendance, Cards
from xpbench.bench.backend import Setting
from xpbench.bench.cards import Card, Reading
from xpbench.bench.plan import Environment
from xpbench.bench.watch import Watch

PLACE = Environment("torch", Setting("cuda:1"), (("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),))


@dataclass
class Scripted:
    """A card whose nth reading is the nth of ``readings``, and the last of them from there on."""

    readings: list[Reading]
    name: str = "GPU-scripted"
    read_so_far: int = 0
    third: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Reading:
        self.read_so_far += 1
        if self.read_so_far >= 3:
            self.third.set()
        return self.readings[min(self.read_so_far, len(self.readings)) - 1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(attendance, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def set_to(seconds: float) -> None:
        now[0] = seconds

    return set_to


class Told(Watch):
    """A watch that polls nothing: its readings are given."""

    def __init__(self, card: Card, readings: list[Reading]) -> None:
        super().__init__(card)
        self._readings = readings


def test_a_watch_reads_until_it_is_left() -> None:
    card = Scripted([Reading(float(i)) for i in range(3)])
    with Watch(card) as watching:
        assert card.third.wait(30)
    assert watching.between(0.0, 1.0) == (Reading(0.0), Reading(1.0))
    assert not watching._thread.is_alive()


def test_a_reading_that_fails_is_left_out_and_the_next_is_read() -> None:
    class Lost(Scripted):
        def read(self) -> Reading:
            reading = super().read()
            if self.read_so_far == 2:
                raise OSError("the card is lost")
            return reading

    card = Lost([Reading(1.0), Reading(2.0), Reading(3.0)])
    with Watch(card) as watching:
        assert card.third.wait(30)
        while len(watching.between(0.0, 9.0)) < 2:
            time.sleep(0.01)
    assert [reading.seconds for reading in watching.between(0.0, 9.0)][:2] == [1.0, 3.0]


def test_an_exception_ends_a_watch() -> None:
    watching = Watch(Scripted([Reading(0.0)]))
    with pytest.raises(KeyboardInterrupt), watching:
        raise KeyboardInterrupt
    assert not watching._thread.is_alive()


def test_a_case_is_told_of_the_readings_between_its_start_and_its_end(clock) -> None:
    readings = [Reading(float(t), sm_mhz=1000.0 + t) for t in range(10)]
    heard = Attendance(Told(Scripted([Reading(0.0)]), readings), "cuda", 2, True)
    clock(3.0)
    assert heard.hear({"event": "start", "id": "a"}) is None
    clock(5.0)
    state = heard.hear({"event": "end", "id": "a", "status": "ok"})
    assert state is not None
    assert (state.case, state.fork, state.device, state.again) == ("a", 2, "cuda", True)
    assert (state.sm_mhz, state.readings, state.energy_j, state.reason) == (1004.0, 3, None, "")
    assert heard.hear({"event": "bye"}) is None


def hear_energy(card: Card, idle_w: float | None, *names: str) -> Iterator[tuple[float | None, str]]:
    heard = Attendance(Told(card, []), "cuda", 0, False, idle_w)
    for name in names:
        heard.hear({"event": "start", "id": name})
        if name == "with":
            heard.hear({"event": "energy", "state": "begin", "id": name})
            heard.hear({"event": "energy", "state": "end", "id": name, "calls": 100, "seconds": 2.0})
        state = heard.hear({"event": "end", "id": name, "status": "ok"})
        assert state is not None
        yield state.energy_j, state.reason


def test_energy_is_what_the_counter_moved_between_the_events_and_that_case_alone_has_it() -> None:
    card = Scripted([Reading(10.0, energy_j=500.0), Reading(12.0, energy_j=900.0)])
    assert list(hear_energy(card, 50.0, "with", "without")) == [(pytest.approx(3.0), ""), (None, "")]


def test_where_energy_cannot_be_told_the_reason_is_kept() -> None:
    card = Scripted([Reading(10.0, energy_j=500.0), Reading(12.0, energy_j=500.0)])
    [(joules, reason)] = hear_energy(card, 50.0, "with")
    assert joules is None
    assert "did not move" in reason

    class Lost(Scripted):
        def read(self) -> Reading:
            raise OSError

    assert list(hear_energy(Lost([]), 50.0, "with")) == [(None, "the card could not be read")]


def test_a_card_is_looked_for_once_under_the_variables_of_its_process(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    asked: list[tuple[str, str, str]] = []

    def find(device: str, environment: Mapping[str, str]) -> Card:
        order, visible = environment["CUDA_DEVICE_ORDER"], environment["CUDA_VISIBLE_DEVICES"]
        asked.append((device, order, visible))
        return Scripted([Reading(0.0)])

    found = Cards(find, print)
    assert found.of(PLACE) is found.of(PLACE)
    assert asked == [("cuda:1", "PCI_BUS_ID", "3,1")]


def test_idle_power_is_measured_once_a_card(monkeypatch) -> None:
    monkeypatch.setattr(watch, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(energy, "SECONDS", 0.0)
    measured: list[Card] = []

    def idle_power(card: Card) -> float:
        measured.append(card)
        return 65.0

    monkeypatch.setattr(watch, "idle_power", idle_power)
    card = Scripted([Reading(0.0, energy_j=1.0)])
    notes: list[str] = []
    found = Cards(lambda device, environment: card, notes.append)
    assert (found.idle_w(PLACE), found.idle_w(replace(PLACE, backend="jax"))) == (65.0, 65.0)
    assert (measured, notes) == ([card], [])


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (None, "no energy of a call on cuda:1: the card cannot be read"),
        (Scripted([Reading(0.0, power_w=60.0)]), "GPU-scripted does not count what it takes"),
    ],
)
def test_where_there_is_no_counter_no_time_is_spent_and_one_note_says_so(card, said: str) -> None:
    notes: list[str] = []
    found = Cards(lambda device, environment: card, notes.append)
    assert (found.idle_w(PLACE), found.idle_w(PLACE)) == (None, None)
    assert len(notes) == 1
    assert said in notes[0]
    assert card is None or card.read_so_far == 1


def test_idle_power_is_that_of_the_readings_meanwhile(monkeypatch) -> None:
    monkeypatch.setattr(watch, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(energy, "SECONDS", 0.0)

    class Steady(Scripted):
        def read(self) -> Reading:
            seconds = time.monotonic()
            return Reading(seconds, energy_j=65.0 * seconds)

    assert watch.idle_power(Steady([])) == pytest.approx(65.0)
