"""``xpbench doctor``: the machine, the backends, the noise, and advice."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from xpbench.bench.options import AsJson, Precision, Threads

if TYPE_CHECKING:
    from xpbench.bench.doctor import Examination


def doctor(threads: Threads = None, precision: Precision = "ieee", as_json: AsJson = False) -> None:
    """Show this machine, what is in force in each backend, how quiet it is, and what to do.

    Nothing is changed.
    """
    from xpbench.bench import doctor as examination
    from xpbench.bench.measurement import as_json as plain_json

    seen = _examine(threads, precision)
    found = examination.advice(seen)
    if as_json:
        answer = {**asdict(seen), "advice": [asdict(one) for one in found]}
        print(json.dumps(plain_json(answer), indent=2, allow_nan=False))
        return
    _print(seen)


def _examine(threads: int | None, precision: str) -> "Examination":
    from concurrent.futures import ThreadPoolExecutor

    from xpbench.bench import machine, noise, preparation, probe, registry
    from xpbench.bench.backend import Setting
    from xpbench.bench.doctor import Examination, free_bytes

    threads = preparation.checked_threads(threads)
    preparation.known_precision(precision)
    quiet = noise.probe()
    found = registry.find()
    states = probe.states(found, list(found.backends))
    usable = [n for n, state in states.items() if state.usable and found.backends[n].default]

    def read(name: str) -> dict[str, object]:
        home = states[name].devices[0]
        return probe.in_force(found, name, Setting(home, threads, precision))

    with ThreadPoolExecutor() as pool:
        in_force = dict(zip(usable, pool.map(read, usable), strict=True))
    return Examination(
        machine=machine.describe(),
        noise=quiet,
        states=states,
        in_force=in_force,
        threads=threads,
        precision=precision,
        disk_bytes=free_bytes(Path("results")),
        swapped_bytes=machine.swapped_bytes(),
    )


def _print(seen: "Examination") -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from xpbench.bench.doctor import advice, quietness
    from xpbench.bench.output import console_of_output

    console = console_of_output()
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for label, text in [*_machine_lines(seen), *_library_lines(seen), ("noise", quietness(seen.noise))]:
        facts.add_row(label, Text(text))
    console.print(facts)
    console.print()
    found = advice(seen)
    if not found:
        console.print("nothing to do: measure")
    for one in found:
        style = "yellow" if one.severity == "warning" else "dim"
        console.print(Text.assemble((f"{one.severity}: ", style), one.finding))
        console.print(Padding(Text(one.cure, style="dim"), (0, 0, 0, 4)))


def _machine_lines(seen: "Examination") -> list[tuple[str, str]]:
    from xpbench.bench.report.quantities import volume

    machine = seen.machine
    cache, memory, guest = (machine.get(k) for k in ("cache_bytes", "memory_bytes", "hypervisor"))
    surroundings = [
        _counted(machine["cores"], "CPU"),
        f"{volume(cache)} last-level cache" if cache else "",
        f"{volume(memory)} memory" if memory else "",
        ""
        if guest is None
        else "a guest of an unnamed hypervisor"
        if guest == "unknown"
        else f"a {guest}",
        f"in {machine['container']}" if machine.get("container") else "",
    ]
    clock = [
        f"governor {machine.get('governor') or 'not told'}",
        f"turbo {_said(machine.get('turbo'))}",
        f"SMT {_said(machine.get('smt'))}",
        f"CPU quota {machine.get('cgroup_quota') or 'not told'}",
    ]
    return [
        ("machine", f"{machine['cpu']}, known here as {machine['id']}"),
        ("", ", ".join(part for part in surroundings if part)),
        ("", ", ".join(clock)),
        ("system", f"{machine['system']}, Python {machine['python']}"),
        *(("card", card) for card in machine.get("cards") or []),
        ("asked", f"{_counted(seen.threads, 'thread')}, precision {seen.precision}; in force are"),
    ]


def _library_lines(seen: "Examination") -> list[tuple[str, str]]:
    return [
        (name, ", ".join(f"{key} {value}" for key, value in switches.items()) or "nothing told")
        for name, switches in seen.in_force.items()
    ]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _said(switch: bool | None) -> str:
    return {True: "on", False: "off", None: "not told"}[switch]
