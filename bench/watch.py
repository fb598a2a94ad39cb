"""What does a card do while a worker is on it?"""

import contextlib
import threading
import time
from types import TracebackType

from xpbench.bench import energy
from xpbench.bench.cards import Card, Reading

INTERVAL = 0.05
IDLE_SECONDS = 1.1 * energy.SECONDS


class Watch:
    """Reads a card every ``INTERVAL`` seconds, in a thread, until it is left."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._readings: list[Reading] = []
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=f"watch {card.name}", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        # A driver that hangs must not hang the run: the thread dies with this process.
        self._thread.join(20 * INTERVAL)

    def between(self, start: float, end: float) -> tuple[Reading, ...]:
        """The readings from ``start`` to ``end``, in seconds of ``time.monotonic``."""
        return tuple(reading for reading in list(self._readings) if start <= reading.seconds <= end)

    def _poll(self) -> None:
        while not self._left.is_set():
            # One reading that fails, on a card that was lost perhaps, is no reason to end a run.
            with contextlib.suppress(Exception):
                self._readings.append(self.card.read())
            self._left.wait(INTERVAL)


def idle_power(card: Card) -> float | None:
    """Watts of a card on which no worker is; takes ``IDLE_SECONDS``."""
    began = time.monotonic()
    with Watch(card) as watch:
        time.sleep(IDLE_SECONDS)
    return energy.idle_power(watch.between(began, time.monotonic()))
