"""The workers of a Dask scheduler as the machines of a run."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from xpbench.bench.cluster import work
from xpbench.bench.cluster.block import Block, Node, Result
from xpbench.bench.cluster.fleet import Ended, Lost, Place
from xpbench.bench.cluster.kind import kind_of
from xpbench.bench.device import is_host
from xpbench.bench.exceptions import XpbenchError, one_line

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 180.0
"""How long a worker may take to tell of itself, which is the import of every library it has."""
LOOK_SECONDS = 1.0
"""So often the scheduler is asked which workers there are."""
POLL_SECONDS = 0.05
STOP_SECONDS = 10.0
"""How long workers may take to stop, which is to kill a process and to read what it has measured."""
CARD = "GPU"
"""The resource that a worker with a card declares: ``dask worker --resources GPU=1``."""


@dataclass
class _Asked:
    """A worker that was asked what it is, or has answered."""

    future: Any
    node: Node | None = None
    refused: bool = False


@dataclass
class DaskFleet:
    """Sends one block at a time to each worker; which, is chosen here, and not by the scheduler.

    Use ``connect``.
    """

    client: Any
    address: str
    question: Mapping[str, Any] = field(default_factory=dict)
    faults_of: Callable[[Node], list[str]] | None = None
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _running: dict[str, tuple[Any, Block, Place]] = field(default_factory=dict)
    _over: list[Ended] = field(default_factory=list)
    _workers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _looked: float = 0.0
    _notes: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def ask(self, question: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """As ``Fleet.ask``.

        Raises
        ------
        XpbenchError
            If there is no worker, one has more than one thread, or one cannot answer.
        """
        self.question = question
        self._look()
        if not self._workers:
            raise XpbenchError(
                f"{self.address} has no worker: start one, `dask worker {self.address} --nthreads 1`"
            )
        for address, worker in self._workers.items():
            if worker["nthreads"] != 1:
                raise XpbenchError(_threads(_name(address, worker), worker))
        for address in self._workers:
            self._ask(address)
        answers = {}
        for address, worker in self._workers.items():
            answers[_name(address, worker)] = self._answer(address, worker)
        self._notes += [*_crowded(answers), *self._undeclared(answers)]
        return answers

    def _undeclared(self, answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """What is to be said of workers that see a card and do not declare it, or declare one and see
        none."""
        names = {_name(address, worker): worker for address, worker in self._workers.items()}
        notes = []
        for name, answer in answers.items():
            sees, declares = _sees_a_card(answer["states"]), bool(_cards(names[name]))
            if sees and not declares:
                notes.append(
                    f"{name} sees a card, and gets no case on it: start it with --resources {CARD}=1"
                )
            elif declares and not sees:
                notes.append(
                    f"{name} declares a card, and no library sees one there: it gets no case on it"
                )
        return notes

    def require(self, faults_of: Callable[[Node], list[str]]) -> None:
        self.faults_of = faults_of

    def _ask(self, address: str) -> None:
        key = f"xpbench-describe-{address}-{next(self._numbers)}-{time.time_ns()}"
        future = self.client.submit(
            work.describe,
            self.question,
            key=key,
            workers=[address],
            allow_other_workers=False,
            pure=False,
        )
        self._asked[address] = _Asked(future)

    def _answer(self, address: str, worker: Mapping[str, Any]) -> Mapping[str, Any]:
        name = _name(address, worker)
        try:
            answer: Mapping[str, Any] = self._asked[address].future.result(timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise XpbenchError(
                f"{name} did not answer in {ANSWER_SECONDS:g} s: is it busy, or gone?"
            ) from None
        except Exception as fault:
            raise XpbenchError(
                f"{name} cannot tell what is installed there ({one_line(fault)}): install the xpbench "
                "there that is installed here"
            ) from None
        self._asked[address].node = Node(**answer)
        return answer

    def _look(self) -> None:
        """Asks the scheduler which workers there are."""
        if self.client.status != "running":
            raise self._lost()
        try:
            # Client.scheduler_info gives what its own callback may just have overwritten: no worker.
            asked = self.client.scheduler.identity
            told = self.client.sync(asked, n_workers=-1, callback_timeout=CONNECT_SECONDS)
            self._workers = dict(told["workers"])
        except Exception:
            raise self._lost() from None
        self._looked = time.monotonic()

    def _lost(self) -> Lost:
        return Lost(f"the scheduler at {self.address} is gone")

    def free(self) -> Sequence[Place]:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()
            self._welcome()
        busy = {place.name for _, _, place in self._running.values()}
        return [place for place in self.places() if place.name not in busy]

    def places(self) -> Sequence[Place]:
        """The workers that have told what they are, and may take part."""
        return [
            Place(
                _name(address, worker),
                kind_of(asked.node.machine),
                bool(_cards(worker)) and _sees_a_card(asked.node.states),
            )
            for address, worker in self._workers.items()
            if (asked := self._asked.get(address)) and asked.node and not asked.refused
        ]

    def _welcome(self) -> None:
        """Asks workers that have come since, and hears those that were asked."""
        for address, worker in self._workers.items():
            asked, name = self._asked.get(address), _name(address, worker)
            if asked is None and worker["nthreads"] != 1:
                self._asked[address] = _Asked(None, refused=True)
                self._notes.append(f"left out: {_threads(name, worker)}")
            elif asked is None:
                self._ask(address)
            elif asked.node is None and not asked.refused and asked.future.done():
                try:
                    faults = self._faults(self._answer(address, worker))
                except XpbenchError as fault:
                    asked.refused = True
                    self._notes.append(f"left out: {fault}")
                    continue
                asked.refused = bool(faults)
                self._notes.append(
                    f"{name} is left out, it {'; '.join(faults)}" if faults else f"{name} takes part now"
                )

    def _faults(self, answer: Mapping[str, Any]) -> list[str]:
        return self.faults_of(Node(**answer)) if self.faults_of else []

    def send(self, block: Block, place: Place) -> None:
        address = next(a for a, worker in self._workers.items() if _name(a, worker) == place.name)
        key = f"{block.name}-{next(self._numbers)}-{time.time_ns()}"
        future = self.client.submit(
            work.measure,
            block.to_json(),
            key,
            key=key,
            workers=[address],
            allow_other_workers=False,
            resources={CARD: 1} if block.on_card else None,
            retries=0,
            pure=False,
        )
        self._running[address] = (future, block, place)

    def ended(self) -> list[Ended]:
        self._collect()
        found, self._over = self._over, []
        if not found:
            time.sleep(POLL_SECONDS)
        return found

    def _collect(self) -> None:
        """Moves what is over, one by one: what was moved is kept, whatever the next one raises."""
        for address in list(self._running):
            if ended := self._ended(address):
                self._over.append(ended)

    def _ended(self, address: str) -> Ended | None:
        future, block, place = self._running[address]
        if self.client.status != "running":
            raise self._lost()
        if address not in self._workers:
            self._forget(address)
            return Ended(block, place, None, "the worker is gone")
        if not future.done():
            return None
        self._forget(address, cancel=False)
        try:
            answer = future.result(timeout=ANSWER_SECONDS)
        except (CancelledError, OSError, TimeoutError) as fault:
            return Ended(block, place, None, f"the answer is lost ({one_line(fault)})")
        except Exception as fault:
            if type(fault).__module__.startswith("distributed"):
                return Ended(block, place, None, f"the worker is gone ({type(fault).__name__})")
            raise XpbenchError(
                f"{place.name}: its block could not be measured ({one_line(fault)})"
            ) from fault
        return Ended(block, place, Result.from_json(answer))

    def stop(self) -> list[Ended]:
        found, self._over = self._over, []
        if not self._running or self.client.status != "running":
            return found
        errands = {address: future.key for address, (future, _, _) in self._running.items()}
        # Ctrl-C must not wait for a worker that does not answer.
        threading.Thread(target=self._tell_to_stop, args=(errands,), daemon=True).start()
        end = time.monotonic() + STOP_SECONDS
        while self._running and self.client.status == "running" and time.monotonic() < end:
            for address in list(self._running):
                with suppress(XpbenchError):
                    ended = self._ended(address)
                    found += [ended] if ended else []
            time.sleep(POLL_SECONDS)
        for address in list(self._running):
            self._forget(address)
        return found

    def _tell_to_stop(self, errands: Mapping[str, str]) -> None:
        with suppress(Exception):
            self.client.run(work.stop, list(errands.values()), workers=list(errands), on_error="ignore")

    def _forget(self, address: str, cancel: bool = True) -> None:
        future, _, _ = self._running.pop(address)
        if cancel:
            with suppress(Exception):
                future.cancel()

    def notes(self) -> list[str]:
        told, self._notes = self._notes, []
        return told

    def close(self) -> None:
        self.stop()
        with suppress(Exception):
            self.client.close(timeout=2)


def connect(address: str) -> DaskFleet:
    """The workers of the scheduler at an address such as ``tcp://node1:8786``.

    Raises
    ------
    XpbenchError
        If Dask is not installed or has no certificate for TLS, or no scheduler answers there.
    """
    try:
        import distributed
    except ImportError:
        raise XpbenchError(f"--cluster {address} needs Dask: pip install 'xpbench[cluster]'") from None
    _silence()
    security: Any = distributed.Security()
    if address.startswith("tls:") and not security.get_connection_args("client").get("ssl_context"):
        raise XpbenchError(
            f"--cluster {address}: Dask has no certificate to show: name yours in its configuration, by "
            "the variables DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
        )
    try:
        # It has no types where it is installed, and is unknown to mypy where it is not.
        new: Any = distributed.Client
        client = new(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as fault:
        raise XpbenchError(
            f"--cluster {address}: no scheduler answers there ({one_line(fault)}): start one with "
            "`dask scheduler`, which prints its address"
        ) from None
    return DaskFleet(client, address)


def _silence() -> None:
    """What Dask would say of lost connections in many lines, tracebacks among them, we say in one."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _name(address: str, worker: Mapping[str, Any]) -> str:
    name = str(worker.get("name") or address)
    return address if name == address else f"{name} ({address})"


def _cards(worker: Mapping[str, Any]) -> float:
    return float((worker.get("resources") or {}).get(CARD, 0))


def _sees_a_card(states: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(not is_host(device) for state in states.values() for device in state["devices"])


def _crowded(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is to be said of workers that share a machine."""
    by_machine: dict[str, list[str]] = {}
    for name, answer in answers.items():
        by_machine.setdefault(answer["machine"]["id"], []).append(name)
    return [
        f"{', '.join(names)} are on one machine and disturb each other: start one worker a machine"
        for names in by_machine.values()
        if len(names) > 1
    ]


def _threads(name: str, worker: Mapping[str, Any]) -> str:
    return (
        f"{name} has {worker['nthreads']} threads, and a worker measures one thing at a time: start it "
        "with --nthreads 1"
    )
