"""What would a sharded kernel take on more devices than there are? The model behind docs/predictions.md.

Every device computes its share and exchanges what the partitioned program exchanges; the time of an
exchange is that of Hockney (Parallel Computing 20, 1994): a latency for each step and the bytes over the
bandwidth. Collective operations take the steps and the bytes of Thakur, Rabenseifner & Gropp (Int. J.
High Perf. Comput. Appl. 19, 2005): recursive doubling and halving, or pairs one after the other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xpbench.bench.sharding import Sharding

AGREE = 0.1
"""Bytes that differ by more than this share from what their law says at another number of devices make a
prediction a guess."""
LINEAR = ("all-gather", "all-reduce", "reduce-scatter")
"""Operations on an array of one length, of which all devices together receive p - 1 times a constant."""


@dataclass(frozen=True)
class Network:
    """``latency_s`` is the time of a step without bytes, ``bytes_per_s`` what a device receives."""

    latency_s: float
    bytes_per_s: float


@dataclass(frozen=True)
class Work:
    """A kernel at a size: the seconds of a call on one device, what the programs of several were seen
    to do by the number of devices, that of one among them, and the flops that its cost model states."""

    seconds: float
    seen: Mapping[int, Sharding]
    flops: float | None

    @property
    def most(self) -> Sharding:
        return self.seen[max(self.seen)]


@dataclass(frozen=True)
class Prediction:
    """Seconds of a call: those of computing and those of exchanging ``received_bytes`` a device."""

    devices: int
    compute_s: float
    exchange_s: float
    received_bytes: float

    @property
    def seconds(self) -> float:
        return self.compute_s + self.exchange_s


def predict(work: Work, devices: int, network: Network, smallest_s: float) -> Prediction:
    """A call on so many ``devices`` of a kernel whose smallest call takes ``smallest_s``."""
    repeated = undivided(work)
    compute = max(smallest_s, work.seconds * (repeated + (1 - repeated) / devices))
    steps = sum(times * steps_of(kind, devices) for kind, times in (work.most.performed or {}).items())
    received = sum(received_bytes(work, kind, devices) for kind in work.most.received or {})
    exchange = steps * network.latency_s + received / network.bytes_per_s
    return Prediction(devices, compute, exchange, received)


def undivided(work: Work) -> float:
    """The share of the time of one device that every device takes, however many there are.

    Of the operations that XLA counts, from those of the most devices seen: p F(p) / F(1) = 1 + s (p - 1)
    where a share s is not divided. Calls of LAPACK it does not count, and divides none: their share is
    what the cost model states beyond XLA's count.
    """
    alone, several = work.seen[1], work.most
    if not several.divided:
        return 1.0
    before, after = alone.device_flops or 0.0, several.device_flops
    whole = 0.0
    if several.library_calls:
        whole = min(1.0, max(0.0, 1 - before / work.flops)) if work.flops else 1.0
    if not before or after is None:
        repeated = 1.0 if several.gathered else 0.0
    else:
        repeated = (several.devices * after / before - 1) / (several.devices - 1)
    return whole + (1 - whole) * min(1.0, max(0.0, repeated))


def steps_of(kind: str, devices: int) -> float:
    """The steps of one operation among so many devices, each of which waits for the latency once."""
    doublings = math.ceil(math.log2(devices))
    steps = {"all-reduce": 2 * doublings, "all-to-all": devices - 1, "collective-permute": 1}
    return steps.get(kind, doublings)


def received_bytes(work: Work, kind: str, devices: int) -> float:
    """Bytes that one of so many devices receives in a call by operations of a kind.

    All devices together receive, of arrays of one length, (p - 1) times a constant to gather, to reduce
    or to reduce and scatter; to exchange all with all (p - 1) / p times one; and with a permutation p
    times one, where what is exchanged is an edge, or as much as ever, where it is a share.
    """
    at = work.most.devices
    seen = (work.most.received or {}).get(kind, 0.0)
    if kind in LINEAR:
        return seen / (at - 1) * (devices - 1) / devices
    if kind == "all-to-all":
        return seen * at / (at - 1) * (devices - 1) / devices**2
    return seen / at if _is_edge(work, kind) else seen / devices


def doubts(work: Work) -> list[str]:
    """Why the bytes of more devices may be others than predicted."""
    found = []
    if work.most.communicated_bytes is None:
        found.append(work.most.reason or "the bytes exchanged are not known")
    several = sorted(devices for devices in work.seen if devices > 1)
    for kind in work.most.received or {}:
        for devices in several[:-1]:
            seen = (work.seen[devices].received or {}).get(kind, 0.0)
            expected = devices * received_bytes(work, kind, devices)
            if not seen:
                found.append(f"{kind} occurs on more than {devices} devices alone")
                break
            if abs(seen - expected) > AGREE * max(seen, expected):
                found.append(
                    f"{kind} on {devices} devices moved {_times(seen, expected)} what its law says"
                )
                break
    if len({tuple(sorted((work.seen[devices].performed or {}).items())) for devices in several}) > 1:
        found.append("the program is another one for other numbers of devices")
    return found


def _is_edge(work: Work, kind: str) -> bool:
    """Whether a device receives as much by ``kind`` as with fewer devices, rather than all together."""
    several = sorted(devices for devices in work.seen if devices > 1)
    if len(several) < 2:
        return True
    fewer, most = (
        (work.seen[devices].received or {}).get(kind, 0.0) for devices in (several[0], several[-1])
    )
    each = abs(most / several[-1] - fewer / several[0]) * several[-1]
    return each <= abs(most - fewer)


def _times(seen: float, expected: float) -> str:
    return f"{seen / expected:.2g} times" if expected else "what is not"
